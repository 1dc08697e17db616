# SPDX-License-Identifier: MIT
"""Writes the record of a measurement: docs/records/fork-engine.md, its picture, and figures/bench.json beside it."""
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
from typing import NamedTuple, Optional

import plot
import report

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORDS = ROOT / "docs" / "records"
PICTURE = "figures/fork-engine.svg"

OWN = "tcpecho"
NOT_MEASURED = "not measured"
BEST_PACKAGED = "the best packaged peer"


class Goal(NamedTuple):
    """Target of the fork engine. If less is better, `bound` is the maximum."""

    promise: str
    case: str
    figure: str
    bound: float
    against: Optional[str] = None  # then the bound limits the ratio


GOALS = [
    Goal("connect + echo + close: at least 1.5 x the textbook server", "connect", "per_second", 1.5, "textbook"),
    Goal("connect + echo + close: at least 5 x the best packaged peer", "connect", "per_second", 5, BEST_PACKAGED),
    Goal("ambitious goal: 2.5 x the textbook server", "connect", "per_second", 2.5, "textbook"),
    Goal("round trip of 1 x 64 B: p50 no worse than the textbook server's", "latency", "p50_us", 1, "textbook"),
    Goal("64 x 64 B: CPU per echo no more than the textbook server's", "echoes", "cpu_us", 1, "textbook"),
    Goal("16 x 64 KiB: faster than the textbook server", "bulk", "per_second", 1, "textbook"),
    Goal("and than one with TCP_NODELAY and a larger buffer", "bulk", "per_second", 1, "textbook-tuned"),
    Goal("own memory of an idle child: at most 64 KiB", "memory", "own_kib", 64),
    Goal("ambitious goal: 32 KiB", "memory", "own_kib", 32),
    Goal("18,000 idle clients at once, each served before and after", "idle", "clients", 18000),
]

MORE_IS_BETTER = ("per_second", "clients", "per_core")

# The picture shows the first figure of each of these cases.
PANELS = ("connect", "latency", "echoes", "bulk", "memory")


def verdict(figure, spread, bound):
    """Compares a median, a minimum and a maximum with a bound."""
    middle, low, high = spread
    if figure in MORE_IS_BETTER:
        reached, within = middle >= bound, high >= bound
    else:
        reached, within = middle <= bound, low <= bound
    return "reached" if reached else "only in some rounds" if within else "not reached"


def summary_of(results):
    """Returns case -> server -> figure -> its median and spread, or the error."""
    return {
        case: {
            server: {
                figure: {"median": report.median(found), "min": min(found), "max": max(found), "runs": len(found)}
                for figure in report.TITLES
                if (found := report.values(measurements, figure))
            }
            or {"error": measurements[-1]["error"]}
            for server, measurements in by_server.items()
        }
        for case, by_server in results.items()
    }


class Panel(NamedTuple):
    title: str
    figure: str
    better: str
    results: dict
    families: dict


class Record:
    """One whole run: cases and kinds as in compare.py, results[case][server]."""

    def __init__(self, cases, kinds, results, command, limit):
        self.cases, self.kinds, self.results, self.command, self.limit = cases, kinds, results, command, limit

    def best_packaged(self, goal):
        """Returns the name of the packaged peer with the highest median."""
        medians = {
            kind.name: report.median(found)
            for kind in self.kinds
            if kind.packaged and (found := report.values(self.results[goal.case].get(kind.name, []), goal.figure))
        }
        return max(medians, key=medians.get, default=None)

    def judge(self, goal):
        """Returns (what was measured, the verdict)."""
        results = self.results[goal.case]
        own = report.values(results[OWN], goal.figure)
        if not own:
            return results[OWN][-1]["error"], "not reached"
        spread = report.median(own), min(own), max(own)
        measured = f"{report.spread(results[OWN], goal.figure)} {report.TITLES[goal.figure]}"
        if goal.against:
            against = self.best_packaged(goal) if goal.against == BEST_PACKAGED else goal.against
            if not (compared := report.ratios(results[OWN], results.get(against, []), goal.figure)):
                return f"{measured}; nothing to compare with", NOT_MEASURED
            spread = compared
            measured = f"{spread[0]:.2f} ({spread[1]:.2f}..{spread[2]:.2f}) x {against}: {measured}"
        return measured, verdict(goal.figure, spread, goal.bound)

    def print_summary(self):
        """Prints each measured goal in one line."""
        print()
        for goal in GOALS:
            if OWN in self.results.get(goal.case, {}):
                measured, verdict = self.judge(goal)
                if verdict != NOT_MEASURED:
                    print(f"{verdict}: {goal.promise}: {measured}")
        if "idle" in self.results:
            print(f"the most idle clients that this machine allows: {self.limit}")

    def failures(self):
        """Returns our own servers that failed. Failures of packaged servers are results."""
        ours = {kind.name for kind in self.kinds if not kind.packaged}
        return [
            name
            for by_server in self.results.values()
            for name, measurements in by_server.items()
            if name in ours and any(one["error"] for one in measurements)
        ]

    def json(self):
        """Returns the form from which docs/records/reliability.md is made, and the medians."""
        rows = []
        for goal in GOALS:
            measured, verdict = self.judge(goal)
            count = len(self.results[goal.case][OWN])
            title = self.cases[goal.case].title
            rows.append(
                {
                    "promise": goal.promise,
                    "evidence": f"{title}: median (min..max) of {count} alternating runs",
                    "result": f"{verdict}: {measured}",
                }
            )
        rows[-1]["result"] += f"; the most that this machine allows: {self.limit}"
        return {
            "name": "bench",
            "command": self.command,
            "date": datetime.date.today().isoformat(),
            "machine": f"{machine_in_short()}, {os.cpu_count()} cores",
            "rows": rows,
            "medians": summary_of(self.results),
        }

    def family(self, kind):
        return "packaged" if kind.packaged else "own" if kind.name == OWN else "textbook"

    def picture(self):
        families = {kind.name: self.family(kind) for kind in self.kinds}
        panels = []
        for name in PANELS:
            case = self.cases[name]
            figure = case.figures[0]
            better = "more" if figure in MORE_IS_BETTER else "less"
            panels.append(Panel(case.title, figure, better, self.results[name], families))
        note = "medians, with the range of all runs; server on one core, verifying client on another, loopback"
        return plot.draw(panels, "The fork engine and its peers", note)

    def page(self):
        goals = [[goal.promise, *self.judge(goal)] for goal in GOALS]
        parts = [
            "# Measured: the fork engine and its peers",
            f"Made by `{self.command} --record` on {datetime.date.today().isoformat()}. [MEASURING.md](../MEASURING.md) "
            "says how it is measured and how to read it.",
            markdown_table(["promise", "measured", ""], goals),
            f"![Bars of the medians; the tables below have the same figures]({PICTURE})",
            "## Machine",
            markdown_table(["", ""], machine()),
            "## Figures",
            "Medians (min..max). The second column of each pair is the ratio of the medians, and in brackets the "
            "least and the greatest ratio of a single round.",
        ]
        for name, by_server in self.results.items():
            case = self.cases[name]
            rows, errors = report.table(case, by_server)
            parts += [f"### `{name}`: {case.title}", markdown_table(rows[0], rows[1:])]
            parts += [f"- {error}" for error in errors]
        parts += [f"The most idle clients that this machine allows: {self.limit}."]
        return "\n\n".join(parts) + "\n"

    def write(self):
        figures = RECORDS / "figures"
        figures.mkdir(exist_ok=True)
        (figures / "bench.json").write_text(json.dumps(self.json(), indent=1, ensure_ascii=False) + "\n")
        (RECORDS / PICTURE).write_text(self.picture())
        (RECORDS / "fork-engine.md").write_text(self.page())


def markdown_table(head, rows):
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def machine_in_short():
    return "Linux " + ".".join(platform.release().split(".")[:2])


PACKAGES = ("gcc", "libc6", "ucspi-tcp", "socat", "ncat", "openbsd-inetd")


def machine(packages=PACKAGES):
    """Returns what the figures depend on, as rows of a table."""

    def first(pattern, path):
        match = re.search(pattern, pathlib.Path(path).read_text(), re.M)
        return match.group(1) if match else "unknown"

    def version(package):
        asked = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
        return f"{package} {asked.stdout}" if asked.returncode == 0 else None

    def output(*words):
        return subprocess.run(words, capture_output=True, text=True, cwd=ROOT).stdout.strip()

    return [
        ["kernel", machine_in_short()],
        ["processor", f"{first(r'^model name.*: (.*)', '/proc/cpuinfo')}, {os.cpu_count()} cores"],
        ["page-table isolation", "on" if "pti" in first(r"^flags.*: (.*)", "/proc/cpuinfo").split() else "off"],
        ["memory", f"{int(first(r'^MemTotal: *([0-9]+)', '/proc/meminfo')) / (1 << 20):.0f} GiB"],
        ["congestion control", first(r"(\S+)", "/proc/sys/net/ipv4/tcp_congestion_control")],
        ["packages", ", ".join(filter(None, map(version, packages)))],
        ["tcpecho", output("git", "describe", "--always", "--dirty")],
    ]
