# SPDX-License-Identifier: MIT
"""Commands that run while a test stops, disturbs or interrupts them."""
import contextlib
import json
import subprocess

from harness import TIMEOUT


@contextlib.contextmanager
def running(program, *first, **defaults):
    """Yields a function that starts `tcpecho FIRST... WORD...` with pipes; running commands are killed at the end."""
    processes = []
    defaults = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **defaults}

    def run(*words, prefix=(), **more):
        command = [*prefix, program, *map(str, (*first, *words))]
        processes.append(subprocess.Popen(command, **{**defaults, **more}))
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
