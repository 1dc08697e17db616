# SPDX-License-Identifier: MIT
"""`tcpecho ping`: a line for each message, correct times, a name for each failure."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import faulty_servers
from faulty_servers import FaultyServer, FullListener
from harness import TIMEOUT, server_words, wait_until
from running import running

LINE = re.compile(r"^(\d+) bytes? from (\S+): seq=(\d+)(?: connect=([\d.]+) us)? time=([\d.]+) us$")
COUNTS = re.compile(
    r"^(\d+) sent, (\d+) came back, (\d+) failed(?: \([\d.]+ % loss\))?(?:, \d+ unfinished \([\w ]+\))?, ([\d.]+) s, "
    r"(?:every byte of (\d+) compared|no byte came back right)$",
    re.M,
)
TIMES = re.compile(r"^round trip +min/mean/p50/p99/max ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) us(?:, .*)?$", re.M)


@pytest.fixture
def ping(program):
    """Runs it and returns (status, output, error text)."""

    def run(*arguments, within=TIMEOUT * 4, **more):
        words = [str(word) for word in arguments]
        done = subprocess.run([program, "ping", *words], capture_output=True, text=True, timeout=within, **more)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def start(program):
    """Starts a command that a signal will end."""
    with running(program, "ping") as run:
        yield run


def lines_of(output):
    return [match for line in output.splitlines() if (match := LINE.match(line))]


def failed_lines(output):
    return re.findall(r"^seq=(\d+): (.*)$", output, re.M)


def pinged(ping, treatment, *options):
    """Sends two messages to a faulty server and returns (status, output)."""
    with FaultyServer(treatment) as faulty:
        status, output, error = ping("-c", 2, "-i", 0, *options, *faulty.words)
    assert error == ""
    return status, output


# ---- an echo ----


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:"])
def test_each_message_has_its_line(serve, ping, tmp_path, address):
    server = serve(f"unix:{tmp_path}/socket" if address == "unix:" else address)
    status, output, error = ping("-c", 3, "-i", "10ms", *server_words(server))
    assert (status, error) == (0, "")
    lines = lines_of(output)
    assert [int(line[3]) for line in lines] == [1, 2, 3]
    assert {int(line[1]) for line in lines} == {64}
    assert COUNTS.search(output).groups()[:3] == ("3", "3", "0")
    assert COUNTS.search(output)[5] == str(3 * 64)
    assert ("kernel RTT" in output) == (address != "unix:")  # the kernel has no TCP_INFO for a unix socket


@pytest.mark.parametrize("size", ["1", "1000", "64k", "1M", "16M"])
def test_messages_of_every_size_come_back(server, ping, size):
    """Including messages larger than the connection's buffers: they are received while they are sent."""
    status, output, _ = ping("-c", 2, "-i", 0, "-s", size, *server_words(server))
    assert status == 0
    assert len(lines_of(output)) == 2


def test_the_figures_are_those_of_the_lines(server, ping):
    _, output, _ = ping("-c", 20, "-i", 0, *server_words(server))
    times = sorted(float(line[5]) for line in lines_of(output))
    least, mean, p50, p99, most = (float(figure) for figure in TIMES.search(output).groups())
    assert (least, most) == (times[0], times[-1])
    assert p99 == times[-1]
    assert mean == pytest.approx(sum(times) / len(times), abs=0.2)
    # Both are rounded to a tenth, and the bucket of the percentile is up to 0.1 % wide.
    assert abs(p50 - times[9]) <= 0.1 + 0.002 * times[9]


def test_the_interval_is_kept(server, ping):
    begin = time.monotonic()
    status, output, _ = ping("-c", 5, "-i", "50ms", *server_words(server))
    assert status == 0
    assert time.monotonic() - begin >= 4 * 0.05
    assert float(COUNTS.search(output)[4]) >= 4 * 0.05


def test_quiet_is_the_summary_alone(server, ping):
    _, output, _ = ping("-q", "-c", 2, "-i", 0, *server_words(server))
    assert output.startswith("--- 127.0.0.1:")
    assert COUNTS.search(output)


def test_timestamps_are_seconds_since_1970(server, ping):
    begin = time.time()
    _, output, _ = ping("-D", "-c", 1, *server_words(server))
    (stamp,) = re.findall(r"^\[(\d+\.\d{6})\] 64 bytes from", output, re.M)
    assert begin <= float(stamp) <= time.time()


@pytest.mark.parametrize("spin", [[], ["--spin"]], ids=["asleep", "awake"])
def test_json_is_one_document_with_what_was_counted(server, ping, spin):
    status, output, error = ping("--json", "-c", 5, "-i", 0, "-s", 100, *spin, *server_words(server))
    found = json.loads(output)
    assert (status, error) == (0, "")
    assert found["command"] == "ping"
    assert found["target"] == f"127.0.0.1:{server.port}"
    assert (found["sent"], found["echoes"], found["connections"], found["size"]) == (5, 5, 1, 100)
    assert (found["bytes"], found["verified_bytes"], found["missing_bytes"], found["mismatches"]) == (500, 500, 0, 0)
    assert found["errors"] == {}
    times = found["response_us"]
    assert 0 < times["min"] <= times["p50"] <= times["p99"] <= times["max"]
    assert found["kernel_us"]["retransmits"] >= 0
    assert found["histogram"].startswith("HISTFAAA")


def test_a_connection_for_each_message(serve, ping):
    server = serve("127.0.0.1:0")
    status, output, _ = ping("--connect-each", "-c", 4, "-i", 0, *server_words(server))
    assert status == 0
    assert all(float(line[4]) > 0 for line in lines_of(output))
    assert re.search("^connect time +min/mean/p50/p99/max ", output, re.M)
    assert [(end["in"], end["out"], end["reason"]) for end in server.ends(4)] == [("64", "64", "eof")] * 4


# ---- signals ----


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_it_with_the_summary(server, start, number):
    process = start("-i", "10ms", *server_words(server))
    for _ in range(4):
        process.stdout.readline()
    process.send_signal(number)
    output, error = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, error) == (0, "")
    assert COUNTS.search(output)


def test_quit_asks_for_a_line_in_between(server, start):
    process = start("-i", "10ms", *server_words(server))
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(signal.SIGQUIT)
    assert re.match(r"\d+/\d+ came back, p50/p99/max [\d./]+ us$", process.stderr.readline().strip())
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0


# ---- what goes wrong ----


def test_a_flipped_bit_is_named(ping):
    status, output = pinged(ping, faulty_servers.flip_bit(10))
    assert status == 1
    assert len(failed_lines(output)) == 2  # one per connection
    assert all("byte 10" in words and "one bit" in words for _, words in failed_lines(output))
    assert "failures: mismatch 2" in output


def test_a_byte_that_is_lost_is_named(ping):
    status, output = pinged(ping, faulty_servers.drop_byte(70), "-s", "200")
    assert status == 1
    assert all("missing" in words and "70" in words for _, words in failed_lines(output))


def test_a_byte_that_comes_twice_is_named(ping):
    status, output = pinged(ping, faulty_servers.repeat_byte(70), "-s", "200")
    assert status == 1
    assert all("71" in words or "70" in words for _, words in failed_lines(output))


def test_a_server_that_ends_early(ping):
    status, output = pinged(ping, faulty_servers.answer_and_end(12, 64))
    assert status == 1
    assert failed_lines(output) == [
        (str(seq), "the server ended the connection: 12 of 64 bytes came back") for seq in (1, 2)
    ]
    assert "failures: ended 2" in output


def test_a_server_that_resets(ping):
    status, output = pinged(ping, faulty_servers.answer_and_reset(0, 64))
    assert status == 1
    assert {words for _, words in failed_lines(output)} == {"connection reset by peer: 0 of 64 bytes came back"}
    assert "failures: ECONNRESET 2" in output


def test_a_server_that_never_answers(ping):
    status, output = pinged(ping, faulty_servers.never_reply, "-W", "100ms")
    assert status == 1
    assert failed_lines(output)[0] == ("1", "no reply within 100ms: 0 of 64 bytes came back")
    assert "failures: no_reply 2" in output


def test_a_message_that_trickles_back_has_its_time_and_no_more(ping):
    status, output = pinged(ping, faulty_servers.drip(0.05), "-W", "500ms")
    assert status == 1
    assert all(words.startswith("no reply within 500ms: ") for _, words in failed_lines(output))
    assert "failures: no_reply 2" in output


def test_a_signal_is_handled_while_a_message_comes_back_slowly(start):
    with FaultyServer(faulty_servers.drip(0.05)) as faulty:
        process = start("-s", 10000, "-W", "1h", *faulty.words)
        wait_until(lambda: faulty.connected, "the connection")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1  # no echo at all
    assert COUNTS.search(output).groups()[:3] == ("1", "0", "0")


def test_it_goes_on_after_a_failure_on_a_new_connection(ping):
    treatments = [faulty_servers.answer_and_end(64, 64), faulty_servers.answer_and_reset(0, 64), faulty_servers.never_end]
    with FaultyServer(lambda sock: treatments.pop(0)(sock)) as faulty:
        status, output, _ = ping("-c", 5, "-i", "20ms", *faulty.words)
    assert status == 1
    assert COUNTS.search(output)[1] >= "3"
    assert [int(line[3]) for line in lines_of(output)][-1] == 5


def test_an_end_while_nothing_is_in_flight_is_reported_at_once(ping):
    with FaultyServer(faulty_servers.answer_and_end(64, 64)) as faulty:
        status, output, _ = ping("-c", 2, "-i", "200ms", *faulty.words)
    assert status == 1
    assert "\nbetween two messages: the server ended the connection\n" in output
    assert "\nconnection errors: ended " in output


@pytest.mark.parametrize(
    "treatment, words",
    [
        (faulty_servers.speak_first(b"220 mail.example.org ESMTP\r\n"), "first"),
        (faulty_servers.echo_through(lambda offset, piece: (b"hello " if offset == 0 else b"") + piece), "hello "),
        (faulty_servers.answer_after(64), None),
    ],
    ids=["banner", "prefix", "echo"],
)
def test_an_endpoint_that_is_no_echo_is_named_as_such(ping, treatment, words):
    with FaultyServer(treatment) as faulty:
        time.sleep(0.05)
        status, output, _ = ping("-c", 1, *faulty.words)
    assert status == (0 if words is None else 1)
    assert words is None or words in failed_lines(output)[0][1]


def test_no_listener_is_status_3(ping):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    status, output, error = ping("-c", 1, "127.0.0.1", port)
    assert (status, output) == (3, "")
    assert error == f"tcpecho: cannot connect to 127.0.0.1 port {port}: connection refused (is a server listening there?)\n"


def test_a_host_that_does_not_answer_is_status_3_in_time(ping):
    with FullListener() as full:
        status, _, error = ping("-c", 1, "-W", "200ms", "127.0.0.1", full.port)
    assert status == 3
    assert "timed out" in error


def test_a_server_that_goes_away_is_named_each_time(serve, start):
    server = serve("127.0.0.1:0")
    process = start("-i", "20ms", "-c", 20, *server_words(server))
    process.stdout.readline()
    process.stdout.readline()
    server.end(signal.SIGKILL)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert "ECONNREFUSED" in output
    assert any("cannot connect: connection refused" in words for _, words in failed_lines(output))


# ---- bad input ----


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["-s", "0"], "--size 0: out of range, from 1 to 16777216"),
        (["-s", "17M"], "--size 17M: out of range, from 1 to 16777216"),
        (["-s", "many"], "--size many: not a size (write 64, 4k or 1M)"),
        (["-c", "0"], "--count 0: out of range"),
        (["-i", "soon"], "--interval soon: not a time (write 250ms, 10s, 2m or off)"),
        (["a", "1", "b"], "b: too many operands (write HOST [PORT])"),
        (["9877"], "9877: a port needs a host (write 'tcpecho ping localhost 9877')"),
    ],
)
def test_bad_words_are_named(ping, words, sentence):
    status, output, error = ping(*words)
    assert (status, output) == (2, "")
    assert sentence in error


def test_output_that_is_not_read_is_status_4(server, program):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [program, "ping", "-c", "1", *server_words(server)], stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=TIMEOUT, check=False,
        )
    assert done.returncode == 4
    assert "cannot write" in done.stderr


def test_it_keeps_no_descriptor_of_connections_that_failed(start):
    with FaultyServer(faulty_servers.answer_and_reset(0, 64)) as faulty:
        process = start("-i", "5ms", "-c", 50, *faulty.words)
        wait_until(lambda: len(faulty.connected) > 20, "connections")
        assert len(os.listdir(f"/proc/{process.pid}/fd")) < 10
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
