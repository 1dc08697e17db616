# SPDX-License-Identifier: MIT
"""Drains under constant connects: no connection of a correct client is reset.

Each drain has its own server. Client threads connect one after the other, send, half-close and read to the end,
some of them slowly; at a random moment the server gets TERM. An established connection must end with a FIN, and
with every byte unless the drain timeout came. A connection that is not established is refused or times out.

The kinds of drains (KINDS) differ in the address, in the server's work at TERM, and in what happens to the server.
"""
import collections
import contextlib
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from typing import NamedTuple

from activation import manager
from harness import TIMEOUT, Server, is_gone, parse_address, wait_until
from netns import network_namespace, sysctl

# Threads that connect all the time.
CLIENTS = 6

# A thread ends after this number of failed connects in a row, once TERM was sent.
FAILED_IN_A_ROW = 3

# Seconds from the first client to TERM, and from TERM to the end of the clients that stay, at most.
BEFORE_TERM, STAY = 0.03, 0.3

# Length of the accept queue in the kinds that fill it.
SHORT_QUEUE = 4


class Kind(NamedTuple):
    """A kind of drain."""

    arguments: tuple = ()
    address: str = "127.0.0.1:0"
    n_staying: int = 0  # clients that are served before TERM, and leave a while later
    stays_to_the_end: bool = False  # they leave only when the server ends them
    may_be_cut_off: bool = False  # the drain timeout ends conversations
    trouble: str = ""  # "stop": the server is stopped around TERM; "kill": a serving process is killed
    is_passed: bool = False  # the listening socket is passed in
    # The process that made the socket keeps it, and serves on it afterwards. If it does not, no other process has
    # the socket. Then the server must restore the socket before it closes it: a connection that comes in between
    # may end without an echo, or be reset (decision 0023).
    is_kept: bool = False
    has_short_queue: bool = False


TWO_WORKERS = ("-m", "2", "-w", "2")

KINDS = {
    "plain": Kind(),
    "ipv6": Kind(address="[::1]:0"),
    "wildcard": Kind(address=":0"),
    "unix": Kind(address="unix:{directory}/socket"),
    "abstract": Kind(address="unix:@tcpecho-drain-{pid}"),
    "passed": Kind(is_passed=True, is_kept=True),
    "passed alone": Kind(is_passed=True),
    "busy": Kind(n_staying=3),
    "full": Kind(("-m", "2"), n_staying=2),
    "full unix": Kind(("-m", "2"), "unix:{directory}/socket", n_staying=2),
    "full queue": Kind(("-m", "2"), n_staying=2, has_short_queue=True),
    "timeout": Kind(("--drain-timeout", "100ms"), n_staying=3, stays_to_the_end=True, may_be_cut_off=True),
    "full, timeout": Kind(
        ("-m", "2", "--drain-timeout", "100ms"), n_staying=2, stays_to_the_end=True, may_be_cut_off=True
    ),
    "no time": Kind(("--drain-timeout", "0s"), may_be_cut_off=True),
    "per source": Kind(("--max-per-source", "2", "--drain-timeout", "100ms"), may_be_cut_off=True),
    "stopped": Kind(trouble="stop"),
    "stopped, busy": Kind(n_staying=3, trouble="stop"),
    "killed": Kind(TWO_WORKERS, n_staying=2, trouble="kill"),
}

# Engines without --workers.
WITHOUT_WORKERS = ("fork",)


def echo(sock):
    """Serves one client, which may be gone."""
    with sock, contextlib.suppress(OSError):
        while piece := sock.recv(1 << 16):
            sock.sendall(piece)


class Drain:
    """One server and its clients, from the start to the end."""

    def __init__(self, program, engine, kind, seed):
        self.program, self.engine, self.kind = program, engine, kind
        self.random = random.Random(seed)
        self.outcomes, self.faults = collections.Counter(), []
        self.is_asked, self.is_over, self.lock = threading.Event(), threading.Event(), threading.Lock()
        self.is_connected = threading.Event()  # a client has connected, besides those that stay

    # ---- the server ----

    def start(self, directory):
        arguments = list(self.kind.arguments)
        if self.engine in WITHOUT_WORKERS and "-w" in arguments:
            del arguments[arguments.index("-w") : arguments.index("-w") + 2]
        more = {}
        if self.kind.is_passed:
            self.listening = socket.create_server(("127.0.0.1", 0))
            more = manager(self.listening)
        else:
            arguments.append(self.kind.address.format(directory=directory, pid=os.getpid()))
        server = Server(self.program, directory, ["-q", *arguments], engine=self.engine, **more)
        if self.kind.is_passed and not self.kind.is_kept:
            self.listening.close()
        return server

    def serve_on(self):
        """Acts as the next server on the socket that was kept, until no client is left."""
        while not self.is_over.is_set():
            with contextlib.suppress(TimeoutError):
                sock = self.listening.accept()[0]
                threading.Thread(target=echo, args=[sock]).start()

    def end_by_the_next(self, threads):
        """The server ends first; then another server serves the connections that its clients have made."""
        status = self.server.wait()
        self.listening.settimeout(0.05)
        successor = threading.Thread(target=self.serve_on)
        successor.start()
        for thread in threads:
            thread.join()
        self.is_over.set()
        successor.join()
        self.listening.close()
        return status

    def addresses(self):
        family, address = parse_address(self.server.addresses[0])
        if family == socket.AF_INET6 and address[0] == "::":
            return [(socket.AF_INET6, ("::1", address[1])), (socket.AF_INET, ("127.0.0.1", address[1]))]
        return [(family, address)]

    # ---- clients ----

    def connect(self, number):
        """Returns a connected socket, or None."""
        addresses = self.addresses()
        family, address = addresses[number % len(addresses)]
        sock = socket.socket(family)
        sock.settimeout(TIMEOUT)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            return None
        return sock

    def note(self, outcome, words=""):
        with self.lock:
            self.outcomes[outcome] += 1
            if words:
                self.faults.append(f"{outcome}: {words}")

    def converse(self, sock, pieces, pause):
        """Sends the blocks and the FIN, and reads to the end. Records the result."""
        sent, received = b"".join(pieces), bytearray()
        try:
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(pause)
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(1 << 16):
                received += piece
        except OSError as error:
            self.note("reset", f"{error} after {len(received)} of {len(sent)} bytes")
            return
        if received == sent:
            self.note("whole")
        elif self.kind.may_be_cut_off and sent.startswith(received):
            self.note("cut off")
        elif self.kind.is_passed and self.is_asked.is_set() and not received:
            self.note("turned away")
        else:
            self.note("wrong", f"{len(received)} of {len(sent)} bytes")

    def keep_connecting(self, number):
        chance, failed = random.Random(self.random.random()), 0
        while failed < FAILED_IN_A_ROW and not (self.kind.is_kept and not self.server.is_running()):
            was_asked = self.is_asked.is_set()
            sock = self.connect(number)
            if sock is None:
                failed += was_asked
                self.note("not connected")
                continue
            failed = 0
            self.is_connected.set()
            pieces = [bytes(chance.randrange(1, 2000)) for _ in range(chance.randrange(4))]
            with sock:
                self.converse(sock, pieces, chance.choice([0, 0, 0, 0.005]))

    def stay(self, sock):
        """Stays connected. Leaves after a while, or when the server has ended the conversation."""
        with sock:
            if not self.kind.stays_to_the_end:
                self.is_asked.wait(TIMEOUT)
                time.sleep(self.random.random() * STAY)
                self.converse(sock, [b"last"], 0)
                return
            with contextlib.suppress(OSError):
                sock.recv(1)
            self.converse(sock, [], 0)

    # ---- the course of it ----

    def ask_to_end(self):
        if self.kind.trouble != "stop":
            self.server.send(signal.SIGTERM)
            return
        self.server.send(signal.SIGSTOP)
        time.sleep(self.random.random() * BEFORE_TERM)
        self.server.send(signal.SIGTERM)
        time.sleep(self.random.random() * BEFORE_TERM)
        self.server.send(signal.SIGCONT)

    def kill_one(self):
        """Kills a process that serves a client that stays: no other client is lost with it."""
        victim = self.server.process_of(self.staying[0])
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: is_gone(victim), "the killed process to end")

    def begin_staying(self):
        self.staying = []
        for number in range(self.kind.n_staying):
            sock = self.connect(number)
            sock.sendall(b"here")
            received = b""
            while len(received) < 4:
                received += sock.recv(4)
            self.staying.append(sock)

    def run(self):
        """Returns the outcomes of the connections, and the faults in words."""
        with tempfile.TemporaryDirectory() as directory:
            self.server = self.start(directory)
            try:
                self.begin_staying()
                holding = self.staying[1:] if self.kind.trouble == "kill" else self.staying
                threads = [threading.Thread(target=self.keep_connecting, args=[n]) for n in range(CLIENTS)]
                threads += [threading.Thread(target=self.stay, args=[sock]) for sock in holding]
                for thread in threads:
                    thread.start()
                self.is_connected.wait(TIMEOUT)  # on a busy machine threads may start late
                time.sleep(self.random.random() * BEFORE_TERM)
                self.ask_to_end()
                if self.kind.trouble == "kill":
                    self.kill_one()
                self.is_asked.set()
                if self.kind.is_kept:
                    status = self.end_by_the_next(threads)
                for thread in threads:
                    thread.join()
                for sock in self.staying:
                    sock.close()
                if not self.kind.is_kept:
                    status = self.server.wait()
                if status not in ((0, 1) if self.kind.may_be_cut_off or self.kind.trouble == "kill" else (0,)):
                    self.faults.append(f"the server ended with status {status}: {self.server.log()}")
            finally:
                self.server.kill()
        return self.outcomes, self.faults


@contextlib.contextmanager
def surroundings(kind):
    """Sets up what a kind of drain needs: a network with short accept queues."""
    if not kind.has_short_queue:
        yield
        return
    with network_namespace():
        sysctl("net.core.somaxconn").write_text(f"{SHORT_QUEUE}\n")
        # with SYN cookies, the kernel keeps no state of handshakes
        sysctl("net.ipv4.tcp_syncookies").write_text("0\n")
        yield


def drain_many(program, engine, name, count, seed):
    """Makes `count` drains of a kind. Returns the outcomes of all connections, and the faults."""
    outcomes, faults = collections.Counter(), []
    with surroundings(KINDS[name]):
        for number in range(count):
            more, found = Drain(program, engine, KINDS[name], seed * 1_000_003 + number).run()
            outcomes += more
            faults += [f"{name}, drain {number}: {fault}" for fault in found]
    return outcomes, faults


def run(options):
    """`./dev soak --drains N`: each kind gets a share of the N. Returns whether there was no fault."""
    names = [options.kind] if options.kind else list(KINDS)
    all_faults = []
    for name in names:
        count = -(-options.drains.value // len(names))
        outcomes, faults = drain_many(options.program, options.engine, name, count, options.seed)
        listing = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items()))
        print(f"{name}: {count:,} drains, {listing}", flush=True)
        all_faults += faults
    for fault in all_faults[:20]:
        print(f"FAILED: {fault}", file=sys.stderr)
    return not all_faults
