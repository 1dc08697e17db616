# SPDX-License-Identifier: MIT
"""Echo servers with a fault that only one check can find: faulty_servers.py has the others."""
import contextlib
import queue
import select
import socket
import threading
import time

from faulty_servers import FaultyServer, echo_through, finish, pieces_of
from harness import recv_all, reset
from netns import set_sysctl

faithful = echo_through(lambda offset, piece: piece)


def with_nagle(sock):
    """Sends the second of two bytes 50 ms later, as Nagle's algorithm does if the client's ACK is delayed.

    The kernel itself does not always delay an ACK.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while byte := sock.recv(1):
        sock.sendall(byte)
        if select.select([sock], [], [], 0.005)[0] and (second := sock.recv(1)):
            time.sleep(0.05)
            sock.sendall(second)
    finish(sock)


def late_at_times(sock):
    """Echoes every tenth piece 50 ms later."""
    for number, piece in enumerate(pieces_of(sock)):
        if number % 10 == 9:
            time.sleep(0.05)
        sock.sendall(piece)
    finish(sock)


def buffer_everything(sock):
    """Takes whatever comes and keeps it until the client reads."""
    kept = queue.Queue()

    def send():
        with contextlib.suppress(OSError):
            while piece := kept.get():
                sock.sendall(piece)
            finish(sock)

    sender = threading.Thread(target=send)
    sender.start()
    with contextlib.suppress(OSError):
        for piece in pieces_of(sock):
            kept.put(piece)
    kept.put(b"")
    sender.join()


def cut_the_tail(sock):
    """Leaves out the last bytes before the client's FIN."""
    data = recv_all(sock)
    sock.sendall(data[:-1000])
    finish(sock)


def one_after_the_other():
    """Returns a treatment under which a client that does not read stops all others."""
    lock = threading.Lock()

    def treat(sock):
        for piece in pieces_of(sock):
            with lock:
                sock.sendall(piece)
        finish(sock)

    return treat


def reset_half_closed(after):
    """Returns a treatment that keeps the end back and resets a connection some seconds after the client's FIN."""

    def treat(sock):
        kept = b""
        for piece in pieces_of(sock):
            sock.sendall((kept + piece)[:-1000])
            kept = (kept + piece)[-1000:]
        time.sleep(after)
        reset(sock)

    return treat


def reset_jammed(sock):
    """Echoes, but resets a connection on which it cannot send for a second."""
    sock.settimeout(1)
    while True:
        try:
            piece = sock.recv(1 << 16)
        except TimeoutError:
            continue
        try:
            sock.sendall(piece)
        except TimeoutError:
            reset(sock)
            return
        if not piece:
            sock.settimeout(None)
            finish(sock)
            return


class DiesOfResets(FaultyServer):
    """Echoes, until clients have reset that many connections: then it does not listen any more."""

    def __init__(self, limit):
        super().__init__(self.serve)
        self.left = limit

    def serve(self, sock):
        try:
            faithful(sock)
        except ConnectionResetError:
            self.left -= 1
            if self.left == 0:
                self.listening.shutdown(socket.SHUT_RDWR)


class LeavesItsPort(FaultyServer):
    """Echoes to one client that sends, then does not listen any more, and the kernel has no other port for clients:
    the next client connects to itself. For a network namespace."""

    def __init__(self):
        super().__init__(self.serve)

    def serve(self, sock):
        for piece in pieces_of(sock):
            set_sysctl("net.ipv4.ip_local_port_range", f"{self.port} {self.port}")
            with contextlib.suppress(OSError):
                self.listening.shutdown(socket.SHUT_RDWR)
            self.listening.close()
            sock.sendall(piece)
        finish(sock)
