# SPDX-License-Identifier: MIT
"""The output of every command: to a closed pipe, a reader that does not read, a full disk, a closed descriptor."""
import json
import os
import re
import resource
import select
import signal
import subprocess
import urllib.request

import pytest

import outputs
from documents import write
from harness import TIMEOUT, descriptors_of, server_words, wait_until
from private_files import own_mounts

# Commands that run until a signal ends them, and write lines meanwhile or a report at the end.
RUNNING = {
    "ping": ["ping", "-i", "0"],
    "quiet": ["ping", "-q", "-i", "10ms"],
    "document": ["ping", "--json", "-i", "10ms"],
    "hold": ["ping", "--hold", "-c", "3", "-i", "10ms"],
    "bench": ["bench", "-c", "2", "-d", "10m"],
    "bench document": ["bench", "--json", "-c", "2", "-d", "10m"],
}

# Commands that end by themselves.
ENDING = {
    "ping": ["ping", "-c", "2", "-i", "0"],
    "document": ["ping", "--json", "-c", "2", "-i", "0"],
    "hold": ["ping", "--hold", "-d", "100ms"],
    "hold document": ["ping", "--hold", "--json", "-d", "100ms"],
    "bench": ["bench", "-d", "100ms"],
    "bench document": ["bench", "--json", "-d", "100ms"],
}

# Commands that need no server. {run}: a result file.
ALONE = {
    "help": ["--help"],
    "help of a command": ["help", "bench"],
    "version": ["--version"],
    "engines": ["serve", "-e", "help"],
    "show": ["report", "show", "{run}", "{run}"],
    "show document": ["report", "show", "--json", "{run}"],
    "merge": ["report", "merge", "{run}", "{other}"],
    "diff": ["report", "diff", "{run}", "{other}"],
    "html": ["report", "html", "-o", "-", "{run}"],
}

each = pytest.mark.parametrize


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two result files, for commands that need no server."""
    directory = tmp_path_factory.mktemp("runs")
    seconds = [([100_000 + at, 200_000], [90_000, 150_000 + at], 0) for at in range(60)]
    return {
        "run": write(directory / "run.json", seconds),
        "other": write(directory / "other.json", seconds, start="2026-11-26T14:00:00.000000Z", seed=8),
    }


@pytest.fixture
def start(program):
    """Starts a command, as start(words, stdout=...), and ends it after the test."""
    processes = []

    def run(words, prefix=(), **more):
        more = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, **more}
        processes.append(subprocess.Popen([*prefix, program, *map(str, words)], **more))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def words_of(name, table, server=None, runs=None):
    words = [word.format(**runs) if runs else word for word in table[name]]
    return [*words, *(server_words(server) if server else [])]


def finish(process):
    """Waits for the process and returns (status, standard error)."""
    status = process.wait(TIMEOUT)
    return status, process.stderr.read().decode()


def wait_for_echoes(server):
    """Waits until bytes move through the server."""
    before = server.totals()["in"]
    wait_until(lambda: server.totals()["in"] > before, "echoes")


# ---- the reader is gone ----


def start_without_reader(start, words, **more):
    reader, writer = os.pipe()
    process = start(words, stdout=writer, **more)
    os.close(writer)
    return process, reader


@each("name", RUNNING)
def test_a_reader_that_goes_ends_it_quietly(server, start, name):
    process, reader = start_without_reader(start, words_of(name, RUNNING, server))
    wait_for_echoes(server)
    os.close(reader)
    assert finish(process) == (-signal.SIGPIPE, "")


@each("name", ENDING)
def test_a_reader_that_was_never_there_ends_it_quietly(server, start, name):
    reader, writer = os.pipe()
    os.close(reader)
    process = start(words_of(name, ENDING, server), stdout=writer)
    os.close(writer)
    assert finish(process) == (-signal.SIGPIPE, "")


@each("name", ALONE)
@each("ignored", [False, True], ids=["", "SIGPIPE ignored"])
def test_what_needs_no_server_ends_quietly_too(start, runs, name, ignored):
    reader, writer = os.pipe()
    os.close(reader)
    how = signal.SIG_IGN if ignored else signal.SIG_DFL
    process = start(
        words_of(name, ALONE, runs=runs), stdout=writer, preexec_fn=lambda: signal.signal(signal.SIGPIPE, how)
    )
    os.close(writer)
    assert finish(process) == (-signal.SIGPIPE, "")


def test_a_log_of_a_run_is_written_though_the_reader_of_its_summary_is_gone(server, start, tmp_path):
    log = tmp_path / "log"
    process, reader = start_without_reader(start, ["bench", "-d", "100ms", "--hlog", log, *server_words(server)])
    os.close(reader)
    assert finish(process)[0] == -signal.SIGPIPE
    assert "StartTimestamp" in log.read_text()


@each("words", [["report", "merge", "-o", "{to}", "{run}", "{other}"], ["report", "html", "-o", "{to}", "{run}"]])
def test_a_named_pipe_whose_reader_is_gone_is_the_same(start, runs, tmp_path, words):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = start([word.format(to=fifo, **runs) for word in words], stdout=subprocess.DEVNULL)
    os.close(os.open(fifo, os.O_RDONLY))  # it waits until it is opened for writing
    status, error = finish(process)
    # What fits into the pipe may have been written before.
    assert (status, error) in [(-signal.SIGPIPE, ""), (0, "")]


# ---- full disks ----


NO_SPACE = "tcpecho: cannot write standard output: no space left on device\n"


@each("name", RUNNING)
def test_a_full_disk_ends_it_as_soon_as_something_is_written(server, start, name):
    with open("/dev/full", "wb") as full:
        process = start(words_of(name, RUNNING, server), stdout=full)
    if name not in ("ping", "hold"):  # the others write nothing before their end
        wait_for_echoes(server)
        process.send_signal(signal.SIGINT)
    assert finish(process) == (4, NO_SPACE)


@each("name", ENDING)
def test_a_report_that_finds_a_full_disk_is_status_4(server, start, name):
    with open("/dev/full", "wb") as full:
        assert finish(start(words_of(name, ENDING, server), stdout=full)) == (4, NO_SPACE)


@each("name", ALONE)
def test_commands_without_a_server_report_a_full_disk_too(start, runs, name):
    with open("/dev/full", "wb") as full:
        assert finish(start(words_of(name, ALONE, runs=runs), stdout=full)) == (4, NO_SPACE)


def may_write(size):
    """For preexec: limits file size and sets the signal for it to its default action."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

    return limit


@each("name", ENDING)
def test_a_file_that_may_not_grow_kills_nothing(server, start, tmp_path, name):
    with open(tmp_path / "out", "wb") as out:
        process = start(words_of(name, ENDING, server), stdout=out, preexec_fn=may_write(10))
    assert finish(process) == (4, "tcpecho: cannot write standard output: file too large\n")


@each("name", ["show", "show document", "merge", "diff", "html", "help"])
def test_a_file_that_may_not_grow_is_status_4_without_a_server_too(start, runs, tmp_path, name):
    with open(tmp_path / "out", "wb") as out:
        process = start(words_of(name, ALONE, runs=runs), stdout=out, preexec_fn=may_write(10))
    assert finish(process) == (4, "tcpecho: cannot write standard output: file too large\n")


# ---- closed descriptors ----

NOT_OPEN = "tcpecho: cannot write standard output: bad file descriptor\n"


def close_descriptors(*fds):
    return lambda: [os.close(fd) for fd in fds]


@each("name", ENDING)
def test_a_closed_standard_output_is_status_4(server, start, name):
    process = start(words_of(name, ENDING, server), preexec_fn=close_descriptors(1))
    assert finish(process) == (4, NOT_OPEN)


@each("name", ALONE)
def test_a_closed_standard_output_is_status_4_without_a_server_too(start, runs, name):
    process = start(words_of(name, ALONE, runs=runs), preexec_fn=close_descriptors(1))
    assert finish(process) == (4, NOT_OPEN)


@each("name", ENDING)
def test_a_closed_standard_error_changes_nothing(server, start, name):
    process = start(words_of(name, ENDING, server), stdout=subprocess.PIPE, preexec_fn=close_descriptors(2))
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert output


@each("name", RUNNING)
def test_no_socket_takes_the_place_of_a_closed_descriptor(server, start, name):
    """Whatever was closed, no byte of a line goes to the server."""
    quiet = words_of(name, RUNNING, server)
    process = start(quiet, preexec_fn=close_descriptors(0, 1, 2))
    if name in ("quiet", "document"):
        wait_for_echoes(server)
        standard = {fd: what for fd, what in descriptors_of(process.pid).items() if fd <= 2}
        assert set(standard.values()) == {"/dev/null"}
        process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT) == 4


# ---- the reader does not read ----


def start_stalled(start, words, output, prefix=()):
    """Starts it with an output that is full."""
    outputs.fill(output)
    return start(words, stdout=output.writer, prefix=prefix)


@each("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@each("kind", outputs.ALL)
@each("name", RUNNING)
def test_a_signal_ends_it_while_standard_output_stalls(server, start, name, kind, number):
    with outputs.opened(kind) as output:
        process = start_stalled(start, words_of(name, RUNNING, server), output)
        wait_for_echoes(server)
        process.send_signal(number)
        assert finish(process) == (-number, "")


@each("kind", [outputs.PipeOutput, outputs.CookedTerminalOutput])
@each("name", RUNNING)
def test_it_is_the_same_where_it_cannot_be_opened_anew(server, start, name, kind):
    own_mounts()
    with outputs.opened(kind) as output:
        process = start_stalled(start, words_of(name, RUNNING, server), output, outputs.WITHOUT_PROC)
        wait_for_echoes(server)
        process.send_signal(signal.SIGTERM)
        assert finish(process) == (-signal.SIGTERM, "")


@each("kind", [outputs.PipeOutput, outputs.SocketOutput, outputs.CookedTerminalOutput])
@each("name", ["show document", "merge", "html"])
def test_a_signal_ends_what_needs_no_server_while_standard_output_stalls(start, runs, name, kind):
    with outputs.opened(kind) as output:
        process = start_stalled(start, words_of(name, ALONE, runs=runs), output)
        wait_until(lambda: descriptors_of(process.pid), "it to start")
        process.send_signal(signal.SIGTERM)
        assert finish(process) == (-signal.SIGTERM, "")


def test_talk_ends_by_a_signal_while_a_terminal_stalls(server, start):
    with outputs.opened(outputs.CookedTerminalOutput) as output:
        outputs.fill(output)
        process = start(["talk", *server_words(server)], stdin=subprocess.PIPE, stdout=output.writer)
        process.stdin.write(b"line\n" * 1000)
        process.stdin.flush()
        wait_until(lambda: server.totals()["in"] > 0, "its input")
        process.send_signal(signal.SIGTERM)
        assert finish(process) == (-signal.SIGTERM, "")


@each("prefix", [(), outputs.WITHOUT_PROC], ids=["", "without /proc"])
@each("kind", outputs.ALL)
def test_what_was_kept_is_complete_when_it_is_read(server, start, kind, prefix):
    """Lines are in order, dropped lines are counted, and the summary has counted all of them."""
    if prefix:
        own_mounts()
    n, text = 5000, ""
    with outputs.opened(kind) as output:
        process = start_stalled(start, ["ping", "-c", n, "-i", 0, *server_words(server)], output, prefix)
        wait_until(lambda: server.totals()["in"] == n * 64, "the last echo")
        output.hand_over()

        def is_read():
            nonlocal text
            text += output.read().decode()
            return process.poll() is not None

        wait_until(is_read, "the end")
        text += output.read().decode()
        assert finish(process) == (0, "")
    lines = re.sub("^x+", "", text.replace("\r\n", "\n")).splitlines()
    assert lines[0].startswith("PING ")
    at, n_left_out = 1, 0
    for line in lines[1:]:
        number = re.search(r"seq=(\d+) time=", line)
        left_out = re.fullmatch(r"\((\d+) lines? left out: standard output was blocked\)", line)
        if number:
            assert int(number[1]) == at
            at += 1
        elif left_out:
            at += int(left_out[1])
            n_left_out += int(left_out[1])
        else:
            break
    assert at == n + 1
    assert 0 < n_left_out < n
    assert f"{n} sent, {n} came back" in text or f"{n} messages sent, {n} came back" in text, lines[-6:]


def test_measuring_goes_on_while_standard_output_stalls(server, start):
    """Heartbeats come back, the metrics page answers, and QUIT prints a line."""
    with outputs.opened(outputs.PipeOutput) as output:
        words = ["ping", "--hold", "-c", 20, "-i", "10ms", "--metrics", "127.0.0.1:0", *server_words(server)]
        process = start_stalled(start, words, output)
        address = re.search(r"metrics on (\S+),", process.stderr.readline().decode())[1]

        def beats():
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=TIMEOUT) as page:
                return int(re.search(r"^tcpecho_hold_heartbeats_total (\d+)$", page.read().decode(), re.M)[1])

        first = beats()
        wait_until(lambda: beats() > first + 100, "more heartbeats")
        process.send_signal(signal.SIGQUIT)
        assert b"heartbeats" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == -signal.SIGINT


def test_a_report_waits_for_its_reader(server, start):
    """No signal ended the run, so the report waits for its reader without limit."""
    with outputs.opened(outputs.PipeOutput) as output:
        process = start_stalled(start, ["ping", "--json", "-c", 2, "-i", 0, *server_words(server)], output)
        wait_until(lambda: server.totals()["ended"] == 1, "the end of its connection")
        assert not select.select([process.stderr], [], [], 1)[0]  # twice as long as after a signal
        output.hand_over()
        text = b""

        def is_read():
            nonlocal text
            text += output.read()
            return process.poll() is not None

        wait_until(is_read, "the end")
        text += output.read()
        assert finish(process) == (0, "")
    assert json.loads(text.decode().lstrip("x"))["echoes"] == 2


# ---- standard error ----


@each("kind", outputs.ALL)
@each("name", ["ping", "hold", "bench"])
def test_standard_error_that_stalls_stops_nothing(server, start, name, kind):
    with outputs.opened(kind) as output:
        outputs.fill(output)
        process = start(words_of(name, RUNNING, server), stdout=subprocess.DEVNULL, stderr=output.writer)
        wait_for_echoes(server)
        for _ in range(20):  # each prints a line
            process.send_signal(signal.SIGQUIT)
            wait_for_echoes(server)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) in (0, 1)  # 1: messages in flight are counted as missing


def test_an_error_that_is_not_read_does_not_delay_the_end(start, program):
    with outputs.opened(outputs.CookedTerminalOutput) as output:
        outputs.fill(output)
        process = start(["ping", "127.0.0.1", "1"], stdout=subprocess.DEVNULL, stderr=output.writer)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) in (3, -signal.SIGTERM)


def test_what_the_shell_shares_stays_as_it_was(server, start):
    for kind in outputs.ALL:
        with outputs.opened(kind) as output:
            process = start(words_of("ping", ENDING, server), stdout=output.writer, stderr=output.writer)
            wait_until(lambda: output.read() is not None and process.poll() is not None, "its end")
            assert process.returncode == 0
            assert os.get_blocking(output.writer)
