#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes docs/records/reliability.md from the figures that the long runs left in docs/records/figures (their --record).

usage: reliability.py [--check]

--check writes nothing, and fails if the page differs from the figures.
"""
import json
import pathlib
import sys

RECORDS = pathlib.Path(__file__).resolve().parent.parent / "docs" / "records"
PAGE = RECORDS / "reliability.md"

HEAD = """\
# What was tested for long, and the results

The command above each table makes it. `./dev test` runs a short form of each. [TESTING.md](../TESTING.md) explains the
tests, and which broken versions of the program they found.

Made by `./dev reliability` from the files in `figures/`, which the commands write with `--record`.
"""

# The order of the page: a file of figures, and its heading.
SECTIONS = {
    "simulation": "The echo in every order of events",
    "models": "Models of the parts that wait for one another",
    "torture": "Every call fails once",
    "fuzz": "Any input at all",
    "network": "Bad networks",
    "soak": "For long, and with every kind of client",
    "hardening": "What a child, the server and the program file are left with",
    "suite": "The tests, and the tests under sanitizers",
}


def cell(text):
    return text.replace("|", "\\|")


def section(name, heading):
    path = RECORDS / "figures" / f"{name}.json"
    if not path.exists():
        return ""
    figures = json.loads(path.read_text())
    rows = "".join(
        f"| {cell(row['promise'])} | {cell(row['evidence'])} | {cell(row['result'])} |\n" for row in figures["rows"]
    )
    return (
        f"\n## {heading}\n\n`{figures['command']}`, {figures['date']}, {figures['machine']}\n\n"
        f"| promise | tried | result |\n| --- | --- | --- |\n{rows}"
    )


def page():
    return HEAD + "".join(section(name, heading) for name, heading in SECTIONS.items())


def main():
    if "--check" in sys.argv[1:]:
        if PAGE.read_text() != page():
            sys.exit("docs/records/reliability.md is not what docs/records/figures say: ./dev reliability")
        return
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
