# SPDX-License-Identifier: MIT
"""The end of `tcpecho bench`: by a signal before, in or after the measured time, by a second one, or without a
limit."""
import json
import re
import signal
import threading
import time

import pytest

from faulty_servers import FaultyServer, never_end, never_reply
from harness import TIMEOUT, recv_exactly
from running import running

GRACE = 1.0
ATTEMPTS = 20


@pytest.fixture
def start(program):
    with running(program, "bench", "-s", "64") as run:
        yield run


def answer_one(sock):
    """Returns the first message, and no other."""
    sock.sendall(recv_exactly(sock, 64))
    never_reply(sock)


def read_until(process, words):
    """Reads standard error up to a line with these words, or to its end."""
    for line in process.stderr:
        if words in line:
            return True
    return False


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM], ids=lambda which: which.name)
def test_a_signal_ends_the_wait_for_replies_and_is_reported(start, which):
    for output in ([], ["--json"]):
        with FaultyServer(answer_one) as faulty:
            process = start("-d", "1s", "--warmup", "0s", "-W", "1h", "--progress", *output, *faulty.words)
            assert read_until(process, "waiting for the last replies")
            process.send_signal(which)
            text, error = process.communicate(timeout=TIMEOUT)
        assert "a signal ends the wait for the last replies\n" in error
        if output:
            found = json.loads(text)
            assert (found["interrupted"], found["unfinished"], found["seconds"]) == (False, 1, 1.0)
        else:
            assert re.search("^(.*; )?a signal ended the wait for the last replies$", text, re.M)


def test_a_wait_without_limit_is_announced_and_ends_by_a_signal(start):
    with FaultyServer(never_reply) as faulty:
        process = start("-d", "200ms", "--warmup", "0s", "-W", "off", *faulty.words)
        assert read_until(process, "waiting for the last replies without limit (--wait off), until INT or TERM\n")
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=TIMEOUT)[0]
    assert process.returncode == 1
    assert re.search("^1 sent, 0 came back, 0 failed, 1 unfinished", output, re.M)


class Held:
    """A server that answers nothing, and records when it has received a message."""

    def __init__(self):
        self.has_begun = threading.Event()

    def treat(self, sock):
        recv_exactly(sock, 64)
        self.has_begun.set()
        never_reply(sock)


def end_by_two(start, pause):
    """Sends two signals. Returns the time from the first one to the end of the run."""
    held = Held()
    with FaultyServer(held.treat) as faulty:
        process = start("-d", "1h", "--warmup", "0s", "-W", "1h", "--json", *faulty.words)
        assert held.has_begun.wait(TIMEOUT)
        first_s = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        found = json.loads(process.communicate(timeout=TIMEOUT)[0])
        took_s = time.monotonic() - first_s
    assert (process.returncode, found["interrupted"], found["unfinished"]) == (1, True, 1)
    return took_s


def test_a_second_request_ends_the_wait_at_once(start):
    """A busy machine may notice it late, so one of a few attempts has to succeed."""
    assert any(end_by_two(start, 0.3) < GRACE for _ in range(ATTEMPTS))


def test_two_signals_at_once_are_one_request(start):
    """As timeout(1) sends them. Messages in flight still have their second."""
    assert end_by_two(start, 0) >= GRACE


@pytest.mark.parametrize(("warmup", "words"), [("1h", []), ("1h", ["-r", "10"]), ("0s", ["--start-at", "+1h"])],
                         ids=["warm-up", "open loop", "before the start"])  # fmt: skip
def test_an_end_before_the_measuring_is_named(start, warmup, words):
    with FaultyServer(never_end) as faulty:
        process = start("-d", "4s", "--warmup", warmup, "--progress", *words, *faulty.words)
        assert read_until(process, "waiting for the start" if warmup == "0s" else "warm-up")
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=TIMEOUT)[0]
    before = "the start" if warmup == "0s" else "the end of the warm-up"
    assert re.search(f"^(.*; )?interrupted before {before}: nothing was measured$", output, re.M)
    assert "interrupted after" not in output
