# SPDX-License-Identifier: MIT
"""Machines that are short of something: processes, descriptors, buffers; and how a server bears it."""
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
import time

import pytest

from harness import descriptors_of, proc_state, proc_text, wait_until

# How long a waiting server is watched: the default engine for longer, as it is in every run.
WATCH = {"fork": 3.0}
WATCH_OTHERS = 1.5

WARNING = r"^tcpecho: warning: "


# ---- bearing it ----


def watch_it_wait(server):
    """Watches a server that can only wait: it uses under 2 % of a CPU and warns at most once a second."""
    started, cpu, warnings = time.monotonic(), server.whole_cpu_seconds(), len(server.log_lines(WARNING))
    time.sleep(WATCH.get(server.engine, WATCH_OTHERS))
    cpu, warnings = server.whole_cpu_seconds() - cpu, len(server.log_lines(WARNING)) - warnings
    seconds = time.monotonic() - started
    assert cpu < 0.02 * seconds, f"{cpu:.3f} s of CPU in {seconds:.1f} s"
    assert warnings <= seconds + 1, f"{warnings} warnings in {seconds:.1f} s:\n{server.log()}"


# ---- descriptors ----


def allow_descriptors(count):
    """Raises our own limit where it is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard < count:
        pytest.skip(f"this test needs {count} descriptors, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def set_descriptor_limit(pid, count):
    """Sets the soft limit of a running process and returns what it was."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, hard))
    return soft


def descriptors_at_rest(server):
    """What a server has open between two clients: it answers a signal only then."""
    server.totals()
    return descriptors_of(server.pid)


def wait_for_sleep(server):
    """Waits until every worker has started and waits for events: on a busy machine one may still be about to begin."""
    wait_until(lambda: all(proc_state(pid) == "S" for pid in server.lasting_processes()), "all to wait")


def all_descriptors_at_rest(server):
    """The same of all those who are there with and without clients, whatever the engine, when there is no client.

    A set, because one worker has what another has, and there may be more or fewer of them by now.
    """
    server.wait_for_rest()
    wait_for_sleep(server)
    return {frozenset(descriptors_of(pid).items()) for pid in server.lasting_processes()}


def lowest_free_descriptor(pid):
    taken = descriptors_of(pid)
    return next(number for number in range(len(taken) + 1) if number not in taken)


# ---- processes ----


class PidsCgroup:
    """A cgroup of its own that bounds the number of processes."""

    def __init__(self):
        self.path = self.root() / f"tcpecho-test-{os.getpid()}-{time.monotonic_ns()}"
        try:
            self.path.mkdir()
        except OSError as error:
            pytest.skip(f"no cgroup can be made: {error}")

    @staticmethod
    def root():
        """Version 1 has a tree for each controller, version 2 one tree for all."""
        first = pathlib.Path("/sys/fs/cgroup/pids")
        if (first / "cgroup.procs").exists():
            return first
        second = pathlib.Path("/sys/fs/cgroup")
        enabled = second / "cgroup.subtree_control"
        if not enabled.exists() or "pids" not in enabled.read_text().split():
            pytest.skip("the pids controller of cgroups is not there")
        return second

    def add(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid))

    def limit(self, count):
        (self.path / "pids.max").write_text(str(count))

    def current(self):
        return int((self.path / "pids.current").read_text())

    def remove(self):
        """Once its processes are gone."""
        wait_until(lambda: self.current() == 0, "the processes of the cgroup to end")
        self.path.rmdir()


class LoneUser:
    """A user id that nobody has: what it may start is bounded by RLIMIT_NPROC, which root may pass."""

    def __init__(self):
        if os.geteuid() != 0:
            pytest.skip("only root can become a user of its own")
        self.uid = 50000 + os.getpid() % 10000
        self.directory = tempfile.mkdtemp()
        os.chmod(self.directory, 0o755)

    def reachable(self, program):
        """The program at a path where the user may go."""
        copy = shutil.copy(program, self.directory)
        os.chmod(copy, 0o755)
        return copy

    def become(self, processes=None):
        """In the child, before exec: takes the id and, if given, the limit of processes."""
        os.setgroups([])
        os.setresgid(self.uid, self.uid, self.uid)
        if processes is not None:
            resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
        os.setresuid(self.uid, self.uid, self.uid)

    def task_count(self):
        """What the limit counts: threads."""
        tasks = 0
        for entry in filter(str.isdigit, os.listdir("/proc")):
            status = proc_text(entry, "status")
            if re.search(rf"^Uid:\t{self.uid}\t", status, re.M):
                tasks += int(re.search(r"^Threads:\t(\d+)", status, re.M).group(1))
        return tasks

    def set_process_limit(self, pid, count):
        """Sets the soft limit of one of its processes: only the user himself may."""
        subprocess.run(
            ["prlimit", f"--pid={pid}", f"--nproc={count}:"],
            user=self.uid,
            group=self.uid,
            extra_groups=[],
            check=True,
        )

    def remove(self):
        shutil.rmtree(self.directory)
