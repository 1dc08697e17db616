# SPDX-License-Identifier: MIT
"""`ping` and `bench` against each engine: the client's counts equal the server's counts."""
import json
import subprocess

import pytest

from harness import TIMEOUT, server_words

ADDRESSES = pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:"])


@pytest.fixture
def measure(program):
    """Runs `ping` or `bench` to its end and returns its JSON."""

    def run(command, server, *options):
        words = [program, command, "--json", *map(str, options), *server_words(server)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT * 4, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    return run


@pytest.fixture
def server(serve, tmp_path, address):
    return serve(f"unix:{tmp_path}/socket" if address == "unix:" else address)


def agrees(server, found, n_connections):
    """Both ends have counted the same bytes and connections, and no clients are left."""
    assert found["errors"] == {}
    assert found["echoes"] == found["sent"] > 0
    server.wait_for_clients(0)
    totals = server.totals()
    assert totals["in"] == totals["out"] == found["verified_bytes"] == found["bytes"]
    assert totals["accepted"] == n_connections
    assert {end["reason"] for end in server.ends(n_connections)} == {"eof"}
    return True


@ADDRESSES
def test_ping(server, measure):
    assert agrees(server, measure("ping", server, "-c", 20, "-i", 0), 1)


@ADDRESSES
def test_ping_with_a_connection_for_each_message(server, measure):
    assert agrees(server, measure("ping", server, "-c", 20, "-i", 0, "--connect-each"), 20)


@ADDRESSES
@pytest.mark.parametrize("size", ["64", "64k"])
def test_a_closed_loop(server, measure, size):
    found = measure("bench", server, "-d", "200ms", "--warmup", "0", "-c", 10, "-p", 2, "-s", size)
    assert agrees(server, found, 10)


@ADDRESSES
def test_an_open_loop(server, measure):
    found = measure("bench", server, "-d", "500ms", "--warmup", "0", "-c", 10, "-r", "400", "-w", 2)
    assert found["sent"] == 200
    assert agrees(server, found, 10)


@ADDRESSES
def test_a_new_connection_for_each_message(server, measure):
    found = measure("bench", server, "-d", "200ms", "--warmup", "0", "-c", 5, "--churn", "-r", "200")
    assert found["sent"] == 40
    assert agrees(server, found, 40 + 1)  # plus the connection that finds the server
