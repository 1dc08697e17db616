# SPDX-License-Identifier: MIT
"""Text for measurements: medians, ratios and spreads, and tables of them."""
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
    "clients": "clients",
    "own_bytes": "own bytes",
    "times_quiet": "p99 / quiet p99",
    "quiet_p99_us": "quiet p99 µs",
    "firehose_mib": "busy connection MiB/s",
    "per_core": "per second of a core",
    "client_cpu_us": "client's CPU µs each",
    "lateness_p99_us": "lateness p99 µs",
    "rate_off": "% off the rate",
    "taken": "% of the core used by others",
}

median = statistics.median


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def values(measurements, figure):
    """Returns the figure of each successful measurement."""
    return [one[figure] for one in measurements if not one["error"] and figure in one]


def number(value):
    """Returns a number with three or four significant digits."""
    if isinstance(value, int) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(measurements, figure):
    """Returns '4,711 (4,600..4,800)', or '-'."""
    found = values(measurements, figure)
    if not found:
        return "-"
    return f"{number(median(found))} ({number(min(found))}..{number(max(found))})"


def ratios(measurements, baseline, figure):
    """Returns the ratio of the medians, and the smallest and the largest ratio of a round; None if one is missing."""
    mine, theirs = values(measurements, figure), values(baseline, figure)
    if not mine or not theirs or min(theirs) <= 0:
        return None
    of_rounds = [one / other for one, other in zip(mine, theirs)]
    return median(mine) / median(theirs), min(of_rounds), max(of_rounds)


def ratio(measurements, baseline, figure):
    """Returns '1.25 (1.21..1.30)', or '-'."""
    found = ratios(measurements, baseline, figure)
    return f"{found[0]:.2f} ({found[1]:.2f}..{found[2]:.2f})" if found else "-"


def table(case, results):
    """Returns the rows of a table, the first with titles, and the sentences of failed measurements."""
    baseline = case.baseline if case.baseline in results else next(iter(results))
    rows = [["", *(word for figure in case.figures for word in (TITLES[figure], f"/ {baseline}"))]]
    errors = []
    for name, measurements in results.items():
        row = [name]
        for figure in case.figures:
            row += [spread(measurements, figure), ratio(measurements, results[baseline], figure)]
        rows.append(row)
        errors += sorted({f"{name}: {one['error']}" for one in measurements if one["error"]})
    return rows, errors


def print_case(case, results):
    progress("")
    rows, errors = table(case, results)
    print(f"\n{case.title}: median (min..max) of {max(map(len, results.values()))}")
    print_rows(rows, errors)


def print_rows(rows, errors):
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]))
    for error in errors:
        print(f"  {error}")
    sys.stdout.flush()
