#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: run.py [LENGTH] [--record] | run.py --trail MISTAKE

Searches every model of this folder, without and with each mistake. LENGTH (default: 1) enlarges the bounds of the
searches without a mistake. --trail prints the shortest execution to which a mistake leads."""
import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "lib"))

import spin  # noqa: E402
from models import MODELS  # noqa: E402


def check(model, which, length):
    """Searches the model without mistakes. Returns Spin's counts; raises SpinError if it finds an error."""
    found = spin.search(model.path, which.definitions(length), which.mode)
    if found.error:
        raise spin.SpinError(f"{model.name}, {which.what}: {found.error}")
    return found


def find(model, mistake, with_story=False):
    """Searches the model with a mistake. Raises SpinError if the mistake is not found, or another error is."""
    found = spin.search(model.path, mistake.definitions(), mistake.mode, small=True, with_story=with_story)
    if mistake.error not in found.error and not with_story:
        raise spin.SpinError(f"{model.name}, {mistake.switch}: found {found.error!r}, not {mistake.error!r}")
    return found


class Runs:
    """Every search, started at once, on as many cores as there are."""

    def __init__(self, length):
        self.pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
        self.checks = {(m, c): self.pool.submit(check, m, c, length) for m in MODELS for c in m.checks}
        self.mistakes = {(m, x): self.pool.submit(find, m, x) for m in MODELS for x in m.mistakes}

    def stop(self):
        self.pool.shutdown(cancel_futures=True)


def tell_trail(switch):
    for model in MODELS:
        for mistake in model.mistakes:
            if mistake.switch == switch:
                print(f"{model.name}: {mistake.what}\n")
                print(find(model, mistake, with_story=True).story)
                return 0
    known = " ".join(mistake.switch for model in MODELS for mistake in model.mistakes)
    print(f"no mistake {switch}; there are: {known}", file=sys.stderr)
    return 2


def outcome(future):
    """Returns the result of a search, and the error in it."""
    try:
        return future.result(), ""
    except spin.SpinError as trouble:
        return None, str(trouble)


def print_model(model, runs, length):
    """Prints one model's searches. Returns its row for the record, and the number of failed ones."""
    print(f"\n{model.name}: {model.promise}")
    wrong = states = 0
    for which in model.checks:
        found, trouble = outcome(runs.checks[model, which])
        bounds = " ".join(word[2:] for word in which.definitions(length))
        if found:
            states += found.states
            print(f"  {which.what:28} {found.states:>10,} states {found.transitions:>12,} transitions  {bounds}")
        else:
            wrong += 1
            print(f"  {which.what:28} WRONG: {trouble}")
    caught = 0
    for mistake in model.mistakes:
        found, trouble = outcome(runs.mistakes[model, mistake])
        caught += found is not None
        print(f"  {mistake.switch:28} " + (f"found: {found.error}" if found else f"WRONG: {trouble}"))
    row = {
        "promise": model.promise,
        "evidence": f"Spin, {states:,} states",
        "result": f"{wrong} errors; {caught} of {len(model.mistakes)} wrong versions found",
    }
    return row, wrong + len(model.mistakes) - caught


def record(rows, command):
    system = os.uname()
    kernel = ".".join(system.release.split(".")[:2])
    path = FOLDER.parents[1] / "docs" / "records" / "figures" / "models.json"
    path.parent.mkdir(exist_ok=True)
    figures = {
        "name": "models",
        "command": command,
        "date": datetime.date.today().isoformat(),
        "machine": f"{system.sysname} {kernel}, {os.cpu_count()} cores",
        "rows": rows,
    }
    path.write_text(json.dumps(figures, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(prog="./dev model", description="Searches the models in tests/model with Spin.")
    parser.add_argument("length", nargs="?", type=int, default=1, help="1: as in the tests; more: larger bounds")
    parser.add_argument("--trail", metavar="MISTAKE", help="the shortest execution that this mistake leads to")
    parser.add_argument("--record", action="store_true", help="write docs/records/figures/models.json")
    options = parser.parse_args()
    if options.length < 1:
        parser.error("LENGTH is 1 or more")
    if options.trail:
        return tell_trail(options.trail)

    runs = Runs(options.length)
    try:
        printed = [print_model(model, runs, options.length) for model in MODELS]
    finally:
        runs.stop()
    rows = [row for row, _ in printed]
    wrong = sum(count for _, count in printed)
    if options.record and wrong == 0:
        record(rows, "./dev model" if options.length == 1 else f"./dev model {options.length}")
    print()
    for model, row in zip(MODELS, rows):
        print(f"{model.name}: {row['evidence']}, {row['result']}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
