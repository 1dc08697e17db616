# SPDX-License-Identifier: MIT
"""The short form of `./dev soak`, in each of its modes; and that it notices what it is there to notice."""
import json
import subprocess

import pytest

import soak
from bulk import Endless
from clients import Client, large_stream, medium_stream, verdict_of
from harness import reset
from ledger import Ledger, disagreement
from rogues import Rogue, add_bytes, answer_and_end, close_at_once, drop_byte, echo_through, flip_bit, repeat_byte

SEED = 1


@pytest.mark.parametrize(
    "mode",
    [["6s"], ["--bytes", "512M"], ["--connections", "2k"]],
    ids=["clients of every kind", "bytes", "connections"],
)
def test_nothing_is_lost_and_nothing_left_behind(program, mode):
    command = ["/usr/bin/python3", soak.__file__, "--program", program, "--seed", str(SEED), *mode]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


# ---- the clients notice ----

ROGUES = {
    "a flipped bit": (flip_bit(30_000), "wrong"),
    "a byte lost": (drop_byte(30_000), "wrong"),
    "the last byte lost": (echo_through(lambda offset, piece: piece[:-1]), "wrong"),
    "a byte twice": (repeat_byte(30_000), "wrong"),
    "a byte too much": (add_bytes(b"!"), "wrong"),
    "an early end": (answer_and_end(30_000, of=60_000), "cut"),
    "no answer": (close_at_once, "cut"),
    "a reset": (lambda sock: (sock.recv(1), reset(sock)), "cut"),
}


@pytest.mark.parametrize("rogue, outcome", ROGUES.values(), ids=ROGUES)
@pytest.mark.parametrize("kind", [medium_stream, large_stream], ids=["medium", "large"])
def test_a_client_notices_a_bad_echo(rogue, outcome, kind):
    with Rogue(rogue) as server:
        client = Client(7, server.port, Endless(SEED), SEED)
        assert verdict_of(kind, client)[0] == outcome


@pytest.mark.parametrize("rogue, outcome", ROGUES.values(), ids=ROGUES)
def test_the_load_notices_a_bad_echo(build, rogue, outcome):
    with Rogue(rogue) as server:
        load = [build / "bench" / "soak" / "load", server.port, SEED, 3, 2, 1_000_000]
        run = subprocess.run(list(map(str, load)), capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stdout.count(f'"outcome":"{outcome}"') == 3, run.stdout + run.stderr


# ---- the ledger notices ----


def claim(outcome="whole", sent=100, received=100, number=5):
    return {"n": number, "kind": "a test", "outcome": outcome, "sent": sent, "received": received, "why": ""}


def record(reason="eof", into=100, out=100, peer="127.1.0.5:4567"):
    return {"peer": peer, "in": into, "out": out, "seconds": 0.1, "reason": reason}


RIGHT = {
    "whole": (claim(), record(), False),
    "killed": (claim("cut", received=50), record("killed", into=80, out=40), True),
    "killed when all was done": (claim(), record("killed"), True),
    "killed before it had counted": (claim(), record("killed", out=0), True),
    "left": (claim("left", received=0), record("reset", out=30), False),
    "left before the server noticed": (claim("left", received=0), record("eof"), False),
}

WRONG = {
    "fewer bytes in": (claim(), record(into=99, out=99), False),
    "fewer bytes out": (claim(), record(out=99), False),
    "more bytes in": (claim(), record(into=101), False),
    "more out than in": (claim("left", received=0), record(into=50, out=60), False),
    "more received than went out": (claim("left", received=50), record("reset", out=40), False),
    "a reset, though whole": (claim(), record("reset"), False),
    "broken off": (claim("cut", received=50), record("eof"), False),
    "killed by nobody": (claim("cut", received=50), record("killed"), False),
    "an error": (claim("left"), record("error"), False),
}


@pytest.mark.parametrize("accounts", RIGHT.values(), ids=RIGHT)
def test_accounts_that_agree(accounts):
    assert disagreement(*accounts) is None


@pytest.mark.parametrize("accounts", WRONG.values(), ids=WRONG)
def test_accounts_that_do_not_agree(accounts):
    assert disagreement(*accounts) is not None


@pytest.mark.parametrize(
    "tell",
    [
        lambda ledger: ledger.claim(claim()),
        lambda ledger: ledger.hear("end", record()),
        lambda ledger: (ledger.claim(claim()), ledger.claim(claim())),
        lambda ledger: ledger.hear("end", record(peer="127.0.0.1:4567")),
        lambda ledger: (ledger.claim(claim(number=None)), ledger.hear("end", record(into=99, peer="127.0.0.1:4567"))),
        lambda ledger: ledger.hear("dropped", {"lines": 3}),
        lambda ledger: ledger.hear("error", {"message": "it burns"}),
        lambda ledger: ledger.claim(claim("wrong")),
        lambda ledger: ledger.hear(
            "totals", {"clients": 0, "accepted": 1, "ended": 1, "killed": 0, "turned_away": 0, "in": 0, "out": 0}
        ),
    ],
    ids=[
        "a record is missing",
        "a claim is missing",
        "one number twice",
        "a client of nobody",
        "other sums",
        "lines dropped",
        "an error",
        "a client's complaint",
        "other totals",
    ],
)
def test_the_ledger_does_not_add_up(tell):
    ledger = Ledger()
    tell(ledger)
    ledger.close()
    assert ledger.failures


def test_the_ledger_adds_up_in_any_order():
    ledger = Ledger()
    ledger.claim(claim(number=5))
    ledger.hear("end", record())
    ledger.hear("end", record(peer="127.1.0.6:4567"))
    ledger.claim(claim(number=6))
    ledger.close()
    assert ledger.failures == []


# ---- the figures ----


def test_a_row_replaces_its_like_and_leaves_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "FIGURES", tmp_path / "figures" / "soak.json")
    for promise, result in (("b", "old"), ("a", "kept"), ("b", "new")):
        soak.record({"promise": promise, "evidence": "a test", "result": result})
    rows = json.loads(soak.FIGURES.read_text())["rows"]
    assert [(row["promise"], row["result"]) for row in rows] == [("a", "kept"), ("b", "new")]
