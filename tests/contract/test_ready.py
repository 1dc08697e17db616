# SPDX-License-Identifier: MIT
"""Ready means served: the addresses, `listening on` and READY=1 come when the first worker serves, and a server
that cannot serve ends its start with status 4 and a reason."""
import contextlib
import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness import TIMEOUT, cleanup, recv_exactly, wait_until
from refusals import refuse
from starting import Starting

# Engines with workers, and the first call of every worker.
workers = pytest.mark.engines("prefork", "thread", "epoll", "uring")
FIRST_CALL = "epoll_create1"

# Seconds to watch that nothing happens. (A server that is ready too early is so within milliseconds.)
WATCH = 0.3


@pytest.fixture
def start(program, engine, tmp_path):
    """Starts servers of the engine, without waiting for them."""
    started = []

    def start_one(*arguments, **more):
        log_path = tmp_path / f"log-{len(started)}"
        started.append(Starting(program, log_path, [*arguments, "127.0.0.1:0"], engine, **more))
        return started[-1]

    yield start_one
    cleanup(started)


def strace(*words):
    tool = shutil.which("strace") or pytest.skip("needs strace")
    return (tool, "-D", "-qq", "-o", "/dev/null", *words)


def assert_refused(server, words):
    """The server has ended with status 4 and this reason, and did not report that it is ready."""
    assert server.wait() == 4
    assert server.log_lines() == [f"tcpecho: cannot start serving: {words}"]
    assert server.ready.read() == b""


# ---- no engine can serve ----

FORBIDDEN = "operation not permitted (a seccomp filter or another policy forbids it)"


def test_where_no_process_can_be_had_it_does_not_start(start):
    assert_refused(start(preexec=refuse("clone", errno.EPERM)), FORBIDDEN)


# The flags with which pthread_create(3) calls clone(2): CLONE_VM, CLONE_THREAD and related ones.
THREAD_FLAGS = 0x3D0F00


@pytest.mark.engines("thread")
def test_where_no_thread_can_be_had_it_does_not_start(start):
    refusals = [refuse("clone3", errno.EPERM), refuse("clone", errno.EPERM, THREAD_FLAGS)]
    assert_refused(start(preexec=lambda: [install() for install in refusals]), FORBIDDEN)


@pytest.mark.engines("thread")
def test_where_clone3_is_refused_it_serves_or_does_not_start(start):
    """As under an old container runtime, which does not know clone3."""
    server = start(preexec=refuse("clone3", errno.EPERM))
    if server.starts():
        assert server.is_faithful()
    else:
        assert_refused(server, FORBIDDEN)


@workers
@pytest.mark.parametrize(
    "error, remedy",
    [
        ("EMFILE", "too many open files (raise the limit on descriptors, ulimit -n)"),
        ("ENOMEM", "cannot allocate memory (lower --max-clients, or see the memory cgroup and vm.overcommit_memory)"),
    ],
)
def test_if_no_worker_can_be_set_up_it_does_not_start(start, error, remedy):
    server = start(prefix=strace("-f", "-e", f"trace={FIRST_CALL}", "-e", f"inject={FIRST_CALL}:error={error}"))
    assert_refused(server, remedy)


@workers
def test_if_every_worker_is_killed_it_does_not_start(start):
    server = start(prefix=strace("-f", "-e", f"trace={FIRST_CALL}", "-e", f"inject={FIRST_CALL}:signal=KILL"))
    assert_refused(server, "the process that should serve it was killed")


@workers
@pytest.mark.parametrize("call", ["eventfd2", "pipe2"])
def test_if_the_supervisor_cannot_be_set_up_it_does_not_start(start, call):
    server = start(prefix=strace("-e", f"trace={call}", "-e", f"inject={call}:error=EMFILE"))
    assert_refused(server, "too many open files (raise the limit on descriptors, ulimit -n)")


# ---- the first worker ----


def is_listening(path):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.fixture
def stopping(start, tmp_path):
    """A server whose only worker is stopped at its first call, and the pid of that worker."""
    record = tmp_path / "strace"
    tool = shutil.which("strace") or pytest.skip("needs strace")
    words = (tool, "-D", "-f", "-qq", "-o", str(record), "-e", f"trace={FIRST_CALL}")
    one = ("--workers", "1", "--max-clients", "1")
    server = start(*one, prefix=(*words, "-e", f"inject={FIRST_CALL}:signal=STOP"))

    def find():
        text = record.read_text() if record.exists() else ""
        return [int(pid) for pid in re.findall(r"^(\d+) +--- stopped by SIGSTOP ---$", text, re.M)]

    worker = wait_until(find, "the worker to be stopped at its first call")[0]  # or a thread of it
    yield server, worker
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)


@workers
def test_it_is_ready_when_the_first_worker_serves_and_not_before(stopping):
    server, worker = stopping
    time.sleep(WATCH)
    assert not server.is_ready()
    assert server.log_lines("listening on") == []
    os.kill(worker, signal.SIGCONT)
    assert server.starts() and server.is_faithful()


@workers
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_workers_start_ends_it_at_once(stopping, number):
    server, _ = stopping
    assert server.end(number) == -number
    assert server.log() == ""


@workers
def test_a_signal_after_the_first_worker_has_served_is_a_drain(start, tmp_path):
    """The supervisor waits for the worker and does not know yet that the worker serves."""
    path = tmp_path / "socket"
    prefix = strace("-e", "trace=poll,ppoll", "-e", "inject=poll,ppoll:delay_exit=1s")
    server = start(f"unix:{path}", "--workers", "1", "--max-clients", "1", prefix=prefix)
    wait_until(lambda: is_listening(path), "the server to listen")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(TIMEOUT)
        client.connect(str(path))
        client.sendall(b"hello")
        assert recv_exactly(client, 5) == b"hello"
        server.send(signal.SIGTERM)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert server.wait() == 0
    assert server.log_lines("SIGTERM: no new clients; ")


@pytest.mark.engines("prefork", "epoll", "uring")
def test_if_some_workers_can_start_it_serves_and_reports_the_others(start, engine):
    """The third process is refused, and every later one."""
    prefix = strace("-e", "trace=clone", "-e", "inject=clone:error=EAGAIN:when=3+")
    server = start("--workers", "4", "--max-clients", "4", prefix=prefix)
    assert server.starts() and server.is_faithful()
    assert server.wait_for_log("warning: cannot start a worker: resource temporarily unavailable, clients wait")
    assert server.log_lines("at most 4 clients")


# ---- the receivers of the readiness message ----


def test_many_addresses_are_written_whole(program, engine, tmp_path):
    """More than a pipe takes at once."""
    width = 106 - len(str(tmp_path))
    if width < 2:
        pytest.skip("the directory of the test has too long a name")
    paths = [f"unix:{tmp_path}/{i:0{width}}" for i in range(64)]
    reader, writer = os.pipe()
    words = [program, "serve", "--engine", engine, "--ready-fd", str(writer), *paths]
    server = subprocess.Popen(words, pass_fds=[writer], stderr=subprocess.DEVNULL)
    os.close(writer)
    with open(reader) as ready:
        assert ready.read().split() == paths
    server.terminate()
    assert server.wait(TIMEOUT) == 0


# ---- a --ready-fd that cannot be written ----


def closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def closed_socket():
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours.detach()


UNWRITABLE = {
    "pipe": (closed_pipe, "broken pipe"),
    "socket": (closed_socket, "broken pipe"),
    "full device": (lambda: os.open("/dev/full", os.O_WRONLY), "no space left on device"),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_if_readiness_cannot_be_written_nothing_is_announced(program, engine, name):
    make, reason = UNWRITABLE[name]
    fd = make()
    words = [program, "serve", "--engine", engine, "--ready-fd", str(fd), "127.0.0.1:0"]
    done = subprocess.run(words, pass_fds=[fd], capture_output=True, text=True, timeout=TIMEOUT)
    os.close(fd)
    assert (done.returncode, done.stderr) == (4, f"tcpecho: cannot write to --ready-fd {fd}: {reason}\n")


def test_readiness_may_go_to_a_file(program, engine, tmp_path):
    path, log = tmp_path / "ready", tmp_path / "log"
    with path.open("wb") as ready, log.open("wb") as errors:
        words = [program, "serve", "--engine", engine, "--ready-fd", str(ready.fileno()), "127.0.0.1:0"]
        server = subprocess.Popen(words, pass_fds=[ready.fileno()], stderr=errors)
    try:
        address = wait_until(lambda: path.read_text(), "the address in the file").strip()
        wait_until(lambda: f"listening on {address} " in log.read_text(), "the address in the log")
    finally:
        server.terminate()
        assert server.wait(TIMEOUT) == 0
