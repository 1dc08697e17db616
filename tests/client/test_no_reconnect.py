# SPDX-License-Identifier: MIT
"""`bench --no-reconnect` says why it ends early."""
import subprocess

import pytest

import rogues
from harness import PATIENCE, recv_exactly, reset
from rogues import Rogue


def end_after_echo(sock):
    sock.sendall(recv_exactly(sock, 64))
    rogues.finish(sock)


def reset_after_echo(sock):
    sock.sendall(recv_exactly(sock, 64))
    reset(sock)


CAUSES = {"ended": end_after_echo, "ECONNRESET": reset_after_echo, "no_reply": rogues.mute}
MODES = {"closed": [], "open": ["-r", "100"], "threads": ["-w", "2"]}


def bench(program, rogue, *options):
    words = [program, "bench", "-c", "2", "-W", "200ms", "--warmup", "0", *options, *rogue.words]
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CAUSES)
def test_the_end_of_the_last_connection_is_named(program, name, mode):
    with Rogue(CAUSES[name]) as rogue:
        done = bench(program, rogue, "-d", "1h", "--no-reconnect", *MODES[mode])
    assert done.returncode == 1
    assert done.stderr == f"tcpecho: ended early: no connection is left (--no-reconnect): {name} 2\n"


@pytest.mark.parametrize("options", [["--no-reconnect"], []], ids=["kept", "opened again"])
def test_a_run_that_ends_in_time_says_nothing(program, options):
    treatment = rogues.never_end if options else end_after_echo
    with Rogue(treatment) as rogue:
        done = bench(program, rogue, "-d", "300ms", *options)
    assert done.stderr == ""
