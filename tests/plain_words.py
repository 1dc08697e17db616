#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Prints the lines of src, docs and README.md with words that make a sentence hard to read; nothing if there are none.

plain_words.allowed has the lines where such a word is right, and why.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALLOWED = ROOT / "tests" / "plain_words.allowed"
FOLDERS = ("src", "docs")
KINDS = {".c", ".h", ".md", ".json", ".svg", ".build", ".in", ".css", ".js"}

# People words for things, words that need the sentence before, and sentences that begin with a relation.
MARKER = re.compile(
    r"\bwho\b|whoever|somebody|nobody|so (?:many|long|much)\b|\btold\b|\bhears?\b|\bof its\b|\bthat there (?:is|are)\b"
    r"|\bthere is none\b|^\W*(?:Of|Those|Who|Whoever|One that)\b|\bbut for\b|\bcalled off\b|\blast orders\b|\bpatien"
)

ALLOWED_LINE = re.compile(r"(?P<path>\S+): (?P<text>.*) # (?P<reason>\S.*)")


def allowed():
    """Returns for each path the texts whose lines may have a marker."""
    found = {}
    for line in ALLOWED.read_text().splitlines():
        if line and not line.startswith("#"):
            match = ALLOWED_LINE.fullmatch(line)
            if match is None:
                sys.exit(f"plain_words.allowed: not PATH: TEXT # REASON: {line}")
            found.setdefault(match["path"], []).append(match["text"])
    return found


def sources():
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]
    return [ROOT / "README.md", *sorted(files)]


def findings():
    """Returns the lines with a marker that are not allowed, and the allowed texts without such a line."""
    found, unused = [], {(path, text) for path, texts in allowed().items() for text in texts}
    for path in sources():
        name = str(path.relative_to(ROOT))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = MARKER.search(line)
            if match is None:
                continue
            right = {(name, text) for text in allowed().get(name, ()) if text in line}
            unused -= right
            if not right:
                found.append(f"{name}:{number}: {match.group().strip()!r} in: {line.strip()}")
    return found, sorted(f"plain_words.allowed: no line has this any more: {path}: {text}" for path, text in unused)


if __name__ == "__main__":
    lines, unused = findings()
    print(*lines, *unused, sep="\n")
