# SPDX-License-Identifier: MIT
"""Standard error that is not read, or whose disk is full: the service goes on, and can be ended."""
import json
import os
import re
import resource
import signal
import socket
import subprocess

import pytest

import outputs
from harness import children_of, parse_address, proc_state, reset, wait_until
from stalledfs import StalledFiles
from private_files import own_mounts
from terminal import Terminal

KINDS = pytest.mark.parametrize("kind", outputs.ALL)


def serve_on(serve, output, *arguments, **more):
    """Starts a server whose standard error is that output."""
    return serve(*arguments, "127.0.0.1:0", preexec=lambda: os.dup2(output.writer, 2), **more)


def converse(server, n):
    for number in range(n):
        assert server.is_faithful(b"%d" % number)


# ---- the output is not read ----


@KINDS
def test_a_log_that_is_not_read_stops_neither_the_service_nor_its_end(serve, kind):
    with outputs.opened(kind) as output:
        server = serve_on(serve, output)
        converse(server, kind.lines)
        assert server.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("kind", [outputs.PipeOutput, outputs.CookedTerminalOutput])
def test_it_is_the_same_where_the_output_cannot_be_opened_anew(serve, kind):
    own_mounts()
    with outputs.opened(kind) as output:
        server = serve_on(serve, output, prefix=outputs.WITHOUT_PROC)
        converse(server, kind.lines)
        children = server.children()
        assert server.end(signal.SIGTERM) == 0
        wait_until(lambda: all(proc_state(child) in ("", "Z") for child in children), "the copier to end")


def test_a_file_system_that_does_not_answer_stops_nothing(serve, tmp_path):
    (tmp_path / "mount").mkdir()
    with StalledFiles(tmp_path / "mount", tmp_path / "copy") as files, open(files.path, "ab", buffering=0) as log:
        server = serve(preexec=lambda: os.dup2(log.fileno(), 2))
        assert server.is_faithful()
        wait_until(lambda: files.data().count(b"\n") == 2, "the first lines")
        files.stall()
        converse(server, 2000)  # a pipe has room for half of their lines
        files.go_on()
        wait_until(lambda: outputs.lines_and_dropped(files.data().decode()) == 2002, "the lines or their count")
        files.stall()
        converse(server, 3)
        assert server.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("kind", [outputs.PipeOutput, outputs.CookedTerminalOutput])
def test_what_was_not_read_is_counted_and_no_line_is_torn(serve, kind):
    text = ""

    def is_accounted_for(n):
        nonlocal text
        text += output.read().decode()
        return text.endswith("\n") and outputs.lines_and_dropped(text) == n

    with outputs.opened(kind) as output:
        server = serve_on(serve, output, "--log", "json")
        converse(server, kind.lines)
        wait_until(lambda: is_accounted_for(1 + kind.lines), "the lines or their count")
        converse(server, 1)
        wait_until(lambda: is_accounted_for(1 + kind.lines + 1), "the next line")
        assert server.end() == 0
    records = [json.loads(line) for line in text.splitlines()]
    assert records[0]["event"] == "listening"
    assert {record["event"] for record in records[1:]} == {"end", "dropped"}


def test_a_terminal_that_is_full_from_the_start_does_not_keep_it_from_serving(serve):
    with outputs.opened(outputs.CookedTerminalOutput) as output:
        outputs.fill(output)
        server = serve_on(serve, output)
        converse(server, 3)
        assert server.end() == 0


def test_what_the_shell_shares_with_it_stays_as_it_was(serve):
    for kind in outputs.ALL:
        with outputs.opened(kind) as output:
            server = serve_on(serve, output)
            assert os.get_blocking(output.writer)
            assert server.end() == 0


def test_a_reader_that_is_gone_stops_nothing(serve):
    for kind in outputs.ALL:
        with outputs.opened(kind) as output:
            server = serve_on(serve, output)
            output.hand_over()
            output.close_reader()
            converse(server, 10)
            assert server.end() == 0


# ---- the descriptor for readiness ----


@pytest.mark.parametrize("kind", [outputs.PipeOutput, outputs.SocketOutput, outputs.CookedTerminalOutput])
@pytest.mark.parametrize("prefix", [(), outputs.WITHOUT_PROC], ids=["", "without /proc"])
def test_it_serves_before_its_readiness_is_read(program, engine, tmp_path, kind, prefix):
    if prefix:
        own_mounts()
    log = tmp_path / "log"
    with outputs.opened(kind) as output, open(log, "wb") as file:
        outputs.fill(output)
        process = subprocess.Popen(
            [*prefix, program, "serve", "-e", engine, "--ready-fd", str(output.writer), "127.0.0.1:0"],
            stderr=file, pass_fds=[output.writer],
        )
        try:
            output.hand_over()
            found = wait_until(lambda: re.search(r"^listening on (\S+) ", log.read_text(), re.M), "the server")
            with socket.create_connection(parse_address(found[1])[1]) as client:
                client.sendall(b"hello")
                assert client.recv(100) == b"hello"
            reported = ""

            def is_told():
                nonlocal reported
                reported += output.read().decode().replace("x", "")
                return reported == f"{found[1]}\n"

            wait_until(is_told, "the address")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()


def test_a_server_whose_readiness_is_not_read_can_be_ended(program, engine, tmp_path):
    log = tmp_path / "log"
    with outputs.opened(outputs.PipeOutput) as output, open(log, "wb") as file:
        outputs.fill(output)
        process = subprocess.Popen(
            [program, "serve", "-e", engine, "--ready-fd", str(output.writer), "127.0.0.1:0"],
            stderr=file, pass_fds=[output.writer],
        )
        wait_until(lambda: "listening on " in log.read_text(), "the server")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


# ---- a full disk ----


@pytest.fixture
def small_disk(tmp_path):
    """A directory on a file system of 64 KiB."""
    attempt = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)], capture_output=True, text=True
    )
    if attempt.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {attempt.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def end_of(log):
    return log.read_bytes()[-1:]


def test_after_a_full_disk_every_line_is_whole_and_the_others_are_counted(serve, small_disk):
    log, filling = small_disk / "log", small_disk / "filling"
    filling.write_bytes(b"x" * 57300)
    with open(log, "ab") as file:
        server = serve("--log", "json", "127.0.0.1:0", log=file)
        converse(server, 200)
        wait_until(lambda: end_of(log) != b"\n", "a line that is cut")
        filling.unlink()
        wait_until(lambda: outputs.lines_and_dropped(log.read_text()) == 1 + 200, "the lines or their count")
        converse(server, 3)
        wait_until(lambda: outputs.lines_and_dropped(log.read_text()) == 1 + 203, "the next lines")
        assert server.end() == 0
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [record["event"] for record in records].count("dropped") == 1


def test_a_line_that_was_cut_by_the_end_of_a_server_stays_alone(serve, tmp_path):
    log = tmp_path / "log"
    log.write_text('{"event":"end","peer":"192.0.2.7')
    with open(log, "ab") as file:
        server = serve("--log", "json", "127.0.0.1:0", log=file)
    assert server.end() == 0
    cut, *lines = log.read_text().splitlines()
    assert cut == '{"event":"end","peer":"192.0.2.7'
    assert [json.loads(line)["event"] for line in lines] == ["listening", "notice", "totals"]


def test_a_log_at_its_size_limit_ends_no_process(serve, tmp_path):
    """RLIMIT_FSIZE: the kernel sends SIGXFSZ at the limit."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

    server = serve(preexec=limit)
    converse(server, 300)
    with server.connect() as sock:
        reset(sock)
    assert server.end() == 0
    assert len(server.log().encode()) <= 8192


# ---- a terminal that stops its writers ----


def test_a_terminal_set_to_stop_background_output_does_not_stop_it(program, engine, tmp_path):
    """stty tostop: writing from the background is SIGTTOU, which stops a process."""
    script = tmp_path / "script"
    script.write_text(
        "import os, sys, termios\n"
        "flags = termios.tcgetattr(2)\n"
        "flags[3] |= termios.TOSTOP\n"
        "termios.tcsetattr(2, termios.TCSANOW, flags)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os.setpgid(0, 0)\n"
        "    os.execv(sys.argv[1], sys.argv[1:])\n"
        "os.closerange(3, 100)\n"
        "_, status = os.waitpid(pid, os.WUNTRACED)\n"
        "sys.exit('stopped' if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status))\n"
    )
    with Terminal() as terminal:
        reader, writer = os.pipe()
        process = subprocess.Popen(
            ["/usr/bin/python3", script, program, "serve", "-e", engine, "--ready-fd", str(writer), "127.0.0.1:0"],
            stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave, pass_fds=[writer],
            preexec_fn=terminal.control,
        )
        os.close(writer)
        with os.fdopen(reader) as ready:
            assert ready.read().startswith("127.0.0.1:"), "it did not start"
        terminal.wait_for(b"listening on")
        (server,) = children_of(process.pid)
        os.kill(server, signal.SIGTERM)
        assert process.wait(30) == 0
