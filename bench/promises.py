#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which echo server keeps which promise: the same checks, from outside, for our engines and for their peers.

Each check starts a new server and has a time limit. If a server breaks a promise, the result says in what way.
"""
import argparse
import contextlib
import datetime
import json
import pathlib
import select
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Callable, NamedTuple, Optional

import compare
import engines
import record
import report
import servers

from bulk import Endless
from harness import reset

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "records" / "peers.md"

KIB, MIB = 1 << 10, 1 << 20

# Seconds without progress: the server holds back, or has lost something.
STUCK = 1.0
SILENCE = 10.0

# Maximum time of a whole check in seconds.
BOUND = 60

PIECE = 64 * KIB
ENDLESS = Endless()


class Broken(Exception):
    """The promise is not kept; the text says in what way."""


# ---- conversations ----


def connect(server, **options):
    """Returns a connected socket. rcvbuf=, sndbuf=: sizes of the buffers."""
    sock = socket.socket()
    for name, option in (("rcvbuf", socket.SO_RCVBUF), ("sndbuf", socket.SO_SNDBUF)):
        if name in options:
            sock.setsockopt(socket.SOL_SOCKET, option, options[name])
    sock.settimeout(SILENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.connect((server.address, server.port))
    return sock


def words_of(error):
    """Returns a description of a socket error, or of a broken promise."""
    if isinstance(error, TimeoutError):
        return f"nothing moved for {SILENCE:g} s"
    return str(getattr(error, "strerror", None) or error)


def in_words(size):
    """Returns a number of bytes as text."""
    if size < 10 * KIB:
        return f"{size:,} B"
    return f"{size / KIB:.0f} KiB" if size < MIB else f"{size / MIB:.1f} MiB"


class Stream:
    """One connection and its position in a known stream: every returned byte is compared."""

    def __init__(self, server, **options):
        self.sock = connect(server, **options)
        self.sock.setblocking(False)
        self.sent = self.received = 0

    def send_some(self, end):
        """Sends what fits at once, up to this offset of the stream. Returns whether any bytes were sent."""
        data = ENDLESS.at(self.sent, min(PIECE, end - self.sent))
        try:
            count = self.sock.send(data)
        except BlockingIOError:
            return False
        self.sent += count
        return count > 0

    def receive(self):
        """Receives and compares. Returns False at the end of the stream."""
        data = self.sock.recv(4 * PIECE)
        wanted = ENDLESS.at(self.received, len(data))
        if data != wanted:
            place = next(place for place, byte in enumerate(data) if byte != wanted[place])
            raise Broken(f"byte {self.received + place:,} is wrong")
        self.received += len(data)
        return data != b""

    def fill(self, end):
        """Sends without reading, until all is sent or no more bytes are taken."""
        while self.sent < end and select.select([], [self.sock], [], STUCK)[1]:
            self.send_some(end)

    def exchange(self, end):
        """Sends and receives up to this offset, both at the same time."""
        while self.received < end:
            writing = [self.sock] if self.sent < end else []
            readable, writable, _ = select.select([self.sock], writing, [], SILENCE)
            if not readable and not writable:
                raise Broken(f"{in_words(self.received)} of {in_words(self.sent)} came back, then nothing moved")
            if writable:
                self.send_some(end)
            if readable and not self.receive():
                raise Broken(f"it ended after {in_words(self.received)} of {in_words(self.sent)}")

    def finish(self, end):
        """Sends the rest while it reads, half-closes, and reads all of it and the server's FIN."""
        failure = None
        try:
            while True:
                if self.sent == end:
                    with contextlib.suppress(OSError):
                        self.sock.shutdown(socket.SHUT_WR)
                writing = [self.sock] if self.sent < end else []
                readable, writable, _ = select.select([self.sock], writing, [], SILENCE)
                if not readable and not writable:
                    failure = f"nothing moved for {SILENCE:g} s"
                    break
                if writable:
                    self.send_some(end)
                if readable and not self.receive():
                    break
        except OSError as error:
            failure = words_of(error)
        if self.received < end or failure:
            raise Broken(f"{in_words(self.received)} of {in_words(end)} came back, then {failure or 'it ended'}")

    def ping(self, size=64):
        self.exchange(self.sent + size)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def is_served(server):
    """A new client has a whole conversation."""
    with Stream(server) as stream:
        stream.ping()
        stream.finish(stream.sent)


# ---- the promises: each check returns a note or None, or raises Broken ----


def half_close(server, _):
    size = 8 * MIB
    with Stream(server) as stream:
        # Sends as much as possible, so that the tail, and perhaps the FIN, are there before anything is read.
        stream.fill(size)
        if stream.sent == size:
            stream.sock.shutdown(socket.SHUT_WR)
            time.sleep(STUCK)
        stream.finish(size)


def never_read(server, options):
    size = options.unread
    with Stream(server) as stream:
        stream.ping()
        before = server.own_memory_kib()
        stream.fill(size)
        grown = server.own_memory_kib() - before
        taken = in_words(stream.sent)
        seen = [f"{taken} taken with {grown / KIB:.0f} MiB of memory"] if grown > KIB else []
        try:
            stream.finish(size)
        except Broken as broken:
            seen.append(str(broken))
    if seen:
        raise Broken("; ".join(seen))
    return f"it took {taken} and {max(0, grown)} KiB of memory"


# Maximum time of a message in seconds: a delayed acknowledgement takes 40 ms.
STALL = 0.020


def no_stall(server, _):
    notes = []
    for size, count in ((64 * KIB, 20), (MIB, 10)):
        with Stream(server) as stream:
            times = []
            for _ in range(count):
                start = time.monotonic()
                stream.ping(size)
                times.append(time.monotonic() - start)
        if (median := statistics.median(times)) >= STALL:
            notes.append(f"{size // KIB:,} KiB: {median * 1000:.0f} ms each, in the median")
    if notes:
        raise Broken("; ".join(notes))


def urgent(server, _):
    with connect(server) as sock:
        sock.sendall(b"before")
        sock.send(b"!", socket.MSG_OOB)
        sock.sendall(b"after")
        sock.shutdown(socket.SHUT_WR)
        data = b""
        while piece := sock.recv(PIECE):
            data += piece
    if data != b"before!after":
        raise Broken(f"before!after came back as {data.decode(errors='replace')}")


RESETS, BYSTANDERS = 1000, 10


def resets(server, _):
    bystanders = [Stream(server) for _ in range(BYSTANDERS)]
    for number in range(RESETS):
        stream = Stream(server)
        for _ in range(number % 4):
            stream.send_some(stream.sent + PIECE)
        reset(stream.sock)
        bystanders[number % BYSTANDERS].ping()
    for stream in bystanders:
        stream.finish(stream.sent)
        stream.close()
    is_served(server)


# Twelve MiB are more than the buffers of both kernels hold, so each of the slow clients is stuck.
SLOW, SLOW_TAKES, PINGS = 100, 12 * MIB, 100


def slow_readers(server, _):
    slow = [Stream(server, rcvbuf=8 * KIB, sndbuf=64 * KIB) for _ in range(SLOW)]
    moved = time.monotonic()
    while time.monotonic() - moved < STUCK / 2:
        for stream in slow:
            if stream.sent < SLOW_TAKES and stream.send_some(SLOW_TAKES):
                moved = time.monotonic()
    try:
        with Stream(server) as stream:
            for _ in range(PINGS):
                stream.ping()
    except (Broken, OSError) as error:
        raise Broken(f"beside {SLOW} slow readers: {words_of(error)}") from error
    for stream in slow[:: SLOW // 4]:
        stream.finish(stream.sent)
    for stream in slow:
        stream.close()


BYTES = 4000


def byte_at_a_time(server, _):
    with Stream(server) as stream:
        for place in range(BYTES):
            stream.fill(place + 1)
        stream.finish(BYTES)


def short_connections(server, options):
    words = ["connect", "-c", "16", "-n", str(options.connections), "-t", str(options.seconds)]
    words = [options.load, *words, "-a", server.address, "-p", str(server.port)]
    bound = options.seconds + 30
    run = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=bound)
    result = json.loads(run.stdout)
    if result["error"]:
        raise Broken(f"after {result['count']:,}: {result['error']}")
    if result["count"] < options.connections:
        return f"{result['count']:,} in {options.seconds:g} s"
    return None


DESCRIPTORS, MANY = 64, 200
CONN_CPU = 0.2


class ManyClients:
    """More clients than the server has descriptors. Each one sends a message and has the echo, or waits for it."""

    def __init__(self, server):
        self.n_served, self.holding = 0, []
        self.waits_for = select.epoll()
        self.socks = {}
        for _ in range(MANY):
            sock = socket.socket()
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect((server.address, server.port))
            self.socks[sock.fileno()] = sock
            self.waits_for.register(sock, select.EPOLLOUT)

    def drop(self, sock):
        self.waits_for.unregister(sock)
        del self.socks[sock.fileno()]
        sock.close()

    def handle(self, sock, events, stay):
        if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, "refused or reset")
        if events & select.EPOLLOUT:
            sock.send(b"me")
            self.waits_for.modify(sock, select.EPOLLIN)
            return
        data = sock.recv(16)
        self.n_served += data == b"me"
        if not data:
            self.drop(sock)
        elif stay:
            self.waits_for.modify(sock, 0)
            self.holding.append(sock)
        else:
            sock.shutdown(socket.SHUT_WR)

    def run(self, seconds, stay):
        """Runs for this time, or until all have been served and are gone. stay: served clients keep their
        connections."""
        until = time.monotonic() + seconds
        while self.socks and (left := until - time.monotonic()) > 0:
            for descriptor, events in self.waits_for.poll(left):
                sock = self.socks[descriptor]
                try:
                    self.handle(sock, events, stay)
                except OSError:
                    self.drop(sock)

    def make_room(self):
        """Clients that have kept their connections half-close them."""
        for sock in self.holding:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
                self.waits_for.modify(sock, select.EPOLLIN)

    def close(self):
        for sock in self.socks.values():
            sock.close()


def few_descriptors(server, _):
    clients = ManyClients(server)
    try:
        clients.run(1.5, stay=True)
        n_waiting, cpu = MANY - clients.n_served, server.cpu_seconds()
        time.sleep(1)
        cpu = server.cpu_seconds() - cpu
        clients.make_room()
        clients.run(SILENCE, stay=False)
    finally:
        clients.close()
    seen = []
    if not server.is_running():
        seen.append("it ended")
    if clients.n_served < MANY:
        seen.append(f"{clients.n_served} of {MANY} were served")
    if cpu > CONN_CPU:
        seen.append(f"{cpu:.0%} of a core while {n_waiting} waited")
    if seen:
        raise Broken(", ".join(seen))
    return f"{n_waiting} had to wait"


def term(server, _):
    with Stream(server) as stream:
        stream.ping()
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        try:
            stream.ping(PIECE)
            stream.finish(stream.sent)
        except (Broken, OSError) as error:
            raise Broken(f"after TERM: {words_of(error)}") from error


class Promise(NamedTuple):
    title: str
    check: Callable
    descriptors: Optional[int] = None


def promises(options):
    return {
        "half-close": Promise("8 MiB and a half-close: every byte, then the FIN", half_close),
        "never-read": Promise(
            f"{options.unread // MIB} MiB written and never read: at most 1 MiB of memory; then all of it comes back",
            never_read,
        ),
        "no-stall": Promise("messages of 64 KiB and 1 MiB without a stall of 40 ms", no_stall),
        "urgent": Promise("urgent data keeps its place in the stream", urgent),
        "resets": Promise("1,000 resets in mid-conversation affect no other client", resets),
        "slow-readers": Promise("beside 100 clients that do not read, another is served", slow_readers),
        "byte-at-a-time": Promise("a byte at a time, 4,000 times", byte_at_a_time),
        "short": Promise(
            f"{options.connections:,} short connections, and no byte is on a wrong one", short_connections
        ),
        "few-descriptors": Promise(
            "64 descriptors, 200 clients: all are served, and waiting costs no CPU",
            few_descriptors,
            DESCRIPTORS,
        ),
        "term": Promise("after TERM, a connected client can finish", term),
    }


# ---- running them ----


def out_of_time(*_):
    raise Broken(f"not finished after {BOUND} s")


def keep(promise, kind, scratch, options):
    """Returns (whether it is kept, observation)."""
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(int(BOUND + options.seconds))
    try:
        with servers.RunningServer(kind, scratch, None, descriptors=promise.descriptors) as server:
            return True, promise.check(server, options)
    except Broken as broken:
        return False, str(broken)
    except OSError as error:
        return False, words_of(error)
    except (RuntimeError, AssertionError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    finally:
        signal.alarm(0)


def all_kinds(directory, options):
    """Returns all servers with their defaults: engines choose the number of workers."""
    mine = [servers.engine(name, options.program, name) for name in ("fork", "prefork", "thread", "epoll", "uring")]
    programs = ("bare-epoll", "bare-uring", "libuv-echo", "libevent-echo", "go-echo", "liburing-echo")
    peers = [servers.bare(name, directory, name) for name in programs]
    names = ("socat PIPE", "ncat --exec cat", "tcpserver+cat", "inetd")
    packaged = [kind for kind in servers.all_kinds(directory, []) if kind.name in names]
    return mine + peers + packaged + list(options.command)


def given_command(text):
    """Parses NAME=COMMAND, in which {port} stands for the port."""
    name, equals, command = text.partition("=")
    words = shlex.split(command)
    if not equals or not words or "{port}" not in command:
        raise argparse.ArgumentTypeError("NAME=COMMAND, with {port} in it")
    return servers.Kind(name, words[0], lambda port, _: [word.replace("{port}", str(port)) for word in words])


def print_found(promise, found):
    report.progress("")
    print(f"\n{promise.title}")
    for name, (kept, seen) in found.items():
        print(f"  {'yes' if kept else 'no '}  {name}{': ' + seen if seen else ''}")
    sys.stdout.flush()


# ---- the page ----


def page(table, kinds, left_out, command):
    """table: title of a promise -> name of a server -> (kept, observation)."""
    names = [kind.name for kind in kinds]
    rows, notes, besides = [], [], []
    for title, found in table.items():
        cells = []
        for name in names:
            kept, seen = found[name]
            words = f"{name}, {title.partition(':')[0]}: {seen}"
            if not kept:
                notes.append(f"{len(notes) + 1}. {words}")
            elif seen:
                besides.append(f"- {words}")
            cells.append("yes" if kept else f"**no** ({len(notes)})")
        rows.append([title, *cells])
    kept = ["kept", *(f"{sum(found[name][0] for found in table.values())} of {len(table)}" for name in names)]
    parts = [
        "# Which promises other echo servers keep",
        f"Made by `{command} --record` on {datetime.date.today().isoformat()}. Each check starts a new server with its "
        "default options on loopback, and tests it from outside. `bare` servers are event loops without limits or "
        "logging. The four that are named after a library or a language follow that one's own echo example. The sources "
        "are in `bench/peers/`.",
        record.markdown_table(["", *names], [*rows, kept]),
        "## What was seen",
        "\n".join(notes) or "Every promise was kept.",
        "From servers that keep the promise:",
        "\n".join(besides),
        "TERM is sent to the first process of a server. A server with a process for each client has 64 descriptors in "
        "each process.",
        "## Machine",
        record.markdown_table(["", ""], record.machine((*engines.PACKAGES, "openbsd-inetd"))),
    ]
    parts += [f"Left out: {name}: {why}." for name, why in left_out.items()]
    return "\n\n".join(parts) + "\n"


# ---- the command line ----


def size(text):
    """Parses a number of bytes such as 64M or 512M."""
    factor = {"K": KIB, "M": MIB, "G": KIB * MIB}.get(text[-1].upper(), 1)
    return int(text.rstrip("kKmMgG")) * factor


def parse():
    parser = argparse.ArgumentParser(prog="./dev peers", description=__doc__.splitlines()[0])
    parser.add_argument("promises", nargs="*", metavar="PROMISE", help="which ones (default: all)")
    parser.add_argument("--only", metavar="NAME,...", help="only these servers")
    words = "another, {port} stands for its port"
    parser.add_argument("--command", action="append", default=[], type=given_command, metavar="NAME=...", help=words)
    parser.add_argument("--unread", type=size, default="64M", metavar="SIZE", help="written and never read (64M; 512M)")
    parser.add_argument("--connections", type=int, default=20000, metavar="N", help="short ones (20,000; 1,000,000)")
    parser.add_argument("--seconds", type=float, default=60, metavar="T", help="the most for the short ones (60)")
    parser.add_argument(
        "--program", type=pathlib.Path, default=ROOT / "build" / "tcpecho", metavar="PATH", help="the build of tcpecho"
    )
    parser.add_argument("--record", action="store_true", help="write docs/records/peers.md")
    options = parser.parse_args()
    if options.record and (options.promises or options.only or options.command):
        parser.error("--record is for a run of everything")
    for name in options.promises:
        if name not in promises(options):
            parser.error(f"no promise {name}: {', '.join(promises(options))}")
    options.program = options.program.resolve()
    return parser, options


def choose(parser, options, directory):
    kinds = all_kinds(directory, options)
    if options.only:
        names = options.only.split(",") + [kind.name for kind in options.command]
        for name in set(names) - {kind.name for kind in kinds}:
            parser.error(f"no server {name}: {', '.join(kind.name for kind in kinds)}")
        kinds = [kind for kind in kinds if kind.name in names]
    left_out = engines.why_left_out(kinds, servers.engines_of(options.program))
    for name, why in left_out.items():
        print(f"left out: {name}, for {why}")
    return [kind for kind in kinds if kind.name not in left_out], left_out


def main():
    servers.end_on_term()
    parser, options = parse()
    servers.adopt_orphans()
    directory = compare.build(ROOT / "build" / "bench")
    options.load = directory / "load"
    for sentence in compare.build_peers(directory):
        print(f"cannot be built: {sentence}")
    kinds, left_out = choose(parser, options, directory)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="tcpecho-peers-"))
    table = {}
    try:
        for name, promise in promises(options).items():
            if options.promises and name not in options.promises:
                continue
            found = table[promise.title] = {}
            for kind in kinds:
                report.progress(f"{name}: {kind.name}")
                found[kind.name] = keep(promise, kind, scratch, options)
            print_found(promise, found)
    finally:
        shutil.rmtree(scratch)
    if options.record:
        words = [word for word in sys.argv[1:] if word != "--record"]
        PAGE.write_text(page(table, kinds, left_out, shlex.join(["./dev", "peers", *words])))
    ours = [found[kind.name][0] for found in table.values() for kind in kinds if kind.is_own]
    return 0 if all(ours) else 1


if __name__ == "__main__":
    sys.exit(main())
