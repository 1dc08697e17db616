# SPDX-License-Identifier: MIT
"""`tcpecho bench`: whatever the server does, and whenever the run is ended, each message is in exactly one count.

sent = echoes + failed + unfinished, and the histograms hold echoes + unfinished values. These counts agree with
what the server itself saw.
"""
import json
import random
import re
import signal
import subprocess
import threading
import time

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import TIMEOUT, reset, wait_until
from results import decode


class Record:
    """A misbehaving echo and its counts: received bytes, and correctly returned bytes."""

    def __init__(self, behaviour, dice):
        self.behaviour, self.after, self.delay = behaviour, dice.randint(1, 3000), dice.choice([0.01, 0.05, 0.3])
        self.came, self.lock, self.back = [], threading.Lock(), 0

    def note(self, connection, n_came, n_back):
        with self.lock:
            self.came[connection] += n_came
            self.back += n_back

    def treat(self, sock):
        with self.lock:
            connection = len(self.came)
            self.came.append(0)
        total = 0
        for piece in faulty_servers.pieces_of(sock):
            answer = self.answer(total, piece)
            total += len(piece)
            self.note(connection, len(piece), len(answer or b""))
            if answer is None:
                return self.end(sock)
            sock.sendall(answer)
        return sock.close()

    def answer(self, before, piece):
        """Returns the reply to a received block; None: close the connection here."""
        is_over = before + len(piece) >= self.after
        if self.behaviour == "slow":
            time.sleep(self.delay)
        if not is_over or self.behaviour in ("faithful", "slow"):
            return piece
        if self.behaviour == "never_reply":
            return b""
        if self.behaviour == "wrong":
            return bytes(byte ^ 255 for byte in piece)
        if self.behaviour == "half" and before < self.after:
            return piece[: len(piece) // 2]
        return b"" if self.behaviour == "half" else None

    def end(self, sock):
        if self.behaviour == "resets":
            reset(sock)
        else:
            sock.close()


BEHAVIOURS = ["faithful", "slow", "never_reply", "wrong", "half", "closes", "resets"]
MODES = [[], ["--churn"], ["-r", "300"], ["-r", "20k"], ["-p", "7"], ["-p", "5", "-r", "1k"], ["-w", "3"],
         ["--no-reconnect"], ["--churn", "-r", "200"]]  # fmt: skip


def signal_after(process, record, seconds, which):
    """Sends the signal some time after the first message: at any time in the run, or after its end."""
    wait_until(lambda: sum(record.came) > 0 or process.poll() is not None, "the first message")
    time.sleep(seconds)
    process.send_signal(which)


def values_of(document, name):
    return sum(decode(document[name]).values())


def check_sums(found):
    n_failed = sum(n for name, n in found["errors"].items() if name != "never_sent")
    assert found["failed"] == n_failed
    assert found["sent"] == found["echoes"] + found["failed"] + found["unfinished"]
    assert found["missing_bytes"] == found["bytes"] - found["verified_bytes"]
    assert (found["wrong_bytes"] > 0) == (found["mismatches"] > 0) == (found["first_mismatch"] is not None)
    for name in ("histogram", "service_histogram"):
        assert values_of(found, name) == found["echoes"] + found["unfinished"]
    for name, key in (("echoes", "echoes"), ("unfinished", "unfinished"), ("verified_bytes", "verified_bytes")):
        assert not found["series"] or sum(second[name] for second in found["series"]) == found[key]
    assert not found["series"] or sum(second["failures"] for second in found["series"]) == sum(found["errors"].values())


def check_record(found, record, size):
    """The server may have counted less than the client: if a connection was reset, bytes in flight are lost."""
    n_messages = sum(-(-n // size) for n in record.came)
    assert found["sent"] >= n_messages - sum(n == 0 for n in record.came)
    assert found["verified_bytes"] <= record.back and found["echoes"] * size <= record.back
    if record.behaviour in ("faithful", "slow", "never_reply") and "ECONNREFUSED" not in found["errors"]:
        wait_until(lambda: sum(record.came) == found["bytes"], "all bytes to arrive")


@pytest.mark.parametrize("seed", range(40))
def test_accounts_add_up(program, seed):
    dice = random.Random(seed)
    size, wait = dice.choice([1, 64, 64, 5000]), dice.choice(["100ms", "400ms", "5s"])
    behaviour, mode = BEHAVIOURS[seed % len(BEHAVIOURS)], dice.choice(MODES)
    ends_early = dice.random() < 0.6 or wait == "5s"
    record = Record(behaviour, dice)
    words = ["bench", "--json", "-c", str(dice.randint(1, 6)), "-s", str(size), "-d", "600ms", "--warmup", "0s", "-W", wait, *mode]
    with FaultyServer(record.treat) as faulty:
        process = subprocess.Popen([program, *words, *faulty.words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            if ends_early:
                signal_after(process, record, dice.random() * 0.9, dice.choice([signal.SIGINT, signal.SIGTERM]))
            output, error = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
            process.wait()
        found = json.loads(output)
        check_sums(found)
        check_record(found, record, size)
    is_good = found["echoes"] > 0 and not found["errors"] and not found["connection_errors"]
    assert process.returncode == (0 if is_good else 1), (found["errors"], found["connection_errors"], error)
    assert found["seconds_wanted"] == 0.6
    assert ends_early or not found["interrupted"]
    assert behaviour != "never_reply" or mode == ["--churn"] or found["sent"] > 0


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
@pytest.mark.parametrize("mode", MODES, ids="-".join)
def test_an_interruption_hides_no_message(program, which, mode):
    """The server answers nothing. What was sent is unfinished, or failed if it waited too long. The exit status is
    1."""
    record = Record("never_reply", random.Random(1))
    record.after = 0
    for wait, is_late in (("200ms", True), ("30s", False)):
        words = ["bench", "--json", "-c", "3", "-d", "1h", "--warmup", "0s", "-W", wait, *mode]
        with FaultyServer(record.treat) as faulty:
            process = subprocess.Popen([program, *words, *faulty.words], stdout=subprocess.PIPE, text=True)
            signal_after(process, record, 0.5, which)
            found = json.loads(process.communicate(timeout=TIMEOUT)[0])
        check_sums(found)
        assert process.returncode == 1
        assert found["interrupted"] is (mode != ["--no-reconnect"] or not is_late)
        assert found["echoes"] == 0 and found["sent"] >= 3
        assert found["failed"] > 0 if is_late else found["unfinished"] == found["sent"]
        if "-r" in mode:
            assert found["errors"]["never_sent"] > 0  # messages that fell due while the connections were busy


def test_the_text_shows_how_the_counts_add_up(program):
    record = Record("never_reply", random.Random(1))
    record.after = 0
    with FaultyServer(record.treat) as faulty:
        words = ["bench", "-s", "1000", "-c", "2", "-d", "1h", "--warmup", "0s", *faulty.words]
        process = subprocess.Popen([program, *words], stdout=subprocess.PIPE, text=True)
        signal_after(process, record, 0.2, signal.SIGINT)
        output = process.communicate(timeout=TIMEOUT)[0]
    sent, back, failed, unfinished = map(int, re.search(
        r"^(\d+) sent, (\d+) came back, (\d+) failed, (\d+) unfinished \(counted with (?:its|their) age so far\)$",
        output, re.M).groups())
    assert sent == back + failed + unfinished and unfinished == 2
    assert re.search(r"(^|; )interrupted after [\d.]+ of 3600.000 s$", output, re.M)
