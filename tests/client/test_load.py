# SPDX-License-Identifier: MIT
"""`tcpecho bench`: every message is counted once, every byte compared, and each failure has a name."""
import contextlib
import itertools
import json
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
from faulty_servers import FaultyServer, FullListener, UnixQueue, drop_segments_from
from harness import TIMEOUT, recv_exactly, server_words, sockets_of, wait_until
from running import running
from signalling import stopped
from terminal import Terminal

SHORT = ("-d", "200ms", "--warmup", "50ms")


class Bench:
    """A finished run: .status, .error, and the JSON fields as attributes."""

    def __init__(self, done):
        self.status, self.output, self.error = done.returncode, done.stdout, done.stderr
        self.found = json.loads(self.output) if self.output.startswith("{") else {}

    def __getattr__(self, name):
        return self.found[name]


@pytest.fixture
def bench(program):
    """Runs it, with --json unless text=True."""

    def run(*arguments, text=False, within=TIMEOUT * 4, **more):
        words = [str(word) for word in arguments]
        command = [program, "bench", *([] if text else ["--json"]), *words]
        return Bench(subprocess.run(command, capture_output=True, text=True, timeout=within, check=False, **more))

    return run


@pytest.fixture
def start(program):
    with running(program, "bench", "--json") as run:
        yield run


def is_clean(run):
    """The run has no missing bytes, mismatches or failures, and the counts add up."""
    assert (run.status, run.error) == (0, "")
    assert run.errors == {}
    assert run.echoes == run.sent > 0
    assert run.bytes == run.verified_bytes == run.echoes * run.size
    assert (run.missing_bytes, run.mismatches) == (0, 0)
    times = run.response_us
    assert 0 < times["min"] <= times["p50"] <= times["p90"] <= times["p99"] <= times["max"]
    return True


# ---- an echo ----


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:"])
@pytest.mark.parametrize("engine", ["fork", "epoll"])
def test_every_message_is_counted_and_compared(serve, bench, tmp_path, address, engine):
    server = serve(f"unix:{tmp_path}/socket" if address == "unix:" else address, engine=engine)
    run = bench(*SHORT, "-c", 10, *server_words(server))
    assert is_clean(run)
    assert (run.command, run.mode, run.connections, run.size) == ("bench", "closed", 10, 64)
    assert run.rate == pytest.approx(run.echoes / run.seconds, rel=1e-6)


@pytest.mark.parametrize("size", ["1", "1000", "64k", "1M"])
@pytest.mark.parametrize("depth", [1, 7])
def test_messages_of_every_size_and_depth(serve, bench, size, depth):
    server = serve("127.0.0.1:0", engine="epoll")
    assert is_clean(bench(*SHORT, "-c", 3, "-s", size, "-p", depth, *server_words(server)))


def test_in_a_closed_loop_a_message_is_due_when_it_is_sent(serve, bench):
    done = bench(*SHORT, "-c", 3, "-w", 2, *server_words(serve("127.0.0.1:0", engine="epoll")))
    assert done.echoes > 0
    assert done.service_us == done.response_us
    assert done.service_histogram == done.histogram
    assert [second["service"] for second in done.series] == [second["response"] for second in done.series]


def test_a_run_of_which_nothing_came_back_has_the_seconds_that_were_asked_for(bench):
    run = against(bench, faulty_servers.never_reply, "-d", "300ms", "--warmup", "0s", "-W", "100ms")
    assert (run.status, run.echoes, run.seconds) == (1, 0, 0.3)


def test_a_server_that_dies_early_does_not_shorten_the_run(serve, start):
    """Otherwise its rate would be that of the time before the loss."""
    server = serve("127.0.0.1:0", engine="epoll")
    process = start("-d", "1500ms", "--warmup", "0s", "-c", 2, *server_words(server))
    wait_until(lambda: len(sockets_of(process.pid)) >= 2, "the connections")
    time.sleep(0.3)
    server.kill()
    found = json.loads(process.communicate(timeout=TIMEOUT)[0])
    assert found["echoes"] > 0 and found["errors"]
    assert found["seconds"] == 1.5


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_share_the_connections(serve, bench, threads):
    server = serve("127.0.0.1:0", engine="epoll")
    run = bench(*SHORT, "-c", 7, "-w", threads, *server_words(server))
    assert is_clean(run)
    assert server.wait_for_rest() is None
    assert server.totals()["accepted"] == 7


def test_both_ends_agree_on_every_byte(serve, bench):
    server = serve("127.0.0.1:0", engine="epoll")
    run = bench("-d", "200ms", "--warmup", "0", "-c", 5, *server_words(server))
    assert is_clean(run)
    server.wait_for_rest()
    totals = server.totals()
    assert totals["in"] == totals["out"] == run.bytes


def test_a_connection_for_each_message(serve, bench):
    server = serve("127.0.0.1:0", engine="epoll")
    run = bench(*SHORT, "--churn", "-c", 8, *server_words(server))
    assert is_clean(run)
    assert 0 < run.connect_us["min"] <= run.connect_us["max"]
    server.wait_for_rest()
    ends = server.ends()
    assert len(ends) >= run.echoes
    assert {end["reason"] for end in ends} == {"eof"}
    assert {(end["in"], end["out"]) for end in ends} == {("64", "64"), ("0", "0")}


def test_more_connections_than_connect_at_a_time(serve, bench):
    server = serve("-m", "500", "127.0.0.1:0", engine="epoll")
    run = bench(*SHORT, "-c", 400, "-w", 2, *server_words(server))
    assert is_clean(run)
    server.wait_for_rest()
    assert server.totals()["accepted"] == 400


def test_from_another_address_of_this_machine(serve, bench):
    server = serve("127.0.0.1:0", engine="epoll")  # it needs no process for the first reply, which has 250 ms
    assert is_clean(bench(*SHORT, "--source", "127.0.0.9", *server_words(server)))
    assert any(end["peer"].startswith("127.0.0.9:") for end in server.ends(1))


# ---- the queue of a unix socket ----


def test_a_unix_server_whose_queue_is_full_is_waited_for(start, tmp_path):
    """The load starts when all connections are open, and none has failed."""
    queue = UnixQueue(tmp_path / "queue")
    process = start("-c", 20, "-d", "200ms", "--warmup", "0s", f"unix:{tmp_path}/queue")
    for _ in range(20):  # one by one
        time.sleep(0.03)
        queue.serve(1)
    output, error = process.communicate(timeout=TIMEOUT)
    queue.close()
    found = json.loads(output)
    assert (process.returncode, error, found["errors"]) == (0, "", {})
    assert found["connections_opened"] == 20


def test_churn_waits_for_the_queue_of_a_unix_socket(start, tmp_path):
    queue = UnixQueue(tmp_path / "queue")

    def serve():
        with contextlib.suppress(OSError):
            while True:
                queue.serve(1)

    thread = threading.Thread(target=serve)
    thread.start()
    process = start("--churn", "-c", 16, "-d", "500ms", "--warmup", "0s", f"unix:{tmp_path}/queue")
    output, error = process.communicate(timeout=TIMEOUT)
    queue.listening.shutdown(socket.SHUT_RDWR)
    thread.join(TIMEOUT)
    queue.close()
    found = json.loads(output)
    assert (process.returncode, error, found["errors"]) == (0, "", {})


def test_a_unix_server_whose_queue_stays_full_has_its_name(start, tmp_path):
    queue = UnixQueue(tmp_path / "queue")
    process = start("-c", 6, "-W", "200ms", "-d", "500ms", "--warmup", "0s", "--no-reconnect", f"unix:{tmp_path}/queue")
    queue.serve(1)
    output, _ = process.communicate(timeout=TIMEOUT)
    queue.close()
    found = json.loads(output)
    assert process.returncode == 1
    assert "ERR_QUEUE_FULL" in found["connection_errors"] and "EAGAIN" not in found["connection_errors"]


# ---- an open loop ----


def test_an_open_loop_sends_what_was_asked_for(serve, bench):
    server = serve("127.0.0.1:0", engine="epoll")
    run = bench("-d", "1s", "--warmup", "100ms", "-c", 10, "-r", "1k", *server_words(server))
    assert is_clean(run)
    assert (run.mode, run.rate_wanted) == ("open", 1000)
    assert run.sent == 1000
    assert run.service_us["min"] <= run.response_us["min"]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_slow_rate_and_connections_that_do_not_divide_it(serve, bench, threads):
    server = serve("127.0.0.1:0", engine="epoll")
    run = bench("-d", "500ms", "--warmup", "0", "-c", 7, "-w", threads, "-r", "100", *server_words(server))
    assert is_clean(run)
    assert run.sent == 50


def test_what_was_due_while_the_server_stood_still_counts_from_then(serve, bench, start):
    """200 ms without an answer, at 500 per second: 100 messages waited, 200 ms the first and none the last."""
    server = serve("-w", "1", "127.0.0.1:0", engine="epoll")
    process = start("-d", "2s", "--warmup", "0", "-c", 4, "-r", "500", *server_words(server))
    wait_until(lambda: server.totals()["in"] > 64 * 100, "the load")
    stood = server.stop_all()
    time.sleep(0.2)
    server.continue_all(stood)
    output, error = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, error) == (0, "")
    found = json.loads(output)
    assert found["echoes"] == 1000
    # A tenth of all messages waited, evenly spread over the time for which it was stopped.
    assert found["response_us"]["max"] >= 198_000  # one was due within 2 ms of the stop
    assert found["response_us"]["p99"] >= 100_000
    # Four messages were in flight: one for each connection, which is all that a closed loop would have seen.
    assert found["service_us"]["p99"] < found["response_us"]["p99"]


def test_an_open_loop_of_new_connections(serve, bench):
    server = serve("127.0.0.1:0", engine="epoll")
    run = bench("-d", "500ms", "--warmup", "0", "--churn", "-c", 10, "-r", "200", *server_words(server))
    assert is_clean(run)
    assert run.sent == 100


@pytest.mark.parametrize("strict", [[], ["--strict"]], ids=["reported", "strict"])
def test_a_client_that_was_late_itself_reports_it(serve, start, strict):
    server = serve("127.0.0.1:0", engine="epoll")
    process = start("-d", "2s", "--warmup", "0", "-c", 4, "-r", "500", *strict, *server_words(server))
    wait_until(lambda: server.totals()["in"] > 64 * 100, "the load")
    with stopped(process.pid):
        time.sleep(0.3)
    output, error = process.communicate(timeout=TIMEOUT)
    found = json.loads(output)
    assert found["echoes"] == 1000
    assert "because of the client" in found["client_bound"]
    assert found["lateness_us"]["p99"] > 1000
    assert process.returncode == (4 if strict else 0)
    assert error.startswith("tcpecho: the client was the limit: " if strict else "")


# ---- signals ----


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_it_with_the_report_of_what_was_done(serve, start, number):
    server = serve("127.0.0.1:0", engine="epoll")
    process = start("-d", "1h", "--warmup", "0", "-c", 5, *server_words(server))
    wait_until(lambda: server.totals()["in"] > 64 * 100, "the load")
    process.send_signal(number)
    output, error = process.communicate(timeout=TIMEOUT)
    found = json.loads(output)
    assert (process.returncode, error) == (0, "")
    assert found["echoes"] == found["sent"] >= 100
    assert found["seconds"] < 3600


def test_quit_asks_for_a_line_in_between(serve, start):
    server = serve("127.0.0.1:0", engine="epoll")
    process = start("-d", "1h", "--warmup", "0", *server_words(server))
    wait_until(lambda: server.totals()["in"] > 64, "the load")
    process.send_signal(signal.SIGQUIT)
    assert re.match(r"\d+ echoes, 0 failed$", process.stderr.readline().strip())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0


# ---- a terminal ----


def on_a_terminal(program, server, *options):
    """Returns the terminal output of a run of more than a second, and its status."""
    with Terminal() as terminal:
        process = subprocess.Popen(
            [program, "bench", "-d", "1500ms", "--warmup", "0", *options, *server_words(server)],
            stdout=subprocess.PIPE, preexec_fn=terminal.as_stderr,
        )
        seen = terminal.read_to_end()
        output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    return seen, output


def test_a_progress_line_is_updated_each_second_and_removed(serve, program):
    server = serve("127.0.0.1:0", engine="epoll")
    seen, output = on_a_terminal(program, server)
    assert re.search(rb"\r\x1b\[K1 s: \d+/s, \d+ echoes, 0 failed", seen)
    assert seen.endswith(b"\r\x1b[K")
    assert b"\x1b" not in output


def test_quiet_shows_no_line(serve, program):
    server = serve("127.0.0.1:0", engine="epoll")
    seen, _ = on_a_terminal(program, server, "-q")
    assert seen == b""


# ---- what goes wrong ----


def against(bench, treatment, *options):
    with FaultyServer(treatment) as faulty:
        return bench(*SHORT, "-W", "300ms", *options, *faulty.words)


@pytest.mark.parametrize(
    "connections, treatment, words",
    [
        (1, faulty_servers.flip_bit(1000), "byte 1000 differs"),
        (1, faulty_servers.drop_byte(1000), "missing at byte 1000"),
        (1, faulty_servers.repeat_byte(1000), "byte 100"),
        (100, faulty_servers.flip_bit(1000), "byte 1000 differs"),
        (100, faulty_servers.repeat_byte(1000), "byte 100"),
        # if two neighbours are equal, the second counts as missing
        (1000, faulty_servers.drop_byte(1000), "missing at byte 100"),
    ],
    ids=["flipped-1", "dropped-1", "repeated-1", "flipped-100", "repeated-100", "dropped-1000"],
)
def test_a_wrong_byte_is_found_and_named(bench, connections, treatment, words):
    run = against(bench, treatment, "-c", connections, "-d", "1h", "-W", "off", "--no-reconnect")
    assert run.status == 1
    assert run.errors == {"mismatch": connections}
    assert run.mismatches == connections
    assert words in run.first_mismatch


@pytest.mark.parametrize("n_right", [0, 100], ids=["first message", "later"])
def test_the_diagnosis_of_a_wrong_byte_delays_no_other_connection(bench, n_right):
    """The messages of the other connection continue while the client still waits for the bytes after the wrong one."""
    counts, lock, meanwhile = [], threading.Lock(), []

    def treat(sock):
        with lock:
            number = len(counts)
            counts.append(0)
        for n, piece in enumerate(faulty_servers.pieces_of(sock)):
            is_wrong = number == 1 and n == n_right
            if is_wrong:
                before = sum(counts)
            sock.sendall(bytes(byte ^ 1 for byte in piece) if is_wrong else piece)
            counts[number] += 1
            if is_wrong:
                sock.recv(1)  # until the client closes this connection
                meanwhile.append(sum(counts) - before)
                return

    with FaultyServer(treat) as faulty:
        run = bench("-c", 2, "-d", "1s", "--warmup", 0, "--no-reconnect", *faulty.words)
    assert run.status == 1
    assert run.mismatches == 1 and run.first_mismatch is not None
    assert meanwhile[0] > 20, meanwhile


def test_a_large_message_does_not_keep_the_others_waiting(program, serve, tmp_path):
    """A connection sends at most a megabyte before the others have their turn."""
    strace = shutil.which("strace") or pytest.skip("needs strace")
    server, log = serve("127.0.0.1:0", engine="epoll"), tmp_path / "calls"
    trace = [strace, "-f", "-qqq", "-o", str(log), "-e", "trace=sendto,epoll_wait,epoll_pwait,epoll_pwait2"]
    words = ["bench", "-c", "1", "-s", "16M", "-d", "200ms", "--warmup", "0", *server_words(server)]
    subprocess.run([*trace, program, *words], check=True, timeout=TIMEOUT, stdout=subprocess.DEVNULL)
    runs = [len(list(calls)) for name, calls in itertools.groupby("sendto(" in line for line in log.read_text().splitlines())
            if name]
    assert 1 <= max(runs) <= 16, max(runs)


def test_the_first_echoes_do_not_wait_for_the_last_connection_to_begin(program, serve, tmp_path):
    strace = shutil.which("strace") or pytest.skip("needs strace")
    server, log = serve("127.0.0.1:0", engine="epoll"), tmp_path / "calls"
    trace = [strace, "-f", "-qqq", "-o", str(log), "-e", "trace=sendto,recvfrom,epoll_wait,epoll_pwait,epoll_pwait2"]
    words = ["bench", "-c", "500", "-d", "200ms", "--warmup", "0", *server_words(server)]
    subprocess.run([*trace, program, *words], check=True, timeout=TIMEOUT, stdout=subprocess.DEVNULL)
    runs = [len(list(calls)) for name, calls in itertools.groupby("sendto(" in line for line in log.read_text().splitlines())
            if name]
    assert 1 <= max(runs) <= 64 + 1, max(runs)  # plus one after the last echo of the connection before


def test_wrong_bytes_are_counted_in_bytes(bench):
    run = against(bench, faulty_servers.echo_through(lambda _, piece: bytes(byte ^ 255 for byte in piece)), "-c", 3)
    assert run.wrong_bytes == 64 * run.failed == 64 * run.mismatches > 0
    run = against(bench, faulty_servers.flip_bit(1000), "-c", 1, "--no-reconnect")
    assert (run.wrong_bytes, run.mismatches) == (1, 1)


def test_corruption_wins_over_a_client_that_was_the_limit(bench):
    """A rate that no client can reach, and a wrong byte: the echo failed."""
    run = against(bench, faulty_servers.flip_bit(1000), "-c", 1, "-r", "1G", "--strict", "-d", "20ms", "-s", "16")
    assert run.mismatches > 0 and run.status == 1


@pytest.mark.parametrize("mode", [[], ["-r", "100"], ["--churn"], ["-p", "3"]], ids="-".join)
def test_no_echo_counts_that_came_later_than_it_may(bench, mode):
    def slow(sock):
        for piece in faulty_servers.pieces_of(sock):
            time.sleep(0.1)
            sock.sendall(piece)

    run = against(bench, slow, "-c", 2, "-d", "500ms", "-W", "20ms", *mode)
    assert run.echoes == 0 and set(run.errors) <= {"no_reply", "never_sent"} and run.failed > 0


def test_a_closed_loop_is_not_divided_by_its_slowest_message(bench):
    """One of the connections returns its last message long after the time is over."""
    lock, numbers = threading.Lock(), []

    def treat(sock):
        with lock:
            numbers.append(None)
            is_slow = len(numbers) == 2
        for piece in faulty_servers.pieces_of(sock):
            time.sleep(2 if is_slow else 0)
            sock.sendall(piece)

    with FaultyServer(treat) as faulty:
        run = bench("-c", 2, "-d", "500ms", "--warmup", 0, *faulty.words)
    assert run.status == 0 and run.response_us["max"] > 1e6
    assert run.seconds == 0.5 and run.rate == pytest.approx(run.echoes / 0.5)


@pytest.mark.parametrize("seed", [1, 9, 43])  # of 9 and 43 the first bytes look like the text of a protocol
def test_bytes_of_another_connection_are_found_and_named(bench, seed):
    """Two connections that are served together get each other's bytes."""
    waiting, lock = [], threading.Lock()

    def swap(sock):
        first = recv_exactly(sock, 64 * 3)
        with lock:
            waiting.append((sock, first))
            pair = [waiting.pop(), waiting.pop()] if len(waiting) == 2 else []
        if pair:
            (one, of_one), (other, of_other) = pair
            one.sendall(of_other)
            other.sendall(of_one)

    run = against(bench, swap, "-c", 2, "-p", 3, "--seed", seed)
    assert run.status == 1
    assert re.search(r"connection \d+: byte \d+ is byte \d+ of connection \d+", run.first_mismatch)


@pytest.mark.parametrize(
    "treatment, name, wait",
    [
        (faulty_servers.answer_and_end(100, 128), "ended", "30s"),
        (faulty_servers.answer_and_reset(100, 128), "ECONNRESET", "30s"),
        (faulty_servers.answer_and_hang(100, 128), "no_reply", "300ms"),
        (faulty_servers.never_reply, "no_reply", "300ms"),
    ],
    ids=["ends", "resets", "hangs", "never_reply"],
)
def test_a_connection_that_fails_is_named_and_opened_again(bench, treatment, name, wait):
    run = against(bench, treatment, "-s", "128", "-c", 3, "-d", "800ms", "-W", wait)
    assert run.status == 1
    assert set(run.errors) == {name}
    assert run.errors[name] >= 3
    assert run.missing_bytes > 0 or run.sent == 0


def test_without_reconnecting_it_ends_when_none_is_left(bench):
    begin = time.monotonic()
    with FaultyServer(faulty_servers.answer_and_reset(0, 64)) as faulty:
        run = bench("-d", "1h", "--warmup", "0", "-c", 3, "--no-reconnect", *faulty.words)
    assert time.monotonic() - begin < TIMEOUT
    assert run.status == 1
    assert run.seconds < TIMEOUT
    assert run.errors == {"ECONNRESET": 3}


def test_threads_do_not_wait_for_one_whose_connections_have_all_failed(bench):
    """The server does not accept, and the SYN of one thread gets no answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        drop_segments_from(server, "127.0.0.3")
        # Each connected thread has a second to send its message.
        words = ("-d", "1s", "--warmup", 0, "-c", 3, "-w", 3, "-W", "1500ms", "--no-reconnect")
        sources = ("--source", "127.0.0.1,127.0.0.2,127.0.0.3")
        run = bench(*words, *sources, "127.0.0.1", server.getsockname()[1])
    assert run.status == 1
    assert run.connection_errors == {"ETIMEDOUT": 1}
    assert sum(run.errors.values()) == 2


def test_an_endpoint_that_is_no_echo_is_named_as_such(bench):
    prefix = faulty_servers.echo_through(lambda offset, piece: (b"hello " if offset == 0 else b"") + piece)
    run = against(bench, prefix)
    assert run.status == 1
    assert "hello " in run.first_mismatch


def test_no_listener_is_status_3(bench):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    run = bench(*SHORT, "127.0.0.1", port)
    assert (run.status, run.output) == (3, "")
    assert "connection refused" in run.error


def limit_descriptors(soft, hard):
    """For preexec: sets the limit of open files."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_connections_than_descriptors_is_status_4(server, bench):
    run = bench(*SHORT, "-c", "200", *server_words(server), preexec_fn=limit_descriptors(100, 100))
    assert (run.status, run.output) == (4, "")
    assert "cannot open 200 connections: the limit is 100 descriptors (ulimit -n)" in run.error


def test_a_soft_limit_of_descriptors_is_raised(serve, bench):
    server = serve("-m", "300", "127.0.0.1:0", engine="epoll")
    limit = limit_descriptors(100, 1000)
    assert is_clean(bench(*SHORT, "-c", "200", *server_words(server), preexec_fn=limit))


def test_a_host_that_does_not_answer_is_status_3_in_time(bench):
    with FullListener() as full:
        run = bench(*SHORT, "-W", "200ms", "127.0.0.1", full.port)
    assert run.status == 3


def test_a_server_that_goes_away_is_named(serve, start):
    server = serve("127.0.0.1:0", engine="epoll")
    process = start("-d", "2s", "--warmup", "0", "-c", 3, "-W", "500ms", *server_words(server))
    wait_until(lambda: server.totals()["in"] > 64 * 100, "the load")
    server.end(signal.SIGKILL)
    output, _ = process.communicate(timeout=TIMEOUT)
    found = json.loads(output)
    assert process.returncode == 1
    assert "ECONNREFUSED" in found["connection_errors"]


# ---- limits ----


def test_limits_that_are_missed_are_status_1_with_words(server, bench):
    run = bench(*SHORT, "--max-p99", "1ns", "--min-rate", "1G", *server_words(server))
    assert run.status == 1
    assert re.search(r"the 99th percentile is [\d.]+ us, more than 1ns", run.error)
    assert re.search(r"[\d.]+ echoes per second, fewer than 1000000000", run.error)


def test_limits_that_are_kept_are_status_0(server, bench):
    assert is_clean(bench(*SHORT, "--max-p99", "1h", "--min-rate", "1", *server_words(server)))


def test_the_hlog_has_what_was_counted(server, bench, tmp_path):
    path = tmp_path / "run.hlog"
    run = bench(*SHORT, "--hlog", path, *server_words(server))
    assert run.status == 0
    lines = path.read_text().splitlines()
    assert lines[1] == "#[Histogram log format version 1.3]"
    tagged = {line.split(",")[0]: line.split(",")[-1] for line in lines if line.startswith("Tag=")}
    assert set(tagged) == {"Tag=response", "Tag=service"}
    assert tagged["Tag=response"] == run.histogram


def test_an_hlog_that_cannot_be_written_is_status_4(server, bench, tmp_path):
    run = bench(*SHORT, "--hlog", tmp_path / "no" / "file", *server_words(server))
    assert run.status == 4
    assert "no such file or directory" in run.error


def test_the_log_does_not_go_where_the_result_goes(server, program, tmp_path):
    path = tmp_path / "both"
    for name in ("-", "/dev/stdout", path):
        with open(path, "wb") as out:
            words = [program, "bench", *SHORT, "--json", "--hlog", name, *server_words(server)]
            done = subprocess.run(list(map(str, words)), stdout=out, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT)
        assert (done.returncode, path.read_bytes()) == (2, b"")
        assert re.fullmatch(r"tcpecho: --hlog \S+: standard output is used for the result \(.*\)\n", done.stderr)


def test_several_messages_at_a_time_need_a_connection_that_stays(bench):
    run = bench(*SHORT, "--churn", "-p", 2, "127.0.0.1", 9)
    assert (run.status, run.error) == (2, "tcpecho: option --depth does not apply to --churn: each connection has one message\n")


def test_threads_without_a_connection_are_not_started_which_is_reported(server, bench):
    run = bench(*SHORT, "-c", 2, "-w", 4, *server_words(server))
    assert (run.status, run.error) == (0, "using 2 of 4 threads: each needs a connection\n")
    assert run.threads == 2


def test_the_text_agrees_with_the_json(serve, bench):
    server = serve("127.0.0.1:0", engine="epoll")
    run = bench(*SHORT, "-c", 4, "-r", "100", *server_words(server), text=True)
    assert run.status == 0
    assert re.search(r"^20 echoes in [\d.]+ s: [\d.]+/s of 100/s, ", run.output, re.M)
    assert re.search(r"^every byte of 1280 compared; 0 wrong bytes, 0 missing bytes, 0 failures, 4 connections$", run.output, re.M)
    for row in ("response time", "service time", "schedule lag", "connect time"):
        assert re.search(rf"^{row}( +[\d.]+){{8}}$", run.output, re.M)


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["-c", "0"], "--connections 0: out of range, from 1 to 1000000"),
        (["-s", "0"], "--size 0: out of range"),
        (["-d", "off"], "--duration: must be longer than 0"),
        (["-r", "0"], "--rate 0: out of range, from 1 to 1000000000"),
        (["-r", "10/s"], "--rate 10/s: not a rate per second (write 500, 10k or 1M)"),
        (["--hlog", ""], "--hlog '': must not be empty"),
        (["--source", "127.0.0.1", "unix:/run/echo"], "--source does not apply to a unix socket"),
    ],
)
def test_bad_words_are_named(bench, words, sentence):
    run = bench(*words)
    assert (run.status, run.output) == (2, "")
    assert sentence in run.error
