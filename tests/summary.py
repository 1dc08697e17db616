#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The last line of a test run: how many tests passed, failed and were skipped, C and Python together.

usage: summary.py MESON_TESTLOG PYTEST_JUNIT
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

TAP_LINE = re.compile(r"^(ok|not ok)\b[^#]*(#\s*skip)?", re.IGNORECASE)


def count_meson(path):
    """Every line of TAP is a test; a program that ended otherwise than its lines say is a failure more."""
    passed = failed = skipped = 0
    for line in path.read_text().splitlines():
        run = json.loads(line)
        points = [TAP_LINE.match(text) for text in run.get("stdout", "").splitlines()]
        points = [point for point in points if point]
        skipped += sum(1 for point in points if point.group(2))
        passed += sum(1 for point in points if point.group(1).lower() == "ok" and not point.group(2))
        bad = sum(1 for point in points if point.group(1).lower() == "not ok" and not point.group(2))
        if run["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and bad == 0:
            bad = 1
        failed += bad
    return passed, failed, skipped


def count_pytest(path):
    passed = failed = skipped = 0
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        bad = int(suite.get("failures")) + int(suite.get("errors"))
        failed += bad
        skipped += int(suite.get("skipped"))
        passed += int(suite.get("tests")) - bad - int(suite.get("skipped"))
    return passed, failed, skipped


def main():
    counts = []
    for path, count in zip(map(pathlib.Path, sys.argv[1:]), (count_meson, count_pytest)):
        # A part that left no result has failed as a whole.
        counts.append(count(path) if path.exists() else (0, 1, 0))
    passed, failed, skipped = (sum(column) for column in zip(*counts))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
