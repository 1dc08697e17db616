# SPDX-License-Identifier: MIT
"""The short form of `./dev soak` in each mode, and a check that it detects what it must detect."""
import json
import re
import subprocess

import pytest

import soak
from bulk import Endless
from clients import Client, large_stream, medium_stream, verdict_of
from faulty_servers import FaultyServer, add_bytes, answer_and_end, close_at_once, drop_byte, echo_through, flip_bit, repeat_byte
from harness import reset
from ledger import Ledger, disagreement

SEED = 1

# A soak holds the server's memory, descriptors and processes to what its clients explain.
alone = pytest.mark.alone


def run_soak(program, *words):
    command = ["/usr/bin/python3", soak.__file__, "--program", program, "--seed", str(SEED), *words]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@alone
@pytest.mark.parametrize("mode", [["--bytes", "512M"], ["--connections", "2k"]], ids=["bytes", "connections"])
def test_nothing_is_lost_and_nothing_left_behind(program, mode):
    run_soak(program, *mode)


ENGINES = ("fork", "prefork", "thread", "epoll", "uring")


def skip_if_unusable(program, engine):
    command = [program, "serve", "--engine", "help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    reason = re.search(rf"^{engine} .*\(cannot be used here: (.*)\)$", text, re.MULTILINE)
    if reason:
        pytest.skip(f"engine {engine} cannot be used here: {reason.group(1)}")


@alone
@pytest.mark.parametrize("engine", ENGINES)
def test_clients_of_every_kind_and_trouble_leave_nothing_behind(program, engine):
    """Also with workers, which are killed with several clients each."""
    skip_if_unusable(program, engine)
    run_soak(program, "6s" if engine == "fork" else "4s", "--engine", engine)


@alone
@pytest.mark.parametrize("engine", ENGINES)
def test_many_idle_connections_come_and_go(program, engine):
    skip_if_unusable(program, engine)
    run_soak(program, "--idle", "500", "--engine", engine)


# ---- the clients notice ----

FAULTY_SERVERS = {
    "a flipped bit": (flip_bit(30_000), "wrong"),
    "a byte lost": (drop_byte(30_000), "wrong"),
    "the last byte lost": (echo_through(lambda offset, piece: piece[:-1]), "wrong"),
    "a byte twice": (repeat_byte(30_000), "wrong"),
    "a byte too much": (add_bytes(b"!"), "wrong"),
    "an early end": (answer_and_end(30_000, of=60_000), "cut"),
    "no answer": (close_at_once, "cut"),
    "a reset": (lambda sock: (sock.recv(1), reset(sock)), "cut"),
}


@pytest.mark.parametrize("faulty, outcome", FAULTY_SERVERS.values(), ids=FAULTY_SERVERS)
@pytest.mark.parametrize("kind", [medium_stream, large_stream], ids=["medium", "large"])
def test_a_client_notices_a_bad_echo(faulty, outcome, kind):
    with FaultyServer(faulty) as server:
        client = Client(7, server.port, Endless(SEED), SEED)
        assert verdict_of(kind, client)[0] == outcome


@pytest.mark.parametrize("faulty, outcome", FAULTY_SERVERS.values(), ids=FAULTY_SERVERS)
def test_the_load_notices_a_bad_echo(build, faulty, outcome):
    with FaultyServer(faulty) as server:
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
    "killed when it had closed the connection": (claim(), record("killed"), False),
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
    "killed without a cause": (claim("cut", received=50), record("killed"), False),
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
        lambda ledger: ledger.record_event("end", record()),
        lambda ledger: (ledger.claim(claim()), ledger.claim(claim())),
        lambda ledger: ledger.record_event("end", record(peer="127.0.0.1:4567")),
        lambda ledger: (ledger.claim(claim(number=None)), ledger.record_event("end", record(into=99, peer="127.0.0.1:4567"))),
        lambda ledger: ledger.record_event("dropped", {"lines": 3}),
        lambda ledger: ledger.record_event("error", {"message": "it burns"}),
        lambda ledger: (ledger.claim(claim()), ledger.record_event("end", record("killed"))),
        lambda ledger: ledger.claim(claim("wrong")),
        lambda ledger: ledger.record_event(
            "totals", {"clients": 0, "accepted": 1, "ended": 1, "killed": 0, "turned_away": 0, "in": 0, "out": 0}
        ),
    ],
    ids=[
        "a record is missing",
        "a claim is missing",
        "one number twice",
        "an unknown client",
        "other sums",
        "lines dropped",
        "an error",
        "no process killed",
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
    ledger.record_event("end", record())
    ledger.record_event("end", record(peer="127.1.0.6:4567"))
    ledger.claim(claim(number=6))
    ledger.close()
    assert ledger.failures == []


# ---- workers that are killed ----

PID = 77


def death(count, pid=PID, how="was killed by SIGKILL"):
    return "warning", {"message": f"worker {pid} {how}, and with it {count} clients; another worker replaces it"}


def cut(number):
    return claim("cut", received=50, number=number)


def killed(number):
    return record("killed", into=80, out=40, peer=f"127.1.0.{number}:4567")


def tell_of_deaths(claims, events, hit=(5, 6), kills=1):
    ledger = Ledger(has_workers=True)
    for pid in range(PID, PID + kills):
        ledger.kill(pid, {f"127.1.0.{number}" for number in hit})
    for one in claims:
        ledger.claim(one)
    for name, event in events:
        ledger.record_event(name, event)
    ledger.close()
    return ledger.failures


TWO = [cut(5), cut(6)]
BOTH = [("end", killed(5)), ("end", killed(6))]
LOST = claim("cut", received=0, number=5)

DEATHS = {
    "both of its clients": (TWO, [*BOTH, death(2)]),
    "one had ended": ([claim(), cut(6)], [("end", record()), BOTH[1], death(1)]),
    "one was accepted and not entered": ([LOST, cut(6)], [BOTH[1], death(1)]),
}

WRONG_DEATHS = {
    "one is not logged": (TWO, [BOTH[0], death(1)]),
    "one is logged twice": (TWO, [*BOTH, BOTH[0], death(3)]),
    "one is not counted": (TWO, [*BOTH, death(1)]),
    "one was another's": ([*TWO, cut(7)], [*BOTH, ("end", killed(7)), death(3)]),
    "it was another": (TWO, [*BOTH, death(2, pid=1)]),
    "it failed": (TWO, [*BOTH, death(2), death(0, how="failed: no memory")]),
    "no record of it": ([claim()], [("end", record())]),
    "two were accepted and not entered": ([LOST, {**LOST, "n": 6}], [death(0)]),
    "one with an echo was not entered": ([cut(5)], [death(0)]),
}


@pytest.mark.parametrize("accounts", DEATHS.values(), ids=DEATHS)
def test_a_worker_takes_its_clients_with_it(accounts):
    assert tell_of_deaths(*accounts) == []


@pytest.mark.parametrize("accounts", WRONG_DEATHS.values(), ids=WRONG_DEATHS)
def test_a_dead_worker_ends_no_other_clients(accounts):
    assert tell_of_deaths(*accounts)


# ---- the figures ----


def test_a_row_replaces_its_like_and_leaves_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "FIGURES", tmp_path / "figures" / "soak.json")
    for promise, result in (("b", "old"), ("a", "kept"), ("b", "new")):
        soak.record({"promise": promise, "evidence": "a test", "result": result})
    rows = json.loads(soak.FIGURES.read_text())["rows"]
    assert [(row["promise"], row["result"]) for row in rows] == [("a", "kept"), ("b", "new")]
