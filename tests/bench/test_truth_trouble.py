# SPDX-License-Identifier: MIT
"""Runs in trouble: the harness's records are correct, and a client that falsifies such a run is detected."""
import itertools
import pathlib
import socket
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import trouble  # noqa: E402
import truth  # noqa: E402

pytestmark = pytest.mark.alone  # it measures

FAKE = """#!/usr/bin/python3
import json, signal, subprocess, sys
run = subprocess.Popen([{program!r}, *sys.argv[1:]], stdout=subprocess.PIPE)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: run.send_signal(number))
said = json.loads(run.communicate()[0])
said["client_bound"] = None  # whatever this machine is like
{lie}
print(json.dumps(said))
sys.exit(run.returncode)
"""

# Falsifies the output: subtracts the messages that were in flight at the interruption.
TAKES_BACK = """
said["sent"] -= said["unfinished"]
said["unfinished"] = 0
said["response_us"]["max"] = said["response_us"]["p50"]
"""


@pytest.fixture
def judge(program, tmp_path):
    """judge(a lie) returns a Truth for a client that runs the program and falsifies its output."""

    def make(lie=""):
        client = tmp_path / "tcpecho"
        client.write_text(FAKE.format(program=program, lie=lie))
        client.chmod(0o755)
        return truth.Truth(client, None, tmp_path, 1, server_program=program)

    return make


# ---- figures ----


@pytest.mark.parametrize("known, found, unit, is_true", [
    (100, 100, "", True), (100, 101, "", True), (100, 102, "", False), (4, 0, "", False), (4, 5, "", False),
    (1000, 1060, "µs", True), (1000, 1061, "µs", False), (1000, 939, "µs", False), (0, 50, "µs", True),
    (10, None, "", False),
])
def test_a_figure_is_true_within_a_hundredth_and_50_us(known, found, unit, is_true):
    assert trouble.Figure("figure", known, found, unit).is_true() is is_true


@pytest.mark.parametrize("found, is_true", [(989, False), (990, True), (1500, True), (2020, True), (2021, False)])
def test_a_figure_may_be_a_range(found, is_true):
    assert trouble.Figure("figure", 1000, found, "", 2000).is_true() is is_true


def test_a_false_figure_counts_unless_the_run_is_disowned():
    right, false = trouble.Figure("a", 1, 1), trouble.Figure("b", 1, 2)
    assert trouble.Run("t", "c", [right], None).result() == "true"
    assert trouble.Run("t", "c", [right, false], None).result() == "FALSE: b 2, record 1"
    assert trouble.Run("t", "c", [right, false], "ports").result() == "says that it is no measurement: ports"
    assert trouble.Run("t", "c", [right], "ports", "status 0").result() == "FALSE: status 0"
    assert not trouble.Run("t", "c", [], None).is_true()


def test_a_false_run_is_made_again_if_others_used_the_machine(monkeypatch):
    runs = []

    def make():
        runs.append(trouble.Run("t", "c", [trouble.Figure("a", 1, 2)], None))
        return runs[-1]

    monkeypatch.setattr(trouble, "used_seconds", lambda: 0)
    assert trouble.attempt(make, False).others == 0 and len(runs) == 1
    monkeypatch.setattr(trouble, "used_seconds", itertools.count(0, 1000).__next__)
    assert trouble.attempt(make, False).others > 1 and len(runs) == 1 + trouble.TRIES


def test_a_run_that_is_disowned_is_made_again_unless_the_client_was_to_be_the_limit(monkeypatch):
    disowned = trouble.Run("t", "c", [], "hogs")
    monkeypatch.setattr(trouble, "used_seconds", itertools.count(0, 1000).__next__)
    assert trouble.attempt(lambda: disowned, True) is disowned
    assert trouble.attempt(lambda: disowned, False).others > 1


# ---- records ----


def test_the_witness_writes_down_what_it_receives_and_sends():
    with trouble.Witness(wrong_every=100) as witness, socket.create_connection((witness.address, witness.port)) as sock:
        sock.sendall(bytes(64 * 5))
        echo = b""
        while len(echo) < 64 * 5:
            echo += sock.recv(1 << 16)
        witness.stand_still()
        sock.sendall(bytes(64))
        assert [place for place, byte in enumerate(echo) if byte] == [99, 199, 299]
        assert (witness.messages(), witness.echoes(), witness.wrong) == (5, 5, 3)
        witness.read_the_rest()
        assert (witness.messages(), witness.echoes()) == (6, 5)


@pytest.mark.usefixtures("own_network")
def test_segments_are_written_down_with_the_kernels_stamps():
    with trouble.Witness() as witness, trouble.Segments(witness.port) as segments:
        before_ns = time.time_ns()
        with socket.create_connection((witness.address, witness.port)) as sock:
            port = sock.getsockname()[1]
            sock.sendall(b"hello")
            assert sock.recv(5) == b"hello"
            after_ns = time.time_ns()
            time.sleep(0.3)
    assert before_ns <= segments.syn[port] <= segments.answer[port] <= segments.payload[port] <= after_ns
    assert len(segments.connecting_us()) == 1


# ---- clients ----


@pytest.mark.parametrize("name", ["bench, closed loop", "bench, open loop", "ping"])
@pytest.mark.usefixtures("own_network")
def test_a_client_that_takes_back_what_was_under_way_is_found_out(judge, name):
    run = trouble.interrupted(judge(TAKES_BACK), name, trouble.signal.SIGINT)
    assert {figure.name for figure in run.figures if not figure.is_true()} >= {"unfinished", "oldest"}
    assert not run.is_true()


@pytest.mark.parametrize("name", trouble.COMMANDS)
@pytest.mark.usefixtures("own_network")
def test_the_counts_of_an_interrupted_run_are_the_records(judge, name):
    """Times are not compared, because they depend on this machine."""
    run = trouble.interrupted(judge(), name, trouble.signal.SIGTERM)
    assert [figure.words() for figure in run.figures if figure.name in ("sent", "echoes", "unfinished")
            and not figure.is_true()] == []
    assert run.wrong is None


def test_a_client_that_keeps_a_wrong_byte_to_itself_is_found_out(judge):
    for lie, is_true in (('said["wrong_bytes"] -= 1', False), ("", True)):
        figure = trouble.wrong_bytes(judge(lie), every=100_000, duration="800ms").figures[0]
        assert figure.known > 1 and figure.is_true() == is_true, figure.words()


def test_a_server_that_does_not_close(judge):
    assert trouble.no_fin(judge(), "700ms").is_true()
    assert not trouble.no_fin(judge('said["connection_errors"] = {}'), "700ms").is_true()
