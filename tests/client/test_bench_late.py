# SPDX-License-Identifier: MIT
"""`tcpecho bench` as an open loop when the client itself is too slow, or the rate is too high."""
import json
import os
import signal
import subprocess
import time

import pytest

from harness import TIMEOUT, proc_state, server_words, sockets_of, wait_until

STOPPED = 0.3
RATE, SECONDS, CONNECTIONS = 1000, 2, 2


@pytest.fixture
def start(program):
    processes = []

    def run(*arguments):
        words = [str(word) for word in arguments]
        process = subprocess.Popen([program, "bench", "--json", "-q", *words], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()


def test_a_client_that_was_stopped_reports_it(serve, start):
    server = serve("-e", "epoll", "127.0.0.1:0")
    words = ["--warmup", "0", "-d", f"{SECONDS}s", "-r", RATE, "-c", CONNECTIONS, *server_words(server)]
    client = start(*words)
    wait_until(lambda: len(sockets_of(client.pid)) >= CONNECTIONS, "it to connect")
    time.sleep(SECONDS / 4)
    os.kill(client.pid, signal.SIGSTOP)
    wait_until(lambda: proc_state(client.pid) == "T", "it to stand still")
    since = time.monotonic()
    time.sleep(STOPPED)
    stopped_us = (time.monotonic() - since) * 1e6
    os.kill(client.pid, signal.SIGCONT)
    found = json.loads(client.communicate(timeout=TIMEOUT)[0])
    assert found["sent"] == found["echoes"] == RATE * SECONDS
    # Messages that fell due meanwhile waited at least this long, except the last hundredth of all.
    assert found["lateness_us"]["p99"] >= (stopped_us - SECONDS * 1e6 / 100) * 0.99
    assert "because of the client" in found["client_bound"]


def test_an_impossible_rate_comes_to_an_end(serve, start):
    server = serve("-e", "epoll", "127.0.0.1:0")
    words = ["--warmup", "0", "-d", "200ms", "-W", "1s", "-r", "1G", "-c", "2", *server_words(server)]
    client = start(*words)
    found = json.loads(client.communicate(timeout=TIMEOUT)[0])
    assert client.returncode == 1
    assert found["echoes"] > 0
    assert found["echoes"] + found["errors"]["never_sent"] == RATE_OF_1G
    assert set(found["errors"]) == {"never_sent"}


RATE_OF_1G = 200_000_000
