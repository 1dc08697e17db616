# SPDX-License-Identifier: MIT
"""Runs in which something goes wrong, each compared with a record that does not depend on the client.

The record comes from an echo server that logs what it receives and sends, from the harness, which knows when it
stopped a process or sent a signal, and from a packet socket, for which the kernel stamps each segment. A run is
true if its figures are within 1 % + 50 µs of the record, or if it reports that it is no measurement, and why.
"""
import contextlib
import json
import multiprocessing
import os
import selectors
import signal
import socket
import struct
import subprocess
import threading
import time
from typing import NamedTuple

from harness import proc_state, wait_until
from netns import enter_own_network, set_sysctl
from private_files import own_etc

import hdr
import ourclient
import report
import servers

SIZE = 64
CONNECTIONS, RATE = 4, 2000
STALLED = 0.5  # seconds from the server's stall to the signal
BEFORE = 1.0  # seconds of each run before its trouble
SHARE, ALLOWED_US = 0.01, 50
PAUSE_MS = 50  # maximum time for which a hundred connections may leave a server without messages

# If others used more of a core than this, a false run is made again, at most TRIES times.
OTHERS_MAX, TRIES = 0.04, 3


class Figure(NamedTuple):
    """One figure of a run, from the record and from the client."""

    name: str
    known: float
    found: float
    unit: str = ""  # "µs", or a count
    up_to: float = None  # the record is a range, from `known` to this

    def is_true(self):
        if self.found is None:
            return False
        up_to = self.known if self.up_to is None else self.up_to
        nearest = min(max(self.found, self.known), up_to)
        return abs(self.found - nearest) <= nearest * SHARE + (ALLOWED_US if self.unit else 0)

    def words(self):
        found = "none" if self.found is None else report.number(self.found)
        known = report.number(self.known) + ("" if self.up_to in (None, self.known) else f" to {report.number(self.up_to)}")
        return f"{self.name} {found}{self.unit and ' ' + self.unit}, record {known}"


class Run(NamedTuple):
    """The result of one run in trouble."""

    trouble: str
    client: str
    figures: list
    disowned: str  # the client's reason why it is no measurement; None: it reports none
    wrong: str = None  # a sentence if it is wrong whatever its figures are
    others: float = 0  # share of a core that others used in each try

    def result(self):
        false = [figure.words() for figure in self.figures if not figure.is_true()]
        beside = f" (others used {self.others:.0%} of a core)" if self.others else ""
        if self.wrong:
            return f"FALSE: {self.wrong}{beside}"
        if self.disowned:
            return f"says that it is no measurement: {self.disowned}{beside}"
        if false:
            return f"FALSE: {'; '.join(false)}{beside}"
        return "true" if self.figures else f"FALSE: does not say that it is no measurement{beside}"

    def is_true(self):
        return not self.result().startswith("FALSE")

    def row(self):
        figures = "; ".join(figure.words() for figure in self.figures)
        return [self.trouble, self.client, figures or "-", self.result()]


# ---- records ----


SO_TIMESTAMPNS = 35


def stamp_of(ancillary):
    """Returns the kernel's time of arrival, in nanoseconds since 1970."""
    seconds, ns = struct.unpack("qq", ancillary[0][2])
    return seconds * 1_000_000_000 + ns


class Connection:
    def __init__(self, number):
        self.number, self.received, self.sent = number, 0, 0


class Witness(threading.Thread):
    """An echo server that keeps a record. `with Witness() as witness: ... witness.address, witness.port`.

    pause: seconds that it sleeps before each message.
    """

    def __init__(self, wrong_every=0, keeps_open=False, address="127.0.0.1", pause=0):
        super().__init__(daemon=True)
        self.listening = socket.create_server((address, 0), backlog=1024)
        self.address, self.port = self.listening.getsockname()
        self.wrong_every, self.keeps_open, self.pause = wrong_every, keeps_open, pause
        self.connections, self.open = [], []
        self.sent = self.wrong = 0  # bytes
        self.first_ns = self.last_ns = self.pause_ns = 0  # the first message, the latest, and the longest gap
        self.stall, self.has_stalled = threading.Event(), threading.Event()
        self.is_over = False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.join()
        for sock in [self.listening, *self.open]:
            sock.close()

    def run(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.listening, selectors.EVENT_READ)
            while not self.is_over:
                for key, _ in selector.select(0.05):
                    if self.stall.is_set():
                        break
                    self.take(selector, key)
                if self.stall.is_set():
                    self.has_stalled.set()
                    time.sleep(0.01)

    def take(self, selector, key):
        if key.data is None:
            sock, _ = self.listening.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.append(Connection(len(self.connections)))
            self.open.append(sock)
            selector.register(sock, selectors.EVENT_READ, self.connections[-1])
            return
        with contextlib.suppress(OSError):  # the client is gone
            self.echo(selector, key.fileobj, key.data)

    def echo(self, selector, sock, connection):
        data = b""
        with contextlib.suppress(ConnectionResetError):
            data = sock.recv(1 << 16)
        now_ns = time.monotonic_ns()
        if not data:
            selector.unregister(sock)
            if not self.keeps_open:
                self.open.remove(sock)
                sock.close()
            return
        if self.last_ns:
            self.pause_ns = max(self.pause_ns, now_ns - self.last_ns)
        self.first_ns, self.last_ns = self.first_ns or now_ns, now_ns
        connection.received += len(data)
        time.sleep(self.pause)
        sock.sendall(self.changed(data))
        connection.sent += len(data)
        self.sent += len(data)

    def changed(self, data):
        """Flips one bit in each wrong_every-th byte."""
        if not self.wrong_every:
            return data
        changed = bytearray(data)
        for place in range(self.wrong_every - 1 - self.sent % self.wrong_every, len(data), self.wrong_every):
            changed[place] ^= 1
            self.wrong += 1
        return bytes(changed)

    def stand_still(self):
        """Stops reading and sending. Every message that it received before was sent back."""
        self.stall.set()
        self.has_stalled.wait()

    def read_the_rest(self):
        """After the client's end: counts the bytes that came during the stall, which are not sent back."""
        for sock, connection in zip(self.open, self.connections):
            with contextlib.suppress(ConnectionResetError):
                connection.received += len(sock.recv(1 << 20))

    def echoes(self, size=SIZE):
        return sum(connection.sent // size for connection in self.connections)

    def messages(self, size=SIZE):
        """Returns the number of messages that arrived."""
        return sum(connection.received // size for connection in self.connections)

    def used(self):
        """Returns the connections on which a message came."""
        return [connection for connection in self.connections if connection.received > 0]


class Segments(threading.Thread):
    """The kernel's time stamps of TCP segments on loopback: client's port -> first SYN, SYN-ACK and payload, last
    payload."""

    def __init__(self, port):
        """port: the server's."""
        super().__init__(daemon=True)
        self.packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self.packets.bind(("lo", 0x0800))
        self.packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.packets.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.packets.settimeout(0.05)
        self.syn, self.answer, self.payload, self.last, self.to = {}, {}, {}, {}, {}
        self.port = port
        self.is_over = False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.join()
        self.packets.close()

    def run(self):
        while not self.is_over:
            with contextlib.suppress(TimeoutError):
                data, ancillary, *_ = self.packets.recvmsg(128, 64)
                self.note(data, stamp_of(ancillary))

    def note(self, data, ns):
        head = (data[0] & 15) * 4
        total, = struct.unpack_from("!H", data, 2)
        if data[9] != socket.IPPROTO_TCP:
            return
        source, target = struct.unpack_from("!HH", data, head)
        flags = data[head + 13]
        size = total - head - (data[head + 12] >> 4) * 4
        if flags & 0x12 == 0x02:  # SYN alone
            self.syn.setdefault(source, ns)
            self.to[source] = socket.inet_ntoa(data[16:20])
        elif flags & 0x12 == 0x12:
            self.answer.setdefault(target, ns)
        elif size > 0 and target == self.port:
            self.payload.setdefault(source, ns)
            self.last[source] = ns

    def connecting_us(self, address=None):
        """Returns the sorted times from the first SYN to the SYN-ACK, for connections that carried a message."""
        return sorted(
            (self.answer[port] - self.syn[port]) / 1000
            for port in self.answer
            if port in self.payload and address in (None, self.to[port])
        )


# ---- clients ----

COMMANDS = {
    "bench, closed loop": ["bench", "-c", CONNECTIONS, "--warmup", "0", "-d", "30s"],
    "bench, open loop": ["bench", "-c", CONNECTIONS, "-r", RATE, "--warmup", "0", "-d", "30s"],
    "ping": ["ping", "-i", "2ms"],
    "ping --hold": ["ping", "--hold", "-c", CONNECTIONS, "-i", "5ms"],
}


def start(truth, command, address, port, *options, prefix=(), core=None):
    words = [*prefix, truth.program, *command, "--json", "--quiet", *options, address, port]
    return ourclient.start(words, truth.client_core if core is None else core)


def end(client):
    """Returns (status, the document or None, standard error)."""
    output, error = client.communicate(timeout=ourclient.LONGEST)
    try:
        return client.returncode, json.loads(output), error.strip()
    except ValueError:
        return client.returncode, None, error.strip() or f"status {client.returncode}, and no document"


def disowned(found):
    return found.get("client_bound")


def no_document(trouble, name, error):
    return Run(trouble, name, [], None, f"no document: {error}")


def count(found, name):
    """Returns a failure count by name, or a count that an older client does not have."""
    return (found.get("errors") or {}).get(name, 0)


# ---- an interruption while the server stands still ----


def interrupted(truth, name, number):
    trouble = f"{number.name} while the server stands still"
    pause = 0.001 if "closed" in name else 0  # otherwise more segments would come than can be recorded
    with Witness(pause=pause) as witness, Segments(witness.port) as segments:
        client = start(truth, COMMANDS[name], witness.address, witness.port)
        wait_until(lambda: witness.sent > 0, "the first echo")
        time.sleep(BEFORE)
        witness.stand_still()
        time.sleep(STALLED)
        signal_ns, signal_of_day_ns = time.monotonic_ns(), time.time_ns()
        client.send_signal(number)
        status, found, error = end(client)
        end_of_day_ns = time.time_ns()
        if found is None:
            return no_document(trouble, name, error)
        witness.read_the_rest()
        begun = found.get("sent", found.get("heartbeats"))
        figures = [
            Figure("sent", witness.messages(), begun),
            Figure("echoes", witness.echoes(), found["echoes"]),
            Figure("unfinished", witness.messages() - witness.echoes(), found.get("unfinished")),
        ]
        if "open" in name:
            due = RATE * (signal_ns - witness.first_ns) / 1e9
            figures.append(Figure("due", due, begun + count(found, "never_sent")))
        # Only the client knows when it stopped waiting: between the signal and its end.
        ages_us = [(moment_ns - min(segments.last.values())) / 1000 for moment_ns in (signal_of_day_ns, end_of_day_ns)]
        figures.append(Figure("oldest", ages_us[0], found["response_us"]["max"], "µs", ages_us[1]))
        wrong = None if found.get("interrupted", True) or "bench" not in name else "it does not say interrupted"
        return Run(trouble, name, figures, disowned(found), wrong)


def interruptions(truth):
    for name in COMMANDS:
        for number in (signal.SIGINT, signal.SIGTERM):
            yield lambda name=name, number=number: interrupted(truth, name, number)


# ---- wrong bytes ----


def wrong_bytes(truth, every=1_000_000, duration="4s"):
    size, others = 640, 100
    trouble, name = f"one wrong byte in {every:,}, beside {others} connections", "bench, open loop"
    with Witness(wrong_every=every) as witness:
        command = ["bench", "-c", others + 1, "-s", size, "-r", RATE, "--warmup", "0", "-d", duration]
        _, found, error = end(start(truth, command, witness.address, witness.port))
    if found is None:
        return no_document(trouble, name, error)
    figures = [
        Figure("wrong bytes", witness.wrong, found.get("wrong_bytes")),
        Figure("connections with one", witness.wrong, found["mismatches"]),
        Figure("echoes", witness.echoes(size) - witness.wrong, found["echoes"]),
    ]
    pause_ms, wrong = witness.pause_ns / 1e6, None
    if pause_ms > PAUSE_MS and not disowned(found):
        wrong = f"the other connections were left alone for {pause_ms:.0f} ms"
    return Run(trouble, name, figures, disowned(found), wrong)


# ---- a client that is the limit ----


def stopped(truth, name):
    stops, length = 3, 0.3
    with Witness() as witness:
        client = start(truth, COMMANDS[name], witness.address, witness.port)
        wait_until(lambda: witness.sent > 0, "the first echo")
        for _ in range(stops):
            time.sleep(0.5)
            client.send_signal(signal.SIGSTOP)
            wait_until(lambda: proc_state(client.pid) == "T", "it to stand still")
            time.sleep(length)
            client.send_signal(signal.SIGCONT)
        time.sleep(0.2)
        client.send_signal(signal.SIGINT)
        _, found, error = end(client)
    return of_client(f"client stopped {stops} x {length * 1000:.0f} ms", name, found, error)


def of_client(trouble, name, found, error):
    return no_document(trouble, name, error) if found is None else Run(trouble, name, [], disowned(found))


def engine(truth):
    kind = servers.engine("epoll", truth.server_program, "epoll", *servers.ONE_WORKER)
    return servers.RunningServer(kind, truth.scratch, truth.server_core)


@contextlib.contextmanager
def hogs(n, core):
    def pin():
        os.sched_setaffinity(0, {core})

    found = [subprocess.Popen(["sh", "-c", "while :; do :; done"], preexec_fn=pin) for _ in range(n)]
    try:
        yield
    finally:
        for hog in found:
            hog.kill()
            hog.wait()


def beside_hogs(truth, name):
    core = truth.client_core if truth.client_core is not None else 0
    with engine(truth) as server, hogs(4, core):
        client = start(truth, COMMANDS[name], *ourclient.where(server), core=core)
        time.sleep(BEFORE * 3)
        client.send_signal(signal.SIGINT)
        _, found, error = end(client)
    return of_client("four busy processes on the client's core", name, found, error)


def many_threads(truth):
    core = truth.client_core if truth.client_core is not None else 0
    command = ["bench", "-c", 4, "-w", 4, "--warmup", "0", "-d", "3s"]
    with engine(truth) as server:
        _, found, error = end(start(truth, command, *ourclient.where(server), core=core))
    return of_client("four threads of the client on one core", "bench, closed loop", found, error)


# ---- in a separate network ----


def ports_exhausted(truth):
    trouble, name = "ports exhausted", "bench --churn"
    set_sysctl("net.ipv4.ip_local_port_range", "40000 40199")
    set_sysctl("net.ipv4.tcp_tw_reuse", "0")
    with Witness() as witness:
        command = ["bench", "--churn", "-c", CONNECTIONS, "--warmup", "0", "-d", "2s", "-W", "1s"]
        _, found, error = end(start(truth, command, witness.address, witness.port))
    if found is None:
        return no_document(trouble, name, error)
    figures = [Figure("echoes", witness.echoes(), found["echoes"])]
    wrong = None if disowned(found) else "it does not say that the ports were the limit"
    return Run(trouble, name, figures, disowned(found), wrong)


def no_fin(truth, duration="2s"):
    trouble, name = "server never sends its FIN", "bench --churn"
    with Witness(keeps_open=True) as witness:
        command = ["bench", "--churn", "-c", CONNECTIONS, "--warmup", "0", "-d", duration, "-W", "300ms"]
        status, found, error = end(start(truth, command, witness.address, witness.port))
    if found is None:
        return no_document(trouble, name, error)
    n_missing = (found.get("connection_errors") or {}).get("no_fin")
    figures = [
        Figure("echoes", witness.echoes(), found["echoes"]),
        Figure("no_fin", len(witness.used()), n_missing),
    ]
    return Run(trouble, name, figures, disowned(found), None if status == 1 else f"status {status}")


def nft(*lines):
    rules = "\n".join(["table ip trouble {", "chain c {", "type filter hook input priority 0;", *lines, "}", "}", ""])
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


SYN = "tcp flags & (syn | ack) == syn"


LONG_US = 500_000  # a longer connect has lost a SYN, which is sent again after a second


def n_long(found):
    """Returns the number of slow connects in the client's histogram."""
    counts = hdr.decode(found["connect_histogram"])
    return sum(count for ns, count in counts if ns / 1000 > LONG_US)


SYN_COMMANDS = {
    "ping --connect-each": ["ping", "--connect-each", "-c", 5, "-i", "0"],
    "bench": ["bench", "-c", 9, "-d", "1s", "--warmup", "0"],
}


def syn_lost(truth, name):
    with Witness() as witness, Segments(witness.port) as segments:
        _, found, error = end(start(truth, SYN_COMMANDS[name], witness.address, witness.port))
        time.sleep(0.2)  # for segments that are not read yet
    if found is None:
        return no_document("every second SYN lost", name, error)
    known_us = segments.connecting_us()
    figures = [
        Figure("echoes", witness.echoes(), found["echoes"]),
        Figure("connections", len(known_us), found["connections_opened"]),
        Figure("that took long", sum(us > LONG_US for us in known_us), n_long(found)),
        Figure("longest", known_us[-1], found["connect_us"]["max"], "µs"),
    ]
    return Run("every second SYN lost", name, figures, disowned(found))


def syns_lost(truth):
    nft(f"iif lo {SYN} numgen inc mod 2 == 0 drop")
    for name in SYN_COMMANDS:
        yield lambda name=name: syn_lost(truth, name)


DEAD_COMMANDS = {
    "ping": ["ping", "-c", 5, "-i", "0"],
    "ping --connect-each": ["ping", "--connect-each", "-c", 5, "-i", "0"],
    "bench": ["bench", "-c", 4, "-d", "1s", "--warmup", "0"],
    "ping --hold": ["ping", "--hold", "-c", 4, "-i", "100ms", "-d", "1s"],
}


def first_dead(truth, name, prefix):
    trouble = "name whose first address is dead"
    with Witness(address="127.0.0.3") as witness, Segments(witness.port) as segments:
        _, found, error = end(start(truth, DEAD_COMMANDS[name], "two", witness.port, prefix=prefix))
        time.sleep(0.2)
    if found is None:
        return no_document(trouble, name, error)
    # An echo that comes after the end of the run is unfinished there.
    figures = [
        Figure("sent", witness.messages(), found.get("sent", found.get("heartbeats"))),
        Figure("echoes", witness.echoes() - found.get("unfinished", 0), found["echoes"], "", witness.echoes()),
    ]
    waited_ms = (min(segments.payload.values()) - min(segments.syn.values())) / 1e6
    wrong = None if waited_ms < 1000 else f"the first message left {waited_ms:.0f} ms after the first SYN"
    return Run(trouble, name, figures, disowned(found), wrong)


def first_addresses_dead(truth):
    prefix = own_etc(truth.scratch, hosts="127.0.0.2 two\n127.0.0.3 two\n", nsswitch_conf="hosts: files\n")
    nft(f"iif lo ip daddr 127.0.0.2 {SYN} drop")
    for name in DEAD_COMMANDS:
        yield lambda name=name: first_dead(truth, name, prefix)


# ---- all of them ----


def used_seconds():
    """Returns the CPU time of everything on this machine except this process and its ended children."""
    return ourclient.busy_seconds() - ourclient.ended_seconds() - time.process_time()


def attempt(make, of_client):
    """Makes a run. If other processes used the machine meanwhile and the figures are false or disowned because of
    that, makes it again.

    of_client: the client is in trouble, and should disown the figures.
    """
    for _ in range(TRIES):
        before, since = used_seconds(), time.monotonic()
        run = make()
        others = max(used_seconds() - before, 0) / (time.monotonic() - since)
        if others <= OTHERS_MAX or (run.is_true() and (of_client or not run.disowned)):
            return run
    return run._replace(others=others)


def in_namespace(name, kind, truth):
    """Returns the runs, made by a child in its own network namespace. If that is impossible, returns one run that
    says why."""

    def child(pipe):
        try:
            enter_own_network()
            pipe.send([attempt(make, name in OF_CLIENT) for make in kind(truth)])
        except BaseException as error:  # noqa: B902 (any kind: the parent reports it)
            pipe.send([Run(name, "-", [], None, f"not run: {error!r}")])

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
    process.start()
    found = ours.recv()
    process.join()
    return found


def one(make):
    return lambda truth: [lambda: make(truth)]


def of_each(make, names):
    return lambda truth: [lambda name=name: make(truth, name) for name in names]


TROUBLES = {
    "interrupted": interruptions,
    "wrong": one(wrong_bytes),
    "stopped": of_each(stopped, COMMANDS),
    "hogs": of_each(beside_hogs, COMMANDS),
    "threads": one(many_threads),
    "ports": one(ports_exhausted),
    "no-fin": one(no_fin),
    "syn": syns_lost,
    "dead": first_addresses_dead,
}

# Troubles in which the client is the limit.
OF_CLIENT = ("stopped", "hogs", "threads", "ports")

HEAD = ["trouble", "client", "figures, and what the record says", "result"]


def tell_trouble(truth, only=None):
    """Returns (promises, table). Each run is made once: its figures are counts, or times of half a second."""
    runs = []
    for name, kind in TROUBLES.items():
        if only in (None, name):
            report.progress(f"trouble: {name}")
            runs += in_namespace(name, kind, truth)
    report.progress("")
    true = [run for run in runs if run.is_true()]
    promise = {
        "promise": "a disturbed run is within 1 % + 50 µs of the record, or says that it is no measurement, and why",
        "evidence": f"{len(runs)} runs in {len(TROUBLES)} kinds of trouble",
        "result": "reached" if len(true) == len(runs) else f"in {len(true)} of {len(runs)} runs",
    }
    table = {"title": "Runs in trouble", "text": "", "head": HEAD, "rows": [run.row() for run in runs]}
    return [promise], table

