# SPDX-License-Identifier: MIT
"""Workers come and go, and clients of other workers do not notice; their counts are kept."""
import collections
import contextlib
import os
import signal
import socket
import time

import pytest

from harness import TIMEOUT, descriptors_of, recv_all, recv_exactly, reset, title_of, wait_until
from shortages import allow_descriptors
from streams import echo_of, is_silent, pattern

SEVERAL = pytest.mark.engines("prefork", "thread", "epoll", "uring")
LOOPS = pytest.mark.engines("epoll", "uring")

MEGABYTE = 1 << 20


def name_of(sock):
    return "{}:{}".format(*sock.getsockname())


def converse(sock, data=b"a line\n"):
    sock.sendall(data)
    assert recv_exactly(sock, len(data)) == data


def add_up(server):
    """Returns whether every accepted client has ended, was turned away or is served."""
    totals = server.totals()
    return totals["accepted"] == totals["ended"] + totals["turned_away"] + totals["clients"]


@pytest.fixture
def connect():
    """Connects clients that have had their first echo, and closes them after the test."""
    with contextlib.ExitStack() as stack:

        def start(server, count):
            socks = [stack.enter_context(server.connect()) for _ in range(count)]
            for sock in socks:
                converse(sock, name_of(sock).encode())
            return socks

        yield start


# ---- a worker that is killed ----


@SEVERAL
def test_a_worker_that_is_killed_harms_its_own_clients_only(serve, connect, engine):
    server = serve("--drain-timeout", "1s", *([] if engine in ("prefork", "thread") else ["-w", "3"]), "127.0.0.1:0")
    clients = connect(server, 12)
    served_by = {sock: server.process_of(sock) for sock in clients}
    victim = served_by[clients[0]]
    expected = {name_of(sock): str(len(name_of(sock))) for sock in clients if served_by[sock] == victim}
    os.kill(victim, signal.SIGKILL)

    ends = server.ends(len(expected))
    assert {end["peer"]: end["in"] for end in ends} == expected
    assert {end["peer"]: end["out"] for end in ends} == expected
    assert {(end["reason"], end["signal"]) for end in ends} == {("killed", "SIGKILL")}
    for sock in clients:
        if served_by[sock] != victim:
            converse(sock)
    server.wait_for_log(rf"warning: worker {victim} was killed by SIGKILL, and with it {len(expected)} clients?")
    assert server.is_faithful()
    assert len(server.ends(len(expected) + 1)) == len(expected) + 1
    assert server.totals()["killed"] == len(expected)
    assert add_up(server)


@SEVERAL
def test_a_worker_is_replaced_however_often_it_dies(serve):
    server = serve("127.0.0.1:0")
    for _ in range(4):
        before = set(server.children())
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: set(server.children()) - before, "another to take its place")
        assert server.is_faithful()
    assert add_up(server)
    assert server.end() == 0


@pytest.mark.engines("prefork", "epoll", "uring")  # with one worker, thread pauses longer and longer
def test_workers_killed_at_any_moment_under_load_leave_no_count_and_no_descriptor(serve):
    """One conversation after the other while workers are killed: a conversation is whole, or it is logged as
    killed."""
    server = serve("127.0.0.1:0")
    assert server.is_faithful()
    whole = broken = 0
    for number in range(150):
        if number % 10 == 5:
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(server.children()[number % len(server.children())], signal.SIGKILL)
        try:
            assert server.is_faithful(pattern(1000, seed=number))
            whole += 1
        except (ConnectionError, AssertionError):
            broken += 1
    reasons = collections.Counter(end["reason"] for end in server.ends(whole + 1))
    # One conversation may have been whole for its client although the worker was killed before it reported that.
    assert reasons["eof"] + reasons["killed"] >= whole + 1 and whole > 75
    assert set(reasons) <= {"eof", "killed", "reset"}
    server.wait_for_rest()
    assert add_up(server)


@LOOPS
def test_a_stopped_worker_delays_its_clients_and_no_others(serve, connect):
    server = serve("-w", "2", "127.0.0.1:0")
    clients = connect(server, 1)
    held = server.process_of(clients[0])
    others = []
    while not others:  # the other may not be ready yet when the first is
        assert len(clients) < 200, "all clients have the same worker"
        clients += connect(server, 1)
        others = [sock for sock in clients[-1:] if server.process_of(sock) != held]
    os.kill(held, signal.SIGSTOP)
    try:
        for sock in others:
            converse(sock)
        clients[0].sendall(b"later")
        assert is_silent(clients[0])
    finally:
        os.kill(held, signal.SIGCONT)
    assert recv_exactly(clients[0], 5) == b"later"


# ---- distribution of clients over workers ----


@LOOPS
def test_clients_that_come_one_after_the_other_are_spread(serve):
    server = serve("-w", "4", "127.0.0.1:0")
    count = 400
    allow_descriptors(count + 100)
    with contextlib.ExitStack() as stack:
        socks = []
        for _ in range(count):
            socks.append(stack.enter_context(server.connect()))
            converse(socks[-1])
        held = {pid: descriptors_of(pid).values() for pid in server.children()}
        sockets = {pid: sum(what.startswith("socket:") for what in all_of) - 1 for pid, all_of in held.items()}
        assert len(sockets) == 4 and sum(sockets.values()) == count  # except the listening socket of each worker
        assert max(sockets.values()) <= 1.5 * (sum(sockets.values()) / len(sockets))


@LOOPS
def test_the_limit_of_clients_is_that_of_all_workers_together(serve):
    server = serve("-w", "4", "--max-clients", "10", "127.0.0.1:0")
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(server.connect()) for _ in range(30)]
        for number, sock in enumerate(socks):
            sock.sendall(b"%03d" % number)
        server.wait_for_clients(10)
        waiting = list(socks)
        for _ in range(30):
            served = next(sock for sock in waiting if not is_silent(sock))
            waiting.remove(served)
            assert recv_exactly(served, 3) == b"%03d" % socks.index(served)
            assert server.totals()["clients"] <= 10
            served.close()
            if waiting:
                wait_until(lambda: any(not is_silent(sock) for sock in waiting), "the next to be served")
    server.wait_for_rest()


@pytest.mark.engines("prefork")
def test_processes_are_started_as_clients_come(serve, connect):
    server = serve("127.0.0.1:0")
    at_first = len(server.children())
    assert at_first < 20
    clients = connect(server, 60)
    wait_until(
        lambda: len([pid for pid in server.children() if "serving" in title_of(pid)]) == 60, "a process for each"
    )
    wait_until(lambda: len(server.children()) > 60, "a process for the next")
    for sock in clients:
        converse(sock)


@pytest.mark.engines("prefork")
def test_a_worker_can_have_several_clients(serve, connect):
    server = serve("-w", "2", "--clients-per-worker", "3", "127.0.0.1:0")
    assert server.log_lines(r"at most 6 clients\)")
    clients = connect(server, 6)
    assert sorted(collections.Counter(map(server.process_of, clients)).values()) == [3, 3]
    with server.connect() as seventh:
        seventh.sendall(b"wait")
        assert is_silent(seventh)
        clients[0].close()
        assert recv_exactly(seventh, 4) == b"wait"


# ---- many clients ----


def test_a_thousand_resets_in_the_middle_leave_nothing(server):
    converse_with = server.connect()
    converse(converse_with)
    workers = server.lasting_processes()
    # With several workers, one may not have opened all its descriptors yet.
    most = max(len(descriptors_of(pid)) for pid in workers)
    for _ in range(1000):
        sock = server.connect()
        sock.sendall(bytes(20_000))
        reset(sock)
    server.ends(1000)
    server.wait_for_clients(1)
    converse(converse_with)
    assert all(len(descriptors_of(pid)) <= most for pid in workers)
    assert add_up(server)


def test_many_clients_that_do_not_read_cost_the_others_nothing(serve, connect):
    """More of these clients than a ring has buffers: all other clients are served as before."""
    server = serve("-m", "400", "127.0.0.1:0")
    allow_descriptors(600)
    pings = connect(server, 20)
    with contextlib.ExitStack() as stack:
        stuck = [stack.enter_context(server.connect(rcvbuf=4096, sndbuf=16384)) for _ in range(150)]
        data = pattern(300_000)
        sent = dict.fromkeys(stuck, 0)
        for sock in stuck + stuck:
            with contextlib.suppress(BlockingIOError):
                while sent[sock] < len(data):
                    sent[sock] += sock.send(data[sent[sock] : sent[sock] + 65536], socket.MSG_DONTWAIT)
        for _ in range(5):
            for sock in pings:
                converse(sock)
        # Clients that read at last get every byte.
        for sock in stuck[::30]:
            assert recv_exactly(sock, sent[sock]) == data[: sent[sock]]
    for sock in pings:
        converse(sock)


@LOOPS
def test_many_clients_that_send_while_their_worker_is_stopped_are_served(serve, connect):
    """More events occur at once than a ring has room for, or than a loop fetches."""
    server = serve("-w", "1", "-m", "1000", "127.0.0.1:0")
    allow_descriptors(1200)
    clients = connect(server, 900)
    (worker,) = server.children()
    messages = [pattern(9000, seed=number) for number in range(len(clients))]
    os.kill(worker, signal.SIGSTOP)
    for sock, message in zip(clients, messages):
        sock.sendall(message)
    os.kill(worker, signal.SIGCONT)
    for sock, message in zip(clients, messages):
        assert recv_exactly(sock, len(message)) == message


def test_small_and_large_messages_take_turns(server):
    """A client that alternates between large and small messages switches the engine's mode each time."""
    with server.connect() as sock:
        for number in range(6):
            for size in (64, 64, 64, 64, 64, 64, MEGABYTE, 4096, 8192, 1):
                assert echo_part(sock, pattern(size, seed=number))
        sock.shutdown(socket.SHUT_WR)
        assert recv_all(sock) == b""


def echo_part(sock, data):
    """One message there and back, without waiting for the end of the stream."""
    sent = received = 0
    back = bytearray()
    sock.setblocking(False)
    deadline = time.monotonic() + TIMEOUT
    while received < len(data):
        assert time.monotonic() < deadline, "the echo does not come"
        with contextlib.suppress(BlockingIOError):
            sent += sock.send(data[sent : sent + 65536]) if sent < len(data) else 0
        with contextlib.suppress(BlockingIOError):
            piece = sock.recv(1 << 20)
            back += piece
            received += len(piece)
    sock.settimeout(TIMEOUT)
    return bytes(back) == data


@LOOPS
def test_looking_without_sleeping_ends_when_nothing_happens(serve, connect):
    """--busy-poll uses a core while there is work, and none afterwards."""
    server = serve("--busy-poll", "20ms", "127.0.0.1:0")
    (sock,) = connect(server, 1)
    for _ in range(100):
        converse(sock)
    time.sleep(0.1)
    before = server.whole_cpu_seconds()
    time.sleep(1)
    assert server.whole_cpu_seconds() - before < 0.1
    assert echo_of(sock, b"still there") == b"still there"


# ---- a waiting client when the server aborts ----


def test_a_client_served_after_it_waited_is_aborted_once(serve):
    server = serve("--max-per-source", "1", "--drain-timeout", "200ms", "127.0.0.1:0")
    with server.connect() as first, server.connect() as second:
        converse(first)
        second.sendall(b"wait")
        wait_until(lambda: server.totals()["accepted"] == 2, "the second to be accepted")
        first.shutdown(socket.SHUT_WR)
        assert recv_all(first) == b""
        assert recv_exactly(second, 4) == b"wait"
        server.send(signal.SIGTERM)
        assert recv_all(second) == b""
    assert server.wait() == 1
    assert [(end["in"], end["reason"]) for end in server.ends()] == [("7", "eof"), ("4", "drain")]
    assert not server.log_lines("cannot|warning")


def test_the_end_of_a_busy_server_is_no_error(serve, connect):
    server = serve("--drain-timeout", "1m", "127.0.0.1:0")
    clients = connect(server, 5)
    server.send(signal.SIGTERM)
    server.wait_for_log("no new clients")
    time.sleep(0.3)
    for sock in clients:
        converse(sock)
        sock.shutdown(socket.SHUT_WR)
        assert recv_all(sock) == b""
    assert server.wait() == 0
    assert not server.log_lines("cannot|warning")
