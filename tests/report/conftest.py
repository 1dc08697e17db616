# SPDX-License-Identifier: MIT
"""`tcpecho report` for the tests in this folder."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import TIMEOUT

JAR = pathlib.Path("/usr/share/java/hdrhistogram.jar")


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


@pytest.fixture
def log_processor(tmp_path):
    """Runs HistogramLogProcessor, HdrHistogram's program in the jar, in the directory of the test; returns its output."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("java is not installed (default-jre-headless)")
    if not JAR.exists():
        pytest.skip(f"{JAR} is not installed (libhdrhistogram-java)")

    def run(*arguments):
        command = [java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", JAR, "org.HdrHistogram.HistogramLogProcessor"]
        done = subprocess.run(list(map(str, [*command, *arguments])), capture_output=True, text=True, cwd=tmp_path,
                              stdin=subprocess.DEVNULL, timeout=120)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout

    return run
