# SPDX-License-Identifier: MIT
"""What an intruder in a process of the server has: no rights, no files, few descriptors, few system calls.

A child that serves one client has fewer calls than the server that started it; a worker accepts as well.
tests/unit/server/test_intruder.c makes every attempt with valid arguments, in C.
"""
import contextlib
import errno
import mmap
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys

import pytest

from harness import descriptors_of, is_gone, proc_state, proc_text, recv_all, recv_exactly, wait_until
from intruder import CALLS, make_call


@pytest.fixture(autouse=True)
def sandboxed(program):
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if "sandbox: none" in version:
        pytest.skip("built without the sandbox: a sanitizer needs more than it leaves, or the kernel hangs in it")


def is_echoed(sock, data=b"hello\n"):
    """Returns whether the echo comes back in a conversation that continues."""
    sock.sendall(data)
    return recv_exactly(sock, len(data)) == data


# A child for each client, which only serves that client.
lone_child = pytest.mark.engines("fork")


@pytest.fixture
def client(server):
    """A client that is being served."""
    with server.connect() as sock:
        assert is_echoed(sock)
        yield sock


def field(pid, name):
    """A field of /proc/PID/status."""
    return re.search(rf"^{name}:\s+(.*)$", proc_text(pid, "status"), re.MULTILINE).group(1)


CAPABILITIES = ["CapInh", "CapPrm", "CapEff", "CapAmb"]


def is_bare(pid):
    """Returns whether it has no capability, no way to gain one, and a seccomp filter."""
    return (
        all(int(field(pid, name), 16) == 0 for name in CAPABILITIES)
        and field(pid, "NoNewPrivs") == "1"
        and field(pid, "Seccomp") == "2"
    )


def test_all_its_processes_have_no_capability_no_new_privileges_and_a_list_of_calls(server, client):
    assert server.process_of(client) in server.processes()
    assert all(is_bare(pid) for pid in server.processes())


@lone_child
def test_a_child_has_one_list_more_than_the_server(server, client):
    lists = [int(field(pid, "Seccomp_filters")) for pid in (server.pid, server.child_of(client))]
    assert lists[1] == lists[0] + 1


@pytest.mark.engines("epoll")  # this number of rings may exceed ulimit -l
def test_every_worker_has_one_list_more_than_the_server_however_many_there_are(serve):
    """More workers than children that may install a filter in a second (server/sandbox.h). Clients cannot cause
    more workers."""
    server = serve("-w", "130", "-m", "1000", "127.0.0.1:0")
    wanted = str(int(field(server.pid, "Seccomp_filters")) + 1)
    workers = server.wait_for_children(130)
    wait_until(lambda: {field(pid, "Seccomp_filters") for pid in workers} == {wanted}, "every worker to have its list")


@lone_child
def test_a_child_holds_exactly_its_client_the_lifeline_and_the_standard_descriptors(server, client):
    held = descriptors_of(server.child_of(client))
    kinds = sorted(re.sub(r":.*", "", what) for fd, what in held.items() if fd > 2)
    assert set(held) >= {0, 1, 2}
    assert kinds == ["pipe", "socket"]


@lone_child
@pytest.mark.parametrize("call", CALLS)
def test_a_child_that_makes_another_call_is_killed_and_no_other(server, client, call):
    with server.connect() as bystander:
        assert is_echoed(bystander)
        make_call(server.child_of(client), call)
        with contextlib.suppress(ConnectionResetError):
            assert recv_all(client) == b""
        (end,) = server.ends(1)
        assert end["reason"] == "killed" and end["signal"] == "SIGSYS"
        assert is_echoed(bystander)
    assert server.is_faithful()
    assert server.end() == 0


@pytest.mark.parametrize("call", ["execve", "ptrace", "openat", "connect", "bind", "io_uring_setup"])
def test_the_server_itself_lacks_such_a_call_and_goes_on(server, call):
    if (server.engine, call) == ("uring", "io_uring_setup"):
        pytest.skip("its workers make rings, and have no call that the server has not")
    assert make_call(server.pid, call) == -errno.ENOSYS
    assert server.is_faithful()
    assert server.log_lines("cannot") == []


@pytest.mark.engines("prefork", "thread", "epoll", "uring")
@pytest.mark.parametrize("call", ["execve", "ptrace", "openat", "connect", "bind"])
def test_a_worker_lacks_such_a_call_and_its_clients_do_not_notice(server, client, call):
    idle = [pid for pid in server.children() if server.engine != "prefork" or pid != server.process_of(client)]
    assert make_call(idle[0], call) == -errno.ENOSYS
    assert is_echoed(client)
    assert server.is_faithful()
    assert server.log_lines("warning|cannot") == []


def shared_pages(pid):
    """Returns the memory pages that a process shares with others."""
    ranges = re.findall(r"^(\w+)-(\w+) rw-s .* /dev/zero", proc_text(pid, "maps"), re.MULTILINE)
    return {page for first, end in ranges for page in range(int(first, 16), int(end, 16), mmap.PAGESIZE)}


@pytest.mark.engines("prefork", "epoll", "uring")
def test_a_worker_cannot_write_to_what_another_worker_has(serve):
    """All workers share a few pages, for wake-ups and similar; connections are not in them."""
    server = serve("-w", "3", "-m", "300", "127.0.0.1:0")
    workers = server.children()[:3]

    def are_apart():
        """A worker that has just started still shares all memory with the supervisor."""
        first, second, third = (shared_pages(pid) for pid in workers)
        common = first & second
        assert shared_pages(server.pid) >= first | second | third
        return len(common) <= 8 and common == second & third == third & first and common < first

    wait_until(are_apart, "workers that have only a few pages in common")


@lone_child
def test_a_child_cannot_write_to_what_its_parent_knows_of_clients(server, client):
    assert is_echoed(client)
    child, parent = shared_pages(server.child_of(client)), shared_pages(server.pid)
    assert child < parent and len(child) * 2 < len(parent)


def scribble(pid, byte):
    """Overwrites all shared memory of a process, as an intruder may do."""
    try:
        with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
            for page in shared_pages(pid):
                memory.seek(page)
                memory.write(bytes([byte]) * mmap.PAGESIZE)
    except PermissionError as error:
        pytest.skip(f"cannot write to the memory of another process: {error.strerror}")


@pytest.mark.parametrize("byte", [0xFF, 0x7F, 0x01])
def test_what_a_process_writes_to_shared_memory_ends_no_other_process(server, client, byte):
    """The parent goes on serving and ends as usual, and other workers are not affected either."""
    serving = server.process_of(client)
    scribble(serving, byte)
    with contextlib.suppress(ProcessLookupError):
        os.kill(serving, signal.SIGKILL)
    wait_until(lambda: is_gone(serving), "the process to end")
    for _ in range(20):
        assert server.is_faithful()
    server.totals()
    assert not re.findall(r"worker (?!%d )\d+ (failed|was killed)" % serving, server.log())
    assert server.end() in (0, 1)  # the counts of the intruded process may be anything


# ---- calls by their arguments ----

AT_FDCWD = -100
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


@pytest.fixture
def victim():
    """A process that has nothing to do with the server."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process
    process.kill()
    process.wait()


def is_unharmed(victim):
    return (
        proc_state(victim.pid) in ("S", "R")
        and resource.prlimit(victim.pid, resource.RLIMIT_CPU) == resource.getrlimit(resource.RLIMIT_CPU)
        and os.path.exists("/etc/passwd")
    )


def attempts(pid, victim):
    """Returns the attempts of an intruder in a process: description -> the call and its arguments."""
    any_socket = next(fd for fd, what in descriptors_of(pid).items() if what.startswith("socket:"))
    limit, number = struct.pack("QQ", 1, 1), struct.pack("i", 0x10)
    return {
        "limit the CPU time of another process": ("prlimit64", victim.pid, resource.RLIMIT_CPU, limit, 0),
        "read limits of another process": ("prlimit64", victim.pid, resource.RLIMIT_CPU, 0, bytes(16)),
        "limit its own core": ("prlimit64", 0, resource.RLIMIT_CORE, limit, 0),
        "stop another process": ("kill", victim.pid, signal.SIGSTOP),
        "stop a thread of another process": ("tgkill", victim.pid, victim.pid, signal.SIGSTOP),
        "open a UDP socket": ("socket", socket.AF_INET, socket.SOCK_DGRAM, 0),
        "open a UDP socket of IPv6": ("socket", socket.AF_INET6, socket.SOCK_DGRAM, 0),
        "open a TCP socket": ("socket", socket.AF_INET, socket.SOCK_STREAM, 0),
        "open a netlink socket": ("socket", socket.AF_NETLINK, socket.SOCK_RAW, 0),
        "open a unix datagram socket": ("socket", socket.AF_UNIX, socket.SOCK_DGRAM, 0),
        "set a socket option": ("setsockopt", any_socket, socket.IPPROTO_IP, socket.IP_TOS, number, 4),
        "enter a user namespace": ("unshare", CLONE_NEWUSER),
        "map code": ("mmap", 0, 4096, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0),
        "look at a file": ("newfstatat", AT_FDCWD, b"/etc/passwd\0", bytes(144), 0),
    }


def clones():
    """New processes of kinds that no server starts. They would continue at the same place as copies of the process."""
    return {
        "clone into a user namespace": ("clone", CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0),
        "clone into a network namespace": ("clone", CLONE_NEWUSER | CLONE_NEWNET | signal.SIGCHLD, 0, 0, 0, 0),
        "clone by clone3": ("clone3", struct.pack("8Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64),
    }


# Calls that a worker needs only before it serves.
ONLY_BEFORE = {
    "open another ring": ("io_uring_setup", 1, bytes(120)),
    "open another poller": ("epoll_create1", 0),
    "read its limits": ("prlimit64", 0, resource.RLIMIT_CORE, 0, bytes(16)),
    "start a process": ("clone", signal.SIGCHLD, 0, 0, 0, 0),
}


def what_passes(pid, calls):
    """Returns which of these calls a process can make: description -> result."""
    results = {words: make_call(pid, *call) for words, call in calls.items()}
    return {words: result for words, result in results.items() if result != -errno.ENOSYS}


@pytest.mark.engines("fork")  # the test asks no server
def test_an_ordinary_process_can_make_every_call_of_an_intruder(victim, engine):
    program = "import select, socket\ns = socket.create_server(('127.0.0.1', 0))\nprint(flush=True)\nselect.poll().poll()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"\n"
            calls = attempts(process.pid, victim)
            passed = what_passes(process.pid, calls)
        finally:
            process.kill()
    denied = {words for words, result in passed.items() if result < 0} - {"enter a user namespace"}
    assert denied == set() and passed.keys() == calls.keys()
    wait_until(lambda: proc_state(victim.pid) == "T", "the victim to stop")
    assert resource.prlimit(victim.pid, resource.RLIMIT_CPU) == (1, 1)


def test_the_server_can_make_none_of_them(server, victim):
    assert what_passes(server.pid, {**attempts(server.pid, victim), **clones()}) == {}
    assert is_unharmed(victim)
    assert server.is_faithful()
    assert server.end() == 0


@pytest.mark.engines("prefork", "thread", "epoll", "uring")
def test_a_worker_that_serves_can_make_none_of_them(server, client, victim):
    serving = server.process_of(client)
    workers = [pid for pid in server.children() if server.engine != "prefork" or pid != serving]
    calls = {**attempts(workers[0], victim), **clones(), **ONLY_BEFORE}
    calls["kill the server"] = ("kill", server.pid, signal.SIGKILL)
    calls["abort the server"] = ("tgkill", server.pid, server.pid, signal.SIGABRT)
    assert what_passes(workers[0], calls) == {}
    assert is_unharmed(victim)
    assert is_echoed(client)
    assert server.is_faithful()
    assert server.log_lines("warning|cannot") == []


@lone_child
def test_a_child_beside_many_others_can_make_none_of_them(server, victim):
    """Such a child has no filter of the child kind, because the number of these filters is limited
    (server/sandbox.h). It keeps the server's filter."""
    with contextlib.ExitStack() as stack:

        def child_without_list():
            sock = stack.enter_context(server.connect())
            assert is_echoed(sock)
            pid = server.child_of(sock)
            return (sock, pid) if field(pid, "Seccomp_filters") == field(server.pid, "Seccomp_filters") else None

        found = next(filter(None, (child_without_list() for _ in range(257))))
        assert what_passes(found[1], {**attempts(found[1], victim), **clones()}) == {}
        assert is_echoed(found[0])
        assert not is_gone(found[1])
    assert is_unharmed(victim)


@pytest.mark.engines("prefork", "thread", "epoll", "uring")
def test_a_worker_can_abort_itself(server, client):
    """As a failed assertion does; then the worker is replaced."""
    worker = server.process_of(client)
    make_call(worker, "tgkill", worker, worker, signal.SIGABRT)
    server.wait_for_log(rf"worker {worker} was killed by SIGABRT")
    assert server.is_faithful()


def test_a_serving_process_that_was_stopped_goes_on(server, client):
    """restart_syscall(2) resumes the wait, so the filter must allow it."""
    server.continue_all(server.stop_all([server.process_of(client)]))
    assert is_echoed(client)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:{directory}/echo", "unix:@{name}"])
def test_a_sandboxed_server_starts_serves_and_ends_on_every_kind_of_address(serve, tmp_path, address):
    server = serve(address.format(directory=tmp_path, name=f"{os.getpid()}-{tmp_path.name}"))
    assert server.is_faithful()
    assert server.ends(1)[0]["reason"] == "eof"
    assert server.end() == 0
    assert not (tmp_path / "echo").exists()
    assert "running without" not in server.log()
