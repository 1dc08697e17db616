# SPDX-License-Identifier: MIT
"""Every fault of the server turns exactly those checks red or yellow that the table in tests/lib/fault_matrix.py
names, and no other."""
import re
import subprocess

import pytest

from checking import check
from fault_matrix import OTHER_ENGINES, ROWS

ENGINES = ["fork", "prefork", "thread", "uring"]


def judge(program, serve, row, engine):
    faults = ["--fault", row.fault] if row.fault else []
    server = serve(*faults, "--seed", "7", "127.0.0.1:0", engine=engine)
    verdicts = check(program, "127.0.0.1", server.port, row.checks, row.timeout, ["--idle", row.idle])
    found = {verdict: verdicts.names(verdict) for verdict in ("FAIL", "WARN")}
    sentences = {name: verdicts.actual(name) for name in found["FAIL"] | found["WARN"]}
    assert found == {"FAIL": set(row.red.split()), "WARN": set(row.yellow.split())}, sentences
    assert verdicts.status == (1 if row.red else 0)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault or "faithful")
def test_a_fault_turns_the_named_checks_red_and_no_other(program, serve, row):
    judge(program, serve, row, "epoll")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("row", OTHER_ENGINES, ids=lambda row: row.fault or "faithful")
def test_a_fault_shows_on_every_engine(program, serve, row, engine):
    judge(program, serve, row, engine)


@pytest.mark.parametrize("rows", [ROWS, OTHER_ENGINES], ids=["epoll", "others"])
def test_every_fault_is_in_the_table(program, rows):
    text = subprocess.run([program, "serve", "--fault", "help"], capture_output=True, text=True, check=True).stdout
    faults = set(re.findall(r"^  ([a-z-]+)", text, re.MULTILINE))
    assert len(faults) == 19
    assert {re.match(r"[a-z-]*", row.fault)[0] for row in rows} - {""} == faults
