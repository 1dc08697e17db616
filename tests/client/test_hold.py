# SPDX-License-Identifier: MIT
"""`tcpecho hold`: long-lived connections, and what ended each lost connection."""
import itertools
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import faulty_servers
from faulty_servers import FaultyServer, UnixQueue
from harness import TIMEOUT, Process, own_memory_kib, proc_state, reset, server_words, wait_until
from netns import set_sysctl

DIED = re.compile(
    r"^connection (\d+) lost \((\w+)\): (.*); ([\d.]+) s old, (\d+) heartbeats?, "
    r"(?:last good byte ([\d.]+) s ago|(no byte ever came back))(?:, from (\S+))?$",
    re.M,
)
NOT_OPENED = re.compile(r"^connection (\d+) cannot be opened( again)? \((\w+)\): (.*)$", re.M)
OPEN_AGAIN = re.compile(r"^connection (\d+) is open( again)? after ([\d.]+) s, attempt (\d+)(?:, from (\S+))?$", re.M)
COUNTS = re.compile(
    r"^(\d+) connections?, ([\d.]+) s: (\d+) held throughout, (\d+) opened, (\d+) lost, (\d+) open at the end$", re.M
)
BEATS = re.compile(
    r"^(\d+) heartbeats? sent, (\d+) came back, (\d+) failed(?:, (\d+) unfinished \(counted with (?:its|their) age so far\))?, "
    r"(?:every byte of (\d+) compared|no byte came back right)$",
    re.M,
)

CONNECTIONS = pytest.mark.parametrize("n", [1, 100])


class Hold(Process):
    """`tcpecho hold`. Its output is its log."""

    def __init__(self, program, directory, words, number, **more):
        self.log_path = directory / f"hold.{number}"
        with open(self.log_path, "w") as out:
            self.process = subprocess.Popen(
                [program, "hold", *map(str, words)], stdout=out, stderr=subprocess.PIPE, text=True, **more
            )

    def wait_until_open(self):
        self.wait_for_log("^all open after ")
        return self

    def died(self):
        """Returns (connection, cause, why, age, heartbeats, silence, none, from) of each lost connection."""
        return DIED.findall(self.log())

    def wait_for_deaths(self, count):
        wait_until(lambda: len(self.died()) >= count or not self.is_running(), f"{count} deaths")
        return self.died()

    def wait_for_reopened(self, count):
        return self.wait_for_log(" is open again after ", count)

    def finish(self, number=signal.SIGINT):
        """Ends it; returns its status and whole output."""
        if number is not None:
            self.send(number)
        _, self.error = self.process.communicate(timeout=TIMEOUT * 2)
        return self.process.returncode, self.log()


@pytest.fixture
def hold(program, tmp_path):
    """Starts one, as hold("-c", 100, *faulty.words)."""
    numbers = itertools.count()
    started = []

    def start(*words, **more):
        started.append(Hold(program, tmp_path, words, next(numbers), **more))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def first(n, treatment):
    """Applies the treatment to the first n connections once all of them are open, and an echo to later ones."""
    numbers = itertools.count(1)
    all_there = threading.Event()

    def treat(sock):
        number = next(numbers)
        if number == n:
            all_there.set()
        all_there.wait(TIMEOUT)
        (treatment if number <= n else faulty_servers.never_end)(sock)

    return treat


def assert_adds_up(output):
    """Every opened connection is open or lost; every sent byte is back, failed or unfinished. Returns (throughout,
    died)."""
    _, _, throughout, opened, died, is_open = (float(figure) for figure in COUNTS.search(output).groups())
    assert opened == died + is_open
    sent, back, failed, unfinished, _ = (int(figure or 0) for figure in BEATS.search(output).groups())
    assert sent == back + failed + unfinished
    causes = re.findall(r"^lost: (.*)$", output, re.M)
    assert sum(int(count) for count in re.findall(r"\d+", "".join(causes))) == died
    return int(throughout), int(died)


def lives_through(hold, faulty, n, *options):
    """Opens n connections to a faulty server that ends the first n, and waits until all are open again. Returns (deaths,
    output)."""
    held = hold("-c", n, *options, *faulty.words)
    deaths = held.wait_for_deaths(n)
    held.wait_for_reopened(n)
    status, output = held.finish()
    assert held.error == ""
    assert status == 1
    throughout, died = assert_adds_up(output)
    assert (throughout, died) == (0, len(DIED.findall(output)))
    assert sorted(int(death[0]) for death in deaths[:n]) == list(range(1, n + 1))
    return deaths, output


# ---- no connection is lost ----


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:"])
def test_all_are_held_and_beat(serve, hold, tmp_path, address):
    server = serve(f"unix:{tmp_path}/socket" if address == "unix:" else address)
    held = hold("-c", 10, "-i", "50ms", "-d", "400ms", *server_words(server))
    status, output = held.finish(None)
    assert (status, held.error) == (0, "")
    assert output.startswith(f"HOLD {server.addresses[0]}, 10 connections, 64 bytes every 50ms\n")
    assert assert_adds_up(output) == (10, 0)
    _, back, failed, _, verified = (int(figure or 0) for figure in BEATS.search(output).groups())
    assert failed == 0
    assert back * 64 <= verified
    assert back >= 20
    assert re.search(r"^round trip +min/mean/p50/p99/max [\d./]+ us, standard deviation [\d.]+ us$", output, re.M)
    assert not DIED.search(output)


@pytest.mark.parametrize("size", ["1", "1000", "1M"])
def test_heartbeats_of_every_size(server, hold, size):
    held = hold("-c", 3, "-i", "50ms", "-d", "300ms", "-s", size, *server_words(server))
    status, output = held.finish(None)
    assert status == 0
    assert int(BEATS.search(output)[2]) >= 3


def test_one_connection_beats_once_without_an_interval(serve, hold):
    server = serve("127.0.0.1:0")
    held = hold("-i", "off", "-d", "300ms", *server_words(server))
    status, output = held.finish(None)
    assert status == 0
    assert BEATS.search(output).groups()[:2] == ("1", "1")
    assert [(end["in"], end["out"]) for end in server.ends(1)] == [("64", "64")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_it_with_the_report(server, hold, number):
    held = hold("-c", 3, *server_words(server)).wait_until_open()
    status, output = held.finish(number)
    assert status == 0
    assert assert_adds_up(output) == (3, 0)


def test_quit_asks_for_a_line_in_between(server, hold):
    held = hold("-c", 3, *server_words(server)).wait_until_open()
    held.send(signal.SIGQUIT)
    line = held.process.stderr.readline()
    assert re.match(
        r"3 of 3 open, 0 lost, \d+ heartbeats, p50/p99/max [\d./]+ us, oldest good byte [\d.]+ s ago$", line
    )
    assert held.is_running()
    assert held.finish()[0] == 0


def test_json_is_one_document(server, hold):
    held = hold("--json", "-c", 5, "-i", "20ms", "-d", "200ms", *server_words(server))
    status, output = held.finish(None)
    found = json.loads(output)
    assert (status, held.error) == (0, "")
    assert (found["command"], found["mode"], found["target"]) == ("ping", "hold", f"127.0.0.1:{server.port}")
    assert (found["connections"], found["throughout"], found["opened"], found["open"], found["died"]) == (5, 5, 5, 5, 0)
    assert found["heartbeats"] == found["echoes"] + found["unfinished"]
    assert found["echoes"] >= 5
    assert found["verified_bytes"] >= found["echoes"] * found["size"]
    assert (found["interrupted"], found["seconds_wanted"]) == (False, 0.2)
    assert (found["deaths"], found["not_opened"], found["dead"], found["mismatches"]) == ({}, {}, [], 0)
    assert found["shortest_life"] is None and found["longest_life"] > 0
    assert 0 < found["response_us"]["p50"] <= found["response_us"]["max"]
    assert found["histogram"].startswith("HISTFAAA")


# ---- causes of disconnects ----


@CONNECTIONS
def test_a_fin_is_noticed_while_nothing_is_under_way(hold, n):
    """The next heartbeat would be an hour later."""
    with FaultyServer(first(n, faulty_servers.answer_and_end(64, 64))) as faulty:
        deaths, output = lives_through(hold, faulty, n, "-i", "1h")
    assert {(cause, why) for _, cause, why, *_ in deaths} == {("ended", "the server ended the connection")}
    assert f"lost: ended {n}\n" in output
    assert {beats for _, _, _, _, beats, *_ in deaths} == {"1"}
    assert all(silence != "" for *_, silence, _, _ in deaths)


@CONNECTIONS
def test_an_rst_is_noticed_while_nothing_is_under_way(hold, n):
    seen = threading.Event()

    def echo_then_reset(sock):
        sock.sendall(faulty_servers.recv_exactly(sock, 64))
        seen.wait(TIMEOUT)
        reset(sock)

    with FaultyServer(first(n, echo_then_reset)) as faulty:
        held = hold("-c", n, "-i", "1h", *faulty.words).wait_until_open()
        wait_until(lambda: len(faulty.connected) == n, "the connections")
        time.sleep(0.2)  # until the first heartbeats are back
        names = set()
        for sock in faulty.connected:
            names.add("%s:%d" % sock.getpeername())
        seen.set()
        deaths = held.wait_for_deaths(n)
        held.wait_for_reopened(n)
        status, output = held.finish()
    assert status == 1
    assert {(cause, why) for _, cause, why, *_ in deaths} == {("reset", "connection reset by peer")}
    assert {where for *_, where in deaths} == names  # a load balancer knows the server by it too
    assert assert_adds_up(output) == (0, n)


@CONNECTIONS
def test_a_fin_in_the_middle_of_a_heartbeat(hold, n):
    with FaultyServer(first(n, faulty_servers.answer_and_end(12, 64))) as faulty:
        deaths, output = lives_through(hold, faulty, n)
    assert {(cause, why) for _, cause, why, *_ in deaths[:n]} == {
        ("ended", "the server ended the connection: 12 of 64 bytes came back")
    }
    assert {beats for _, _, _, _, beats, *_ in deaths[:n]} == {"0"}
    assert BEATS.search(output)[3] == str(n)


@CONNECTIONS
def test_an_rst_in_the_middle_of_a_heartbeat(hold, n):
    with FaultyServer(first(n, faulty_servers.answer_and_reset(0, 64))) as faulty:
        deaths, output = lives_through(hold, faulty, n)
    assert {(cause, why) for _, cause, why, *_ in deaths[:n]} == {
        ("reset", "connection reset by peer: 0 of 64 bytes came back")
    }
    assert {none for *_, none, _ in deaths[:n]} == {"no byte ever came back"}
    assert f"lost: reset {n}\n" in output


@CONNECTIONS
def test_a_heartbeat_that_does_not_come_back_in_time(hold, n):
    with FaultyServer(first(n, faulty_servers.answer_and_hang(12, 64))) as faulty:
        deaths, output = lives_through(hold, faulty, n, "-W", "4s")
    assert {(cause, why) for _, cause, why, *_ in deaths[:n]} == {
        ("timeout", "no reply within 4s: 12 of 64 bytes came back")
    }
    assert f"lost: timeout {n}" in output


@CONNECTIONS
@pytest.mark.parametrize(
    "treatment, words",
    [
        (faulty_servers.flip_bit(10), "byte 10 differs.*one bit"),
        (faulty_servers.drop_byte(70), "missing"),
        (faulty_servers.repeat_byte(70), "7[01]"),
    ],
    ids=["flipped", "lost", "repeated"],
)
def test_wrong_bytes_are_named(hold, n, treatment, words):
    with FaultyServer(first(n, treatment)) as faulty:
        deaths, output = lives_through(hold, faulty, n, "-s", "200")
    assert {cause for _, cause, *_ in deaths[:n]} == {"wrong"}
    assert all(re.search(words, why) for _, _, why, *_ in deaths[:n])
    assert f"lost: wrong {n}\n" in output
    assert re.search(rf"^\d+ wrong bytes? on {n} connections?$", output, re.M)


@CONNECTIONS
def test_bytes_that_were_never_sent(hold, n):
    def echo_and_more(sock):
        sock.sendall(faulty_servers.recv_exactly(sock, 64))
        time.sleep(0.1)
        sock.sendall(b"and more")
        faulty_servers.recv_all(sock)

    with FaultyServer(first(n, echo_and_more)) as faulty:
        deaths, _ = lives_through(hold, faulty, n, "-i", "1h")
    assert {cause for _, cause, *_ in deaths[:n]} == {"wrong"}
    assert {why for _, _, why, *_ in deaths[:n]} == {'byte 64 was never sent: got "and more"'}


def test_bytes_that_come_before_they_were_sent(hold):
    """The values are right, but the server cannot know them yet: with a fixed seed, a run sends the same bytes
    again."""
    known = []

    def learn(sock):
        known.append(faulty_servers.recv_exactly(sock, 128))
        sock.sendall(known[0])

    def foresee(sock):
        faulty_servers.recv_exactly(sock, 64)
        sock.sendall(known[0])
        faulty_servers.recv_all(sock)

    with FaultyServer(learn) as faulty:
        assert hold("--seed", 1, "-s", 128, "-i", "1h", "-d", "200ms", *faulty.words).finish(None)[0] == 0
    with FaultyServer(first(1, foresee)) as faulty:
        deaths, _ = lives_through(hold, faulty, 1, "--seed", 1, "-i", "1h")
    assert deaths[0][1:3] == ("wrong", deaths[0][2])
    assert "64" in deaths[0][2]


@CONNECTIONS
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_server_that_is_no_echo_is_not_hammered(hold, n, options):
    with FaultyServer(faulty_servers.speak_first(b"220 mail.example.org ESMTP\r\n")) as faulty:
        held = hold("-c", n, *options, *faulty.words)
        status, output = held.finish(None)
        assert len(faulty.connected) <= 3 * n + 2
    assert status == 1
    assert held.error == f"tcpecho: ended early: 127.0.0.1:{faulty.port} is not an echo server\n"
    assert re.search("not an echo server: it (sends first|answers)", output)  # the second text if it was too busy to test


@CONNECTIONS
def test_a_server_that_is_killed_and_comes_back(serve, hold, n):
    server = serve("-e", "epoll", "127.0.0.1:0")
    held = hold("-c", n, "-i", "100ms", *server_words(server)).wait_until_open()
    server.kill()
    deaths = held.wait_for_deaths(n)
    held.wait_for_log(r"cannot be opened again \(refused\): connection refused", n)
    time.sleep(0.5)  # it is tried more than once
    serve("-e", "epoll", f"127.0.0.1:{server.port}")
    held.wait_for_reopened(n)
    status, output = held.finish()
    assert status == 1
    assert {cause for _, cause, *_ in deaths} <= {"reset", "ended"}
    assert assert_adds_up(output) == (0, n)
    assert int(re.search(r"^not opened: refused (\d+)$", output, re.M)[1]) >= n
    assert len(NOT_OPENED.findall(output)) == n  # the first of a series of failures is printed
    again = OPEN_AGAIN.findall(output)
    assert all(int(attempt) >= 2 for _, _, _, attempt, _ in again)


@CONNECTIONS
@pytest.mark.parametrize("engine", ["fork", "epoll"])
def test_a_server_that_drains(serve, hold, n, engine):
    server = serve("-e", engine, "--drain-timeout", "100ms", "127.0.0.1:0")
    held = hold("-c", n, "-i", "1h", *server_words(server)).wait_until_open()
    server.send(signal.SIGTERM)
    deaths = held.wait_for_deaths(n)
    server.wait()
    status, output = held.finish()
    assert status == 1
    assert {(cause, why) for _, cause, why, *_ in deaths} == {("ended", "the server ended the connection")}
    assert assert_adds_up(output) == (0, n)


def test_a_unix_server_that_is_gone(serve, hold, tmp_path):
    server = serve("-e", "epoll", "--drain-timeout", "100ms", f"unix:{tmp_path}/socket")
    held = hold("-c", 3, "-i", "50ms", *server_words(server)).wait_until_open()
    server.send(signal.SIGTERM)
    held.wait_for_deaths(3)
    held.wait_for_log(r"cannot be opened again \(refused\): no such file or directory", 3)
    serve("-e", "epoll", f"unix:{tmp_path}/socket")
    held.wait_for_reopened(3)
    status, output = held.finish()
    assert status == 1
    assert assert_adds_up(output) == (0, 3)


@pytest.fixture
def unix_queue(tmp_path):
    queue = UnixQueue(tmp_path / "queue")
    yield queue
    queue.close()


def test_a_unix_server_whose_queue_is_full_is_waited_for(hold, unix_queue, tmp_path):
    held = hold("-c", 6, "-i", "50ms", f"unix:{tmp_path}/queue")
    time.sleep(0.2)  # meanwhile four of them get EAGAIN
    unix_queue.serve(6)
    held.wait_until_open()
    status, output = held.finish()
    assert status == 0
    assert assert_adds_up(output) == (6, 0)


def test_a_unix_server_whose_queue_stays_full(hold, unix_queue, tmp_path):
    held = hold("-c", 6, "-W", "200ms", "-i", "1h", f"unix:{tmp_path}/queue")
    held.wait_for_log(r"cannot be opened \(timeout\): the server's queue is full", 3)
    status, output = held.finish()
    assert status == 1
    assert_adds_up(output)


def firewall(verdict, port):
    """From here on, traffic to that port in this network namespace gets a verdict."""
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed")
    rule = f"tcp dport {port} {verdict}"
    table = f"table ip firewall {{\nchain in {{\ntype filter hook input priority 0;\n{rule}\n}}\n}}\n"
    subprocess.run(["nft", "-f", "-"], input=table, text=True, check=True)


@CONNECTIONS
@pytest.mark.usefixtures("own_network")
def test_a_network_that_swallows_everything(serve, hold, n):
    """First the timeout ends the wait, then the SYNs get no answer."""
    server = serve("127.0.0.1:0")
    held = hold("-c", n, "-i", "50ms", "-W", "2s", *server_words(server)).wait_until_open()
    firewall("drop", server.port)
    deaths = held.wait_for_deaths(n)
    held.wait_for_log(r"cannot be opened again \(timeout\): connection timed out", n)
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    held.wait_for_reopened(n)
    status, output = held.finish()
    assert status == 1
    assert {cause for _, cause, *_ in deaths} == {"timeout"}
    assert_adds_up(output)


@pytest.mark.parametrize(
    "verdict, cause, words",
    [("drop", "timeout", "connection timed out"), ("reject with icmp host-unreachable", "unreachable", "no route to host")],
    ids=["swallowed", "unreachable"],
)
@CONNECTIONS
@pytest.mark.usefixtures("own_network")
def test_the_kernel_gives_up(serve, hold, n, verdict, cause, words):
    """Without a timeout of the client, the kernel's limit applies (tcp(7), tcp_retries2)."""
    set_sysctl("net.ipv4.tcp_retries2", 3)
    server = serve("127.0.0.1:0")
    held = hold("-c", n, "-i", "50ms", "-W", "off", *server_words(server)).wait_until_open()
    firewall(verdict, server.port)
    deaths = held.wait_for_deaths(n)
    if cause == "unreachable":
        held.wait_for_log(r"cannot be opened again \(unreachable\): no route to host", n)
    status, output = held.finish()
    assert status == 1
    assert {one for _, one, *_ in deaths} == {cause}
    assert all(why.startswith(words) for _, _, why, *_ in deaths)
    assert_adds_up(output)


@pytest.mark.usefixtures("own_network")
@pytest.mark.skipif(shutil.which("ss") is None, reason="ss(8) is not installed")
def test_one_that_is_killed_by_its_own_kernel(serve, hold):
    server = serve("127.0.0.1:0")
    held = hold("-c", 3, "-i", "1h", *server_words(server)).wait_until_open()
    done = subprocess.run(["ss", "-K", "-t", "dport", "=", f":{server.port}"], capture_output=True, text=True)
    if done.returncode != 0 or str(server.port) not in done.stdout:
        pytest.skip("this kernel cannot destroy sockets (INET_DIAG_DESTROY)")
    deaths = held.wait_for_deaths(3)
    held.wait_for_reopened(3)
    held.finish()
    assert {cause for _, cause, *_ in deaths} == {"error"}


# ---- it goes on ----


def test_it_beats_on_the_new_connection(hold):
    with FaultyServer(first(1, faulty_servers.answer_and_end(64, 64))) as faulty:
        held = hold("-i", "20ms", *faulty.words)
        held.wait_for_reopened(1)
        time.sleep(0.2)
        _, output = held.finish()
    assert int(BEATS.search(output)[2]) > 3


def test_some_die_and_others_are_held_throughout(hold):
    with FaultyServer(first(3, faulty_servers.answer_and_end(64, 64))) as faulty:
        held = hold("-c", 10, "-i", "50ms", "--json", *faulty.words)
        wait_until(lambda: len(faulty.connected) == 13, "all to be open again")
        time.sleep(0.3)
        status, output = held.finish()
    found = json.loads(output)
    assert status == 1
    assert (found["throughout"], found["opened"], found["died"], found["open"]) == (7, 13, 3, 10)
    assert found["deaths"] == {"ended": 3}
    assert len(found["dead"]) == 3 and found["dead_left_out"] == 0
    for death in found["dead"]:
        assert (death["cause"], death["what"]) == ("ended", "the server ended the connection")
        assert death["heartbeats"] == 1
        assert death["from"].startswith("127.0.0.1:")
        assert 0 <= death["last_good"] <= death["age"] <= found["longest_life"]
    assert found["shortest_life"] == min(death["age"] for death in found["dead"])
    assert found["heartbeats"] == found["echoes"] + found["lost"] + found["unfinished"]


def test_a_client_that_was_stopped_reports_no_disconnect(serve, hold):
    """More replies than are fetched at once have waited for longer than the timeout, but all arrived in time."""
    n, wait = 400, 3
    server = serve("-e", "epoll", "127.0.0.1:0")
    held = hold("-c", n, "-i", "100ms", "-W", f"{wait}s", *server_words(server)).wait_until_open()
    server.stop_all()
    time.sleep(0.3)  # until all have a heartbeat in flight
    held.send(signal.SIGSTOP)
    wait_until(lambda: proc_state(held.pid) == "T", "it to stop")
    server.continue_all()
    time.sleep(wait)
    held.send(signal.SIGCONT)
    held.send(signal.SIGQUIT)
    held.process.stderr.readline()
    status, output = held.finish()
    assert not DIED.search(output)
    assert status == 0


def test_quiet_is_the_report_alone(hold):
    with FaultyServer(first(1, faulty_servers.answer_and_end(64, 64))) as faulty:
        held = hold("-q", *faulty.words)
        wait_until(lambda: len(faulty.connected) == 2, "it to be open again")
        time.sleep(0.2)
        status, output = held.finish()
    assert status == 1
    assert output.startswith("--- 127.0.0.1:")
    assert assert_adds_up(output) == (0, 1)


def test_timestamps_are_seconds_since_1970(hold):
    begin = time.time()
    with FaultyServer(first(1, faulty_servers.answer_and_end(64, 64))) as faulty:
        held = hold("-D", *faulty.words)
        (line,) = held.wait_for_log(r"lost \(ended\)")
        held.finish()
    stamp = float(re.match(r"\[(\d+\.\d{6})\] connection 1 lost", line)[1])
    assert begin <= stamp <= time.time()


def test_it_keeps_no_descriptor_of_the_dead(hold):
    with FaultyServer(faulty_servers.answer_and_end(64, 64)) as faulty:
        held = hold("-c", 10, *faulty.words)
        held.wait_for_deaths(40)
        assert len(os.listdir(f"/proc/{held.pid}/fd")) < 24
        held.finish()


def test_a_connection_costs_little_memory(serve, hold, sanitized):
    """Our memory, not the kernel's: the difference between 5,000 connections and one."""
    if sanitized:
        pytest.skip("with a sanitizer memory is not the program's own")
    server = serve("-e", "epoll", "-m", "6000", "127.0.0.1:0")
    one = hold("-i", "1h", *server_words(server)).wait_until_open()
    many = hold("-c", 5000, "-i", "1h", *server_words(server)).wait_until_open()
    time.sleep(0.5)
    more = (own_memory_kib(many.pid) - own_memory_kib(one.pid)) * 1024
    assert more / 4999 <= 512
    assert many.finish()[0] == 0
    assert one.finish()[0] == 0


# ---- it cannot ----


def test_no_listener_is_status_3(hold):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    held = hold("-c", 5, "127.0.0.1", port)
    assert held.finish(None) == (3, "")
    assert "connection refused (is a server listening there?)" in held.error


def test_one_that_cannot_be_opened_is_status_1(hold):
    """The server's queue has room for a few connections, and the SYNs of the others get no answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=2) as full:
        held = hold("-c", 8, "-W", "300ms", "-i", "off", *map(str, full.getsockname()))
        held.wait_for_log(r"cannot be opened \(timeout\): connection timed out")
        status, output = held.finish()
    assert status == 1
    assert_adds_up(output)
    assert "not opened: timeout" in output


def test_too_few_descriptors_are_reported_at_once(server, hold):
    held = hold(
        "-c", 100, *server_words(server), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    )
    assert held.finish(None)[0] == 4
    assert "cannot open 100 connections: the limit is 64 descriptors (ulimit -n)" in held.error


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["hold", "-c", "100001"], "--connections 100001: out of range, from 1 to 100000"),
        (["hold", "--spin"], "option --spin does not apply to hold (see 'tcpecho hold --help')"),
        (["hold", "--metrics", "nonsense"], "--metrics nonsense: not an address"),
        (["ping", "--hold", "-c", "100001"], "--count: --hold has at most 100000 connections"),
        (["ping", "--hold", "--spin"], "--hold and --spin exclude each other"),
        (["ping", "--hold", "--connect-each"], "--hold and --connect-each exclude each other"),
        (["ping", "--hold", "--metrics", "nonsense"], "--metrics nonsense: not an address"),
        (["ping", "-d", "1s"], "--duration needs --hold"),
        (["ping", "--metrics", ":0"], "--metrics needs --hold"),
    ],
)
def test_bad_words_are_named(program, words, sentence):
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr


def test_output_that_is_not_read_is_status_4(server, program):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [program, "hold", "-d", "100ms", *server_words(server)],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
    assert done.returncode == 4
    assert "cannot write" in done.stderr


# ---- the alias `ping --hold` ----


def document(program, *words, **env):
    """Returns the JSON document of a run, without what differs from run to run."""
    done = subprocess.run(
        [program, *map(str, words), "--json"], env={**os.environ, **env}, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_ping_hold_is_the_same_command(server, program):
    words = ["-c", 3, "-i", "50ms", "-s", 100, "-W", "9s", "-d", "300ms", "--seed", 7, *server_words(server)]
    found = [document(program, *command, *words) for command in (["hold"], ["ping", "--hold"])]
    assert found[0].keys() == found[1].keys()
    for name in ("command", "mode", "target", "connections", "size", "seed", "interval", "seconds_wanted", "opened"):
        assert found[0][name] == found[1][name], name


def test_ping_hold_ends_at_the_deadline(server, program):
    assert document(program, "ping", "--hold", "-w", "200ms", *server_words(server))["seconds_wanted"] == 0.2


def test_options_of_hold_come_from_the_environment(server, program):
    env = {"TCPECHO_HOLD_CONNECTIONS": "2", "TCPECHO_HOLD_DURATION": "200ms", "TCPECHO_PING_SIZE": "5"}
    found = document(program, "hold", *server_words(server), **env)
    assert (found["connections"], found["seconds_wanted"], found["size"]) == (2, 0.2, 64)


def test_the_alias_reads_the_variables_of_ping_before_those_of_hold(server, program):
    env = {
        "TCPECHO_PING_HOLD": "1",
        "TCPECHO_PING_COUNT": "3",
        "TCPECHO_PING_SEED": "5",
        "TCPECHO_HOLD_SEED": "6",
        "TCPECHO_HOLD_SIZE": "7",
        "TCPECHO_HOLD_DURATION": "200ms",
    }
    found = document(program, "ping", "-c", 2, *server_words(server), **env)
    assert [found[name] for name in ("mode", "connections", "seed", "size")] == ["hold", 2, 5, 7]
