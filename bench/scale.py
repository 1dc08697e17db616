#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the cost of a load balancer: one server, reached directly and through HAProxy, in turn.

Client, balancer and server are separate machines (tests/lib/machines.py) on one bridge. The balancer is configured
as in examples/scale/haproxy.cfg, with one server. Processes are not pinned to cores, so the CPU time of each
machine per echo means more than the rate.
"""
import argparse
import contextlib
import datetime
import json
import pathlib
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import record  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402
from harness import Server, children_of, cpu_seconds, own_memory_kib, wait_until  # noqa: E402
from machines import Network, tool, wait_for_port, why_impossible  # noqa: E402

CONFIG = ROOT / "examples" / "scale" / "haproxy.cfg"
FIGURES = ROOT / "docs" / "records" / "figures" / "scale.json"
PAGE = ROOT / "docs" / "records" / "balancer.md"

LONGEST = 120  # seconds: only a hang takes longer

WAYS = ("direct", "balanced")

# Options of bench, by case.
CASES = {
    "latency": ("round trip, 1 connection x 64 B", ["-c", "1"]),
    "echoes": ("echoes, 64 connections x 64 B", ["-c", "64"]),
    "bulk": ("echoes, 16 connections x 64 KiB", ["-c", "16", "-s", "64k"]),
    "connect": ("connect + echo of 64 B + close, 32 at a time", ["-c", "32", "--churn"]),
}

# Number of connections that are held to measure memory: few enough for HAProxy's own limit, which follows
# RLIMIT_NOFILE.
HELD = 1000

TITLES = {
    "per_second": "per second", "p50_us": "p50 µs", "p99_us": "p99 µs",
    "server_cpu_us": "server's CPU µs each", "balancer_cpu_us": "balancer's CPU µs each",
}


# The end that closes first keeps the port for a minute (TIME_WAIT), so the search for a free port takes longer and
# longer: 4 ms after some 14,000 connections. Over loopback the kernel reuses such ports by itself.
REUSE = ("net.ipv4.tcp_tw_reuse=1",)


class Bench:
    """Three machines, with the server and the balancer running."""

    def __init__(self, program, directory):
        self.program, self.directory = program, pathlib.Path(directory)
        self.network = Network(directory, hub="balancer")
        self.client = self.network.machine("client", 50)
        for machine in (self.network.hub, self.client):
            subprocess.run([*machine.network, "sysctl", "-qw", *REUSE], check=True)
        self.server = Server(
            program, directory, ["--quiet", "--max-clients", "4000", "9877"],
            prefix=self.network.machine("server", 21).network, engine="epoll",
        )
        lines = CONFIG.read_text().splitlines(keepends=True)
        config = self.directory / "haproxy.cfg"
        config.write_text("".join(line for line in lines if not line.startswith(("\tserver s2", "\tserver s3"))))
        process = self.network.start(self.network.hub, tool("haproxy"), "-db", "-f", config, log="haproxy.log")
        wait_for_port(self.network.hub, 9877)
        self.balancer = children_of(process.pid)[0]  # the child of nsenter(1)
        self.addresses = {"direct": "192.0.2.21", "balanced": self.network.hub.address}

    def close(self):
        self.server.kill()
        self.network.end()

    def load_words(self, way, *options):
        return [*self.client.network, self.program, "bench", "--json", "-q", *options, self.addresses[way]]

    def cpu(self):
        return {"server": self.server.whole_cpu_seconds(), "balancer": cpu_seconds(self.balancer)}

    def measure(self, case, way, seconds):
        """Makes one run. CPU time covers the whole run, so there is no warm-up."""
        before = self.cpu()
        words = self.load_words(way, "--warmup", "0", "-d", f"{seconds}s", *CASES[case][1])
        done = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST + seconds)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout[-200:] or "it said nothing").splitlines()[-1]
            return {"error": f"status {done.returncode}: {said}"}
        found, after = json.loads(done.stdout), self.cpu()
        times = found["response_us"]
        figures = {"per_second": found["rate"], "p50_us": times["p50"], "p99_us": times["p99"]}
        for name, seconds_before in before.items():
            figures[f"{name}_cpu_us"] = (after[name] - seconds_before) * 1e6 / found["echoes"]
        if way == "direct":
            del figures["balancer_cpu_us"]  # CPU time of health checks only
        return figures | {"error": None}

    def memory_of_a_connection(self):
        """Returns the balancer's anonymous memory in bytes for each of HELD idle connections."""
        before = own_memory_kib(self.balancer)
        words = [*self.client.network, self.program, "ping", "-q", "--hold", "-i", "60s", "-c", str(HELD)]
        holder = subprocess.Popen([*words, self.addresses["balanced"]], stdout=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: self.server.totals()["clients"] >= HELD, f"{HELD} connections")
            return (own_memory_kib(self.balancer) - before) * 1024 / HELD
        finally:
            holder.send_signal(signal.SIGTERM)
            holder.communicate(timeout=LONGEST)


def run_case(bench, case, rounds, seconds):
    """Returns way -> measurements; A B A B."""
    results = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS:
            report.progress(f"{case}, {way}, round {number + 1} of {rounds}")
            results[way].append(bench.measure(case, way, seconds))
    report.progress("")
    return results


def table(results):
    rows = [["", *TITLES.values()]]
    for way, measurements in results.items():
        rows.append([way, *(report.spread(measurements, figure) for figure in TITLES)])
    rows.append(["balanced / direct", *(ratio_in_words(results, figure) for figure in TITLES)])
    return rows


def ratio_in_words(results, figure):
    found = report.ratios(results["balanced"], results["direct"], figure)
    return "-" if found is None else "{:.2f} ({:.2f}..{:.2f})".format(*found)


def errors_of(results):
    return [f"{way}: {one['error']}" for way, found in results.items() for one in found if one["error"]]


def summary_of(results):
    return {
        way: {
            figure: {"median": report.median(found), "min": min(found), "max": max(found), "runs": len(found)}
            for figure in TITLES
            if (found := report.values(measurements, figure))
        }
        for way, measurements in results.items()
    }


def page(command, figures, tables):
    """Returns the text of docs/records/balancer.md."""
    parts = [
        "# Measured: a balancer in front of a server",
        f"Made by `{command}` on {datetime.date.today()}, {figures['haproxy']}; medians (min..max). "
        "[SCALE.md](../SCALE.md#what-a-balancer-costs) says how it is measured and how to read it.",
    ]
    for title, rows in tables:
        parts.append(record.markdown_table([title, *rows[0][1:]], rows[1:]))
    parts.append(f"The balancer's own memory of an idle connection: {figures['bytes_of_a_connection']:,.0f} bytes.")
    return "\n\n".join(parts) + "\n"


def version_of_haproxy():
    return subprocess.run([tool("haproxy"), "-v"], capture_output=True, text=True, check=True).stdout.split(" - ")[0]


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench scale", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}, memory (all)")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="of everything (9)")
    parser.add_argument("--seconds", type=float, default=2, metavar="T", help="length of a run (2)")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "tcpecho", metavar="PATH")
    parser.add_argument("--record", action="store_true", help="write docs/records/balancer.md and its figures")
    options = parser.parse_args()
    options.cases = options.cases or [*CASES, "memory"]
    if options.record and options.cases != [*CASES, "memory"]:
        parser.error("--record is for a run of everything")
    if unknown := set(options.cases) - {*CASES, "memory"}:
        parser.error(f"no case {', '.join(sorted(unknown))}")
    return options


def main():
    servers.end_on_term()
    options = parse()
    if reason := why_impossible("haproxy"):
        print(f"cannot measure: {reason}", file=sys.stderr)
        return 1
    figures, tables, failed = {"haproxy": version_of_haproxy(), "cases": {}}, [], False
    with tempfile.TemporaryDirectory(prefix="tcpecho-scale-") as directory:
        with contextlib.closing(Bench(str(options.program.resolve()), directory)) as bench:
            for case in filter(CASES.get, options.cases):
                results = run_case(bench, case, options.rounds, options.seconds)
                print(f"\n{CASES[case][0]}")
                tables.append((CASES[case][0], table(results)))
                report.print_rows(tables[-1][1], errors_of(results))
                failed |= bool(errors_of(results))
                figures["cases"][case] = summary_of(results)
            if "memory" in options.cases:
                figures["bytes_of_a_connection"] = bench.memory_of_a_connection()
                print(f"\nthe balancer's memory of an idle connection: {figures['bytes_of_a_connection']:,.0f} bytes")
    if options.record and not failed:
        command = f"./dev bench scale --rounds {options.rounds} --seconds {options.seconds:g} --record"
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
        PAGE.write_text(page(command, figures, tables))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
