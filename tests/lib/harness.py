# SPDX-License-Identifier: MIT
"""Servers and clients as processes, watched from outside.

No function here asserts a duration. Each wait is for a condition, with a generous bound that only a hang reaches.
"""
import contextlib
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

from tcptable import tcp_sockets

# Seconds until a wait counts as a hang: on the slowest machine, under a sanitizer, beside twenty other programs.
TIMEOUT = 90.0

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def wait_until(condition, what, within=TIMEOUT):
    """Polls until condition() is true and returns its value."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"still waiting for: {what}"
        time.sleep(0.005)


def recv_exactly(sock, size):
    """Receives exactly `size` bytes; returns fewer only if the stream ends."""
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(min(size - len(data), 1 << 20))
        if not piece:
            break
        data += piece
    return bytes(data)


def recv_all(sock):
    """Receives until the peer's FIN."""
    data = bytearray()
    while piece := sock.recv(1 << 20):
        data += piece
    return bytes(data)


def reset(sock):
    """Closes with an RST (SO_LINGER with zero seconds)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def proc_text(pid, name):
    """A file of /proc/PID, or "" when the process is gone."""
    return of_process(pid, lambda: pathlib.Path(f"/proc/{pid}/{name}").read_text(errors="replace"), "")


def of_process(pid, read, gone):
    """Returns what read() finds in /proc/PID, or `gone`. The files of a process that is ending belong to root
    before it is a zombie."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return read()
        except (FileNotFoundError, ProcessLookupError):
            return gone
        except PermissionError:
            if is_gone(pid):
                return gone
            if time.monotonic() > deadline:
                raise
            time.sleep(0.001)


def proc_state(pid):
    """R, S, D, T, Z ..., or "" when the process is gone."""
    stat = proc_text(pid, "stat")
    return stat.rpartition(")")[2].split()[0] if stat else ""


def is_gone(pid):
    """Returns whether it has ended. An orphan that waits for init to reap it counts as ended."""
    return proc_state(pid) in ("", "Z")


def children_of(pid):
    """The pids of the children, zombies included."""
    return [int(child) for child in proc_text(pid, f"task/{pid}/children").split()]


def stop_process(pid):
    """Stops a process with SIGSTOP, unless it ends first."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: proc_state(pid) in ("T", "Z", ""), f"{pid} to stop")


def continue_process(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def kill_tree(pid):
    """Kills a process and its descendants. Each is stopped first, so that it starts no more."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        for child in children_of(pid):
            kill_tree(child)
        os.kill(pid, signal.SIGKILL)


def sockets_of(pid):
    """The inodes of a process's sockets."""
    matches = (re.fullmatch(r"socket:\[(\d+)\]", what) for what in descriptors_of(pid).values())
    return {int(match.group(1)) for match in matches if match}


def title_of(pid):
    """Returns the command as ps shows it."""
    return proc_text(pid, "cmdline").replace("\0", " ").strip()


def descriptors_of(pid):
    """Returns descriptor number -> target: 'socket:[123]', '/dev/null'."""

    def read():
        found = {}
        for entry in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found[int(entry)] = os.readlink(f"/proc/{pid}/fd/{entry}")
        return found

    return of_process(pid, read, {})


def rss_kib(pid):
    """Returns resident memory without file pages: the program's file pages are mapped 64 KiB at a time when it
    first runs."""
    parts = re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+)", proc_text(pid, "status"), re.MULTILINE)
    return sum(map(int, parts))


def peak_rss_kib(pid):
    """Returns the peak of resident memory."""
    match = re.search(r"VmHWM:\s+(\d+)", proc_text(pid, "status"))
    return int(match.group(1)) if match else 0


def anonymous_kib(pid):
    """Returns resident anonymous memory. It is exact, but VmRSS is not: the kernel counts that per CPU."""
    match = re.search(r"^Anonymous:\s+(\d+)", proc_text(pid, "smaps_rollup"), re.MULTILINE)
    return int(match.group(1)) if match else 0


def own_memory_kib(pid):
    """Returns anonymous memory; memory that processes share is counted in parts (smaps_rollup, proc(5))."""
    parts = re.findall(r"^Pss_(?:Anon|Shmem):\s+(\d+)", proc_text(pid, "smaps_rollup"), re.MULTILINE)
    return sum(map(int, parts))


def cpu_seconds(pid):
    """Returns the CPU time of the process, including reaped children."""
    fields = proc_text(pid, "stat").rpartition(")")[2].split()
    return sum(int(fields[i]) for i in (11, 12, 13, 14)) / CLOCK_TICKS if fields else 0.0


def is_sanitized(program):
    """Returns whether the program is built with a sanitizer. Its memory and speed are then different."""
    blob = pathlib.Path(program).read_bytes()
    return b"__asan_init" in blob or b"__tsan_init" in blob


def has_ipv6():
    """Returns whether the network of this thread has an IPv6 loopback. Containers often have none."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def parse_address(line):
    """'127.0.0.1:9877', '[::]:9877', 'unix:/path' or 'unix:@name' as (family, address)."""
    if line.startswith("unix:"):
        name = line[len("unix:") :]
        return socket.AF_UNIX, "\0" + name[1:] if name.startswith("@") else name
    host, _, port = line.rpartition(":")
    if host.startswith("["):
        return socket.AF_INET6, (host.strip("[]"), int(port))
    return socket.AF_INET, (host, int(port))


class Process:
    """A process that the test started. Its log is what it wrote to standard error."""

    process = None
    log_path = None

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.log_path.read_text(errors="replace")

    def log_lines(self, pattern=""):
        return [line for line in self.log().splitlines() if re.search(pattern, line)]

    def wait_for_log(self, pattern, count=1):
        """Waits until `count` lines match the pattern and returns them."""
        wait_until(
            lambda: len(self.log_lines(pattern)) >= count or self.process.poll() is not None,
            f"{count} x {pattern!r} in the log",
        )
        lines = self.log_lines(pattern)
        assert len(lines) >= count, f"{pattern!r} in:\n{self.log()}"
        return lines

    def send(self, number):
        os.kill(self.pid, number)

    def wait(self, within=TIMEOUT):
        """Waits for its end; returns the exit status, -N for signal N."""
        return self.process.wait(within)

    def end(self, number=signal.SIGTERM):
        """Signals it and returns the exit status."""
        self.send(number)
        return self.wait()

    def is_running(self):
        return self.process.poll() is None

    def kill(self):
        if self.process and self.process.poll() is None:
            kill_tree(self.pid)
        if self.process:
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                if stream:
                    with contextlib.suppress(OSError):
                        stream.close()


class Server(Process):
    """`tcpecho serve`, started and ready.

    arguments: what follows `serve`. prefix: a command to run it under, as ("ip", "netns", "exec", NAME). pass_fds:
    descriptors that it inherits. wait=False: do not wait for readiness, because it is expected not to start. log: a
    file that takes its log and is closed here; by default the log is a file in `directory`. engine: its name, None
    for the default.

    The same holds for all engines: pid is the process that gets the signals, logs and counts, and its children
    serve. With fork, each child has one client. With all other engines the children are workers, which exist with
    and without clients.
    """

    count = 0

    def __init__(
        self,
        program,
        directory,
        arguments,
        prefix=(),
        env=None,
        preexec=None,
        pass_fds=(),
        wait=True,
        log=None,
        engine=None,
    ):
        Server.count += 1
        self.engine = engine or "fork"
        self.log_path = pathlib.Path(directory) / f"serve-{Server.count}.log"
        self.addresses = []
        reader, writer = os.pipe()
        choice = ["--engine", engine] if engine else []
        command = [*prefix, program, "serve", *choice, "--ready-fd", str(writer), *map(str, arguments)]
        try:
            with log or open(self.log_path, "wb") as log:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[writer, *pass_fds],
                    env={**os.environ, **(env or {})},
                    preexec_fn=preexec,
                )
        finally:
            os.close(writer)
        with os.fdopen(reader) as ready:
            if wait:
                self.addresses = ready.read().split()
                if not self.addresses and any("[" in str(word) for word in arguments) and not has_ipv6():
                    import pytest  # only tests use this: ./dev torture runs without pytest

                    self.kill()
                    pytest.skip("this machine has no IPv6")
                assert self.addresses, f"it did not become ready:\n{self.log()}"

    @property
    def family(self):
        return parse_address(self.addresses[0])[0]

    @property
    def address(self):
        """Returns the address to connect to: loopback if the server listens on the wildcard."""
        family, address = parse_address(self.addresses[0])
        if family == socket.AF_INET6 and address[0] == "::":
            return ("::1", address[1])
        if family == socket.AF_INET and address[0] == "0.0.0.0":
            return ("127.0.0.1", address[1])
        return address

    @property
    def port(self):
        return self.address[1]

    def connect(self, timeout=TIMEOUT, **options):
        """Returns a connected socket. rcvbuf=, sndbuf=: buffer sizes, set before connecting."""
        sock = socket.socket(self.family, socket.SOCK_STREAM)
        if self.family != socket.AF_UNIX:
            # Allows a server to listen on its port while it is in TIME_WAIT: some tests leave ten thousand of
            # these.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for name, option in (("rcvbuf", socket.SO_RCVBUF), ("sndbuf", socket.SO_SNDBUF)):
            if name in options:
                sock.setsockopt(socket.SOL_SOCKET, option, options[name])
        sock.settimeout(timeout)
        sock.connect(self.address)
        return sock

    def is_faithful(self, data=b"faithful?\n"):
        """Has a whole conversation as a separate client. Returns whether the echo was complete and correct."""
        with self.connect() as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return recv_all(sock) == data

    def children(self):
        return children_of(self.pid)

    def wait_for_children(self, count):
        """Waits until the server has exactly `count` children and returns them."""
        wait_until(lambda: len(self.children()) == count, f"{count} children")
        return self.children()

    def child_of(self, sock):
        """The pid of the child that serves this client (IPv4 and IPv6)."""
        name = sock.getsockname()
        peer = f"[{name[0]}]:{name[1]}" if sock.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"

        def find():
            return [pid for pid in self.children() if title_of(pid).endswith(f" {peer}")]

        return wait_until(find, f"a child for {peer}")[0]

    # ---- what does not depend on the engine ----

    @property
    def has_workers(self):
        """Returns whether workers serve, and not one child per client."""
        return self.engine != "fork"

    def processes(self):
        return [self.pid, *self.children()]

    def serving_processes(self):
        """Returns the processes that serve clients or may serve them."""
        return self.children()

    def accepting_processes(self):
        """Returns the processes that accept connections; the process that starts the others comes first."""
        return self.processes() if self.has_workers else [self.pid]

    def lasting_processes(self):
        """Returns the processes that exist with and without clients."""
        return self.processes() if self.has_workers else [self.pid]

    def sockets_of_client(self, sock):
        """Returns the processes that have accepted this client, and the descriptors: [(pid, fd)]. For IPv4 and
        IPv6."""
        port, peer_port = sock.getpeername()[1], sock.getsockname()[1]
        ends = [end.inode for end in tcp_sockets() if (end.local_port, end.peer_port) == (port, peer_port)]
        wanted = [f"socket:[{inode}]" for inode in ends if inode != 0]  # 0: the connection is not accepted yet
        held = {pid: descriptors_of(pid) for pid in self.serving_processes()}
        return [(pid, fd) for pid, fds in held.items() for fd, what in fds.items() if what in wanted]

    def socket_of(self, sock):
        """Returns (pid, fd) of the connected socket that serves this client. Works for IPv4 and IPv6."""
        port = sock.getsockname()[1]
        return wait_until(lambda: self.sockets_of_client(sock), f"a process that serves the client on port {port}")[0]

    def process_of(self, sock):
        """The pid of the process that serves this client (IPv4 and IPv6)."""
        return self.socket_of(sock)[0]

    def wait_for_clients(self, count):
        """Waits until the server counts exactly `count` clients."""
        wait_until(lambda: self.totals()["clients"] == count, f"{count} clients")

    def wait_for_rest(self):
        """Waits until the server has no clients and has released everything that belonged to clients."""
        self.wait_for_clients(0)
        if not self.has_workers:
            self.wait_for_children(0)

    def wait_for_the_port(self, children):
        """Waits, after the server was killed, until no child holds the listening sockets. A worker accepts, so it
        has them until it notices the end; a worker of prefork may sleep in a receive for a moment. A child of the
        fork engine never has them."""
        if self.has_workers:
            wait_until(lambda: all(is_gone(child) for child in children), "the workers to end")

    def whole_cpu_seconds(self):
        """Returns the CPU time of all its processes, including reaped ones."""
        return sum(cpu_seconds(pid) for pid in self.processes())

    def whole_memory_kib(self):
        """Returns the anonymous memory of all its processes; shared memory is counted once."""
        return sum(own_memory_kib(pid) for pid in self.processes())

    def stop_all(self, processes=None):
        """Stops these processes with SIGSTOP, all of them if none are given. Returns the stopped processes."""
        processes = self.processes() if processes is None else processes
        for pid in processes:
            stop_process(pid)
        return processes

    def continue_all(self, processes=None):
        for pid in self.processes() if processes is None else processes:
            continue_process(pid)

    @contextlib.contextmanager
    def accept_paused(self):
        """Stops the accepting processes: new connections wait in the accept queue.

        Workers then serve no clients either. With one child per client, existing clients are still served.
        """
        self.stop_all([self.pid])
        processes = self.accepting_processes()  # no process is added from here on
        try:
            self.stop_all(processes)
            yield
        finally:
            self.continue_all(processes)

    def ends(self, count=None):
        """Returns the records of ended clients, as dicts; waits for `count` of them."""
        if count is not None:
            self.wait_for_log(r"^end ", count)
        return [dict(re.findall(r"(\S+?)=(\S+)", line)) for line in self.log_lines(r"^end ")]

    def totals(self):
        """Requests the totals with USR1 and returns them."""
        before = len(self.log_lines(r"^totals "))
        self.send(signal.SIGUSR1)
        line = self.wait_for_log(r"^totals ", before + 1)[-1]
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}


class Talk(Process):
    """`tcpecho talk`. arguments: a Server, or what follows `talk`.

    Standard input is a pipe (`stdin`), input=BYTES or stdin=FILE; standard output is a pipe (`stdout`), or
    stdout=FILE.
    """

    count = 0

    def __init__(self, program, arguments, input=None, stdin=None, stdout=None, env=None, prefix=(), preexec=None):
        words = []
        for argument in arguments:
            words += server_words(argument) if isinstance(argument, Server) else [str(argument)]
        self.input = input
        self.process = subprocess.Popen(
            [*prefix, program, "talk", *words],
            stdin=subprocess.PIPE if stdin is None else stdin,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            preexec_fn=preexec,
        )

    @property
    def stdin(self):
        return self.process.stdin

    @property
    def stdout(self):
        return self.process.stdout

    def finish(self, within=TIMEOUT * 4):
        """Writes the input, if it has one, and waits. Returns (status, output, error text)."""
        output, error = self.process.communicate(self.input, timeout=within)
        return self.process.returncode, output, error.decode(errors="replace")


def server_words(server):
    """HOST and PORT of a server, as words of a command line."""
    if server.family == socket.AF_UNIX:
        return [server.addresses[0]]
    return [server.address[0], str(server.port)]


def cleanup(processes):
    for process in processes:
        process.kill()
