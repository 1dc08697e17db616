# SPDX-License-Identifier: MIT
"""`check --exec`: a server on this machine, its process included; and `check --during`."""
import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from harness import TIMEOUT, proc_state, wait_until

PROCESS = "zombies,descriptors,memory,cpu-when-full,survival,killed-child,restart"

# A server that forks, in Python. Each fault below changes one line of it.
SERVER = """
    import os, resource, signal, socket, sys
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    kept = []
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", int(sys.argv[1])))
    listening.listen(128)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        try:
            sock, _ = listening.accept()
        except OSError:
            signal.pause()
            continue
        if os.fork() == 0:
            listening.close()
            try:
                while data := sock.recv(65536):
                    sock.sendall(data)
            except OSError:
                pass
            os._exit(0)
        sock.close()
"""

ENDS_WITH_A_CHILD = """
def end_with_a_child(*_):
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if status != 0:
            os._exit(1)

"""

FAULTS = {
    "zombies": ("signal.signal(signal.SIGCHLD, signal.SIG_IGN)", "pass"),
    "descriptors": ("    sock.close()", "    kept.append(sock)"),
    "memory": ("    sock.close()", "    sock.close(); kept.append(os.urandom(4096))"),
    "cpu-when-full": ("        sock.close()\n", "        kept.append(sock); kept[:] = [s for s in kept if s.fileno() >= 0]\n"),
    "survival": ("if os.fork() == 0:", "if sock.recv(1, socket.MSG_PEEK) or os.fork() == 0:"),
    "killed-child": ("signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
                     ENDS_WITH_A_CHILD + "signal.signal(signal.SIGCHLD, end_with_a_child)"),
    "restart": ("listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)", "pass"),
}


@pytest.fixture
def server(tmp_path):
    """Writes the server with one line changed, and returns its command."""

    def write(old="", new=""):
        text = textwrap.dedent(SERVER)
        old, new = textwrap.dedent(old), textwrap.dedent(new)
        assert old in text
        path = tmp_path / "server.py"
        path.write_text(text.replace(old, new) if old else text)
        return f"exec {sys.executable} {path} {{port}}"

    return write


@pytest.fixture
def check(program):
    def run(command, only, *words):
        done = subprocess.run(
            [program, "check", "--exec", command, "--only", only, "--timeout", "3s", "--json", *words],
            capture_output=True, text=True, timeout=2 * TIMEOUT, check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, {each["name"]: each for each in json.loads(done.stdout)["checks"]}

    return run


def test_a_correct_server_that_forks_passes(check, server):
    status, checks = check(server(), "echo,half-close,second-client," + PROCESS)
    assert {name: each["actual"] for name, each in checks.items() if each["verdict"] != "PASS"} == {}
    assert status == 0


@pytest.mark.parametrize("engine", ["fork", "prefork", "thread", "epoll", "uring"])
def test_our_server_passes(check, program, engine):
    if "cannot be used" in subprocess.run([program, "serve", "-e", "help"], capture_output=True, text=True, check=False).stdout:
        pytest.skip("an engine cannot be used here")
    _, checks = check(f"exec {program} serve -q -e {engine} 127.0.0.1:{{port}}", "second-client," + PROCESS)
    assert {name: each["actual"] for name, each in checks.items() if each["verdict"] not in ("PASS", "SKIP")} == {}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_of_a_process_is_found(check, server, name):
    status, checks = check(server(*FAULTS[name]), name)
    assert checks[name]["verdict"] == "FAIL", checks[name]
    assert status == 1


def test_an_iterative_server_is_found(check, tmp_path):
    """It serves one client, to the end, and then the next."""
    path = tmp_path / "iterative.py"
    path.write_text(textwrap.dedent("""
        import socket, sys
        listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        while True:
            sock, _ = listening.accept()
            while data := sock.recv(65536):
                sock.sendall(data)
            sock.close()
    """))
    command = f"exec {sys.executable} {path} {{port}}"
    assert check(command, "echo")[1]["echo"]["verdict"] == "PASS"
    assert check(command, "second-client")[1]["second-client"]["verdict"] == "FAIL"


@pytest.mark.parametrize("command, words, status, message", [
    ("true", [], 2, "the command has no {port}"),
    ("true {port}", ["localhost"], 2, "--exec and HOST exclude each other"),
    ("exit 7 # {port}", [], 3, "the server ended with status 7 before it accepted connections"),
    ("kill -9 $$ # {port}", [], 3, "the server was ended by signal 9 before it accepted connections"),
])
def test_a_command_that_is_no_server_is_refused(program, command, words, status, message):
    done = subprocess.run([program, "check", "--exec", command, *words], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_server_ends_with_the_checks(program, tmp_path, number):
    """A shell, the server and a process that the server started."""
    command = f"sleep 1000 & echo $! $$ >{tmp_path}/pids; {program} serve -q -e epoll 127.0.0.1:{{port}}; true"
    process = subprocess.Popen([program, "check", "--exec", command, "--only", "silence"], stdout=subprocess.DEVNULL)
    wait_until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().endswith("\n"), "the server")
    process.send_signal(number)
    process.wait(TIMEOUT)
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        wait_until(lambda: proc_state(pid) in ("", "Z"), f"{pid} to end")


# ---- during ----


def during(program, command, *words):
    done = subprocess.run([program, "check", "--during", command, "--timeout", "2s", "--json", *map(str, words)],
                          capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode in (0, 1), done.stderr
    checks = json.loads(done.stdout)["checks"]
    assert [each["name"] for each in checks] == ["during"]
    return done.returncode, checks[0]


def test_nothing_is_cut_while_nothing_happens(program, serve):
    server = serve("-e", "epoll", "127.0.0.1:0")
    status, found = during(program, "sleep 0.3; exit 3", *server.address)
    assert (status, found["verdict"]) == (0, "PASS")
    assert found["actual"].endswith("the command ended with status 3")


def test_a_server_that_is_killed_is_noticed(program, serve):
    server = serve("-e", "epoll", "127.0.0.1:0")
    status, found = during(program, f"sleep 0.3; kill -9 {server.pid}; sleep 0.3", *server.address)
    assert (status, found["verdict"]) == (1, "FAIL")
    assert "new ones failed" in found["actual"]


def test_the_command_ends_with_the_checks(program, serve, tmp_path):
    server = serve("-e", "epoll", "127.0.0.1:0")
    command = f"echo $$ >{tmp_path}/pid; sleep 1000; true"
    process = subprocess.Popen([program, "check", "--during", command, *map(str, server.address)], stdout=subprocess.DEVNULL)
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"), "the command")
    process.send_signal(signal.SIGINT)
    process.wait(TIMEOUT)
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: proc_state(pid) in ("", "Z"), "its end")
    assert not os.path.exists(f"/proc/{pid}/exe")
