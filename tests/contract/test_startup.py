# SPDX-License-Identifier: MIT
"""Normal startup: the addresses, the ready line, the queue, and which process serves each client.

A start that fails prints the reason and exits with status 4; a server that has started serves.
"""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from harness import (
    TIMEOUT,
    descriptors_of,
    parse_address,
    recv_all,
    recv_exactly,
    sockets_of,
    title_of,
    wait_until,
)
from netns import set_sysctl
from shortages import allow_descriptors
from starting import leave_stale
from private_files import own_etc
from tcptable import TIME_WAIT, tcp_sockets

# The outcome does not depend on the engine: one is enough.
before_engines = pytest.mark.engines("fork")

# A child for each client, which has nothing else.
child_each = pytest.mark.engines("fork")

BURST = 2000
RESTARTS = 20


def connect_to(line):
    """A client of an address as the server writes it."""
    family, address = parse_address(line)
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(TIMEOUT)
    sock.connect(address)
    return sock


def is_echoed(sock, data=b"one line\n"):
    """Returns whether a client that stays connected gets its echo."""
    sock.sendall(data)
    return recv_exactly(sock, len(data)) == data


def is_served_at(line):
    with connect_to(line) as sock:
        return is_echoed(sock)


def refusal(serve, *arguments):
    """Starts a server that must not start: returns (exit status, message)."""
    server = serve(*arguments, wait=False)
    return server.wait(), server.log()


# ---- addresses ----


@pytest.mark.usefixtures("own_network")
def test_without_an_address_it_is_port_9877_of_every_interface(serve, engine):
    server = serve("--max-clients", "100")
    assert server.addresses == ["[::]:9877"]
    assert server.log_lines("listening") == [f"listening on [::]:9877 (engine {engine}, at most 100 clients)"]
    assert is_served_at("127.0.0.1:9877")
    assert is_served_at("[::1]:9877")


@pytest.mark.usefixtures("own_network")
def test_where_ipv6_is_off_the_wildcard_is_that_of_ipv4(serve, engine):
    set_sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    server = serve("--max-clients", "100")
    assert server.addresses == ["0.0.0.0:9877"]
    assert server.log_lines("listening") == [f"listening on 0.0.0.0:9877 (engine {engine}, at most 100 clients)"]
    assert is_served_at("127.0.0.1:9877")


@pytest.mark.parametrize("address", ["0", ":0"])
@pytest.mark.usefixtures("ipv6")
def test_a_port_alone_is_that_port_of_every_interface(serve, address):
    server = serve(address)
    assert re.fullmatch(r"\[::\]:\d+", server.addresses[0])
    assert is_served_at(f"127.0.0.1:{server.port}")
    assert is_served_at(f"[::1]:{server.port}")


def test_one_server_listens_on_ipv4_ipv6_a_unix_path_and_an_abstract_name(serve, tmp_path):
    abstract = f"unix:@tcpecho-test-{os.getpid()}"
    server = serve("127.0.0.1:0", "[::1]:0", f"unix:{tmp_path}/echo", abstract)
    ipv4, ipv6, *local = server.addresses
    assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", ipv4)
    assert re.fullmatch(r"\[::1\]:[1-9]\d*", ipv6)
    assert local == [f"unix:{tmp_path}/echo", abstract]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect_to(line)) for line in server.addresses]
        assert all(is_echoed(client) for client in clients)
    said = [line.split()[2] for line in server.log_lines("^listening on ")]
    assert said == server.addresses


def test_a_name_is_all_of_its_addresses_on_one_port(serve):
    wanted = {info[4][0] for info in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
    server = serve("localhost:0")
    found = [parse_address(line)[1] for line in server.addresses]
    assert {host for host, _ in found} == wanted
    assert len({port for _, port in found}) == 1
    assert all(is_served_at(line) for line in server.addresses)


def test_ipv4_clients_of_the_ipv6_wildcard_have_ipv4_names(serve):
    server = serve("0")
    with connect_to(f"127.0.0.1:{server.port}") as sock:
        port = sock.getsockname()[1]
    (end,) = server.ends(1)
    assert end["peer"] == f"127.0.0.1:{port}"


@pytest.mark.usefixtures("ipv6")
def test_a_reader_of_the_ready_descriptor_may_go_after_the_first_line(program, engine):
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [program, "serve", "--engine", engine, "--ready-fd", str(writer), "127.0.0.1:0", "[::1]:0"],
        pass_fds=[writer],
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    with open(reader, "rb", buffering=0) as ready:
        ready.readline()
    with server.stderr as log:
        while not log.readline().startswith(b"listening on [::1]"):
            assert server.poll() is None
        server.send_signal(signal.SIGTERM)
        assert b"broken pipe" not in log.read()
    assert server.wait(TIMEOUT) == 0


@pytest.mark.usefixtures("ipv6")
def test_the_ready_descriptor_gets_one_address_a_line_then_its_end(program, tmp_path, engine):
    path = f"unix:{tmp_path}/echo"
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [program, "serve", "--engine", engine, "--ready-fd", str(writer), "127.0.0.1:0", "[::1]:0", path],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        with open(reader) as ready:
            text = ready.read()  # reads to end of file while the server runs
        assert re.fullmatch(r"127\.0\.0\.1:\d+\n\[::1\]:\d+\n" + re.escape(path) + r"\n", text)
        assert all(is_served_at(line) for line in text.splitlines())
        server.send_signal(signal.SIGTERM)
        assert server.wait(TIMEOUT) == 0
    finally:
        server.kill()
        server.wait()


# ---- the queue ----


def listen_overflows():
    """Returns how often a full accept queue was counted in this network namespace."""
    with open("/proc/thread-self/net/netstat") as table:
        names, values = [line.split() for line in table if line.startswith("TcpExt:")]
    return int(values[names.index("ListenOverflows")])


@pytest.mark.usefixtures("own_network")
def test_a_burst_while_the_server_is_stopped_waits_in_the_queue_and_is_served(serve):
    allow_descriptors(BURST + 100)
    set_sysctl("net.core.somaxconn", 4096)
    server = serve("127.0.0.1:9877")
    with contextlib.ExitStack() as stack:
        clients = []
        with server.accept_paused():
            for number in range(BURST):
                client = stack.enter_context(server.connect())
                client.sendall(b"client %d\n" % number)
                client.shutdown(socket.SHUT_WR)
                clients.append(client)
            assert listen_overflows() == 0
        for number, client in enumerate(clients):
            assert recv_all(client) == b"client %d\n" % number
    assert len(server.ends(BURST)) == BURST


# ---- taking an address ----


@pytest.mark.usefixtures("own_network")
def test_it_restarts_on_its_port_at_once_though_the_server_closed_first(serve):
    for _ in range(RESTARTS):
        server = serve("--drain-timeout", "1ms", "127.0.0.1:9877")
        with server.connect() as client:
            assert is_echoed(client)
            server.send(signal.SIGTERM)
            assert recv_all(client) == b""
        assert server.wait() == 1
        # Without this the restart would prove nothing: the old connection still holds the port.
        assert any(sock.state == TIME_WAIT and sock.local_port == 9877 for sock in tcp_sockets())


@before_engines
@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "{port}"])
def test_a_second_server_on_the_port_is_refused_with_words(serve, address):
    first = serve("127.0.0.1:0")
    status, log = refusal(serve, address.format(port=first.port))
    assert status == 4
    assert re.fullmatch(
        rf"tcpecho: cannot listen on .*port {first.port}: address already in use \(another server listens .*\)\n", log
    )
    assert first.is_faithful()


@before_engines
def test_an_address_that_cannot_be_had_takes_the_others_down_with_it(serve, tmp_path):
    first = serve("127.0.0.1:0")
    path = tmp_path / "echo"
    status, _ = refusal(serve, f"unix:{path}", f"127.0.0.1:{first.port}")
    assert status == 4
    assert not path.exists()


@before_engines
def test_an_address_of_another_machine_is_refused_with_words(serve):
    status, log = refusal(serve, "192.0.2.1:9877")
    assert status == 4
    assert log.startswith("tcpecho: cannot listen on 192.0.2.1 port 9877: cannot assign requested address (")


# ---- unix paths ----


@pytest.fixture
def path(tmp_path):
    """A path for a unix socket."""
    return tmp_path / "echo"


def test_a_stale_unix_path_is_replaced(serve, path):
    leave_stale(path)
    server = serve(f"unix:{path}")
    assert server.is_faithful()


def test_a_server_that_was_killed_is_restarted_on_its_unix_path(serve, path):
    killed = serve(f"unix:{path}")
    children = killed.children()
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL
    killed.wait_for_the_port(children)
    assert path.is_socket()
    assert serve(f"unix:{path}").is_faithful()


@before_engines
def test_a_unix_path_with_a_listener_is_refused_with_a_message(serve, path):
    first = serve(f"unix:{path}")
    status, log = refusal(serve, f"unix:{path}")
    assert status == 4
    assert log.startswith(f"tcpecho: cannot listen on unix:{path}: address already in use (")
    assert "ss -ltnp" not in log, "that command lists TCP alone"
    assert first.is_faithful()


@before_engines
def test_a_file_at_the_unix_path_is_refused_and_stays_as_it_is(serve, path):
    path.write_text("precious\n")
    status, log = refusal(serve, f"unix:{path}")
    assert status == 4
    assert log.startswith(f"tcpecho: cannot listen on unix:{path}: ")
    assert path.read_text() == "precious\n"


def test_the_unix_path_is_removed_at_the_end(serve, path):
    server = serve(f"unix:{path}")
    assert path.is_socket()
    assert server.end() == 0
    assert not path.exists()


def test_a_client_that_ends_leaves_the_unix_path_alone(serve, path):
    server = serve(f"unix:{path}")
    assert server.is_faithful()
    server.ends(1)
    assert path.is_socket()
    assert server.is_faithful()


# ---- which process serves ----


def test_the_next_client_is_served_while_all_before_it_stay(server):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            assert is_echoed(stack.enter_context(server.connect()))


@child_each
@pytest.mark.skipif(shutil.which("ps") is None, reason="ps(1) is not installed")
def test_each_client_has_its_own_child_whose_title_names_it(serve):
    server = serve("127.0.0.1:0", "[::1]:0")
    with contextlib.ExitStack() as stack:
        titles = set()
        for line in server.addresses * 3:
            client = stack.enter_context(connect_to(line))
            assert is_echoed(client)
            host, port = client.getsockname()[:2]
            titles.add(f"tcpecho: serving {f'[{host}]' if ':' in host else host}:{port}")
        children = server.wait_for_children(6)
        assert {title_of(child) for child in children} == titles
        pids = ",".join(map(str, children))
        shown = subprocess.run(["ps", "-o", "args=", "-p", pids], capture_output=True, text=True, check=True)
        assert {line.rstrip() for line in shown.stdout.splitlines()} == titles


@pytest.mark.engines("prefork")
def test_a_process_names_its_client_in_its_title_for_as_long_as_it_serves_it(server):
    with server.connect() as client:
        assert is_echoed(client)
        assert server.child_of(client) == server.process_of(client)
        titles = sorted(title_of(child) for child in server.children())
        assert titles == ["tcpecho: serving 127.0.0.1:%d" % client.getsockname()[1]] + ["tcpecho: waiting"] * 7
    wait_until(lambda: {title_of(child) for child in server.children()} == {"tcpecho: waiting"}, "all to wait")


@pytest.mark.engines("thread", "epoll", "uring")
def test_the_title_of_a_worker_has_its_number(serve, engine):
    server = serve("--workers", "2", "127.0.0.1:0")
    expected = [f"tcpecho: {engine} worker {number}" for number in (1, 2)]
    wait_until(lambda: sorted(map(title_of, server.children())) == expected, "two workers with titles")


@child_each
def test_a_child_of_a_unix_client_names_the_client_process(serve, path):
    server = serve(f"unix:{path}")
    with server.connect() as client:
        assert is_echoed(client)
        (child,) = server.children()
        assert title_of(child) == f"tcpecho: serving unix:{os.getpid()}"


@child_each
def test_a_child_has_one_socket_that_is_no_listening_one_and_no_other_clients(serve, tmp_path):
    server = serve("127.0.0.1:0", "[::1]:0", f"unix:{tmp_path}/echo")
    listening = sockets_of(server.pid)
    assert len(listening) == 3
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect_to(line)) for line in server.addresses * 3]
        assert all(is_echoed(client) for client in clients)
        held = [sockets_of(child) for child in server.wait_for_children(9)]
        assert [len(sockets) for sockets in held] == [1] * 9
        assert len(set.union(*held)) == 9
        assert not listening & set.union(*held)


@child_each
def test_a_child_holds_nothing_but_its_client_the_lifeline_and_the_standard_descriptors(serve, tmp_path):
    server = serve("127.0.0.1:0", f"unix:{tmp_path}/echo")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect_to(line)) for line in server.addresses]
        assert all(is_echoed(client) for client in clients)
        for child in server.wait_for_children(2):
            held = [what for fd, what in descriptors_of(child).items() if fd > 2]
            assert sorted(re.sub(r":.*", "", what) for what in held) == ["pipe", "socket"]


def test_the_parent_keeps_its_listening_sockets_and_no_connected_one(serve, tmp_path):
    server = serve("127.0.0.1:0", "[::1]:0", f"unix:{tmp_path}/echo")
    listening = sockets_of(server.pid)
    assert len(listening) == 3
    with contextlib.ExitStack() as stack:
        for line in server.addresses * 3:
            assert is_echoed(stack.enter_context(connect_to(line)))
        # The last child may echo before the parent has closed its copy.
        wait_until(lambda: sockets_of(server.pid) == listening, "the parent to close the connected sockets")


def test_a_path_that_another_server_took_over_is_left_to_it(serve, path):
    first = serve(f"unix:{path}")
    path.unlink()
    second = serve(f"unix:{path}")
    assert first.end() == 0
    assert second.is_faithful()


def test_localhost_is_loopback_even_without_a_hosts_file(serve, tmp_path):
    """A container without /etc/hosts (RFC 6761, 6.3)."""
    server = serve("localhost:0", prefix=own_etc(tmp_path, hosts="", nsswitch_conf="hosts: files\n"))
    assert "127.0.0.1" in [parse_address(line)[1][0] for line in server.addresses]
    assert server.is_faithful()


def test_a_name_that_lists_an_address_twice_is_listened_on_once(serve, tmp_path):
    prefix = own_etc(tmp_path, hosts="127.0.0.1 twice\n127.0.0.1 twice\n", nsswitch_conf="hosts: files\n")
    assert len(serve("twice:0", prefix=prefix).addresses) == 1
