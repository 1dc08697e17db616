# SPDX-License-Identifier: MIT
"""Limits and shortages: a client that cannot be served at once waits, in order, at no cost. The server continues
and serves again as soon as there is room. What can be refused at the start is refused at the start."""
import contextlib
import os
import re
import resource
import signal
import socket
import time

import pytest

from harness import Server, recv_all, recv_exactly, reset, wait_until
from shortages import (
    PidsCgroup,
    allow_descriptors,
    lowest_free_descriptor,
    set_descriptor_limit,
    wait_for_sleep,
    watch_it_wait,
)
from streams import connect_from, echo_of, fill, is_silent, pattern, recv_until_clean_end

# Number of accepted clients of one source that may wait, according to serve(1).
WAITING_ROOM = 256


@pytest.fixture
def clients():
    """Connects clients that have each sent their own message, and closes them after the test."""
    with contextlib.ExitStack() as stack:

        def connect(server, count, source="127.0.0.1"):
            return [stack.enter_context(Client(server, source)) for _ in range(count)]

        yield connect


class Client:
    """A client that has sent its name and waits for the echo."""

    def __init__(self, server, source):
        self.sock = connect_from(server, source)
        self.message = "{}:{}".format(*self.sock.getsockname()).encode()
        self.sock.sendall(self.message)

    def is_served(self):
        """Waits for the echo."""
        return recv_exactly(self.sock, len(self.message)) == self.message

    def is_still_served(self):
        self.sock.sendall(self.message)
        return self.is_served()

    def waits(self):
        return is_silent(self.sock)

    def leave(self):
        """Ends the conversation correctly."""
        self.sock.shutdown(socket.SHUT_WR)
        assert recv_all(self.sock) == b""
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def all_wait(clients):
    return all(client.waits() for client in clients)


def all_served(clients):
    return all(client.is_served() for client in clients)


# ---- a full table ----


def test_clients_over_the_limit_wait_and_are_served_in_their_order(serve, clients):
    server = serve("--max-clients", "3", "127.0.0.1:0")
    served = clients(server, 3)
    assert all_served(served)
    waiting = clients(server, 20)
    watch_it_wait(server)
    assert all_wait(waiting)
    assert all(client.is_still_served() for client in served)
    for following in waiting:
        served.pop(0).leave()
        assert following.is_served()
        served.append(following)
        assert server.totals()["clients"] <= 3
        assert server.has_workers or len(server.children()) <= 3
    for client in served:
        client.leave()
    assert {end["reason"] for end in server.ends(23)} == {"eof"}


def test_a_thousand_clients_at_once_are_all_served_and_verified(server):
    count = 1000
    allow_descriptors(count + 100)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(server.connect()) for _ in range(count)]
        for number, sock in enumerate(socks):
            sock.sendall(pattern(2000, seed=number))
        server.wait_for_clients(count)
        if not server.has_workers:
            server.wait_for_children(count)
        for number, sock in enumerate(socks):
            assert recv_exactly(sock, 2000) == pattern(2000, seed=number)
            assert echo_of(sock, pattern(5000, seed=-number)) == pattern(5000, seed=-number)
    assert {end["reason"] for end in server.ends(count)} == {"eof"}


# ---- a limit per source ----


def test_the_surplus_of_one_source_waits_in_order_while_another_is_served(serve, clients):
    server = serve("--max-per-source", "2", "127.0.0.1:0")
    served = clients(server, 2)
    assert all_served(served)
    waiting = clients(server, 5)
    others = clients(server, 2, source="127.0.0.2")
    assert all_served(others)
    watch_it_wait(server)
    assert all_wait(waiting)
    for following in waiting:
        served.pop(0).leave()
        assert following.is_served()
        served.append(following)
    assert all(client.is_still_served() for client in others)


@pytest.mark.parametrize("size", [5, 60_000], ids=["a line sent", "60 kB sent"])
def test_beyond_the_wait_queue_a_source_gets_a_fin_and_a_line_in_the_log(serve, clients, size):
    server = serve("--max-per-source", "1", "127.0.0.1:0")
    (served,) = clients(server, 1)
    assert served.is_served()
    waiting = clients(server, WAITING_ROOM)
    wait_until(lambda: server.totals()["accepted"] == 1 + WAITING_ROOM, "all of them to be accepted")

    # Their bytes arrive before they are accepted: a close must not become a reset.
    with server.accept_paused():
        surplus = [connect_from(server, "127.0.0.1") for _ in range(3)]
        names = ["{}:{}".format(*sock.getsockname()) for sock in surplus]
        for sock in surplus:
            sock.sendall(bytes(size))

    for sock in surplus:
        with sock:
            assert recv_until_clean_end(sock) == b""
    ends = server.ends(3)
    assert [(end["peer"], end["reason"]) for end in ends] == [(name, "source-limit") for name in names]
    assert server.totals()["turned_away"] == 3
    assert all_wait(waiting)
    assert all_served(clients(server, 1, source="127.0.0.2"))
    served.leave()
    assert waiting[0].is_served()


def add_up(totals, waiting):
    """Returns whether every accepted connection has ended, was turned away, is served or waits."""
    return totals["accepted"] == totals["ended"] + totals["turned_away"] + totals["clients"] + waiting


def test_connections_that_wait_for_their_source_take_no_place_of_another(serve, clients):
    server = serve("--max-clients", "8", "--max-per-source", "1", "127.0.0.1:0")
    (served,) = clients(server, 1)
    assert served.is_served()
    waiting = clients(server, 30)
    wait_until(lambda: server.totals()["accepted"] == 31, "all of them to be accepted")
    others = [client for number in range(2, 9) for client in clients(server, 1, source=f"127.0.0.{number}")]
    assert all_served(others)  # all eight places are used
    watch_it_wait(server)
    assert all_wait(waiting)
    served.leave()
    assert waiting[0].is_served()


def test_connections_that_their_clients_close_while_they_wait_are_dropped(serve, clients):
    server = serve("--max-per-source", "1", "127.0.0.1:0")
    (served,) = clients(server, 1)
    assert served.is_served()
    (waiting,) = clients(server, 1)
    names = []
    for number in range(2 * WAITING_ROOM):
        with connect_from(server, "127.0.0.1") as sock:
            names.append("{}:{}".format(*sock.getsockname()))
            if number % 2:
                reset(sock)
    ends = server.ends(len(names))
    assert sorted(end["peer"] for end in ends) == sorted(names)
    # A connection that was reset before it was accepted counts like a closed one.
    assert {(end["in"], end["out"], end["reason"]) for end in ends} <= {("0", "0", "eof"), ("0", "0", "reset")}
    assert waiting.waits() and served.is_still_served()
    totals = server.totals()
    assert totals["turned_away"] == 0 and add_up(totals, 1)

    served.leave()
    assert waiting.is_served()
    others = clients(server, 2, source="127.0.0.2")
    assert others[0].is_served()
    others[0].leave()
    assert others[1].is_served()


def test_one_source_cannot_keep_the_connections_of_another_from_waiting(serve, clients):
    server = serve("--max-per-source", "1", "127.0.0.1:0")
    (served,) = clients(server, 1)
    assert served.is_served()
    waiting = clients(server, WAITING_ROOM)
    wait_until(lambda: server.totals()["accepted"] == 1 + WAITING_ROOM, "all of them to be accepted")

    others = clients(server, 3, source="127.0.0.2")
    assert others[0].is_served()
    for surplus in waiting[-2:]:  # the latest clients of the source with the most clients
        assert recv_until_clean_end(surplus.sock) == b""
    assert {end["reason"] for end in server.ends(2)} == {"source-limit"}
    assert all_wait(others[1:])
    totals = server.totals()
    assert totals["turned_away"] == 2 and add_up(totals, WAITING_ROOM)
    for number in range(2):
        others[number].leave()
        assert others[number + 1].is_served()
    served.leave()
    assert waiting[0].is_served()


def test_a_client_that_half_closes_while_it_waits_has_its_echo_and_costs_nothing_until_then(serve, clients):
    server = serve("--max-per-source", "1", "127.0.0.1:0")
    (served,) = clients(server, 1)
    assert served.is_served()
    waiting = clients(server, 20)
    for client in waiting:
        client.sock.shutdown(socket.SHUT_WR)
    wait_until(lambda: server.totals()["accepted"] == 21, "all of them to be accepted")
    watch_it_wait(server)
    assert all_wait(waiting)
    served.leave()
    for client in waiting:
        assert recv_all(client.sock) == client.message
    assert {end["reason"] for end in server.ends(21)} == {"eof"}


def test_a_source_has_no_more_clients_at_once_than_its_limit_however_they_come_and_go(serve, clients):
    """The last clients are served in the places of the first: the limit is never exceeded by one."""
    server = serve("--max-per-source", "3", "127.0.0.1:0")
    there = clients(server, 3)
    assert all_served(there)
    for _ in range(40):
        there += clients(server, 2)
        there.pop(0).leave()
        assert there[2].is_served()
        assert server.totals()["clients"] == 3
    assert all_wait(there[3:])


def test_a_client_that_waits_for_its_source_when_the_server_ends_has_that_reason(serve, clients):
    server = serve("--max-per-source", "1", "--drain-timeout", "100ms", "127.0.0.1:0")
    (served,) = clients(server, 1)
    assert served.is_served()
    (waiting,) = clients(server, 1)
    wait_until(lambda: server.totals()["accepted"] == 2, "the second client to be accepted")
    server.send(signal.SIGTERM)
    assert recv_until_clean_end(waiting.sock) == b""
    assert recv_until_clean_end(served.sock) == b""
    served.leave()
    server.wait()
    assert {end["reason"] for end in server.ends(2)} == {"drain"}


def test_a_client_in_the_accept_queue_when_the_server_ends_gets_a_fin(serve, clients):
    server = serve("--max-clients", "1", "--drain-timeout", "100ms", "127.0.0.1:0")
    (served,) = clients(server, 1)
    assert served.is_served()
    waiting = clients(server, 5)
    server.send(signal.SIGTERM)
    for client in waiting:
        assert recv_until_clean_end(client.sock) == b""
    assert recv_until_clean_end(served.sock) == b""
    served.leave()
    server.wait()
    assert {end["reason"] for end in server.ends(6)} == {"drain"}


# ---- no more processes ----


class ByCgroup:
    """A server in its own cgroup."""

    def __init__(self, program, directory, engine, user):
        self.cgroup = PidsCgroup()
        self.server = Server(program, directory, ["127.0.0.1:0"], engine=engine)
        for pid in self.server.lasting_processes():
            self.cgroup.add(pid)

    def allow_no_more(self):
        self.cgroup.limit(self.cgroup.current())

    def allow_any(self):
        self.cgroup.limit("max")

    def clean_up(self):
        self.allow_any()
        self.server.end()  # the server reaps its children, so the group is empty
        self.cgroup.remove()


class ByRlimit:
    """A server that runs as its own user."""

    def __init__(self, program, directory, engine, user):
        self.user = user
        program = user.reachable(program)
        self.server = Server(program, directory, ["127.0.0.1:0"], engine=engine, preexec=user.become)

    def allow_no_more(self):
        """A process that is about to end may have been counted: the limit is set until it fits."""

        def fits():
            count = self.user.task_count()
            for pid in self.server.lasting_processes():
                self.user.set_process_limit(pid, count)
            time.sleep(0.05)
            return self.user.task_count() == count

        wait_until(fits, "a number of processes that stays")

    def allow_any(self):
        for pid in self.server.lasting_processes():
            self.user.set_process_limit(pid, 10_000)

    def clean_up(self):
        self.allow_any()
        self.server.end()


@pytest.fixture(params=[ByCgroup, ByRlimit], ids=["the pids cgroup", "RLIMIT_NPROC"])
def bounded(request, program, tmp_path, engine, lone_user):
    """A server whose number of children, or threads, can be limited while it runs."""
    made = request.param(program, tmp_path, engine, lone_user)
    yield made
    made.clean_up()


# Engines that need a process or a thread for the next client. (The prefork engine has spare ones.)
each_takes_one = pytest.mark.engines("fork", "thread")


@each_takes_one
def test_clients_without_a_process_wait_until_there_is_one(bounded, clients):
    server = bounded.server
    served = clients(server, 2)
    assert all_served(served)
    bounded.allow_no_more()
    if server.engine == "prefork":  # existing processes
        served += clients(server, len(server.children()) - len(served))
        assert all_served(served)
    waiting = clients(server, 30)
    server.wait_for_log("cannot start (serving a client|a worker): .*, clients wait")
    watch_it_wait(server)
    assert all_wait(waiting)
    assert all(client.is_still_served() for client in served)

    # One client leaves: there is room for the next.
    served[0].leave()
    assert waiting[0].is_served()

    bounded.allow_any()
    assert all_served(waiting[1:])
    assert server.totals()["turned_away"] == 0


# ---- no more descriptors ----


def few_descriptors(count):
    """Returns a function for the child, before exec."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def test_with_64_descriptors_200_clients_are_all_served(serve, clients):
    server = serve("127.0.0.1:0", preexec=few_descriptors(64))
    everybody = clients(server, 200)
    at_once = min(200, int(re.search(r"at most (\d+) clients?\)", server.log()).group(1)))
    server.wait_for_clients(at_once)
    if not server.has_workers:
        server.wait_for_children(at_once)
    assert all_served(everybody[:at_once])
    if at_once < 200:
        watch_it_wait(server)
    assert all_wait(everybody[at_once:])
    for number, client in enumerate(everybody):
        if number >= at_once:
            assert client.is_served()
        client.leave()
    assert {end["reason"] for end in server.ends(200)} == {"eof"}


@pytest.mark.parametrize("count", [0, 50], ids=["none waiting", "50 clients waiting"])
def test_without_a_free_descriptor_the_server_pauses_and_goes_on_when_there_is_one(server, clients, count):
    served = clients(server, 2)
    assert all_served(served)
    server.wait_for_clients(2)
    wait_for_sleep(server)  # a worker that is still starting would have free descriptors afterwards
    accepting = server.accepting_processes()
    limits = {pid: set_descriptor_limit(pid, lowest_free_descriptor(pid)) for pid in accepting}
    waiting = clients(server, count)
    if waiting:
        server.wait_for_log("cannot accept: .*, clients wait")
    watch_it_wait(server)
    assert all_wait(waiting)
    assert all(client.is_still_served() for client in served)
    served[0].leave()
    if server.has_workers:  # that client's descriptor is free now
        assert all_served(waiting[:1])
    else:  # the end of a client frees nothing in the parent, and must not make it spin either
        assert all_wait(waiting)

    for pid, limit in limits.items():
        set_descriptor_limit(pid, limit)
    assert all_served(waiting[1:] if server.has_workers else waiting)
    assert server.is_faithful()


# ---- what is refused at the start ----


def refusal_of(server):
    """Returns the last line of a server that did not start with status 4."""
    assert server.wait() == 4, server.log()
    return server.log_lines()[-1]


# Engines in which one process holds the descriptors of all clients. If the engine has workers, it gets one.
ONE_HOLDER = {"fork": [], "thread": [], "epoll": ["--workers", "1"], "uring": ["--workers", "1"]}
one_holder = pytest.mark.engines(*ONE_HOLDER)


@one_holder
def test_more_clients_than_descriptors_are_refused_at_the_start(serve, engine):
    arguments = [*ONE_HOLDER.get(engine, []), "--max-clients", "100", "127.0.0.1:0"]
    server = serve(*arguments, preexec=few_descriptors(64), wait=False)
    line = refusal_of(server)
    assert line.startswith("tcpecho: cannot serve 100 clients: this machine allows 48 ")
    assert "ulimit -n" in line and "--max-clients" in line


@pytest.fixture
def cgroup():
    made = PidsCgroup()
    yield made
    made.remove()


@each_takes_one
def test_more_clients_than_processes_are_refused_at_the_start(lone_user, program, tmp_path, engine):
    arguments = ["--max-clients", "100", "127.0.0.1:0"]
    more = {"preexec": lambda: lone_user.become(50), "wait": False, "engine": engine}
    server = Server(lone_user.reachable(program), tmp_path, arguments, **more)
    line = refusal_of(server)
    assert line.startswith("tcpecho: cannot serve 100 clients: this machine allows ")
    assert "RLIMIT_NPROC" in line and "--max-clients" in line


@each_takes_one
def test_more_clients_than_the_cgroup_has_room_for_are_refused_at_the_start(cgroup, serve):
    cgroup.limit(50)
    server = serve("--max-clients", "50", "127.0.0.1:0", preexec=lambda: cgroup.add(os.getpid()), wait=False)
    line = refusal_of(server)
    assert line.startswith("tcpecho: cannot serve 50 clients: this machine allows ")
    assert "pids cgroup" in line and "--max-clients" in line


@one_holder
def test_the_default_limit_is_lowered_with_a_warning(serve, clients, engine):
    server = serve(*ONE_HOLDER.get(engine, []), "127.0.0.1:0", preexec=few_descriptors(64))
    (warning,) = server.log_lines("warning: ")
    assert warning == "tcpecho: warning: at most 48 clients instead of 1024 (descriptors, ulimit -n)"
    assert server.log_lines("at most 48 clients[)]")
    assert all_served(clients(server, 48))


# ---- idle clients ----


def test_an_idle_client_is_ended_and_one_that_keeps_moving_is_not(serve):
    server = serve("--idle-timeout", "4s", "127.0.0.1:0")
    with server.connect() as moving, server.connect() as idle:
        idle.sendall(b"once")
        assert recv_exactly(idle, 4) == b"once"
        started = time.monotonic()

        def has_moved_for_longer():
            moving.sendall(b".")
            assert recv_exactly(moving, 1) == b"."
            return not is_silent(idle) and time.monotonic() > started + 5

        wait_until(has_moved_for_longer, "the idle client to be ended")
        assert recv_until_clean_end(idle) == b""
        assert server.totals()["clients"] == 2, "the FIN comes first, and only then its place is free"
        assert server.has_workers or len(server.children()) == 2, "the FIN comes first, and only then the child ends"
        assert echo_of(moving, b"alive") == b"alive"
    assert {(end["reason"], end["in"] == "4") for end in server.ends(2)} == {("idle", True), ("eof", False)}


def test_a_client_that_only_reads_and_slowly_keeps_moving(serve):
    server = serve("--idle-timeout", "4s", "127.0.0.1:0")
    data = pattern(64 << 20)
    with server.connect(rcvbuf=1 << 18) as sock:
        sent = fill(sock, data)
        received = bytearray()
        # Bytes are sent to the client all the time, though the child can write only now and then.
        is_over = time.monotonic() + 6
        while time.monotonic() < is_over:
            received += recv_exactly(sock, 1 << 14)
            time.sleep(0.05)
        sock.shutdown(socket.SHUT_WR)
        received += recv_all(sock)
    assert server.ends(1)[0]["reason"] == "eof"
    assert received == data[:sent]
