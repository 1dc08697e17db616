#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Repeats `tcpecho check` against a faithful server and prints every verdict that is not PASS or SKIP.

Each is a defect: of the check if the machine was only busy, else of the server.
"""
import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))

from harness import Server

# Longest time of one run. A check that has not ended then hangs.
RUN_SECONDS = 300


def checks_of(program, classes):
    """Returns the names of the checks of these classes."""
    listed = subprocess.run([program, "check", "--list"], capture_output=True, text=True, check=True).stdout
    return [words[0] for words in map(str.split, listed.splitlines()) if words[1] in classes]


def run_once(program, port, checks):
    """Returns the verdicts of one run that are neither PASS nor SKIP, and the checks that were skipped."""
    command = ["nice", "-n", "19", program, "check", "--only", ",".join(checks), "--format", "json", "127.0.0.1", str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if done.returncode not in (0, 1):
        return [f"status {done.returncode}: {done.stderr.strip()}"], []
    results = json.loads(done.stdout)["checks"]
    bad = [
        f"{result['verdict']} {result['name']}: expected {result['expected']}, got {result['actual']}"
        for result in results
        if result["verdict"] not in ("PASS", "SKIP")
    ]
    return bad, [result["name"] for result in results if result["verdict"] == "SKIP"]


def spin(count):
    """Starts processes that use the CPU, as other programs on a busy machine do."""
    return [subprocess.Popen(["nice", "-n", "19", sys.executable, "-c", "while True: pass"]) for _ in range(count)]


def repeat(arguments, engine, directory):
    """Repeats the checks against one engine. Returns the number of verdicts that are not green."""
    checks = checks_of(arguments.program, ("quick", "normal") if arguments.normal else ("quick",))
    server = Server(arguments.program, directory, ["--quiet", "127.0.0.1:0"], engine=engine, prefix=("nice", "-n", "19"))
    n_bad, skipped = 0, collections.Counter()
    try:
        for number in range(1, arguments.runs + 1):
            bad, left_out = run_once(arguments.program, server.port, checks)
            skipped.update(left_out)
            n_bad += len(bad)
            for sentence in bad:
                print(f"{engine}, run {number}: {sentence}", flush=True)
    finally:
        server.kill()
    print(f"{engine}: {arguments.runs} runs of {len(checks)} checks, {n_bad} not green, skipped: {dict(skipped)}", flush=True)
    return n_bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / "build/tcpecho"))
    parser.add_argument("--engine", action="append", help="an engine, repeatable (default: all)")
    parser.add_argument("--runs", type=int, default=1000, help="runs for each engine (default: 1000)")
    parser.add_argument("--normal", action="store_true", help="normal checks too")
    parser.add_argument("--one-cpu", action="store_true", help="everything on one CPU")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="N processes that use the CPU meanwhile")
    arguments = parser.parse_args()
    if arguments.one_cpu:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    spinning = spin(arguments.busy)
    try:
        with tempfile.TemporaryDirectory() as directory:
            engines = arguments.engine or ["fork", "prefork", "thread", "epoll", "uring"]
            return 1 if sum(repeat(arguments, engine, directory) for engine in engines) else 0
    finally:
        for process in spinning:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
