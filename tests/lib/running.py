# SPDX-License-Identifier: MIT
"""Measurements that run beside a test, which stops, crowds or interrupts them."""
import contextlib
import json
import subprocess

from harness import PATIENCE


@contextlib.contextmanager
def running(program, command):
    """Yields a function that starts `tcpecho COMMAND --json WORD...`; what still runs at the end is killed."""
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
    """(document, status, standard error)"""
    output, error = process.communicate(timeout=PATIENCE)
    return json.loads(output), process.returncode, error
