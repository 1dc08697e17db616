# SPDX-License-Identifier: MIT
"""The drain: no connection of a correct client is reset, at whatever moment of it the connection is made.

The short form of `./dev soak --drains` (bench/soak/drains.py), and tests of what that does not cover.
"""
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

import drains
from activation import manager
from harness import recv_all, recv_exactly, wait_until

# Drains of each kind. Before there was one mechanism for all, every third one reset a connection.
COUNT = 2

# More clients of a source than may wait (server/client_table.h), so that the last are turned away.
ONE_SOURCE_MAX = 600


# If the process that made a passed socket is gone, a connection may be reset, more often on a busier machine. The
# soak test covers what depends on that.
@pytest.mark.parametrize("kind", [kind for kind in drains.KINDS if kind != "passed alone"])
def test_no_connection_is_reset(program, engine, kind):
    try:
        outcomes, faults = drains.drain_many(program, engine, kind, COUNT, seed=1)
    except PermissionError as error:
        pytest.skip(f"cannot make a network with short queues: {error.strerror}")
    assert faults == []
    assert outcomes["whole"] > 0


# A client's ACK is lost: the client is connected, but at the server the handshake is not finished.
LOST_ACK = """table inet lost {
chain out {
type filter hook output priority 0;
tcp dport %d tcp flags & (syn|ack|psh|fin) == ack drop
}
}
"""

# Handshakes have 250 ms. If the machine took that long to send a segment, the test tries again.
IN_TIME, TRIES = 0.2, 20


def drained_handshake(server):
    """Returns what a client receives whose handshake ends during the drain, or None if it was late."""
    with server.connect() as staying:
        staying.sendall(b"x")
        assert recv_exactly(staying, 1) == b"x"
        subprocess.run(["nft", "-f", "-"], input=LOST_ACK % server.port, text=True, check=True)
        try:
            with server.connect() as client:
                before = time.monotonic()
                server.send(signal.SIGTERM)
                server.wait_for_log("^SIGTERM: no new clients")
                client.sendall(b"hello")  # with an ACK
                is_late = time.monotonic() - before > IN_TIME
                try:
                    client.shutdown(socket.SHUT_WR)
                    return recv_all(client)
                except OSError:
                    if is_late:
                        return None
                    raise
        finally:
            subprocess.run(["nft", "delete", "table", "inet", "lost"], check=True)


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("is_passed", [False, True], ids=["own", "passed in"])
def test_a_handshake_that_has_begun_before_the_drain_ends_well(serve, is_passed):
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed")
    for _ in range(TRIES):
        if is_passed:
            with socket.create_server(("0.0.0.0", 0)) as listening:
                server = serve(addresses=False, **manager(listening))
        else:
            server = serve(":0")
        received = drained_handshake(server)
        assert server.wait() == 0
        if received is not None:
            break
    assert received == b"hello"


def goes_on_sending(client):
    """It has read the FIN and still sends: the first send would cause a reset, and the next one would fail."""
    for _ in range(10):
        client.sendall(bytes(1000))
        time.sleep(0.01)
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_a_client_that_is_turned_away_at_the_drain_timeout_may_still_send(serve):
    server = serve("--max-clients", "1", "--drain-timeout", "100ms", "127.0.0.1:0")
    with server.connect() as first, server.connect() as queued:
        first.sendall(b"x")
        assert recv_exactly(first, 1) == b"x"
        queued.sendall(b"before")
        server.send(signal.SIGTERM)
        assert recv_all(queued) == b""
        goes_on_sending(queued)
        queued.close()
        assert recv_all(first) == b""
    assert server.wait() == 1


def test_a_client_over_the_limit_of_its_source_may_still_send_when_it_is_turned_away(serve):
    server = serve("--max-per-source", "1", "--max-clients", "1000", "127.0.0.1:0")
    clients = []
    try:
        while not server.log_lines("reason=source-limit") and len(clients) < ONE_SOURCE_MAX:
            clients.append(server.connect())
        clients[-1].sendall(b"before")
        assert recv_all(clients[-1]) == b""
        goes_on_sending(clients[-1])
        # It does not prevent other clients from being served meanwhile.
        assert server.is_running()
    finally:
        for client in clients:
            client.close()
    assert server.end() in (0, 1)


@pytest.fixture(params=["127.0.0.1:0", ":0", "unix:{}/socket", "unix:@tcpecho-test-{}"])
def address(request, tmp_path):
    name = request.param
    return name.format(tmp_path if "/" in name else f"{os.getpid()}-{tmp_path.name}")


@pytest.mark.parametrize("places", [1, 10], ids=["full", "not full"])
def test_a_server_whose_queue_is_empty_frees_its_address_while_its_clients_are_there(serve, address, places):
    old = serve("--drain-timeout", "1h", "--max-clients", str(places), address)
    with old.connect() as client:
        client.sendall(b"x")
        assert recv_exactly(client, 1) == b"x"
        old.send(signal.SIGTERM)
        old.wait_for_log("^SIGTERM: no new clients")

        def start_another():
            try:
                return serve(old.addresses[0])
            except AssertionError:  # the address is in use
                return None

        new = wait_until(start_another, "the address")
        assert old.is_running()
        assert new.is_faithful()
        client.sendall(b"y")
        assert recv_exactly(client, 1) == b"y"
    assert old.wait() == 0


def test_a_socket_that_was_passed_in_works_again_for_its_maker(serve):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = serve(addresses=False, **manager(listening))
        assert server.is_faithful()
        assert server.end() == 0
        with server.connect() as client, listening.accept()[0] as accepted:
            client.sendall(b"x")
            assert accepted.recv(1) == b"x"


@pytest.mark.engines("prefork", "thread", "epoll", "uring")
def test_a_worker_that_is_killed_in_the_drain_is_replaced_for_those_in_the_queue(serve):
    server = serve("--max-clients", "1", "--workers", "1", "127.0.0.1:0")
    with server.connect() as first, server.connect() as queued:
        first.sendall(b"x")
        assert recv_exactly(first, 1) == b"x"
        queued.sendall(b"queued")
        queued.shutdown(socket.SHUT_WR)
        server.send(signal.SIGTERM)
        server.wait_for_log("^SIGTERM: no new clients")
        server.stop_all(server.children())
        for pid in server.children():
            os.kill(pid, signal.SIGKILL)
        assert recv_all(queued) == b"queued"
        assert recv_all(first) == b""
    assert server.wait() == 1
    assert server.log_lines("was killed by SIGKILL, and with it 1 client; another worker replaces it")


def test_a_drain_ends_though_clients_never_stop_connecting(serve):
    """No more clients are accepted, so the queue is soon empty."""
    server = serve("--drain-timeout", "1h", "127.0.0.1:0")
    server.send(signal.SIGTERM)
    wait_until(lambda: try_to_connect(server) or not server.is_running(), "the server to end")
    assert server.wait() == 0


def try_to_connect(server):
    """Always returns False: the condition is what the server does meanwhile."""
    with socket.socket(server.family) as sock:
        sock.connect_ex(server.address)
    return False
