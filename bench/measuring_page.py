# SPDX-License-Identifier: MIT
"""Writes docs/records/clients.md from the figures of `./dev bench truth` and `./dev bench clients`."""
import datetime
import json
import os
import pathlib

import record

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORDS = ROOT / "docs" / "records"
FIGURES = RECORDS / "figures"
PAGE = RECORDS / "clients.md"

# The order of the page: a file of figures, and its heading.
PARTS = {
    "truth": "Are the figures true?",
    "trouble": "Are they true when a run goes wrong?",
    "clients": "What does a client cost?",
}

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
        "Made by the commands below. [MEASURING.md](../MEASURING.md) says how it is measured and how to read it, "
        "[COORDINATED-OMISSION.md](../COORDINATED-OMISSION.md) what a stop of the server and a run in trouble are.",
    ]
    for name, heading in PARTS.items():
        parts += section(heading, kept[name]) if name in kept else []
    about = next(iter(kept.values()))["about"]
    return "\n\n".join([*parts, "## Machine", record.markdown_table(["", ""], about)]) + "\n"
