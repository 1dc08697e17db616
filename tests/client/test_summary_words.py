# SPDX-License-Identifier: MIT
"""Summaries in words: a count of one is singular, and a count of zero is left out."""
import re
import subprocess

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import TIMEOUT

# A count of one in the plural, or a higher count in the singular.
WRONG_NUMBER = re.compile(r"\b(?:1 \w+ (?:bytes|connections|errors)|1 (?:bytes|connections|echoes|failures|"
                          r"heartbeats|lines|messages|segments|values)|(?:0|[2-9]|\d{2,}) (?:wrong byte|missing byte|"
                          r"connection|echo|failure|heartbeat|segment))\b(?! from)")  # fmt: skip

COMMANDS = {
    "ping": ["ping", "-c", "1", "-w", "300ms", "-W", "1h"],
    "hold": ["ping", "--hold", "-d", "300ms", "-W", "1h"],
    "bench": ["bench", "-c", "1", "-d", "300ms", "--warmup", "0", "-r", "4", "-W", "200ms"],
}

TREATMENTS = {
    "echo": faulty_servers.never_end,
    "never_reply": faulty_servers.never_reply,
    "wrong byte": faulty_servers.flip_bit(10),
    "late byte": faulty_servers.flip_bit(80),
    "ends": faulty_servers.close_at_once,
}


def summary(program, words, faulty):
    done = subprocess.run([program, *words, *faulty.words], capture_output=True, text=True, timeout=TIMEOUT)
    return done.stdout


@pytest.mark.parametrize("size", [1, 64])
@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize("name", COMMANDS)
def test_numbers_and_nouns_agree(program, name, treatment, size):
    with FaultyServer(TREATMENTS[treatment]) as faulty:
        output = summary(program, [*COMMANDS[name], "-s", str(size)], faulty)
    assert "---" in output
    assert not WRONG_NUMBER.search(output), output


@pytest.mark.parametrize("name", ["ping", "hold"])
def test_one_unfinished_message_is_no_loss(program, name):
    with FaultyServer(faulty_servers.never_reply) as faulty:
        output = summary(program, COMMANDS[name], faulty)
    assert "0 came back, 0 failed, 1 unfinished (counted with its age so far), " in output
    assert "no byte came back right" in output
    assert "% loss" not in output and "every byte of 0" not in output


def test_hold_has_the_times_that_ping_has(program):
    with FaultyServer(faulty_servers.never_end) as faulty:
        output = summary(program, [*COMMANDS["hold"], "-i", "50ms"], faulty)
    assert re.search(r"^round trip +min/mean/p50/p99/max [\d./]+ us, standard deviation [\d.]+ us$", output, re.M)
