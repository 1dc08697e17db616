# SPDX-License-Identifier: MIT
"""`bench --no-reconnect` says why it ends early."""
import subprocess

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import TIMEOUT, recv_exactly, reset


def end_after_echo(sock):
    sock.sendall(recv_exactly(sock, 64))
    faulty_servers.finish(sock)


def reset_after_echo(sock):
    sock.sendall(recv_exactly(sock, 64))
    reset(sock)


CAUSES = {"ended": end_after_echo, "ECONNRESET": reset_after_echo, "no_reply": faulty_servers.never_reply}
MODES = {"closed": [], "open": ["-r", "100"], "threads": ["-w", "2"]}


def bench(program, faulty, *options, wait="30s"):
    """wait: for a reply. Only a server that never replies needs a short one; another may be slow on a busy machine."""
    words = [program, "bench", "-c", "2", "-W", wait, "--warmup", "0", *options, *faulty.words]
    return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CAUSES)
def test_the_end_of_the_last_connection_is_named(program, name, mode):
    with FaultyServer(CAUSES[name]) as faulty:
        wait = "200ms" if name == "no_reply" else "30s"
        done = bench(program, faulty, "-d", "1h", "--no-reconnect", *MODES[mode], wait=wait)
    assert done.returncode == 1
    assert done.stderr == f"tcpecho: ended early: no connection is left (--no-reconnect): {name} 2\n"


@pytest.mark.parametrize("options", [["--no-reconnect"], []], ids=["kept", "opened again"])
def test_a_run_that_ends_in_time_says_nothing(program, options):
    treatment = faulty_servers.never_end if options else end_after_echo
    with FaultyServer(treatment) as faulty:
        done = bench(program, faulty, "-d", "300ms", *options)
    assert done.stderr == ""
