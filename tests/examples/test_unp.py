# SPDX-License-Identifier: MIT
"""examples/unp: the server and client of chapter 5, with each other and with tcpecho."""
import os
import re
import signal
import socket
import subprocess

import pytest

from harness import (TIMEOUT, Process, children_of, cleanup, proc_state, recv_all, recv_exactly, reset,
                     wait_until)

MIB = bytes(range(256)) * 4096


class ChapterServer(Process):
    """The example's server on a port of the kernel's choice."""

    def __init__(self, build, port="0"):
        self.process = subprocess.Popen([build / "examples/unp/unp-server", port], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.fullmatch(r"listening on port (\d+)\n", line)[1])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)

    def wait_for_children(self, count):
        wait_until(lambda: len(children_of(self.pid)) == count, f"{count} children")


@pytest.fixture
def chapter_server(build):
    server = ChapterServer(build)
    yield server
    cleanup([server])
    server.process.stderr.close()


@pytest.fixture
def chapter_client(build):
    """Runs the example's client: chapter_client(PORT, input)."""

    def run(port, data):
        command = [build / "examples/unp/unp-client", "127.0.0.1", str(port)]
        return subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT)

    return run


def test_talk_verifies_a_mebibyte_from_the_server(chapter_server, talk):
    assert talk("127.0.0.1", str(chapter_server.port), input=MIB).finish() == (0, MIB, "")


def test_the_client_gets_everything_back(server, chapter_client):
    """More than all socket buffers hold: a client that sends all before it receives would wait forever."""
    data = MIB * 16
    done = chapter_client(server.port, data)
    assert (done.returncode, done.stdout == data, done.stderr) == (0, True, b"")
    (end,) = server.ends(1)
    assert (end["in"], end["out"], end["reason"]) == (str(len(data)), str(len(data)), "eof")


def test_both_together(chapter_server, chapter_client):
    done = chapter_client(chapter_server.port, MIB)
    assert (done.returncode, done.stdout == MIB, done.stderr) == (0, True, b"")


def test_the_client_without_input(chapter_server, chapter_client):
    done = chapter_client(chapter_server.port, b"")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_client_fails_if_the_server_ends_early(build):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [build / "examples/unp/unp-client", "127.0.0.1", str(listener.getsockname()[1])]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
            connected, _ = listener.accept()
            with connected:
                client.stdin.write(b"hello\n")
                client.stdin.flush()
                assert recv_exactly(connected, 6) == b"hello\n"
            output, error = client.communicate(timeout=TIMEOUT)
    assert (client.returncode, output, error) == (1, b"", b"server ended early\n")


def test_the_client_without_a_server(build):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening
        command = [build / "examples/unp/unp-client", "127.0.0.1", str(unused.getsockname()[1])]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
    assert (done.returncode, done.stderr) == (1, b"connect: Connection refused\n")


def test_a_half_closed_client_gets_the_rest(chapter_server):
    """The client receives only after its FIN."""
    with chapter_server.connect() as sock:
        sock.sendall(MIB[:65536])
        sock.shutdown(socket.SHUT_WR)
        assert recv_all(sock) == MIB[:65536]


def test_five_clients_at_once(chapter_server):
    socks = [chapter_server.connect() for _ in range(5)]
    chapter_server.wait_for_children(5)
    for number, sock in reversed([*enumerate(socks)]):
        sock.sendall(b"client %d" % number)
        assert recv_exactly(sock, 8) == b"client %d" % number
    for sock in socks:
        sock.close()
    chapter_server.wait_for_children(0)


def test_one_sigchld_for_five_children_leaves_no_zombie(chapter_server):
    socks = [chapter_server.connect() for _ in range(5)]
    chapter_server.wait_for_children(5)
    os.kill(chapter_server.pid, signal.SIGSTOP)
    wait_until(lambda: proc_state(chapter_server.pid) == "T", "the parent to stop")
    for sock in socks:
        sock.close()
    wait_until(lambda: {proc_state(pid) for pid in children_of(chapter_server.pid)} == {"Z"}, "five zombies")
    os.kill(chapter_server.pid, signal.SIGCONT)
    chapter_server.wait_for_children(0)


def test_a_reset_harms_only_its_client(chapter_server, talk):
    with chapter_server.connect() as other:
        chapter_server.wait_for_children(1)
        sock = chapter_server.connect()
        sock.sendall(MIB[:65536])
        reset(sock)
        other.sendall(b"still here")
        assert recv_exactly(other, 10) == b"still here"
        chapter_server.wait_for_children(1)
    chapter_server.wait_for_children(0)
    assert chapter_server.is_running()


def test_a_killed_child_harms_only_its_client(chapter_server):
    with chapter_server.connect() as sock, chapter_server.connect() as other:
        chapter_server.wait_for_children(2)
        os.kill(min(children_of(chapter_server.pid)), signal.SIGKILL)
        chapter_server.wait_for_children(1)
        assert sorted([echo_or_end(sock), echo_or_end(other)]) == [b"", b"hello"]


def echo_or_end(sock):
    """Returns the echo of a word, b"" if the connection has ended."""
    try:
        sock.sendall(b"hello")
        return recv_exactly(sock, 5)
    except (BrokenPipeError, ConnectionResetError):
        return b""


def test_the_server_starts_again_at_once(build, chapter_server):
    """A connection is in TIME-WAIT on its port: bind(2) succeeds because of SO_REUSEADDR."""
    with chapter_server.connect() as sock:
        chapter_server.wait_for_children(1)
        os.kill(children_of(chapter_server.pid)[0], signal.SIGKILL)  # the server's end sends the first FIN
        assert recv_all(sock) == b""
    chapter_server.end(signal.SIGTERM)
    again = ChapterServer(build, str(chapter_server.port))
    cleanup([again])
    again.process.stderr.close()


def test_the_parent_keeps_no_connected_socket(chapter_server):
    with chapter_server.connect() as sock:
        chapter_server.wait_for_children(1)
        wait_until(lambda: len(os.listdir(f"/proc/{chapter_server.pid}/fd")) == 4, "standard streams and listener")
        sock.sendall(b"x")
        assert recv_exactly(sock, 1) == b"x"


@pytest.mark.parametrize("word", ["", "x", "9877x", "-1", "65536"])
def test_what_is_no_port_is_refused(build, word):
    for command in (["unp-server", word], ["unp-client", "127.0.0.1", word]):
        done = subprocess.run([build / "examples/unp" / command[0], *command[1:]], capture_output=True, timeout=TIMEOUT)
        assert (done.returncode, done.stderr) == (2, f"not a port: {word}\n".encode())
