# SPDX-License-Identifier: MIT
"""Signals: their dispositions in a process, processes that are stopped or interrupted, and storms."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from harness import TIMEOUT, proc_state, proc_text, wait_until

# The slow calls (signal(7)), which a signal with a handler would interrupt. A question mark marks calls that some
# architectures do not have.
SLOW_CALLS = "?poll,?ppoll,accept4,recvfrom,sendto,read,write"

# Seconds for which a process in a storm is stopped, and maximum between two stops.
STORM_STEP = 0.001


@contextlib.contextmanager
def stopped(pid):
    """Stops the process until the block ends."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: proc_state(pid) == "T", f"{pid} to stop")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def signals_in(pid, field):
    """A set of signals in /proc/PID/status: SigBlk (blocked), SigIgn (ignored) or SigCgt (has a handler)."""
    bits = int(re.search(rf"^{field}:\s+(\S+)", proc_text(pid, "status"), re.MULTILINE).group(1), 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}


def ignore_all():
    """In the child, before exec: ignores every signal that can be ignored."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)


def block_all():
    """In the child, before exec: blocks every signal that can be blocked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


@contextlib.contextmanager
def injected(pid, injection):
    """Injects with strace(1) into the process and into the processes that it forks meanwhile."""
    strace = shutil.which("strace") or pytest.skip("needs strace")
    command = [strace, "-f", "-qqq", "-o", os.devnull, "-e", f"inject={injection}"]
    tracer = subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: is_traced(pid) or tracer.poll() is not None, "strace")
        if not is_traced(pid):
            pytest.skip(f"cannot trace: {tracer.stderr.read().strip()}")
        yield
    finally:
        tracer.terminate()
        tracer.communicate(timeout=TIMEOUT)


def interrupted(pid):
    """Makes every second slow call of the process, and of processes that it forks meanwhile, fail with EINTR.

    This needs a tracer: the process has no signal handlers, so no signal causes EINTR.
    """
    return injected(pid, f"{SLOW_CALLS}:error=EINTR:when=1+2")


def slow_to_close(pid):
    """Half a second passes before every close(2) of the process."""
    return injected(pid, "close:delay_enter=500000")


def is_traced(pid):
    return re.search(r"^TracerPid:\s+[1-9]", proc_text(pid, "status"), re.MULTILINE) is not None


class Storm(threading.Thread):
    """Stops, continues and signals processes, round after round, until the block ends.

    targets: pid -> signals to send in each round besides SIGSTOP and SIGCONT. A pidfd refers to each process, so
    that no other process gets a signal if the pid is reused.
    """

    def __init__(self, targets):
        super().__init__(daemon=True)
        self.targets = {os.pidfd_open(pid): signals for pid, signals in targets.items()}
        self.rounds = 0
        self.is_over = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.join(TIMEOUT)
        for process in self.targets:
            self.send(process, signal.SIGCONT)
            os.close(process)

    def run(self):
        while not self.is_over.is_set():
            for process, signals in self.targets.items():
                for number in (*signals, signal.SIGSTOP):
                    self.send(process, number)
            time.sleep(STORM_STEP)
            for process in self.targets:
                self.send(process, signal.SIGCONT)
            time.sleep(STORM_STEP)
            self.rounds += 1

    @staticmethod
    def send(process, number):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, number)
