# SPDX-License-Identifier: MIT
"""The compared servers: how each is started, pinned to a core, watched and ended."""
import contextlib
import ctypes
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Callable, NamedTuple

from harness import children_of, cpu_seconds, own_memory_kib, proc_text, wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"

# Cases of compare.py in which packaged servers take part: the idle thousands measure our own children.
LOAD_CASES = ("connect", "latency", "echoes", "bulk", "memory")

# Client limit for the servers that need an option for it.
MANY = 20000
QUEUE = 1024


def end_on_term():
    """Makes TERM end this program like an error, so that servers are ended.

    Only the first TERM does: timeout(1) sends it to the process and to its group, and a second exit would end the
    clean-up.
    """

    def end(*_):
        signal.signal(signal.SIGTERM, lambda *_: None)
        sys.exit(143)

    signal.signal(signal.SIGTERM, end)


class Kind(NamedTuple):
    """One server: what it is, and its command line."""

    name: str
    needs: str  # the required program
    command: Callable  # (port, directory) -> words
    address: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    packaged: bool = False
    most_clients: Callable = lambda clients: []  # options that raise its client limit
    cases: tuple = ()  # cases in which it takes part; empty: all
    is_own: bool = False
    sleeps: bool = True  # sleeps while it has no work


def tcpecho(name, path):
    return Kind(
        name,
        str(path),
        lambda port, _: [str(path), "serve", "--quiet", f"127.0.0.1:{port}"],
        most_clients=lambda clients: ["--max-clients", str(clients)],
    )


def textbook(name, directory, **more):
    path = str(directory / name)
    return Kind(name, path, lambda port, _: [path, "127.0.0.1", str(port)], **more)


def packaged(name, program, command, cases=LOAD_CASES, **more):
    return Kind(name, program, command, packaged=True, cases=cases, **more)


def tcpserver(port, _):
    # -H -R -l: no name look-ups. -D: TCP_NODELAY.
    return f"tcpserver -q -D -H -R -l localhost -b {QUEUE} -c {MANY} 127.0.0.1 {port} cat".split()


def socat(address):
    def command(port, _):
        return ["socat", f"TCP4-LISTEN:{port},bind=127.0.0.1,fork,backlog={QUEUE},nodelay", address]

    return command


def ncat(port, _):
    return f"ncat -4 -l -k -m {MANY} --exec /bin/cat 127.0.0.1 {port}".split()


INETD = "/usr/sbin/inetd"

# inetd looks internal services up by name, so the port is 7; the address is unused otherwise.
INETD_ADDRESS = "127.0.0.7"


def inetd(port, directory, *options):
    config = directory / "inetd.conf"
    config.write_text(f"{INETD_ADDRESS}:echo stream tcp nowait root internal\n")
    return [INETD, "-i", "-q", str(QUEUE), *options, str(config)]


def all_kinds(directory, programs):
    """Returns all servers. directory: where the textbook's were built. programs: (name, path) of tcpecho."""
    return [
        *(tcpecho(name, path) for name, path in programs),
        textbook("textbook", directory),
        textbook("textbook-static", directory),
        textbook("textbook-tuned", directory, cases=("bulk",)),
        packaged("tcpserver+cat", "tcpserver", tcpserver),
        packaged("socat PIPE", "socat", socat("PIPE")),
        packaged("socat EXEC:cat", "socat", socat("EXEC:cat")),
        packaged("ncat --exec cat", "ncat", ncat),
        # Without -R, inetd stops a service that is requested more than 256 times in a minute.
        packaged("inetd", INETD, lambda *where: inetd(*where, "-R", "1000000000"), address=INETD_ADDRESS, port=7),
        packaged("inetd as it comes", INETD, inetd, cases=("connect",), address=INETD_ADDRESS, port=7),
    ]


# ---- engines, and the servers with which they are compared ----

# Options of engines with workers when all servers have one core.
ONE_WORKER = ("-w", "1")


def engine(name, path, engine_name, *options, **more):
    """tcpecho with this engine."""

    def command(port, _):
        return [str(path), "serve", "--quiet", "--engine", engine_name, *options, f"127.0.0.1:{port}"]

    return Kind(
        name, str(path), command, most_clients=lambda clients: ["--max-clients", str(clients)], is_own=True, **more
    )


def bare(name, directory, program, *options, **more):
    """A server of bench/peers, as it was built."""
    path = str(directory / program)
    return Kind(name, path, lambda port, _: [path, *options, "127.0.0.1", str(port)], **more)


def engines_of(program):
    """Returns name -> None, or why it cannot be used here, as --engine help says."""
    words = [str(program), "serve", "--engine", "help"]
    text = subprocess.run(words, capture_output=True, text=True, timeout=10).stdout
    found = re.findall(r"^(\w+) +.*?(?:\(cannot be used here: (.*)\))?$", text, re.MULTILINE)
    return {name: why or None for name, why in found}


def is_there(kind):
    return shutil.which(kind.needs) is not None


def mounted(kind, option=""):
    """Returns where cgroups of this version are mounted (version 1: with this controller), or None."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, path, found, options, *_ = line.split()
        if found == kind and (not option or option in options.split(",")):
            return pathlib.Path(path)
    return None


class Cgroup:
    """A cgroup for one server: it counts exact CPU time and memory of all its processes, including ended ones.

    Version 2; the memory controller may still be in version 1.
    """

    def __init__(self):
        name = f"tcpecho-bench-{os.getpid()}-{time.monotonic_ns()}"
        unified = mounted("cgroup2")
        if unified is None:
            raise OSError("cgroup2 is not mounted")
        self.path = unified / name
        self.path.mkdir()
        self.cpu_stat = self.path / "cpu.stat"
        self.old, self.memory = None, self.path / "memory.current"
        if not self.memory.exists() and (old := mounted("cgroup", "memory")):
            try:
                (old / name).mkdir()
            except OSError:
                self.path.rmdir()
                raise
            self.old, self.memory = old / name, old / name / "memory.usage_in_bytes"

    def paths(self):
        return [path for path in (self.path, self.old) if path]

    def enter(self):
        for path in self.paths():
            (path / "cgroup.procs").write_text("0")

    def end(self):
        """Kills the remaining processes in it, and removes it."""
        (self.path / "cgroup.kill").write_text("1")
        wait_until(lambda: "populated 0" in (self.path / "cgroup.events").read_text(), "the cgroup to be empty")
        for path in self.paths():
            path.rmdir()


def why_no_cgroup():
    """Returns why CPU time and whole memory cannot be measured here; None if they can."""
    try:
        Cgroup().end()
    except OSError as error:
        return str(error)
    return None


PR_SET_CHILD_SUBREAPER = 36  # from linux/prctl.h


def adopt_orphans():
    """Children of a killed server become ours, so that none stays as a zombie."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans():
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class RunningServer:
    """A server that echoes, pinned to one core, in its own cgroup if that is possible."""

    def __init__(self, kind, directory, core, clients=None, descriptors=None):
        """clients: expected number of clients. descriptors: maximum number of descriptors."""
        self.kind = kind
        self.address, self.port = kind.address, kind.port or free_port()
        if kind.port and self.echoes():
            raise RuntimeError(f"another server has {self.address}:{self.port}")
        self.log = directory / "server.log"
        try:
            self.cgroup = Cgroup()
        except OSError:
            self.cgroup = None

        def prepare():
            if core is not None:
                os.sched_setaffinity(0, {core})
            # Servers that do not raise the limit themselves must also have room for thousands.
            most = descriptors or resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            if self.cgroup:
                self.cgroup.enter()

        words = kind.command(self.port, directory) + (kind.most_clients(clients) if clients else [])
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=prepare, start_new_session=True
            )
        self.wait_until_it_serves()

    def wait_until_it_serves(self):
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self.echoes() or not self.is_running(), "it to serve")
            if self.is_running():
                return
        self.end()
        raise RuntimeError(f"{self.kind.name} did not start: {self.last_words()}")

    def echoes(self):
        with contextlib.suppress(OSError):
            with socket.create_connection((self.address, self.port), timeout=2) as sock:
                sock.sendall(b"!")
                return sock.recv(1) == b"!"
        return False

    def is_running(self):
        return self.process.poll() is None

    def last_words(self):
        return (self.log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]

    def memory_kib(self):
        """Returns all memory of the server and its children, including kernel memory; None if it cannot be
        measured."""
        if self.cgroup is None or not self.cgroup.memory.exists():
            return None
        return int(self.cgroup.memory.read_text()) / 1024

    def descendants(self):
        """Returns its children and their descendants."""
        found, todo = [], children_of(self.process.pid)
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += children_of(pid)
        return found

    def cpu_seconds(self):
        """Returns the CPU time of all its processes, including reaped ones."""
        if self.cgroup:
            return int(self.cgroup.cpu_stat.read_text().split()[1]) / 1e6
        return sum(map(cpu_seconds, [self.process.pid, *self.descendants()]))

    def own_memory_kib(self):
        """Returns the anonymous memory of all its processes; shared pages count once."""
        return sum(map(own_memory_kib, [self.process.pid, *self.descendants()]))

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.cgroup:
            self.cgroup.end()
        reap_orphans()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def memory_of_children(server, clients, sample=64):
    """Returns the children's memory per client, in KiB: private pages, share of all pages, page tables."""
    pids = server.descendants()
    if len(pids) < clients:
        raise RuntimeError(f"{len(pids)} children for {clients} clients")
    watched = pids[:: max(1, len(pids) // sample)]
    factor = len(pids) / len(watched) / clients

    def total(name, file):
        lines = [line for pid in watched for line in proc_text(pid, file).splitlines() if line.startswith(name)]
        return sum(int(line.split()[1]) for line in lines) * factor

    return {
        "own_kib": total("Private_Clean:", "smaps_rollup") + total("Private_Dirty:", "smaps_rollup"),
        "pss_kib": total("Pss:", "smaps_rollup"),
        "page_tables_kib": total("VmPTE:", "status"),
    }
