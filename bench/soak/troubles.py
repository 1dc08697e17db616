# SPDX-License-Identifier: MIT
"""Troubles of a server during a soak: killed processes, stops, shortages, signals; one at a time, at random.

They hit the processes that serve: a child for each client, or workers that have several. A process is stopped
before it is killed, so that its clients can be listed.
"""
import collections
import contextlib
import os
import pathlib
import signal
import socket
import sys
import threading

import pytest

from harness import children_of, descriptors_of, proc_text, sockets_of, wait_until
from ledger import SHARED_ADDRESS
from shortages import PidsCgroup, set_descriptor_limit

# Maximum seconds between two troubles.
QUIET = 0.4


class Troubles(threading.Thread):
    """From start() until end()."""

    def __init__(self, soak, random):
        super().__init__()
        self.soak, self.pid, self.random = soak, soak.server.pid, random
        self.counts = collections.Counter()
        self.is_over = threading.Event()
        self.kinds = {
            self.kill_process: 6,
            self.kill_several_while_stopped: 2,
            self.stop_server: 3,
            self.stop_process: 3,
            self.no_descriptors: 2,
            self.ask_totals: 3,
        }
        self.cgroup = self.make_cgroup()

    def make_cgroup(self):
        """Returns a cgroup in which processes can run short, or None if that is not possible."""
        try:
            cgroup = PidsCgroup()
        except pytest.skip.Exception as reason:
            self.soak.say(f"no shortage of processes: {reason}")
            return None
        for pid in self.soak.server.processes():
            cgroup.add(pid)
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
        """Call it when the server has ended."""
        if self.cgroup:
            self.cgroup.remove()

    def wait(self, most):
        self.is_over.wait(self.random.uniform(0.01, most))

    # ---- each returns whether it happened ----

    def kill_process(self):
        """Kills a process, except one that serves `talk`, because that client shares its address with others."""
        return any(map(self.kill, self.processes()))

    def kill(self, process):
        with process:
            hosts = process.stand_still()
            is_idle = not hosts and not self.soak.server.has_workers  # a child that has done its work
            if hosts is None or is_idle or SHARED_ADDRESS in hosts:
                return False
            self.soak.ledger.kill(process.pid, hosts)
            process.send(signal.SIGKILL)
        return True

    def kill_several_while_stopped(self):
        """One SIGCHLD stands for all of them."""
        with self.standing_still():
            return sum(self.kill_process() for _ in range(self.random.randint(2, 8))) > 0

    def stop_server(self):
        with self.standing_still():
            self.wait(0.5)
        return True

    def stop_process(self):
        for process in self.processes():
            with process:
                process.stand_still()
                self.wait(0.5)
            return True
        return False

    def no_descriptors(self):
        """Sets the descriptor limit of an accepting process to the number that it uses."""
        pid = self.random.choice(self.soak.server.accepting_processes())
        with contextlib.suppress(ProcessLookupError):  # a process that exists only while it is needed
            before = set_descriptor_limit(pid, len(descriptors_of(pid)))
            self.wait(1)
            set_descriptor_limit(pid, before)
            return True
        return False

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

    def processes(self):
        """Yields the serving processes, in random order. Each is opened when its turn comes; the caller closes it."""
        pids = children_of(self.pid)
        self.random.shuffle(pids)
        for pid in pids:
            try:
                process = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            if pid in children_of(self.pid):  # the pid may belong to another process by now
                yield Process(pid, process)
            else:
                os.close(process)


class Process:
    """A process by its pidfd, so that no other process gets a signal after it ends."""

    def __init__(self, pid, process):
        self.pid, self.process = pid, process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.send(signal.SIGCONT)
        os.close(self.process)

    def send(self, number):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.process, number)

    def stand_still(self):
        """Stops the process until the block ends. Returns its clients' addresses, or None if it has ended."""
        self.send(signal.SIGSTOP)
        wait_until(lambda: self.states() <= set("TZX"), f"{self.pid} to stand still")
        return hosts_of(sockets_of(self.pid)) if self.states() == {"T"} else None

    def states(self):
        """Returns the states of the process's threads."""
        threads = pathlib.Path(f"/proc/{self.pid}/task")
        try:
            stats = [proc_text(self.pid, f"task/{thread.name}/stat") for thread in threads.iterdir()]
        except (FileNotFoundError, ProcessLookupError):
            return set()
        return {stat.rpartition(")")[2].split()[0] for stat in stats if stat}


def hosts_of(inodes):
    """Returns the peer addresses of those IPv4 sockets that are still connected."""
    hosts = {}
    for _ in range(2):  # changes in the table during the read may hide an entry once
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, _, peer, _, _, _, _, _, _, inode, *_ = line.split()
            if int(inode) in inodes:
                host = int(peer.partition(":")[0], 16)
                hosts[inode] = socket.inet_ntoa(host.to_bytes(4, sys.byteorder))
        if len(hosts) == len(inodes):
            break
    return {host for host in hosts.values() if host != "0.0.0.0"}  # that of the listening socket
