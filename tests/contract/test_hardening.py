# SPDX-License-Identifier: MIT
"""Who takes over the server or a child finds nothing to use: no rights, no files, no descriptors, no calls.

A child that serves one client alone has fewer calls than the server that started it. A worker has the
server's, for it accepts as well.
"""
import contextlib
import errno
import re
import subprocess

import pytest

from harness import descriptors_of, proc_text, recv_all, recv_exactly
from intruder import CALLS, make_call


@pytest.fixture(autouse=True)
def sandboxed(program):
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if "sandbox: none" in version:
        pytest.skip("built without the sandbox: a sanitizer needs more than it leaves, or the kernel hangs in it")


def is_echoed(sock, data=b"hello\n"):
    """Does what is sent come back, in a conversation that goes on?"""
    sock.sendall(data)
    return recv_exactly(sock, len(data)) == data


# A child for each client, which does nothing but serve it.
lone_child = pytest.mark.engines("fork")


@pytest.fixture
def client(server):
    """A client who is being served."""
    with server.connect() as sock:
        assert is_echoed(sock)
        yield sock


def field(pid, name):
    """A field of /proc/PID/status."""
    return re.search(rf"^{name}:\s+(.*)$", proc_text(pid, "status"), re.MULTILINE).group(1)


CAPABILITIES = ["CapInh", "CapPrm", "CapEff", "CapAmb"]


def is_bare(pid):
    """Has it no capability, no way to gain one, and a list of calls?"""
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


@lone_child
def test_a_child_holds_exactly_its_client_the_lifeline_and_the_standard_descriptors(server, client):
    held = descriptors_of(server.child_of(client))
    kinds = sorted(re.sub(r":.*", "", what) for fd, what in held.items() if fd > 2)
    assert set(held) >= {0, 1, 2}
    assert kinds == ["pipe", "socket"]


@lone_child
@pytest.mark.parametrize("call", CALLS)
def test_a_child_that_makes_another_call_dies_and_nobody_else_notices(server, client, call):
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


def test_who_serves_and_was_stopped_goes_on(server, client):
    """A wait is taken up again by restart_syscall(2), which has to be in the list of calls."""
    server.continue_all(server.stop_all([server.process_of(client)]))
    assert is_echoed(client)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:{directory}/echo", "unix:@{name}"])
def test_a_sandboxed_server_starts_serves_and_ends_on_every_kind_of_address(serve, tmp_path, address):
    server = serve(address.format(directory=tmp_path, name=tmp_path.name))
    assert server.is_faithful()
    assert server.ends(1)[0]["reason"] == "eof"
    assert server.end() == 0
    assert not (tmp_path / "echo").exists()
    assert "going without" not in server.log()
