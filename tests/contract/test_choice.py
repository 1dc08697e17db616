# SPDX-License-Identifier: MIT
"""Which engine serves is the user's choice; where it cannot be used here, that is said at the start."""
import ctypes
import errno
import os
import resource
import struct
import subprocess

import pytest

from harness import Server
from scarcity import LoneUser

pytestmark = pytest.mark.engines("fork")

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
IO_URING_SETUP = 425  # on every architecture
LOAD_CALL, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL_WITH = 0x7FFF0000, 0x00050000


def run(program, *words):
    return subprocess.run([program, "serve", *words], capture_output=True, text=True, timeout=30)


def can_use(program, engine):
    return "cannot be used" not in next(
        line for line in run(program, "--engine", "help").stdout.splitlines() if line.startswith(engine)
    )


def without_rings(number):
    """For the child, before exec: io_uring_setup(2) fails with this error, as containers have it."""

    def deny():
        libc = ctypes.CDLL(None)
        rules = [(LOAD_CALL, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, IO_URING_SETUP)]
        rules += [(RETURN, 0, 0, FAIL_WITH | number), (RETURN, 0, 0, ALLOW)]
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
        listing = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code))
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, listing, 0, 0) != 0:
            os._exit(99)

    return deny


# ---- which there are ----


def test_help_lists_every_engine_with_a_line(program):
    shown = run(program, "--engine", "help")
    assert (shown.returncode, shown.stderr) == (0, "")
    names = [line.split()[0] for line in shown.stdout.splitlines()]
    assert names == ["fork", "prefork", "thread", "epoll", "uring"]
    assert all(len(line.split()) > 3 for line in shown.stdout.splitlines())


def test_an_engine_that_there_is_not_is_a_wrong_command_line(program):
    refused = run(program, "--engine", "steam")
    assert refused.returncode == 2
    assert "steam" in refused.stderr


@pytest.mark.parametrize(
    "words, named",
    [
        (("-w", "2"), "--workers"),
        (("-e", "epoll", "--clients-per-worker", "2"), "--clients-per-worker"),
        (("-e", "thread", "--busy-poll", "1ms"), "--busy-poll"),
        (("-e", "epoll", "-w", "0"), "workers"),
    ],
)
def test_an_option_that_the_engine_has_no_use_for_is_a_wrong_command_line(program, words, named):
    refused = run(program, *words, "127.0.0.1:0")
    assert refused.returncode == 2
    assert named in refused.stderr


# ---- auto ----


def test_auto_takes_the_best_and_says_so(serve_any, program):
    if not can_use(program, "uring"):
        pytest.skip("io_uring cannot be used here")
    server = serve_any("-e", "auto", "127.0.0.1:0")
    assert server.log_lines(r"^listening on .* \(engine uring, the best here, at most 1024 clients\)$")
    assert server.is_faithful()
    assert server.end() == 0


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_auto_does_without_rings_where_there_are_none_and_says_why(serve_any, number):
    server = serve_any("-e", "auto", "127.0.0.1:0", preexec=without_rings(number))
    assert server.log_lines(r"^listening on .* \(engine epoll, uring: .*io_uring.*, at most 1024 clients\)$")
    assert server.is_faithful()


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_rings_that_are_asked_for_and_are_not_there_are_refused_with_words(serve_any, number):
    server = serve_any("-e", "uring", "127.0.0.1:0", preexec=without_rings(number), wait=False)
    assert server.wait() == 4
    (line,) = server.log_lines()
    assert line.startswith("tcpecho: engine uring cannot be used here: ") and "-e auto" in line


def test_where_no_memory_may_be_locked_auto_says_that(program, tmp_path):
    user = LoneUser()

    def become_poor():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        user.become()

    server = Server(user.reachable(program), tmp_path, ["-e", "auto", "127.0.0.1:0"], preexec=become_poor)
    try:
        if server.log_lines("engine uring"):
            pytest.skip("this kernel does not count the memory of rings")
        assert server.log_lines(r"engine epoll, uring: .*ulimit -l")
        assert server.is_faithful()
    finally:
        server.kill()
        user.remove()


@pytest.fixture
def serve_any(program, tmp_path):
    """Starts servers whose engine is among the arguments."""
    servers = []

    def start(*arguments, **more):
        servers.append(Server(program, tmp_path, arguments, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()
