# SPDX-License-Identifier: MIT
"""check --exec: a server is started, its processes are checked, and nothing of it is left."""
import json
import pathlib
import signal
import subprocess

import pytest

from harness import TIMEOUT, is_gone, wait_until
from running import running

BROKEN = pathlib.Path(__file__).with_name("broken_process.py")
PROCESS_CHECKS = ("second-client", "zombies", "descriptors", "sigpipe", "child-killed", "full", "restart")


@pytest.fixture
def check(program):
    with running(program, "check") as run:

        def judge(command, *words):
            process = run("--json", "--exec", command, *words)
            output, error = process.communicate(timeout=TIMEOUT)
            found = {row["name"]: row for row in json.loads(output)["checks"]} if output else {}
            return found, process.returncode, error

        judge.start = run
        yield judge


def broken(how):
    return f"exec /usr/bin/python3 {BROKEN} {how} {{port}}"


@pytest.mark.parametrize("engine", ["fork", "prefork", "thread", "epoll"])
def test_our_engines_pass(check, program, engine):
    command = f"exec {program} serve -q -e {engine} 127.0.0.1:{{port}}"
    found, status, error = check(command, "--only", ",".join(PROCESS_CHECKS))
    assert status == 0, (found, error)
    assert [row["verdict"] for row in found.values()] == ["PASS"] * len(PROCESS_CHECKS)


@pytest.mark.parametrize(
    "how, name, verdict, words",
    [
        ("iterative", "second-client", "FAIL", "then nothing for 2s"),
        ("zombies", "zombies", "FAIL", "zombies"),
        ("leaks", "descriptors", "FAIL", "descriptors"),
        ("dies-of-sigpipe", "sigpipe", "FAIL", "ended"),
        ("dies-with-child", "child-killed", "FAIL", "refused"),
        ("spins", "full", "WARN", "CPU time"),
        ("no-reuseaddr", "restart", "FAIL", "ended"),
    ],
)
def test_a_broken_server_is_found(check, how, name, verdict, words):
    found, _, error = check(broken(how), "--only", name, "--timeout", "2s")
    assert found, error
    assert found[name]["verdict"] == verdict, found
    assert words in found[name]["actual"], found


def test_a_server_without_children_has_none_to_kill(check):
    found, status, _ = check(broken("spins"), "--only", "child-killed")
    assert (found["child-killed"]["verdict"], status) == ("SKIP", 0)


def test_process_checks_are_skipped_without_a_server_of_their_own(server, program):
    words = [program, "check", "--only", "zombies", "127.0.0.1", str(server.port)]
    run = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT)
    assert run.returncode == 0
    assert "only with --exec" in run.stdout


@pytest.mark.parametrize("words", [["--exec", "true"], ["--exec", "true {port}", "localhost", "7"]])
def test_a_wrong_command_line_is_refused(program, words):
    run = subprocess.run([program, "check", *words], stderr=subprocess.PIPE, text=True, timeout=TIMEOUT)
    assert run.returncode == 2
    assert "exec" in run.stderr


def test_the_last_lines_of_a_server_that_does_not_start_are_shown(check):
    found, status, error = check(broken("no-start"))
    assert (found, status) == ({}, 3)
    assert "ended before it accepted a connection" in error
    assert "cannot start: reason" in error
    assert "\x1b" not in error


def test_a_server_that_never_accepts_is_given_up(check):
    found, status, error = check(broken("silent-start"), "--timeout", "1s")
    assert (found, status) == ({}, 3)
    assert "does not accept connections" in error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_the_checker(check, program, tmp_path, number):
    pids = tmp_path / "pids"
    server = f"{program} serve -q -e epoll 127.0.0.1:{{port}}"
    command = f"setsid sleep 1000 & echo $! $$ >{pids}; {server}; true"
    process = check.start("--exec", command, "--only", "half-close-late")
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the server starts")
    process.send_signal(number)
    process.communicate(timeout=TIMEOUT)
    for pid in map(int, pids.read_text().split()):
        wait_until(lambda pid=pid: is_gone(pid), "the process ends")
