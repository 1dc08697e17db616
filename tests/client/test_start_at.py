# SPDX-License-Identifier: MIT
"""`tcpecho bench --start-at`: sends nothing before that time, and reports what may be wrong with the clock."""
import contextlib
import ctypes
import datetime
import json
import re
import signal
import threading
import time

import pytest

from faulty_servers import FaultyServer
from harness import TIMEOUT, server_words, sockets_of, wait_until
from running import running

QUICK = ["-q", "--warmup", "0", "-d", "100ms"]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture
def start(program):
    with running(program, "bench", *QUICK) as run:
        yield run


class Witness:
    """An echo server that records the wall-clock time of each connection and when the first byte came."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted, self.first_bytes = [], []

    def __call__(self, sock):
        with self.lock:
            self.accepted.append(time.time())
        data = sock.recv(1 << 16)
        with self.lock:
            self.first_bytes.append(time.time())
        with contextlib.suppress(OSError):
            while data:
                sock.sendall(data)
                data = sock.recv(1 << 16)


def seconds_of(moment):
    """'2026-11-26T12:00:00.123456789Z' as seconds since the epoch."""
    day, _, fraction = moment.rstrip("Z").partition(".")
    assert len(fraction) == 9
    whole = datetime.datetime.fromisoformat(day + "+00:00") - EPOCH
    return whole.total_seconds() + int(fraction) / 1e9


def test_all_are_connected_before_and_nothing_is_sent_until_then(start):
    witness = Witness()
    with FaultyServer(witness) as server:
        wanted = time.time() + 4  # enough for two to start on a busy machine
        clients = [start("-c", 3, "--json", "--start-at", f"@{wanted:.6f}", *server.words) for _ in range(2)]
        wait_until(lambda: len(witness.accepted) == 6, "all to be connected")
        found = [json.loads(client.communicate(timeout=TIMEOUT)[0]) for client in clients]
    for result in found:
        assert seconds_of(result["start_wanted"]) == pytest.approx(wanted, abs=1e-5)
        assert result["echoes"] > 0 and not result["errors"]
    assert len(witness.first_bytes) == 6
    if all(result["start_late_us"] == 0 for result in found):
        assert min(witness.first_bytes) >= wanted


def test_a_start_time_in_the_past_is_reported_with_its_distance(start):
    witness = Witness()
    with FaultyServer(witness) as server:
        client = start("--json", "--start-at", "+1ms", *server.words)
        found = json.loads(client.communicate(timeout=TIMEOUT)[0])
    assert client.returncode == 0
    assert found["start_late_us"] > 0
    began = seconds_of(found["start_wanted"]) + found["start_late_us"] / 1e6
    assert max(witness.first_bytes) >= began


def test_the_line_of_text(start, server):
    for moment, pattern in (("+2s", "on time"), ("+1ms", "s late")):
        output = start("--start-at", moment, *server_words(server)).communicate(timeout=TIMEOUT)[0]
        assert any(re.match("start at +2", line) and pattern in line for line in output.splitlines()), output
    assert "start at" not in start(*server_words(server)).communicate(timeout=TIMEOUT)[0]


def test_without_it_there_is_no_moment_but_a_clock(start, server):
    found = json.loads(start("--json", *server_words(server)).communicate(timeout=TIMEOUT)[0])
    assert found["start_wanted"] is None and found["start_late_us"] is None
    assert isinstance(found["clock"]["synchronised"], bool)


class Timex(ctypes.Structure):
    """The beginning of struct timex, and padding for the rest (adjtimex(2))."""

    _fields_ = [
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("rest", ctypes.c_byte * 256),
    ]


TIME_ERROR, STA_UNSYNC = 5, 0x40


def test_whether_the_clock_is_right_is_what_the_kernel_says(start, server):
    timex = Timex()
    state = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    found = json.loads(start("--json", *server_words(server)).communicate(timeout=TIMEOUT)[0])["clock"]
    if state < 0:
        assert found is None
        return
    assert found["synchronised"] == (state != TIME_ERROR and not timex.status & STA_UNSYNC)
    assert (found["max_error_us"] is not None) == found["synchronised"]
    if found["synchronised"]:  # it grows from second to second, and the time daemon resets it
        assert 0 < found["max_error_us"] < 16e6


def test_int_while_it_waits_ends_it(start, server):
    client = start("--start-at", "+1h", *server_words(server))
    wait_until(lambda: sockets_of(client.pid) and server.totals()["clients"] == 1, "it to be connected")
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=TIMEOUT)
    assert client.returncode == 1  # the run measured nothing


@pytest.mark.parametrize(
    "moment, reason",
    [
        ("2020-01-01T00:00:00Z", "is in the past, by this machine's clock"),
        ("@1", "is in the past, by this machine's clock"),
        ("+0s", "is in the past, by this machine's clock"),
        ("2026-11-26T12:00:00", "not a point in time (write "),
        ("12:00", "not a point in time (write "),
        ("2026-02-30T12:00:00Z", "out of range"),
        ("+5d", "unknown unit"),
        ("", "must not be empty"),
    ],
)
def test_what_is_no_moment_to_come_is_refused(start, moment, reason):
    client = start("--start-at", moment)
    output, error = client.communicate(timeout=TIMEOUT)
    assert client.returncode == 2 and not output
    shown = moment or "''"
    assert f"--start-at {shown}: {reason}" in error and len(error.splitlines()) == 1
