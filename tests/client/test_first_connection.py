# SPDX-License-Identifier: MIT
"""The connection with which a client finds the server is also the first that it uses: a server may serve only one."""
import json
import subprocess

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import TIMEOUT, server_words, wait_until

COMMANDS = {
    "ping": ["ping", "-c", "3", "-i", "0"],
    "hold": ["ping", "--hold", "-i", "100ms", "-d", "2s"],
    "bench": ["bench", "-c", "1", "-d", "200ms", "--warmup", "0"],
    "bench with a warm-up": ["bench", "-c", "1", "-d", "200ms", "--warmup", "100ms"],
    "bench, open loop": ["bench", "-c", "1", "-d", "200ms", "--warmup", "0", "-r", "100"],
    "bench, several threads": ["bench", "-c", "1", "-w", "2", "-d", "200ms", "--warmup", "0"],
    "bench, started later": ["bench", "-c", "1", "-d", "200ms", "--warmup", "0", "--start-at", "+1s"],
}


@pytest.fixture(params=COMMANDS)
def run(request, program):
    def run(*words):
        command = [program, *COMMANDS[request.param], "--json", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT * 4, check=False)

    return run


def test_a_server_for_one_client_is_enough(run):
    """As `nc -l` and `socat TCP-LISTEN` are: they close the listening socket after the first client."""
    with FaultyServer(faulty_servers.never_end) as faulty:

        def once(sock):
            faulty.listening.close()
            faulty_servers.never_end(sock)

        faulty.treatment = once
        done = run(*faulty.words)
    assert (done.returncode, done.stderr.removeprefix("using 1 of 2 threads: each needs a connection\n")) == (0, "")
    found = json.loads(done.stdout)
    assert found["echoes"] > 0 and found.get("errors", {}) == {}


@pytest.mark.parametrize("mode", [["--churn"], ["--churn", "-r", "50"], ["--churn", "--reset"], ["-c", "3"]], ids="-".join)
def test_bench_counts_every_connection_that_the_server_has(program, serve, mode):
    server = serve("127.0.0.1:0", engine="epoll")
    words = [program, "bench", "--json", "-d", "200ms", "--warmup", "50ms", *mode, *server_words(server)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0
    opened = json.loads(done.stdout)["connections_opened"]
    wait_until(lambda: server.totals()["accepted"] >= opened, "all connections to be accepted")
    assert server.totals()["accepted"] == opened


@pytest.mark.parametrize("mode", [[], ["--churn"]], ids="-".join)
@pytest.mark.parametrize("greeting", [b"220 mail.example ESMTP\r\n", b"\x00\x01\x02"], ids=["text", "bytes"])
def test_bench_counts_the_connection_by_which_it_asks_what_the_server_is(program, mode, greeting):
    with FaultyServer(faulty_servers.speak_first(greeting)) as faulty:
        words = [program, "bench", "--json", "-W", "1s", *mode, *map(str, faulty.words)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        found = json.loads(done.stdout)
        wait_until(lambda: len(faulty.connected) >= found["connections_opened"], "all connections to be accepted")
        assert len(faulty.connected) == found["connections_opened"]
    # The server sends first; under load its greeting may arrive too late to show that.
    assert done.returncode == 1 and "not an echo server: it " in found["first_mismatch"]


def test_the_server_counts_as_many_connections_as_the_client(run, serve):
    server = serve("127.0.0.1:0", "--max-clients", "1")
    done = run(*server_words(server))
    assert done.returncode == 0
    server.wait_for_rest()
    found = json.loads(done.stdout)
    assert server.totals()["accepted"] == found.get("connections_opened", found.get("opened")) == 1
