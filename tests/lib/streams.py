# SPDX-License-Identifier: MIT
"""Streams of bytes through a socket: long ones, stuck ones, and how they end."""
import contextlib
import ctypes
import os
import random
import select
import socket
import threading

import pytest

from harness import TIMEOUT, recv_all

# The first byte of struct tcp_info, from the kernel's include/net/tcp_states.h.
TCP_CLOSE, TCP_CLOSE_WAIT = 7, 8

# Seconds without progress after which a stream is stuck: the other end does not read.
STUCK_AFTER = 0.5

SYS_PIDFD_GETFD = 438


def pattern(size, seed=0):
    """Returns bytes without repeating parts: a loss, a repetition and a swap all show."""
    return random.Random(seed).randbytes(size)


class Writer(threading.Thread):
    """Sends bytes from a thread, because the peer may not be reading.

    half_close: sends a FIN after the bytes. again_and_again: repeats until an error.
    """

    def __init__(self, sock, data, half_close=False, again_and_again=False):
        super().__init__(daemon=True)
        self.sock, self.data = sock, memoryview(data)
        self.half_close, self.again_and_again = half_close, again_and_again
        self.sent = 0
        self.error = None
        self.start()

    def run(self):
        try:
            while self.again_and_again:
                self.sock.sendall(self.data)
            while self.sent < len(self.data):
                self.sent += self.sock.send(self.data[self.sent : self.sent + (1 << 16)])
            if self.half_close:
                self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.error = error

    def wait_until_stuck(self):
        """Waits until no more bytes can be sent and returns the number of sent bytes."""
        before = -1
        while self.is_alive() and self.sent != before:
            before = self.sent
            self.join(STUCK_AFTER)
        return self.sent

    def finish(self):
        """Waits until all bytes are sent."""
        self.join(TIMEOUT)
        assert not self.is_alive(), f"stuck after {self.sent} of {len(self.data)} bytes"
        assert self.error is None, self.error


def echo_of(sock, data):
    """Sends data and a FIN while it reads. Returns everything up to the server's FIN."""
    writer = Writer(sock, data, half_close=True)
    received = recv_all(sock)
    writer.finish()
    return received


def fill(sock, data):
    """Sends without reading until the socket takes no more. Returns the number of sent bytes."""
    sent = 0
    while sent < len(data) and select.select([], [sock], [], STUCK_AFTER)[1]:
        sent += sock.send(data[sent : sent + (1 << 16)], socket.MSG_DONTWAIT)
    return sent


def is_silent(sock):
    """Returns whether the server has sent nothing: no bytes, no FIN, no reset."""
    return not select.select([sock], [], [], 0)[0]


def tcp_state(sock):
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def recv_until_clean_end(sock):
    """Receives until the server's FIN, and asserts that no reset followed the FIN.

    Use it only before our own FIN: afterwards the TCP states do not show the difference.
    """
    data = recv_all(sock)
    assert tcp_state(sock) == TCP_CLOSE_WAIT, "a reset followed the FIN"
    return data


def connect_from(server, source):
    """Returns a client with this source address."""
    return socket.create_connection(server.address, TIMEOUT, source_address=(source, 0))


@contextlib.contextmanager
def borrowed(pid, fd):
    """Returns a duplicate of another process's socket for inspection (pidfd_getfd(2))."""
    process = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        ours = libc.syscall(SYS_PIDFD_GETFD, process, fd, 0)
        if ours < 0:
            pytest.skip(f"pidfd_getfd(2): {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(process)
    with socket.socket(fileno=ours) as sock:
        yield sock
