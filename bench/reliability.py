#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes docs/RELIABILITY.md from the figures that the long runs left in docs/figures (their --record).

usage: reliability.py [--check]

--check writes nothing, and fails if the page differs from the figures.
"""
import json
import pathlib
import sys

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "RELIABILITY.md"

HEAD = """\
# What was tried, and what came of it

Each table is made by the command above it, and anybody can make it again; `./dev test` runs a short form of
each. [TESTING.md](TESTING.md) says how they work and which broken versions of the program they were seen to
find. A figure here is that of one run on one machine: it says how much was tried, not how fast it went (for
that, [MEASURING.md](MEASURING.md)).

Written by `./dev reliability` from the files in `figures/`, into which the commands put theirs with `--record`.
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
    path = DOCS / "figures" / f"{name}.json"
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
            sys.exit("docs/RELIABILITY.md is not what docs/figures say: ./dev reliability")
        return
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
