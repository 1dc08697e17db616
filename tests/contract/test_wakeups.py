# SPDX-License-Identifier: MIT
"""A new connection wakes one worker. If that worker cannot accept it (stopped, killed, full or short of
descriptors), another worker with room accepts it: no client waits for a worker while another could serve it."""
import contextlib
import os
import random
import select
import signal
import socket
import threading
import time

import pytest

from harness import TIMEOUT, parse_address, proc_state, recv_exactly, wait_until
from intruder import WALL, stop_at_call
from shortages import lowest_free_descriptor, set_descriptor_limit
from streams import connect_from

SEVERAL = pytest.mark.engines("prefork", "thread", "epoll", "uring")

CLIENTS = 50


def echoes(sock, data=b"hello"):
    """One message and its echo: a lost wake-up shows as a hang."""
    sock.sendall(data)
    return recv_exactly(sock, len(data)) == data


def first_in_line(server):
    """Returns a worker that is woken soon: some engines always wake the same one, others each in turn."""
    with server.connect() as sock:
        assert echoes(sock)
        return server.process_of(sock)


def prefork_loop(server, count):
    for _ in range(count):
        with server.connect() as sock:
            assert echoes(sock)


@pytest.fixture(params=[(), ("--max-per-source", "1000")], ids=["no limit", "a limit per source"])
def limit(request):
    """With a limit per source, the supervisor accepts and passes connections to the workers."""
    return request.param


@pytest.fixture
def two_workers(serve, limit):
    """A server with two workers, both of which wait for clients."""

    def start(*arguments):
        server = serve("-w", "2", *limit, *arguments)
        wait_until(lambda: len(server.children()) == 2, "both workers")
        prefork_loop(server, 4)
        server.wait_for_rest()
        return server

    return start


# ---- a worker that is stopped or killed ----


@SEVERAL
@pytest.mark.parametrize("which", [0, 1], ids=["the first", "the second"])
def test_while_one_of_two_workers_is_stopped_the_other_serves_every_client(two_workers, which):
    server = two_workers("127.0.0.1:0")
    stopped = server.stop_all([server.children()[which]])
    try:
        prefork_loop(server, CLIENTS)
    finally:
        server.continue_all(stopped)
    prefork_loop(server, 4)


@SEVERAL
def test_a_worker_that_is_stopped_at_any_moment_delays_no_client_but_its_own(two_workers):
    server = two_workers("127.0.0.1:0")
    for number in range(12):
        worker = server.children()[number % 2]
        with server.connect() as sock:
            os.kill(worker, signal.SIGSTOP)  # perhaps just after it was woken, or has accepted
            try:
                sock.sendall(b"hello")
                wait_until_accepted(server, sock, worker)
            finally:
                os.kill(worker, signal.SIGCONT)
            assert recv_exactly(sock, 5) == b"hello"


def wait_until_accepted(server, sock, worker):
    """Any worker may accept: the echo has come, or this stopped worker has the client."""

    def is_accepted():
        return select.select([sock], [], [], 0.3)[0] or holds(server, worker, sock)

    wait_until(is_accepted, "a client to be accepted")


def holds(server, worker, sock):
    return worker in [pid for pid, _ in server.sockets_of_client(sock)]


@SEVERAL
@pytest.mark.parametrize("fate", ["stopped", "killed"])
def test_a_connection_whose_worker_is_stopped_or_killed_before_it_accepts_is_accepted_by_another(
    two_workers, limit, fate
):
    server = two_workers("127.0.0.1:0")
    victim = first_in_line(server)
    server.wait_for_rest()
    wait_until(lambda: proc_state(victim) == "S", "it to wait")
    with contextlib.ExitStack() as stack, stop_at_call(victim, "recvmsg" if limit else "accept4") as is_stopped:
        deadline = time.monotonic() + TIMEOUT
        while True:  # until it is stopped, the other worker may be woken
            assert time.monotonic() < deadline, "it does not come to accept"
            sock = stack.enter_context(server.connect())
            sock.sendall(b"hello")
            while not is_stopped() and not select.select([sock], [], [], 0.005)[0]:
                assert time.monotonic() < deadline, "a client that no worker was woken for"
            if is_stopped():
                break
            assert recv_exactly(sock, 5) == b"hello"
            sock.close()
        if fate == "killed":
            os.kill(victim, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                wait_until(lambda: os.waitpid(victim, WALL | os.WNOHANG)[0], "it to be gone")
        assert recv_exactly(sock, 5) == b"hello"
        sock.close()
        prefork_loop(server, 10)


@contextlib.contextmanager
def clients_come_and_go(server, count):
    """Clients of several sources come and go, one conversation after the other. A stopped worker may have some of
    them."""
    is_over = threading.Event()

    def converse(number):
        while not is_over.is_set():
            with contextlib.suppress(OSError), connect_from(server, f"127.0.0.{2 + number}") as sock:
                sock.settimeout(1)
                for _ in range(20):
                    echoes(sock)

    threads = [threading.Thread(target=converse, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


@SEVERAL
@pytest.mark.parametrize("number, times", [(signal.SIGSTOP, 20), (signal.SIGKILL, 8)], ids=["stopped", "killed"])
def test_a_worker_that_is_stopped_or_killed_under_load_stops_neither_another_nor_the_count(
    serve, limit, number, times
):
    server = serve("--quiet", "-w", "4", *limit, "127.0.0.1:0")
    with clients_come_and_go(server, 3):
        for _ in range(times):
            worker = random.choice(server.children())
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, number)
            server.totals()  # the supervisor answers
            with server.connect() as sock:
                sock.sendall(b"hello")
                wait_until_accepted(server, sock, worker)
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)
    server.wait_for_rest()
    totals = server.totals()
    assert totals["accepted"] == totals["ended"] + totals["turned_away"]
    prefork_loop(server, 10)


@pytest.mark.engines("prefork")
def test_while_all_idle_workers_are_stopped_others_are_started(serve, limit):
    server = serve("-m", "50", *limit, "127.0.0.1:0")
    stopped = server.stop_all(server.children())
    try:
        prefork_loop(server, 10)
    finally:
        server.continue_all(stopped)


# ---- a worker that is full ----


@SEVERAL
def test_clients_of_two_addresses_are_served_by_two_workers_with_one_place_each(two_workers):
    server = two_workers("-m", "2", "127.0.0.1:0", "127.0.0.1:0")
    addresses = [parse_address(text)[1] for text in server.addresses]
    for _ in range(25):
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect_to(address)) for address in addresses]
            for sock in socks:
                sock.sendall(b"hello")
            for sock in socks:
                assert recv_exactly(sock, 5) == b"hello"
        server.wait_for_rest()


def connect_to(address):
    sock = socket.create_connection(address, TIMEOUT)
    sock.settimeout(TIMEOUT)
    return sock


@SEVERAL
def test_while_one_of_two_workers_has_no_descriptor_the_other_serves_every_client(two_workers):
    server = two_workers("127.0.0.1:0")
    poor = first_in_line(server)
    server.wait_for_rest()
    before = set_descriptor_limit(poor, lowest_free_descriptor(poor))
    prefork_loop(server, CLIENTS)
    set_descriptor_limit(poor, before)
    prefork_loop(server, 4)
