# SPDX-License-Identifier: MIT
"""`talk` names a server that is no echo, and a proxy that closes both directions at the first FIN."""
import os
import re
import select
import signal
import socket

import pytest

import faulty_servers
from bulk import Feeder
from faulty_servers import NO_ECHO_OR_HALF_CLOSE, FaultyServer
from harness import reset, wait_until
from streams import pattern
from terminal import Terminal


def reply_and_end(reply):
    """Sends the reply after the first bytes have come, then its FIN."""

    def treat(sock):
        sock.recv(1 << 16)
        sock.sendall(reply)
        faulty_servers.finish(sock)

    return treat


def in_pieces(reply):
    """The same, but each byte in a separate segment."""

    def treat(sock):
        sock.recv(1 << 16)
        for number in range(len(reply)):
            sock.sendall(reply[number : number + 1])
        faulty_servers.finish(sock)

    return treat


HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"

FOREIGN = {
    "http": (HTTP, 'not an echo server but an HTTP server: it answers "HTTP/1.1 400 Bad Request"'),
    "tls": (b"\x15\x03\x01\x00\x02\x02\x46", "not an echo server but a TLS server: it answers with alert 70"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2p1\r\n", 'not an echo server: it answers "SSH-2.0-OpenSSH_9.2p1^M^J"'),
    "smtp": (b"500 unrecognized command\r\n", 'not an echo server: it answers "500 unrecognized command^M^J"'),
    "capitals": (b"HELLO, SERVER\n", "no plain echo: it changes letters to upper case"),
    "prefix": (b"you said: hello, server\n", 'no plain echo: it adds "you said: " before what it returns'),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("treatment", [reply_and_end, in_pieces])
def test_a_foreign_server_is_named(talk, name, treatment):
    reply, sentence = FOREIGN[name]
    with FaultyServer(treatment(reply)) as faulty:
        status, _, error = talk(*faulty.words, input=b"hello, server\n").finish()
    assert status == 1
    assert re.fullmatch(rf"tcpecho: byte 0 differs: sent 0x68, got 0x{reply[0]:02x} \((.*)\)\n", error)[1] == sentence


def test_a_server_that_sends_first_is_named(talk):
    with FaultyServer(faulty_servers.speak_first(b"220 ready\r\n")) as faulty:
        client = talk(*faulty.words)
        assert client.wait() == 1  # its input has not even begun
        assert client.stdout.read() == b"220 ready\r\n"
        error = client.process.stderr.read().decode()
    assert error == 'tcpecho: byte 0 was never sent: got 0x32 (not an echo server: it sends first: "220 ready^M^J")\n'


@pytest.mark.parametrize("at", [0, 1, 13, 999])
@pytest.mark.parametrize("by", [lambda byte: b"", lambda byte: byte + byte, lambda byte: bytes([byte[0] ^ 0x40])])
def test_an_echo_with_a_mistake_is_not_called_another_server(talk, at, by):
    """The hardest case is a repeated line of text: a shifted echo contains it as well."""
    for data in (b"the same line of text\n" * 50, pattern(1100)):
        with FaultyServer(faulty_servers.replace_byte(at, by)) as faulty:
            status, _, error = talk(*faulty.words, input=data).finish()
        assert status == 1
        assert "(" not in error


# ---- half-close ----


def proxy(by_reset=False):
    """Relays to a slow echo; at the client's FIN it closes both directions, as nginx does."""

    def treat(sock):
        held = b""
        while piece := sock.recv(1 << 16):
            held += piece
            ended = False
            if select.select([sock], [], [], 0.2)[0]:
                ended = sock.recv(1, socket.MSG_PEEK) == b""
            if ended:
                break
            sock.sendall(held)
            held = b""
        if by_reset:
            reset(sock)
        else:
            sock.close()

    return treat


@pytest.mark.parametrize("by_reset", [False, True])
def test_a_proxy_without_half_close_is_named(talk, by_reset):
    with FaultyServer(proxy(by_reset)) as faulty:
        status, output, error = talk(*faulty.words, input=b"hello").finish()
    assert (status, output) == (1, b"")
    end = "server reset the connection" if by_reset else "server ended early"
    assert error == f"tcpecho: {end}: 0 of 5 bytes came back{NO_ECHO_OR_HALF_CLOSE}\n"


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_no_half_close_gets_every_byte_through_such_a_proxy(talk, tmp_path, size, kind):
    data = pattern(size)
    path = tmp_path / "input"
    path.write_bytes(data)
    with FaultyServer(proxy()) as faulty, open(path, "rb") as file:
        words = ["--no-half-close", *faulty.words]
        client = talk(*words, input=data) if kind == "pipe" else talk(*words, stdin=file)
        assert client.finish() == (0, data, "")


def test_no_half_close_from_a_terminal(talk):
    with FaultyServer(proxy()) as faulty, Terminal() as terminal:
        client = talk("--no-half-close", *faulty.words, stdin=terminal.slave)
        terminal.type(b"typed\n\x04")
        assert client.finish() == (0, b"typed\n", "")


def test_no_half_close_with_a_slow_reader_of_the_output(server, talk):
    """The output is stuck while the last byte comes back."""
    data = pattern(4_000_000)
    client = talk("--no-half-close", server)
    feeder = Feeder(client.stdin, lambda file: file.write(data))
    feeder.join(0.5)
    assert client.stdout.read() == data
    feeder.join()
    assert (client.wait(), client.process.stderr.read()) == (0, b"")


def test_no_half_close_does_not_send_its_fin_before_everything_is_back(talk):
    """The server delays the last byte: no FIN may come meanwhile."""
    early = []

    def treat(sock):
        data = sock.recv(1 << 16)
        sock.sendall(data[:-1])
        early.append(select.select([sock], [], [], 0.5)[0])
        sock.sendall(data[-1:])
        assert sock.recv(1) == b""
        faulty_servers.finish(sock)

    with FaultyServer(treat) as faulty:
        assert talk("--no-half-close", *faulty.words, input=b"hello").finish() == (0, b"hello", "")
    assert early == [[]]


def test_no_half_close_and_bytes_that_never_come(talk):
    """The timeout ends it. Without the option the client sends a FIN to such a server."""
    with FaultyServer(faulty_servers.answer_and_hang(3, 5)) as faulty:
        status, output, error = talk("--no-half-close", "-t", "300ms", *faulty.words, input=b"hello").finish()
    assert (status, output, error) == (1, b"hel", "tcpecho: no reply for 300ms: 3 of 5 bytes came back\n")


def test_no_half_close_is_interrupted(talk):
    with FaultyServer(faulty_servers.answer_and_hang(3, 5)) as faulty:
        client = talk("--no-half-close", *faulty.words, input=b"hello")
        wait_until(lambda: faulty.connected, "the connection")
        os.kill(client.pid, signal.SIGINT)
        assert client.wait() == -signal.SIGINT


@pytest.mark.parametrize("options", [[], ["--no-half-close"]])
def test_its_reader_goes_while_bytes_are_missing(talk, options):
    with FaultyServer(faulty_servers.answer_and_hang(3, 5)) as faulty:
        client = talk(*options, *faulty.words)
        client.stdin.write(b"hello")
        client.stdin.close()
        client.stdout.close()
        assert client.wait() == -signal.SIGPIPE
        assert client.process.stderr.read() == b""


def test_an_end_before_our_fin_is_no_question_of_half_close(talk):
    with FaultyServer(faulty_servers.answer_and_end(3, 5)) as faulty:
        client = talk(*faulty.words)
        client.stdin.write(b"hello")
        client.stdin.flush()
        assert client.wait() == 1
        error = client.process.stderr.read().decode()
    assert error == "tcpecho: server ended early: 3 of 5 bytes came back\n"
