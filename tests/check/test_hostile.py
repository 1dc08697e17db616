# SPDX-License-Identifier: MIT
"""Endpoints that try to keep the client: every check ends by its deadline, with little memory, and ^C ends it."""
import contextlib
import os
import re
import signal
import subprocess

import pytest

from faulty_servers import FaultyServer, close_at_once, drip, never_end, never_read
from harness import TIMEOUT, is_gone, proc_text, recv_all, reset, wait_until

# Checks that send and read in every way, and end soon.
CHECKS = "echo,backend,silence,sizes,half-close,fin-only,fin-with-data,ends-with-fin,urgent,pipeline,slow-reader,mtu"
# An endpoint that answers slowly gets the whole time of each check.
FEW = "echo,half-close,fin-with-data,urgent"

VERDICTS = ("PASS", "WARN", "FAIL", "SKIP")
MEMORY_KIB = 64 * 1024


def send_for_ever(sock):
    piece = bytes(1 << 16)
    while True:
        sock.sendall(piece)


def send_a_gigabyte_first(sock):
    piece = b"220 " * (1 << 18)
    for _ in range(1024):
        sock.sendall(piece)
    recv_all(sock)


HOSTILE = {
    "sends for ever": (send_for_ever, CHECKS),
    "sends a gigabyte first": (send_a_gigabyte_first, CHECKS),
    "never closes": (never_end, CHECKS),
    "closes at once": (close_at_once, CHECKS),
    "resets at once": (reset, CHECKS),
    "never reads": (never_read, CHECKS),
    "trickles": (drip(0.2), FEW),
}


def peak_kib(pid):
    """The largest resident memory so far, in KiB; 0: the program has not begun, or has ended."""
    with contextlib.suppress(OSError):
        if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "tcpecho":
            match = re.search(r"^VmHWM:\s*(\d+)", proc_text(pid, "status"), re.MULTILINE)
            return int(match.group(1)) if match else 0
    return 0


def start_check(program, server, checks, *more):
    command = [program, "check", "--only", checks, "--timeout", "500ms", *more, *server.words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("name", HOSTILE)
def test_every_check_ends_and_uses_little_memory(program, sanitized, tmp_path, name):
    treatment, checks = HOSTILE[name]
    output = tmp_path / "verdicts"
    peaks = [0]
    with FaultyServer(treatment) as server, start_check(program, server, checks, "--output", output) as process:
        # ru_maxrss would contain the memory of this process, before execve(2).
        wait_until(lambda: peaks.append(peak_kib(process.pid)) or is_gone(process.pid), "the checks to end")
        process.wait()
    # A reset can arrive before the first connection counts as made: status 3.
    assert process.returncode in {"resets at once": (1, 3)}.get(name, (0, 1))
    if process.returncode != 3:
        lines = [line.split() for line in output.read_text().splitlines() if line[:4] in VERDICTS]
        assert {words[1] for words in lines} == set(checks.split(","))
        assert max(peaks) > 0
    assert sanitized or max(peaks) < MEMORY_KIB


@pytest.mark.parametrize("name", ["sends for ever", "never reads", "trickles"])
def test_an_interrupt_ends_it_at_once(program, name):
    """With waits of an hour: only the interrupt can end it."""
    treatment, _ = HOSTILE[name]
    with FaultyServer(treatment) as server, start_check(program, server, "half-close", "--timeout", "1h") as process:
        wait_until(lambda: len(server.connected) >= 2, "the first checks")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == 128 + signal.SIGINT or process.returncode == -signal.SIGINT
