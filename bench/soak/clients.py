#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients of every kind for SECONDS, in THREADS threads, one after the other in each.

The seed and the number of a client alone determine its kind, sizes and pauses. The result of each client is a claim
on standard output (ledger.py). SIGTERM: start no more clients.

usage: clients.py PROGRAM PORT SEED FIRST STEP THREADS SECONDS    (numbers FIRST, FIRST + STEP, ...)
"""
import contextlib
import itertools
import json
import os
import pathlib
import random
import select
import signal
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "lib"))

from bulk import PERIOD, Endless  # noqa: E402
from harness import TIMEOUT, Talk, reset  # noqa: E402
from ledger import address_of  # noqa: E402
from streams import STUCK_AFTER  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20

# Seconds until a wait counts as a hang. Clients wait for a free place, behind clients that are slow on purpose.
HANG = 2 * TIMEOUT

PIECE_MAX = 512 * KIB

# From <linux/in.h> and <linux/tcp.h>; Python does not define them.
IP_BIND_ADDRESS_NO_PORT, TCP_REPAIR = 24, 19


class Wrong(Exception):
    """An echo that cannot be explained by a fault of the test."""


class Client:
    """One connection: what it has sent and received. Each byte is compared with its place in the stream."""

    def __init__(self, number, port, endless, seed):
        self.random = random.Random(f"{seed} {number}")
        self.endless, self.phase = endless, self.random.randrange(PERIOD)
        self.sent = self.received = 0
        self.sock = socket.socket()
        self.sock.settimeout(HANG)
        self.sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.sock.bind((address_of(number), 0))
        self.server = ("127.0.0.1", port)

    def connect(self, receive_buffer=None):
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.sock.connect(self.server)
        except OSError as error:
            raise Wrong(f"connect: {error}") from error

    def stream(self, offset, size):
        return self.endless.at(self.phase + offset, size)

    def send(self, size, flags=0):
        """Sends the next bytes of the stream, at most 64 KiB: more might need a reader."""
        self.sock.sendall(self.stream(self.sent, size), flags)
        self.sent += size

    def receive(self, most):
        """Receives and compares. Returns whether any bytes came."""
        data = self.sock.recv(min(most, PIECE_MAX))
        if self.received + len(data) > self.sent:
            raise Wrong(f"{self.received + len(data)} bytes came back of {self.sent}")
        wanted = self.stream(self.received, len(data))
        if data != wanted:
            place = next(i for i, (got, sent) in enumerate(zip(data, wanted)) if got != sent)
            raise Wrong(f"byte {self.received + place}: sent {wanted[place]:#04x}, got {data[place]:#04x}")
        self.received += len(data)
        return data != b""

    def catch_up(self):
        """Receives all that was sent."""
        while self.received < self.sent:
            if not self.receive(self.sent - self.received):
                raise ConnectionError(f"it ended after {self.received} of {self.sent} bytes")

    def converse(self, size, piece=64 * KIB, pause=0.0):
        """Sends and receives `size` bytes at the same time, with a pause after each received block."""
        end = self.sent + size
        while self.received < end:
            unsent = [self.sock] if self.sent < end else []
            readable, writable, _ = select.select([self.sock], unsent, [], HANG)
            if not readable and not writable:
                raise TimeoutError("nothing moves")
            if writable:
                data = self.stream(self.sent, min(piece, end - self.sent))
                self.sent += self.sock.send(data)
            if readable:
                if not self.receive(piece):
                    raise ConnectionError(f"it ended after {self.received} of {self.sent} bytes")
                time.sleep(pause)

    def fill(self):
        """Sends without reading until the socket takes no more."""
        while select.select([], [self.sock], [], STUCK_AFTER)[1]:
            self.sent += self.sock.send(self.stream(self.sent, 64 * KIB), socket.MSG_DONTWAIT)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def see_the_end(self):
        """Receives all the rest and then the server's FIN."""
        self.catch_up()
        self.receive(1)

    def finish(self):
        self.half_close()
        self.see_the_end()

    def pause(self, most):
        time.sleep(self.random.uniform(0, most))


# ---- correct clients: every byte comes back ----


def small_talk(client):
    client.connect()
    for _ in range(client.random.randint(1, 5)):
        client.send(client.random.randint(1, 2000))
        client.catch_up()
    client.finish()


def medium_stream(client):
    client.connect()
    client.converse(client.random.randint(8 * KIB, MIB))
    client.finish()


def large_stream(client):
    client.connect()
    client.converse(client.random.randint(4 * MIB, 32 * MIB), MIB // 2)
    client.finish()


def slow_reader(client):
    client.connect(receive_buffer=4096)
    client.converse(client.random.randint(64 * KIB, 512 * KIB), 8 * KIB, pause=0.01)
    client.finish()


def half_closer(client):
    """Its FIN arrives before the first byte comes back."""
    client.connect()
    client.send(client.random.randint(1, 64 * KIB))
    client.half_close()
    client.pause(0.2)
    client.see_the_end()


def late_reader(client):
    """Fills every buffer on the way, and then begins to read."""
    client.connect(receive_buffer=4096)
    client.fill()
    client.catch_up()
    client.finish()


def trickler(client):
    """A slow client that sends byte by byte (slow loris)."""
    client.connect()
    for _ in range(client.random.randint(5, 20)):
        client.send(1)
        client.pause(0.2)
    client.finish()


def urgent_sender(client):
    """Urgent bytes must stay in their places."""
    client.connect()
    for _ in range(client.random.randint(1, 10)):
        client.send(client.random.randint(1, 500), client.random.choice([0, socket.MSG_OOB]))
        client.pause(0.01)
    client.finish()


def silent_one(client):
    client.connect()
    client.pause(2)
    client.finish()


def passer_by(client):
    """Connects and closes."""
    client.connect()


# ---- misbehaving clients: the others must not notice ----


def non_reader(client):
    """Writes and never reads, stays a while, and closes."""
    client.connect()
    client.fill()
    client.pause(1)


def leaver(client):
    """Closes while its echo is in flight."""
    client.connect()
    client.send(client.random.randint(1, 64 * KIB))
    client.pause(0.01)


def early_resetter(client):
    """May reset before it is accepted."""
    client.connect()
    reset(client.sock)


def late_resetter(client):
    client.connect()
    client.converse(client.random.randint(1, 256 * KIB))
    client.send(client.random.randint(1, 64 * KIB))
    reset(client.sock)


def vanisher(client):
    """A host that is switched off: it sends no FIN and no RST, and has no connection when it is back."""
    client.connect(receive_buffer=4096)
    client.fill()
    with contextlib.suppress(PermissionError):
        client.sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)


# Relative frequencies.
BEHAVED = {
    small_talk: 30,
    medium_stream: 12,
    large_stream: 2,
    slow_reader: 4,
    half_closer: 8,
    late_reader: 2,
    trickler: 4,
    urgent_sender: 5,
    silent_one: 3,
    passer_by: 8,
}
RUDE = {
    non_reader: 2,
    leaver: 6,
    early_resetter: 6,
    late_resetter: 6,
    vanisher: 2,
}
TALK_SHARE = 0.03

TALK_SIZE = 32 * MIB


def name_of(kind):
    return kind.__name__.replace("_", " ")


class Clients:
    """All the clients of this process."""

    def __init__(self, program, port, seed, first, step, threads, seconds):
        self.program, self.port, self.seed = program, port, seed
        self.numbers = itertools.count(first, step)
        self.endless = Endless(seed)
        self.deadline = time.monotonic() + seconds
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.work) for _ in range(threads)]

    def run(self):
        with tempfile.NamedTemporaryFile() as self.talk_input:
            self.endless.write(self.talk_input, TALK_SIZE)
            self.talk_input.flush()
            for thread in self.threads:
                thread.start()
            for thread in self.threads:
                thread.join()

    def work(self):
        try:
            while time.monotonic() < self.deadline and not self.is_over.is_set():
                self.one(next(self.numbers))
        except BrokenPipeError:
            self.is_over.set()  # the reader of our claims is gone

    def one(self, number):
        chance = random.Random(f"{self.seed} {number} kind")
        time.sleep(chance.uniform(0, 0.1))
        if chance.random() < TALK_SHARE:
            self.talk(chance)
            return
        (kind,) = chance.choices([*BEHAVED, *RUDE], [*BEHAVED.values(), *RUDE.values()])
        client = Client(number, self.port, self.endless, self.seed)
        outcome, why = verdict_of(kind, client)
        claim(number, name_of(kind), outcome, client.sent, client.received, why)

    def talk(self, chance):
        """Runs `tcpecho talk` with a file as its input."""
        size = chance.randint(0, TALK_SIZE)
        with open(self.talk_input.name, "rb") as file:
            file.seek(TALK_SIZE - size)
            talk = Talk(self.program, ("127.0.0.1", self.port), stdin=file)
            try:
                status, output, error = talk.finish(HANG)
            finally:
                talk.kill()
            file.seek(TALK_SIZE - size)
            is_whole = status == 0 and output == file.read()
        claim(None, "talk", "whole" if is_whole else "wrong", size, len(output), f"status {status}: {error}")


def verdict_of(kind, client):
    """Runs a client. Returns its outcome, and the reason."""
    try:
        with client.sock:
            kind(client)
    except Wrong as error:
        return "wrong", str(error)
    except TimeoutError as error:
        return "wrong", f"hang: {error}"
    except OSError as error:
        return "left" if kind in RUDE else "cut", str(error)
    return "left" if kind in RUDE else "whole", ""


def claim(number, kind, outcome, sent, received, why):
    fields = {"n": number, "kind": kind, "outcome": outcome, "sent": sent, "received": received}
    fields["why"] = "" if outcome == "whole" else why[:1000]
    # A single short write, so that claims of other threads do not mix with it (pipe(7)).
    os.write(sys.stdout.fileno(), json.dumps(fields).encode() + b"\n")


def main():
    program, *numbers = sys.argv[1:]
    clients = Clients(program, *map(int, numbers))
    signal.signal(signal.SIGTERM, lambda *_: clients.is_over.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C on a terminal: the parent process ends this one
    clients.run()


if __name__ == "__main__":
    main()
