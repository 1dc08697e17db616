# SPDX-License-Identifier: MIT
"""SIGSTOP and SIGCONT only delay: the server reads what arrived meanwhile before it checks any deadline.

Every process of the server is stopped for longer than one of the timeouts (a paused container, a virtual machine, a
debugger). Then it is continued, the first process first.
"""
import contextlib
import signal
import socket
import time

import pytest

from harness import recv_all, recv_exactly

# Far longer than the timeouts below.
STOPPED = 0.6
SHORT = "200ms"

# MANY: more clients than an event loop fetches at once, for the engines with such a loop.
MANY, FEW = 300, 5


@contextlib.contextmanager
def all_stopped(server):
    """Stops every process of the server until the block ends."""
    processes = server.stop_all()
    try:
        yield
    finally:
        server.continue_all(processes)


@pytest.fixture
def clients(engine):
    """Opens clients of a server, each of which has had an echo, and closes them after the test."""
    with contextlib.ExitStack() as stack:

        def start(server, count):
            socks = [stack.enter_context(server.connect()) for _ in range(count)]
            for sock in socks:
                sock.sendall(b"hello")
            for sock in socks:
                assert recv_exactly(sock, 5) == b"hello"
            return socks

        yield start


def test_bytes_that_arrive_while_it_is_stopped_are_echoed_though_the_idle_timeout_has_passed(engine, serve, clients):
    server = serve("--idle-timeout", "3s", "--quiet", "127.0.0.1:0")  # all clients are connected within that time
    socks = clients(server, MANY if engine in ("epoll", "uring") else FEW)
    with all_stopped(server):
        for sock in socks:
            sock.sendall(b"waiting")
        time.sleep(3 + STOPPED)
    for sock in socks:
        assert recv_exactly(sock, 7) == b"waiting"


def test_an_end_that_arrives_while_it_is_stopped_is_no_idle_client(serve, clients):
    server = serve("--idle-timeout", "3s", "127.0.0.1:0")  # all clients are connected within that time
    socks = clients(server, FEW)
    with all_stopped(server):
        for sock in socks:
            sock.shutdown(socket.SHUT_WR)
        time.sleep(3 + STOPPED)
    for sock in socks:
        assert recv_all(sock) == b""
        sock.close()
    assert {end["reason"] for end in server.ends(FEW)} == {"eof"}


def test_a_client_that_is_silent_while_the_server_is_stopped_is_idle(serve, clients):
    server = serve("--idle-timeout", SHORT, "127.0.0.1:0")
    (sock,) = clients(server, 1)
    with all_stopped(server):
        time.sleep(STOPPED)
    assert recv_all(sock) == b""
    sock.close()
    assert server.ends(1)[0]["reason"] == "idle"


def test_clients_that_finish_while_the_server_is_stopped_have_finished_though_the_drain_timeout_has_passed(serve, clients):
    server = serve("--drain-timeout", "2s", "127.0.0.1:0")
    socks = clients(server, FEW)
    server.process.send_signal(signal.SIGTERM)
    server.wait_for_log("no new clients")
    with all_stopped(server):
        for sock in socks:
            sock.sendall(b"the last words")
            sock.shutdown(socket.SHUT_WR)
        time.sleep(2 + STOPPED)
    for sock in socks:
        assert recv_all(sock) == b"the last words"
    assert server.wait() == 0
    assert {end["reason"] for end in server.ends(FEW)} == {"eof"}


def test_the_drain_lasts_longer_by_the_time_in_which_it_was_stopped(serve, clients):
    server = serve("--drain-timeout", "2s", "127.0.0.1:0")
    (sock,) = clients(server, 1)
    server.process.send_signal(signal.SIGTERM)
    server.wait_for_log("no new clients")
    with all_stopped(server):
        time.sleep(2 + STOPPED)
    sock.sendall(b"only now")
    assert recv_exactly(sock, 8) == b"only now"
    sock.shutdown(socket.SHUT_WR)
    assert recv_all(sock) == b""
    assert server.wait() == 0


def test_an_aborted_client_is_not_killed_though_the_server_is_stopped_for_longer_than_that_may_take(serve, clients):
    server = serve("--drain-timeout", "0s", "127.0.0.1:0")
    socks = clients(server, FEW)
    with all_stopped(server):
        server.process.send_signal(signal.SIGTERM)
    server.wait_for_log("drain timeout")
    with all_stopped(server):
        for sock in socks:
            sock.sendall(b"too late")
            sock.shutdown(socket.SHUT_WR)
        time.sleep(2 * STOPPED)
    for sock in socks:
        recv_all(sock)  # no reset
    server.wait()
    assert not {end["reason"] for end in server.ends(FEW)} & {"killed", "reset"}
