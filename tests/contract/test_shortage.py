# SPDX-License-Identifier: MIT
"""The kernel is short of memory, or of watches: existing connections are served, new ones wait, a warning gives the
reason. The service recovers by itself when the shortage is over. Needs strace."""
import contextlib
import signal
import socket
import time

import pytest

from harness import recv_all, recv_exactly, wait_until
from signalling import injected

# For each worker engine: the calls with which it waits for connections.
WAITING = {
    "prefork": ["epoll_ctl:error=ENOMEM", "epoll_ctl:error=ENOSPC"],
    "thread": ["epoll_ctl:error=ENOMEM", "epoll_ctl:error=ENOSPC"],
    "epoll": ["epoll_ctl:error=ENOMEM", "epoll_ctl:error=ENOSPC"],
    "uring": ["io_uring_enter:error=ENOMEM:when=1..20", "io_uring_enter:error=EAGAIN:when=1..20", "io_uring_enter:error=EBUSY:when=1..20"],
}

WORKER_DIED = r"warning: worker \d+ "


def echoes(sock, data=b"hello"):
    sock.sendall(data)
    return recv_exactly(sock, len(data)) == data


@contextlib.contextmanager
def all_injected(pids, injection):
    """Injects with strace into several processes."""
    with contextlib.ExitStack() as stack:
        for pid in pids:
            stack.enter_context(injected(pid, injection))
        yield


def finishes(sock):
    """It ends the conversation, and so does the server."""
    sock.shutdown(socket.SHUT_WR)
    return recv_all(sock) == b""


@pytest.mark.engines("prefork", "thread", "epoll", "uring")
def test_a_worker_that_cannot_wait_for_connections_keeps_those_that_it_has(serve, engine):
    server = serve("--workers", "2", "127.0.0.1:0")
    workers = server.wait_for_children(2)
    for injection in WAITING[engine]:
        with contextlib.ExitStack() as stack:
            # A worker of prefork has one client, and two clients would leave no worker to accept.
            socks = [stack.enter_context(server.connect()) for _ in range(1 if engine == "prefork" else 10)]
            assert all(echoes(sock) for sock in socks)
            with all_injected(workers, injection):
                new = [stack.enter_context(server.connect()) for _ in range(3)]
                time.sleep(0.5)
                if engine != "uring":  # with uring everything goes through the failing call
                    assert all(echoes(sock) for sock in socks)
            assert all(echoes(sock) and finishes(sock) for sock in [*socks, *new])
    # A worker of prefork waits for no connection while it has one.
    assert engine == "prefork" or server.log_lines(r"warning: cannot .*, clients wait$")
    assert not server.log_lines(WORKER_DIED)
    assert server.end() == 0
    assert {end["reason"] for end in server.ends()} == {"eof"}


@pytest.mark.parametrize("injection", ["recvfrom,sendto:error=ENOMEM:when=2+2", "sendto:error=ENOBUFS:when=1+2"])
def test_a_connection_for_which_there_is_no_memory_goes_on(serve, injection):
    server = serve("--idle-timeout", "30s", "127.0.0.1:0")
    with all_injected(server.processes(), injection):
        with server.connect() as sock:
            for number in range(20):
                assert echoes(sock, b"message %d" % number)
            sock.shutdown(socket.SHUT_WR)
            assert recv_all(sock) == b""
    (end,) = server.ends(1)
    assert (end["reason"], end["in"], end["out"]) == ("eof", "190", "190")


def test_a_server_that_cannot_poll_for_a_while_goes_on(serve):
    server = serve("--drain-timeout", "30s", "127.0.0.1:0")
    with server.connect() as sock:
        assert echoes(sock)
        with injected(server.pid, "poll:error=ENOMEM:when=1..250"):
            server.send(signal.SIGUSR1)  # it waits already, and this wait does not fail
            time.sleep(0.5)  # the log cannot poll either, and writes nothing
            assert server.is_running()
            assert echoes(sock)
        assert server.is_faithful()
        sock.shutdown(socket.SHUT_WR)
        assert recv_all(sock) == b""
    wait_until(lambda: len(server.log_lines("^end ")) == 2, "both ends")
    assert server.end() == 0
