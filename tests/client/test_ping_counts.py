# SPDX-License-Identifier: MIT
"""The counts of ping add up however it ends: sent = came back + failed + unfinished, in text and JSON."""
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import faulty_servers
from faulty_servers import FaultyServer, FullListener
from harness import TIMEOUT, recv_exactly, server_words, wait_until
from running import running
from signalling import stopped

COUNTS = re.compile(
    r"^(\d+) sent, (\d+) came back, (\d+) failed(?: \(([\d.]+) % loss\))?"
    r"(?:, (\d+) unfinished \(counted with (?:its|their) age so far\))?, ([\d.]+) s, "
    r"(?:every byte of (\d+) compared|no byte came back right)$",
    re.M,
)

ENDINGS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "deadline": None}
MODES = {
    "plain": [],
    "spin": ["--spin"],
    "connect-each": ["--connect-each"],
    "flood": ["-i", "0"],
}


@pytest.fixture
def start(program):
    with running(program, "ping") as run:
        yield run


def finish(process):
    """(status, document) of one that was started with --json."""
    output, error = process.communicate(timeout=TIMEOUT)
    assert output, error
    found = json.loads(output)
    assert found["sent"] == found["echoes"] + found["failed"] + found["unfinished"]
    assert found["failed"] == sum(found["errors"].values())
    return process.returncode, found


def echo_then_mute(n):
    """Echoes n messages of 64 bytes on a connection and is silent after that."""

    def treat(sock):
        for _ in range(n):
            sock.sendall(recv_exactly(sock, 64))
        faulty_servers.recv_all(sock)

    return treat


# ---- under way at the end ----


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("mode", MODES)
def test_a_message_under_way_is_unfinished_and_counts_with_its_age(start, mode, ending):
    deadline = ["-w", "600ms"] if ENDINGS[ending] is None else []
    with FaultyServer(faulty_servers.never_reply) as faulty:
        process = start("--json", "-W", "1h", *MODES[mode], *deadline, *faulty.words)
        if ENDINGS[ending] is not None:
            wait_until(lambda: faulty.connected, "the connection")
            time.sleep(0.5)
            process.send_signal(ENDINGS[ending])
        status, found = finish(process)
    assert status == 1  # no echo at all
    assert (found["sent"], found["echoes"], found["unfinished"]) == (1, 0, 1)
    assert found["response_us"]["max"] >= 400e3
    assert found["interrupted"] is False  # neither a count nor a signal ended it early


@pytest.mark.parametrize("ending", ENDINGS)
def test_echoes_before_a_stall_make_it_a_success(start, ending):
    deadline = ["-w", "1s"] if ENDINGS[ending] is None else []
    with FaultyServer(echo_then_mute(3)) as faulty:
        process = start("--json", "-i", "1ms", "-W", "1h", *deadline, *faulty.words)
        if ENDINGS[ending] is not None:
            wait_until(lambda: faulty.connected, "the connection")
            time.sleep(0.7)
            process.send_signal(ENDINGS[ending])
        status, found = finish(process)
    assert status == 0
    assert (found["sent"], found["echoes"], found["unfinished"]) == (4, 3, 1)
    assert found["series"] and sum(item["unfinished"] for item in found["series"]) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_message_older_than_its_wait_has_failed(start, mode):
    with FaultyServer(faulty_servers.never_reply) as faulty:
        process = start("--json", "-W", "300ms", "-w", "1s", *MODES[mode], *faulty.words)
        status, found = finish(process)
    assert status == 1
    assert found["errors"]["no_reply"] == found["failed"] >= 1
    assert found["unfinished"] <= 1


@pytest.mark.parametrize("mode", MODES)
def test_the_time_in_which_it_was_stopped_is_no_wait(start, mode):
    """The timeout passes while the process is stopped, and a signal then ends it before it can read."""
    with FaultyServer(faulty_servers.never_reply) as faulty:
        process = start("--json", "-W", "2s", "-w", "1h", *MODES[mode], *faulty.words)
        wait_until(lambda: faulty.connected, "the connection")
        time.sleep(0.3)
        with stopped(process.pid):
            process.send_signal(signal.SIGTERM)
            time.sleep(2.2)
        status, found = finish(process)
    assert status == 1
    assert (found["sent"], found["failed"], found["unfinished"]) == (1, 0, 1)
    assert found["response_us"]["max"] >= 2.2e6
    assert found["interrupted"] is True


@pytest.mark.parametrize("mode", MODES)
def test_a_reply_that_has_come_is_no_failure(start, server, mode):
    """It came while the process was stopped, together with the signal that ends the process."""
    process = start("--json", "-i", "300ms", *MODES[mode], *server_words(server))
    wait_until(lambda: server.totals()["out"] > 0, "an echo")
    with stopped(process.pid):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    status, found = finish(process)
    assert status == 0
    assert (found["failed"], found["unfinished"]) == (0, 0)


def test_connecting_again_under_way_is_unfinished(start):
    """The message counts from the connection attempt, although the connection is not open yet."""
    with FullListener() as full:
        process = start("--json", "-i", "10ms", "-W", "1h", "127.0.0.1", full.port)
        sock = full.accept()
        sock.sendall(recv_exactly(sock, 64))
        blocked = [socket.socket() for _ in range(3)]
        for one in blocked:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", full.port))
        sock.close()
        time.sleep(0.8)
        process.send_signal(signal.SIGINT)
        status, found = finish(process)
        for one in blocked:
            one.close()
    assert status == 1
    assert (found["sent"], found["echoes"]) == (2, 1)
    assert found["failed"] + found["unfinished"] == 1


# ---- connections without a message ----


def test_the_end_of_an_idle_connection_is_no_message(start):
    with FaultyServer(faulty_servers.answer_and_end(64, 64)) as faulty:
        process = start("--json", "-c", 3, "-i", "300ms", *faulty.words)
        status, found = finish(process)
    assert status == 1
    assert (found["sent"], found["echoes"], found["failed"]) == (3, 3, 0)
    assert found["connection_errors"]["ended"] >= 2


def test_what_comes_behind_an_echo_is_no_message(start):
    def treat(sock):
        sock.sendall(recv_exactly(sock, 64))
        time.sleep(0.1)
        sock.sendall(b"and more")
        faulty_servers.recv_all(sock)

    with FaultyServer(treat) as faulty:
        status, found = finish(start("--json", "-c", 2, "-i", "500ms", *faulty.words))
    assert status == 1
    assert (found["sent"], found["echoes"]) == (2, 2)
    assert found["mismatches"] >= 1 and found["wrong_bytes"] >= 8
    assert found["connection_errors"]["mismatch"] >= 1


def test_a_message_without_a_connection_was_sent_and_failed(start, serve):
    server = serve("127.0.0.1:0")
    process = start("--json", "-i", "20ms", "-c", 10, *server_words(server))
    wait_until(lambda: server.totals()["out"] > 0, "an echo")
    server.end(signal.SIGKILL)
    status, found = finish(process)
    assert status == 1
    assert found["sent"] == 10
    assert found["errors"]["ECONNREFUSED"] >= 1


@pytest.mark.parametrize("n_wrong", [1, 5])
def test_wrong_bytes_are_counted_as_bytes(start, n_wrong):
    def change(offset, piece):
        return bytes(byte ^ 0x10 if offset + i in range(10, 10 + n_wrong) else byte for i, byte in enumerate(piece))

    with FaultyServer(faulty_servers.echo_through(change)) as faulty:
        status, found = finish(start("--json", "-c", 2, "-i", 0, *faulty.words))
    assert status == 1
    assert (found["mismatches"], found["wrong_bytes"]) == (2, 2 * n_wrong)


# ---- requested ends ----


@pytest.mark.parametrize("words, is_interrupted", [([], False), (["-c", 1000], True), (["-w", "1h"], True)],
                         ids=["no limit", "count", "deadline"])  # fmt: skip
def test_it_is_interrupted_if_a_limit_was_not_reached(start, server, words, is_interrupted):
    process = start("--json", "-i", "10ms", *words, *server_words(server))
    wait_until(lambda: server.totals()["out"] > 0, "an echo")
    process.send_signal(signal.SIGINT)
    status, found = finish(process)
    assert status == 0
    assert found["interrupted"] is is_interrupted
    assert found["seconds_wanted"] == (3600 if "-w" in words else None)


def test_a_deadline_ends_it_in_time(start, server):
    status, found = finish(start("--json", "-i", "7ms", "-w", "500ms", *server_words(server)))
    assert status == 0
    assert found["seconds"] >= 0.5
    assert (found["interrupted"], found["seconds_wanted"]) == (False, 0.5)
    assert found["sent"] > 1


def test_fewer_messages_than_asked_for_at_the_deadline_are_status_1(start, server):
    status, found = finish(start("--json", "-i", "100ms", "-c", 1000, "-w", "300ms", *server_words(server)))
    assert status == 1
    assert found["failed"] == 0


@pytest.mark.parametrize("n", [1, 2])
def test_the_deadline_is_named_where_it_cuts_the_count_short(start, n):
    """Exactly n messages come back or fail while the next one is in flight: no count shows why the status is 1."""
    with FaultyServer(echo_then_mute(n)) as faulty:
        process = start("-c", n + 2, "-i", 0, "-w", "700ms", "-W", "1h", *faulty.words)
        output, error = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert error == f"tcpecho: deadline of 700ms reached after {n} of {n + 2} messages\n"
    assert COUNTS.search(output).groups()[:4] == (str(n + 1), str(n), "0", "0")


def test_bare_seconds_are_a_deadline_as_with_ping(start, server):
    status, found = finish(start("--json", "-i", "100ms", "-w", 1, *server_words(server)))
    assert (status, found["seconds_wanted"]) == (0, 1)


# ---- text ----


def texts(process):
    output, _ = process.communicate(timeout=TIMEOUT)
    return output, COUNTS.search(output).groups()


def test_loss_is_shown_in_per_cent(start):
    treatments = [faulty_servers.answer_and_reset(0, 64)] + [faulty_servers.never_end] * 9
    with FaultyServer(lambda sock: treatments.pop(0)(sock)) as faulty:
        output, counts = texts(start("-c", 8, "-i", 0, *faulty.words))
    assert counts[:4] == ("8", "7", "1", "12.5")
    assert "failures: ECONNRESET 1" in output


def test_unfinished_messages_are_no_loss(start):
    with FaultyServer(echo_then_mute(1)) as faulty:
        output, counts = texts(start("-i", 0, "-w", "300ms", *faulty.words))
    assert counts[:5] == ("2", "1", "0", "0", "1")


def test_the_standard_deviation_is_that_of_the_lines(start, server):
    output, _ = start("-c", 30, "-i", 0, *server_words(server)).communicate(timeout=TIMEOUT)
    times = [float(line) for line in re.findall(r"time=([\d.]+) us$", output, re.M)]
    mean = sum(times) / len(times)
    deviation = (sum((one - mean) ** 2 for one in times) / len(times)) ** 0.5
    said = float(re.search(r"^round trip .* us, standard deviation ([\d.]+) us$", output, re.M)[1])
    assert said == pytest.approx(deviation, abs=0.2)


# ---- the kernel's view ----


@pytest.mark.usefixtures("own_network")
def test_segments_sent_again_are_those_of_all_connections(start):
    """The first connection loses segments and then ends; the second loses none."""
    nft = shutil.which("nft") or pytest.skip("needs nft")
    lost = threading.Event()

    def lose_and_end(sock):
        sock.sendall(recv_exactly(sock, 64))
        lost.set()
        sock.sendall(recv_exactly(sock, 64))
        sock.close()

    treatments = [lose_and_end, faulty_servers.never_end]
    with FaultyServer(lambda sock: treatments.pop(0)(sock)) as faulty:
        process = start("--json", "-i", "100ms", *faulty.words)
        lost.wait(TIMEOUT)
        rule = f"table ip loss {{ chain in {{ type filter hook input priority 0; tcp dport {faulty.port} drop; }}; }}"
        subprocess.run([nft, "-f", "-"], input=rule, text=True, check=True)
        time.sleep(0.5)  # until a message has been lost
        subprocess.run([nft, "flush", "ruleset"], check=True)
        wait_until(lambda: len(faulty.connected) == 2, "the second connection")
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, found = finish(process)
    assert found["kernel_us"]["retransmits"] >= 1


# ---- no echo server ----


@pytest.mark.parametrize(
    "treatment, words",
    [
        (faulty_servers.speak_first(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "it sends first"),
        (faulty_servers.echo_through(lambda offset, piece: b"HTTP/1.1 400 Bad Request\r\n\r\n"), "HTTP"),
        (faulty_servers.echo_through(lambda offset, piece: b"\x15\x03\x01\x00\x02\x02\x46"), "TLS"),
        (faulty_servers.echo_through(lambda offset, piece: b"-ERR unknown command\r\n"), "-ERR"),
        (faulty_servers.echo_through(lambda offset, piece: piece.swapcase()), "upper and lower case"),
    ],
    ids=["ssh", "http", "tls", "redis", "case"],
)
def test_a_server_that_is_no_echo_is_not_hammered(start, treatment, words):
    with FaultyServer(treatment) as faulty:
        process = start("-i", 0, *faulty.words)
        output, error = process.communicate(timeout=TIMEOUT)
        time.sleep(0.1)
        assert len(faulty.connected) <= 2  # one connection to test whether the server sends first
    assert process.returncode == 1
    assert words in output
    assert error == f"tcpecho: ended early: 127.0.0.1:{faulty.port} is not an echo server\n"
    assert COUNTS.search(output).groups()[:3] == ("1", "0", "1")


def test_an_echo_that_makes_mistakes_is_tried_again(start):
    with FaultyServer(faulty_servers.flip_bit(10)) as faulty:
        output, counts = texts(start("-c", 3, "-i", 0, *faulty.words))
    assert counts[:3] == ("3", "0", "3")


# ---- a byte that was never sent ----


@pytest.mark.parametrize("command", [["ping", "-c", "3", "-i", "50ms"], ["ping", "--hold", "-d", "300ms", "-i", "50ms"],
                                     ["bench", "-c", "1", "-d", "300ms", "--warmup", "0", "-r", "20"]],
                         ids=["ping", "hold", "bench"])  # fmt: skip
def test_a_byte_behind_a_whole_message_fails_the_connection_only(program, command):
    """The byte comes together with the last bytes of the second message: both messages came back."""

    def treat(sock):
        sock.sendall(recv_exactly(sock, 64))
        sock.sendall(recv_exactly(sock, 64) + b"X")
        faulty_servers.recv_all(sock)

    with FaultyServer(treat) as faulty:
        words = [program, *command, "--json", "-W", "1h", *faulty.words]
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT)
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert (found["failed"], found["unfinished"]) == (0, 0)
    assert found["echoes"] == found.get("sent", found.get("heartbeats")) > 0
    assert found["wrong_bytes"] == found["mismatches"] >= 1
    if "connection_errors" in found:
        assert found["connection_errors"] == {"mismatch": found["mismatches"]}
