# SPDX-License-Identifier: MIT
"""The end of `ping --hold`: heartbeats in flight count, no echo at all is a failure, and no connection delays
another."""
import itertools
import json
import signal
import subprocess
import threading
import time

import pytest

import faulty_servers
from faulty_servers import FaultyServer, FullListener
from harness import TIMEOUT, recv_exactly, server_words, wait_until
from running import running
from signalling import stopped

ENDINGS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "duration": None}
CONNECTIONS = pytest.mark.parametrize("n", [1, 50])


@pytest.fixture
def start(program):
    with running(program, "ping", "--hold", "--json") as run:
        yield run


def finish(process):
    """(status, document)"""
    output, error = process.communicate(timeout=TIMEOUT)
    assert output, error
    found = json.loads(output)
    assert found["heartbeats"] == found["echoes"] + found["failed"] + found["unfinished"]
    assert found["opened"] == found["died"] + found["open"]
    return process.returncode, found


@CONNECTIONS
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_server_that_never_answers_is_no_success(start, n, ending):
    duration = ["-d", "600ms"] if ENDINGS[ending] is None else []
    with FaultyServer(faulty_servers.never_reply) as faulty:
        process = start("-c", n, "-W", "1h", *duration, *faulty.words)
        if ENDINGS[ending] is not None:
            wait_until(lambda: len(faulty.connected) == n, "the connections")
            time.sleep(0.5)
            process.send_signal(ENDINGS[ending])
        status, found = finish(process)
    assert status == 1
    assert (found["heartbeats"], found["unfinished"], found["throughout"]) == (n, n, 0)
    assert found["response_us"]["max"] >= 400e3  # their age


@CONNECTIONS
def test_a_heartbeat_older_than_its_wait_has_failed(start, n):
    with FaultyServer(faulty_servers.never_reply) as faulty:
        status, found = finish(start("-c", n, "-W", "300ms", "-d", "2s", *faulty.words))
    assert status == 1
    assert found["deaths"]["timeout"] >= 1
    assert found["failed"] == found["died"]


@CONNECTIONS
def test_the_time_in_which_it_was_stopped_is_no_wait(start, n):
    with FaultyServer(faulty_servers.never_reply) as faulty:
        process = start("-c", n, "-W", "2s", *faulty.words)
        wait_until(lambda: len(faulty.connected) == n, "the connections")
        time.sleep(0.3)
        with stopped(process.pid):
            process.send_signal(signal.SIGTERM)
            time.sleep(2.5)
        status, found = finish(process)
    assert status == 1
    assert (found["failed"], found["unfinished"]) == (0, n)


@CONNECTIONS
def test_a_reply_that_has_come_is_no_failure(serve, start, n):
    server = serve("-e", "epoll", "127.0.0.1:0")
    process = start("-c", n, "-i", "20ms", *server_words(server))
    wait_until(lambda: server.totals()["out"] >= n * 64, "the first heartbeats")
    with stopped(process.pid):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    status, found = finish(process)
    assert status == 0
    assert (found["failed"], found["unfinished"], found["throughout"]) == (0, 0, n)


def test_an_end_that_has_come_is_a_death(start):
    """The FIN came while the process was stopped, before the signal was read."""
    ends = threading.Event()

    def treat(sock):
        sock.sendall(recv_exactly(sock, 64))
        ends.wait(TIMEOUT)
        sock.close()

    with FaultyServer(treat) as faulty:
        process = start("-i", "1h", *faulty.words)
        wait_until(lambda: faulty.connected, "the connection")
        time.sleep(0.3)
        with stopped(process.pid):
            process.send_signal(signal.SIGINT)
            ends.set()
            time.sleep(0.3)
        status, found = finish(process)
    assert (status, found["deaths"]) == (1, {"ended": 1})


@pytest.mark.parametrize("words, is_interrupted", [([], False), (["-d", "1h"], True), (["-w", "1h"], True)])
def test_it_is_interrupted_if_the_time_was_not_over(start, server, words, is_interrupted):
    process = start("-i", "10ms", *words, *server_words(server))
    wait_until(lambda: server.totals()["out"] > 0, "a heartbeat")
    process.send_signal(signal.SIGINT)
    status, found = finish(process)
    assert status == 0
    assert found["interrupted"] is is_interrupted
    assert found["seconds_wanted"] == (3600 if words else None)


# ---- one connection delays no other ----


def beats_while_it_asks(start):
    """Returns the number of heartbeats of one connection during the diagnosis of a wrong byte on the other.

    For the diagnosis the client connects once more, to see whether the server sends first, and waits.
    """
    numbers = itertools.count(1)
    asks, asked = threading.Event(), threading.Event()
    beats = []

    def treat(sock):
        number = next(numbers)
        if number == 1:  # no echo until the client tests the server
            data = recv_exactly(sock, 64)
            asks.wait(TIMEOUT)
            while data:
                sock.sendall(data)
                data = sock.recv(64)
                beats.append(not asked.is_set())
        elif number == 2:
            sock.sendall(b"0123456789abcdef" + recv_exactly(sock, 64))
        elif number == 3:
            asks.set()
            faulty_servers.recv_all(sock)  # until the client has waited long enough
            asked.set()
        else:
            faulty_servers.never_end(sock)

    with FaultyServer(treat) as faulty:
        process = start("-c", 2, "-i", "5ms", *faulty.words)
        wait_until(lambda: asked.is_set() or process.poll() is not None, "it to ask")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)
    return sum(beats)


def test_a_wrong_byte_does_not_delay_other_connections(start):
    """The client waits 100 ms: on a busy machine no heartbeat may fall into them, so several attempts are allowed."""
    assert any(beats_while_it_asks(start) > 1 for _ in range(10))


@pytest.mark.parametrize("words", [["--hold", "-d", "300ms"], ["--hold", "-w", "300ms"], ["-w", "300ms"]],
                         ids=["hold -d", "hold -w", "ping -w"])  # fmt: skip
def test_connecting_takes_no_longer_than_the_run(program, words):
    """The first connection has no answer; -W would allow an hour for it."""
    with FullListener() as full:
        command = [program, "ping", "-W", "1h", *words, "127.0.0.1", str(full.port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"tcpecho: cannot connect to 127.0.0.1 port {full.port}: connection timed out")


def test_times_with_an_unfinished_heartbeat_are_lower_bounds(program):
    with FaultyServer(faulty_servers.never_reply) as faulty:
        command = [program, "ping", "--hold", "-W", "1h", "-d", "300ms", *faulty.words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert "min, mean, percentiles and max are lower bounds" in done.stdout
