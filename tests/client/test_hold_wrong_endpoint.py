# SPDX-License-Identifier: MIT
"""`ping --hold` on a server that is no echo: the same diagnosis for each connection, and an early end."""
import re
import subprocess

import pytest

import faulty_servers
from faulty_servers import FaultyServer, answer_with
from harness import TIMEOUT

SAID = re.compile(r"^connection \d+ lost \(wrong\): (.*); [\d.]+ s old, \d+ heartbeats?, ", re.M)


ENDPOINTS = {
    "http": (answer_with(b"HTTP/1.1 400 Bad Request\r\n\r\n", once=True), "not an echo server but an HTTP server: "),
    "tls": (answer_with(b"\x15\x03\x01\x00\x02\x02\x46", once=True), "not an echo server but a TLS server: "),
    # The server sends first; under load its greeting may arrive too late to show that.
    "smtp": (answer_with(b"500 what\r\n", b"220 mail ESMTP\r\n"), "not an echo server: it "),
    "redis": (answer_with(b"-ERR unknown command\r\n"), "not an echo server: it answers "),
    "capitals": (faulty_servers.echo_through(lambda _, piece: piece.swapcase()), "no plain echo: it exchanges upper"),
    "prefix": (faulty_servers.echo_through(lambda _, piece: b"> " + piece), 'no plain echo: it adds "> " before'),
}


@pytest.mark.parametrize("n", [1, 20])
@pytest.mark.parametrize("name", ENDPOINTS)
def test_each_connection_names_the_server_in_the_same_words(program, name, n):
    treatment, words = ENDPOINTS[name]
    with FaultyServer(treatment) as faulty:
        command = [program, "ping", "--hold", "--seed", "2", "-c", str(n), "-i", "50ms", "-d", "1h", *faulty.words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        # one connection to test whether the server sends first, and no second one
        assert len(faulty.connected) <= n + 1
    assert done.returncode == 1
    assert done.stderr == f"tcpecho: ended early: 127.0.0.1:{faulty.port} is not an echo server\n"
    said = SAID.findall(done.stdout)
    assert said and len(set(said)) == 1, said
    assert said[0].startswith(words)


def test_mistakes_of_an_echo_are_distinguished(program):
    """Connections that waited for the test of the server get separate diagnoses."""
    with FaultyServer(faulty_servers.flip_bit(3)) as faulty:
        command = [program, "ping", "--hold", "-c", "20", "-d", "700ms", *faulty.words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    said = SAID.findall(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert len(said) >= 20
    assert all(re.fullmatch(r"byte 3 differs: sent 0x.., got 0x.. \(one bit flipped: bit 0\)", words) for words in said)
