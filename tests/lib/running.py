# SPDX-License-Identifier: MIT
"""Measurements that run while a test stops, disturbs or interrupts them."""
import contextlib
import json
import subprocess

from harness import TIMEOUT


@contextlib.contextmanager
def running(program, command):
    """Yields a function that starts `tcpecho COMMAND --json WORD...`; running commands are killed at the end."""
    processes = []

    def run(*words, **more):
        words = [program, command, "--json", *map(str, words)]
        processes.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more))
        return processes[-1]

    try:
        yield run
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def end(process):
    """Waits and returns (document, status, standard error)."""
    output, error = process.communicate(timeout=TIMEOUT)
    return json.loads(output), process.returncode, error
