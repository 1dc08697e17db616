#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Conversations over bad networks, one for each seed, many of them in parallel; and their results."""
import argparse
import collections
import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import platform
import sys
import time

import conversation
import hosts
import plans
from judge import IDENTICAL, KILLED

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Most of a run is waiting: for a timeout, a pause, or the next acknowledgement.
RUNS_PER_CPU = 8

CANNOT_BE_TRIED = 77  # an exit status that means skipped, as in other test programs


def parse_options():
    parser = argparse.ArgumentParser(prog="./dev network", description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=1000, metavar="RUNS", help="how many (1000)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the seed of the first (1)")
    parser.add_argument("--seed", type=int, metavar="SEED", help="this one alone; -v says what happens to each segment")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell of each run")
    parser.add_argument("--jobs", type=int, default=RUNS_PER_CPU * os.cpu_count(), metavar="N", help="side by side")
    parser.add_argument("--record", action="store_true", help="write the figures to docs/records/figures/network.json")
    parser.add_argument("--program", default=str(ROOT / "build/tcpecho"), help="the program (build/tcpecho)")
    return parser.parse_args()


def main():
    options = parse_options()
    reason = hosts.why_impossible()
    if reason:
        print(f"network: skipped: {reason}")
        return CANNOT_BE_TRIED
    started = time.monotonic()
    outcomes = []
    for outcome in one(options) if options.seed is not None else side_by_side(options):
        outcomes.append(outcome)
        if options.verbose or outcome.problems:
            print(story_of(outcome), flush=True)
    seconds = time.monotonic() - started
    print(summary_of(outcomes, seconds), end="")
    if options.record:
        record(options, outcomes)
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def one(options):
    """Makes the run of one seed, in this process."""
    yield conversation.run(plans.of_seed(options.seed), options.program, print if options.verbose else None)


def side_by_side(options):
    """Yields the outcomes of all runs, as they come."""
    seeds = range(options.first, options.first + options.runs)
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(options.jobs, context) as pool:
        runs = [pool.submit(conversation.run, plans.of_seed(seed), options.program) for seed in seeds]
        for done in concurrent.futures.as_completed(runs):
            yield done.result()


# ---- words ----


def story_of(outcome):
    """Returns what a run did, as lines of text."""
    verdict = "WRONG" if outcome.problems else "skipped" if outcome.skipped else outcome.cause
    lines = [f"{outcome.plan.name}: {verdict}, server: {outcome.reason}, {outcome.seconds:.1f} s"]
    lines += [f"  problem: {problem}" for problem in outcome.problems]
    lines += [f"  skipped: {outcome.skipped}"] if outcome.skipped else []
    lines += [f"  plan: {outcome.plan}"]
    lines += [f"  box: {dict(outcome.counts)}, {outcome.checksum_errors} wrong TCP checksums met"]
    lines += [f"  talk: {outcome.said}"]
    lines += [f"  serve: {line}" for line in outcome.log.splitlines()]
    return "\n".join(lines)


def causes_in(outcomes):
    """Counts the successful runs by cause."""
    return collections.Counter(o.cause for o in outcomes if not o.problems and not o.skipped).most_common()


def summary_of(outcomes, seconds):
    lines = [f"{count:6} {cause}" for cause, count in causes_in(outcomes)]
    lines += [done_to_packets(outcomes)]
    lines += [f"{len(outcomes)} runs in {seconds:.0f} s: {wrong_and_skipped(outcomes)}"]
    return "\n".join(lines) + "\n"


def wrong_and_skipped(outcomes):
    wrong = sum(bool(outcome.problems) for outcome in outcomes)
    skipped = sum(bool(outcome.skipped) for outcome in outcomes)
    return f"{wrong} wrong, {skipped} skipped"


def done_to_packets(outcomes):
    counts = collections.Counter()
    for outcome in outcomes:
        counts.update(outcome.counts)
        counts["wrong TCP checksums met"] += outcome.checksum_errors
    names = ("lost", "duplicated", "reordered", "corrupted", "wrong TCP checksums met", "zero windows")
    return f"{counts['segments']:,} segments: " + ", ".join(f"{counts[name]:,} {name}" for name in names)


# ---- for docs/records/reliability.md ----


def record(options, outcomes):
    causes = dict(causes_in(outcomes))
    identical, killed = causes.pop(IDENTICAL, 0), causes.pop(KILLED, 0)
    connections = sum(outcome.reason != "no connection" for outcome in outcomes)
    seeds = f"seeds {options.first} to {options.first + options.runs - 1}"
    last = wrong_and_skipped(outcomes)
    rows = [
        {
            "promise": "over a bad network, talk reports success, or the cause with the right exit status",
            "evidence": f"{len(outcomes):,} conversations, {seeds}; {done_to_packets(outcomes)}",
            "result": f"{identical} identical, {sum(causes.values())} named the cause, {killed} went down with talk's own "
            f"host; {last}",
        },
        {
            "promise": "each cause has its message",
            "evidence": "the same conversations",
            "result": ", ".join(f"{count} {cause}" for cause, count in causes.items()),
        },
        {
            "promise": "one correct log record for each connection; no child or descriptor left",
            "evidence": "the server's log, totals, children and descriptors in the same conversations",
            "result": f"{connections} connections, {last}",
        },
    ]
    figures = {
        "name": "network",
        "command": f"./dev network {options.runs}",
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"Linux {'.'.join(platform.release().split('.')[:2])}, {os.cpu_count()} cores",
        "rows": rows,
    }
    path = ROOT / "docs/records/figures/network.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
