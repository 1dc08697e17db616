#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws pages of invented runs and takes screenshots of them, for people to check: light and dark, wide and narrow.

usage: pictures.py PROGRAM FOLDER
"""
import base64
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

import documents  # noqa: E402
from browser import browser, why_impossible  # noqa: E402

US, MS = 1_000, 1_000_000


def made_up(seed, seconds, rate, middle, spread=0.18, stall=None, is_open=True):
    """Returns seconds with a long tail; in one of them the server was stopped for 250 ms."""
    dice = random.Random(seed)
    result = []
    for second in range(seconds):
        response, service = [], []
        for _ in range(int(rate * dice.gauss(1, 0.01 if is_open else 0.06))):
            time = middle * dice.lognormvariate(0, spread)
            if dice.random() < 0.004:
                time += 8 * middle * dice.lognormvariate(0, 1.1)
            waits = is_open and second == stall and dice.random() < 0.4
            service.append(int(time))
            response.append(int(time + (dice.uniform(0, 250 * MS) if waits else is_open * dice.uniform(0, 3 * US))))
        result.append((response, service, 17 if second == stall else 0))
    return result


def main():
    if reason := why_impossible():
        sys.exit(f"pictures.py: {reason}")
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    runs = {
        "before.json": (made_up(1, 60, 2000, 83 * US, stall=20), {}),
        "after.json": (made_up(2, 60, 2000, 62 * US, spread=0.15), {}),
        "closed-loop.json": (made_up(3, 45, 2400, 71 * US, spread=0.25, is_open=False),
                             {"mode": "closed", "rate_wanted": None,
                              "client_bound": "its busiest thread used 97 % of a core"}),
        **{f"engine-{i}.json": (made_up(i, 20, 500, (40 + 17 * i) * US, is_open=i % 2 == 0), {}) for i in range(8)},
    }
    for name, (seconds, changes) in runs.items():
        documents.write(folder / name, seconds, **changes)
    names = list(runs)
    pages = {"one": names[:1], "three": names[:3], "eight": names[3:]}
    for page, files in pages.items():
        subprocess.run([program, "report", "html", *(folder / name for name in files), "-o", folder / f"{page}.html"],
                       check=True)
    with tempfile.TemporaryDirectory() as profile, browser(profile) as window:
        for page in pages:
            for scheme in ("light", "dark"):
                for width in (1280, 360):
                    window.look(width=width, scheme=scheme)
                    window.open(f"file://{folder}/{page}.html")
                    picture = window.command("Page.captureScreenshot", captureBeyondViewport=True)["data"]
                    path = folder / f"{page}-{scheme}-{width}.png"
                    path.write_bytes(base64.b64decode(picture))
                    print(path)


main()
