# SPDX-License-Identifier: MIT
"""Echo servers with one fault each.

A FaultyServer listens on a free port of 127.0.0.1. Each client is handled by its treatment, a function that gets the
connected socket and runs in a separate thread. A socket stays open when the treatment returns, until the FaultyServer
ends. A treatment that must end the connection calls finish() or reset().
"""
import contextlib
import ctypes
import socket
import struct
import threading
import time

from harness import TIMEOUT, recv_all, recv_exactly, reset

SO_ATTACH_FILTER = 26  # on all architectures but parisc and sparc

# Text that `talk` adds if the connection ended after its FIN and bytes are missing.
NO_HALF_CLOSE = " (after our FIN: perhaps a proxy that has no half-close; try --no-half-close)"
NO_ECHO_OR_HALF_CLOSE = NO_HALF_CLOSE.replace("perhaps", "no echo server, or perhaps")


class FaultyServer:
    """A listening socket and its treatment: `with FaultyServer(never_reply) as server: talk(*server.words)`."""

    def __init__(self, treatment):
        self.treatment = treatment
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.words = ("127.0.0.1", str(self.port))
        self.connected = []
        self.threads = [threading.Thread(target=self._accept)]

    def __enter__(self):
        self.threads[0].start()
        return self

    def __exit__(self, *_):
        # shutdown() wakes a thread that waits in accept() or recv(), close() would not.
        accepting = self.threads[0]
        self._end([self.listening], [accepting])
        self._end(self.connected, self.threads)

    @staticmethod
    def _end(sockets, threads):
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(TIMEOUT)
            assert not thread.is_alive(), "a faulty server hangs"
        for sock in sockets:
            sock.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listening.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connected.append(sock)
                thread = threading.Thread(target=self._treat, args=[sock])
                self.threads.append(thread)
                thread.start()

    def _treat(self, sock):
        with contextlib.suppress(OSError):  # the client has gone: the test checks whether that is right
            self.treatment(sock)


def pieces_of(sock):
    """Yields what the client sends, until its FIN."""
    while piece := sock.recv(1 << 16):
        yield piece


def finish(sock):
    """Ends correctly: sends the FIN, then reads whatever the client still sends, so that no RST destroys it."""
    sock.shutdown(socket.SHUT_WR)
    recv_all(sock)


# ---- treatments ----


def close_at_once(sock):
    sock.close()


def never_reply(sock):
    """Reads and never sends."""
    recv_all(sock)


def never_read(_sock):
    """Neither reads nor sends."""


def never_end(sock):
    """A correct echo that does not close after the client's FIN."""
    for piece in pieces_of(sock):
        sock.sendall(piece)


def echo_through(change, at_end=b""):
    """Returns an echo treatment that sends change(offset, data) for each received block, and at_end before its FIN."""

    def treat(sock):
        offset = 0
        for piece in pieces_of(sock):
            sock.sendall(change(offset, piece))
            offset += len(piece)
        sock.sendall(at_end)
        finish(sock)

    return treat


def replace_byte(at, by):
    """Sends by(byte) for the byte at that offset: b"" drops it, two bytes repeat it."""

    def change(offset, piece):
        place = at - offset
        if not 0 <= place < len(piece):
            return piece
        return piece[:place] + by(piece[place : place + 1]) + piece[place + 1 :]

    return echo_through(change)


def flip_bit(at):
    return replace_byte(at, lambda byte: bytes([byte[0] ^ 0x01]))


def drop_byte(at):
    return replace_byte(at, lambda byte: b"")


def repeat_byte(at):
    return replace_byte(at, lambda byte: byte + byte)


def add_bytes(surplus):
    """Echoes everything, then sends surplus bytes."""
    return echo_through(lambda offset, piece: piece, surplus)


def speak_first(greeting):
    def treat(sock):
        sock.sendall(greeting)
        recv_all(sock)

    return treat


def answer_with(reply, greeting=b"", once=False):
    """Sends the greeting, then the same reply to whatever comes, as servers of other protocols do. once: closes then."""

    def treat(sock):
        sock.sendall(greeting)
        for _ in pieces_of(sock):
            sock.sendall(reply)
            if once:
                break
        sock.close()

    return treat


def answer_and_end(answered, of, after_fin=False):
    """Receives `of` bytes, returns the first `answered` of them, then sends its FIN: after the client's, or at once."""

    def treat(sock):
        sock.sendall(recv_exactly(sock, of)[:answered])
        if after_fin:
            recv_all(sock)
        finish(sock)

    return treat


def answer_and_reset(answered, of, after_fin=False):
    """Receives `of` bytes, returns the first `answered` of them, then resets: after the client's FIN, or at once."""

    def treat(sock):
        sock.sendall(recv_exactly(sock, of)[:answered])
        if after_fin:
            recv_all(sock)
        reset(sock)

    return treat


def answer_and_hang(answered, of):
    """Receives `of` bytes, returns the first `answered` bytes, then sends nothing more."""

    def treat(sock):
        sock.sendall(recv_exactly(sock, of)[:answered])
        recv_all(sock)

    return treat


def answer_in_two(first, seen):
    """Returns `first` bytes in a separate segment, and the rest after the event `seen`."""

    def treat(sock):
        data = recv_all(sock)
        sock.sendall(data[:first])
        seen.wait(TIMEOUT)
        sock.sendall(data[first:])
        finish(sock)

    return treat


def answer_after(count):
    """Receives `count` bytes before it returns the first of them; from then on it echoes."""

    def treat(sock):
        sock.sendall(recv_exactly(sock, count))
        never_end(sock)
        finish(sock)

    return treat


def drip(pause, size=1):
    """An echo of `size` bytes at a time, with a pause after each."""

    def treat(sock):
        while data := sock.recv(size):
            sock.sendall(data)
            time.sleep(pause)
        finish(sock)

    return treat


def drop_segments_from(listening, source):
    """Drops every segment from an IPv4 address that arrives at a listening socket: its SYNs get no answer.

    A classic BPF program (socket(7), SO_ATTACH_FILTER): load the source address, compare, return the accepted length.
    """
    source_address = 0xFFF00000 + 12  # SKF_NET_OFF: from the IP header on
    program = [
        (0x20, 0, 0, source_address),
        (0x15, 0, 1, int.from_bytes(socket.inet_aton(source), "big")),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    listening.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code))
    )


class FullListener:
    """A listening socket with a full accept queue: a SYN gets no answer. `with FullListener() as full: full.port`."""

    def __init__(self, host="127.0.0.1", port=0):
        self.listening = socket.create_server((host, port), backlog=0)
        self.listening.settimeout(TIMEOUT)
        self.port = self.listening.getsockname()[1]
        self.fillers = [socket.socket() for _ in range(2)]  # the kernel accepts one connection more than the backlog
        for filler in self.fillers:
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(self.listening.getsockname())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in (self.listening, *self.fillers):
            sock.close()

    def accept(self):
        """Makes room in the queue and returns the connected socket of the first outside client."""
        ours = [filler.getsockname() for filler in self.fillers]
        for filler in self.fillers:
            filler.close()
        while True:
            sock, peer = self.listening.accept()
            if peer not in ours:
                return sock
            sock.close()


class UnixQueue:
    """A listening unix socket with a queue for two clients. serve() accepts and echoes."""

    def __init__(self, path):
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen(1)
        self.threads = []

    def serve(self, count):
        def echo(sock):
            with sock, contextlib.suppress(OSError):
                never_end(sock)

        for _ in range(count):
            self.threads.append(threading.Thread(target=echo, args=[self.listening.accept()[0]]))
            self.threads[-1].start()

    def close(self):
        self.listening.close()
        for thread in self.threads:
            thread.join(TIMEOUT)
