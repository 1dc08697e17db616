# SPDX-License-Identifier: MIT
"""A server, looked at from outside."""
import collections
import time

from harness import children_of, descriptors_of, own_memory_kib, proc_state

# Memory takes longer to read than the rest: only every so many samples.
MEMORY_EVERY = 10

# How old a zombie may be, by the time that its parent slept meanwhile: a parent that gets no CPU is not at fault.
ZOMBIE_AGE = 1.0

# What a client may cost while it is there, and what all of them together may leave behind.
CLIENT_KIB, LEFT_KIB = 128, 64

# Descriptors of the parent beyond those of the start: the waiting room (server/admission.h), and one just accepted.
MORE_DESCRIPTORS = 256 + 1


class Watch:
    """That a server stays in bounds, and is at rest in the end what it was at first."""

    def __init__(self, server, ledger, max_clients, judge_memory):
        self.server, self.ledger, self.max_clients = server, ledger, max_clients
        self.judge_memory = judge_memory
        self.most = collections.Counter()
        self.ages = {}  # of zombies, in seconds that their parent slept
        self.samples = 0

    def begin(self):
        """At rest, for the first time."""
        self.started = self.last = time.monotonic()
        self.start = self.at_rest()

    def at_rest(self):
        memory = sum(map(own_memory_kib, self.server.lasting_processes()))
        return memory, descriptors_of(self.server.pid)

    def seconds(self):
        return time.monotonic() - self.started

    def bound(self, what, value, bound):
        self.most[what] = max(self.most[what], value)
        if value > bound:
            self.ledger.fail(f"{value} {what}, at most {bound} are right")

    def sample(self):
        """To be called some ten times a second."""
        self.samples += 1
        children = children_of(self.server.pid)
        self.look_for_zombies(children)
        if not self.server.has_workers:
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
        changed = sorted(descriptors.items() ^ self.start[1].items())
        if changed:
            self.ledger.fail(f"{len(descriptors)} descriptors, {len(self.start[1])} at the start, as {changed[0]}")
