# SPDX-License-Identifier: MIT
"""What happens to a server meanwhile: killed children, stops, shortages, signals; one at a time, at random."""
import collections
import contextlib
import os
import re
import signal
import threading

import pytest

from harness import children_of, descriptors_of, title_of
from ledger import host_of
from scarcity import PidsCgroup, set_descriptor_limit

# Between two troubles, in seconds, at most.
QUIET = 0.4


class Troubles(threading.Thread):
    """From start() until end()."""

    def __init__(self, soak, random):
        super().__init__()
        self.soak, self.pid, self.random = soak, soak.server.pid, random
        self.counts = collections.Counter()
        self.is_over = threading.Event()
        self.kinds = {
            self.kill_child: 6,
            self.kill_several_while_stopped: 2,
            self.stop_server: 3,
            self.stop_child: 3,
            self.no_descriptors: 2,
            self.ask_totals: 3,
        }
        self.cgroup = self.make_cgroup()

    def make_cgroup(self):
        """Where that is possible, processes can run short too."""
        try:
            cgroup = PidsCgroup()
        except pytest.skip.Exception as reason:
            self.soak.say(f"no shortage of processes: {reason}")
            return None
        cgroup.add(self.pid)
        self.kinds[self.no_processes] = 2
        return cgroup

    def run(self):
        try:
            while not self.is_over.wait(self.random.uniform(0, QUIET)):
                self.one()
        except Exception as error:
            self.soak.ledger.fail(f"troubles: {error!r}")
            raise

    def one(self):
        (kind,) = self.random.choices(list(self.kinds), self.kinds.values())
        if kind():
            self.counts[kind.__name__.replace("_", " ")] += 1

    def end(self):
        self.is_over.set()
        self.join()

    def remove(self):
        """When the server is gone."""
        if self.cgroup:
            self.cgroup.remove()

    def wait(self, most):
        self.is_over.wait(self.random.uniform(0.01, most))

    # ---- each returns whether it happened ----

    def kill_child(self):
        return self.signal_child(signal.SIGKILL)

    def kill_several_while_stopped(self):
        """One SIGCHLD for all of them."""
        with self.standing_still():
            return sum(self.signal_child(signal.SIGKILL) for _ in range(self.random.randint(2, 8))) > 0

    def stop_server(self):
        with self.standing_still():
            self.wait(0.5)
        return True

    def stop_child(self):
        process = self.open_child()
        if process is None:
            return False
        with process:
            process.send(signal.SIGSTOP)
            self.wait(0.5)
            process.send(signal.SIGCONT)
        return True

    def no_descriptors(self):
        before = set_descriptor_limit(self.pid, len(descriptors_of(self.pid)))
        self.wait(1)
        set_descriptor_limit(self.pid, before)
        return True

    def no_processes(self):
        self.cgroup.limit(self.cgroup.current())
        self.wait(1)
        self.cgroup.limit("max")
        return True

    def ask_totals(self):
        self.soak.ask_totals()
        return True

    # ---- means ----

    @contextlib.contextmanager
    def standing_still(self):
        self.soak.server.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.soak.server.send(signal.SIGCONT)

    def signal_child(self, number):
        process = self.open_child()
        if process is None:
            return False
        with process:
            if number == signal.SIGKILL:
                self.soak.ledger.killed.add(process.address)
            return process.send(number)

    def open_child(self):
        """A child that serves a client with a number, or None."""
        children = children_of(self.pid)
        self.random.shuffle(children)
        for pid in children:
            child = Child.open(pid)
            if child:
                return child
        return None


class Child:
    """A child by its pidfd, so that no stranger is hit when it ends."""

    def __init__(self, process, address):
        self.process, self.address = process, address

    @classmethod
    def open(cls, pid):
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        # Read when the pidfd is held. A child that has just begun still has its parent's title.
        match = re.search(r" serving (127\.\d+\.\d+\.\d+:\d+)$", title_of(pid))
        if match and host_of(match.group(1)) != "127.0.0.1":
            return cls(process, host_of(match.group(1)))
        os.close(process)
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.process)

    def send(self, number):
        try:
            signal.pidfd_send_signal(self.process, number)
        except ProcessLookupError:
            return False
        return True
