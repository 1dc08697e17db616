# SPDX-License-Identifier: MIT
"""The announced number of clients is served: `at most N clients` counts what this machine and its cgroups have
left, whatever is in use already. If resources run short later, new clients wait and existing clients are not
affected."""
import contextlib
import errno
import os
import re
import resource
import shutil
import signal
import subprocess

import pytest

from harness import Server, children_of, cleanup, proc_text, recv_exactly, wait_until
from refusals import refuse
from shortages import WARNING, LoneUser, MemoryCgroup, PidsCgroup, allow_descriptors
from starting import Starting
from streams import connect_from, is_silent

MEGABYTE = 1 << 20


def announced(server):
    return int(re.search(r"at most (\d+) clients?\)", server.log()).group(1))


class Clients:
    """Clients that stay connected."""

    def __init__(self, server):
        self.server = server
        self.socks = []

    def connect(self, count, **options):
        allow_descriptors(count + 200)
        new = [self.server.connect(**options) for _ in range(count)]
        self.socks += new
        return new

    def close(self):
        for sock in self.socks:
            sock.close()


@pytest.fixture
def start(program, engine, tmp_path):
    """Starts servers of the engine, without waiting for them."""
    started = []

    def start_one(*arguments, **more):
        started.append(Starting(program, tmp_path / f"log-{len(started)}", arguments, engine, **more))
        return started[-1]

    yield start_one
    cleanup(started)


# Arguments with which one process has the descriptors of all clients; with the prefork engine, those of a few.
ONE_HOLDER = {
    "fork": [],
    "prefork": ["--workers", "1", "--clients-per-worker", "1000"],
    "thread": [],
    "epoll": ["--workers", "1"],
    "uring": ["--workers", "1"],
}


@pytest.fixture
def clients_of():
    with contextlib.ExitStack() as stack:

        def make(server):
            return stack.enter_context(contextlib.closing(Clients(server)))

        yield make


def echo(sock, data):
    sock.sendall(data)
    return recv_exactly(sock, len(data)) == data


def assert_as_announced(server, clients_of, size=100):
    """The server serves as many clients at the same time as it has announced."""
    socks = clients_of(server).connect(announced(server))
    assert all(echo(sock, bytes(size)) for sock in socks)
    assert all(echo(sock, b"still there") for sock in socks)
    assert server.is_running()
    assert server.totals()["killed"] == 0
    return socks


def refusal_of(server):
    assert server.wait() == 4, server.log()
    return server.log_lines()[-1]


# ---- descriptors ----


def few_descriptors(count):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def test_descriptors_that_are_inherited_are_counted(serve, engine, clients_of):
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(30)]
    try:
        limit = max(fds) + 30  # it has the same numbers as this process
        server = serve(*ONE_HOLDER.get(engine, []), "127.0.0.1:0", preexec=few_descriptors(limit), pass_fds=fds)
    finally:
        for fd in fds:
            os.close(fd)
    assert_as_announced(server, clients_of)


@pytest.mark.parametrize("count", range(8, 34, 2))
def test_with_very_few_descriptors_it_serves_what_it_announces_or_does_not_start(start, engine, clients_of, count):
    server = start(*ONE_HOLDER.get(engine, []), "127.0.0.1:0", preexec=few_descriptors(count))
    if server.starts():
        assert_as_announced(server, clients_of)
    else:
        assert re.search(r"ulimit -n|descriptors", refusal_of(server))


def test_clients_that_wait_for_their_source_leave_descriptors_to_the_others(serve, engine, clients_of):
    server = serve(*ONE_HOLDER.get(engine, []), "--max-per-source", "1", "127.0.0.1:0", preexec=few_descriptors(64))
    with contextlib.ExitStack() as stack:
        for _ in range(64):  # one of them is served, some wait, the others are turned away
            stack.enter_context(server.connect()).sendall(b"x")
        others = [f"127.0.1.{i}" for i in range(1, announced(server))]
        socks = [stack.enter_context(connect_from(server, source)) for source in others]
        assert all(echo(sock, b"of another source") for sock in socks)


# ---- processes ----


def test_a_process_limit_on_a_parent_cgroup_binds(start, engine, clients_of):
    if engine not in ("fork", "thread"):
        pytest.skip("clients take no processes")
    with made(PidsCgroup) as above, made(PidsCgroup, above) as group:
        above.limit(40)
        server = start("127.0.0.1:0", preexec=lambda: group.add(os.getpid()))
        assert server.starts()
        assert announced(server) < 40
        assert "the pids cgroup" in server.log()
        assert_as_announced(server, clients_of)
        server.kill()


@pytest.mark.engines("fork", "thread")
def test_processes_that_the_user_has_already_are_counted(program, engine, tmp_path, clients_of):
    user = LoneUser()
    sleepers = []
    try:
        for _ in range(30):
            sleepers.append(subprocess.Popen(["sleep", "1000"], preexec_fn=user.become))
        wait_until(lambda: user.task_count() == 30, "them to run as that user")
        server = Server(
            user.reachable(program), tmp_path, ["127.0.0.1:0"], engine=engine, preexec=lambda: user.become(60)
        )
        try:
            assert announced(server) <= 60 - 30
            assert "RLIMIT_NPROC, ulimit -u" in server.log()
            assert_as_announced(server, clients_of)
        finally:
            server.kill()
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
        user.remove()


@pytest.mark.engines("prefork")
def test_workers_that_cannot_serve_the_requested_number_cause_a_warning(serve, clients_of):
    server = serve("--workers", "2", "--max-clients", "100", "127.0.0.1:0")
    assert server.log_lines("warning") == [
        "tcpecho: warning: at most 2 clients instead of 100 (2 workers with 1 each: see --clients-per-worker)"
    ]
    assert_as_announced(server, clients_of)


# ---- address space ----


def little_space(size):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))


@pytest.mark.engines("thread", "epoll", "uring")
@pytest.mark.parametrize("size", [16, 24, 48, 96, 256])
def test_in_little_address_space_it_serves_what_it_announces_or_does_not_start(start, clients_of, size, sanitized):
    if sanitized:
        pytest.skip("a sanitizer takes more address space than that")
    server = start("--workers", "1", "127.0.0.1:0", preexec=little_space(size * MEGABYTE))
    if server.starts():
        assert_as_announced(server, clients_of)
    else:
        assert re.search(r"ulimit -v|cannot allocate memory", refusal_of(server))


@pytest.mark.parametrize("size", [3200, 3500, 4096, 4608, 6144, 24576])
def test_in_a_small_data_segment_it_serves_what_it_announces_or_names_that_limit(start, clients_of, size, sanitized):
    if sanitized:
        pytest.skip("a sanitizer takes more memory than that")
    limit = lambda: resource.setrlimit(resource.RLIMIT_DATA, (size * 1024, size * 1024))  # noqa: E731
    server = start("127.0.0.1:0", preexec=limit)
    if server.starts():
        assert_as_announced(server, clients_of)
        assert all("ulimit -d" in line for line in server.log_lines(WARNING))
    elif server.wait() == 4:
        assert "ulimit -d" in server.log_lines()[-1]
    else:
        assert server.wait() in (127, -signal.SIGSEGV), "this kernel or its loader cannot even run a program there"


@pytest.mark.engines("thread", "epoll", "uring")
def test_more_clients_than_there_is_address_space_for_are_refused(start, sanitized):
    if sanitized:
        pytest.skip("a sanitizer takes more address space than that")
    server = start("--workers", "1", "--max-clients", "15000", "127.0.0.1:0", preexec=little_space(256 * MEGABYTE))
    assert not server.starts()
    assert re.search(r"cannot serve 15000 clients: this machine allows \d+ ", refusal_of(server))


@pytest.mark.parametrize("size", [64, 96])
def test_on_a_small_stack_it_serves(start, size, sanitized):
    if sanitized:
        pytest.skip("a sanitizer needs a larger stack")
    limit = lambda: resource.setrlimit(resource.RLIMIT_STACK, (size * 1024, size * 1024))  # noqa: E731
    server = start("localhost:0", preexec=limit)
    assert server.starts(), server.log()
    assert server.is_faithful()
    assert server.end() == 0


# ---- memory ----


@contextlib.contextmanager
def made(kind, *parents):
    group = kind(*parents)
    try:
        yield group
    finally:
        group.remove()


@pytest.fixture
def group(sanitized):
    """A small memory cgroup."""
    if sanitized:
        pytest.skip("a sanitizer takes more memory than that")
    with made(MemoryCgroup) as group:
        yield group


@pytest.mark.parametrize("size", [12, 24, 48])
def test_what_a_memory_cgroup_has_room_for_is_announced_and_served(group, start, clients_of, size):
    allow_descriptors(1100)
    group.limit(size * MEGABYTE)
    server = start("127.0.0.1:0", preexec=lambda: group.add(os.getpid()))
    assert server.starts()
    assert_as_announced(server, clients_of, size=60_000)
    assert group.kills() == 0
    server.kill()


@pytest.mark.engines("fork", "prefork", "thread")
def test_more_clients_than_a_memory_cgroup_has_room_for_are_refused(group, start):
    group.limit(48 * MEGABYTE)
    server = start("--max-clients", "1024", "127.0.0.1:0", preexec=lambda: group.add(os.getpid()))
    assert not server.starts()
    line = refusal_of(server)
    assert re.search(r"cannot serve 1024 clients: this machine allows \d+ \(the memory cgroup; raise that", line)


def test_a_memory_limit_on_a_parent_cgroup_binds(group, start):
    group.limit(12 * MEGABYTE)
    with made(MemoryCgroup, group) as inner:
        server = start("--max-clients", "100000", "127.0.0.1:0", preexec=lambda: inner.add(os.getpid()))
        assert not server.starts()
        assert "the memory cgroup" in refusal_of(server)


def score(pid):
    return int(proc_text(pid, "oom_score_adj"))


def test_in_a_memory_cgroup_the_kernel_prefers_children_to_the_parent(group, start):
    group.limit(64 * MEGABYTE)
    server = start("127.0.0.1:0", preexec=lambda: group.add(os.getpid()))
    assert server.starts()
    with server.connect() as client:
        assert echo(client, b"there")
        own = score(os.getpid())
        wait_until(lambda: score(server.pid) == own, "the parent to have its own score again")
        assert children_of(server.pid)
        assert all(score(child) > own for child in children_of(server.pid))
    server.kill()


def test_without_a_memory_cgroup_scores_are_as_they_were(server):
    with server.connect() as client:
        assert echo(client, b"there")
        if MemoryCgroup.limits(os.getpid()):
            pytest.skip("the memory of this test itself is limited")
        assert {score(pid) for pid in server.processes()} == {score(os.getpid())}


def test_in_a_memory_cgroup_that_is_nearly_full_clients_wait_and_no_process_is_killed(group, start, clients_of):
    group.limit(32 * MEGABYTE)
    server = start("--max-clients", "100", "127.0.0.1:0", preexec=lambda: group.add(os.getpid()))
    assert server.starts()
    clients = clients_of(server)
    served = clients.connect(10)
    assert all(echo(sock, b"first") for sock in served)
    with group.fill(room=128 * 1024):
        waiting = clients.connect(40)
        for sock in waiting:
            sock.sendall(b"me too")
        server.wait_for_log("warning: cannot (accept|start .*): cannot allocate memory, clients wait")
        assert all(echo(sock, b"still there") for sock in served)
        assert is_silent(waiting[-1])
    for sock in waiting:
        assert recv_exactly(sock, 6) == b"me too"
    assert group.kills() == 0
    assert server.totals()["killed"] == 0
    server.kill()


# ---- descriptors of a child ----


@pytest.mark.engines("fork")
def test_without_close_range_a_child_closes_what_is_open_and_not_all_numbers(start, tmp_path):
    strace = shutil.which("strace") or pytest.skip("needs strace")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 10000:
        pytest.skip(f"the hard limit of descriptors is {hard}, too low for a difference")
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
    far = os.dup2(fds[0], 700)
    record = tmp_path / "strace"
    prefix = (strace, "-D", "-f", "-qq", "-o", str(record), "-e", "trace=close,close_range")
    server = start("127.0.0.1:0", prefix=prefix, preexec=refuse("close_range", errno.ENOSYS), pass_fds=[*fds, far])
    for fd in [*fds, far]:
        os.close(fd)
    assert server.starts()
    with server.connect() as client:
        assert echo(client, b"there")
        (child,) = server.children()
        held = {int(fd) for fd in os.listdir(f"/proc/{child}/fd")}
        assert len(held - {0, 1, 2}) == 2, "its client and the lifeline"
        closed = len(re.findall(rf"^{child} +close\(", record.read_text(), re.M))
        assert closed < 3000
    server.kill()
