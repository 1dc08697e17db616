# SPDX-License-Identifier: MIT
"""`tcpecho report` for the tests in this folder."""
import os
import re
import subprocess

import pytest

from harness import TIMEOUT


@pytest.fixture
def report(program, tmp_path):
    """report("show", path) returns (status, output, error text)."""

    def run(*words, stdin=None, **more):
        with open(stdin or os.devnull, "rb") as given:
            done = subprocess.run([program, "report", *map(str, words)], stdin=given, capture_output=True, cwd=tmp_path,
                                  timeout=TIMEOUT, **more)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


@pytest.fixture
def refusal(report):
    """Returns the one sentence of status 2, and asserts that standard output is empty."""

    def run(*words, **more):
        status, output, error = report(*words, **more)
        assert (status, output) == (2, ""), (status, output, error)
        assert re.fullmatch(r"tcpecho: [^\n\x00-\x1f\x7f]+\n", error), repr(error)
        return error[len("tcpecho: ") : -1]

    return run
