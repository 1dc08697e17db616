# SPDX-License-Identifier: MIT
"""The user chooses the engine. If it cannot be used here, the server says so at the start."""
import contextlib
import errno
import resource
import subprocess

import pytest

from harness import Server, recv_exactly
from rings import rings_of_at_most, without_rings
from streams import pattern
from private_files import own_files

pytestmark = pytest.mark.engines("fork")


def run(program, *words):
    return subprocess.run([program, "serve", *words], capture_output=True, text=True, timeout=30)


def can_use(program, engine):
    return "cannot be used" not in next(
        line for line in run(program, "--engine", "help").stdout.splitlines() if line.startswith(engine)
    )


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


def test_auto_takes_the_best_and_reports_it(serve_any, program):
    if not can_use(program, "uring"):
        pytest.skip("io_uring cannot be used here")
    server = serve_any("-e", "auto", "127.0.0.1:0")
    assert server.log_lines(r"^listening on .* \(engine uring, the best here, at most 1024 clients\)$")
    assert server.is_faithful()
    assert server.end() == 0


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_auto_does_without_rings_where_there_are_none_and_gives_the_reason(serve_any, number):
    server = serve_any("-e", "auto", "127.0.0.1:0", preexec=without_rings(number))
    assert server.log_lines(r"^listening on .* \(engine epoll, uring: .*io_uring.*, at most 1024 clients\)$")
    assert server.is_faithful()


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_rings_that_are_asked_for_and_are_not_there_are_refused_with_words(serve_any, number):
    server = serve_any("-e", "uring", "127.0.0.1:0", preexec=without_rings(number), wait=False)
    assert server.wait() == 4
    (line,) = server.log_lines()
    assert line.startswith("tcpecho: engine uring cannot be used here: ") and "-e auto" in line


def test_where_no_memory_may_be_locked_auto_says_that(program, tmp_path, lone_user):

    def become_poor():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        lone_user.become()

    server = Server(lone_user.reachable(program), tmp_path, ["-e", "auto", "127.0.0.1:0"], preexec=become_poor)
    try:
        if server.log_lines("engine uring"):
            pytest.skip("this kernel does not count the memory of rings")
        assert server.log_lines(r"engine epoll, uring: .*ulimit -l")
        assert server.is_faithful()
    finally:
        server.kill()


@pytest.mark.parametrize("most, chosen", [(63, "epoll"), (64, "uring"), (200, "uring")])
def test_with_little_memory_that_may_be_locked_rings_are_smaller_down_to_a_bound(serve_any, program, most, chosen):
    if not can_use(program, "uring"):
        pytest.skip("io_uring cannot be used here")
    server = serve_any("-e", "auto", "127.0.0.1:0", preexec=rings_of_at_most(most))
    assert server.log_lines(rf"\(engine {chosen}, " + ("uring: .*ulimit -l" if chosen == "epoll" else "the best here"))
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(server.connect()) for _ in range(200)]
        for number, sock in enumerate(socks):
            sock.sendall(pattern(3000, seed=number))
        for number, sock in enumerate(socks):
            assert recv_exactly(sock, 3000) == pattern(3000, seed=number)
    assert server.end() == 0


@pytest.mark.parametrize("kib, workers", [(0, 2), (32, 2), (64, 2), (1024, 12), (8192, 4)])
def test_whatever_may_be_locked_auto_serves(program, tmp_path, lone_user, kib, workers):
    """As a user other than root, because the limit applies to all rings of that user together: some workers may
    have no ring."""

    def become_poor():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (kib * 1024, kib * 1024))
        lone_user.become()

    arguments = ["-e", "auto", "-w", workers, "127.0.0.1:0"]
    server = Server(lone_user.reachable(program), tmp_path, arguments, preexec=become_poor)
    try:
        assert server.log_lines(r"engine (uring, the best here|epoll, uring: .*)")
        server.wait_for_children(workers)
        before = server.children()
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(server.connect()) for _ in range(20 * workers)]
            for number, sock in enumerate(socks):
                sock.sendall(pattern(10_000, seed=number))
            for number, sock in enumerate(socks):
                assert recv_exactly(sock, 10_000) == pattern(10_000, seed=number)
        assert server.children() == before and not server.log_lines("worker")
        assert server.end() == 0
    finally:
        server.kill()


@pytest.mark.parametrize("setting", ["1", "2"])
@pytest.mark.parametrize("choice", ["auto", "uring"])
def test_rings_that_are_switched_off_are_reported_as_such(serve_any, tmp_path, setting, choice):
    """kernel.io_uring_disabled applies to the whole machine, so the test only simulates it: the file, and the
    call's error."""
    prefix = own_files(tmp_path, {"/proc/sys/kernel/io_uring_disabled": setting + "\n"})
    preexec = without_rings(errno.EPERM)
    server = serve_any("-e", choice, "127.0.0.1:0", prefix=prefix, preexec=preexec, wait=choice == "auto")
    said = rf"io_uring is switched off \(kernel.io_uring_disabled is {setting}\)"
    if choice == "auto":
        assert server.log_lines(rf"^listening on .* \(engine epoll, uring: {said}, at most 1024 clients\)$")
        assert server.is_faithful()
    else:
        assert server.wait() == 4
        assert server.log_lines(rf"^tcpecho: engine uring cannot be used here: {said}")


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
