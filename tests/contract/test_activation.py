# SPDX-License-Identifier: MIT
"""The server uses sockets passed by a service manager, and notifies the manager when it is ready."""
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess

import pytest

from activation import manager
from harness import TIMEOUT, recv_all, wait_until
from streams import borrowed

# The outcome does not depend on the engine: one is enough.
before_engines = pytest.mark.engines("fork")


@pytest.fixture
def listen():
    """Makes listening sockets, as listen(("127.0.0.1", 0)) or listen("/path")."""
    with contextlib.ExitStack() as stack:

        def make(address=("127.0.0.1", 0), backlog=16):
            family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
            sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            sock.bind(address)
            sock.listen(backlog)
            return sock

        yield make


@pytest.fixture
def notified(tmp_path):
    """A socket that receives the server's notifications to its manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT)
        sock.bind(str(tmp_path / "notify"))
        yield sock


def name_of(sock):
    """Returns its address, as the server writes it."""
    return "{}:{}".format(*sock.getsockname()) if sock.family == socket.AF_INET else f"unix:{sock.getsockname()}"


def refusal(serve, *arguments, **more):
    """Starts a server that must be refused; returns its exit status and its message."""
    server = serve(*arguments, wait=False, **more)
    return server.wait(), server.log()


# ---- taking over ----


def test_a_socket_that_is_passed_is_served_instead_of_the_default(serve, listen, engine):
    sock = listen()
    server = serve(addresses=False, **manager(sock))
    assert server.addresses == [name_of(sock)]
    assert server.log_lines("^listening on ") == [
        f"listening on {name_of(sock)} (engine {engine}, at most 1024 clients)"
    ]
    assert server.is_faithful()
    assert server.end() == 0


def test_addresses_on_the_command_line_are_opened_in_addition(serve, listen):
    first, second = listen(), listen()
    server = serve("127.0.0.1:0", **manager(first, second))
    assert server.addresses[:2] == [name_of(first), name_of(second)]
    assert len(server.addresses) == 3
    for address in [first.getsockname(), second.getsockname(), ("127.0.0.1", int(server.addresses[2].split(":")[1]))]:
        with socket.create_connection(address, TIMEOUT) as client:
            client.sendall(b"hello")
            client.shutdown(socket.SHUT_WR)
            assert recv_all(client) == b"hello"


def test_it_becomes_a_socket_as_the_server_makes_them(serve, listen):
    sock = listen()
    assert sock.getblocking()
    server = serve(f"unix:@tcpecho-{os.getpid()}", **manager(sock))
    assert fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_NONBLOCK
    with socket.create_connection(sock.getsockname(), TIMEOUT) as client:
        client.sendall(b"abc")
        client.send(b"X", socket.MSG_OOB)
        client.sendall(b"def")
        with borrowed(*server.socket_of(client)) as connected:
            assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            # Without a receive timeout, a child or thread that sleeps in recv() would never notice the shutdown.
            assert any(connected.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16))
        client.shutdown(socket.SHUT_WR)
        assert recv_all(client) == b"abcXdef"


def test_the_path_of_a_unix_socket_that_was_passed_is_left_alone(serve, listen, tmp_path):
    path = tmp_path / "echo"
    server = serve("127.0.0.1:0", **manager(listen(str(path))))
    assert server.addresses[0] == f"unix:{path}"
    assert server.end() == 0
    assert path.is_socket()


def test_a_client_between_two_servers_is_served_by_the_second(serve, listen):
    sock = listen(backlog=64)
    first = serve(f"unix:@tcpecho-{os.getpid()}", **manager(sock))
    assert first.end() == 0
    with contextlib.ExitStack() as stack:
        clients = []
        for number in range(32):  # more clients than fit into a queue that stays closed
            client = stack.enter_context(socket.create_connection(sock.getsockname(), TIMEOUT))
            client.sendall(b"client %d" % number)
            client.shutdown(socket.SHUT_WR)
            clients.append(client)
        serve(f"unix:@tcpecho-{os.getpid()}", **manager(sock))
        for number, client in enumerate(clients):
            assert recv_all(client) == b"client %d" % number


def test_what_was_passed_to_another_process_is_left_alone(serve, listen):
    sock = listen()
    server = serve("127.0.0.1:0", **manager(sock, pid=1))
    assert server.addresses != [name_of(sock)]
    assert len(server.addresses) == 1
    assert sock.getblocking() and not fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_NONBLOCK


# ---- refusals ----


def some_file():
    return open("/dev/null", "rb")


def unconnected():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def datagram():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@before_engines
@pytest.mark.parametrize("make", [some_file, unconnected, datagram])
def test_a_descriptor_that_is_no_listening_socket_is_refused_with_words(serve, listen, make):
    with make() as wrong:
        status, log = refusal(serve, **manager(listen(), wrong))
    assert status == 4
    assert log == "tcpecho: cannot take over descriptor 4 (LISTEN_FDS): not a listening stream socket\n"


@before_engines
def test_a_descriptor_that_is_not_there_is_refused_with_words(serve, listen):
    status, log = refusal(serve, **manager(listen(), count=2))
    assert status == 4
    assert log == "tcpecho: cannot take over descriptor 4 (LISTEN_FDS): bad file descriptor\n"


@before_engines
@pytest.mark.parametrize("count, words", [("many", "not a number"), ("-1", "not a number"), (2**31, "out of range")])
def test_a_number_that_is_none_is_refused_with_words(serve, listen, count, words):
    status, log = refusal(serve, **manager(listen(), count=count))
    assert status == 4
    assert log == f"tcpecho: cannot take over sockets: LISTEN_FDS is {words}\n"


def test_a_ready_descriptor_that_is_a_passed_socket_is_refused_with_words(program, listen):
    with listen() as sock:
        more = manager(sock)
        result = subprocess.run(
            [*more["prefix"], program, "serve", "--ready-fd", "3"],
            pass_fds=more["pass_fds"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    assert result.returncode == 2
    assert result.stderr == (
        "tcpecho: cannot write to --ready-fd 3: it is a socket that was passed in (LISTEN_FDS=1)\n"
    )


# ---- the manager ----


def test_the_manager_is_notified_when_clients_can_connect_and_when_it_ends(serve, notified):
    server = serve("127.0.0.1:0", env={"NOTIFY_SOCKET": notified.getsockname()})
    assert notified.recv(100) == b"READY=1"
    with server.connect() as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        server.send(signal.SIGTERM)
        assert notified.recv(100) == b"STOPPING=1"
    assert server.wait() == 0


def test_a_manager_with_an_abstract_name_is_notified_from_within_the_sandbox(serve):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.settimeout(TIMEOUT)
        notified.bind(f"\0tcpecho-notify-{os.getpid()}")
        server = serve("127.0.0.1:0", env={"NOTIFY_SOCKET": f"@tcpecho-notify-{os.getpid()}"})
        assert notified.recv(100) == b"READY=1"
        assert server.end() == 0
        assert notified.recv(100) == b"STOPPING=1"


def test_a_manager_that_cannot_be_notified_is_a_warning(serve, tmp_path):
    server = serve("127.0.0.1:0", env={"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    assert server.is_faithful()
    (line,) = server.log_lines("warning")
    assert line == (
        "tcpecho: warning: cannot notify the service manager (NOTIFY_SOCKET): no such file or directory"
    )


def fill(notified):
    """Fills the queue. Returns the number of messages."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        for number in range(10000):
            try:
                other.sendto(b"filling", notified.getsockname())
            except BlockingIOError:
                return number
    pytest.skip("the queue of a unix datagram socket has no end here")


def test_a_manager_whose_queue_is_full_is_notified_later(serve, notified):
    filled = fill(notified)
    server = serve("127.0.0.1:0", env={"NOTIFY_SOCKET": notified.getsockname()})
    assert server.is_faithful()
    assert [notified.recv(100) for _ in range(filled)] == [b"filling"] * filled
    assert notified.recv(100) == b"READY=1"
    with server.connect() as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        filled = fill(notified)
        server.send(signal.SIGTERM)
        server.wait_for_log("no new clients")
        assert [notified.recv(100) for _ in range(filled)] == [b"filling"] * filled
        assert notified.recv(100) == b"STOPPING=1"
    assert server.wait() == 0


# ---- systemd ----


@pytest.mark.usefixtures("own_network")
def test_systemd_socket_activate_starts_it_for_the_first_client(engine, program, tmp_path):
    activate = shutil.which("systemd-socket-activate") or pytest.skip("needs systemd-socket-activate")
    path = tmp_path / "echo"
    command = [activate, "-l", "127.0.0.1:9877", "-l", str(path), program, "serve", "--engine", engine]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(path.is_socket, "it to listen")
        for family, address in [(socket.AF_INET, ("127.0.0.1", 9877)), (socket.AF_UNIX, str(path))]:
            with socket.socket(family, socket.SOCK_STREAM) as client:
                client.settimeout(TIMEOUT)
                client.connect(address)
                client.sendall(b"hello")
                client.shutdown(socket.SHUT_WR)
                assert recv_all(client) == b"hello"
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
        assert path.is_socket()
        assert f"listening on unix:{path} " in (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()


@before_engines
@pytest.mark.parametrize("is_path", [False, True])
def test_a_socket_passed_twice_is_an_error(serve, listen, tmp_path, is_path):
    sock = listen(str(tmp_path / "echo")) if is_path else listen()
    with sock.dup() as again:
        status, words = refusal(serve, addresses=False, **manager(sock, again))
    assert status == 4
    assert words == (
        "tcpecho: cannot take over descriptor 4 (LISTEN_FDS): the same socket was passed in twice\n"
    )


@before_engines
def test_two_sockets_of_one_port_are_not_the_same(serve):
    with socket.socket() as first, socket.socket() as second:
        for sock in first, second:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(first.getsockname() if sock is second else ("127.0.0.1", 0))
            sock.listen()
        assert len(serve(addresses=False, **manager(first, second)).addresses) == 2
