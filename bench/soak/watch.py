# SPDX-License-Identifier: MIT
"""Watches a server from outside."""
import collections
import re
import time
from typing import NamedTuple

from harness import children_of, descriptors_of, own_memory_kib, proc_state, proc_text, wait_until

# Memory takes longer to read than the rest: only one sample in this number includes it.
MEMORY_EVERY = 10

# Maximum age of a zombie in seconds, counted while the parent sleeps: a parent without CPU is not at fault.
ZOMBIE_AGE = 1.0

# Maximum memory per client while it is connected, and maximum that all clients together may leave behind.
CLIENT_KIB, LEFT_KIB = 128, 64

# Bytes received ahead for a client that then did not read (server/engines/uring.c): all the buffers of the ring.
AHEAD_KIB = {"uring": 512}

# Memory that a worker may keep for later, beyond what it used in the warm-up: the buffers that
# server/events/buffer_pool.h keeps warm, and stacks of threads, of which there are more than clients when some are
# about to end.
KEPT_KIB = {"uring": 8 * 512, "thread": 256}

# Descriptors of an accepting parent, in addition to those at the start: the wait queue (server/admission.h), and
# one more.
MORE_DESCRIPTORS = 256 + 1


def private_kib(pid):
    """Returns anonymous memory of a process, as if no page were shared."""
    match = re.search(r"^Anonymous:\s+(\d+)", proc_text(pid, "smaps_rollup"), re.MULTILINE)
    return int(match.group(1)) if match else 0


def shared_kib(pid):
    """Returns the memory that it shares with its children, used or not."""
    ranges = re.findall(r"^(\w+)-(\w+) ..(?:.)s ", proc_text(pid, "maps"), re.MULTILINE)
    return sum(int(end, 16) - int(start, 16) for start, end in ranges) >> 10


class Rest(NamedTuple):
    """A server without clients. Its workers may be different ones each time, but each is as any was at the start."""

    kib: int
    shared_kib: int
    descriptors: dict
    n_workers: int
    worker_kib: int  # maximum of all workers
    worker_descriptors: frozenset  # all workers have the same


def at_rest(server):
    workers = server.children() if server.has_workers else []
    return Rest(
        private_kib(server.pid),
        shared_kib(server.pid),
        descriptors_of(server.pid),
        len(workers),
        max(map(private_kib, workers), default=0),
        frozenset(frozenset(descriptors_of(pid).items()) for pid in workers),
    )


class Watch:
    """Checks that a server stays within bounds, and that in the end it is at rest as it was at first.

    n_workers: the constant number of workers, None if the number depends on the load.
    """

    def __init__(self, server, ledger, max_clients, n_workers, judge_memory):
        self.server, self.ledger, self.max_clients = server, ledger, max_clients
        self.n_workers, self.judge_memory = n_workers, judge_memory
        self.client_kib = CLIENT_KIB + AHEAD_KIB.get(server.engine, 0)
        self.kept_kib = KEPT_KIB.get(server.engine, 0)
        self.most = collections.Counter()
        self.ages = {}  # ages of zombies, in seconds of their parent's sleep
        self.samples = 0

    def begin(self):
        """Records the state at rest, for the first time."""
        self.started = self.last = time.monotonic()
        self.start = at_rest(self.server)
        self.start_kib = sum(map(own_memory_kib, self.server.lasting_processes()))

    def seconds(self):
        return time.monotonic() - self.started

    def bound(self, what, value, bound):
        self.most[what] = max(self.most[what], value)
        if value > bound:
            self.ledger.fail(f"{value} {what}, at most {bound} are right")

    def sample(self):
        """Call it about ten times a second."""
        self.samples += 1
        children = children_of(self.server.pid)
        self.look_for_zombies(children)
        self.bound("processes", len(children), self.n_workers or self.max_clients)
        self.bound("descriptors", len(descriptors_of(self.server.pid)), self.most_descriptors())
        if self.samples % MEMORY_EVERY == 0 and self.judge_memory:
            memory = own_memory_kib(self.server.pid) + sum(map(own_memory_kib, children))
            self.bound("KiB of memory", memory, self.most_kib())

    def most_kib(self):
        """A worker that was started later may have touched as much memory as another had at the start."""
        return self.start_kib + (self.n_workers or 0) * self.kept_kib + self.max_clients * self.client_kib

    def most_descriptors(self):
        """Returns the bound for the server process itself: a supervisor never has a client's descriptor."""
        return len(self.start.descriptors) + (0 if self.server.has_workers else MORE_DESCRIPTORS)

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
        """At rest again: checks that everything is as at the start."""
        wait_until(self.has_workers_again, "as many workers as at the start")
        end, start = at_rest(self.server), self.start
        left = max(end.kib - start.kib, end.worker_kib - start.worker_kib - self.kept_kib, 0)
        self.most["KiB left behind"] = left
        if self.judge_memory and left > LEFT_KIB:
            self.ledger.fail(
                f"{end.kib} KiB of memory, {start.kib} at the start; a worker {end.worker_kib}, {start.worker_kib}"
            )
        if end.shared_kib != start.shared_kib:
            self.ledger.fail(f"{end.shared_kib} KiB of shared memory, {start.shared_kib} at the start")
        changed = sorted(end.descriptors.items() ^ start.descriptors.items())
        if changed:
            self.ledger.fail(
                f"{len(end.descriptors)} descriptors, {len(start.descriptors)} at the start, as {changed[0]}"
            )
        for worker in end.worker_descriptors - start.worker_descriptors:
            self.ledger.fail(f"a worker has {sorted(worker)}, at the start {sorted(*start.worker_descriptors)}")

    def has_workers_again(self):
        """Returns whether killed workers are replaced, and the new ones have started."""
        now = at_rest(self.server)
        is_complete = self.n_workers is None or now.n_workers == self.n_workers
        return is_complete and len(now.worker_descriptors) == len(self.start.worker_descriptors)
