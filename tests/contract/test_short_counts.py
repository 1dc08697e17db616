# SPDX-License-Identifier: MIT
"""The kernel may return short counts, errors and EINTR at any call; every byte still comes back. Tested twice: with
calls that are cut short between program and kernel, and with buffers so small that the kernel does it itself, for a
ring's requests too."""
import contextlib
import signal
import socket
import threading
import time

import pytest

from faults import Plan, faults  # noqa: F401 (a fixture)
from harness import TIMEOUT, recv_all, recv_exactly, reset
from netns import set_loopback_mtu, set_sysctl
from streams import Writer, echo_of, fill, pattern, recv_until_clean_end

MEGABYTE = 1 << 20

PLANS = [
    (Plan(1, 0, eintr=0, eagain=0), 5_000),
    (Plan(0, 1, eintr=0, eagain=0), 20_000),
    (Plan(7, 3, eintr=1, eagain=1), 5_000),
    (Plan(1021, 700, eintr=2, eagain=0), MEGABYTE),
    (Plan(4096, 1000, eintr=1, eagain=1), MEGABYTE),
    (Plan(0, 30_000, eintr=0, eagain=2), 4 * MEGABYTE),
    (Plan(65535, 0, eintr=0, eagain=1), 4 * MEGABYTE),
    (Plan(0, 0, eintr=3, eagain=2), 4 * MEGABYTE),
]


def converse(sock, data):
    sock.sendall(data)
    assert recv_exactly(sock, len(data)) == data


def in_parallel(count, body):
    """Runs body(number) in separate threads; an exception in one of them is raised here."""
    errors = []

    def run(number):
        try:
            body(number)
        except BaseException as error:  # an AssertionError, a timeout
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * TIMEOUT)
        assert not thread.is_alive(), "a conversation stands still"
    if errors:
        raise errors[0]


@pytest.mark.parametrize("plan, size", PLANS, ids=["-".join(map(str, plan)) for plan, _ in PLANS])
def test_every_byte_comes_back_however_calls_are_cut(serve, faults, engine, plan, size):  # noqa: F811
    made = faults(plan)
    server = serve("127.0.0.1:0", env=made.env)

    def one_client(number):
        with server.connect() as sock:
            for part in range(3):
                converse(sock, pattern(50 + number, seed=part))
            assert echo_of(sock, pattern(size, seed=number)) == pattern(size, seed=number)

    in_parallel(5, one_client)
    expected = {str(size + 3 * (50 + number)) for number in range(5)}
    ends = server.ends(5)
    assert {end["in"] for end in ends} == {end["out"] for end in ends} == expected
    assert {end["reason"] for end in ends} == {"eof"}
    assert server.end() == 0
    assert not server.log_lines("warning|cannot")
    if engine != "uring" or size >= MEGABYTE:  # a ring makes no system calls for small messages
        assert all(count > 0 for count, wanted in zip(made.counts(), plan) if wanted)


@pytest.mark.engines("prefork")
@pytest.mark.parametrize("plan, size", PLANS[2:5:2], ids=["small", "large"])
def test_the_same_where_a_worker_has_several_clients(serve, faults, plan, size):  # noqa: F811
    server = serve("-w", "1", "--clients-per-worker", "8", "127.0.0.1:0", env=faults(plan).env)

    def one_client(number):
        with server.connect() as sock:
            assert echo_of(sock, pattern(size, seed=number)) == pattern(size, seed=number)

    in_parallel(5, one_client)
    assert [(end["in"], end["out"]) for end in server.ends(5)] == [(str(size), str(size))] * 5


ROUGH = Plan(1021, 700, eintr=1, eagain=1)


def test_a_reset_in_the_middle_harms_no_other_however_calls_are_cut(serve, faults):  # noqa: F811
    server = serve("127.0.0.1:0", env=faults(ROUGH).env)
    with server.connect() as other:
        for number in range(30):
            sock = server.connect()
            sock.sendall(pattern(50_000, seed=number))
            reset(sock)
            converse(other, pattern(3000, seed=number))
        assert {end["reason"] for end in server.ends(30)} == {"reset"}
    assert server.totals()["killed"] == 0


@pytest.mark.parametrize("option, reason", [("--drain-timeout", "drain"), ("--idle-timeout", "idle")])
def test_an_ended_client_gets_what_was_echoed_and_a_fin_however_calls_are_cut(serve, faults, option, reason):  # noqa: F811
    server = serve(option, "4s", "127.0.0.1:0", env=faults(ROUGH).env)
    data = pattern(64 * MEGABYTE)
    with server.connect() as sock:
        sent = fill(sock, data)
        if reason == "drain":
            server.send(signal.SIGTERM)
            server.ends(1)  # the client reads late
        received = recv_until_clean_end(sock)
    (end,) = server.ends(1)
    assert received == data[: len(received)] and len(received) > 0
    assert end["reason"] == reason
    assert (int(end["in"]), int(end["out"])) == (sent, len(received))


# ---- by the kernel itself ----


@pytest.fixture
def narrow_network(own_network):
    """Small send buffers, and small segments that fill them. The receive buffer is large enough. Otherwise the
    kernel drops segments and waits longer and longer before it sends them again."""
    set_loopback_mtu(1280)
    set_sysctl("net.ipv4.tcp_wmem", "4096 4096 4096")


@pytest.mark.usefixtures("narrow_network")
@pytest.mark.parametrize("piece", [700, 5000, 65536])
def test_every_byte_comes_back_through_the_smallest_buffers(serve, piece):
    """Slow and fast readers: every send of the server is short, at every offset."""
    server = serve("127.0.0.1:0")
    size = 2 * MEGABYTE

    def one_client(number):
        data = pattern(size, seed=number)
        with server.connect() as sock:
            writer = Writer(sock, data, half_close=True)
            if number % 2:
                writer.wait_until_stuck()
            back = bytearray()
            while got := sock.recv(piece):
                back += got
            writer.finish()
            assert bytes(back) == data

    in_parallel(6, one_client)
    assert {(end["in"], end["out"], end["reason"]) for end in server.ends(6)} == {(str(size), str(size), "eof")}


@pytest.mark.usefixtures("narrow_network")
@pytest.mark.parametrize("size", [97, 1500, 3000])
def test_small_messages_of_a_client_that_does_not_read_come_back_in_order_through_the_smallest_buffers(serve, size):
    """A ring sends each message from its own buffer: one that is not sent whole holds up the next ones."""
    server = serve("127.0.0.1:0")
    data = pattern(100 * size)
    for _ in range(5):
        with server.connect(rcvbuf=4096) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            sent = 0
            with contextlib.suppress(BlockingIOError):
                while sent < len(data):
                    sent += sock.send(data[sent : sent + size])
                    time.sleep(0.0005)  # each is a separate message, as far as the machine keeps up
            sock.settimeout(TIMEOUT)
            assert recv_exactly(sock, sent) == data[:sent]
            converse(sock, b"and a small one")
            sock.shutdown(socket.SHUT_WR)
            assert recv_all(sock) == b""
