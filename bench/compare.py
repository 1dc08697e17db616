#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the fork engine with a textbook server and with what Debian packages, A B C A B C.

Each measurement starts a server afresh on one core and a client on another, which verifies every byte;
each round measures all of them once, so that what disturbs the machine disturbs all alike.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import report  # noqa: E402
import servers  # noqa: E402

WARMUP = 0.3


class Case(NamedTuple):
    """What is measured: the words for load.c, and which of its figures matter, the first most."""

    title: str
    words: str
    figures: tuple


CASES = {
    "connect": Case("connect, echo of 64 B, close; 32 under way", "connect -c 32", ("per_second", "cpu_us")),
    "latency": Case("round trip, 1 connection x 64 B", "rr -c 1", ("p50_us", "p99_us", "cpu_us")),
    "echoes": Case("echoes, 64 connections x 64 B", "rr -c 64", ("cpu_us", "per_second", "p99_us")),
    "bulk": Case("echoes, 16 connections x 64 KiB", "rr -c 16 -s 65536", ("per_second", "cpu_us", "p99_us")),
}


def build(directory):
    """The client and the textbook's servers, by a plain gcc -O2."""
    directory.mkdir(parents=True, exist_ok=True)
    textbook = servers.PEERS / "textbook.c"
    for name, source, options in (
        ("load", ROOT / "bench" / "load.c", ["-D_GNU_SOURCE"]),
        ("textbook", textbook, []),
        ("textbook-static", textbook, ["-static"]),
        ("textbook-tuned", textbook, ["-DTUNED"]),
    ):
        program = directory / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["gcc", "-O2", *options, "-o", program, source], check=True)
    return directory


class Bench:
    """Where things are, and which cores are whose."""

    def __init__(self, directory, scratch, seconds):
        self.load = directory / "load"
        self.scratch, self.seconds = scratch, seconds
        cores = sorted(os.sched_getaffinity(0))
        # The last two: interrupts of devices like the first.
        self.server_core, self.client_core = cores[-2:] if len(cores) > 1 else (None, None)

    def pin_client(self):
        if self.client_core is not None:
            os.sched_setaffinity(0, {self.client_core})

    def client(self, server, words):
        """The command of a client of this server."""
        return [str(self.load), *words, "-a", server.address, "-p", str(server.port)]

    def measure(self, kind, case):
        """One measurement, as load.c reports it; "error" says why there is none."""
        with servers.RunningServer(kind, self.scratch, self.server_core) as server:
            words = [*case.words.split(), "-w", str(WARMUP), "-t", str(self.seconds)]
            if server.cgroup:
                words += ["-u", str(server.cgroup.cpu_stat)]
            run = subprocess.run(
                self.client(server, words), stdout=subprocess.PIPE, text=True, preexec_fn=self.pin_client
            )
            result = json.loads(run.stdout)
            if result["error"] and not server.is_running():
                result["error"] += f" (the server ended: {server.last_words()})"
            return result


def run_case(bench, name, kinds, rounds):
    """name of a server -> its measurements. One that fails is not asked again."""
    results = {kind.name: [] for kind in kinds}
    for number in range(rounds):
        for kind in kinds:
            if any(result["error"] for result in results[kind.name]):
                continue
            report.progress(f"{name}: round {number + 1} of {rounds}, {kind.name}")
            try:
                result = bench.measure(kind, CASES[name])
            except RuntimeError as error:
                result = {"error": str(error)}
            results[kind.name].append(result)
    return results


def named_program(text):
    name, equals, path = text.rpartition("=")
    path = pathlib.Path(path).resolve()
    if not os.access(path, os.X_OK):
        raise argparse.ArgumentTypeError(f"{path} is not a program")
    return (name if equals else path.name, path)


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which ones: {', '.join(CASES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="measurements of each server (7)")
    parser.add_argument("--seconds", type=float, default=1, metavar="T", help="length of a measurement (1)")
    parser.add_argument("--only", metavar="NAME,...", help="only these servers")
    parser.add_argument(
        "--program",
        action="append",
        type=named_program,
        metavar="[NAME=]PATH",
        help="a build of tcpecho instead of build/tcpecho; may be given again to compare builds",
    )
    options = parser.parse_args()
    for case in options.cases:
        if case not in CASES:
            parser.error(f"no case {case}: {', '.join(CASES)}")
    return parser, options


def choose(parser, options, directory):
    """The servers to compare: those asked for, without those that are not installed."""
    programs = options.program or [("tcpecho", ROOT / "build" / "tcpecho")]
    kinds = servers.all_kinds(directory, programs)
    if options.only:
        names = options.only.split(",")
        for name in set(names) - {kind.name for kind in kinds}:
            parser.error(f"no server {name}: {', '.join(kind.name for kind in kinds)}")
        # Builds that were named are always meant.
        kinds = [kind for kind in kinds if kind.name in names or options.program and kind.name in dict(programs)]
    for kind in kinds:
        if not servers.is_there(kind):
            print(f"left out: {kind.name}, for {kind.needs} is not installed")
    return [kind for kind in kinds if servers.is_there(kind)]


def main():
    parser, options = parse()
    directory = build(ROOT / "build" / "bench")
    kinds = choose(parser, options, directory)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="tcpecho-bench-"))
    try:
        bench = Bench(directory, scratch, options.seconds)
        for name in options.cases or CASES:
            results = run_case(bench, name, kinds, options.rounds)
            report.print_case(CASES[name], results)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
