# SPDX-License-Identifier: MIT
"""Signals: every process is reaped, only the target is harmed, and the server ends as requested.

A pending signal does not count, so one SIGCHLD stands for many children. After TERM or INT clients may finish; a
second signal aborts them. After KILL of the parent no child is left.
"""
import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness import TIMEOUT, is_gone, proc_state, recv_all, recv_exactly, reset, sockets_of, wait_until
from shortages import allow_descriptors
from second_request import SECOND_REQUEST, end_at_once
from signalling import Storm, block_all, ignore_all, interrupted, signals_in, slow_to_close, stopped
from streams import Writer, fill, pattern, recv_until_clean_end
from tcptable import tcp_sockets

MEGABYTE = 1 << 20

BURST = 500

# The first bytes that each client of these tests sends.
GREETING = b"still here?\n"

# A child for each client: harm to a child reaches only its client. test_workers.py covers workers.
child_each = pytest.mark.engines("fork")

BOTH = pytest.mark.parametrize("ask", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)


def name_of(sock):
    """The client as the log calls it."""
    return "{}:{}".format(*sock.getsockname())


def converse(sock, data=GREETING):
    """One message there and back."""
    sock.sendall(data)
    assert recv_exactly(sock, len(data)) == data


def finish(sock, last=b"the last words\n"):
    """Sends the last message and the FIN; every byte and the server's FIN come back."""
    sock.sendall(last)
    sock.shutdown(socket.SHUT_WR)
    assert recv_all(sock) == last


@pytest.fixture
def connect():
    """Connects clients that are being served, and closes them after the test."""
    with contextlib.ExitStack() as stack:

        def start(server, **options):
            sock = stack.enter_context(server.connect(**options))
            converse(sock)
            return sock

        yield start


# ---- dispositions ----


def test_no_signal_has_a_handler(server, connect, sanitized):
    if sanitized:
        pytest.skip("sanitizers have handlers of their own")
    client = connect(server)
    assert server.process_of(client) in server.processes()
    # Except signals that the C library reserves for its threads (nptl(7)).
    own = {32, 33} if server.engine == "thread" else set()
    assert all(signals_in(pid, "SigCgt") <= own for pid in server.processes())


def test_the_parent_reads_its_signals_and_serving_processes_ignore_them(server, connect):
    serving = server.process_of(connect(server))
    read = {signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
    assert signals_in(server.pid, "SigBlk") == read
    # Signals that the test process ignores are inherited.
    ignored = {signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTOU}  # a log that cannot be written must not end the server
    inherited = signals_in(os.getpid(), "SigIgn") - read
    assert signals_in(server.pid, "SigIgn") == ignored | inherited
    assert signals_in(serving, "SigBlk") == read
    assert signals_in(serving, "SigIgn") == ignored | inherited


@pytest.mark.parametrize("inherit", [ignore_all, block_all])
def test_what_the_starter_ignored_or_blocked_changes_nothing(serve, connect, inherit):
    server = serve("127.0.0.1:0", preexec=inherit)
    client = connect(server)
    read = {signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
    assert signals_in(server.process_of(client), "SigBlk") == read
    finish(client)
    assert server.ends(1)[0]["reason"] == "eof"
    assert server.has_workers or server.children() == []
    assert server.totals()["ended"] == 1
    assert server.end(signal.SIGTERM) == 0


# ---- children that end ----


def test_500_clients_that_end_while_the_parent_is_stopped_are_all_logged_counted_and_reaped(serve, connect):
    allow_descriptors(BURST + 100)
    server = serve("--max-clients", str(BURST + 10), "127.0.0.1:0")
    clients = [connect(server) for _ in range(BURST)]
    server.wait_for_clients(BURST)
    children = [] if server.has_workers else server.wait_for_children(BURST)
    expected = set()
    with stopped(server.pid):
        for number, client in enumerate(clients):
            finish(client, bytes(number))
            expected.add((name_of(client), str(number + len(GREETING))))
        wait_until(lambda: all(proc_state(child) == "Z" for child in children), "500 zombies")
    ends = server.ends(BURST)
    server.wait_for_rest()
    assert len(ends) == BURST
    assert {(end["peer"], end["in"]) for end in ends} == expected
    assert {(end["peer"], end["out"]) for end in ends} == expected
    assert {end["reason"] for end in ends} == {"eof"}
    totals = server.totals()
    assert (totals["clients"], totals["accepted"], totals["ended"], totals["killed"]) == (0, BURST, BURST, 0)
    assert server.is_faithful()


@child_each
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGXCPU], ids=lambda number: number.name)
def test_a_killed_child_harms_its_own_client_only_and_is_logged_with_the_signal(server, connect, number):
    victim, bystander = connect(server), connect(server)
    spared = server.child_of(bystander)
    # A child counts a byte after it has sent it: it must not be killed before that.
    wait_until(lambda: server.totals()["out"] == 2 * len(GREETING), "both echoes to be counted")
    os.kill(server.child_of(victim), number)
    assert victim.recv(1) == b""  # it had no unread bytes, so the kernel ends it with a FIN
    (end,) = server.ends(1)
    assert (end["peer"], end["reason"], end["signal"]) == (name_of(victim), "killed", number.name)
    assert end["in"] == end["out"] == str(len(GREETING))
    converse(bystander)
    assert server.children() == [spared]
    totals = server.totals()
    assert (totals["clients"], totals["ended"], totals["killed"]) == (1, 1, 1)
    assert server.is_faithful()


@child_each
def test_a_killed_child_gives_its_place_in_a_full_table_back(serve, connect):
    server = serve("--max-clients", "1", "127.0.0.1:0")
    for _ in range(10):
        os.kill(server.child_of(connect(server)), signal.SIGKILL)
    assert len(server.ends(10)) == 10
    assert server.totals()["clients"] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1], ids=lambda number: number.name)
def test_a_signal_for_the_service_that_reaches_a_serving_process_is_ignored(server, connect, number):
    client = connect(server)
    os.kill(server.process_of(client), number)
    finish(client)
    assert server.ends(1)[0]["reason"] == "eof"


# ---- stop and continue ----


@child_each
def test_while_the_parent_is_stopped_clients_are_served_and_new_ones_wait(server, connect):
    early = connect(server)
    with stopped(server.pid):
        converse(early)
        late = server.connect()
        late.sendall(b"waiting\n")
    with late:
        assert recv_exactly(late, 8) == b"waiting\n"
        finish(late)
    finish(early)
    assert [end["reason"] for end in server.ends(2)] == ["eof", "eof"]


def test_while_all_of_it_is_stopped_every_client_waits_and_none_longer(server, connect):
    early = connect(server)
    server.stop_all()
    late = server.connect()
    for client in (early, late):
        client.sendall(b"waiting\n")
    server.continue_all()
    for client in (early, late):
        assert recv_exactly(client, 8) == b"waiting\n"
        finish(client)
    assert [end["reason"] for end in server.ends(2)] == ["eof", "eof"]
    assert server.log_lines("warning") == []


@pytest.mark.engines("fork", "prefork")
def test_while_a_child_is_stopped_its_client_waits_and_the_others_do_not(server, connect):
    waiting, other = connect(server), connect(server)
    data = pattern(50_000)
    with stopped(server.process_of(waiting)):
        waiting.sendall(data)
        waiting.shutdown(socket.SHUT_WR)
        converse(other)
        assert server.is_faithful()
    assert recv_all(waiting) == data
    ends = {end["peer"]: end for end in server.ends(2)}
    assert ends[name_of(waiting)]["reason"] == "eof"


def test_a_storm_of_signals_and_stops_changes_no_byte(server, talk, tmp_path):
    """50 MB come back unchanged although every process that carries them is interrupted all the time."""
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(pattern(50 * MEGABYTE))
    with open(sent, "rb") as source, open(received, "wb") as copy:
        client = talk(server, stdin=source, stdout=copy)
        server.wait_for_clients(1)
        targets = {
            server.pid: [signal.SIGUSR1, signal.SIGCHLD],
            **{pid: [signal.SIGUSR1, signal.SIGINT, signal.SIGTERM] for pid in server.serving_processes()},
            client.pid: [],
        }
        with Storm(targets) as storm:
            status, _, error = client.finish()
    assert (status, error) == (0, "")
    assert received.read_bytes() == sent.read_bytes()
    assert storm.rounds > 10, "too short a storm for this to mean anything"
    (end,) = server.ends(1)
    assert (end["in"], end["out"], end["reason"]) == (str(50 * MEGABYTE),) * 2 + ("eof",)
    server.wait_for_rest()
    assert server.end() == 0


def test_interrupted_calls_change_no_byte_and_reach_no_user(server, talk, sanitized):
    if sanitized:
        pytest.skip("a sanitizer does not like to be traced")
    data = pattern(2 * MEGABYTE)
    with contextlib.ExitStack() as stack:
        for pid in server.lasting_processes():
            stack.enter_context(interrupted(pid))
        client = talk(server, input=data)
        server.wait_for_clients(1)
        with interrupted(client.pid):
            assert client.finish() == (0, data, "")
        assert server.ends(1)[0]["reason"] == "eof"
        server.wait_for_rest()
        assert server.end() == 0
    assert "interrupted" not in server.log()


# ---- the totals ----


def test_usr1_prints_the_totals_with_the_bytes_of_current_clients(server, connect):
    gone, present = connect(server), connect(server)
    finish(gone)
    server.ends(1)
    converse(present, b"x" * 1000)
    size = 2 * len(GREETING) + len("the last words\n") + 1000
    expected = {"clients": 1, "accepted": 2, "ended": 1, "killed": 0, "turned_away": 0, "in": size, "out": size}
    wait_until(lambda: server.totals() == expected, f"{expected}")
    finish(present, b"")
    server.ends(2)
    assert server.totals() == {**expected, "clients": 0, "ended": 2}


def test_the_totals_are_printed_at_the_end_as_well(server, connect):
    finish(connect(server), b"")
    server.ends(1)
    assert server.end() == 0
    assert server.log_lines()[-1] == "totals clients=0 accepted=1 ended=1 killed=0 turned_away=0 in=12 out=12"


# ---- TERM and INT: the drain ----


def is_refused(server):
    """Returns whether no socket listens any more."""
    with socket.socket(server.family) as sock:
        return sock.connect_ex(server.address) != 0


def ask_to_end(server, number):
    """Sends the signal and waits until the server has read it."""
    server.send(number)
    server.wait_for_log(f"^{number.name}: no new clients")


@BOTH
def test_without_clients_it_ends_at_once_with_status_0(server, ask):
    assert server.end(ask) == 0


@BOTH
def test_it_stops_accepting_lets_clients_finish_and_ends_with_status_0(server, connect, ask):
    clients = [connect(server) for _ in range(3)]
    ask_to_end(server, ask)
    wait_until(lambda: is_refused(server), "the listening socket to close")
    for client in clients:
        converse(client)
        assert server.is_running()
        finish(client)
    assert server.wait() == 0
    ends = [end["reason"] for end in server.ends()]
    # One of several workers may still have served a client that tested whether connections are refused.
    assert set(ends) == {"eof"} and (len(ends) >= 3 if server.has_workers else len(ends) == 3)


def test_a_stream_that_flows_while_it_is_asked_to_end_is_echoed_to_its_end(server, talk):
    data = pattern(20 * MEGABYTE)
    client = talk(server, input=data[MEGABYTE:])
    client.stdin.write(data[:MEGABYTE])
    client.stdin.flush()
    ask_to_end(server, signal.SIGTERM)
    assert client.finish() == (0, data, "")
    assert server.wait() == 0


@BOTH
def test_a_signal_to_the_whole_group_as_a_terminal_sends_it_lets_clients_finish(serve, connect, ask):
    server = serve("127.0.0.1:0", preexec=os.setsid)
    client = connect(server)
    os.killpg(server.pid, ask)
    server.wait_for_log(rf"^{ask.name}: no new clients\b.*\b1\b")
    finish(client)
    assert server.wait() == 0


def test_clients_queued_at_the_shutdown_are_still_served(serve):
    server = serve("127.0.0.1:0")
    queued = []
    with server.accept_paused():
        for number in range(200):
            client = server.connect()
            client.sendall(b"client %d\n" % number)
            client.shutdown(socket.SHUT_WR)
            queued.append(client)
        server.send(signal.SIGTERM)
    for number, client in enumerate(queued):
        with client:
            assert recv_all(client) == b"client %d\n" % number
    assert server.wait() == 0
    assert [end["reason"] for end in server.ends()] == ["eof"] * 200


def test_clients_queued_behind_a_full_table_at_the_shutdown_are_still_served(serve, connect):
    server = serve("--max-clients", "1", "127.0.0.1:0")
    first = connect(server)
    queued = [server.connect() for _ in range(5)]
    for number, client in enumerate(queued):
        client.sendall(b"client %d\n" % number)
        client.shutdown(socket.SHUT_WR)
    ask_to_end(server, signal.SIGTERM)
    converse(first)
    finish(first)
    for number, client in enumerate(queued):
        with client:
            assert recv_all(client) == b"client %d\n" % number
    assert server.wait() == 0
    assert [end["reason"] for end in server.ends()] == ["eof"] * 6


@BOTH
def test_the_drain_timeout_ends_clients_with_every_echoed_byte_and_a_fin_and_status_1(serve, connect, ask):
    server = serve("--drain-timeout", "100ms", "127.0.0.1:0")
    data = pattern(100_000)
    clients = [connect(server) for _ in range(5)]
    for client in clients:
        client.sendall(data)
    wait_until(lambda: server.totals()["out"] >= len(clients) * len(data), "everything to be echoed")
    server.send(ask)
    for client in clients:
        assert recv_until_clean_end(client) == data
        client.close()
    assert server.wait() == 1
    ends = server.ends()
    assert [end["reason"] for end in ends] == ["drain"] * 5
    assert {end["out"] for end in ends} == {str(len(data) + len(GREETING))}


def test_a_drain_that_cuts_no_client_off_is_a_success_however_short(serve):
    assert serve("--drain-timeout", "0s", "127.0.0.1:0").end() == 0


def listens(server):
    """Returns whether it has a socket that is not a client's. A parent with a child for each client has no other
    socket."""
    clients = {sock.inode for sock in tcp_sockets() if sock.peer_port != 0} if server.has_workers else set()
    return any(sockets_of(pid) - clients for pid in server.lasting_processes())


def test_queued_clients_are_served_and_then_no_client_is_accepted(serve):
    """Even if the queue is as long as one round of accepts."""
    server = serve("127.0.0.1:0")
    with server.accept_paused():
        queued = [server.connect() for _ in range(64)]
        server.send(signal.SIGTERM)
    server.wait_for_log("^SIGTERM: no new clients")
    if not server.has_workers:
        server.wait_for_children(len(queued))
    if server.engine != "prefork":  # prefork starts no more processes for queued clients while it drains
        server.wait_for_clients(len(queued))
        # A connection is not used for the test, because it would wake the server.
        wait_until(lambda: not listens(server), "the listening socket to be closed")
    for client in queued:
        finish(client, b"")
    assert server.wait() == 0


def test_clients_still_queued_at_the_drain_timeout_get_a_fin_as_well(serve, connect):
    server = serve("--max-clients", "1", "--drain-timeout", "300ms", "127.0.0.1:0")
    first = connect(server)
    queued = [server.connect() for _ in range(5)]
    for client in queued:
        client.sendall(bytes(30_000))
    ask_to_end(server, signal.SIGTERM)
    for client in [first, *queued]:
        with client:
            assert recv_until_clean_end(client) == b""
    assert server.wait() == 1


def test_no_client_is_accepted_between_the_last_accept_and_the_close(serve):
    """Even with a drain timeout of 0: the close of the listening socket would reset that client."""
    server = serve("--drain-timeout", "0s", "127.0.0.1:0")
    with contextlib.ExitStack() as stack:
        for pid in server.accepting_processes():
            stack.enter_context(slow_to_close(pid))
        server.send(signal.SIGTERM)
        server.wait_for_log("^drain timeout")
        for _ in range(10):
            with socket.socket() as client:
                assert client.connect_ex(server.address) == errno.ECONNREFUSED
        assert server.wait() == 0


def test_a_client_of_a_unix_socket_is_aborted_as_well(serve, tmp_path):
    """The process or thread of this client may sleep in recv(), and has to wake up by itself."""
    server = serve("--drain-timeout", "1ms", f"unix:{tmp_path}/socket")
    with server.connect() as client:
        client.sendall(b"a line\n")
        assert recv_exactly(client, 7) == b"a line\n"
        server.send(signal.SIGTERM)
        assert recv_all(client) == b""
    assert server.wait() == 1
    assert [end["reason"] for end in server.ends()] == ["drain"]


def test_a_stopped_process_does_not_hold_up_the_end(serve, connect):
    server = serve("--drain-timeout", "1ms", "127.0.0.1:0")
    client = connect(server)
    os.kill(server.process_of(client), signal.SIGSTOP)
    assert server.end() == 1
    (end,) = server.ends()
    assert (end["peer"], end["reason"], end["signal"]) == (name_of(client), "killed", "SIGKILL")


workers = pytest.mark.engines("prefork", "thread", "epoll", "uring")


@workers
def test_stopped_workers_without_clients_do_not_hold_up_the_end(serve, connect):
    server = serve("--workers", "3", "--drain-timeout", "1h", "127.0.0.1:0")
    client = connect(server)
    idle = [pid for pid in server.children() if pid != server.process_of(client)]
    server.stop_all(idle)
    ask_to_end(server, signal.SIGTERM)
    wait_until(lambda: all(is_gone(pid) for pid in idle), "the stopped workers to end")
    converse(client)
    finish(client)
    assert server.wait() == 0
    assert [end["reason"] for end in server.ends()] == ["eof"]
    assert server.log_lines("warning|^drain timeout|^killing") == []


@workers
def test_a_server_of_which_all_workers_are_stopped_ends(serve):
    server = serve("--workers", "1", "--drain-timeout", "1h", "127.0.0.1:0")
    with stopped(server.pid):
        server.stop_all(server.children())
        server.send(signal.SIGTERM)
    assert server.wait() == 0


@workers
def test_a_stopped_worker_with_a_client_is_waited_for(serve, connect):
    server = serve("--workers", "2", "--drain-timeout", "1h", "127.0.0.1:0")
    client = connect(server)
    serving = server.process_of(client)
    idle = [pid for pid in server.children() if pid != serving]
    with stopped(serving):
        ask_to_end(server, signal.SIGTERM)
        wait_until(lambda: all(is_gone(pid) for pid in idle), "the other worker to end")
        time.sleep(2 * SECOND_REQUEST)  # longer than several polls
        assert proc_state(serving) == "T"
    converse(client)
    finish(client)
    assert server.wait() == 0


@pytest.mark.parametrize(
    "first, second",
    [
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGTERM, signal.SIGINT),
        (signal.SIGINT, signal.SIGTERM),
    ],
    ids=lambda number: number.name,
)
def test_a_second_signal_ends_it_at_once_by_that_signal(serve, connect, first, second):
    server = serve("--drain-timeout", "1h", "127.0.0.1:0")
    clients = [connect(server) for _ in range(10)]
    children = server.children() if server.has_workers else server.wait_for_children(10)
    ask_to_end(server, first)
    assert end_at_once(server, second) == -second
    assert all(is_gone(child) for child in children)
    assert all(client.recv(1) == b"" for client in clients)
    assert len(server.ends()) == 10
    if server.engine == "uring":  # the kernel frees the rings of killed workers with a delay
        wait_until(lambda: can_be_bound(server.port), "the port")
    assert serve(f"127.0.0.1:{server.port}").is_faithful()


def can_be_bound(port):
    """Returns whether another server can listen there."""
    with socket.socket() as sock, contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen()
        return True
    return False


@pytest.fixture
def kill_who_serves(connect):
    """Kills the process that serves a new client, and waits for the end in the log. Returns the process."""

    def run(server):
        client = connect(server)
        pid = server.process_of(client)
        os.kill(pid, signal.SIGKILL)
        assert client.recv(1) == b""
        wait_until(lambda: any(end["reason"] == "killed" for end in server.ends()), "the line of its end")
        return pid

    return run


def test_a_client_that_is_killed_before_the_end_does_not_change_the_status(server, kill_who_serves):
    kill_who_serves(server)
    assert server.end() == 0


def test_a_client_that_is_killed_in_the_drain_could_not_finish_and_the_status_says_so(serve, connect):
    server = serve("--drain-timeout", "1h", "127.0.0.1:0")
    first, other = connect(server), connect(server)
    victim, spared = server.process_of(first), server.process_of(other)
    ask_to_end(server, signal.SIGTERM)
    os.kill(victim, signal.SIGKILL)
    assert first.recv(1) == b""
    if spared != victim:
        converse(other)
        finish(other)
    assert server.wait() == 1
    ends = {end["peer"]: end for end in server.ends()}
    assert (ends[name_of(first)]["reason"], ends[name_of(first)]["signal"]) == ("killed", "SIGKILL")
    if server.has_workers:
        assert server.log_lines(rf"warning: worker {victim} was killed by SIGKILL, and with it \d clients?")


# ---- TERM and INT: one request that comes as several signals ----


def twice(server, ask):
    """As timeout(1) does: to the process, then to its group."""
    server.send(ask)
    os.killpg(server.pid, ask)


def to_the_group_twice(server, ask):
    """As a terminal together with a process that forwards the signal."""
    os.killpg(server.pid, ask)
    os.killpg(server.pid, ask)


def one_then_the_other(server, ask):
    """As a terminal and a service manager at the same time."""
    os.killpg(server.pid, ask)
    os.killpg(server.pid, signal.SIGINT + signal.SIGTERM - ask)


def while_it_stands_still(server, ask):
    """Both are read together, long after they were sent."""
    with stopped(server.pid):
        one_then_the_other(server, ask)


def around_a_stop(server, ask):
    """The second is read long after the first, but was sent directly after it."""
    server.send(ask)
    server.wait_for_log("^SIG.*: no new clients")
    with stopped(server.pid):
        os.killpg(server.pid, ask)
        time.sleep(2 * SECOND_REQUEST)


@BOTH
@pytest.mark.parametrize("way", [twice, to_the_group_twice, one_then_the_other, while_it_stands_still, around_a_stop])
def test_a_request_that_comes_as_several_signals_lets_clients_finish(serve, connect, way, ask):
    server = serve("--drain-timeout", "1h", "127.0.0.1:0", preexec=os.setsid)
    clients = [connect(server) for _ in range(3)]
    way(server, ask)
    server.wait_for_log("^SIG(INT|TERM): no new clients")
    for client in clients:
        converse(client)
        finish(client)
    assert server.wait() == 0
    assert {end["reason"] for end in server.ends()} == {"eof"}
    assert not server.log_lines("^killing")


@pytest.mark.skipif(shutil.which("timeout") is None, reason="timeout(1) is not installed")
def test_under_timeout_clients_finish(program, engine, tmp_path):
    """It sends TERM to the server, then to its group, which the server is in."""
    log = tmp_path / "log"
    command = ["timeout", "2", program, "serve", "-e", engine, "--drain-timeout", "1h", "--ready-fd", "1", "127.0.0.1:0"]
    with open(log, "wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True)
    with process:
        port = int(process.stdout.readline().rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            converse(client)
            wait_until(lambda: b"no new clients" in log.read_bytes(), "the drain")
            converse(client)
            finish(client)
        assert process.wait(TIMEOUT) == 124  # timeout's own status
    assert b"reason=eof" in log.read_bytes() and b"killing" not in log.read_bytes()


# ---- KILL of the parent ----


def test_a_killed_parent_leaves_no_orphan_and_the_port_can_be_bound_at_once(serve, connect):
    server = serve("127.0.0.1:0")
    clients = [connect(server) for _ in range(20)]
    children = server.children() if server.has_workers else server.wait_for_children(20)
    server.end(signal.SIGKILL)
    server.wait_for_the_port(children)
    assert serve(f"127.0.0.1:{server.port}").is_faithful()  # the old children may still exist
    for client in clients:
        assert recv_until_clean_end(client) == b""
    wait_until(lambda: all(is_gone(child) for child in children), "the orphans to end")


def test_clients_of_a_killed_parent_get_every_echoed_byte_then_the_fin(serve, connect):
    server = serve("127.0.0.1:0")
    data = pattern(64 * MEGABYTE)
    client = connect(server)
    children = server.children()
    fill(client, data)
    before = wait_until(server.totals, "the totals")["out"] - len(GREETING)
    server.end(signal.SIGKILL)
    received = recv_until_clean_end(client)
    assert len(received) >= before > 0
    assert received == data[: len(received)]
    wait_until(lambda: all(is_gone(child) for child in children), "the orphans to end")


def test_a_client_that_never_stops_does_not_keep_an_orphan_alive(serve, connect):
    server = serve("127.0.0.1:0")
    client = connect(server)
    children = server.children()
    server.end(signal.SIGKILL)
    writer = Writer(client, bytes(1 << 30))
    with contextlib.suppress(ConnectionResetError):  # it did not end, so it is reset at last
        while client.recv(MEGABYTE):
            pass
    wait_until(lambda: all(is_gone(child) for child in children), "the orphans to end")
    writer.join(TIMEOUT)


def test_a_new_server_takes_the_port_and_the_children_of_the_old_do_not_disturb_it(serve, connect):
    old = serve("127.0.0.1:0")
    connect(old)
    children = old.children()
    old.end(signal.SIGKILL)
    old.wait_for_the_port(children)
    new = serve(f"127.0.0.1:{old.port}")
    client = connect(new)
    assert new.process_of(client) in new.children()
    assert new.has_workers or len(new.children()) == 1
    finish(client)
    assert len(new.ends(1)) == 1


# ---- PIPE ----


def test_a_client_that_resets_in_the_middle_of_its_echo_ends_no_process(server):
    for _ in range(20):
        client = server.connect()
        client.sendall(bytes(MEGABYTE))
        reset(client)
    assert {end["reason"] for end in server.ends(20)} == {"reset"}
    assert server.totals()["killed"] == 0


def broken_pipe():
    """Returns the write end of a pipe whose read end is closed."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_a_closed_reader_of_the_log_does_not_end_the_service(serve):
    writer = broken_pipe()
    server = serve("127.0.0.1:0", preexec=lambda: os.dup2(writer, 2))
    os.close(writer)
    assert server.is_faithful()
    server.send(signal.SIGUSR1)
    assert server.is_faithful()
    assert server.end() == 0


def test_a_closed_reader_of_the_ready_descriptor_is_an_error_and_status_4(program, engine):
    writer = broken_pipe()
    server = subprocess.run(
        [program, "serve", "--engine", engine, "--ready-fd", str(writer), "127.0.0.1:0"],
        pass_fds=[writer],
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
    )
    os.close(writer)
    assert server.returncode == 4
    assert server.stderr.splitlines()[-1] == f"tcpecho: cannot write to --ready-fd {writer}: broken pipe"
