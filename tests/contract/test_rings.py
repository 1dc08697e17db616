# SPDX-License-Identifier: MIT
"""Effects that only rings have: they run out of room and buffers, completions arrive after the client is gone, and
a closed socket stays open while a request refers to it. No client notices any of this."""
import collections
import contextlib
import os
import signal
import socket
import time

import pytest

from harness import proc_text, recv_all, recv_exactly, reset, wait_until
from rings import rings_of, rings_of_at_most, room_for_completions
from shortages import allow_descriptors
from signalling import stopped
from streams import pattern, recv_until_clean_end

pytestmark = pytest.mark.engines("uring")

# Number of receive buffers of the engine (engines/uring.c).
BUFFERS = 128


def name_of(sock):
    return "{}:{}".format(*sock.getsockname())


def converse(sock, data=b"a line\n"):
    sock.sendall(data)
    assert recv_exactly(sock, len(data)) == data


def send_in_segments(sock, data, size):
    """Sends every `size` bytes in a separate segment, so that many segments arrive one after the other."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(data), size):
        sock.sendall(data[at : at + size])


def the_worker(server):
    (worker,) = server.children()
    return worker


@pytest.fixture
def many_clients():
    """Connects clients that have had their first echo, and closes them after the test."""
    with contextlib.ExitStack() as stack:

        def gather(server, count):
            allow_descriptors(count + 200)
            socks = [stack.enter_context(server.connect()) for _ in range(count)]
            for sock in socks:
                converse(sock)
            return socks

        yield gather


def assert_each_has_his_own(server, socks, messages):
    """Every byte comes back to its sender, followed by the FIN, and the log shows the same."""
    for sock, message in zip(socks, messages):
        assert recv_exactly(sock, len(message)) == message
        sock.shutdown(socket.SHUT_WR)
    for sock in socks:
        assert recv_all(sock) == b""
    expected = {name_of(sock): str(len(b"a line\n" + message)) for sock, message in zip(socks, messages)}
    ends = server.ends(len(socks))
    assert {end["peer"]: end["in"] for end in ends} == expected
    assert {end["peer"]: end["out"] for end in ends} == expected
    assert {end["reason"] for end in ends} == {"eof"}
    assert not server.log_lines("warning")


# ---- too little room ----


@pytest.fixture
def narrow(serve, many_clients):
    """A server with a small ring, and more clients than its completion queue can hold."""

    def start(*options):
        server = serve("-w", "1", "-m", "1000", *options, "127.0.0.1:0", preexec=rings_of_at_most(64))
        socks = many_clients(server, 800)
        worker = the_worker(server)
        if "CqMask" not in proc_text(worker, f"fdinfo/{rings_of(worker)[0]}"):
            pytest.skip("this kernel does not tell how large a ring is")
        assert len(socks) > room_for_completions(worker)
        return server, socks

    return start


def test_more_clients_than_ring_entries_send_at_once(narrow):
    """When the completion queue is full, every receive ends. No byte and no client is lost."""
    server, socks = narrow()
    messages = [pattern(600, seed=number) for number in range(len(socks))]
    with stopped(the_worker(server)):
        for sock, message in zip(socks, messages):
            send_in_segments(sock, message, 200)
    assert_each_has_his_own(server, socks, messages)


@pytest.mark.parametrize("size", [0, 600])
def test_more_clients_than_ring_entries_are_aborted_at_once(narrow, size):
    """Each client causes two completions before any is read: the kernel has to keep some in its overflow list."""
    server, socks = narrow("--drain-timeout", "0s")
    with stopped(the_worker(server)):
        for number, sock in enumerate(socks):
            send_in_segments(sock, pattern(size, seed=number), 200)
        server.send(signal.SIGTERM)
        server.wait_for_log("drain")
    received = {}
    for number, sock in enumerate(socks):
        back = recv_until_clean_end(sock)
        assert back == pattern(size, seed=number)[: len(back)]
        received[name_of(sock)] = str(len(back) + len(b"a line\n"))
        sock.close()
    assert server.wait() == 1
    ends = server.ends(len(socks))
    assert {end["peer"]: end["out"] for end in ends} == received and len(ends) == len(socks)
    assert {end["reason"] for end in ends} == {"drain"}


def test_more_clients_than_ring_entries_are_idle_at_once(narrow):
    server, socks = narrow("--idle-timeout", "5s")
    with stopped(the_worker(server)):
        time.sleep(5.1)
    for sock in socks:
        assert recv_until_clean_end(sock) == b""
        sock.close()
    ends = server.ends(len(socks))
    assert collections.Counter(end["reason"] for end in ends) == {"idle": len(socks)}
    assert server.is_faithful()
    server.wait_for_rest()


@pytest.mark.parametrize("size, segments", [(1, 1), (300, 7), (1000, 40)])
def test_more_are_ready_than_there_are_buffers(serve, many_clients, size, segments):
    """A receive without a free buffer ends and is requested again: no client waits for ever, and bytes stay in
    order."""
    server = serve("-w", "1", "-m", "1000", "127.0.0.1:0")
    socks = many_clients(server, 3 * BUFFERS)
    messages = [pattern(size * segments, seed=number) for number in range(len(socks))]
    with stopped(the_worker(server)):
        for sock, message in zip(socks, messages):
            send_in_segments(sock, message, size)
    assert_each_has_his_own(server, socks, messages)


@pytest.mark.parametrize("size", [5000, 100_000])
def test_round_after_round_all_buffers_are_there_again(serve, many_clients, size):
    """More clients than buffers. With large messages each connection moves to readiness mode with its queued bytes,
    and back."""
    server = serve("-w", "1", "127.0.0.1:0")
    socks = many_clients(server, BUFFERS + 40)
    for number in range(8):
        message = pattern(size, seed=number)
        with stopped(the_worker(server)):
            for sock in socks:
                sock.sendall(message)
        for sock in socks:
            assert recv_exactly(sock, len(message)) == message
        for _ in range(6):
            for sock in socks:
                converse(sock)


def test_buffers_of_reset_clients_are_free_again(serve, many_clients):
    """Each connection has several buffers queued behind a send when it breaks."""
    server = serve("-w", "1", "127.0.0.1:0")
    for number in range(12):
        socks = many_clients(server, 40)
        with stopped(the_worker(server)):
            for sock in socks:
                sock.sendall(pattern(12_000, seed=number))
                reset(sock)
    assert server.is_faithful(pattern(12_000))
    assert collections.Counter(end["reason"] for end in server.ends(481)) == {"reset": 480, "eof": 1}


# ---- completions that arrive after the client is gone ----


def leave_in_the_middle(sock, number):
    """Leaves in one of the ways in which a request is still in flight."""
    with contextlib.suppress(ConnectionError):
        send_in_segments(sock, pattern(1000 * (number % 7), seed=number), 1000)
        if number % 3 == 0:
            sock.shutdown(socket.SHUT_WR)
    reset(sock)


def test_a_client_in_the_place_of_a_reset_one_gets_only_its_own_bytes(serve):
    """The table has room for 40: every entry is reused while completions of the former client are still due."""
    server = serve("-w", "1", "-m", "40", "127.0.0.1:0")
    allow_descriptors(400)
    worker = the_worker(server)
    served, left = 0, 0
    for turn in range(25):
        before = [server.connect() for _ in range(40)]
        for sock in before:
            converse(sock)
        with stopped(worker):
            for number, sock in enumerate(before):
                leave_in_the_middle(sock, turn + number)
            floods = [server.connect() for _ in range(20)]
            for number, sock in enumerate(floods):
                leave_in_the_middle(sock, number)
            after = [server.connect() for _ in range(40)]
            for number, sock in enumerate(after):
                sock.sendall(pattern(2000, seed=1000 * turn + number))
        for number, sock in enumerate(after):
            assert recv_exactly(sock, 2000) == pattern(2000, seed=1000 * turn + number)
            sock.close()
        served += len(before) + len(after)
        left += len(floods)
    ends = server.ends(served + left)
    assert len(ends) == served + left
    assert set(end["reason"] for end in ends) <= {"eof", "reset"}
    assert server.children() == [worker], "the worker did not live through it"
    server.wait_for_rest()
    totals = server.totals()
    assert (totals["accepted"], totals["ended"], totals["killed"]) == (served + left, served + left, 0)


def test_a_client_that_comes_and_goes_while_others_reset_gets_only_its_own_bytes(serve):
    """The same without stopping the server: a reset connection stays with the ring until its pending send
    completes."""
    server = serve("-w", "1", "-m", "16", "127.0.0.1:0")
    worker = the_worker(server)
    for number in range(600):
        leaver = server.connect()
        leaver.sendall(pattern(3000, seed=number))
        reset(leaver)
        assert server.is_faithful(pattern(100 + number, seed=number))
    reasons = collections.Counter(end["reason"] for end in server.ends(1200))
    assert set(reasons) <= {"eof", "reset"} and sum(reasons.values()) == 1200
    assert server.children() == [worker]


# ---- a socket of which the ring has a request ----


@pytest.mark.parametrize("ending", ["idle", "drain"])
def test_a_client_ended_during_a_receive_gets_a_fin(serve, many_clients, ending):
    """close() alone would send no FIN while the ring waits for bytes."""
    options = ["--idle-timeout", "3s"] if ending == "idle" else ["--drain-timeout", "100ms"]
    server = serve("-w", "1", *options, "127.0.0.1:0")
    socks = many_clients(server, 60)
    if ending == "drain":
        server.send(signal.SIGTERM)
    for number, sock in enumerate(socks):
        assert recv_until_clean_end(sock) == b""
        if number % 2:
            with contextlib.suppress(ConnectionError):  # bytes that come now are discarded
                sock.sendall(b"too late")
        sock.close()
    assert collections.Counter(end["reason"] for end in server.ends(60)) == {ending: 60}
    if ending == "idle":
        assert server.is_faithful()


# ---- rings and processes ----


def test_each_worker_has_a_ring_of_its_own_and_the_supervisor_none(serve):
    server = serve("-w", "3", "127.0.0.1:0")
    for _ in range(2):
        wait_until(lambda: [len(rings_of(pid)) for pid in server.children()] == [1, 1, 1], "a ring for each")
        assert rings_of(server.pid) == []
        assert server.is_faithful()
        victim = server.children()[1]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in server.children() and len(server.children()) == 3, "another worker")
