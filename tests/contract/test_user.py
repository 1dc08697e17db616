# SPDX-License-Identifier: MIT
"""`--user`: addresses are opened as root, then clients are served as another user, with no way back."""
import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess

import pytest

from harness import TIMEOUT, proc_text, recv_exactly
from netns import set_sysctl
from second_request import end_at_once

EMPTY = "''"  # in a message

NOBODY = pwd.getpwnam("nobody")

# The outcome does not depend on the engine: one is enough.
before_engines = pytest.mark.engines("fork")


@pytest.fixture(autouse=True)
def root():
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")


def identity(pid):
    """User ids, group ids, supplementary groups and capabilities, as /proc/PID/status has them."""
    status = proc_text(pid, "status")

    def field(name):
        return re.search(rf"^{name}:[ \t]*(.*)$", status, re.MULTILINE).group(1).split()

    return {
        "users": {int(number) for number in field("Uid")},
        "groups": {int(number) for number in field("Gid")},
        "others": {int(number) for number in field("Groups")},
        "capabilities": {int(field(name)[0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")},
    }


def of_user(user):
    """Returns the identity() of a process that has only the ids of this user."""
    return {
        "users": {user.pw_uid},
        "groups": {user.pw_gid},
        "others": set(os.getgrouplist(user.pw_name, user.pw_gid)),
        "capabilities": {0},
    }


def with_groups():
    """In the child, before exec: gives root groups that must be dropped."""
    os.setgroups([0, 4, 24, 27])


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("name", [NOBODY.pw_name, str(NOBODY.pw_uid)])
def test_a_port_below_1024_is_bound_then_all_processes_are_that_user_alone(serve, name):
    set_sysctl("net.ipv4.ip_unprivileged_port_start", 1024)
    server = serve("--user", name, "127.0.0.1:80", preexec=with_groups)
    with server.connect() as client:
        client.sendall(b"hello")
        assert recv_exactly(client, 5) == b"hello"
        assert server.process_of(client) in server.processes()
        assert all(identity(pid) == of_user(NOBODY) for pid in server.processes())
    assert server.ends(1)[0]["reason"] == "eof"
    assert server.end() == 0


def test_without_it_root_stays_root_but_has_no_capability(server):
    found = identity(server.pid)
    assert found["users"] == {0}
    assert found["capabilities"] == {0}


@before_engines
def test_the_environment_can_name_the_user(serve):
    server = serve("127.0.0.1:0", env={"TCPECHO_SERVE_USER": NOBODY.pw_name})
    assert identity(server.pid) == of_user(NOBODY)


def test_signals_and_the_drain_work_as_that_user(serve):
    server = serve("--user", NOBODY.pw_name, "--drain-timeout", "1ms", "127.0.0.1:0")
    assert server.totals()["clients"] == 0
    with server.connect() as client:
        client.sendall(b"hello")
        assert recv_exactly(client, 5) == b"hello"
        server.send(signal.SIGTERM)
        assert client.recv(1) == b""
    assert server.wait() == 1


def test_a_second_signal_kills_the_processes_of_that_user(serve):
    server = serve("--user", NOBODY.pw_name, "127.0.0.1:0")
    with server.connect() as client:
        client.sendall(b"hello")
        assert recv_exactly(client, 5) == b"hello"
        server.send(signal.SIGTERM)
        server.wait_for_log("SIGTERM: no new clients")
        assert end_at_once(server, signal.SIGTERM) == -signal.SIGTERM
    assert server.ends(1)[0]["reason"] == "killed"


# ---- unix paths ----


def test_the_path_is_removed_where_that_user_may(serve, lone_user):
    directory = pathlib.Path(lone_user.directory)
    os.chown(directory, NOBODY.pw_uid, NOBODY.pw_gid)
    server = serve("--user", NOBODY.pw_name, f"unix:{directory}/echo")
    assert server.is_faithful()
    assert server.end() == 0
    assert not (directory / "echo").exists()


def test_the_path_stays_where_the_user_may_not_remove_it_and_the_next_start_takes_it(serve, lone_user):
    path = pathlib.Path(lone_user.directory) / "echo"
    first = serve("--user", NOBODY.pw_name, f"unix:{path}")
    assert first.end() == 0
    assert first.log_lines("warning") == [
        f"tcpecho: warning: cannot remove unix:{path}: permission denied (the next start takes its place)"
    ]
    assert path.is_socket()
    assert serve("--user", NOBODY.pw_name, f"unix:{path}").is_faithful()


def test_the_path_stays_in_a_directory_that_the_user_cannot_search_with_a_warning(serve, lone_user):
    directory = pathlib.Path(lone_user.directory)
    path = directory / "echo"
    directory.chmod(0o700)
    server = serve("--user", NOBODY.pw_name, f"unix:{path}")
    assert server.is_faithful()
    assert server.end() == 0
    assert server.log_lines("warning") == [
        f"tcpecho: warning: cannot remove unix:{path}: permission denied (the next start takes its place)"
    ]
    assert path.is_socket()
    assert serve("--user", NOBODY.pw_name, f"unix:{path}").is_faithful()


# ---- refusals ----


@before_engines
@pytest.mark.parametrize("name", ["nobody-of-that-name", "", "3999999999", "nobody:nogroup"])
def test_an_unknown_user_is_a_wrong_command_line(program, name):
    result = subprocess.run([program, "serve", "--user", name, "0"], capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 2
    assert result.stderr == f"tcpecho: --user {name or EMPTY}: no such user\n"


@before_engines
def test_only_root_can_and_others_get_an_error(serve, program, lone_user):
    copy = lone_user.reachable(program)
    server = serve("--user", "root", "127.0.0.1:0", preexec=lone_user.become, program=copy, wait=False)
    assert server.wait() == 4
    assert server.log() == (
        "tcpecho: cannot become user root: operation not permitted"
        " (only root can: start as root, or leave --user out)\n"
    )


@before_engines
@pytest.mark.usefixtures("own_network")
def test_the_addresses_are_opened_first(serve):
    """A port in use is reported to root, before the change of user: the user `nobody` would get another error."""
    set_sysctl("net.ipv4.ip_unprivileged_port_start", 1024)
    with socket.create_server(("127.0.0.1", 81)):
        server = serve("--user", NOBODY.pw_name, "127.0.0.1:81", wait=False)
        assert server.wait() == 4
        assert "address already in use" in server.log()
