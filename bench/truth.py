#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares `tcpecho bench` and `ping` with known facts: kept delays, a stopped server, the kernel's time stamps.

The delays are those that the server really kept, for each message (bench/peers/delay-echo.c).
"""
import argparse
import math
import pathlib
import shutil
import statistics
import struct
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import measuring_page  # noqa: E402
import compare  # noqa: E402
import omission  # noqa: E402
import ourclient  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402
import stamps  # noqa: E402
import trouble  # noqa: E402

SIZE = 64
PERCENTILES = (50, 90, 99, 99.9)

# Maximum difference of the client's figures: a share of the time, plus microseconds.
SHARE, ALLOWED_US = 0.01, 50

# If others used more of a core than this, the figures are about the others. The run is made again at most TRIES
# times.
OTHERS_MAX = 0.04
TRIES = 3

BASE_MESSAGES = 200  # number of messages of the bare client that measures the base


class Delays(NamedTuple):
    """Delays of a server, and the load that it gets."""

    title: str
    words: str  # for delay-echo -d
    connections: int
    rate: int  # of the open loop


DELAYS = {
    "constant": Delays("always 10 ms", "constant:10000", 20, 1000),
    "two": Delays("1 ms, and 20 ms for one in twenty", "two:1000:20000:5", 10, 2500),
    "exponential": Delays("exponential, 2 ms in the mean", "exponential:2000", 10, 2500),
}

LOOPS = ("closed", "open")


# ---- known times ----

KEPT = struct.Struct("=QQII")


def read_kept(path):
    """Returns connection -> the delays of each message in microseconds, in order. Connections that only test the
    server are left out."""
    found = {}
    for _, kept_ns, connection, size in KEPT.iter_unpack(path.read_bytes()):
        if size == 0:
            break
        if size == SIZE:
            found.setdefault(connection, []).append(kept_ns / 1000)
    return found


def known_closed(kept, base_us):
    """Returns the times of a closed loop: each delay, plus the way there and back."""
    return sorted(us + base_us for of_one in kept.values() for us in of_one)


def known_open(kept, base_us, interval_us):
    """Returns the response times of an open loop: each connection has a message due every interval, which waits for
    the ones before."""
    found = []
    for of_one in kept.values():
        waits_us = 0.0
        for us in of_one:
            response_us = waits_us + us + base_us
            found.append(response_us)
            waits_us = max(response_us - interval_us, 0.0)
    return sorted(found)


def percentile(rising, percent):
    """Returns the smallest value that `percent` percent of the values do not exceed."""
    return rising[max(math.ceil(len(rising) * percent / 100 - 1e-9), 1) - 1]


def allowed_us(known_us):
    return known_us * SHARE + ALLOWED_US


# ---- measurements ----


class Truth:
    """Paths, and the duration. program: the client that is tested; its build has the server too."""

    def __init__(self, program, directory, scratch, seconds, server_program=None):
        self.program, self.directory, self.scratch, self.seconds = program, directory, scratch, seconds
        self.server_program = server_program or program
        self.server_core, self.client_core = ourclient.two_cores()

    def server(self, delays, path):
        kind = servers.bare("delay-echo", self.directory, "delay-echo", "-d", delays.words, "-o", str(path))
        return servers.RunningServer(kind, self.scratch, self.server_core)

    def base_us(self, delays, loop):
        """Returns the median of what a bare client measures beyond the kept delays: the way there and back.

        In an open loop a message is always due soon, so the client does not sleep, and neither does the bare one.
        """
        path = self.scratch / "kept"
        words = [self.directory / "bare-ping", "-v", "-w", "0", "-n", str(BASE_MESSAGES), "-s", str(SIZE)]
        words += ["-p"] if loop == "open" else []
        with self.server(delays, path) as server:
            output, error = ourclient.run([*words, *ourclient.where(server)], self.client_core)
        if error:
            raise RuntimeError(f"bare-ping: {error}")
        found_us = [int(line) / 1000 for line in output.splitlines() if line.isdigit()]
        (kept_us,) = read_kept(path).values()
        return statistics.median(found - kept for found, kept in zip(found_us, kept_us))

    def found(self, delays, loop):
        """Returns (the client's result, the server's record); "others" is the share of a core that other processes
        used."""
        path = self.scratch / "kept"
        options = ["-c", delays.connections, "-s", SIZE, "-d", f"{int(self.seconds * 1000)}ms", "--warmup", "0"]
        if loop == "open":
            options += ["-r", delays.rate]
        with self.server(delays, path) as server:
            others = ourclient.Others(server)
            says = ourclient.json_of(ourclient.bench_words(self.program, server, *options), self.client_core)
            says["others"] = others.share()
        return says, read_kept(path)

    def measure(self, delays, loop):
        """Returns {"error": a sentence or None, "rows": {percent: (known, found)}, "base_us": ...}."""
        base_us = self.base_us(delays, loop)
        says, kept = self.found(delays, loop)
        n_kept = sum(map(len, kept.values()))
        if not says["error"] and says["echoes"] != n_kept:
            says["error"] = f"it says {says['echoes']} echoes, the server sent {n_kept}"
        if says["error"]:
            return {"error": says["error"]}
        if loop == "open":
            known = known_open(kept, base_us, delays.connections / delays.rate * 1e6)
        else:
            known = known_closed(kept, base_us)
        rows = {percent: (percentile(known, percent), says["response_us"][f"p{percent}"]) for percent in PERCENTILES}
        disowned, others = says["client_bound"], says["others"]
        found = {"error": None, "base_us": base_us, "echoes": says["echoes"], "rows": rows}
        return found | {"disowned": disowned, "others": others}


def is_true(measured):
    """Returns whether every percentile is within the allowed difference."""
    return not measured["error"] and all(
        abs(found - known) <= allowed_us(known) for known, found in measured["rows"].values()
    )


def is_measurement(measured):
    """Returns whether no other process disturbed the run, and the client does not report that it was the limit
    itself."""
    return not measured["error"] and not measured["disowned"] and measured["others"] <= OTHERS_MAX


def counted(rounds):
    return [one for one in rounds if is_measurement(one)]


# ---- the report ----

HEAD = ["delays", "loop", "percentile", "known µs", "found µs", "difference µs", "allowed µs", "rounds within"]


def spread(values):
    """Returns '12.0 (-3.0..40.1)'."""
    return f"{statistics.median(values):.1f} ({min(values):.1f}..{max(values):.1f})"


def rows_of(title, loop, rounds):
    """Returns the rows of a table, one for each percentile: medians of the rounds that count, or of all if none
    does."""
    good = counted(rounds) or [one for one in rounds if not one["error"]]
    rows = []
    for percent in PERCENTILES if good else ():
        pairs = [one["rows"][percent] for one in good]
        known_us = statistics.median(known for known, _ in pairs)
        within = sum(abs(found - known) <= allowed_us(known) for known, found in pairs)
        rows.append(
            [
                title,
                loop,
                f"p{percent}",
                report.number(known_us),
                report.number(statistics.median(found for _, found in pairs)),
                spread([found - known for known, found in pairs]),
                report.number(allowed_us(known_us)),
                f"{within} of {len(good)}" if counted(rounds) else "none counts",
            ]
        )
    return rows


def verdict(n_good, n):
    return "reached" if n_good == n else f"in {n_good} of {n} rounds" if n_good else "not reached"


def not_counted(rounds):
    """Returns sentences about the rounds that are no measurements."""
    good = [one for one in rounds if not one["error"]]
    disturbed = [one["others"] for one in good if one["others"] > OTHERS_MAX]
    disowned = [one for one in good if one["disowned"] and one["others"] <= OTHERS_MAX]
    if disturbed:
        yield f"{len(disturbed)} more with other processes running ({statistics.median(disturbed):.0%} of a core)"
    if disowned:
        yield f"{len(disowned)} more that the client says are no measurement"


def promise_of(delays, loop, rounds):
    errors = sorted({one["error"] for one in rounds if one["error"]})
    good = counted(rounds)
    echoes = [one["echoes"] for one in good]
    said = verdict(sum(map(is_true, good)), len(good) + len(errors)) if good or errors else "not measured"
    return {
        "promise": f"known delays ({delays.title}), {loop} loop: p50 to p99.9 within 1 % + 50 µs",
        "evidence": f"{delays.connections} connections, {sum(echoes):,} echoes in {len(good)} rounds",
        "result": "; ".join([said, *not_counted(rounds), *errors]),
    }


def measure_delays(truth, name, loop):
    """Makes some tries, until one is a measurement."""
    found = []
    while len(found) < TRIES and not counted(found):
        found.append(truth.measure(DELAYS[name], loop))
    return found


def tell_delays(truth, rounds):
    """Returns (promises, table) for all delays and loops."""
    results = {(name, loop): [] for name in DELAYS for loop in LOOPS}
    for number in range(rounds):
        for (name, loop), found in results.items():
            report.progress(f"round {number + 1} of {rounds}: {name}, {loop} loop")
            found += measure_delays(truth, name, loop)
    report.progress("")
    promises = [promise_of(DELAYS[name], loop, found) for (name, loop), found in results.items()]
    rows = [row for (name, loop), found in results.items() for row in rows_of(DELAYS[name].title, loop, found)]
    bases = [one["base_us"] for found in results.values() for one in counted(found)]
    note = f"The way there and back, as a bare client finds it: {spread(bases)} µs, median of all." if bases else ""
    return promises, {"title": "Known delays", "text": note, "head": HEAD, "rows": rows}


# ---- the command line ----


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench truth", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of everything (3)")
    parser.add_argument("--seconds", type=float, default=5, metavar="T", help="length of a run (5)")
    parser.add_argument(
        "--program", type=pathlib.Path, default=ROOT / "build" / "tcpecho", metavar="PATH", help="the client to judge"
    )
    parser.add_argument("--only", choices=("delays", "stop", "stamps", "trouble"), help="one of the four")
    parser.add_argument("--trouble", choices=trouble.TROUBLES, help="with --only trouble: one kind of it")
    parser.add_argument(
        "--record",
        action="store_true",
        help="write docs/records/clients.md; with --only trouble only that part of it",
    )
    options = parser.parse_args()
    if options.record and (options.only not in (None, "trouble") or options.trouble):
        parser.error("--record is for a run of everything, or of all trouble")
    if options.trouble and options.only != "trouble":
        parser.error("--trouble needs --only trouble")
    return options


def print_part(promises, table):
    print(f"\n{table['title']}")
    report.print_rows([table["head"], *table["rows"]], [])
    for promise in promises:
        print(f"{promise['result']}: {promise['promise']}")


def main():
    servers.end_on_term()
    options = parse()
    servers.adopt_orphans()
    directory = compare.build(ROOT / "build" / "bench")
    compare.build_peers(directory)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="tcpecho-truth-"))
    truth = Truth(options.program.resolve(), directory, scratch, options.seconds)
    parts = {"delays": tell_delays, "stop": omission.tell_stop, "stamps": stamps.tell_stamps}
    promises, tables = [], []
    command = f"./dev bench truth --rounds {options.rounds} --seconds {options.seconds:g}"
    try:
        for name, tell in parts.items():
            if options.only in (None, name):
                found, table = tell(truth, options.rounds)
                print_part(found, table)
                promises += found
                tables.append(table)
        if options.record and tables:
            measuring_page.write("truth", command, promises, tables)
        if options.only in (None, "trouble"):
            found, table = trouble.tell_trouble(truth, options.trouble)
            print_part(found, table)
            if options.record:
                measuring_page.write("trouble", "./dev bench truth --only trouble", found, [table])
            promises += found
        return 1 if any("status" in promise["result"] for promise in promises) else 0
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
