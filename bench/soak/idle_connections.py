# SPDX-License-Identifier: MIT
"""Very many idle connections at once on one server, each with an echo before and an echo after.

Descriptors are limited per process, so both ends have several processes: workers, where the engine has them, and
processes of ../load.c (in mode idle), whose source addresses have enough ports. While all are connected, the server
reports their number, and the memory per connection is read: the server's own, and the machine's, which includes
both ends. Then, after --hold if given, every client sends once more and closes. No descriptor and no process may be
left behind.
"""
import json
import pathlib
import re
import resource
import select
import subprocess
import tempfile
import time

from harness import Server, wait_until
from shortages import all_descriptors_at_rest

LOAD = pathlib.Path(__file__).resolve().parents[1] / "load.c"

# Bytes of a message, each way, twice.
SIZE = 64

# Descriptors of a process that are not for connections.
SPARE = 200

# Seconds without any progress after which the run fails: the last echoes of all connections come at once.
TIMEOUT = 120

# The run must not exhaust the machine: less free memory than this ends it.
MEMORY_LEAST_KIB = 3 << 20

# Fewer connections take too little of the machine's memory for a figure of it, so nothing is waited for.
MEASURABLE = 10_000

# The machine is at rest when no more than this amount has been freed in two seconds.
SETTLED_KIB = 8 << 10

# Maximum number of characters of the server's log in the reason of a failed run.
LOG_MAX = 2000

# Engines whose number of workers can be set.
WITH_WORKERS = ("thread", "epoll", "uring")


def available_kib():
    return int(re.search(r"^MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M).group(1))


def settle():
    """Waits until the machine has got back the memory that other processes have just released."""
    before, now = 0, available_kib()
    while now > before + SETTLED_KIB:
        time.sleep(2)
        before, now = now, available_kib()


def parts(count):
    """Returns the number of connections for each process: as many processes as the descriptor limit requires."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE
    n = -(-count // limit)
    return [count // n + (i < count % n) for i in range(n)]


class IdleConnections:
    """One run: `with IdleConnections(options) as idle: idle.run()`."""

    def __init__(self, options):
        self.count, self.engine, self.program = options.idle.value, options.engine, options.program
        self.text = f"./dev soak --idle {options.idle.text}"
        self.hold = options.hold.value if options.hold else 0
        self.text += f" --hold {options.hold.text}" if options.hold else ""
        self.text += "" if self.engine == "fork" else f" --engine {self.engine}"
        self.failure = self.server = None
        self.loads, self.figures = [], {}

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.load = pathlib.Path(self.directory.name) / "load"
        subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", "-o", self.load, LOAD], check=True)
        return self

    def __exit__(self, *_):
        for load in self.loads:
            load.kill()
            load.wait()
        if self.server:
            self.server.kill()
        self.directory.cleanup()

    def start(self):
        workers = ["-w", max(2, len(parts(self.count)))] if self.engine in WITH_WORKERS else []
        self.server = Server(
            self.program,
            self.directory.name,
            [*workers, "-m", self.count, "-q", "127.0.0.1:0"],
            engine=self.engine,
            prefix=("setpriv", "--pdeathsig", "KILL"),
        )
        return self.server

    def run(self):
        """Returns whether the run passed."""
        try:
            self.come_and_go(self.start())
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            self.failure = f"{error}\n{self.server.log()[-LOG_MAX:]}"
        except KeyboardInterrupt:
            self.failure = "interrupted"
        return self.failure is None

    def come_and_go(self, server):
        at_rest = all_descriptors_at_rest(server)
        if self.count >= MEASURABLE:
            settle()
        started = time.monotonic()
        own_kib, free_kib = server.whole_memory_kib(), available_kib()
        self.gather(server)
        self.figures["seconds to come"] = time.monotonic() - started
        # A client may have its echo a moment before the server counts it.
        wait_until(lambda: server.totals()["out"] == SIZE * self.count, "every echo to be counted")
        there = server.totals()
        assert (there["clients"], there["accepted"]) == (self.count, self.count), f"not all are there: {there}"
        self.figures["bytes of the server"] = (server.whole_memory_kib() - own_kib) * 1024 / self.count
        if self.count >= MEASURABLE:
            self.figures["KiB of the machine"] = (free_kib - available_kib()) / self.count
        self.figures["processes of the server"] = len(server.processes())

        time.sleep(self.hold)
        stayed = server.totals()
        assert stayed == there, f"they were left in peace, but not all have stayed: {stayed}"
        self.part()
        wait_until(lambda: server.totals()["clients"] == 0, "the last to go", TIMEOUT)
        gone = server.totals()
        wanted = {"accepted": self.count, "ended": self.count, "killed": 0, "turned_away": 0}
        wanted |= {"in": 2 * SIZE * self.count, "out": 2 * SIZE * self.count}
        assert {name: gone[name] for name in wanted} == wanted, f"it does not add up: {gone}"
        assert all_descriptors_at_rest(server) <= at_rest, "descriptors are left behind"
        status = server.end()
        assert status == 0, f"the server ended with status {status}"
        assert not server.log_lines("warning|error"), server.log_lines("warning|error")[0]
        self.figures["seconds"] = time.monotonic() - started

    def gather(self, server):
        """Opens all connections; each has had an echo."""
        for share in parts(self.count):
            words = ["idle", "-p", server.port, "-c", share, "-s", SIZE, "-i", TIMEOUT]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self.loads.append(subprocess.Popen([self.load, *map(str, words)], text=True, **pipes))
        waiting = {load.stdout for load in self.loads}
        while waiting:
            for file in select.select(waiting, [], [], 1)[0]:
                line = file.readline()
                assert line == "held\n", f"a client says: {line}"
                waiting.remove(file)
            assert server.is_running(), f"the server ended with status {server.wait()}:\n{server.log()}"
            free_kib = available_kib()
            assert free_kib >= MEMORY_LEAST_KIB, f"only {free_kib:,} KiB of memory are left: {server.totals()}"

    def part(self):
        """Each connection has one more echo, and closes."""
        for load in self.loads:
            load.stdin.close()
        for load in self.loads:
            line = load.stdout.read()
            assert line and json.loads(line)["error"] is None, f"a client says: {line}"

    # ---- what came of it ----

    def summary(self):
        for name, value in self.figures.items():
            yield f"{name}: {value:,.1f}" if isinstance(value, float) else f"{name}: {value:,}"
        if self.failure:
            yield f"FAILED: {self.failure}"

    def row(self):
        """Returns the entry in docs/records/figures for a run that passed."""
        figures = self.figures
        stay = f" for {self.hold:,} s" if self.hold else ""
        machine = figures.get("KiB of the machine")
        of_machine = f", {machine:,.1f} KiB of the machine's for both ends" if machine is not None else ""
        return {
            "promise": f"{self.count:,} idle connections at once{stay}, each with an echo before and after "
            f"(engine {self.engine})",
            "evidence": f"{self.text}: all there after {figures['seconds to come']:,.0f} s, gone after "
            f"{figures['seconds']:,.0f} s; {figures['processes of the server']} processes of the server, "
            f"{len(self.loads)} of clients",
            "result": f"0 errors; {figures['bytes of the server']:,.0f} bytes of the server's memory for each"
            f"{of_machine}; all is given back: "
            "0 descriptors, 0 clients left",
        }
