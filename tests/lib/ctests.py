# SPDX-License-Identifier: MIT
"""The C tests as pytest tests: each TEST() is one, and so is each program without TEST().

A program has several tests and runs once for all of them. It prints TAP. Meson knows the programs, their arguments
and their time limits; `meson test -C build` runs the same ones.
"""
import functools
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from harness import TIMEOUT, is_sanitized

TEST = re.compile(r"^TEST\((\w+)\)", re.MULTILINE)
RESULT = re.compile(r"^(ok|not ok) \d+ - (\S+)", re.MULTILINE)
SKIPPED = re.compile(r"^# SKIP (\S+): (.*)", re.MULTILINE)
ALL_SKIPPED = re.compile(r"^ok 1 .*# SKIP (.*)", re.MULTILINE)


@functools.cache
def programs(build):
    """Returns for each source file what Meson knows about its test program."""
    try:
        tests, targets = (json.loads((build / "meson-info" / f"intro-{what}.json").read_text())
                          for what in ("tests", "targets"))
    except FileNotFoundError:
        return {}  # the fixture `program` reports that nothing is built
    sources = {
        target["filename"][0]: [source for group in target["target_sources"] for source in group.get("sources", ())]
        for target in targets
    }
    found = {}
    for test in tests:
        name = pathlib.Path(test["cmd"][0]).name
        for source in sources[test["cmd"][0]]:
            if pathlib.Path(source).stem == name:
                found[pathlib.Path(source)] = test
    return found


def build_of(config):
    return pathlib.Path(config.getoption("--build")).resolve()


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".c" and file_path in programs(build_of(parent.config)):
        return Program.from_parent(parent, path=file_path)
    return None


class Program(pytest.File):
    """A test program."""

    def collect(self):
        names = TEST.findall(self.path.read_text()) or [self.path.stem]
        for name in names:
            test = CTest.from_parent(self, name=name)
            # pytest-xdist: all of them in one process, which runs the program once.
            test.add_marker(pytest.mark.xdist_group(self.nodeid))
            yield test

    @functools.cached_property
    def run(self):
        """Returns how it ended, and its output."""
        test = programs(build_of(self.config))[self.path]
        process = subprocess.Popen(
            test["cmd"], cwd=build_of(self.config), env={**os.environ, **test["env"]}, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        try:
            output = process.communicate(timeout=test["timeout"] + TIMEOUT * 10)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output = process.communicate()[0] + "\n(it was killed, because it did not end)\n"
        return process.returncode, output


class Failure(Exception):
    """The output of a failed test program."""


class CTest(pytest.Item):
    """A TEST() of a program, or the program itself if it has none."""

    def runtest(self):
        status, output = self.parent.run
        skipped = dict(SKIPPED.findall(output))
        if self.name in skipped:
            pytest.skip(skipped[self.name])
        if none := ALL_SKIPPED.search(output):
            pytest.skip(none.group(1))
        results = [(name, word == "ok") for word, name in RESULT.findall(output)]
        n_failed = sum(not passed for _, passed in results)
        mine = [passed for name, passed in results if name == self.name]  # a program may run a test twice
        is_whole = self.name == self.path.stem
        if not is_whole and mine == [] and status == n_failed and is_sanitized(build_of(self.config) / "tcpecho"):
            pytest.skip("not in a program with a sanitizer")
        passed = status == 0 if is_whole else mine != [] and all(mine)
        # The exit status of a program is the number of failed tests. Any other status is a crash or a sanitizer's
        # finding.
        if not passed or status != n_failed:
            raise Failure(f"{self.path.name} ended with status {status}:\n{output}")

    def repr_failure(self, excinfo):
        if excinfo.errisinstance(Failure):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, None, f"{self.path.stem}: {self.name}"
