# SPDX-License-Identifier: MIT
"""The units of packaging/systemd: how exposed the service is, and that it works under them.

The units cannot be started here, where systemd is not the first process. So the test traces the program's calls,
and every call must be in the unit's list.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest

from activation import manager
from harness import Server, children_of, recv_all, wait_until

UNITS = ["tcpecho.service", "tcpecho-activated.service", "tcpecho-activated.socket"]

# Maximum exposure, as systemd-analyze counts it: 10 is unprotected.
MOST_EXPOSURE = {"tcpecho.service": 1.1, "tcpecho-activated.service": 0.1}


@pytest.fixture(scope="module")
def analyze():
    """Runs systemd-analyze and returns its output."""
    path = shutil.which("systemd-analyze") or pytest.skip("needs systemd-analyze")

    def run(*arguments):
        result = subprocess.run([path, "--no-pager", *map(str, arguments)], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return result.stdout + result.stderr

    return run


@pytest.fixture
def units(build, program, tmp_path):
    """The units, as if the program were installed where it was built."""
    for name in UNITS:
        text = (build / name).read_text()
        (tmp_path / name).write_text(re.sub(r"(?<=[ =])/\S*/tcpecho(?= |$)", program, text, flags=re.MULTILINE))
    return tmp_path


def settings(unit, name):
    """The words of a setting, over all its lines."""
    return " ".join(re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)).split()


@pytest.mark.parametrize("name", MOST_EXPOSURE)
def test_a_service_is_hardly_exposed(analyze, units, name):
    said = analyze("security", "--offline=yes", units / name)
    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said)[1]) <= MOST_EXPOSURE[name]


def test_systemd_understands_every_line(analyze, units):
    assert analyze("verify", "--man=no", *[units / name for name in UNITS]) == ""


@pytest.mark.parametrize("name", ["tcpecho.service", "tcpecho-activated.service"])
def test_the_server_has_longer_to_end_than_its_clients(units, name):
    assert settings(units / name, "TimeoutStopSec") == ["40s"], "more than the drain timeout, 30s, and the linger"
    assert settings(units / name, "KillMode") == ["mixed"], "TERM is for the server alone"


def expanded(analyze, words):
    """Returns the calls that a SystemCallFilter= allows, with its groups expanded."""
    calls, groups = set(), list(words)
    while groups:
        word = groups.pop()
        if word.startswith("@"):
            lines = analyze("syscall-filter", word).splitlines()[1:]
            groups += [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        else:
            calls.add(word)
    return calls


def traced_calls(trace, program):
    """Returns the calls that strace -f saw from the program's execution on."""
    lines = trace.read_text(errors="replace").splitlines()
    start = max(number for number, line in enumerate(lines) if f'execve("{program}"' in line)
    return {found[1] for line in lines[start:] if (found := re.match(r"\d+ +(\w+)\(", line))}


@pytest.fixture
def trace(program, tmp_path, lone_user):
    """Traces a server of an unprivileged user from its start to its end: trace(addresses, **more)."""
    strace = shutil.which("strace") or pytest.skip("needs strace")
    copy = lone_user.reachable(program)
    directory = pathlib.Path(lone_user.directory)
    os.chown(directory, lone_user.uid, lone_user.uid)
    output = directory / "trace"
    servers = []

    def run(*arguments, prefix=(), **more):
        tracer = (strace, "-f", "-qq", "-o", str(output), *prefix)
        # The harness's --ready-fd would never end, because the tracer holds it open as well.
        words = ("--ready-fd", "2", *arguments)
        server = Server(copy, tmp_path, words, prefix=tracer, preexec=lone_user.become, wait=False, **more)
        servers.append(server)
        server.addresses = [line.split()[2] for line in server.wait_for_log("^listening on ")]
        converse(server)
        return traced_calls(output, copy)

    yield run
    for server in servers:
        server.kill()


def converse(server):
    """A server's run under strace: clients, one of them stopped and continued, totals, its end."""
    (pid,) = server.children()
    assert server.is_faithful()
    with server.connect() as client:
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        wait_until(lambda: len(children_of(pid)) == 1, "a child")
        for number in (signal.SIGSTOP, signal.SIGCONT):
            os.kill(children_of(pid)[0], number)
        os.kill(pid, signal.SIGUSR1)
        os.kill(pid, signal.SIGTERM)
        server.wait_for_log("SIGTERM: no new clients")
        client.shutdown(socket.SHUT_WR)
        assert recv_all(client) == b""
    assert server.wait() == 0


@pytest.fixture(autouse=True)
def sandboxed(program, request):
    """The calls must be those of a server in its sandbox."""
    if "may_make" in request.node.name:
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        if "sandbox: none" in version:
            pytest.skip("built without the sandbox, whose calls are to be in the list")


SANDBOX = {"seccomp", "landlock_restrict_self"}


@pytest.mark.usefixtures("ipv6")
def test_the_service_that_binds_may_make_every_call_that_it_makes(analyze, units, trace, sanitized, tmp_path):
    if sanitized:
        pytest.skip("a sanitizer makes calls of its own")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(f"\0tcpecho-units-{os.getpid()}")
        made = trace(
            "--idle-timeout", "1m", "127.0.0.1:0", "[::1]:0", env={"NOTIFY_SOCKET": f"@tcpecho-units-{os.getpid()}"}
        )
    assert {"execve", "bind", "clone", "signalfd4", *SANDBOX} <= made
    assert made - expanded(analyze, settings(units / "tcpecho.service", "SystemCallFilter")) == set()


def test_the_service_that_is_passed_a_socket_may_make_every_call_that_it_makes(analyze, units, trace, sanitized):
    if sanitized:
        pytest.skip("a sanitizer makes calls of its own")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        made = trace(**manager(sock))
    assert {"execve", "listen", "clone", "signalfd4", *SANDBOX} <= made
    assert made - expanded(analyze, settings(units / "tcpecho-activated.service", "SystemCallFilter")) == set()
