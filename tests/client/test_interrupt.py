# SPDX-License-Identifier: MIT
"""Signals end every command at every moment: during lookup, connect, reconnect, wait and drain.

A command has nothing to report before it is connected: INT, TERM and HUP end it by that signal without output, as
with ping(8) and curl(1). Afterwards INT and TERM end ping and bench with a summary.
"""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.request

import pytest

import faulty_servers
from faulty_servers import FaultyServer, FullListener
from harness import TIMEOUT, children_of, proc_state, recv_exactly, server_words, sockets_of, wait_until
from private_files import own_etc
from signalling import block_all
from tcptable import tcp_sockets

COMMANDS = {
    "talk": ["talk"],
    "ping": ["ping", "-W", "1h"],
    "hold": ["ping", "--hold", "-W", "1h"],
    "bench": ["bench", "-W", "1h", "-c", "3", "--warmup", "0s", "-d", "1h"],
}
METERS = ["ping", "hold", "bench"]
ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

SYN_SENT = 0x02

# The last line but one of each summary, or similar.
SUMMARY = {"ping": r"\d+ sent, \d+ came back", "hold": r"\d+ heartbeats? sent", "bench": r"\d+ echo(es)? in "}


@pytest.fixture
def start(program):
    """Starts a command: start("ping", *words). Its standard input is a pipe that stays open."""
    started = []

    def run(*words, prefix=(), **more):
        process = subprocess.Popen(
            [*prefix, program, *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                stream.close()


def rest_of(process):
    """Returns (status, output, error text) of a command that ends while its standard input stays open."""
    status = process.wait(TIMEOUT)
    return status, process.stdout.read(), process.stderr.read()


# ---- before it is connected ----


class NameServer:
    """A name server that never answers, on loopback in the test's own network."""

    words = ("nowhere.example", "7")

    def __init__(self, directory):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        self.socket.settimeout(TIMEOUT)
        self.prefix = own_etc(
            directory, nsswitch_conf="hosts: dns\n", resolv_conf="nameserver 127.0.0.1\noptions timeout:30 attempts:5\n"
        )

    def wait_for(self, _process):
        self.socket.recv(512)

    def close(self):
        self.socket.close()


class Unanswered:
    """A listening socket with a full accept queue: a SYN gets no answer."""

    prefix = ()

    def __init__(self, _directory):
        self.full = FullListener()
        self.words = ("127.0.0.1", self.full.port)

    def wait_for(self, process):
        wait_until(lambda: sockets_of(process.pid) & self.connecting(), "a SYN that is not answered")

    def connecting(self):
        return {sock.inode for sock in tcp_sockets() if (sock.state, sock.peer_port) == (SYN_SENT, self.full.port)}

    def close(self):
        self.full.__exit__()


class FullPath:
    """A unix socket with a full queue."""

    prefix = ()

    def __init__(self, directory):
        self.path = f"{directory}/full"
        self.words = (f"unix:{self.path}",)
        self.listening, self.filler = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        self.listening.bind(self.path)
        self.listening.listen(0)
        self.filler.connect(self.path)

    def wait_for(self, process):
        wait_until(lambda: sockets_of(process.pid) and proc_state(process.pid) == "S", "it to wait for room")

    def close(self):
        self.listening.close()
        self.filler.close()


@pytest.fixture(params=[NameServer, Unanswered, FullPath], ids=["resolving", "connecting", "queue"])
def obstacle(request, own_network, tmp_path):
    """A server address to which no command can connect."""
    obstacle = request.param(tmp_path)
    yield obstacle
    obstacle.close()


def held_up(start, obstacle, name, *words, **more):
    process = start(*COMMANDS[name], *words, *obstacle.words, prefix=obstacle.prefix, **more)
    obstacle.wait_for(process)
    return process


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_before_it_is_connected(start, obstacle, name, number):
    process = held_up(start, obstacle, name)
    process.send_signal(number)
    assert rest_of(process) == (-number, "", "")


@pytest.mark.parametrize("name", METERS)
def test_quit_before_it_is_connected_prints_what_it_waits_for(start, obstacle, name):
    process = held_up(start, obstacle, name)
    process.send_signal(signal.SIGQUIT)
    assert re.fullmatch(r"connecting to \S+( port \d+)?\n", process.stderr.readline())
    process.send_signal(signal.SIGTERM)
    assert rest_of(process) == (-signal.SIGTERM, "", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_signals_that_were_blocked_at_the_start(start, obstacle, name):
    """A process inherits the mask."""
    process = held_up(start, obstacle, name, preexec_fn=block_all)
    process.send_signal(signal.SIGTERM)
    assert rest_of(process) == (-signal.SIGTERM, "", "")


@pytest.mark.parametrize(
    "words",
    [["ping", "--hold", "--metrics", "nowhere.example:0"], ["bench", "--source", "nowhere.example"]],
    ids=["metrics", "source"],
)
def test_a_signal_while_another_name_is_looked_up(start, own_network, tmp_path, words):
    names = NameServer(tmp_path)
    process = start(*words, "127.0.0.1", prefix=names.prefix)
    names.wait_for(process)
    process.send_signal(signal.SIGINT)
    assert rest_of(process) == (-signal.SIGINT, "", "")
    names.close()


def test_a_log_that_was_begun_leaves_nothing_behind(start, obstacle, tmp_path):
    process = held_up(start, obstacle, "bench", "--hlog", tmp_path / "run.hlog")
    process.send_signal(signal.SIGTERM)
    assert rest_of(process)[0] == -signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir() if "hlog" in path.name] == []


def test_metrics_answer_before_it_is_connected(start, obstacle):
    process = held_up(start, obstacle, "hold", "--metrics", "127.0.0.1:0")
    address = re.fullmatch(r"metrics on (\S+), at /metrics\n", process.stderr.readline())[1]
    for _ in range(3):
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=TIMEOUT) as page:
            assert b"\ntcpecho_hold_connections 0\n" in page.read()
    process.send_signal(signal.SIGINT)
    assert rest_of(process)[0] == -signal.SIGINT


def test_metrics_by_a_unix_socket_leave_nothing_behind(start, obstacle, tmp_path):
    path = tmp_path / "metrics"
    process = held_up(start, obstacle, "hold", "--metrics", f"unix:{path}")
    assert path.exists()
    process.send_signal(signal.SIGINT)
    assert rest_of(process)[0] == -signal.SIGINT
    assert not path.exists()


# ---- connected ----


class Vanishing:
    """A server that answers one message, ends that connection, and answers no SYN from then on."""

    prefix = ()

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.listening.settimeout(TIMEOUT)
        self.port = self.listening.getsockname()[1]
        self.words = ("127.0.0.1", self.port)
        self.fillers = [socket.socket() for _ in range(2)]

    def vanish(self, conversations):
        for answers in conversations:
            sock, _ = self.listening.accept()
            if answers:
                sock.sendall(recv_exactly(sock, 64))
                for filler in self.fillers:
                    filler.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        filler.connect(self.listening.getsockname())
            sock.close()

    wait_for = Unanswered.wait_for

    def connecting(self):
        return {sock.inode for sock in tcp_sockets() if (sock.state, sock.peer_port) == (SYN_SENT, self.port)}

    def close(self):
        for sock in (self.listening, *self.fillers):
            sock.close()


@pytest.fixture
def vanishing(own_network):
    vanishing = Vanishing()
    yield vanishing
    vanishing.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("name", METERS)
def test_a_signal_while_it_reconnects_ends_it_with_the_summary(start, vanishing, name, number):
    words = {"bench": ["-c", "1"], "ping": ["-i", "0"], "hold": []}[name]
    process = start(*COMMANDS[name], *words, *vanishing.words)
    vanishing.vanish([True])
    vanishing.wait_for(process)
    process.send_signal(number)
    status, output, error = rest_of(process)
    assert (status, error) == (1, "")
    assert re.search(SUMMARY[name], output)


def test_quit_while_ping_reconnects_asks_for_a_line(start, vanishing):
    process = start(*COMMANDS["ping"], "-i", "0", *vanishing.words)
    vanishing.vanish([True])
    vanishing.wait_for(process)
    process.send_signal(signal.SIGQUIT)
    assert re.match(r"1/\d came back, p50", process.stderr.readline())
    process.send_signal(signal.SIGINT)
    assert rest_of(process)[0] == 1


def test_metrics_answer_while_it_reconnects(start, vanishing):
    process = start(*COMMANDS["hold"], "--metrics", "127.0.0.1:0", *vanishing.words)
    address = re.fullmatch(r"metrics on (\S+), at /metrics\n", process.stderr.readline())[1]
    vanishing.vanish([True])
    vanishing.wait_for(process)
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=TIMEOUT) as page:
        assert b'\ntcpecho_hold_deaths_total{cause="ended"} 1\n' in page.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize(
    "words",
    [["--start-at", "+1h"], ["--warmup", "1h"], []],
    ids=["start-at", "warm-up", "running"],
)
def test_bench_in_each_phase(start, server, words, number):
    process = start(*COMMANDS["bench"], *words, *server_words(server))
    wait_until(lambda: server.totals()["clients"] == 3, "it to be connected")
    wait_until(lambda: words or server.totals()["out"] > 0, "an echo")
    process.send_signal(number)
    status, output, error = rest_of(process)
    assert (status, error) == (1 if words else 0, "")  # without a message that counts, no result exists
    assert re.search(SUMMARY["bench"], output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_bench_while_what_is_under_way_does_not_come_back(start, number):
    """The time is over, and without a limit it would wait for the messages for ever."""
    with FaultyServer(faulty_servers.never_reply) as faulty:
        process = start("bench", "-W", "off", "-c", 2, "--warmup", "0s", "-d", "1ms", *faulty.words)
        wait_until(lambda: len(faulty.connected) >= 2, "the connections")
        process.send_signal(number)
        status, output, _ = rest_of(process)
    assert status == 1
    assert re.search(SUMMARY["bench"], output)


@pytest.mark.parametrize("name", METERS)
def test_hup_ends_it_at_once(start, server, name):
    """As with ping(8)."""
    process = start(*COMMANDS[name], *server_words(server))
    wait_until(lambda: server.totals()["clients"] > 0, "it to be connected")
    process.send_signal(signal.SIGHUP)
    assert rest_of(process)[0] == -signal.SIGHUP


def test_a_signal_that_comes_twice_loses_no_summary(server, start):
    """timeout(1) sends it to the process and then to the group."""
    for _ in range(20):
        process = start("ping", "-i", "1ms", *server_words(server))
        process.stdout.readline()
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        output, error = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, error) == (0, "")
        assert re.search(SUMMARY["ping"], output)


# ---- ignored ----


def ignore(*numbers):
    """For preexec: as a shell without job control starts a command in the background."""

    def run():
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    return run


@pytest.mark.parametrize("name", METERS)
def test_what_a_shell_has_ignored_for_the_background_stays_ignored(start, server, name):
    process = start(*COMMANDS[name], *server_words(server), preexec_fn=ignore(signal.SIGINT, signal.SIGQUIT))
    wait_until(lambda: server.totals()["in"] > 0, "a message")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGQUIT)
    before = server.totals()["in"]
    wait_until(lambda: server.totals()["in"] > before, "another message")
    process.send_signal(signal.SIGTERM)
    status, output, error = rest_of(process)
    assert (status, error) == (0, "")
    assert re.search(SUMMARY[name], output)


def test_nohup_protects_a_client(start, server):
    process = start(*COMMANDS["ping"], *server_words(server), preexec_fn=ignore(signal.SIGHUP))
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert rest_of(process)[0] == 0


# ---- as process 1 ----


@pytest.fixture
def start_as_1(start):
    """The same in a new pid namespace, as in a container. Returns (unshare's process, pid of the client)."""
    probe = ["unshare", "-fp", "--kill-child", "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("cannot make a pid namespace")

    def run(*words):
        process = start(*words, prefix=("unshare", "-fp", "--kill-child"))
        (pid,) = wait_until(lambda: children_of(process.pid), "process 1")
        wait_until(lambda: "tcpecho" in os.readlink(f"/proc/{pid}/exe"), "it to begin")
        return process, pid

    return run


FATAL = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]


@pytest.mark.parametrize("number", FATAL, ids=lambda number: number.name)
@pytest.mark.parametrize("words", [["report", "show", "-"], ["talk"]], ids=["report", "talk"])
def test_process_1_that_reads_its_input(start_as_1, server, words, number):
    process, pid = start_as_1(*words, *(server_words(server) if words == ["talk"] else []))
    wait_until(lambda: proc_state(pid) == "S", "it to wait")
    os.kill(pid, number)
    assert rest_of(process) == (128 + number, "", "")


@pytest.mark.parametrize("words", [["serve", "nowhere.example:0"], ["talk", "nowhere.example"]], ids=["serve", "talk"])
def test_process_1_that_looks_a_name_up(start, own_network, tmp_path, words):
    names = NameServer(tmp_path)
    process = start(*words, prefix=(*names.prefix, "unshare", "-fp", "--kill-child"))
    names.wait_for(process)
    os.kill(children_of(process.pid)[0], signal.SIGTERM)
    assert rest_of(process) == (128 + signal.SIGTERM, "", "")
    names.close()


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
@pytest.mark.parametrize("name", COMMANDS)
def test_process_1_that_connects(start_as_1, name, number):
    with FullListener() as full:
        process, pid = start_as_1(*COMMANDS[name], "127.0.0.1", full.port)
        wait_until(lambda: proc_state(pid) == "S" and sockets_of(pid), "it to connect")
        os.kill(pid, number)
        assert rest_of(process) == (128 + number, "", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("name", METERS)
def test_process_1_that_measures(start_as_1, server, name, number):
    process, pid = start_as_1(*COMMANDS[name], *server_words(server))
    wait_until(lambda: server.totals()["in"] > 0, "a message")
    os.kill(pid, number)
    status, output, error = rest_of(process)
    assert (status, error) == (0, "")
    assert re.search(SUMMARY[name], output)
