#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares `tcpecho ping` and `bench` with bare clients, and with what Debian packages, A B A B.

Each measurement starts a new server on one core and a client on another. Each round measures all clients once, so
that a disturbance of the machine affects all of them.
"""
import argparse
import contextlib
import json
import pathlib
import shutil
import sys
import tempfile
import threading
from typing import Callable, NamedTuple, Optional

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import measuring_page  # noqa: E402
import compare  # noqa: E402
import ourclient  # noqa: E402
import record  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402
import othertools  # noqa: E402
from harness import own_memory_kib  # noqa: E402

WARMUP = 0.3
MANY, FEW = 18000, 64

# Descriptors of a server with many clients, besides those of the clients.
SPARE = 100


class Case(NamedTuple):
    """A measurement: connections and message size for load.c and similar clients, and its figures."""

    title: str
    figures: tuple
    connections: int = 1
    size: int = 64
    server: str = "epoll"  # or bare-epoll


ECHOES = ("per_core", "per_second", "client_cpu_us", "p50_us", "p99_us")
ROUND_TRIP = ("p50_us", "p99_us", "client_cpu_us", "per_second")

CASES = {
    "ping": Case("round trip, 1 connection x 64 B", ROUND_TRIP),
    "ping-bare": Case("the same, from the bare loop", ROUND_TRIP, server="bare-epoll"),
    "echoes": Case("64 connections x 64 B", ECHOES, 64),
    "echoes-bare": Case("the same, from the bare loop", ECHOES, 64, server="bare-epoll"),
    "bulk": Case("16 connections x 64 KiB", ECHOES, 16, 65536),
    "bulk-bare": Case("the same, from the bare loop", ECHOES, 16, 65536, server="bare-epoll"),
    "open": Case(
        "open loop at half of what a closed one gets, 64 x 64 B",
        ("lateness_p99_us", "rate_off", "taken", "per_second", "client_cpu_us"),
        64,
    ),
    "many": Case(f"{MANY:,} connections of one process", ("own_bytes", "clients", "per_second"), MANY),
}

OURS = "tcpecho"
SPINS = "tcpecho --spin"


# ---- clients ----


class Bench:
    """Paths, and the duration of a measurement."""

    def __init__(self, program, directory, scratch, seconds, server_program=None):
        self.program, self.directory, self.scratch, self.seconds = program, directory, scratch, seconds
        self.server_program = server_program or program
        self.server_core, self.client_core = ourclient.two_cores()

    def kind(self, case):
        if case.server == "bare-epoll":
            return servers.bare("bare-epoll", self.directory, "bare-epoll")
        return servers.engine("epoll", self.server_program, "epoll", *servers.ONE_WORKER)

    def server(self, case):
        clients = case.connections + SPARE if case.connections > compare.FEW_CLIENTS else None
        return servers.RunningServer(self.kind(case), self.scratch, self.server_core, clients)

    def duration(self, share=1.0):
        return f"{int(self.seconds * share * 1000)}ms"

    def bench_words(self, server, case, *options):
        words = ["-c", case.connections, "-s", case.size, "-d", self.duration(), "--warmup", f"{int(WARMUP * 1000)}ms"]
        return ourclient.bench_words(self.program, server, *words, *options)

    def measure(self, client, case):
        """Makes one measurement; "error" says why it failed."""
        try:
            with self.server(case) as server:
                others = ourclient.Others(server)
                found = client.measure(self, server, case)
                return found | {"others": others.share()}
        except (RuntimeError, AssertionError) as error:
            return {"error": str(error)}


def figures_of(says):
    """Converts the result of `bench --json` to the names of report.py."""
    if says["error"]:
        return says
    found = {
        "error": None,
        "per_second": says["rate"],
        "p50_us": says["response_us"]["p50"],
        "p99_us": says["response_us"]["p99"],
        "clients": says["connections"],
    }
    if says.get("lateness_us"):
        found["lateness_p99_us"] = says["lateness_us"]["p99"]
    if says["rate_wanted"]:
        found["rate_off"] = abs(says["rate"] / says["rate_wanted"] - 1) * 100
    return with_cpu(found, says["client_cpu_share"])


def with_cpu(found, share):
    if share > 0:
        found["per_core"] = found["per_second"] / share
        found["client_cpu_us"] = 1e6 * share / found["per_second"]
    return found


def closed(bench, server, case):
    return figures_of(ourclient.json_of(bench.bench_words(server, case), bench.client_core))


def bare(bench, server, case):
    words = ["-c", case.connections, "-s", case.size, "-w", WARMUP, "-t", bench.seconds]
    says = ourclient.json_of(
        [bench.directory / "bare-client", *words, *ourclient.where(server)], bench.client_core
    )
    return says if says["error"] else with_cpu(says, says["cpu_share"])


def load(bench, server, case):
    words = ["rr", "-c", case.connections, "-s", case.size, "-w", WARMUP, "-t", bench.seconds]
    words = [bench.directory / "load", *words, "-a", server.address, "-p", server.port]
    return ourclient.json_of(words, bench.client_core)


# Round trips per second: a message takes less time than this allows, so that a run is not longer than requested.
ROUND_TRIPS = 8000


def ping(*options):
    def measure(bench, server, case):
        count = max(int(ROUND_TRIPS * bench.seconds), 100)
        words = ourclient.ping_words(bench.program, server, "-c", count, "-i", "0", "-s", case.size, *options)
        says = ourclient.json_of(words, bench.client_core)
        if says["error"]:
            return says
        times = says["response_us"]
        return {"error": None, "per_second": says["rate"], "p50_us": times["p50"], "p99_us": times["p99"]}

    return measure


def bare_ping(bench, server, case):
    count = max(int(ROUND_TRIPS * bench.seconds), 100)
    words = [bench.directory / "bare-ping", "-n", count, "-s", case.size, "-w", count // 10]
    return ourclient.json_of([*words, *ourclient.where(server)], bench.client_core)


LOOK = 0.2  # seconds between two samples of a client: more often would disturb it


def watched(bench, words, look):
    """Returns (the client's result, the maximum that look(its pid) returned while it ran)."""
    client = ourclient.start(words, bench.client_core)
    found, has_ended = [look(client.pid)], threading.Event()

    def watch():
        while not has_ended.wait(LOOK):
            found.append(look(client.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    output, error = ourclient.finish(client)  # reads meanwhile: a document may be larger than a pipe
    has_ended.set()
    watching.join()
    most = max(found)
    return {"error": error} if error else json.loads(output) | {"error": None}, most


def waited_for_core(pid):
    """Returns the seconds in which its threads were ready to run, but others had their core (schedstat, proc(5))."""
    paths = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    with contextlib.suppress(OSError):
        return sum(int(path.read_text().split()[1]) for path in paths) / 1e9
    return 0


def half_of_capacity(bench, server, case):
    """A closed loop measures the capacity, then an open loop runs at half of it."""
    capacity = closed(bench, server, case)
    if capacity["error"]:
        return capacity
    rate = int(capacity["per_second"] / 2)
    says, waited = watched(bench, bench.bench_words(server, case, "-r", rate), waited_for_core)
    found = figures_of(says)
    return found if found["error"] else found | {"taken": waited / (says["seconds"] + WARMUP) * 100}


def many(bench, server, case):
    """Returns memory per connection: the difference to a few connections, divided by the difference of their
    numbers."""
    few_case = case._replace(connections=min(FEW, case.connections // 2))
    few, few_kib = watched(bench, bench.bench_words(server, few_case), own_memory_kib)
    says, kib = watched(bench, bench.bench_words(server, case), own_memory_kib)
    found = figures_of(says if not few["error"] else few)
    if not found["error"]:
        found["own_bytes"] = (kib - few_kib) * 1024 / (case.connections - few["connections"])
    return found


class Client(NamedTuple):
    """A client, and how it is measured."""

    name: str
    measure: Callable  # (bench, server, case) -> figures
    cases: tuple


PINGS, LOADS = ("ping", "ping-bare"), ("echoes", "echoes-bare", "bulk", "bulk-bare")

CLIENTS = (
    Client(OURS, ping(), PINGS),
    Client("bare-ping", bare_ping, PINGS),
    Client(SPINS, ping("--spin"), PINGS),
    Client(OURS, closed, LOADS),
    Client("bare-client", bare, LOADS),
    Client("load.c", load, LOADS),
    Client(OURS, half_of_capacity, ("open",)),
    Client(OURS, many, ("many",)),
)


# ---- goals ----


class Goal(NamedTuple):
    """Target of our client. `bound` is a limit of the ratio if the figure is compared with another client."""

    promise: str
    case: str
    figure: str
    bound: float
    against: Optional[str] = None


GOALS = (
    Goal("ping: p50 within 3 % of a bare blocking write and read", "ping", "p50_us", 1.03, "bare-ping"),
    Goal("the same, from the bare loop", "ping-bare", "p50_us", 1.03, "bare-ping"),
    Goal("bench, 64 x 64 B: echoes per second of a core 0.95 x bare", "echoes", "per_core", 0.95, "bare-client"),
    Goal("the same, from the bare loop", "echoes-bare", "per_core", 0.95, "bare-client"),
    Goal("bench, 16 x 64 KiB: 0.90 x bare", "bulk", "per_core", 0.90, "bare-client"),
    Goal("the same, from the bare loop", "bulk-bare", "per_core", 0.90, "bare-client"),
    Goal("open loop at half of capacity: lateness p99 under 50 µs", "open", "lateness_p99_us", 50),
    Goal("and the rate within 0.1 % of what was asked for", "open", "rate_off", 0.1),
    Goal("own memory of a connection at most 512 B", "many", "own_bytes", 512),
    Goal(f"{MANY:,} connections of one process", "many", "clients", MANY),
)


def judge(goal, results):
    """Returns (what was measured, the verdict)."""
    own = results.get(goal.case, {}).get(OURS, [])
    found = report.values(own, goal.figure)
    if not found:
        error = next((one["error"] for one in own if one["error"]), None)
        return (error, "not reached") if error else ("-", record.NOT_MEASURED)
    measured = f"{report.spread(own, goal.figure)} {report.TITLES[goal.figure]}"
    spread = report.median(found), min(found), max(found)
    if goal.against:
        spread = report.ratios(own, results[goal.case].get(goal.against, []), goal.figure)
        if not spread:
            return f"{measured}; nothing to compare with", record.NOT_MEASURED
        measured = f"{spread[0]:.2f} ({spread[1]:.2f}..{spread[2]:.2f}) x {goal.against}: {measured}"
    return measured, record.verdict(goal.figure, spread, goal.bound)


# ---- all of them ----


def run_case(bench, name, rounds):
    """Returns name of a client -> its measurements. After a failure, a client is not measured again."""
    clients = [client for client in CLIENTS if name in client.cases]
    results = {client.name: [] for client in clients}
    for number in range(rounds):
        for client in clients:
            if any(one["error"] for one in results[client.name]):
                continue
            report.progress(f"{name}: round {number + 1} of {rounds}, {client.name}")
            results[client.name].append(bench.measure(client, CASES[name]))
    report.progress("")
    return results


def table(name, results):
    """Returns the rows of a case: the first figure compared with the bare client, or with the first client."""
    case = CASES[name]
    first = case.figures[0]
    baseline = next((client for client in results if client.startswith("bare")), next(iter(results)))
    head = ["", report.TITLES[first], f"/ {baseline}", *(report.TITLES[figure] for figure in case.figures[1:])]
    rows = []
    for client, measurements in results.items():
        rows.append([client, report.spread(measurements, first), report.ratio(measurements, results[baseline], first)])
        rows[-1] += [report.spread(measurements, figure) for figure in case.figures[1:]]
    errors = {f"{client}: {one['error']}" for client, found in results.items() for one in found if one["error"]}
    shares = [one["others"] for found in results.values() for one in found if "others" in one]
    others = [f"other processes used {report.median(shares):.0%} of a core meanwhile"] if shares else []
    text = "; ".join([*sorted(errors), *others])
    return {"title": f"`{name}`: {case.title}", "text": text, "head": head, "rows": rows}


def promises(results):
    found = []
    for goal in GOALS:
        measured, verdict = judge(goal, results)
        if verdict != record.NOT_MEASURED:
            count = len(results[goal.case][OURS])
            evidence = f"{CASES[goal.case].title}: median (min..max) of {count} alternating runs"
            found.append({"promise": goal.promise, "evidence": evidence, "result": f"{verdict}: {measured}"})
    return found


# ---- the command line ----


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench clients", description=__doc__.splitlines()[0])
    names = [*CASES, "others"]
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which ones: {', '.join(names)} (default: all)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="measurements of each client (7)")
    parser.add_argument("--seconds", type=float, default=1, metavar="T", help="length of a measurement (1)")
    parser.add_argument(
        "--program", type=pathlib.Path, default=ROOT / "build" / "tcpecho", metavar="PATH", help="the client to measure"
    )
    parser.add_argument("--record", action="store_true", help="write docs/records/clients.md and what belongs to it")
    options = parser.parse_args()
    if options.record and options.cases:
        parser.error("--record is for a run of everything")
    for case in options.cases:
        if case not in names:
            parser.error(f"no case {case}: {', '.join(names)}")
    options.cases = options.cases or names
    return options


def print_table(found):
    print(f"\n{found['title']}")
    report.print_rows([found["head"], *found["rows"]], [found["text"]] if found["text"] else [])


def has_failed(results):
    return any(one["error"] for by_client in results.values() for one in by_client.get(OURS, []))


def main():
    servers.end_on_term()
    options = parse()
    servers.adopt_orphans()
    directory = compare.build(ROOT / "build" / "bench")
    compare.build_peers(directory)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="tcpecho-clients-"))
    bench = Bench(options.program.resolve(), directory, scratch, options.seconds)
    results, tables, left_out = {}, [], []
    try:
        for name in options.cases:
            if name == "others":
                found, left_out = othertools.tell(bench, options.rounds)
            else:
                results[name] = run_case(bench, name, min(options.rounds, 3) if name == "many" else options.rounds)
                found = table(name, results[name])
            tables.append(found)
            print_table(found)
        print()
        for words in left_out:
            print(f"left out: {words}")
        for promise in promises(results):
            print(f"{promise['result']}: {promise['promise']}")
        if options.record:
            command = f"./dev bench clients --rounds {options.rounds} --seconds {options.seconds:g}"
            measuring_page.write("clients", command, promises(results), tables, left_out)
        return 1 if has_failed(results) else 0
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
