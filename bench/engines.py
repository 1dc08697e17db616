#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the engines with bare loops, with the echo servers that libraries show, and with what Debian packages.

As in compare.py: each measurement starts a new server on one core and a client on another, which verifies every
byte. Each round measures all servers once, so that a disturbance of the machine affects all of them.
"""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import sys
import tempfile
from typing import NamedTuple, Optional

import compare
import plot
import record
import report
import servers

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORDS = ROOT / "docs" / "records"
PAGE = RECORDS / "engines.md"
BARS, LINES = "figures/engines.svg", "figures/engines-growth.svg"

IDLE = 18000
GROWTH = (1, 16, 64, 256, 1000, 4000, 18000)

# Longer than any pause between two messages of one connection.
BUSY_POLL = "1ms"


def idle_case(clients):
    return compare.Case(
        f"{clients:,} idle clients: memory for each",
        f"idle -c {clients}",
        ("own_bytes", "whole_kib"),
        most_rounds=3,
    )


def growth_case(connections):
    return compare.Case(
        f"CPU for an echo of 64 B, {connections:,} connections", f"rr -c {connections}", ("cpu_us", "per_second")
    )


CASES = {
    "latency": compare.Case("round trip, 1 connection x 64 B", "rr -c 1", ("p50_us", "p99_us", "cpu_us")),
    "echoes": compare.Case("echoes, 64 connections x 64 B", "rr -c 64", ("cpu_us", "per_second", "p50_us", "p99_us")),
    "thousand": compare.Case("echoes, 1,000 x 64 B", "rr -c 1000", ("cpu_us", "per_second", "p50_us", "p99_us")),
    "bulk": compare.Case("echoes, 16 x 64 KiB", "rr -c 16 -s 65536", ("cpu_us", "per_second", "p50_us", "p99_us")),
    "pages": compare.Case("echoes, 64 x 4 KiB", "rr -c 64 -s 4096", ("cpu_us", "per_second", "p50_us", "p99_us")),
    "connect": compare.Case(
        "connect, echo of 64 B, close; 32 under way", "connect -c 32", ("per_second", "cpu_us", "p50_us", "p99_us")
    ),
    "fair": compare.Case(
        "100 pings beside a busy connection: p99",
        "fair -c 100",
        ("times_quiet", "p99_us", "quiet_p99_us", "firehose_mib"),
    ),
    "idle": idle_case(IDLE),
    # On two cores the second worker and the client share one: no process is pinned in that case.
    "workers": compare.Case("64 x 64 B, on all cores", "rr -c 64", ("per_second", "cpu_us", "p99_us"), spread=True),
    **{f"growth-{connections}": growth_case(connections) for connections in GROWTH},
}

LOADS = ("latency", "echoes", "thousand", "bulk", "pages", "connect")
GROWTHS = tuple(f"growth-{connections}" for connections in GROWTH)
ALL_FOR_MANY = (*LOADS, "fair", "idle", *GROWTHS)

# One or two processes per client: a thousand of them are not measured here.
PACKAGED_LOADS = ("latency", "echoes", "bulk", "connect")

# Servers with which the others are compared, in the cases in which they take part.
BASELINES = ("bare-epoll", "bare-uring", "bare-epoll spins", "epoll -w 1", "uring -w 1")

# The picture shows the first figure of each of these cases.
PANELS = ("latency", "echoes", "thousand", "bulk", "pages", "connect", "fair", "idle", "workers")


# ---- servers ----

FOR_MANY = ("epoll", "uring")  # engines that poll


def engine_kinds(program):
    """Returns our five engines, with one worker where that can be set: the server has one core."""
    kinds = [
        servers.engine("fork", program, "fork", cases=(*LOADS, "fair")),
        servers.engine("prefork", program, "prefork", cases=(*LOADS, "fair")),
        servers.engine("thread", program, "thread", *servers.ONE_WORKER, cases=(*LOADS, "fair")),
    ]
    for name in FOR_MANY:
        kinds.append(servers.engine(name, program, name, *servers.ONE_WORKER, cases=ALL_FOR_MANY))
    for name in FOR_MANY:
        busy = (*servers.ONE_WORKER, "--busy-poll", BUSY_POLL)
        kinds.append(servers.engine(f"{name} busy", program, name, *busy, cases=("latency",), sleeps=False))
    for name in FOR_MANY:
        for workers in ("1", "2"):
            kinds.append(servers.engine(f"{name} -w {workers}", program, name, "-w", workers, cases=("workers",)))
    return kinds


def peer_kinds(directory):
    few = (*LOADS, "fair")
    return [
        servers.bare("bare-epoll", directory, "bare-epoll", cases=ALL_FOR_MANY),
        servers.bare("bare-uring", directory, "bare-uring", cases=ALL_FOR_MANY),
        servers.bare("bare-epoll spins", directory, "bare-epoll", "-s", cases=("latency",), sleeps=False),
        servers.bare("bare-uring spins", directory, "bare-uring", "-s", cases=("latency",), sleeps=False),
        servers.bare("libuv", directory, "libuv-echo", cases=(*few, "idle")),
        servers.bare("libevent", directory, "libevent-echo", cases=(*few, "idle")),
        # Go uses three descriptors per client, and does not have enough of them for the other cases.
        servers.bare("Go", directory, "go-echo", cases=few),
        servers.bare("liburing", directory, "liburing-echo", cases=few),  # it takes 1,019 clients
        servers.packaged("tcpserver+cat", "tcpserver", servers.tcpserver, cases=PACKAGED_LOADS),
        servers.packaged("socat PIPE", "socat", servers.socat("PIPE"), cases=PACKAGED_LOADS),
        servers.packaged("ncat --exec cat", "ncat", servers.ncat, cases=PACKAGED_LOADS),
    ]


def why_left_out(kinds, engines):
    """Returns name of a server -> why it cannot be measured here."""
    reasons = {}
    for kind in kinds:
        name = kind.name.split()[0]
        if kind.is_own and name not in engines:
            reasons[kind.name] = "this build has no such engine"
        elif kind.is_own and engines[name]:
            reasons[kind.name] = engines[name]
        elif not servers.is_there(kind):
            reasons[kind.name] = f"{kind.needs} is not installed" if kind.packaged else "it could not be built"
    return reasons


# ---- measurements ----


class EngineBench(compare.Bench):
    """Measures the memory of all processes, and has the case "fair"."""

    def load_for_a_while(self, server, words):
        if not words.startswith("fair"):
            return super().load_for_a_while(server, words)
        quiet = super().load_for_a_while(server, words)
        result = quiet if quiet["error"] else super().load_for_a_while(server, f"{words} -f 1")
        if not result["error"]:
            result["quiet_p99_us"] = quiet["p99_us"]
            result["times_quiet"] = result["p99_us"] / quiet["p99_us"]
        return result

    def before_holding(self, server):
        """Loads the server first, so that what it needs for any number of clients, such as buffers, is allocated
        already."""
        super().load_for_a_while(server, "rr -c 64")
        self.own_kib = server.own_memory_kib()

    def memory_held(self, server, clients):
        return {"own_bytes": (server.own_memory_kib() - self.own_kib) * 1024 / clients}


# ---- goals ----

BEST_OTHER = "the best that is not ours"
BEST_ASLEEP = "the best that sleeps"


class Goal(NamedTuple):
    """Target of an engine. `bound` is a limit of the ratio if the figure is compared with another server."""

    promise: str
    case: str
    server: str
    figure: str
    bound: float
    against: Optional[str] = None


def cpu_goals():
    titles = {"echoes": "64 x 64 B", "thousand": "1,000 x 64 B", "bulk": "16 x 64 KiB"}
    for case in ("echoes", "thousand"):
        words = f"uring, {titles[case]}: CPU per echo"
        yield Goal(f"{words} at most that of the bare io_uring loop", case, "uring", "cpu_us", 1, "bare-uring")
        yield Goal(f"{words} at most 0.92 x the bare epoll loop", case, "uring", "cpu_us", 0.92, "bare-epoll")
        yield Goal(f"ambitious goal: {words} at most 0.85 x the best other", case, "uring", "cpu_us", 0.85, BEST_OTHER)
    yield Goal("uring, 16 x 64 KiB: CPU no worse than the bare epoll loop", "bulk", "uring", "cpu_us", 1, "bare-epoll")
    for case, title in titles.items():
        words = f"epoll, {title}: CPU per echo at most that of the bare epoll loop"
        yield Goal(words, case, "epoll", "cpu_us", 1, "bare-epoll")


def goals():
    yield from cpu_goals()
    for name in FOR_MANY:
        words = f"{name}: connect + echo + close at least at the bare loop's rate"
        yield Goal(words, "connect", name, "per_second", 1, f"bare-{name}")
    yield Goal("prefork: connect + echo + close at least 4 x fork", "connect", "prefork", "per_second", 4, "fork")
    for name in ("fork", "prefork", "thread", *FOR_MANY):
        words = f"{name}: p50 of one connection within 5 % of the best"
        yield Goal(words, "latency", name, "p50_us", 1.05, BEST_ASLEEP)
    for name in FOR_MANY:
        words = f"{name} --busy-poll: p50 of one connection at most 0.6 x the best that sleeps"
        yield Goal(words, "latency", f"{name} busy", "p50_us", 0.6, BEST_ASLEEP)
    for name in FOR_MANY:
        yield Goal(f"{name}: own memory of an idle connection at most 256 B", "idle", name, "own_bytes", 256)
        yield Goal(f"ambitious goal: {name}: 100 B", "idle", name, "own_bytes", 100)
    for name in ("fork", "prefork", "thread", *FOR_MANY):
        words = f"{name}: p99 of 100 connections beside a busy connection at most 5 x the quiet p99"
        yield Goal(words, "fair", name, "times_quiet", 5)


GOALS = tuple(goals())


# ---- the record ----


class Record:
    """One whole run: results[case][server]."""

    def __init__(self, kinds, results, command, left_out):
        self.kinds, self.results, self.command, self.left_out = kinds, results, command, left_out

    def best(self, case, figure, which):
        """Returns the name of the sleeping server with the best median; `which` selects all servers, or those that
        are not ours."""
        medians = {
            kind.name: report.median(found)
            for kind in self.kinds
            if kind.sleeps
            and not (which == BEST_OTHER and kind.is_own)
            and (found := report.values(self.results[case].get(kind.name, []), figure))
        }
        choose = max if figure in record.MORE_IS_BETTER else min
        return choose(medians, key=medians.get, default=None)

    def judge(self, goal):
        """Returns (what was measured, the verdict)."""
        results = self.results.get(goal.case, {})
        own = results.get(goal.server, [])
        found = report.values(own, goal.figure)
        if not found:
            error = own[-1]["error"] if own else None
            return (error, "not reached") if error else ("-", record.NOT_MEASURED)
        measured = f"{report.spread(own, goal.figure)} {report.TITLES[goal.figure]}"
        if not goal.against:
            return measured, record.verdict(goal.figure, (report.median(found), min(found), max(found)), goal.bound)
        by_name = goal.against not in (BEST_OTHER, BEST_ASLEEP)
        against = goal.against if by_name else self.best(goal.case, goal.figure, goal.against)
        ratios = report.ratios(own, results.get(against, []), goal.figure)
        if not ratios:
            return f"{measured}; nothing to compare with", record.NOT_MEASURED
        measured = f"{ratios[0]:.2f} ({ratios[1]:.2f}..{ratios[2]:.2f}) x {against}: {measured}"
        return measured, record.verdict(goal.figure, ratios, goal.bound)

    def table(self, name):
        """Returns the rows of a case, the first with titles: ratios of the first figure, and the others."""
        case, results = CASES[name], self.results[name]
        first, *others = case.figures
        best = self.best(name, first, BEST_OTHER)
        against = [server for server in BASELINES if server in results]
        if best and best not in against:
            against.append(best)
        rows = [["", report.TITLES[first], *(f"/ {one}" for one in against), *(report.TITLES[one] for one in others)]]
        for server, measurements in results.items():
            ratios = [report.ratio(measurements, results[one], first) for one in against]
            rows.append([server, report.spread(measurements, first), *ratios])
            rows[-1] += [report.spread(measurements, figure) for figure in others]
        errors = {f"{server}: {one['error']}" for server, found in results.items() for one in found if one["error"]}
        return rows, sorted(errors)

    def print_case(self, name):
        report.progress("")
        rows, errors = self.table(name)
        print(f"\n{CASES[name].title}: median (min..max) of {max(map(len, self.results[name].values()))}")
        report.print_rows(rows, errors)

    def print_summary(self):
        print()
        for goal in GOALS:
            measured, verdict = self.judge(goal)
            if verdict != record.NOT_MEASURED:
                print(f"{verdict}: {goal.promise}: {measured}")

    def failures(self):
        """Returns our own servers that failed. Failures of other servers are results."""
        ours = {kind.name for kind in self.kinds if kind.is_own}
        return [
            server
            for by_server in self.results.values()
            for server, measurements in by_server.items()
            if server in ours and any(one["error"] for one in measurements)
        ]

    def json(self):
        rows = []
        for goal in GOALS:
            measured, verdict = self.judge(goal)
            count = len(self.results.get(goal.case, {}).get(goal.server, []))
            evidence = f"{CASES[goal.case].title}: median (min..max) of {count} alternating runs"
            rows.append({"promise": goal.promise, "evidence": evidence, "result": f"{verdict}: {measured}"})
        return {
            "name": "engines",
            "command": self.command,
            "date": datetime.date.today().isoformat(),
            "machine": f"{record.machine_in_short()}, {os.cpu_count()} cores",
            "rows": rows,
            "medians": record.summary_of(self.results),
        }

    def families(self):
        """Returns the groups that the picture distinguishes: ours, the bare loops, all others."""
        return {
            kind.name: "own" if kind.is_own else "textbook" if kind.name.startswith("bare") else "packaged"
            for kind in self.kinds
        }

    def bars(self):
        panels = []
        for name in PANELS:
            figure = CASES[name].figures[0]
            better = "more" if figure in record.MORE_IS_BETTER else "less"
            panels.append(record.Panel(CASES[name].title, figure, better, self.results[name], self.families()))
        note = "medians, with the range of all runs; server on one core, verifying client on another, loopback"
        return plot.draw(panels, "The engines and their peers", note)

    def lines(self):
        """Returns CPU per echo over the number of connections."""
        series = {}
        for connections in GROWTH:
            for server, measurements in self.results[f"growth-{connections}"].items():
                if found := report.values(measurements, "cpu_us"):
                    point = (connections, report.median(found), min(found), max(found))
                    series.setdefault(server, []).append(point)
        return plot.draw_lines(series, "CPU for an echo of 64 B", "µs of the server's CPU, over connections")

    def page(self):
        """Returns the text of docs/records/engines.md."""
        parts = [
            "# Measured: the engines and their peers",
            f"Made by `{self.command} --record` on {datetime.date.today().isoformat()}. [MEASURING.md](../MEASURING.md) "
            "says how it is measured and how to read it.",
            record.markdown_table(["promise", "measured", ""], [[goal.promise, *self.judge(goal)] for goal in GOALS]),
            f"![Bars of the medians; the tables below have the same figures]({BARS})",
            f"![CPU for an echo, from 1 to 18,000 connections; the tables below have the same figures]({LINES})",
            "## Machine",
            record.markdown_table(["", ""], record.machine(PACKAGES)),
            "## Figures",
            "Medians (min..max). A column with a slash is the ratio of the medians of the first figure, and in "
            "brackets the least and the greatest ratio of a single round; the last is to the best that is not ours.",
        ]
        for name in self.results:
            rows, errors = self.table(name)
            parts += [f"### `{name}`: {CASES[name].title}", record.markdown_table(rows[0], rows[1:])]
            parts += [f"- {error}" for error in errors]
        parts += [f"Left out: {name}: {why}." for name, why in self.left_out.items()]
        return "\n\n".join(parts) + "\n"

    def write(self):
        figures = RECORDS / "figures"
        figures.mkdir(exist_ok=True)
        (figures / "engines.json").write_text(json.dumps(self.json(), indent=1, ensure_ascii=False) + "\n")
        (RECORDS / BARS).write_text(self.bars())
        (RECORDS / LINES).write_text(self.lines())
        PAGE.write_text(self.page())


PACKAGES = "gcc libc6 liburing-dev libuv1-dev libevent-dev golang-go ucspi-tcp socat ncat".split()


# ---- the command line ----


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench engines", description=__doc__.splitlines()[0])
    names = ", ".join([*(name for name in CASES if name not in GROWTHS), "growth"])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which ones: {names} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="measurements of each server (5)")
    parser.add_argument("--seconds", type=float, default=1, metavar="T", help="length of a measurement (1)")
    parser.add_argument("--only", metavar="NAME,...", help="only these servers")
    parser.add_argument(
        "--program", type=pathlib.Path, default=ROOT / "build" / "tcpecho", metavar="PATH", help="the build of tcpecho"
    )
    parser.add_argument("--record", action="store_true", help="write docs/records/engines.md and what belongs to it")
    options = parser.parse_args()
    if options.record and (options.cases or options.only):
        parser.error("--record is for a run of everything")
    asked = [GROWTHS if case == "growth" else (case,) for case in options.cases]
    options.cases = [case for group in asked for case in group] or list(CASES)
    for case in options.cases:
        if case not in CASES:
            parser.error(f"no case {case}: {', '.join(CASES)}")
    return parser, options


def choose(parser, options, directory):
    """Returns (the servers to compare, name -> why another is left out)."""
    kinds = engine_kinds(options.program.resolve()) + peer_kinds(directory)
    if options.only:
        names = options.only.split(",")
        for name in set(names) - {kind.name for kind in kinds}:
            parser.error(f"no server {name}: {', '.join(kind.name for kind in kinds)}")
        kinds = [kind for kind in kinds if kind.name in names]
    left_out = why_left_out(kinds, servers.engines_of(options.program))
    for name, why in left_out.items():
        print(f"left out: {name}, for {why}")
    return [kind for kind in kinds if kind.name not in left_out], left_out


def main():
    servers.end_on_term()
    parser, options = parse()
    servers.adopt_orphans()
    directory = compare.build(ROOT / "build" / "bench")
    for sentence in compare.build_peers(directory):
        print(f"cannot be built: {sentence}")
    kinds, left_out = choose(parser, options, directory)
    if why := servers.why_no_cgroup():
        print(f"left out: CPU time and whole memory, for there is no cgroup: {why}")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="tcpecho-bench-"))
    command = f"./dev bench engines --rounds {options.rounds} --seconds {options.seconds:g}"
    whole = Record(kinds, {}, command, left_out)
    try:
        pinned, spread = (EngineBench(directory, scratch, options.seconds) for _ in range(2))
        spread.server_core = spread.client_core = None
        for name in options.cases:
            bench = spread if CASES[name].spread else pinned
            whole.results[name] = compare.run_case(bench, name, CASES[name], kinds, options.rounds)
            if any(whole.results[name].values()):
                whole.print_case(name)
        whole.print_summary()
        if options.record:
            whole.write()
        return 1 if whole.failures() else 0
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
