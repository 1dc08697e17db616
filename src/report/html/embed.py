#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Converts files to C arrays, with the hashes for the Content-Security-Policy of a page.

usage: embed.py page.css page.js marks.svg
"""
import base64
import hashlib
import pathlib
import sys


def without_comments(text):
    """Removes comments that begin a line, to make the page smaller."""
    lines, inside = [], False
    for line in text.splitlines(keepends=True):
        inside = inside or line.lstrip().startswith("/*")
        if not inside:
            lines.append(line.lstrip("\t") if line.strip() else "")
        inside = inside and "*/" not in line
    return "".join(lines)


def array(text):
    """Writes numbers, because a string literal may have at most 4095 characters."""
    numbers = [*text.encode("ascii"), 0]
    rows = (numbers[i : i + 20] for i in range(0, len(numbers), 20))
    return "\n".join("\t" + "".join(f"{number}," for number in row) for row in rows)


def main():
    print("/* Made by embed.py. */\n#include \"report/html/assets.h\"")
    for name, path in zip(["css", "js", "marks"], sys.argv[1:], strict=True):
        text = without_comments(pathlib.Path(path).read_text())
        print(f"\nconst char assets_{name}[] = {{\n{array(text)}\n}};")
        if name != "marks":
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            print(f'\nconst char assets_{name}_hash[] = "sha256-{digest}";')


main()
