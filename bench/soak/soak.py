#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A long run of one server, which must work and must not leak.

By default, clients of every kind for a time (clients.py), while the server is stopped, starved of resources, and
loses processes that serve (troubles.py). `--bytes`: this number of bytes through two connections. `--connections`:
this number, one after the other, a few at a time (load.c). `--idle`: this number at once, idle (idle_connections.py).
`--drains`: this number of servers that are shut down while clients connect (drains.py).

Both ends' accounts of every connection are compared (ledger.py). Every 100 ms the run checks the server. No zombie
may be older than a second. Memory, descriptors and processes must stay within a bound that the number of clients
sets, and in the end must be as at the start. The first failure ends the run; exit status 1.
"""
import argparse
import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import platform
import random
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import Callable, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "bench" / "soak"
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import drains  # noqa: E402
from idle_connections import IdleConnections  # noqa: E402
from harness import (  # noqa: E402
    TIMEOUT,
    Server,
    is_sanitized,
    recv_all,
    recv_exactly,
    wait_until,
)
from ledger import FAILURES_TOLD, Ledger  # noqa: E402
from streams import STUCK_AFTER  # noqa: E402
from troubles import Troubles  # noqa: E402
from watch import Watch  # noqa: E402

FIGURES = ROOT / "docs" / "records" / "figures" / "soak.json"

# Processes of Python clients, and clients in each: more clients than the server may have.
CLIENT_PROCESSES, THREADS = 2, 24
MAX_CLIENTS = 32

# Number of workers of the engines for which it can be set: a killed worker takes a quarter of the clients with it.
WORKERS = {"thread": 4, "epoll": 4, "uring": 4}

# What each client of the warm-up sends: messages, and then blocks until the socket takes no more.
WARM_UP_MESSAGES, WARM_UP_MESSAGE, WARM_UP_PIECE = 20, b"w" * (4 << 10), b"w" * (64 << 10)

# For the two modes of load.c.
BYTES_CONNECTIONS = 2
CONNECTIONS_IN_FLIGHT, CONNECTION_SIZE = 16, 64

# Seconds between two samples; number of samples between two lines of progress.
SAMPLE = 0.1
PROGRESS_EVERY = 600

# Powers of 1024 for bytes, of 1000 for counts, as in the program.
LENGTHS = {"s": 1, "m": 60, "h": 3600}
SIZES = {"": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
COUNTS = {"": 1, "k": 1000, "M": 1000**2}


class Amount(NamedTuple):
    """A number with a unit, as text and as its value."""

    text: str
    value: int


def amount(units):
    """Returns the parser of an Amount."""

    def parse(text):
        match = re.fullmatch(r"(\d+)([a-zA-Z]?)", text)
        if not match or match.group(2) not in units or int(match.group(1)) == 0:
            raise argparse.ArgumentTypeError(f"not a number above 0, with a unit of {' '.join(units)}: {text}")
        return Amount(text, int(match.group(1)) * units[match.group(2)])

    return parse


HOUR = Amount("1h", 3600)


class Soak:
    """One run: `with Soak(options) as soak: soak.run(...)`."""

    def __init__(self, options):
        self.options = options
        self.n_workers = WORKERS.get(options.engine)
        self.ledger = Ledger(has_workers=options.engine != "fork")
        self.random = random.Random(options.seed)
        self.loads, self.readers, self.troubles = [], [], None
        self.seconds = self.warmed = 0

    def __enter__(self):
        log, written = os.pipe()
        # A reader that gets no CPU for a while must not cost lines of the log.
        fcntl.fcntl(written, fcntl.F_SETPIPE_SZ, 1 << 20)
        workers = ["-w", self.n_workers] if self.n_workers else []
        self.server = Server(
            self.options.program,
            tempfile.gettempdir(),
            [*workers, "-m", self.options.max_clients, "--log", "json", "127.0.0.1:0"],
            engine=self.options.engine,
            prefix=("setpriv", "--pdeathsig", "KILL"),  # it ends with this process
            log=os.fdopen(written, "wb"),
        )
        self.read(self.ledger.read_log, os.fdopen(log))
        judge_memory = not is_sanitized(self.options.program)
        self.watch = Watch(self.server, self.ledger, self.options.max_clients, self.n_workers, judge_memory)
        return self

    def __exit__(self, *_):
        for load in self.loads:
            load.kill()
        if self.troubles:
            self.troubles.end()
        self.server.kill()
        for reader in self.readers:
            reader.join()
        if self.troubles:
            self.troubles.remove()

    def read(self, listen, file):
        reader = threading.Thread(target=self.listen, args=[listen, file])
        self.readers.append(reader)
        reader.start()

    def listen(self, listen, file):
        with file:
            try:
                listen(file)
            except Exception as error:
                self.ledger.fail(f"not understood: {error!r}")
                raise

    def say(self, text):
        print(text, flush=True)

    def ask_totals(self):
        return self.ledger.ask_totals(lambda: self.server.send(signal.SIGUSR1))

    def is_at_rest(self):
        is_left = self.server.children() and not self.server.has_workers
        return self.ask_totals()["clients"] == 0 and not is_left

    def warm_up(self):
        """Fills every place and every buffer once, so that memory that is touched only then counts as used at the
        start."""
        with contextlib.ExitStack() as stack:
            sent = {stack.enter_context(self.server.connect(rcvbuf=4096)): 0 for _ in range(self.options.max_clients)}
            for sock in sent:
                for _ in range(WARM_UP_MESSAGES):
                    sent[sock] += sock.send(WARM_UP_MESSAGE)
                    assert recv_exactly(sock, len(WARM_UP_MESSAGE)) == WARM_UP_MESSAGE, "the warm-up's echo is wrong"
            while writable := select.select([], sent, [], STUCK_AFTER)[1]:
                for sock in writable:
                    sent[sock] += sock.send(WARM_UP_PIECE, socket.MSG_DONTWAIT)
            for sock, size in sent.items():
                sock.shutdown(socket.SHUT_WR)
                rest = recv_all(sock)
                assert rest == b"w" * (size - WARM_UP_MESSAGES * len(WARM_UP_MESSAGE)), "the warm-up's echo is wrong"
                self.ledger.claim({"n": None, "kind": "warm-up", "outcome": "whole", "sent": size, "received": size})
        self.warmed = self.ledger.received
        wait_until(self.is_at_rest, "the server to rest")

    # ---- the load ----

    def begin(self, *command):
        load = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
        self.loads.append(load)
        self.read(self.ledger.read_claims, load.stdout)

    def begin_clients(self, seconds):
        self.troubles = Troubles(self, self.random)
        for first in range(CLIENT_PROCESSES):
            numbers = [self.server.port, self.options.seed, first, CLIENT_PROCESSES, THREADS, seconds]
            self.begin(sys.executable, HERE / "clients.py", self.options.program, *numbers)
        self.troubles.start()

    def begin_load(self, count, in_flight, size):
        load = pathlib.Path(self.options.program).parent / "bench" / "soak" / "load"
        self.begin(load, self.server.port, self.options.seed, count, in_flight, size)

    # ---- the run ----

    def run(self, begin):
        """Returns whether the run passed."""
        try:
            self.warm_up()
            self.watch.begin()
            begin()
            self.look_on()
            self.seconds = self.watch.seconds()
            self.settle()
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            self.ledger.failures.insert(0, str(error))  # this one explains the others
        except KeyboardInterrupt:
            self.ledger.failures.insert(0, "interrupted")
        return not self.ledger.failures

    def look_on(self):
        """Watches until the load is over, or a check failed."""
        while any(load.poll() is None for load in self.loads):
            if self.ledger.has_failed.is_set() or not self.server.is_running():
                self.abort_session()
                break
            time.sleep(SAMPLE)
            self.watch.sample()
            if self.watch.samples % PROGRESS_EVERY == 0:
                self.tell_progress()

    def abort_session(self):
        for load in self.loads:
            load.terminate()
        for load in self.loads:
            with contextlib.suppress(subprocess.TimeoutExpired):
                load.wait(TIMEOUT)

    def settle(self):
        """Ends all clients, and checks that the state at the start has come back."""
        if self.troubles:
            self.troubles.end()
        for load in self.loads:
            if load.poll() != 0:
                self.ledger.fail(f"{load.args[0]} ended with status {load.poll()}")
        assert self.server.is_running(), f"the server ended with status {self.server.wait()}"
        wait_until(self.is_at_rest, "the server to rest")
        wait_until(self.has_all_claims, "the last claims")
        self.ledger.close()
        self.watch.compare()
        status = self.server.end()
        assert status == 0, f"the server ended with status {status}"

    def has_all_claims(self):
        return not any(reader.is_alive() for reader in self.readers[1:])

    def tell_progress(self):
        totals = self.ask_totals()
        self.say(f"{self.watch.seconds():.0f} s: {totals['ended']:,} clients ended, {totals['out']:,} bytes echoed")

    # ---- what came of it ----

    def work(self):
        """Returns the amount of work, without the warm-up."""
        clients = sum(self.ledger.kinds.values()) - self.ledger.kinds["warm-up"]
        return f"{clients:,} clients, {self.ledger.received - self.warmed:,} bytes verified, {self.seconds:,.0f} s"

    def summary(self):
        ledger, watch = self.ledger, self.watch
        yield self.work()
        yield "outcomes: " + listing(ledger.outcomes)
        yield "kinds: " + listing(ledger.kinds)
        if self.troubles:
            yield "troubles: " + listing(self.troubles.counts) + f"; {ledger.events['warning']} warnings"
        yield (
            f"server: {ledger.sums['in']:,} bytes in, {ledger.sums['out']:,} out, {ledger.sums['killed']} killed "
            f"with {ledger.n_kills} processes ({ledger.n_unnoticed} before they were counted)"
        )
        yield f"at most: {listing(watch.most)}, in {watch.samples:,} samples"
        for failure in ledger.failures[:FAILURES_TOLD]:
            yield f"FAILED: {failure}"
        if len(ledger.failures) > FAILURES_TOLD:
            yield f"and {len(ledger.failures) - FAILURES_TOLD} failures more"

    def row(self, mode):
        """Returns the entry in docs/records/figures for a run that passed."""
        evidence = f"{mode.command}, seed {self.options.seed}: {self.work()}"
        if self.troubles:
            evidence += (
                f"; {len(self.ledger.kinds) - 1} kinds of client, {self.troubles.counts.total()} troubles, "
                f"{self.ledger.n_kills} processes killed, with {self.ledger.sums['killed']} clients"
            )
        result = (
            "0 bytes wrong or missing; both ends agree on every connection; left behind: "
            f"{self.watch.most['KiB left behind']} KiB, 0 descriptors, 0 zombies "
            f"(none older than 1 s in {self.watch.samples:,} samples)"
        )
        return {"promise": f"{mode.promise} (engine {self.options.engine})", "evidence": evidence, "result": result}


def listing(counts):
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def record(row):
    """Replaces the entry with the same promise."""
    rows = json.loads(FIGURES.read_text())["rows"] if FIGURES.exists() else []
    rows = [other for other in rows if other["promise"] != row["promise"]] + [row]
    kernel = ".".join(platform.release().split(".")[:2])
    figures = {
        "name": "soak",
        "command": "./dev soak",
        "date": datetime.date.today().isoformat(),
        "machine": f"Linux {kernel}, {os.cpu_count()} cores",
        "rows": sorted(rows, key=lambda row: row["promise"]),
    }
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")


class Mode(NamedTuple):
    """A mode: its promise, its command, and the function that starts its load."""

    promise: str
    command: str
    begin: Callable[[Soak], None]


def mode_of(options):
    engine = "" if options.engine == "fork" else f" --engine {options.engine}"
    if options.bytes:
        size = -(-options.bytes.value // BYTES_CONNECTIONS)
        return Mode(
            "every byte of a long stream comes back",
            f"./dev soak --bytes {options.bytes.text}{engine}",
            lambda soak: soak.begin_load(BYTES_CONNECTIONS, BYTES_CONNECTIONS, size),
        )
    if options.connections:
        return Mode(
            "many connections leave nothing behind",
            f"./dev soak --connections {options.connections.text}{engine}",
            lambda soak: soak.begin_load(options.connections.value, CONNECTIONS_IN_FLIGHT, CONNECTION_SIZE),
        )
    return Mode(
        "every kind of client and trouble at once: other clients get every byte, nothing is left behind",
        f"./dev soak {options.length.text}{engine}",
        lambda soak: soak.begin_clients(options.length.value),
    )


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev soak", description="A long run of one server.")
    add = parser.add_mutually_exclusive_group().add_argument
    add("length", nargs="?", type=amount(LENGTHS), default=HOUR, metavar="LENGTH", help="30s, 10m, 2h (1h)")
    add("--bytes", type=amount(SIZES), metavar="SIZE", help="echo SIZE instead: 10G, 1T")
    add("--connections", type=amount(COUNTS), metavar="N", help="connect so often instead: 20k, 1M")
    add("--idle", type=amount(COUNTS), metavar="N", help="open N idle connections at once instead: 100k, 1M")
    add("--drains", type=amount(COUNTS), metavar="N", help="end N servers under connects instead: 1k")
    add = parser.add_argument
    add("--kind", choices=drains.KINDS, help="with --drains: one kind of them (each gets its share)")
    add("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="(random)")
    add("--engine", default="fork", help="(fork)")
    add("--hold", type=amount(LENGTHS), metavar="LENGTH", help="with --idle: keep the connections idle for LENGTH")
    add("--max-clients", type=int, default=MAX_CLIENTS, metavar="N", help=f"({MAX_CLIENTS})")
    add("--record", action="store_true", help="put the figures in docs/records/figures/soak.json")
    add("--program", default=str(ROOT / "build" / "tcpecho"), help="(build/tcpecho)")
    return parser.parse_args()


def run_idle(options):
    with IdleConnections(options) as idle:
        print(idle.text, flush=True)
        return idle.run(), idle.summary(), idle.row


def run_soak(options):
    mode = mode_of(options)
    print(f"{mode.command} --seed {options.seed}", flush=True)
    with Soak(options) as soak:
        passed = soak.run(lambda: mode.begin(soak))
    return passed, soak.summary(), lambda: soak.row(mode)


def main():
    options = parse_arguments()
    if options.drains:
        print(f"./dev soak --drains {options.drains.text} --engine {options.engine} --seed {options.seed}", flush=True)
        passed = drains.run(options)
        print("soak: passed" if passed else "soak: FAILED")
        return 0 if passed else 1
    passed, summary, row = run_idle(options) if options.idle else run_soak(options)
    for line in summary:
        print(line)
    if options.record and passed:
        record(row())
    print("soak: passed" if passed else "soak: FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
