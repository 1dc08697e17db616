# SPDX-License-Identifier: MIT
"""A client that is stopped and continued: it reads what has arrived meanwhile before it checks any timeout."""
import subprocess
import time

import pytest

from harness import TIMEOUT, server_words, wait_until
from running import running
from signalling import stopped

# Timeout of each client, and time for which it is stopped: the reply is in its socket during all of that time.
CLIENT_TIMEOUT, STOPPED = "4s", 4.5

CLIENTS = {
    "ping": ["ping", "-q", "-c", "10", "-i", "100ms", "-W", CLIENT_TIMEOUT],
    "ping --spin": ["ping", "-q", "-c", "10", "-i", "100ms", "-W", CLIENT_TIMEOUT, "--spin"],
    "bench": ["bench", "-c", "20", "-w", "2", "-d", "1s", "--warmup", "0s", "-W", CLIENT_TIMEOUT],
    "bench, open loop": ["bench", "-c", "20", "-r", "100", "-d", "1s", "--warmup", "0s", "-W", CLIENT_TIMEOUT],
    "bench --churn": ["bench", "-c", "20", "--churn", "-d", "1s", "--warmup", "0s", "-W", CLIENT_TIMEOUT],
}


@pytest.fixture
def start(program):
    """Starts a client that is ended after the test."""
    with running(program, stdin=subprocess.PIPE, text=False) as run:
        yield run


def stop_under_way(server, client):
    """Stops the server until the client waits for a reply, and the client until long after the reply has come."""
    server.stop_all()
    time.sleep(0.3)
    with stopped(client.pid):
        server.continue_all()
        time.sleep(STOPPED)


@pytest.mark.parametrize("words", CLIENTS.values(), ids=CLIENTS)
def test_a_reply_that_arrives_while_it_is_stopped_is_in_time(serve, start, words):
    server = serve("127.0.0.1:0", engine="epoll")
    client = start(*words, *server_words(server))
    wait_until(lambda: server.totals()["in"] > 0, "the first message")
    stop_under_way(server, client)
    output, error = client.communicate(timeout=TIMEOUT)
    assert client.returncode == 0, (output, error)


def test_a_reply_to_talk_that_arrives_while_it_is_stopped_is_in_time(serve, start):
    server = serve("127.0.0.1:0", engine="epoll")
    client = start("talk", "--timeout", CLIENT_TIMEOUT, *server_words(server))
    client.stdin.write(b"hello\n")
    client.stdin.flush()
    assert client.stdout.readline() == b"hello\n"
    server.stop_all()
    client.stdin.write(b"again\n")
    client.stdin.flush()
    stop_under_way(server, client)
    output, error = client.communicate(timeout=TIMEOUT)
    assert (client.returncode, output, error) == (0, b"again\n", b"")
