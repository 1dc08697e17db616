# SPDX-License-Identifier: MIT
"""Writes docs/MEASURING-CLIENTS.md from the figures of `./dev bench truth` and `./dev bench clients` in
docs/figures."""
import datetime
import json
import os
import pathlib

import record

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
FIGURES = DOCS / "figures"
PAGE = DOCS / "MEASURING-CLIENTS.md"

# The order of the page: a file of figures, and its heading.
PARTS = {"truth": "Is it true?", "clients": "What does it cost?"}

PACKAGES = "gcc libc6 netperf sockperf qperf iperf3 fortio".split()


def write(name, command, promises, tables, left_out=()):
    """Saves the figures of one command, and writes the page again."""
    pictures = [table.pop("picture") for table in tables if "picture" in table]
    for file, svg, words in pictures:
        (FIGURES / file).write_text(svg)
    kept = {
        "name": name,
        "command": command,
        "date": datetime.date.today().isoformat(),
        "machine": f"{record.machine_in_short()}, {os.cpu_count()} cores",
        "rows": promises,
        "tables": tables,
        "pictures": [[file, words] for file, _, words in pictures],
        "about": record.machine(PACKAGES),
        "left_out": list(left_out),
    }
    (FIGURES / f"{name}.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page())


TROUBLE_PAGE = DOCS / "COORDINATED-OMISSION.md"
BEGIN, END = "<!-- Made by a command: begin -->", "<!-- Made by a command: end -->"


def write_trouble(command, promises, table):
    """Saves the figures of runs in trouble, and writes their table into its page."""
    kept = {
        "name": "trouble",
        "command": command,
        "date": datetime.date.today().isoformat(),
        "machine": f"{record.machine_in_short()}, {os.cpu_count()} cores",
        "rows": promises,
        "tables": [table],
        "pictures": [],
        "about": record.machine([]),
        "left_out": [],
    }
    (FIGURES / "trouble.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    TROUBLE_PAGE.write_text(with_trouble(TROUBLE_PAGE.read_text(), kept))


def with_trouble(page_text, kept):
    """Returns the page with the table of these figures between the two marks."""
    before, rest = page_text.split(BEGIN)
    _, behind = rest.split(END)
    (table,) = kept["tables"]
    (promise,) = kept["rows"]
    parts = [
        BEGIN,
        f"Made by `{kept['command']} --record` on {kept['date']}, {kept['machine']}: {promise['evidence']}, "
        f"{promise['result']}.",
        record.markdown_table(table["head"], table["rows"]),
        END,
    ]
    return before + "\n\n".join(parts) + behind


def section(heading, kept):
    promises = [[row["promise"], row["evidence"], row["result"]] for row in kept["rows"]]
    parts = [
        f"## {heading}",
        f"Made by `{kept['command']} --record` on {kept['date']}.",
        record.markdown_table(["promise", "tried", "result"], promises),
        *(f"![{words}](figures/{file})" for file, words in kept["pictures"]),
    ]
    for table in kept["tables"]:
        parts += [f"### {table['title']}", record.markdown_table(table["head"], table["rows"])]
        parts += [table["text"]] if table["text"] else []
    return parts + [f"Left out: {words}." for words in kept["left_out"]]


def page():
    kept = {
        name: json.loads((FIGURES / f"{name}.json").read_text())
        for name in PARTS
        if (FIGURES / f"{name}.json").exists()
    }
    parts = [
        "# Measured: ping and bench",
        "Written by the commands below; what is explained here is kept by hand in `docs/measuring/clients.md`.",
        (DOCS / "measuring" / "clients.md").read_text().strip(),
    ]
    for name, heading in PARTS.items():
        parts += section(heading, kept[name]) if name in kept else []
    about = next(iter(kept.values()))["about"]
    return "\n\n".join([*parts, "## Machine", record.markdown_table(["", ""], about)]) + "\n"
