# SPDX-License-Identifier: MIT
"""A run of a scenario: of `serve` or `talk`, from start to end, and all observations of it.

A run of `serve` has one engine. It runs in one of three ways. Inside: the program with the seam (torture.c).
Outside: the shipped program, its first process under strace from the start; without -f, so its children are not
traced. Attached: the shipped program, with strace on the process that serves the first client, as soon as the
client is connected.
"""
import contextlib
import ctypes
import errno
import functools
import os
import random
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import time
from typing import NamedTuple

from errnos import BY_ALIAS, EVENTFD
from harness import children_of, descriptors_of, parse_address, proc_state, proc_text, reset, rss_kib, title_of
from second_request import request_again

# Seconds until a wait counts as a hang on a busy machine.
TIMEOUT = 90.0

# Seconds to wait for a line that a fault may have removed, before the next request.
LINE_TIMEOUT = 0.5

SMALL = b"a line\n"
BULK = random.Random(9877).randbytes(300_000)

# The number that the default client limit needs, and a lower soft limit, so that the server raises it.
FEW_DESCRIPTORS, MOST_DESCRIPTORS = 512, 1100

# The clients of a server. In the fork engine also its children, by the order of their first calls.
FIRST, STAYING, RESETTING, NEXT, LAST = CLIENTS = range(1, 6)

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

# Number of workers by engine name. Prefork: enough, because each has one client. Thread: one, as is usual. The
# others: two, so that what happens to one does not affect the other.
WORKERS = {"prefork": 4, "thread": 1, "epoll": 2, "uring": 2}


class Hang(Exception):
    """A condition did not become true within TIMEOUT."""


def until(condition, what, within=TIMEOUT):
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Hang(what)
        time.sleep(0.001)
    return value


# ---- journals ----


class Call(NamedTuple):
    """One call of a journal. name: the row's name; alias: the called name; nth: count of the calls with that alias."""

    process: int
    name: str
    alias: str
    nth: int
    detail: int
    injected: bool


# Stands for the failed call in a run in which no call failed.
NO_CALL = Call(0, "", "", 0, -1, False)


def name_of(alias):
    return BY_ALIAS[alias].call if alias in BY_ALIAS else alias


def start_of_service(calls):
    """Returns the index at which the server, or talk, first waits. The log's poll of standard error does not count.

    A server with workers has waited for the first of them before: it serves once --ready-fd is written and closed.
    """
    own = [i for i, call in enumerate(calls) if call.process == 0]
    pairs = ((calls[i], calls[next_i]) for i, next_i in zip(own, own[1:]))
    is_ready = [call.name == "write" and call.detail > 2 and then.name == "close" for call, then in pairs]
    first = own[is_ready.index(True)] if True in is_ready else 0
    waits = (i for i in own if i > first and calls[i].name == "poll" and calls[i].detail != 2)
    return next(waits, len(calls))


class Plan(NamedTuple):
    """The call that must fail. error: by name."""

    process: int
    alias: str
    nth: int
    error: str


# from netdb.h
EAI = {
    "EAI_BADFLAGS": -1, "EAI_NONAME": -2, "EAI_AGAIN": -3, "EAI_FAIL": -4, "EAI_NODATA": -5, "EAI_FAMILY": -6,
    "EAI_SOCKTYPE": -7, "EAI_SERVICE": -8, "EAI_ADDRFAMILY": -9, "EAI_MEMORY": -10, "EAI_SYSTEM": -11,
}


def number_of(error):
    return EAI[error] if error in EAI else getattr(errno, error)


class Inside:
    """Runs the program with the seam."""

    outside = False
    process = 0

    def __init__(self, program):
        self.program = program

    def command(self, journal, plan):
        env = {"TORTURE_JOURNAL": str(journal)}
        if plan:
            env["TORTURE_PLAN"] = f"{plan.process} {plan.alias} {plan.nth} {number_of(plan.error)}"
        return [self.program], env

    def read(self, path):
        blob = path.read_bytes()
        used = int.from_bytes(blob[:8], "little")
        calls = []
        # A process that was killed before it could write leaves NUL bytes.
        for line in blob[8 : 8 + used].replace(b"\0", b"").decode().splitlines():
            process, alias, nth, detail, *injected = line.split()
            calls.append(Call(int(process), name_of(alias), alias, int(nth), int(detail), bool(injected)))
        return calls

    def join(self, pid, journal, plan, client):
        """Does nothing: the seam follows the children by itself."""


# "close(3) = 0", "write(2, ...) = -1 EIO (Input/output error) (INJECTED)"
STRACE_LINE = re.compile(r"^(\w+)\((.*)")
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}

CONSTANTS = {
    "EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3,
    "SHUT_RD": 0, "SHUT_WR": 1,
    "IP_MINTTL": 21, "IPV6_MINHOPCOUNT": 73, "SO_BINDTOIFINDEX": 62,
}

# With these calls the first process stops new connections: the first step of a drain.
STOPS_LISTENING = {("setsockopt", 62), ("setsockopt", 21), ("setsockopt", 73), ("listen", 0), ("shutdown", 0)}

# Calls that the loader makes before the program's first call.
LOADER = set(
    "execve brk access openat read pread64 newfstatat mmap close arch_prctl set_tid_address set_robust_list rseq"
    " mprotect prlimit64 munmap getrandom readlink uname".split()
)


def name_in_strace(alias, words):
    """lstat(2) is a newfstatat(2) of a path, setrlimit(2) a prlimit64(2) with a value."""
    if alias == "newfstatat" and words.startswith("AT_FDCWD"):
        return "lstat"
    if alias == "prlimit64" and not re.search(r"RLIMIT_\w+, NULL", words):
        return "setrlimit"
    return name_of(alias)


def detail_of(name, words):
    """Returns what torture.c calls the detail, from strace's text."""
    if name in ("socket", "bind", "connect"):
        return next((FAMILIES[word] for word in re.findall(r"AF_\w+", words) if word in FAMILIES), -1)
    if name == "open":
        return int("O_DIRECTORY" in words)
    if name == "listen":
        return int(re.match(r"\d+, (\d+)", words).group(1))
    if name in ("epoll_ctl", "setsockopt", "shutdown"):
        return next((CONSTANTS[word] for word in re.findall(r"\w+", words) if word in CONSTANTS), -1)
    if name == "write" and re.match(r'\d+, "\\1(\\0){7}", 8\b', words):
        return EVENTFD
    first = re.match(r"\[?\{?(?:fd=)?(-?\d+)", words)
    return int(first.group(1)) if first else -1


class Outside:
    """Runs the program with strace on the first process."""

    outside = True
    process = 0

    def __init__(self, program):
        self.program = program

    def words(self, journal, plan):
        words = ["strace", "-o", str(journal), "-a1", "-s8"]
        if plan:
            words += ["-e", f"inject={plan.alias}:error={plan.error}:when={plan.nth}"]
        return words

    def command(self, journal, plan):
        # -D: the program is our child, and strace a detached process.
        return [*self.words(journal, plan), "-D", self.program], {}

    def read(self, path):
        counts, calls, own = {}, [], False
        for line in path.read_text(errors="replace").splitlines():
            match = STRACE_LINE.match(line)
            if not match:
                continue
            alias, words = match.groups()
            counts[alias] = counts.get(alias, 0) + 1
            own = own or self.process != 0 or alias not in LOADER
            if own:
                name, injected = name_in_strace(alias, words), "(INJECTED)" in line
                calls.append(Call(self.process, name, alias, counts[alias], detail_of(name, words), injected))
        return calls

    def join(self, pid, journal, plan, client):
        """Does nothing: strace is there already."""


@functools.cache
def unusable(program, engine):
    """Returns why this engine cannot be used here, or ""."""
    text = subprocess.run([program, "serve", "--engine", "help"], capture_output=True, text=True, timeout=TIMEOUT).stdout
    match = re.search(rf"^{engine} .*\((cannot be used here: .*)\)$", text, re.M)
    return match.group(1) if match else ""


@functools.cache
def can_attach():
    """Returns whether strace may trace a process that is not its child (kernel.yama.ptrace_scope)."""
    if not shutil.which("strace"):
        return True  # without strace, the tests give another reason
    with subprocess.Popen(["sleep", "60"]) as process:
        tracer = subprocess.Popen(
            ["strace", "-o", os.devnull, "-p", str(process.pid)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        with tracer.stderr:
            is_attached = b"attached" in tracer.stderr.readline()
        process.kill()
        tracer.wait(TIMEOUT)
    return is_attached


class Attached(Outside):
    """Attaches strace to the process that serves the first client."""

    process = FIRST  # or the first worker

    def command(self, journal, plan):
        return [self.program], {}

    def join(self, pid, journal, plan, client):
        def find():
            # A child with one client has the client's name in its title; a worker with many clients is the only
            # one.
            children = children_of(pid)
            named = [child for child in children if title_of(child).endswith(f" {client.name}")]
            return named or (children if len(children) == 1 and "worker" in title_of(children[0]) else None)

        child = until(find, "the process that serves the first client")[0]
        tracer = subprocess.Popen(
            [*self.words(journal, plan), "-p", str(child)],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            preexec_fn=end_with_us,
        )
        with tracer.stderr:
            if b"attached" not in tracer.stderr.readline():
                raise Hang("strace to attach")


# ---- what can be seen ----


class Exchange:
    """A client of the server: sent bytes, returned bytes, and how it ended."""

    def __init__(self, address):
        self.family, self.address = parse_address(address)
        if self.family == socket.AF_INET6:
            self.address = ("::1", self.address[1])
        self.sent, self.received = bytearray(), bytearray()
        self.end = ""  # "fin", "reset", "refused", "ours"
        self.name = ""
        self.sock = socket.socket(self.family, socket.SOCK_STREAM)

    def connect(self):
        try:
            self.sock.settimeout(TIMEOUT)
            self.sock.connect(self.address)
            self.sock.setblocking(False)
            if self.family == socket.AF_UNIX:
                self.name = f"unix:{os.getpid()}"
            else:
                self.name = "[{0}]:{1}".format(*self.sock.getsockname()) if self.family == socket.AF_INET6 else (
                    "{0}:{1}".format(*self.sock.getsockname())
                )
        except OSError:
            self.end = "refused"

    def send(self, data, finish=False):
        """Sends, and receives until all of it is back, or with finish until the end."""
        self.sent += data
        left = memoryview(data)
        finished = False
        while not self.end and (len(self.received) < len(self.sent) or finish):
            if finish and not left and not finished:
                finished = True
                with contextlib.suppress(OSError):
                    self.sock.shutdown(socket.SHUT_WR)
            ready = select.select([self.sock], [self.sock] if left else [], [], TIMEOUT)
            if not any(ready):
                raise Hang(f"{len(self.received)} of {len(self.sent)} bytes came back to {self.name}, and no end")
            if ready[1]:
                try:
                    left = left[self.sock.send(left[: 1 << 16]) :]
                except BlockingIOError:
                    pass
                except OSError:
                    left = left[len(left) :]  # earlier bytes are still to be received
            if ready[0]:
                self.receive()

    def wait_for_end(self):
        while not self.end:
            if not select.select([self.sock], [], [], TIMEOUT)[0]:
                raise Hang(f"an end for {self.name}")
            self.receive()

    def receive(self):
        try:
            piece = self.sock.recv(1 << 16)
            self.received += piece
            self.end = self.end or ("" if piece else "fin")
        except OSError:
            self.end = "reset"

    def reset(self):
        self.end = self.end or "ours"
        reset(self.sock)

    def close(self):
        self.sock.close()

    @property
    def is_prefix(self):
        return self.sent.startswith(self.received)

    @property
    def is_whole(self):
        return self.received == self.sent and self.end in ("fin", "ours")


class Run:
    """What was seen of one run."""

    def __init__(self):
        self.calls = []
        self.status = None
        self.log = ""
        self.hang = ""
        self.announced = False
        self.clients = {}
        self.descriptors = []  # before the first client, and after the last but one
        self.rss = []
        self.inherited = 0  # descriptors of the first client's child
        self.program = self.engine = ""
        self.ids = set()  # user and group of the server, in all their kinds
        self.left_over = False
        self.path_left = False  # the unix socket's path
        self.output_is_input = False

    @property
    def hit(self):
        """The call that was made to fail, or None."""
        return next((call for call in self.calls if call.injected), None)

    def phase_of(self, hit):
        """Returns the phase in which it was made."""
        at = self.calls.index(hit)
        service = start_of_service(self.calls)
        stops = [call.process == 0 and (call.name, call.detail) in STOPS_LISTENING for call in self.calls]
        if any(stops[service : at + 1]):
            return "draining"
        return "serving" if service <= at else "start"

    def lines(self, pattern):
        return [line for line in self.log.splitlines() if re.search(pattern, line)]


# A short environment: the program copies every word of it once (net/proctitle.c).
ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"} | {
    name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")
}


def become_worker():
    """Must be called once in a process that makes runs.

    Children whose parent has ended become ours (prctl(2)), so that none is missed.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_DESCRIPTORS, MOST_DESCRIPTORS))
    adopt_orphans()


def end_with_us():
    """In the child: it is killed when the test process ends, however it ends. strace ends with the process that it
    traces."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def end_with_us_and_without_input():
    end_with_us()
    os.close(0)


def adopt_orphans():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans():
    """Waits until no orphan is left. Returns whether an orphan had to be killed."""
    deadline, late = time.monotonic() + TIMEOUT, False
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.001)
            if time.monotonic() > deadline:
                late = True
                for child in children_of(os.getpid()):
                    os.kill(child, signal.SIGKILL)
    return late


def finish(run, process, journal, way):
    """Ends a run in any state: no process is left."""
    if process.poll() is None:
        for child in children_of(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        process.kill()
        process.wait()
    run.status = process.returncode
    run.left_over = reap_orphans()
    if journal.exists():
        run.calls = way.read(journal)


# ---- serve ----


class Serving:
    """A server in one run."""

    def __init__(self, run, way, plan, directory, options, addresses):
        self.run = run
        self.has_workers = run.engine in WORKERS
        self.n_workers = 1 if way.process != 0 and run.engine != "prefork" else WORKERS.get(run.engine, 0)
        options = [*options, "--engine", run.engine]
        options += ["--workers", str(self.n_workers)] if self.has_workers else []
        self.log_path = directory / "log"
        self.path = directory / "socket"
        leave_stale_path(self.path)
        reader, writer = os.pipe()
        command, env = way.command(directory / "journal", plan)
        addresses = addresses or ["127.0.0.1:0", f"unix:{self.path}", ":0"]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*command, "serve", "--ready-fd", str(writer), *options, *addresses],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[writer],
                env={**ENVIRONMENT, **env},
                # Without standard input: the server has to open one. Not with strace, which needs it.
                preexec_fn=end_with_us if way.outside else end_with_us_and_without_input,
            )
        os.close(writer)
        with os.fdopen(reader, "rb") as ready:
            self.addresses = read_lines(ready.fileno(), len(addresses))

    def text(self):
        return self.log_path.read_text(errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def has_said(self, pattern, count=1):
        """Waits for a line, for as long as it may take, or for a short time if a fault may have removed it."""
        with contextlib.suppress(Hang):
            until(
                lambda: len(re.findall(pattern, self.text(), re.M)) >= count or not self.is_running(),
                pattern,
                LINE_TIMEOUT,
            )
        return len(re.findall(pattern, self.text(), re.M)) >= count

    def ask_totals(self):
        """Requests the totals until there is an answer: a fault may remove one."""
        count = len(re.findall(r"^totals ", self.text(), re.M))

        def has_answered():
            if self.is_running():
                self.process.send_signal(signal.SIGUSR1)
            return self.has_said(r"^totals ", count + 1) or not self.is_running()

        until(has_answered, "an answer to USR1")

    def look(self):
        """Records the state at rest: the server has answered."""
        self.ask_totals()
        self.run.descriptors.append(self.count_descriptors())
        self.run.rss.append(rss_kib(self.process.pid))

    def count_descriptors(self):
        """Counts the descriptors of each process, the first one first. A worker that was just started has fewer for
        a moment."""
        def count():
            workers = children_of(self.process.pid) if self.has_workers else []
            return len(descriptors_of(self.process.pid)), [len(descriptors_of(worker)) for worker in workers]

        def are_all_there():
            of_workers = count()[1]
            is_at_rest = all(proc_state(worker) == "S" for worker in children_of(self.process.pid))
            return is_at_rest and len(of_workers) == self.n_workers and len(set(of_workers)) == 1

        if self.has_workers:
            with contextlib.suppress(Hang):
                until(lambda: are_all_there() or not self.is_running(), "all workers to rest", 4 * LINE_TIMEOUT)
        of_first, of_workers = count()
        return of_first, *sorted(of_workers)

    def client(self, number):
        address = self.addresses[(0, 1, 0, 2, 1)[number - 1]]
        client = self.run.clients[number] = Exchange(address)
        client.connect()
        return client

    def terminate(self):
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)

    def is_without_clients(self):
        if not self.is_running():
            return True
        if not self.has_workers:
            return not children_of(self.process.pid)
        self.ask_totals()
        return re.findall(r"^totals clients=(\d+) ", self.text(), re.M)[-1:] in ([], ["0"])

    def wait_for_rest(self):
        until(self.is_without_clients, "all clients to be gone")


def leave_stale_path(path):
    """Leaves a socket file without a listening socket."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


def read_lines(fd, count):
    """Reads `count` lines, or fewer at the end of the file."""
    text = b""
    while text.count(b"\n") < count:
        if not select.select([fd], [], [], TIMEOUT)[0]:
            raise Hang("readiness")
        piece = os.read(fd, 4096)
        if not piece:
            break
        text += piece
    return text.decode().split() if text.count(b"\n") == count else []


def serve_clients(serving, way, plan, directory):
    serving.look()
    first = serving.client(FIRST)
    way.join(serving.process.pid, directory / "journal", plan, first)
    first.send(SMALL)
    if not serving.has_workers:
        for child in children_of(serving.process.pid):
            serving.run.inherited = len(descriptors_of(child))
    staying = serving.client(STAYING)
    staying.send(SMALL)
    first.send(BULK, finish=True)
    resetting = serving.client(RESETTING)
    resetting.send(SMALL)
    resetting.reset()
    serving.client(NEXT).send(SMALL, finish=True)
    staying.send(SMALL, finish=True)
    for client in serving.run.clients.values():
        client.close()
    serving.wait_for_rest()
    serving.look()

    last = serving.client(LAST)
    last.send(SMALL)
    serving.terminate()
    serving.has_said(r"no new clients")
    last.send(SMALL, finish=True)
    last.close()


def stop_clients(serving, way, plan, directory):
    """One client ends when the drain begins; the other does not, and the second request kills it."""
    serving.look()
    finishing = serving.client(FIRST)
    way.join(serving.process.pid, directory / "journal", plan, finishing)
    finishing.send(SMALL)
    staying = serving.client(STAYING)
    staying.send(SMALL)
    serving.terminate()
    finishing.wait_for_end()
    finishing.close()
    staying.wait_for_end()
    request_again(serving.is_running, serving.terminate)


def one_client(serving, way, plan, directory):
    serving.client(FIRST).send(SMALL, finish=True)
    serving.run.ids = set(re.findall(r"^[UG]id:(.*)", proc_text(serving.process.pid, "status"), re.M))
    serving.terminate()


def serve(way, plan, directory, engine):
    """Start, five clients, totals, TERM with one of them still connected, end."""
    return run_server("serve", serve_clients, ["--drain-timeout", "15s"], way, plan, directory, engine)


def stop(way, plan, directory, engine):
    """Start, two clients, TERM with a drain timeout of 0, TERM again."""
    return run_server("stop", stop_clients, ["--drain-timeout", "0s"], way, plan, directory, engine)


def user(way, plan, directory, engine):
    """Start as root, become another, one client, TERM."""
    return run_server("user", one_client, ["--user", "nobody"], way, plan, directory, engine, ["127.0.0.1:0"])


def run_server(program, clients, options, way, plan, directory, engine, addresses=None):
    run = Run()
    run.program, run.engine = program, engine
    journal = directory / "journal"
    journal.unlink(missing_ok=True)
    serving = Serving(run, way, plan, directory, options, addresses)
    try:
        run.announced = bool(serving.addresses)
        if run.announced:
            clients(serving, way, plan, directory)
        serving.process.wait(TIMEOUT)
    except (Hang, subprocess.TimeoutExpired) as hang:
        run.hang = str(hang)
    finally:
        for client in run.clients.values():
            client.close()
        finish(run, serving.process, journal, way)
    run.log = serving.text()
    run.path_left = serving.path.exists()
    return run


# ---- talk ----


def talk(way, plan, directory, port):
    """A file through a correct echo on this port into a file."""
    run = Run()
    journal, source, copy, log = (directory / name for name in ("journal", "input", "output", "log"))
    journal.unlink(missing_ok=True)
    source.write_bytes(BULK)
    command, env = way.command(journal, plan)
    with open(source, "rb") as stdin, open(copy, "wb") as stdout, open(log, "wb") as stderr:
        process = subprocess.Popen(
            [*command, "talk", "127.0.0.1", str(port)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**ENVIRONMENT, **env},
            preexec_fn=end_with_us,
        )
    try:
        process.wait(TIMEOUT)
    except subprocess.TimeoutExpired:
        run.hang = "talk to end"
    finish(run, process, journal, way)
    run.log = log.read_text(errors="replace")
    run.output_is_input = copy.read_bytes() == BULK
    return run
