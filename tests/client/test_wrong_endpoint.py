# SPDX-License-Identifier: MIT
"""`bench` ends early, with a diagnosis, if the first reply shows that the server is no echo."""
import itertools
import json
import select
import subprocess

import pytest

import faulty_servers
from faulty_servers import FaultyServer, answer_with
from harness import TIMEOUT


ENDPOINTS = {
    "http": (answer_with(b"HTTP/1.1 400 Bad Request\r\n\r\n", once=True), "not an echo server but an HTTP server"),
    "tls": (answer_with(b"\x15\x03\x01\x00\x02\x02\x46", once=True), "not an echo server but a TLS server"),
    "smtp": (answer_with(b"500 what\r\n", b"220 mail ESMTP\r\n"), "not an echo server: it sends first"),
    "mysql": (answer_with(b"\x17\0\0\x01\xff\x13\x04", b"J\0\0\0\n5.7.1\0" + bytes(30)), "not an echo server: it sends first"),
    "inverted": (faulty_servers.echo_through(lambda _, piece: bytes(byte ^ 255 for byte in piece)), "no plain echo"),
}

MODES = {
    "closed": ["--warmup", "0"],
    "warm-up": ["--warmup", "1h"],
    "open": ["--warmup", "0", "-r", "100", "-w", "2"],
    "churn": ["--warmup", "0", "--churn"],
}


def run(program, faulty, *options, seconds="1h"):
    words = [program, "bench", "--json", "-c", "4", "-d", seconds, *options, *faulty.words]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT * 4)
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ENDPOINTS)
def test_another_server_ends_it_early(program, name, mode):
    treatment, sentence = ENDPOINTS[name]
    with FaultyServer(treatment) as faulty:
        status, found, error = run(program, faulty, *MODES[mode])
    assert status == 1
    assert error.startswith(f"tcpecho: ended early: {sentence}")
    assert found["first_mismatch"].startswith(sentence)
    assert (found["echoes"], found["interrupted"]) == (0, False)


def test_it_is_asked_from_the_source_that_was_given(program):
    peers = set()

    def treat(sock):
        peers.add(sock.getpeername()[0])
        # the client may send first, and then tests the server with a silent connection
        select.select([sock], [], [], 0.05)
        ENDPOINTS["mysql"][0](sock)

    with FaultyServer(treat) as faulty:
        status, _, error = run(program, faulty, "--warmup", "0", "--source", "127.0.0.9")
    assert (status, peers) == (1, {"127.0.0.9"})
    assert "it sends first" in error


@pytest.mark.parametrize("treatment", [faulty_servers.flip_bit(3), faulty_servers.drop_byte(10), faulty_servers.repeat_byte(63)])
def test_an_echo_with_a_mistake_is_measured_to_the_end(program, treatment):
    with FaultyServer(treatment) as faulty:
        status, found, error = run(program, faulty, "--warmup", "0", seconds="700ms")
    assert (status, error) == (1, "")
    assert found["seconds"] >= 0.7


def test_a_wrong_server_among_right_ones_ends_nothing(program):
    """A load balancer with one server that is not an echo server."""
    numbers = itertools.count()

    def treat(sock):
        (ENDPOINTS["http"][0] if next(numbers) % 4 == 3 else faulty_servers.never_end)(sock)

    with FaultyServer(treat) as faulty:
        status, found, error = run(program, faulty, "--warmup", "0", seconds="700ms")
    assert (status, error) == (1, "")
    assert found["seconds"] >= 0.7
    assert found["echoes"] > 0
