# SPDX-License-Identifier: MIT
"""`./dev bench scale`: every case for a moment, and its report. No figure is asserted."""
import pathlib
import subprocess
import sys

import pytest

from machines import why_impossible

BENCH = pathlib.Path(__file__).parents[2] / "bench"
sys.path.insert(0, str(BENCH))

import scale  # noqa: E402


def test_every_case_is_measured_both_ways(program, sanitized):
    reason = why_impossible("haproxy") or (sanitized and "a sanitizer's memory and time are not the program's")
    if reason:
        pytest.skip(reason)
    done = subprocess.run(
        [sys.executable, BENCH / "scale.py", "--rounds", "1", "--seconds", "0.2", "--program", program],
        capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("balanced / direct") == len(scale.CASES)
    assert "memory of an idle connection" in done.stdout


def measured(rate, cpu):
    return {"per_second": rate, "p50_us": 1.0, "p99_us": 2.0, "server_cpu_us": 6.0, "balancer_cpu_us": cpu, "error": None}


RESULTS = {"direct": [measured(100.0, 0.0), measured(300.0, 0.0)], "balanced": [measured(50.0, 9.0), measured(90.0, 11.0)]}


def test_a_table_has_the_ratio_of_the_medians_and_of_the_rounds():
    rows = scale.table(RESULTS)
    assert rows[3][:2] == ["balanced / direct", "0.35 (0.30..0.50)"]
    assert rows[2][-1] == "10.0 (9.00..11.0)"


def test_a_failure_is_reported_and_not_counted():
    results = {**RESULTS, "balanced": [measured(50.0, 9.0), {"error": "status 1: it broke"}]}
    assert scale.errors_of(results) == ["balanced: status 1: it broke"]
    assert scale.summary_of(results)["balanced"]["per_second"]["runs"] == 1


def test_the_page_has_the_figures():
    figures = {"haproxy": "HAProxy version 9", "bytes_of_a_connection": 1234.5}
    page = scale.page("./dev bench scale", figures, [("echoes", scale.table(RESULTS))])
    assert "| balanced / direct | 0.35 (0.30..0.50) |" in page and "1,234 bytes" in page
