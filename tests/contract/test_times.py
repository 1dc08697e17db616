# SPDX-License-Identifier: MIT
"""The shortest and the longest times that an option takes: each is kept, and none makes another coarser."""
import signal

import pytest

from harness import recv_all, recv_exactly

SHORTEST, LONGEST = "1ns", "876000h"


@pytest.fixture
def quiet_client(serve):
    """A server with these options, and a client that has had an echo and stays silent."""
    socks = []

    def start(*options):
        server = serve(*options, "127.0.0.1:0")
        sock = server.connect()
        socks.append(sock)
        sock.sendall(b"hello")
        assert recv_exactly(sock, 5) == b"hello"
        return server, sock

    yield start
    for sock in socks:
        sock.close()


@pytest.mark.parametrize("idle", ["off", "0s", LONGEST])
def test_a_silent_client_is_aborted_and_not_killed(quiet_client, idle):
    server, sock = quiet_client("--idle-timeout", idle, "--drain-timeout", "100ms")
    server.process.send_signal(signal.SIGTERM)
    assert recv_all(sock) == b""
    assert server.ends(1)[0]["reason"] == "drain"  # though the client does not end


def test_with_the_shortest_idle_timeout_a_client_is_ended_for_being_idle(serve):
    server = serve("--idle-timeout", SHORTEST, "127.0.0.1:0")
    with server.connect() as sock:
        assert recv_all(sock) == b""
    assert server.ends(1)[0]["reason"] == "idle"


@pytest.mark.parametrize("drain", ["off", LONGEST])
def test_without_an_end_of_the_drain_clients_finish(quiet_client, drain):
    server, sock = quiet_client("--drain-timeout", drain, "--idle-timeout", LONGEST)
    server.process.send_signal(signal.SIGTERM)
    server.wait_for_log("no new clients")
    sock.sendall(b"the last words")
    assert recv_exactly(sock, 14) == b"the last words"
    sock.close()
    assert server.wait() == 0
    assert server.ends(1)[0]["reason"] == "eof"


@pytest.mark.parametrize("drain", ["0s", SHORTEST])
def test_without_time_to_drain_clients_are_aborted_and_not_killed(quiet_client, drain):
    server, sock = quiet_client("--drain-timeout", drain)
    server.process.send_signal(signal.SIGTERM)
    assert recv_all(sock) == b""
    sock.close()
    assert server.wait() == 1
    assert server.ends(1)[0]["reason"] == "drain"


@pytest.mark.engines("epoll", "uring")
@pytest.mark.parametrize("busy", [SHORTEST, LONGEST])
def test_with_any_busy_poll_time_it_serves_and_ends(serve, busy):
    server = serve("--workers", "1", "--busy-poll", busy, "127.0.0.1:0")
    assert server.is_faithful()
    server.process.send_signal(signal.SIGTERM)
    assert server.wait() == 0
