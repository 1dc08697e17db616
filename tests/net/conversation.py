# SPDX-License-Identifier: MIT
"""One conversation over a bad network: `tcpecho serve` on one host, `tcpecho talk` on the other, a box between."""
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import re
import signal
import tempfile
import threading
import time

import pytest

import hosts
import judge
from box import Box, Cut, Deed, FirstDropped, Forger, Vanish
from bulk import Feeder
from harness import TIMEOUT, Server, Talk, cleanup, continue_process, proc_state, stop_process, wait_until
from packets import FIN, SYN
from shortages import descriptors_at_rest
from streams import pattern

# Seconds for a server to notice its client's end. After that, if it has no timeout, the test ends it.
GRACE = 1.0

NO_CONNECTION = 3  # an exit status of talk

FLAGS = {"SYN": SYN, "FIN": FIN}


@dataclasses.dataclass
class Seen:
    """The observations of a conversation."""

    data: bytes = b""
    # talk's results
    status: int = 0
    output: bytes = b""
    error: str = ""
    # the server's results
    ends: list = dataclasses.field(default_factory=list)  # its records of clients
    totals: dict = dataclasses.field(default_factory=dict)  # the last totals
    end_requested: bool = False  # before a record was logged
    server_status: int = 0
    left_behind: list = dataclasses.field(default_factory=list)  # children and descriptors, afterwards
    log: str = ""
    # the network's results
    box: Box = None
    checksum_errors: int = 0  # segments that a kernel discarded


def run(plan, program, tell=None):
    """Carries out a plan and judges it: returns an Outcome. tell: see Box."""
    started = time.monotonic()
    outcome = judge.Outcome(plan)
    seen = Seen(data=pattern(plan.size, plan.seed))
    try:
        with tempfile.TemporaryDirectory() as directory:
            converse(plan, program, pathlib.Path(directory), seen, tell)
        judge.judge(plan, seen, outcome)
    except pytest.skip.Exception as reason:
        outcome.skipped = str(reason)
    except Exception as error:  # a hang, or a fault of this harness: none may be lost
        outcome.problems.append(f"{type(error).__name__}: {error}")
    if seen.box:
        outcome.counts = dict(seen.box.counts)
    outcome.checksum_errors = seen.checksum_errors
    outcome.said = f"status {seen.status} {seen.error.strip()}".strip()
    outcome.log = seen.log
    outcome.seconds = time.monotonic() - started
    return outcome


def converse(plan, program, directory, seen, tell):
    """Sets up both hosts and both programs, from the first packet to the last process."""
    with hosts.host(hosts.SERVER, plan.server._replace(rules=rules_of(plan))) as far:
        server = Server(program, directory, serve_words(plan))
        parties = {"server": server}
        try:
            at_rest = descriptors_at_rest(server)
            with hosts.host(hosts.CLIENT, plan.client) as near:
                seen.box = Box((near, far), plan.impairment, plan.seed, interferences(plan, parties), tell)
                with seen.box:
                    talk_to_the_end(plan, program, directory, parties, seen)
                    end_server(plan, server, at_rest, seen)
                seen.checksum_errors += hosts.checksum_errors()
            seen.checksum_errors += hosts.checksum_errors()
        finally:
            cleanup(parties.values())
            seen.log = server.log()
        seen.ends = server.ends()
        last = server.log_lines(r"^totals ")[-1]
        seen.totals = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", last)}


# ---- the client ----


def talk_to_the_end(plan, program, directory, parties, seen):
    """Runs talk and acts as its user: writes its input, or reads its output late."""
    words = ["--timeout", seconds(plan.timeout)] if plan.timeout else []
    with contextlib.ExitStack() as stack:
        streams = {}
        if not plan.lines:
            (directory / "input").write_bytes(seen.data)
            streams["stdin"] = stack.enter_context(open(directory / "input", "rb"))
        if not plan.reader_pause:
            streams["stdout"] = stack.enter_context(open(directory / "output", "wb"))
        client = Talk(program, [*words, address(plan), hosts.PORT], **streams)
        parties["talk"] = client
        feeder = Feeder(client.stdin, lambda file: type_lines(file, seen.data, plan)) if plan.lines else None
        reader = LateReader(client.stdout, plan.reader_pause) if plan.reader_pause else None
        seen.status = client.wait(TIMEOUT * 2)
        seen.error = client.process.stderr.read().decode(errors="replace")
        if feeder:
            feeder.join(TIMEOUT)
        if reader:
            reader.join(TIMEOUT)
    seen.output = bytes(reader.data) if reader else (directory / "output").read_bytes()


def type_lines(file, data, plan):
    """Writes the data in plan.lines parts, with a pause between them."""
    size = -(-len(data) // plan.lines)
    for number in range(plan.lines):
        if number > 0:
            time.sleep(plan.pause)
        file.write(data[number * size : (number + 1) * size])
        file.flush()


class LateReader(threading.Thread):
    """Reads a pipe to its end, but begins late; until then the pipe has the minimum size."""

    def __init__(self, pipe, pause):
        super().__init__()
        self.pipe, self.pause = pipe, pause
        self.data = bytearray()
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, os.sysconf("SC_PAGE_SIZE"))
        self.start()

    def run(self):
        time.sleep(self.pause)
        while piece := os.read(self.pipe.fileno(), 1 << 16):
            self.data += piece


# ---- the server ----


def serve_words(plan):
    host = address(plan)
    idle = ["--idle-timeout", seconds(plan.idle_timeout)] if plan.idle_timeout else []
    return [*idle, "--drain-timeout", "0s", f"[{host}]:{hosts.PORT}" if ":" in host else f"{host}:{hosts.PORT}"]


def end_server(plan, server, at_rest, seen):
    """Waits for the client's record, checks what is left behind, and ends the server."""
    children = server.children()
    await_record(plan, server, seen)
    if server.ends():
        now = descriptors_at_rest(server)
        seen.left_behind = [what for fd, what in now.items() if at_rest.get(fd) != what]
    else:
        seen.end_requested = True
    children += server.children()
    seen.server_status = server.end()
    seen.left_behind += [f"child {pid}" for pid in children if proc_state(pid)]


def await_record(plan, server, seen):
    """Waits for the record of the client, unless it may never come because the server cannot notice the client's
    end."""
    may_never_come = plan.trouble.lasts and plan.trouble.kind != "server reboots" and not plan.idle_timeout
    grace = 0.0 if seen.status == NO_CONNECTION else GRACE
    deadline = time.monotonic() + grace

    def is_over():
        return server.ends() or (time.monotonic() > deadline and (may_never_come or not server.children()))

    wait_until(is_over, "the record of the client")


# ---- trouble ----


def rules_of(plan):
    """Returns the nft(8) rules of the server's host."""
    trouble = plan.trouble
    if trouble.kind == "quota":
        return (f"tcp dport {hosts.PORT} quota over {trouble.at} bytes drop",)
    if trouble.kind == "reject":
        return (f"tcp dport {hosts.PORT} reject with {trouble.rule}",)
    return ()


def interferences(plan, parties):
    """Returns the deliberate interferences of the box. parties: "server" and, once it runs, "talk"."""
    trouble = plan.trouble
    place = (trouble.way, trouble.at)
    if trouble.kind in FLAGS:
        return [FirstDropped(FLAGS[trouble.kind], trouble.way, trouble.count)]
    if trouble.kind == "vanish":
        return [Vanish(*place)]
    if trouble.kind == "one way":
        return [Vanish(*place, ways=[trouble.way])]
    if trouble.kind == "cut":
        return [Cut(*place)]
    if trouble.kind == "forge":
        return [Forger(*place)]
    if trouble.kind == "server reboots":
        return [Deed(*place, lambda: reboot(parties["server"].children()))]
    if trouble.kind == "client reboots":
        return [Deed(*place, lambda: reboot([parties["talk"].pid]))]
    return []


def reboot(pids):
    """Simulates a reboot of the host for the peer: the processes vanish, and no packet shows it.

    Returns whether any of them had a connection yet.
    """
    rebooted = []
    for pid in pids:
        stop_process(pid)  # while its connection is being removed, a send would fail
        if not hosts.forget_connection(pid):
            continue_process(pid)
            continue
        rebooted.append(pid)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: proc_state(pid) in ("Z", ""), f"{pid} to end")
    return rebooted != []


# ---- words ----


def address(plan):
    return hosts.ADDRESSES[plan.family][hosts.SERVER]


def seconds(value):
    return f"{value:g}s"
