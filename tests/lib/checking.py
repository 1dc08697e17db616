# SPDX-License-Identifier: MIT
"""Runs `tcpecho check` and reads its verdicts."""
import json
import subprocess

from harness import TIMEOUT


class Verdicts:
    """The verdicts of one run, by the name of the check."""

    def __init__(self, status, document):
        self.status = status
        self.checks = {check["name"]: check for check in document["checks"]}

    def names(self, verdict):
        return {name for name, check in self.checks.items() if check["verdict"] == verdict}

    def of(self, name):
        return self.checks[name]["verdict"]

    def actual(self, name):
        return self.checks[name]["actual"]


def check(program, host, port, checks, timeout="3s", more=(), prefix=(), within=2 * TIMEOUT):
    """Runs these checks (names, separated by spaces) and returns their verdicts.

    The command first connects once. A server that resets at once can do so before that connection counts as made: then
    the command ends with status 3, and is run again.
    """
    command = [*prefix, program, "check", "--only", checks.replace(" ", ","), "--timeout", timeout, "--format", "json", *more]
    for _ in range(50):
        done = subprocess.run([*command, host, str(port)], capture_output=True, timeout=within, check=False)
        if done.returncode != 3 or b"connection reset" not in done.stderr:
            break
    assert done.returncode in (0, 1), (done.returncode, done.stdout, done.stderr)
    return Verdicts(done.returncode, json.loads(done.stdout))
