# SPDX-License-Identifier: MIT
"""Machines that are short of processes, descriptors or buffers, and checks of a server there."""
import contextlib
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

from harness import descriptors_of, proc_state, proc_text, wait_until

# Seconds for which a waiting server is watched: the default engine for longer, because it is in every run.
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
    """Raises our own limit if it is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard < count:
        pytest.skip(f"this test needs {count} descriptors, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def set_descriptor_limit(pid, count):
    """Sets the soft limit of a running process and returns the former one."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, hard))
    return soft


def descriptors_at_rest(server):
    """Returns a server's open descriptors between two clients: it handles a signal only then."""
    server.totals()
    return descriptors_of(server.pid)


def wait_for_sleep(server):
    """Waits until every worker has started and waits for events: on a busy machine a worker may still be starting."""
    wait_until(lambda: all(proc_state(pid) == "S" for pid in server.lasting_processes()), "all to wait")


def all_descriptors_at_rest(server):
    """Returns the descriptors of all lasting processes without clients, for every engine.

    A set, because all workers have the same descriptors, and the number of workers may have changed.
    """
    server.wait_for_rest()
    wait_for_sleep(server)
    return {frozenset(descriptors_of(pid).items()) for pid in server.lasting_processes()}


def lowest_free_descriptor(pid):
    taken = descriptors_of(pid)
    return next(number for number in range(len(taken) + 1) if number not in taken)


# ---- processes ----


class Cgroup:
    """A cgroup with one controller. parent: cgroup in which it is created."""

    controller = ""

    def __init__(self, parent=None):
        place = parent.path if parent else self.root()
        self.path = place / f"tcpecho-test-{os.getpid()}-{time.monotonic_ns()}"
        try:
            self.path.mkdir()
        except OSError as error:
            pytest.skip(f"no cgroup can be made: {error}")

    @classmethod
    def root(cls):
        """Version 1 has a tree for each controller, version 2 one tree for all."""
        first = pathlib.Path("/sys/fs/cgroup") / cls.controller
        if (first / "cgroup.procs").exists():
            return first
        second = pathlib.Path("/sys/fs/cgroup")
        enabled = second / "cgroup.subtree_control"
        if not enabled.exists() or cls.controller not in enabled.read_text().split():
            pytest.skip(f"the {cls.controller} controller of cgroups is not there")
        return second

    def is_v2(self):
        return self.path.is_relative_to("/sys/fs/cgroup") and not self.path.is_relative_to(
            pathlib.Path("/sys/fs/cgroup") / self.controller
        )

    def read(self, name):
        return (self.path / name).read_text()

    def write(self, name, value):
        (self.path / name).write_text(str(value))

    def add(self, pid):
        self.write("cgroup.procs", pid)

    def remove(self):
        """Removes it; its processes must be gone."""
        wait_until(lambda: self.read("cgroup.procs") == "", "the processes of the cgroup to end")
        self.path.rmdir()


class PidsCgroup(Cgroup):
    """A cgroup that limits the number of processes."""

    controller = "pids"

    def limit(self, count):
        self.write("pids.max", count)

    def current(self):
        return int(self.read("pids.current"))


class MemoryCgroup(Cgroup):
    """A cgroup that limits memory, without swap."""

    controller = "memory"

    @classmethod
    def limits(cls, pid):
        """Returns whether the memory of this process is limited by its group, or by one above it."""
        lines = proc_text(pid, "cgroup").splitlines()
        own = [line.split(":", 2)[2] for line in lines if cls.controller in line.split(":")[1].split(",")]
        own += [line[3:] for line in lines if line.startswith("0::") and not own]
        path = cls.root() / own[0].lstrip("/")
        files = [directory / name for directory in (path, *path.parents) for name in ("memory.max", "memory.high",
                 "memory.limit_in_bytes")]
        values = [file.read_text().strip() for file in files if file.exists()]
        return any(value != "max" and int(value) < 1 << 60 for value in values)

    def limit(self, size):
        self.size = size
        if self.is_v2():
            self.write("memory.max", size)
            swap = "memory.swap.max"
        else:
            self.write("memory.limit_in_bytes", size)
            swap = "memory.memsw.limit_in_bytes"
        if (self.path / swap).exists():
            self.write(swap, 0 if self.is_v2() else size)

    def current(self):
        return int(self.read("memory.current" if self.is_v2() else "memory.usage_in_bytes"))

    def kills(self):
        """Returns how many processes the kernel has killed in it."""
        text = self.read("memory.events" if self.is_v2() else "memory.oom_control")
        return int(re.search(r"^oom_kill (\d+)$", text, re.M)[1])

    def fill(self, room, directory="/dev/shm"):
        """Takes memory until only `room` is left; returns the file that has it."""
        hold = tempfile.NamedTemporaryFile(dir=directory)
        code = (
            "import os, sys\n"
            "open(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid()))\n"
            "hold = open(sys.argv[2], 'ab', buffering=0)\n"
            "current = lambda: int(open(sys.argv[3]).read())\n"
            "while current() + 65536 < int(sys.argv[4]): hold.write(bytes(65536))\n"
        )
        current = self.path / ("memory.current" if self.is_v2() else "memory.usage_in_bytes")
        words = [sys.executable, "-c", code, str(self.path), hold.name, str(current), str(self.size - room)]
        subprocess.run(words, check=True)
        return hold


class LoneUser:
    """An unused user id, whose processes are limited by RLIMIT_NPROC. Root is exempt from that limit."""

    def __init__(self):
        if os.geteuid() != 0:
            pytest.skip("only root can become a user of its own")
        self.uid = 50000 + os.getpid() % 10000
        self.directory = tempfile.mkdtemp()
        os.chmod(self.directory, 0o755)

    def reachable(self, program):
        """Returns the program at a path that the user can reach."""
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
        """Returns the number that the limit counts: threads."""
        tasks = 0
        for entry in filter(str.isdigit, os.listdir("/proc")):
            status = proc_text(entry, "status")
            if re.search(rf"^Uid:\t{self.uid}\t", status, re.M):
                tasks += int(re.search(r"^Threads:\t(\d+)", status, re.M).group(1))
        return tasks

    def set_process_limit(self, pid, count):
        """Sets the soft limit of one process, unless it has ended: only that user may do so."""
        done = subprocess.run(
            ["prlimit", f"--pid={pid}", f"--nproc={count}:"],
            user=self.uid,
            group=self.uid,
            extra_groups=[],
            capture_output=True,
        )
        assert done.returncode == 0 or not os.path.exists(f"/proc/{pid}"), done.stderr

    def remove(self):
        shutil.rmtree(self.directory)


@contextlib.contextmanager
def hogs(core, n=4):
    """Starts n processes that use a whole core."""
    command = ["sh", "-c", "while :; do :; done"]
    all_of_them = [subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, {core})) for _ in range(n)]
    try:
        yield
    finally:
        for hog in all_of_them:
            hog.kill()
            hog.wait()
