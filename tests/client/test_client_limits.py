# SPDX-License-Identifier: MIT
"""A failure of this machine is status 4 with a remedy; a failure of the other end is status 3 or 1."""
import json
import os
import resource
import shutil
import socket
import subprocess
import tempfile

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import TIMEOUT, server_words
from netns import set_sysctl, sysctl
from private_files import own_etc
from shortages import LoneUser
from tcptable import tcp_sockets

COMMANDS = {
    "talk": ["talk"],
    "ping": ["ping", "-c", "1"],
    "hold": ["ping", "--hold", "-d", "100ms"],
    "bench": ["bench", "-c", "1", "-d", "2s", "--warmup", "0s"],
}
EACH = pytest.mark.parametrize("name", COMMANDS)

NO_PORT = "cannot assign requested address (no local port is free: wait, or widen net.ipv4.ip_local_port_range)"


SMALL_STACK = 64 * 1024


@pytest.fixture
def run(program):
    """Runs a command and returns (status, output, lines of standard error without our name)."""

    def run(*words, prefix=(), **more):
        done = subprocess.run(
            [*prefix, program, *map(str, words)],
            input="words\n", capture_output=True, text=True, timeout=TIMEOUT * 2, check=False, **more,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr.replace("tcpecho: ", "").splitlines()

    return run


# ---- ports ----


class FewPorts:
    """A limited number of local ports in the test's own network, some of which are in use towards the server."""

    def __init__(self, server, count):
        set_sysctl("net.ipv4.ip_local_port_range", f"40000 {40000 + count - 1}")
        set_sysctl("net.ipv4.tcp_tw_reuse", "0")
        self.server = server
        self.taken = []

    def take(self, count):
        self.taken += [self.server.connect() for _ in range(count)]

    def close(self):
        for sock in self.taken:
            sock.close()


@pytest.fixture
def ports(own_network, serve):
    """A server, and four local ports."""
    ports = FewPorts(serve("127.0.0.1:0"), 4)
    yield ports
    ports.close()


@EACH
def test_no_port_to_connect_from(run, ports, name):
    ports.take(4)
    status, output, error = run(*COMMANDS[name], *server_words(ports.server))
    assert (status, output) == (4, "")
    assert error == [f"cannot connect to 127.0.0.1 port {ports.server.port}: {NO_PORT}"]


def test_no_port_with_a_source(run, ports):
    for _ in range(4):
        ports.taken.append(socket.create_connection(ports.server.address, TIMEOUT, ("127.0.0.9", 0)))
    status, _, error = run(*COMMANDS["bench"], "--source", "127.0.0.9", *server_words(ports.server))
    assert (status, error) == (4, [f"cannot connect to 127.0.0.1 port {ports.server.port}: {NO_PORT}"])


@pytest.mark.parametrize(
    "words",
    [
        ["bench", "--churn", "-c", "2", "-d", "2s", "--warmup", "0s"],
        ["ping", "--connect-each", "-c", "20", "-i", "0"],
        ["ping", "--hold", "-c", "6", "-d", "2s"],
    ],
    ids=["bench", "ping", "hold"],
)
def test_ports_run_out_while_it_runs(run, ports, words):
    """The completed part is reported all the same."""
    status, output, error = run(*words, *server_words(ports.server))
    assert (status, error) == (4, [f"this machine was the limit: {NO_PORT}"])
    assert "EADDRNOTAVAIL" in output or "(error): cannot assign requested address" in output


def test_a_bench_that_ran_out_of_ports_names_its_limit(run, ports):
    status, output, _ = run("bench", "--json", "--churn", "-c", "2", "-d", "2s", *server_words(ports.server))
    found = json.loads(output)
    assert status == 4
    assert list(found["errors"]) == ["EADDRNOTAVAIL"]
    assert found["client_bound"] == NO_PORT


def test_what_the_server_did_beside_it_is_status_1(run, own_network):
    with FaultyServer(faulty_servers.answer_and_reset(0, 64)) as faulty:
        set_sysctl("net.ipv4.ip_local_port_range", "40000 40003")
        status, output, error = run("ping", "--connect-each", "-c", "20", "-i", "0", *faulty.words)
    assert (status, error) == (1, [])
    assert "ECONNRESET" in output


# ---- descriptors ----


def injected(*words):
    """The prefix of a command of which some calls fail (strace(1))."""
    return ("strace", "-f", "-qq", "-o", os.devnull, *words)


@pytest.fixture
def strace(sanitized):
    if sanitized or shutil.which("strace") is None:
        pytest.skip("needs strace, and a sanitizer does not like to be traced")


@EACH
def test_no_descriptor_for_a_socket(run, strace, name):
    fault = injected("-e", "trace=socket", "-e", "inject=socket:error=EMFILE")
    status, output, error = run(*COMMANDS[name], "127.0.0.1", "7", prefix=fault)
    assert (status, output) == (4, "")
    words = "too many open files (raise the limit on descriptors, ulimit -n)"
    assert error == [f"cannot connect to 127.0.0.1 port 7: {words}"]


@EACH
def test_no_descriptor_for_the_file_of_names(run, strace, tmp_path, name):
    """The resolver calls that an unknown name."""
    prefix = own_etc(tmp_path, nsswitch_conf="hosts: files\n")
    fault = injected("-P", "/etc/hosts", "-e", "inject=openat:error=ENFILE")
    status, output, error = run(*COMMANDS[name], "echo.example", "7", prefix=prefix + fault)
    assert (status, output) == (4, "")
    assert len(error) == 1 and "too many open files in system" in error[0] and "fs.file-max" in error[0]


@pytest.mark.parametrize("name", ["hold", "bench"])
def test_fewer_descriptors_than_connections(run, name):
    words = {"hold": ["ping", "--hold", "-c", "100"], "bench": ["bench", "-c", "100"]}[name]
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))  # noqa: E731
    status, output, error = run(*words, "127.0.0.1", preexec_fn=limit)
    assert (status, output) == (4, "")
    assert error == ["cannot open 100 connections: the limit is 50 descriptors (ulimit -n)"]


# ---- threads ----


def as_lone_user(program, words, processes):
    """Runs it as a user with a limit of processes and threads: returns (status, output, error text)."""
    user = LoneUser()
    try:
        done = subprocess.run(
            [user.reachable(program), *map(str, words)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False,
            preexec_fn=lambda: user.become(processes),
        )  # fmt: skip
    finally:
        user.remove()
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", ["talk", "ping", "hold"])
def test_without_a_second_thread(program, server, sanitized, name):
    """As in a container that allows 1 process: the name is looked up all the same."""
    if sanitized:
        pytest.skip("a sanitizer has threads of its own")
    status, _, error = as_lone_user(program, [*COMMANDS[name], *server_words(server)], 1)
    assert (status, error) == (0, "")


def test_no_thread_for_the_load(program, server, sanitized):
    if sanitized:
        pytest.skip("a sanitizer has threads of its own")
    status, output, error = as_lone_user(program, [*COMMANDS["bench"], *server_words(server)], 1)
    assert (status, output) == (4, "")
    assert error == (
        "tcpecho: cannot continue: resource temporarily unavailable "
        "(no thread can be started: see ulimit -u, -v, -d, -s and the pids cgroup)\n"
    )


# ---- rights ----


@EACH
def test_a_path_that_it_may_not_enter(program, name):
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listening:
        os.chmod(directory, 0o755)
        listening.bind(f"{directory}/socket")
        listening.listen(8)
        os.chmod(f"{directory}/socket", 0o700)
        status, output, error = as_lone_user(program, [*COMMANDS[name], f"unix:{directory}/socket"], None)
    assert (status, output) == (4, "")
    assert "permission denied (this machine forbids it: by " in error


@EACH
def test_a_route_that_prohibits_it(run, own_network, name):
    if shutil.which("ip") is None:
        pytest.skip("ip is not installed")
    subprocess.run(["ip", "route", "add", "prohibit", "192.0.2.0/24"], check=True)
    status, output, error = run(*COMMANDS[name], "192.0.2.1", "7")
    assert (status, output) == (4, "")
    assert error == [
        "cannot connect to 192.0.2.1 port 7: permission denied "
        "(this machine forbids it: by a firewall, a route or a file's permissions)"
    ]


@pytest.mark.parametrize("error", ["EPERM", "ENOBUFS", "EADDRNOTAVAIL"])
def test_other_refusals_of_connect(run, strace, error):
    status, output, said = run("talk", "127.0.0.1", "7", prefix=injected("-e", f"inject=connect:error={error}"))
    assert (status, output) == (4, "")
    assert len(said) == 1 and said[0].endswith(")")


# ---- sources ----


def test_a_source_that_is_no_address_of_this_machine(run, server):
    status, output, error = run(*COMMANDS["bench"], "--source", "192.0.2.77", *server_words(server))
    assert (status, output) == (4, "")
    assert error == [f"cannot connect to 127.0.0.1 port {server.port}: the source is not an address of this machine"]


def test_a_source_that_has_no_address(run, own_network, tmp_path):
    prefix = own_etc(tmp_path, nsswitch_conf="hosts: files\n")
    status, output, error = run(*COMMANDS["bench"], "--source", "nobody.invalid", "127.0.0.1", prefix=prefix)
    assert (status, output, error) == (3, "", ["--source nobody.invalid: no such host"])


@pytest.mark.parametrize("source", ["127.0.0.9", "::1"])
def test_a_source_and_a_server_with_both_families(run, serve, own_network, tmp_path, source):
    """The client tries only addresses of the source's family."""
    server = serve(":0")
    prefix = own_etc(tmp_path, hosts="::1 both\n127.0.0.1 both\n", nsswitch_conf="hosts: files\n")
    status, output, _ = run(*COMMANDS["bench"], "--json", "--source", source, "both", server.port, prefix=prefix)
    assert status == 0
    assert json.loads(output)["target"] == f"{'[::1]' if source == '::1' else '127.0.0.1'}:{server.port}"


def test_a_source_of_the_other_family(run, server):
    status, output, error = run(*COMMANDS["bench"], "--source", "::1", *server_words(server))
    assert (status, output) == (3, "")
    assert error == [f"cannot connect to 127.0.0.1 port {server.port}: the host has no address of that family"]


# ---- families ----


@pytest.fixture
def without_ipv6(own_network):
    if not sysctl("net.ipv6.conf.all.disable_ipv6").exists():
        pytest.skip("this kernel has no IPv6")
    set_sysctl("net.ipv6.conf.all.disable_ipv6", "1")


@EACH
def test_ipv6_that_is_switched_off(run, without_ipv6, name):
    status, output, error = run(*COMMANDS[name], "::1", "7")
    assert (status, output) == (4, "")
    assert error == ["cannot connect to ::1 port 7: this machine has no address from which it can be reached (is IPv6 switched off?)"]


@EACH
@pytest.mark.parametrize(
    "hosts", ["::1 echo\n127.0.0.1 echo\n", "127.0.0.1 echo\n2001:db8::1 echo\n"], ids=["loopback", "global"]
)
def test_a_name_of_both_families_without_ipv6(run, serve, without_ipv6, tmp_path, name, hosts):
    prefix = own_etc(tmp_path, hosts=hosts, nsswitch_conf="hosts: files\n")
    server = serve("127.0.0.1:0")
    assert run(*COMMANDS[name], "echo", server.port, prefix=prefix)[0] == 0
    # Without a server, the error of the address that could be tried is printed.
    assert not [sock for sock in tcp_sockets() if sock.local_port == 7]
    status, _, error = run(*COMMANDS[name], "echo", "7", prefix=prefix)
    assert (status, error) == (3, ["cannot connect to echo port 7: connection refused (is a server listening there?)"])


@EACH
def test_localhost_whose_server_is_on_one_family_only(run, serve, tmp_path, name):
    prefix = own_etc(tmp_path, hosts="::1 localhost\n127.0.0.1 localhost\n", nsswitch_conf="hosts: files\n")
    for address in ("127.0.0.1:0", "[::1]:0"):
        assert run(*COMMANDS[name], "localhost", serve(address).port, prefix=prefix)[0] == 0


# ---- the queue of a unix socket ----


@EACH
def test_a_unix_server_whose_queue_stays_full(run, tmp_path, name):
    path = f"{tmp_path}/full"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as filler:
        listening.bind(path)
        listening.listen(0)
        filler.connect(path)
        status, output, error = run(*COMMANDS[name], "--timeout" if name == "talk" else "-W", "200ms", f"unix:{path}")
    assert (status, output) == (3, "")
    assert error == [f"cannot connect to unix:{path}: the server's queue is full, it accepts no connection"]


# ---- a small stack (ulimit -s) ----


def set_small_stack():
    resource.setrlimit(resource.RLIMIT_STACK, (SMALL_STACK, SMALL_STACK))


@EACH
def test_a_client_runs_on_a_small_stack(run, server, name, sanitized):
    if sanitized:
        pytest.skip("a sanitizer needs a larger stack")
    status, _, errors = run(*COMMANDS[name], "localhost", server.port, preexec_fn=set_small_stack)
    assert status == 0, errors


@pytest.mark.parametrize("name", ["show", "merge", "diff", "html"])
def test_report_runs_on_a_small_stack(run, server, tmp_path, name, sanitized):
    if sanitized:
        pytest.skip("a sanitizer needs a larger stack")
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    for file in files:
        status, output, errors = run("bench", "-c", "1", "-d", "300ms", "--json", "localhost", server.port)
        assert status == 0, errors
        file.write_text(output)
    page = ["-o", tmp_path / "page.html"] if name == "html" else []
    status, _, errors = run("report", name, *page, *files, preexec_fn=set_small_stack)
    assert status == 0, errors
