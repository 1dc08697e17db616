# SPDX-License-Identifier: MIT
"""The formats of `check` as other programs read them: JUnit as XML, TAP 14, JSON; and their words for each verdict."""
import json
import re
import signal
import subprocess
import xml.etree.ElementTree

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import TIMEOUT, server_words, wait_until


@pytest.fixture
def check(program):
    def run(words, *more):
        done = subprocess.run([program, "check", "--timeout", "1s", *map(str, more), *words], capture_output=True,
                              text=True, timeout=TIMEOUT, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, done.stdout

    return run


@pytest.fixture
def good(serve):
    return server_words(serve("-e", "epoll", "127.0.0.1:0"))


def cases_of(text):
    """The outcome of each test case of a JUnit document, by its name."""
    suite = xml.etree.ElementTree.fromstring(text)
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    for kind, word in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(kind)) == sum(word in outcome for outcome in cases.values())
    assert int(suite.get("tests")) == len(cases)
    return cases


def test_junit_of_control_bytes_is_xml(check):
    banner = faulty_servers.echo_through(lambda offset, piece: (bytes(range(256)) if offset == 0 else b"") + piece)
    with FaultyServer(banner) as server:
        status, output = check(server.words, "--only", "echo,half-close,urgent", "--format", "junit")
    assert status == 1
    assert cases_of(output)["echo"] == ["failure"]


def test_an_unexpected_pass_is_a_failure_everywhere(check, good, tmp_path):
    profile = tmp_path / "profile"
    profile.write_text("half-close fail  # no longer\n")
    words = ("--only", "echo,half-close", "--expect", profile)
    status, output = check(good, *words)
    assert status == 1 and "1 better than expected" in output
    status, output = check(good, *words, "--format", "junit")
    assert status == 1 and cases_of(output) == {"echo": ["system-out"], "half-close": ["failure"]}
    status, output = check(good, *words, "--format", "tap")
    assert status == 1 and re.findall(r"^(ok|not ok) \d+ - (\S+)", output, re.MULTILINE) == [("ok", "echo"), ("not ok", "half-close")]
    status, output = check(good, *words, "--json")
    assert [each["unexpected"] for each in json.loads(output)["checks"]] == [False, True]


def test_an_expected_failure_is_todo_and_skipped(check, tmp_path):
    profile = tmp_path / "profile"
    profile.write_text("half-close fail\n")
    words = ("--only", "half-close", "--expect", profile)
    with FaultyServer(faulty_servers.answer_and_reset(0, 64)) as server:
        status, output = check(server.words, *words, "--format", "junit")
        assert status == 0 and cases_of(output) == {"half-close": ["skipped"]}
        status, output = check(server.words, *words, "--format", "tap")
        assert status == 0 and re.search(r"^not ok 1 - half-close # TODO ", output, re.MULTILINE)


def test_a_check_that_is_skipped_has_its_reason(check, good):
    _, output = check(good, "--only", "zombies,echo", "--format", "tap")
    assert output.startswith("TAP version 14\n1..2\n")
    assert re.search(r"^ok 2 - zombies # SKIP needs a server ", output, re.MULTILINE)


def test_an_interrupted_run_is_an_error(program, good, tmp_path):
    path = tmp_path / "check.xml"
    command = [program, "check", "--only", "echo,half-close-late", "--format", "junit", "-o", path, *good]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        wait_until(lambda: process.poll() is not None, "its end")
    assert first.startswith("PASS echo") and "interrupted, 1 of 2 checks ended" in rest
    assert process.returncode == -signal.SIGINT
    assert cases_of(path.read_text()) == {"echo": ["system-out"], "interrupted": ["error"]}
