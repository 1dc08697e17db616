# SPDX-License-Identifier: MIT
"""The seed of the payload is random, and is in the result: with it a run sends the same bytes again."""
import json
import re
import subprocess

import pytest

from faulty_servers import FaultyServer, pieces_of
from harness import TIMEOUT

COMMANDS = {
    "ping": ["ping", "-c", "1", "-i", "0"],
    "connect-each": ["ping", "-c", "1", "-i", "0", "--connect-each"],
    "hold": ["ping", "--hold", "-d", "300ms", "-i", "off"],
    "bench": ["bench", "-c", "1", "-d", "100ms", "--warmup", "0"],
    "open": ["bench", "-c", "1", "-d", "100ms", "--warmup", "0", "-r", "100"],
    "churn": ["bench", "-c", "1", "-d", "100ms", "--warmup", "0", "--churn"],
}


@pytest.fixture(params=COMMANDS)
def run(request, program):
    """Runs a command and returns (the first message that it sent, its output)."""

    def run(*options, env=None):
        first = []

        def echo(sock):
            data = b""
            for piece in pieces_of(sock):
                data += piece
                sock.sendall(piece)
            first.append(data[:64])
            sock.close()

        with FaultyServer(echo) as faulty:
            words = [program, *COMMANDS[request.param], *options, *faulty.words]
            done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT * 4, env=env)
            assert (done.returncode, done.stderr) == (0, "")
        # bench makes one connection only to find the server. Connections of a churn end in any order.
        sent = sorted(data for data in first if data)
        return sent, done.stdout

    return run


def test_it_is_random_and_repeats_a_run(run):
    (one, text), (two, document) = run(), run("--json")
    seed, other = int(re.search(r"^seed +(\d+)$", text, re.M)[1]), json.loads(document)["seed"]
    assert seed != other
    assert not set(one) & set(two)
    again, text = run("--seed", str(seed))
    assert set(one) & set(again)
    assert re.search(rf"^seed +{seed}$", text, re.M)
    again, document = run("--seed", str(other), "--json")
    assert set(two) & set(again)
    assert json.loads(document)["seed"] == other
