#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the fuzz targets of a build with libFuzzer, as many at a time as there are processors.

A finding is left in BUILD/findings/TARGET and makes the exit status 1. To reproduce it, run
BUILD/tests/fuzz/fuzz_TARGET FILE. New inputs stay in BUILD/corpus/TARGET, unless they are kept.
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import platform
import random
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
FIGURES = HERE.parents[1] / "docs" / "records" / "figures" / "fuzz.json"

# Name: the maximum useful input size, and the promise. The slowest first.
TARGETS = {
    "result": (4096, "a result document is read as a valid run and written unchanged; other input gets one error message"),
    "intervals": (1024, "an HdrHistogram log is read as a valid run, or gets one error message"),
    "fortio": (1024, "fortio's JSON is read as a valid run, or gets one error message"),
    "percentiles": (512, "a list of percentiles is read as a valid run, or gets one error message"),
    "log": (128, "a log record is one line of valid JSON, and parses to what was written"),
    "escape": (64, "output has no control byte, however the stream is split, and no byte is lost"),
    "map": (128, "the hash map behaves like an array of pairs"),
    "environment": (640, "an environment variable acts like the option of the same name; the command line overrides it"),
    "option": (640, "an accepted command line parses to the same options when written out; an error is one line"),
    "echo": (192, "the rules of the simulation, for 64 bytes and a buffer of 16"),
    "addr": (320, "an address that was parsed, or is from the kernel, is printed and parses to itself"),
    "hlog": (256, "a histogram is read and written unchanged; other input gets an error and adds nothing"),
    "http": (256, "each HTTP request has one response, whatever follows it"),
    "fault": (96, "a fault is printed and parses to itself, and hits the same bytes for any two segmentations"),
    "limit": (64, "a threshold is parsed and checked against any two sides; other input gets one error message"),
    "units": (64, "counts, durations and times equal exact arithmetic; printed values parse to themselves"),
}

# A sanitizer's finding ends the run. A small quarantine is enough: these targets free memory at once.
ENVIRONMENT = {
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "ASAN_OPTIONS": "quarantine_size_mb=8:detect_leaks=1",
}


def last_number(pattern, text):
    """Returns libFuzzer's last value; 0 if it printed none."""
    return int((re.findall(pattern, text) or ["0"])[-1])


class Fuzzer:
    """One target: its program, and where its inputs are."""

    def __init__(self, build, name):
        self.name = name
        self.max_len, self.promise = TARGETS[name]
        self.program = build / "tests" / "fuzz" / f"fuzz_{name}"
        self.kept = HERE / "corpus" / name  # the smallest set that reaches all known code
        self.known = [path for path in [HERE / "found" / name] if path.exists()]  # inputs that broke something once
        self.new = build / "corpus" / name
        self.findings = build / "findings" / name
        self.log = build / "findings" / f"{name}.log"
        self.executions = self.rate = self.features = self.inputs = self.status = 0
        for folder in (self.kept, self.new, self.findings):
            folder.mkdir(parents=True, exist_ok=True)

    def call(self, *arguments):
        with self.log.open("w") as log:
            self.status = subprocess.run(
                [self.program, f"-max_len={self.max_len}", f"-artifact_prefix={self.findings}/", *map(str, arguments)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **ENVIRONMENT}, check=False).returncode
        return self.log.read_text(errors="replace")

    def run(self, executions, seed):
        """Makes this number of executions, including those of the existing inputs."""
        dictionary = HERE / "dictionaries" / f"{self.name}.txt"
        words = [f"-dict={dictionary}"] if dictionary.exists() else []
        # The corpora reach all the code that can be reached: weighting inputs by rarity would only cost time.
        text = self.call(f"-runs={executions}", f"-seed={seed}", "-timeout=30", "-entropic=0",
                         "-print_final_stats=1", *words, self.new, self.kept, *self.known)
        self.executions = last_number(r"number_of_executed_units:\s*(\d+)", text)
        self.rate = last_number(r"average_exec_per_sec:\s*(\d+)", text)
        self.features = last_number(r" ft: (\d+)", text)
        self.inputs = last_number(r" corp: (\d+)", text)
        return self

    def keep(self):
        """Makes the corpus of the repository the smallest one that reaches all code that both corpora reach."""
        merged = self.kept.with_suffix(".new")
        shutil.rmtree(merged, ignore_errors=True)
        merged.mkdir()
        self.call("-set_cover_merge=1", merged, self.kept, self.new)
        if self.status != 0:
            sys.exit(f"{self.name}: the merge failed, see {self.log}")
        shutil.rmtree(self.kept)
        merged.rename(self.kept)

    def summary(self):
        verdict = "no finding" if self.status == 0 else f"FINDING, see {self.log} and {self.findings}"
        return (f"{self.name:12} {self.executions:>12,} executions {self.rate:>8,}/s "
                f"{self.features:>6,} features {self.inputs:>5} inputs  {verdict}")

    def row(self):
        return {"promise": self.promise,
                "evidence": f"libFuzzer, target {self.name}, {self.executions:,} executions, "
                            f"{self.features:,} features of coverage",
                "result": "no finding" if self.status == 0 else "a finding"}


def number(text):
    """10000000, 500k or 10M."""
    match = re.fullmatch(r"(\d+)([kM]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"not a number of executions: {text}")
    return int(match[1]) * {"": 1, "k": 1000, "M": 1000000}[match[2]]


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", metavar="EXECUTIONS|TARGET",
                        help=f"how many executions of each (10M), and which targets: {', '.join(TARGETS)}")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 2**31), help="repeat a run")
    parser.add_argument("--keep", action="store_true", help="merge what was found into the corpus")
    parser.add_argument("--record", action="store_true", help=f"write {FIGURES.relative_to(HERE.parents[1])}")
    arguments = parser.parse_args()
    arguments.executions, names = number("10M"), arguments.words
    if names and names[0][0].isdigit():
        arguments.executions, names = number(names[0]), names[1:]
    unknown = sorted(set(names) - set(TARGETS))
    if unknown:
        parser.error(f"no target {' '.join(unknown)}")
    arguments.targets = names or list(TARGETS)
    return arguments


def target_of(row):
    return re.search(r"target (\w+),", row["evidence"])[1]


def record(fuzzers, command):
    """Targets that did not run now keep their former record."""
    release = ".".join(platform.release().split(".")[:2])
    FIGURES.parent.mkdir(exist_ok=True)
    before = json.loads(FIGURES.read_text()) if FIGURES.exists() else {"rows": []}
    for row in before["rows"]:
        if ", on 20" not in row["evidence"]:
            row["evidence"] += f", on {before['date']}"
    rows = {target_of(row): row for row in [*before["rows"], *(fuzzer.row() for fuzzer in fuzzers)]}
    FIGURES.write_text(json.dumps({
        "name": "fuzz",
        "command": command,
        "date": datetime.date.today().isoformat(),
        "machine": f"Linux {release}, {os.cpu_count()} cores",
        "rows": [rows[name] for name in TARGETS if name in rows],
    }, indent=1) + "\n")


def main():
    arguments = parse_arguments()
    print(f"seed {arguments.seed}, {arguments.executions:,} executions of each", flush=True)
    fuzzers = [Fuzzer(arguments.build.resolve(), name) for name in arguments.targets]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(fuzzer.run, arguments.executions, arguments.seed) for fuzzer in fuzzers]
        for run in concurrent.futures.as_completed(runs):
            print(run.result().summary(), flush=True)
    failed = [fuzzer for fuzzer in fuzzers if fuzzer.status != 0]
    if arguments.record:
        record(fuzzers, f"./dev fuzz {' '.join(arguments.words)}".rstrip())
    if arguments.keep and not failed:
        for fuzzer in fuzzers:
            fuzzer.keep()
    print(f"{len(fuzzers) - len(failed)} of {len(fuzzers)} targets without a finding, "
          f"{sum(fuzzer.executions for fuzzer in fuzzers):,} executions in all")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
