#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A long run of one server, and what must not change by it.

Clients of every kind for so long (clients.py), while their server is stopped, starved and robbed of its
children (troubles.py); or `--bytes`: so many through two connections; or `--connections`: so many, one
after the other, a few at a time (load.c).

Both ends' accounts of every connection are held against each other (ledger.py). Every 100 ms no zombie may
be older than a second; memory, descriptors and children stay within a bound that the number of clients
sets, and in the end are what they were at the start. The first failure ends the run; exit status 1.
"""
import argparse
import collections
import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import platform
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "bench" / "soak"
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from harness import (  # noqa: E402
    PATIENCE,
    Server,
    children_of,
    descriptors_of,
    is_sanitized,
    own_memory_kib,
    proc_state,
    recv_all,
    recv_exactly,
    wait_until,
)
from ledger import FAILURES_TOLD, Ledger  # noqa: E402
from troubles import Troubles  # noqa: E402

FIGURES = ROOT / "docs" / "figures" / "soak.json"

# Processes of Python clients, and clients in each; more clients than the server has places.
WORKERS, THREADS = 2, 24
MAX_CLIENTS = 32

# In the two modes of load.c.
BYTES_CONNECTIONS = 2
CONNECTIONS_IN_FLIGHT, CONNECTION_SIZE = 16, 64

# Between two samples, in seconds. Memory is read every so many samples, progress told every so many.
SAMPLE = 0.1
MEMORY_EVERY, PROGRESS_EVERY = 10, 600

# How old a zombie may be, by the time that its parent slept meanwhile: a parent that gets no CPU is not at fault.
ZOMBIE_AGE = 1.0

# What a client may cost while it is there, and what all of them together may leave behind.
CLIENT_KIB, LEFT_KIB = 128, 64

# Descriptors of the parent beyond those of the start: the waiting room (server/admission.h), and one just accepted.
MORE_DESCRIPTORS = 256 + 1


def parse_scaled(text, base, letters):
    match = re.fullmatch(rf"(\d+)([{letters}]?)", text)
    if not match or int(match.group(1)) == 0:
        raise argparse.ArgumentTypeError(f"not a number: {text}")
    power = f" {letters}".index(match.group(2) or " ")
    return int(match.group(1)) * base**power


def parse_size(text):
    """1G is 1024 cubed, as everywhere in the program."""
    return parse_scaled(text, 1024, "kMGT")


def parse_count(text):
    return parse_scaled(text, 1000, "kM")


def parse_length(text):
    """30s, 10m, 2h."""
    match = re.fullmatch(r"(\d+)([smh])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"not a length of time, as 30s, 10m or 2h: {text}")
    return int(match.group(1)) * {"s": 1, "m": 60, "h": 3600}[match.group(2)]


class Watch:
    """Looks at a server from outside: what it has at rest, and that it stays in bounds."""

    def __init__(self, server, ledger, max_clients, judge_memory):
        self.server, self.ledger, self.max_clients = server, ledger, max_clients
        self.judge_memory = judge_memory
        self.most = collections.Counter()
        self.ages = {}  # of zombies, in seconds that their parent slept
        self.samples = 0
        self.last = time.monotonic()
        self.start = self.at_rest()

    def at_rest(self):
        return own_memory_kib(self.server.pid), descriptors_of(self.server.pid)

    def bound(self, what, value, bound):
        self.most[what] = max(self.most[what], value)
        if value > bound:
            self.ledger.fail(f"{value} {what}, at most {bound} are right")

    def sample(self):
        """To be called every SAMPLE seconds."""
        self.samples += 1
        children = children_of(self.server.pid)
        self.look_for_zombies(children)
        self.bound("children", len(children), self.max_clients)
        self.bound("descriptors", len(descriptors_of(self.server.pid)), len(self.start[1]) + MORE_DESCRIPTORS)
        if self.samples % MEMORY_EVERY == 0 and self.judge_memory:
            memory = own_memory_kib(self.server.pid) + sum(map(own_memory_kib, children))
            self.bound("KiB of memory", memory, self.start[0] + self.max_clients * CLIENT_KIB)

    def look_for_zombies(self, children):
        now = time.monotonic()
        slept = now - self.last if proc_state(self.server.pid) == "S" else 0
        self.last = now
        zombies = [pid for pid in children if proc_state(pid) == "Z"]
        self.ages = {pid: self.ages[pid] + slept if pid in self.ages else 0.0 for pid in zombies}
        self.most["zombies"] = max(self.most["zombies"], len(zombies))
        if any(age > ZOMBIE_AGE for age in self.ages.values()):
            self.ledger.fail(f"{len(zombies)} zombies, and the server sleeps")

    def compare(self):
        """At rest again: is everything as it was?"""
        memory, descriptors = self.at_rest()
        self.most["KiB left behind"] = max(0, memory - self.start[0])
        if self.judge_memory and memory > self.start[0] + LEFT_KIB:
            self.ledger.fail(f"{memory} KiB of memory, {self.start[0]} at the start")
        if descriptors != self.start[1]:
            self.ledger.fail(f"descriptors {descriptors}, at the start {self.start[1]}")


class Soak:
    """One run: `with Soak(options) as soak: soak.run(...)`."""

    def __init__(self, options):
        self.options = options
        self.ledger = Ledger()
        self.random = random.Random(options.seed)
        self.workers, self.readers, self.troubles = [], [], None

    def __enter__(self):
        log, written = os.pipe()
        # A reader who gets no CPU for a while must not cost us lines of the log.
        fcntl.fcntl(written, fcntl.F_SETPIPE_SZ, 1 << 20)
        self.server = Server(
            self.options.program,
            tempfile.gettempdir(),
            ["-e", self.options.engine, "-m", self.options.max_clients, "--log", "json", "127.0.0.1:0"],
            prefix=("setpriv", "--pdeathsig", "KILL"),  # it does not outlive us
            log=os.fdopen(written, "wb"),
        )
        self.read(self.ledger.read_log, os.fdopen(log))
        return self

    def __exit__(self, *_):
        for worker in self.workers:
            worker.kill()
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
        return self.ask_totals()["clients"] == 0 and self.server.children() == []

    def warm_up(self):
        """Fills every place once: what the server touches only when it is full belongs to the start."""
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(self.server.connect()) for _ in range(self.options.max_clients)]
            for sock in socks:
                sock.sendall(b"w")
                assert recv_exactly(sock, 1) == b"w"
            for sock in socks:
                sock.shutdown(1)
                assert recv_all(sock) == b""
                self.ledger.claim(
                    {"n": None, "kind": "warm-up", "outcome": "whole", "sent": 1, "received": 1}
                )
        wait_until(self.is_at_rest, "the server to rest")

    # ---- who makes the load ----

    def begin(self, *command):
        worker = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
        self.workers.append(worker)
        self.read(self.ledger.read_claims, worker.stdout)

    def begin_clients(self, seconds):
        self.troubles = Troubles(self, self.random)
        for first in range(WORKERS):
            numbers = [self.server.port, self.options.seed, first, WORKERS, THREADS, seconds]
            self.begin(sys.executable, HERE / "clients.py", self.options.program, *numbers)
        self.troubles.start()

    def begin_load(self, count, in_flight, size):
        load = pathlib.Path(self.options.program).parent / "bench" / "soak" / "load"
        self.begin(load, self.server.port, self.options.seed, count, in_flight, size)

    # ---- the run ----

    def run(self, begin):
        """Returns whether nothing failed."""
        self.warm_up()
        judge_memory = not is_sanitized(self.options.program)
        self.watch = Watch(self.server, self.ledger, self.options.max_clients, judge_memory)
        self.started = time.monotonic()
        begin()
        while any(worker.poll() is None for worker in self.workers):
            if self.ledger.has_failed.is_set():
                self.call_off()
                break
            time.sleep(SAMPLE)
            self.watch.sample()
            if self.watch.samples % PROGRESS_EVERY == 0:
                self.tell_progress()
        self.seconds = time.monotonic() - self.started
        self.settle()
        return not self.ledger.failures

    def call_off(self):
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(PATIENCE)

    def settle(self):
        """Everybody goes, and what was there at the start is there again."""
        if self.troubles:
            self.troubles.end()
        for worker in self.workers:
            if worker.poll() != 0:
                self.ledger.fail(f"{worker.args[0]} ended with status {worker.poll()}")
        try:
            wait_until(self.is_at_rest, "the server to rest")
            wait_until(self.has_all_claims, "the last claims", within=5)
            self.ledger.close()
            self.watch.compare()
            status = self.server.end()
            if status != 0:
                self.ledger.fail(f"the server ended with status {status}")
        except (AssertionError, subprocess.TimeoutExpired) as error:
            self.ledger.fail(str(error))

    def has_all_claims(self):
        return not any(reader.is_alive() for reader in self.readers[1:])

    def tell_progress(self):
        totals = self.ask_totals()
        seconds = time.monotonic() - self.started
        self.say(f"{seconds:.0f} s: {totals['ended']:,} clients have ended, {totals['out']:,} bytes echoed")

    # ---- what came of it ----

    def summary(self):
        ledger, watch = self.ledger, self.watch
        yield f"{ledger.sums['ended']:,} clients, {ledger.received:,} bytes verified, {self.seconds:.0f} s"
        yield "outcomes: " + listing(ledger.outcomes)
        yield "kinds: " + listing(ledger.kinds)
        if self.troubles:
            yield "troubles: " + listing(self.troubles.counts) + f"; {ledger.events['warning']} warnings"
        yield f"server: {ledger.sums['in']:,} bytes in, {ledger.sums['out']:,} out, {ledger.sums['killed']} killed"
        yield f"at most: {listing(watch.most)}, in {watch.samples:,} samples"
        for failure in ledger.failures[:FAILURES_TOLD]:
            yield f"FAILED: {failure}"
        if len(ledger.failures) > FAILURES_TOLD:
            yield f"and {len(ledger.failures) - FAILURES_TOLD} failures more"

    def row(self, promise, command):
        ledger, watch = self.ledger, self.watch
        evidence = (
            f"{command}, seed {self.options.seed}, engine {self.options.engine}: {ledger.sums['ended']:,} clients "
            f"of {len(ledger.kinds) - 1} kinds, {ledger.received:,} bytes verified in {self.seconds:,.0f} s"
        )
        result = (
            f"{len(ledger.failures)} failures; both ends agree on every connection; "
            f"{watch.most['KiB left behind']} KiB and 0 descriptors left behind; "
            f"no zombie older than 1 s in {watch.samples:,} samples, 0 at the end"
        )
        return {"promise": promise, "evidence": evidence, "result": result}


def listing(counts):
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def record(row):
    """Puts a row in the place of the one with the same promise."""
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


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev soak", description="A long run of one server.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("length", nargs="?", metavar="LENGTH", default="1h", help="30s, 10m, 2h (1h)")
    mode.add_argument("--bytes", type=parse_size, metavar="SIZE", help="echo so many instead: 10G, 1T")
    mode.add_argument("--connections", type=parse_count, metavar="N", help="connect so often instead: 20k, 1M")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="(random)")
    parser.add_argument("--engine", default="fork", help="(fork)")
    parser.add_argument("--max-clients", type=int, default=MAX_CLIENTS, metavar="N", help=f"({MAX_CLIENTS})")
    parser.add_argument("--record", action="store_true", help="put the figures in docs/figures/soak.json")
    parser.add_argument("--program", default=str(ROOT / "build" / "tcpecho"), help="(build/tcpecho)")
    options = parser.parse_args()
    try:
        options.seconds = parse_length(options.length)
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    return options


def mode_of(options):
    """The promise, the command, and what begins the load."""
    if options.bytes:
        size = -(-options.bytes // BYTES_CONNECTIONS)
        return (
            "every byte of a long stream comes back",
            f"./dev soak --bytes {options.bytes}",
            lambda soak: soak.begin_load(BYTES_CONNECTIONS, BYTES_CONNECTIONS, size),
        )
    if options.connections:
        return (
            "connections without number leave nothing behind",
            f"./dev soak --connections {options.connections}",
            lambda soak: soak.begin_load(options.connections, CONNECTIONS_IN_FLIGHT, CONNECTION_SIZE),
        )
    return (
        "clients of every kind at once, and trouble: the rest get every byte",
        f"./dev soak {options.length}",
        lambda soak: soak.begin_clients(options.seconds),
    )


def main():
    options = parse_arguments()
    promise, command, begin = mode_of(options)
    print(f"{command} --seed {options.seed}, engine {options.engine}", flush=True)
    with Soak(options) as soak:
        passed = soak.run(lambda: begin(soak))
    for line in soak.summary():
        print(line)
    if options.record and passed:
        record(soak.row(promise, command))
    print("soak: passed" if passed else "soak: FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
