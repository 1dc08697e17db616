# SPDX-License-Identifier: MIT
"""Runs a client beside a server from servers.py, on the other core, and reads its result."""
import json
import os
import pathlib
import resource
import subprocess
import time

LONGEST = 120  # seconds: only a hang takes longer


def two_cores():
    """Returns (the server's core, the client's); None if there is only one. The last two cores: devices often
    interrupt the first ones."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[-2:] if len(cores) > 1 else (None, None)


def start(words, core):
    """Starts the client on its core, with the maximum number of descriptors."""

    def prepare():
        if core is not None:
            os.sched_setaffinity(0, {core})
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    words = [str(word) for word in words]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=prepare)


def finish(process):
    """Returns (output, None), or (None, a sentence)."""
    try:
        output, error = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None, f"it had not ended after {LONGEST} s"
    if process.returncode != 0:
        said = (error.strip() or output.strip() or "it said nothing").splitlines()[-1]
        return None, f"status {process.returncode}: {said}"
    return output, None


def run(words, core):
    return finish(start(words, core))


def json_of(words, core):
    """Returns the JSON document that it prints, or {"error": a sentence} if it prints none."""
    output, error = run(words, core)
    return {"error": error} if error else json.loads(output) | {"error": None}


# ---- other processes on the machine ----

TICKS = os.sysconf("SC_CLK_TCK")


def busy_seconds():
    """Returns the CPU time of everything on this machine, all cores together."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, pathlib.Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / TICKS


def ended_seconds():
    """Returns the CPU time of our ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Others:
    """CPU use of everything except a server and the clients that end meanwhile."""

    def __init__(self, server):
        self.server, self.since = server, time.monotonic()
        self.before = self.used()

    def used(self):
        return busy_seconds() - self.server.cpu_seconds() - ended_seconds()

    def share(self):
        """Returns it as a share of one core."""
        return max(self.used() - self.before, 0) / (time.monotonic() - self.since)


def where(server):
    return [server.address, str(server.port)]


def bench_words(program, server, *options):
    return [program, "bench", "--json", "--quiet", *options, *where(server)]


def ping_words(program, server, *options):
    return [program, "ping", "--json", "--quiet", *options, *where(server)]
