# SPDX-License-Identifier: MIT
"""Normal termination, as a capture shows it.

SYN, SYN+ACK, ACK; data; the end of the client's input is its FIN; the child reads 0 and ends, which
is the server's FIN; ACK. One FIN each way, and no RST anywhere.
"""
import os
import shutil
import signal
import socket
import subprocess

import pytest

from capture import Capture
from harness import TIMEOUT, recv_all, recv_exactly
from terminal import open_terminal


@pytest.fixture
def capture(tmp_path, own_network):
    """Everything on the wire during the test."""
    with Capture(tmp_path) as running:
        yield running


class Conversation:
    """The packets of one connection, by sender."""

    def __init__(self, packets, server_port):
        self.packets = [packet for packet in packets if server_port in packet[:2]]
        self.by_client = [packet for packet in self.packets if packet.destination == server_port]
        self.by_server = [packet for packet in self.packets if packet.source == server_port]
        assert len({packet.source for packet in self.by_client}) == 1, "more than one connection"

    @staticmethod
    def fin_of(packets):
        """Returns the one FIN, however often it was sent."""
        fins = [packet for packet in packets if "F" in packet.flags]
        assert len({fin.end for fin in fins}) == 1, fins
        return fins[0]

    @property
    def client_fin(self):
        return self.fin_of(self.by_client)

    @property
    def server_fin(self):
        return self.fin_of(self.by_server)

    @staticmethod
    def bytes_sent(packets):
        """Returns the difference of the sequence numbers of the SYN and the FIN."""
        syn, fin = packets[0], Conversation.fin_of(packets)
        return (fin.end - syn.seq - 1) % 2**32

    @staticmethod
    def segments(packets):
        """Returns the payload lengths of the segments, without retransmissions."""
        return [length for _, length in dict.fromkeys((p.seq, p.length) for p in packets if p.length > 0)]

    def is_acknowledged(self, fin):
        """Returns whether a FIN was acknowledged."""
        return self.acknowledgement(fin) is not None

    def acknowledgement(self, fin):
        """Returns the first packet that acknowledges a FIN, or None."""
        expected = (fin.end + 1) % 2**32
        return next((packet for packet in self.packets if packet.source != fin.source and packet.ack == expected), None)

    def comes_first(self, packet, other):
        return self.packets.index(packet) < self.packets.index(other)


def assert_handshake(talked):
    syn, syn_ack, ack = talked.packets[:3]
    assert [syn.flags, syn_ack.flags, ack.flags] == ["S", "S.", "."]
    assert (syn.source, syn_ack.destination, ack.source) == (talked.by_client[0].source,) * 3
    assert (syn_ack.ack, ack.ack) == ((syn.seq + 1) % 2**32, (syn_ack.seq + 1) % 2**32)


def assert_no_reset_and_both_fins_acknowledged(talked):
    """Behind the last ACK, the connection is over: a segment that is sent again then meets no socket (RFC 9293,
    3.10.7.1)."""
    assert talked.is_acknowledged(talked.client_fin)
    assert talked.is_acknowledged(talked.server_fin)
    resets = [packet for packet in talked.packets if "R" in packet.flags]
    ends = [talked.acknowledgement(fin) for fin in (talked.client_fin, talked.server_fin)]
    assert not [packet for packet in resets if not all(talked.comes_first(end, packet) for end in ends)]


def assert_normal_termination(talked, size):
    """The client ended first, after `size` bytes, and all of it came back before the server's FIN."""
    assert_handshake(talked)
    assert_no_reset_and_both_fins_acknowledged(talked)
    assert talked.comes_first(talked.client_fin, talked.server_fin)
    assert talked.bytes_sent(talked.by_client) == size
    assert talked.bytes_sent(talked.by_server) == size


def server_ends(server, reason="eof"):
    """Waits until the child has ended, and with it the last packet that it could cause. Returns its record."""
    (end,) = server.ends(1)
    assert end["reason"] == reason
    return end


# ---- the client ends first ----


@pytest.mark.parametrize("address", ["127.0.0.1:9877", "[::1]:9877"])
@pytest.mark.parametrize("size", [0, 1, 10_000, 4 << 20])
def test_talk_and_the_server_end_normally(capture, serve, talk, address, size):
    server = serve(address)
    data = os.urandom(size)
    assert talk(server, input=data).finish() == (0, data, "")
    server_ends(server)
    assert_normal_termination(Conversation(capture.packets(), 9877), size)


def test_each_typed_line_is_a_segment_and_control_d_is_the_fin(capture, serve, talk):
    server = serve("127.0.0.1:9877")
    keyboard, terminal = open_terminal()
    client = talk(server, stdin=terminal)
    os.close(terminal)
    with open(keyboard, "wb", buffering=0) as keys:
        for line in (b"one\n", b"second\n"):
            keys.write(line)
            assert os.read(client.stdout.fileno(), 100) == line
        assert not [packet for packet in capture.packets() if "F" in packet.flags]
        keys.write(b"\x04")
        assert client.finish() == (0, b"", "")
    server_ends(server)
    talked = Conversation(capture.packets(), 9877)
    assert_normal_termination(talked, len("one\nsecond\n"))
    assert talked.segments(talked.by_client) == [4, 7]
    assert talked.segments(talked.by_server) == [4, 7]


def test_nc_and_the_server_end_normally(capture, serve):
    # -N, half-close at the end of the input, exists in OpenBSD's nc; other programs have the same name.
    nc = shutil.which("nc.openbsd") or pytest.skip("needs OpenBSD's nc")
    server = serve("127.0.0.1:9877")
    data = b"hello from nc\n" * 1000
    done = subprocess.run([nc, "-N", "127.0.0.1", "9877"], input=data, capture_output=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout) == (0, data)
    server_ends(server)
    assert_normal_termination(Conversation(capture.packets(), 9877), len(data))


def test_a_client_that_half_closes_before_it_reads_gets_every_byte_before_the_fin(capture, serve):
    server = serve("127.0.0.1:9877")
    data = os.urandom(1 << 20)
    with server.connect(rcvbuf=8192, sndbuf=4 << 20) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert recv_all(client) == data
    server_ends(server)
    assert_normal_termination(Conversation(capture.packets(), 9877), len(data))


# ---- the server ends first ----


def by_drain(server):
    server.send(signal.SIGTERM)


def by_idleness(_):
    pass


@pytest.mark.parametrize(
    "options, end, reason",
    [(["--drain-timeout", "1ms"], by_drain, "drain"), (["--idle-timeout", "3s"], by_idleness, "idle")],
)
def test_a_server_that_ends_first_sends_its_fin_and_no_reset(capture, serve, options, end, reason):
    server = serve(*options, "127.0.0.1:9877")
    with server.connect() as client:
        client.sendall(b"still here\n")
        assert recv_exactly(client, 11) == b"still here\n"
        end(server)
        assert recv_all(client) == b""
        # Bytes that the client had in flight when the server ended must not cause a reset.
        client.sendall(b"too late\n")
    assert server_ends(server, reason)["in"] == str(len("still here\ntoo late\n"))
    talked = Conversation(capture.packets(), 9877)
    assert_handshake(talked)
    assert_no_reset_and_both_fins_acknowledged(talked)
    assert talked.comes_first(talked.server_fin, talked.client_fin)
    assert talked.bytes_sent(talked.by_server) == len("still here\n")
