# SPDX-License-Identifier: MIT
"""What was measured, for people: tables of medians, ratios and spreads."""
import statistics
import sys

TITLES = {
    "per_second": "per second",
    "cpu_us": "CPU µs each",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "own_kib": "own KiB",
    "pss_kib": "Pss KiB",
    "page_tables_kib": "page tables KiB",
    "whole_kib": "whole KiB",
}


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def values(measurements, figure):
    """The figure of each measurement that succeeded."""
    return [one[figure] for one in measurements if not one["error"] and figure in one]


def number(value):
    """Three or four digits that mean something."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(measurements, figure):
    """'4,711 (4,600..4,800)', or '-'."""
    found = values(measurements, figure)
    if not found:
        return "-"
    return f"{number(statistics.median(found))} ({number(min(found))}..{number(max(found))})"


def ratio(measurements, baseline, figure):
    """The ratio of medians, and how far apart the ratios of the rounds were: '1.25 (1.21..1.30)'."""
    mine, theirs = values(measurements, figure), values(baseline, figure)
    if not mine or not theirs or min(theirs) <= 0:
        return "-"
    of_medians = statistics.median(mine) / statistics.median(theirs)
    of_rounds = [one / other for one, other in zip(mine, theirs)]
    return f"{of_medians:.2f} ({min(of_rounds):.2f}..{max(of_rounds):.2f})"


def print_case(case, results):
    """One table: medians with their spread, and the first figure's ratio to the baseline's."""
    progress("")
    baseline = case.baseline if case.baseline in results else next(iter(results))
    rounds = max(map(len, results.values()))
    print(f"\n{case.title}: median (min..max) of {rounds}, ratio to {baseline}")
    rows = [["", *(word for figure in case.figures for word in (TITLES[figure], "ratio"))]]
    for name, measurements in results.items():
        row = [name]
        for figure in case.figures:
            row += [spread(measurements, figure), ratio(measurements, results[baseline], figure)]
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]))
    for name, measurements in results.items():
        for error in {one["error"] for one in measurements if one["error"]}:
            print(f"  {name}: {error}")
    sys.stdout.flush()
