# SPDX-License-Identifier: MIT
"""Bytes are bytes: whatever a client sends comes back unchanged and in order, however it is segmented. A client
that half-closes gets all of it before the server's FIN."""
import socket
import subprocess
import time

import pytest

from harness import TIMEOUT, recv_all, recv_exactly, wait_until
from netns import set_sysctl
from streams import Writer, borrowed, echo_of, pattern

EVERY_BYTE = bytes(range(256))
MEGABYTE = 1 << 20

# The minimum that the kernel allows (TCP_MIN_MSS).
SMALLEST_SEGMENT = 88


def read_slowly(sock, size):
    """Reads a stream to its end, a little at a time."""
    data = bytearray()
    while piece := sock.recv(size):
        data += piece
        time.sleep(0.0005)
    return bytes(data)


# ---- half-close ----


@pytest.mark.parametrize("options", [{}, {"rcvbuf": 4096}], ids=["usual buffers", "small receive buffer"])
def test_a_half_closed_client_gets_megabytes_then_the_fin(server, options):
    data = pattern(3 * MEGABYTE)
    with server.connect(**options) as sock:
        writer = Writer(sock, data, half_close=True)
        writer.wait_until_stuck()  # the client does not read: all that fits is queued, and the FIN too if it fits
        assert read_slowly(sock, 16384) == data
        writer.finish()
    (end,) = server.ends(1)
    assert (end["in"], end["out"], end["reason"]) == (str(len(data)), str(len(data)), "eof")


def test_a_client_that_sends_nothing_gets_the_fin(server):
    with server.connect() as sock:
        sock.shutdown(socket.SHUT_WR)
        assert recv_all(sock) == b""
    assert server.ends(1)[0]["reason"] == "eof"


def test_the_fin_waits_for_the_clients_fin(server):
    with server.connect() as sock:
        for _ in range(3):
            sock.sendall(b"not yet")
            assert recv_exactly(sock, 7) == b"not yet"
        sock.shutdown(socket.SHUT_WR)
        assert recv_all(sock) == b""


# ---- sizes and values ----


def test_every_byte_value_comes_back_one_at_a_time(server):
    with server.connect() as sock:
        for value in EVERY_BYTE:
            sock.sendall(bytes([value]))
            assert sock.recv(2) == bytes([value])


def test_every_byte_value_comes_back_at_once(server):
    with server.connect() as sock:
        assert echo_of(sock, EVERY_BYTE * 1000) == EVERY_BYTE * 1000


def test_a_stream_sent_a_byte_at_a_time_comes_back(server):
    data = pattern(5000)
    with server.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            sock.sendall(data[at : at + 1])
        sock.shutdown(socket.SHUT_WR)
        assert recv_all(sock) == data


@pytest.mark.parametrize("size", [4095, 4096, 4097, 65535, 65536, 65537, MEGABYTE])
def test_messages_come_back_one_after_the_other(server, size):
    with server.connect() as sock:
        for number in range(5):
            message = pattern(size, seed=number)
            writer = Writer(sock, message)
            assert recv_exactly(sock, size) == message
            writer.finish()


# ---- urgent data ----


@pytest.mark.parametrize(
    "pieces",
    [
        [(b"abc", 0), (b"X", socket.MSG_OOB), (b"def", 0)],
        [(b"X", socket.MSG_OOB), (b"def", 0)],
        [(b"abc", 0), (b"X", socket.MSG_OOB)],
        [(b"abcX", socket.MSG_OOB), (b"Y", socket.MSG_OOB), (b"def", 0), (b"Z", socket.MSG_OOB)],
    ],
    ids=["in the middle", "first", "last", "several"],
)
@pytest.mark.parametrize("settled", [True, False], ids=["settled", "at once"])
def test_urgent_data_stays_in_its_place(server, pieces, settled):
    data = b"".join(piece for piece, _ in pieces)
    with server.connect() as sock:
        received = b""
        for piece, flags in pieces:
            sock.send(piece, flags)
            if settled:
                received += recv_exactly(sock, len(piece))
        sock.shutdown(socket.SHUT_WR)
        assert received + recv_all(sock) == data
    assert server.ends(1)[0]["reason"] == "eof"


# ---- small buffers, small segments ----


def test_nothing_is_lost_through_the_smallest_buffers(server):
    data = pattern(500_000)
    with server.connect(sndbuf=1, rcvbuf=1) as sock:
        assert echo_of(sock, data) == data


def test_nothing_is_lost_in_the_smallest_segments(server):
    data = pattern(300_000)
    with socket.socket() as sock:
        sock.settimeout(TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALLEST_SEGMENT)
        sock.connect(server.address)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= SMALLEST_SEGMENT
        assert echo_of(sock, data) == data


@pytest.fixture
def narrow(own_network):
    """A network in which every socket has the smallest segments and starts with the smallest buffers.

    Receive buffers may grow. If they may not, the kernel can deadlock by itself. It accounts 768 bytes for each
    segment of 76, so it drops what its window had allowed. Then both ends wait for a window update that travels in
    a segment which the other end must drop as well.
    """
    set_sysctl("net.ipv4.tcp_wmem", "4096 4096 4096")
    set_sysctl("net.ipv4.tcp_rmem", "4096 4096 1048576")
    change = "ip route change local 127.0.0.1 dev lo table local advmss 88"
    subprocess.run(change.split(), check=True, timeout=TIMEOUT)


def test_a_narrow_network_changes_nothing_for_the_server(narrow, serve):
    data = pattern(500_000)
    with serve("127.0.0.1:0").connect() as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= SMALLEST_SEGMENT
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 4096
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 4096
        assert echo_of(sock, data) == data


def test_a_narrow_network_changes_nothing_for_talk(narrow, server, talk):
    data = pattern(500_000)
    assert talk(server, input=data).finish() == (0, data, "")


# ---- a slow client ----


@pytest.mark.usefixtures("own_network")
def test_a_half_closed_client_that_pauses_gets_every_byte(serve):
    """The kernel aborts a connection without a socket; here, for a zero window, within a second or two."""
    set_sysctl("net.ipv4.tcp_orphan_retries", 1)
    data = pattern(200_000)
    server = serve("127.0.0.1:0")
    with server.connect(rcvbuf=8192) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        wait_until(lambda: server.totals()["out"] == len(data), "the echo to be sent")
        time.sleep(3)
        assert recv_all(sock) == data
    assert server.ends(1)[0]["reason"] == "eof"


# ---- no waiting for acknowledgements ----


def test_an_echo_does_not_wait_for_the_acknowledgement_of_the_one_before(server):
    with server.connect() as sock:
        with borrowed(*server.socket_of(sock)) as theirs:
            assert theirs.getpeername() == sock.getsockname()
            assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
