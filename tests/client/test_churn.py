# SPDX-License-Identifier: MIT
"""`tcpecho bench --churn`: how its connections are closed, their source addresses, and what limits them."""
import json
import shutil
import subprocess

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import TIMEOUT, server_words
from tcptable import tcp_sockets

TIME_WAIT = 0x06


@pytest.fixture
def churn(program):
    """Runs it and returns (result, status, standard error)."""

    def run(*words, prefix=()):
        command = [*prefix, program, "bench", "--json", "--churn", "--warmup", "0s", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return json.loads(done.stdout) if done.stdout else None, done.returncode, done.stderr

    return run


@pytest.mark.parametrize("mode", [[], ["-r", "50"], ["-w", "2"]], ids="-".join)
@pytest.mark.parametrize("duration", ["2s", "50ms"])
def test_a_server_that_does_not_close_is_a_failure_of_its_own_name(churn, duration, mode):
    """Each echo is correct, but the server's FIN never comes, not even after the last echo."""
    with FaultyServer(faulty_servers.never_end) as faulty:
        found, status, _ = churn("-c", 2, "-d", duration, "-W", "1s", *mode, *faulty.words)
    assert status == 1
    assert set(found["connection_errors"]) == {"no_fin"}
    assert found["connection_errors"]["no_fin"] == found["echoes"] >= 2
    assert set(found["errors"]) <= {"never_sent"} and found["sent"] == found["echoes"]


def test_connections_that_are_closed_by_reset_leave_no_port_behind(churn, serve, own_network):
    server = serve("127.0.0.1:0", engine="epoll")
    found, status, _ = churn("-c", 2, "-d", "300ms", "--reset", *server_words(server))
    assert (status, found["errors"], found["connection_errors"]) == (0, {}, {})
    assert found["echoes"] == found["sent"] > 0
    # Except the connection that found the server.
    assert len([sock for sock in tcp_sockets() if sock.state == TIME_WAIT]) <= 1
    found, _, _ = churn("-c", 2, "-d", "300ms", *server_words(server))
    assert len([sock for sock in tcp_sockets() if sock.state == TIME_WAIT]) > found["echoes"] / 2


def test_several_sources_take_turns(churn):
    peers = set()

    def note(sock):
        peers.add(sock.getpeername()[0])
        faulty_servers.never_end(sock)
        sock.close()

    with FaultyServer(note) as faulty:
        _, status, _ = churn("-c", 1, "-d", "300ms", "--source", "127.0.0.2,127.0.0.3,localhost", *faulty.words)
    assert status == 0
    assert peers == {"127.0.0.1", "127.0.0.2", "127.0.0.3"}


@pytest.mark.parametrize("source", ["127.0.0.2,nobody.invalid", "127.0.0.2,::1"])
def test_a_source_that_is_none_is_refused(churn, serve, source):
    found, status, error = churn("--source", source, *server_words(serve("127.0.0.1:0")))
    assert found is None and status == 3 and error.startswith("tcpecho: --source "), error


@pytest.mark.parametrize("sources", [",", "127.0.0.2,", ",127.0.0.2", "127.0.0.2,,127.0.0.3"])
def test_a_source_that_is_missing_is_refused(churn, serve, sources):
    found, status, error = churn("--source", sources, *server_words(serve("127.0.0.1:0")))
    assert found is None and status == 2, error
    assert error == "tcpecho: --source: an address is missing before or after a comma\n"


@pytest.mark.parametrize("strict", [[], ["--strict"]], ids=["reported", "strict"])
def test_time_inside_connect_is_the_clients(churn, serve, strict):
    """connect() takes as long as a search for a free port: the summary says so, and with --strict the status is 4."""
    strace = shutil.which("strace") or pytest.skip("needs strace")
    prefix = [strace, "-f", "-qqq", "-o", "/dev/null", "-e", "trace=connect", "-e", "inject=connect:delay_enter=5000"]
    found, status, _ = churn("-c", 2, "-d", "1s", *strict, *server_words(serve("127.0.0.1:0")), prefix=prefix)
    assert found["echoes"] > 0
    assert "this machine has no free ports" in found["client_bound"]
    assert status == (4 if strict else 0)


def test_the_round_trip_begins_when_the_message_is_sent(churn, serve):
    """Connecting takes five milliseconds: the response time includes it, the round trip does not."""
    strace = shutil.which("strace") or pytest.skip("needs strace")
    prefix = [strace, "-f", "-qqq", "-o", "/dev/null", "-e", "trace=connect", "-e", "inject=connect:delay_exit=5000"]
    found, _, _ = churn("-c", 1, "-d", "1s", *server_words(serve("127.0.0.1:0")), prefix=prefix)
    assert found["response_us"]["min"] >= found["connect_us"]["min"] >= 5000
    assert found["service_us"]["min"] < found["response_us"]["min"] - 4000


def test_reset_needs_churn(program):
    done = subprocess.run([program, "bench", "--reset"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "tcpecho: option --reset needs --churn: other connections stay open\n")
