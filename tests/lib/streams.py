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

from harness import PATIENCE, recv_all

# The first byte of struct tcp_info, from the kernel's include/net/tcp_states.h.
TCP_CLOSE, TCP_CLOSE_WAIT = 7, 8

# A stream that did not move for so long is stuck: nobody reads at its other end.
STUCK_AFTER = 0.5

SYS_PIDFD_GETFD = 438


def pattern(size, seed=0):
    """Bytes of which no stretch is like another: a loss, a repetition and a swap all show."""
    return random.Random(seed).randbytes(size)


class Writer(threading.Thread):
    """Sends bytes from a thread, because nobody may be reading.

    half_close: and then the FIN. again_and_again: until that is an error.
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
        """Waits until nothing moves any more and returns how much was sent."""
        before = -1
        while self.is_alive() and self.sent != before:
            before = self.sent
            self.join(STUCK_AFTER)
        return self.sent

    def finish(self):
        """Waits until everything is sent."""
        self.join(PATIENCE)
        assert not self.is_alive(), f"stuck after {self.sent} of {len(self.data)} bytes"
        assert self.error is None, self.error


def echo_of(sock, data):
    """What comes back of a conversation: data and the FIN, sent while reading until the server's FIN."""
    writer = Writer(sock, data, half_close=True)
    received = recv_all(sock)
    writer.finish()
    return received


def fill(sock, data):
    """Sends without reading until nothing more is taken. Returns how much was."""
    sent = 0
    while sent < len(data) and select.select([], [sock], [], STUCK_AFTER)[1]:
        sent += sock.send(data[sent : sent + (1 << 16)], socket.MSG_DONTWAIT)
    return sent


def is_silent(sock):
    """Has nothing come from the server, neither bytes nor an end?"""
    return not select.select([sock], [], [], 0)[0]


def tcp_state(sock):
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def recv_until_clean_end(sock):
    """Receives until the server's FIN, and holds that it was a FIN alone: no reset came behind it.

    Only before our own FIN: afterwards the states no longer tell.
    """
    data = recv_all(sock)
    assert tcp_state(sock) == TCP_CLOSE_WAIT, "a reset followed the FIN"
    return data


def connect_from(server, source):
    """A client with this source address."""
    return socket.create_connection(server.address, PATIENCE, source_address=(source, 0))


@contextlib.contextmanager
def borrowed(pid, fd):
    """Another process's socket, shared with us to look at (pidfd_getfd(2))."""
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
