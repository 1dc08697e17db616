# SPDX-License-Identifier: MIT
"""The live display of `bench`: the current phase, and figures each second."""
import json
import re
import subprocess

import pytest

from faulty_servers import FaultyServer, FullListener, UnixQueue, never_reply
from harness import TIMEOUT, server_words
from outputs import PipeOutput, TerminalOutput, fill
from terminal import Terminal

FIGURES = r"/s, \d+ echoes, \d+ failed, p50 \d+\.\d us, p99 \d+\.\d us"


@pytest.fixture
def on_terminal(program):
    """Starts it with a terminal as standard error: (process, terminal)."""
    started = []

    def run(*words):
        terminal = Terminal()
        process = subprocess.Popen(
            [program, "bench", *map(str, words)], stdout=subprocess.PIPE, preexec_fn=terminal.as_stderr, text=True
        )
        terminal.hand_over()
        started.append((process, terminal))
        return process, terminal

    yield run
    for process, terminal in started:
        process.kill()
        process.communicate()
        terminal.hang_up()


def lines_of(seen):
    """Returns the successive contents of the progress line."""
    return [line for line in re.split(rb"\r\x1b\[K|\r", seen) if line]


def test_each_state_has_its_line(serve, on_terminal):
    process, terminal = on_terminal("-d", "2500ms", "--warmup", "1500ms", "--start-at", "+2s",
                                    *server_words(serve("127.0.0.1:0", engine="epoll")))
    lines = b"\n".join(lines_of(terminal.read_to_end())).decode()
    states = [r"connecting to ", r"waiting for the start: \d s left", r"warm-up: 2 s left", r"warm-up: 1 s left",
              r"\n1 s: \d+" + FIGURES, r"\n2 s: \d+" + FIGURES]
    assert re.match(".*".join(states), lines, re.DOTALL), lines
    assert " 0/s" not in lines
    assert terminal.seen.endswith(b"\r\x1b[K")
    assert process.wait(TIMEOUT) == 0


def test_a_host_that_does_not_answer(on_terminal):
    with FullListener() as full:
        process, terminal = on_terminal("-W", "1s", "127.0.0.1", full.port)
        terminal.wait_for(b"connecting to 127.0.0.1")
        assert process.poll() is None
        seen = terminal.read_to_end()
    assert process.wait(TIMEOUT) == 3
    shown, error = lines_of(seen)[:2]
    error = re.sub(rb"\x1b\[[\d;]*m", b"", error)
    assert error.startswith(b"tcpecho: cannot connect to 127.0.0.1") and len(error) > len(shown)


def test_connections_that_open_slowly(on_terminal, tmp_path):
    queue = UnixQueue(tmp_path / "queue")
    _, terminal = on_terminal("-c", 6, "-d", "200ms", "--warmup", "0", f"unix:{tmp_path}/queue")
    terminal.wait_for(b"connecting: 2 of 6 connections are open")
    queue.serve(6)
    terminal.read_to_end()
    queue.close()


def test_replies_that_do_not_come(on_terminal):
    with FaultyServer(never_reply) as faulty:
        process, terminal = on_terminal("-d", "100ms", "--warmup", "0", "-W", "1s", *faulty.words)
        terminal.wait_for(b"waiting for the last replies")
        assert process.wait(TIMEOUT) == 1


def test_progress_without_a_terminal(serve, program):
    server = serve("127.0.0.1:0", engine="epoll")
    words = [program, "bench", "--progress", "--json", "-d", "3500ms", "--warmup", "1s", *server_words(server)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT * 4)
    assert done.returncode == 0
    assert json.loads(done.stdout)["echoes"] > 0
    lines = done.stderr.splitlines()
    assert all(line.isprintable() for line in lines)
    assert any(line.startswith("warm-up: 1 s left") for line in lines)
    figures = [line for line in lines if re.fullmatch(r"\d s: \d+" + FIGURES, line)]
    assert [line.split()[0] for line in figures] == ["1", "2", "3"]


def test_without_a_warm_up_none_is_mentioned(serve, program):
    server = serve("127.0.0.1:0", engine="epoll")
    words = [program, "bench", "--progress", "-d", "200ms", "--warmup", "0s", *server_words(server)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0
    assert "connecting to" in done.stderr and " 0 s left" not in done.stderr and "warm-up" not in done.stderr


@pytest.mark.parametrize("options", [[], ["--quiet"], ["--quiet", "--progress"]])
def test_without_progress_there_is_no_line(serve, program, options):
    server = serve("127.0.0.1:0", engine="epoll")
    words = [program, "bench", *options, "-d", "1500ms", "--warmup", "0", *server_words(server)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT * 4)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", [TerminalOutput, PipeOutput])
def test_a_standard_error_that_nothing_reads_stops_nothing(serve, program, kind):
    """It is full from the start. Each second of the run must still have echoes."""
    server = serve("127.0.0.1:0", engine="epoll")
    output = kind()
    fill(output)
    words = [program, "bench", "--progress", "--json", "-d", "3s", "--warmup", "1s", *server_words(server)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=output.writer, text=True)
    found = json.loads(process.communicate(timeout=TIMEOUT * 4)[0])
    output.close()
    assert process.returncode == 0
    assert all(item["echoes"] > 0 for item in found["series"])
