#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the fork engine with a textbook server and with what Debian packages, A B C A B C.

Each measurement starts a new server on one core and a client on another, which verifies every byte. Each round
measures all servers once, so that a disturbance of the machine affects all of them.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import record  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402

WARMUP = 0.3

# Descriptors that a process of clients needs besides its connections.
OWN_DESCRIPTORS = 64

# Processes that a server and its clients need besides the children, and that other programs may start meanwhile.
OWN_PROCESSES = 256

# Number of clients that every server accepts by default.
FEW_CLIENTS = 1000

# Size of the arrays in load.c.
MOST_OF_A_CLIENT = 32000


class Case(NamedTuple):
    """A measurement: arguments of load.c, and its figures, the most important first."""

    title: str
    words: str
    figures: tuple
    baseline: str = "textbook"
    most_rounds: int = 1000
    spread: bool = False  # uses all cores: server and client are not pinned


def idle_case(clients):
    return Case(
        f"{clients:,} idle clients at once: memory for each, after one echo of 64 B",
        f"idle -c {clients}",
        ("whole_kib", "own_kib", "page_tables_kib"),
        most_rounds=3,
    )


CASES = {
    "connect": Case("connect, echo of 64 B, close; 32 under way", "connect -c 32", ("per_second", "cpu_us")),
    "latency": Case("round trip, 1 connection x 64 B", "rr -c 1", ("p50_us", "p99_us", "cpu_us")),
    "echoes": Case("echoes, 64 connections x 64 B", "rr -c 64", ("cpu_us", "per_second", "p99_us")),
    # The book's own server waits 40 ms for each message here (Nagle): a comparison with it would be too easy.
    "bulk": Case(
        "echoes, 16 connections x 64 KiB",
        "rr -c 16 -s 65536",
        ("per_second", "cpu_us", "p99_us"),
        baseline="textbook-tuned",
    ),
    "memory": Case(
        "memory of an idle child, after one echo of 64 B", "idle -c 16", ("own_kib", "pss_kib", "page_tables_kib")
    ),
    "idle": idle_case(18000),
}


class Peer(NamedTuple):
    """A server in bench/peers that needs a library: how it is built, and the package of the library."""

    name: str
    library: tuple = ()
    needs: str = "/usr/include/errno.h"
    package: str = "libc6-dev"


PEERS = (
    Peer("bare-epoll"),
    Peer("bare-ping"),
    Peer("bare-client"),
    Peer("delay-echo", ("-lm",)),
    Peer("stamps"),
    Peer("bare-uring", ("-luring",), "/usr/include/liburing.h", "liburing-dev"),
    Peer("liburing-echo", ("-luring",), "/usr/include/liburing.h", "liburing-dev"),
    Peer("libuv-echo", ("-luv",), "/usr/include/uv.h", "libuv1-dev"),
    Peer("libevent-echo", ("-levent",), "/usr/include/event2/event.h", "libevent-dev"),
)


def is_older(program, source):
    return not program.exists() or program.stat().st_mtime < source.stat().st_mtime


def build_peers(directory):
    """Builds the peers in bench/peers. Returns a sentence for each one that cannot be built."""
    directory.mkdir(parents=True, exist_ok=True)
    missing = []
    for peer in PEERS:
        source, program = servers.PEERS / f"{peer.name}.c", directory / peer.name
        if not pathlib.Path(peer.needs).exists():
            missing.append(f"{peer.name}, for {peer.package} is not installed")
        elif is_older(program, source):
            subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", "-o", program, source, *peer.library], check=True)
    source, program = servers.PEERS / "go-echo.go", directory / "go-echo"
    if shutil.which("go") is None:
        missing.append("go-echo, for golang-go is not installed")
    elif is_older(program, source):
        cache = {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOCACHE": str(directory / "go-cache")}
        subprocess.run(["go", "build", "-o", program, source], check=True, env={**os.environ, **cache})
    return missing


def build(directory):
    """Builds the client and the textbook's servers, with a plain gcc -O2."""
    directory.mkdir(parents=True, exist_ok=True)
    textbook = servers.PEERS / "textbook.c"
    for name, source, options in (
        ("load", ROOT / "bench" / "load.c", ["-D_GNU_SOURCE"]),
        ("textbook", textbook, []),
        ("textbook-static", textbook, ["-static"]),
        ("textbook-tuned", textbook, ["-DTUNED"]),
    ):
        program = directory / name
        if is_older(program, source):
            subprocess.run(["gcc", "-O2", *options, "-o", program, source], check=True)
    return directory


class Bench:
    """Paths, and the cores of server and client."""

    def __init__(self, directory, scratch, seconds):
        self.load = directory / "load"
        self.scratch, self.seconds = scratch, seconds
        cores = sorted(os.sched_getaffinity(0))
        # The last two cores: devices often interrupt the first ones.
        self.server_core, self.client_core = cores[-2:] if len(cores) > 1 else (None, None)

    def pin_client(self):
        if self.client_core is not None:
            os.sched_setaffinity(0, {self.client_core})

    def client(self, server, words):
        """Starts a client of this server."""
        return subprocess.Popen(
            [str(self.load), *words, "-a", server.address, "-p", str(server.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=self.pin_client,
        )

    def measure(self, kind, case):
        """Makes one measurement; "error" says why it failed."""
        mode, _, count, *_ = case.words.split()
        clients = int(count) if mode == "idle" or int(count) > FEW_CLIENTS else 0
        try:
            with servers.RunningServer(kind, self.scratch, self.server_core, clients) as server:
                result = self.hold(server, clients) if mode == "idle" else self.load_for_a_while(server, case.words)
                if result["error"] and not server.is_running():
                    result["error"] += f" (the server ended: {server.last_words()})"
                return result
        except (RuntimeError, AssertionError) as error:
            return {"error": str(error)}

    def load_for_a_while(self, server, words):
        """Returns the result of load.c."""
        words = [*words.split(), "-w", str(WARMUP), "-t", str(self.seconds)]
        if server.cgroup:
            words += ["-u", str(server.cgroup.cpu_stat)]
        output, _ = self.client(server, words).communicate()
        return json.loads(output)

    def hold(self, server, clients):
        """Measures memory per idle client. Every client is served before and after."""
        self.before_holding(server)
        before = server.memory_kib()
        each = most_of_a_client()
        shares = [min(each, clients - first) for first in range(0, clients, each)]
        holders = [self.client(server, ["idle", "-c", str(share)]) for share in shares]
        lines = [holder.stdout.readline() for holder in holders]
        result = {"clients": clients}
        if all(line == "held\n" for line in lines):
            result |= self.memory_held(server, clients)
            if before is not None:
                result["whole_kib"] = (server.memory_kib() - before) / clients
            lines = [holder.communicate()[0] for holder in holders]
        else:
            for holder in holders:
                holder.communicate()
        errors = [json.loads(line)["error"] for line in lines if line != "held\n"]
        return result | {"error": next(filter(None, errors), None)}


    def before_holding(self, server):
        servers.wait_until(lambda: not server.descendants(), "the first child to be reaped")

    def memory_held(self, server, clients):
        return servers.memory_of_children(server, clients)


def most_of_a_client():
    """Returns the number of connections that one client process can hold."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_OF_A_CLIENT if hard == resource.RLIM_INFINITY else min(hard - OWN_DESCRIPTORS, MOST_OF_A_CLIENT)


def most_idle_clients():
    """Returns the number of children for which the machine has room, and the limit that sets it. Clients can be
    spread over many processes."""
    tasks = int(pathlib.Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    limits = []
    for name in ("pid_max", "threads-max"):
        value = int(pathlib.Path("/proc/sys/kernel", name).read_text())
        limits.append((value - tasks - OWN_PROCESSES, f"kernel.{name} is {value:,}, {tasks} in use"))
    return min(limits)


# The maximum of --max-clients.
MORE_THAN_ANY = 4000000


def what_tcpecho_allows(program):
    """Returns tcpecho's refusal of more clients than any machine has room for. It names the limit and what sets it."""
    command = [program, "serve", "--max-clients", str(MORE_THAN_ANY), "127.0.0.1:0"]
    return subprocess.run(command, capture_output=True, text=True, timeout=5).stderr.strip()


def run_case(bench, name, case, kinds, rounds):
    """Returns name of a server -> its measurements. After a failure, a server is not measured again."""
    kinds = [kind for kind in kinds if not kind.cases or name in kind.cases]
    results = {kind.name: [] for kind in kinds}
    rounds = min(rounds, case.most_rounds)
    for number in range(rounds):
        for kind in kinds:
            if any(result["error"] for result in results[kind.name]):
                continue
            report.progress(f"{name}: round {number + 1} of {rounds}, {kind.name}")
            results[kind.name].append(bench.measure(kind, case))
    return results


def named_program(text):
    name, equals, path = text.rpartition("=")
    path = pathlib.Path(path).resolve()
    if not os.access(path, os.X_OK):
        raise argparse.ArgumentTypeError(f"{path} is not a program")
    return (name if equals else path.name, path)


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which ones: {', '.join(CASES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="measurements of each server (7)")
    parser.add_argument("--seconds", type=float, default=1, metavar="T", help="length of a measurement (1)")
    parser.add_argument("--only", metavar="NAME,...", help="only these servers")
    parser.add_argument(
        "--program",
        action="append",
        type=named_program,
        metavar="[NAME=]PATH",
        help="a build of tcpecho instead of build/tcpecho; may be given again to compare builds",
    )
    parser.add_argument("--idle", type=int, metavar="N", help="clients of the case idle (18000)")
    parser.add_argument("--record", action="store_true", help="write docs/records/fork-engine.md and what belongs to it")
    options = parser.parse_args()
    if options.record and (options.cases or options.program or options.only):
        parser.error("--record is for a run of everything")
    for case in options.cases:
        if case not in CASES:
            parser.error(f"no case {case}: {', '.join(CASES)}")
    return parser, options


def programs(options):
    """Returns the builds of tcpecho: (name, path)."""
    return options.program or [("tcpecho", ROOT / "build" / "tcpecho")]


def choose(parser, options, directory):
    """Returns the servers to compare: the requested ones that are installed."""
    kinds = servers.all_kinds(directory, programs(options))
    if options.only:
        names = options.only.split(",")
        for name in set(names) - {kind.name for kind in kinds}:
            parser.error(f"no server {name}: {', '.join(kind.name for kind in kinds)}")
        # Builds given with --program always take part.
        kinds = [kind for kind in kinds if kind.name in names or kind.name in dict(options.program or [])]
    for kind in kinds:
        if not servers.is_there(kind):
            print(f"left out: {kind.name}, for {kind.needs} is not installed")
    return [kind for kind in kinds if servers.is_there(kind)]


def main():
    servers.end_on_term()
    parser, options = parse()
    servers.adopt_orphans()
    directory = build(ROOT / "build" / "bench")
    kinds = choose(parser, options, directory)
    if why := servers.why_no_cgroup():
        print(f"left out: CPU time and whole memory, for there is no cgroup: {why}")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="tcpecho-bench-"))
    try:
        bench = Bench(directory, scratch, options.seconds)
        most, why = most_idle_clients()
        limit = f"{most:,} ({why}); {what_tcpecho_allows(programs(options)[0][1])}"
        CASES["idle"] = idle_case(min(options.idle or 18000, most))
        results = {}
        for name in options.cases or CASES:
            results[name] = run_case(bench, name, CASES[name], kinds, options.rounds)
            report.print_case(CASES[name], results[name])
        command = f"./dev bench --rounds {options.rounds} --seconds {options.seconds:g}"
        whole = record.Record(CASES, kinds, results, command, limit)
        whole.print_summary()
        if options.record:
            whole.write()
        return 1 if whole.failures() else 0
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
