# SPDX-License-Identifier: MIT
"""Who takes over the server or a child finds nothing to use: no rights, no files, no descriptors, no calls."""
import contextlib
import errno
import os
import re
import signal
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


@pytest.fixture
def client(server):
    """A client who is being served, by a child of its own."""
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


def test_server_and_child_have_no_capability_no_new_privileges_and_a_list_of_calls(server, client):
    assert is_bare(server.pid)
    assert is_bare(server.child_of(client))


def test_a_child_has_one_list_more_than_the_server(server, client):
    lists = [int(field(pid, "Seccomp_filters")) for pid in (server.pid, server.child_of(client))]
    assert lists[1] == lists[0] + 1


def test_a_child_holds_exactly_its_client_the_lifeline_and_the_standard_descriptors(server, client):
    held = descriptors_of(server.child_of(client))
    kinds = sorted(re.sub(r":.*", "", what) for fd, what in held.items() if fd > 2)
    assert set(held) >= {0, 1, 2}
    assert kinds == ["pipe", "socket"]


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
    assert make_call(server.pid, call) == -errno.ENOSYS
    assert server.is_faithful()
    assert server.log_lines("cannot") == []


def test_a_child_that_was_stopped_goes_on(server, client):
    """Its wait is taken up again by restart_syscall(2), which has to be in its list."""
    child = server.child_of(client)
    os.kill(child, signal.SIGSTOP)
    os.kill(child, signal.SIGCONT)
    assert is_echoed(client)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:{directory}/echo", "unix:@{name}"])
def test_a_sandboxed_server_starts_serves_and_ends_on_every_kind_of_address(serve, tmp_path, address):
    server = serve(address.format(directory=tmp_path, name=tmp_path.name))
    assert server.is_faithful()
    assert server.ends(1)[0]["reason"] == "eof"
    assert server.end() == 0
    assert not (tmp_path / "echo").exists()
    assert "going without" not in server.log()
