# SPDX-License-Identifier: MIT
"""ping and ping --hold report that they were the limit themselves: stopped, or short of CPU."""
import os
import signal
import threading
import time

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import server_words, wait_until
from running import end, running
from shortages import hogs
from signalling import stopped

MODES = {
    "ping": ["-i", "5ms"],
    "flood": ["-i", "0"],
    "spin": ["-i", "0", "--spin"],
    "connect-each": ["-i", "0", "--connect-each"],
    "large": ["-i", "0", "-s", "1M"],
    "hold": ["--hold", "-i", "10ms"],
    "hold 50": ["--hold", "-i", "100ms", "-c", "50"],
    "hold large": ["--hold", "-i", "20ms", "-c", "3", "-s", "1M"],
}


@pytest.fixture
def start(program):
    with running(program, "ping", "--json") as run:
        yield run


def failures(found):
    return found.get("errors", {}) | found.get("connection_errors", {}) | found.get("deaths", {})


@pytest.mark.parametrize("address", ["127.0.0.1:0", "unix:"])
@pytest.mark.parametrize("strict", [[], ["--strict"]], ids=["reported", "strict"])
@pytest.mark.parametrize("words", MODES.values(), ids=MODES)
def test_a_client_that_was_stopped_reports_it_and_no_failure(serve, start, tmp_path, words, strict, address):
    server = serve(f"unix:{tmp_path}/socket" if address == "unix:" else address, engine="epoll")
    client = start("-W", "200ms", *words, *strict, *server_words(server))
    wait_until(lambda: server.totals()["in"] > 0, "a message")
    for _ in range(3):
        time.sleep(0.1)
        with stopped(client.pid):
            time.sleep(0.3)
    time.sleep(0.1)
    client.send_signal(signal.SIGINT)
    found, status, error = end(client)
    assert failures(found) == {}, error
    assert found["client_bound"] is not None
    assert status == (4 if strict else 0)
    assert not strict or error == f"tcpecho: the client was the limit: {found['client_bound']}\n"


@pytest.mark.parametrize("words", MODES.values(), ids=MODES)
def test_a_client_beside_hogs_on_its_core_reports_it(serve, start, words):
    """The kernel may schedule a mostly sleeping client at once, so it may take more than one attempt."""
    core = min(os.sched_getaffinity(0))
    server = serve("127.0.0.1:0", engine="epoll")

    def is_said():
        command = ["-w", "2s", *words, *server_words(server)]
        found, status, _ = end(start(*command, preexec_fn=lambda: os.sched_setaffinity(0, {core})))
        assert status == 0
        return found["client_bound"]

    with hogs(core):
        wait_until(is_said, "the client to say that it was the limit")


def answer_late(sock):
    """A server that takes a fifth of a second for each message."""
    for piece in faulty_servers.pieces_of(sock):
        time.sleep(0.2)
        sock.sendall(piece)


@pytest.mark.parametrize("words", [["-i", "0"], ["--hold", "-i", "10ms"]], ids=["ping", "hold"])
def test_a_slow_server_is_no_limit_of_the_client(start, words):
    """A busy machine stops the client now and then, so it may take more than one attempt."""

    def is_blamed():
        with FaultyServer(answer_late) as faulty:
            found, _, _ = end(start("-w", "700ms", *words, *faulty.words))
        return found["response_us"]["p50"] > 150e3 and found["client_bound"] is None

    assert any(is_blamed() for _ in range(10))


@pytest.mark.parametrize("words", [["-i", "0"], ["--hold", "-i", "10ms"]], ids=["ping", "hold"])
def test_a_failure_wins_over_strict(start, words):
    goes_wrong = threading.Event()

    def treat(sock):
        for piece in faulty_servers.pieces_of(sock):
            sock.sendall(b"?" * len(piece) if goes_wrong.is_set() else piece)

    with FaultyServer(treat) as faulty:
        client = start("--strict", *words, *faulty.words)
        wait_until(lambda: faulty.connected, "the connection")
        time.sleep(0.1)
        with stopped(client.pid):
            time.sleep(0.3)
        time.sleep(0.1)
        goes_wrong.set()
        wait_until(lambda: len(faulty.connected) > 1, "a wrong byte")
        client.send_signal(signal.SIGINT)
        found, status, _ = end(client)
    assert found["client_bound"] is not None
    assert status == 1
