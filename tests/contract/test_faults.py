# SPDX-License-Identifier: MIT
"""`serve --fault`: each fault does what its line of help says, to the same bytes for every engine and segmentation."""
import contextlib
import os
import random
import re
import select
import signal
import socket
import subprocess
import threading

import pytest

from harness import TIMEOUT, recv_all, recv_exactly
from streams import pattern

SEED = "7"
SIZE = 200_000
DATA = pattern(SIZE)


@pytest.fixture
def faulty(serve):
    """Starts a server with these faults."""

    def start(*faults, options=()):
        words = [word for fault in faults for word in ("--fault", fault)]
        return serve(*words, "--seed", SEED, *options, "127.0.0.1:0")

    return start


class Sender(threading.Thread):
    """Sends while another thread reads, then a FIN. Stops if the connection ends."""

    def __init__(self, sock, data, piece):
        super().__init__()
        self.sock, self.data, self.piece = sock, data, piece
        self.was_reset = False  # the kernel reports a reset to one call only: to this one
        self.start()

    def run(self):
        try:
            for at in range(0, len(self.data), self.piece):
                self.sock.sendall(self.data[at : at + self.piece])
            self.sock.shutdown(socket.SHUT_WR)
        except ConnectionResetError:
            self.was_reset = True
        except OSError:
            pass  # what the reader sees counts


def read_to_the_end(sock):
    """Returns what came, and how the connection ended: "fin", "rst" or "silence"."""
    data = bytearray()
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        return bytes(data), "rst"
    except TimeoutError:
        return bytes(data), "silence"
    return bytes(data), "fin"


def converse(server, data=DATA, piece=65536, timeout=TIMEOUT):
    """Sends data and a FIN, and returns what came back and how the connection ended."""
    with server.connect() as sock:
        sender = Sender(sock, data, piece)
        sock.settimeout(timeout)
        received, end = read_to_the_end(sock)
        if end != "fin":
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        sender.join(TIMEOUT)
        return received, "rst" if sender.was_reset else end


def stays_silent(sock):
    """Returns whether nothing comes for a while: no bytes, no FIN, no reset."""
    return not select.select([sock], [], [], 0.3)[0]


def flip(data, at, mask):
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


# ---- bytes and ends ----

BYTES = [
    (["corrupt@4096=0x01"], flip(DATA, 4096, 1), "fin"),
    (["corrupt"], flip(DATA, 0, 1), "fin"),
    (["drop@8k=100"], DATA[:8192] + DATA[8292:], "fin"),
    (["duplicate@8k=100"], DATA[:8292] + DATA[8192:], "fin"),
    (["drop@100=10", "duplicate@50000=4k", "corrupt@150000=0x80"], None, "fin"),
    (["chunk=1000"], DATA, "fin"),
    (["throttle=2M/s"], DATA, "fin"),
    (["slow-read=2M/s"], DATA, "fin"),
    (["delay=5ms~2ms"], DATA, "fin"),
    (["stall@64k=50ms"], DATA, "fin"),
    (["no-accept=50ms"], DATA, "fin"),
    (["truncate@100000"], DATA[:100_000], "fin"),
    (["truncate@accept"], b"", "fin"),
    (["rst@100000"], DATA[:100_000], "rst"),
    (["rst@eof"], DATA, "rst"),
    (["half-close@64k"], DATA[:65536], "fin"),
    (["silent"], b"", "fin"),
    (["silent@1000"], DATA[:1000], "fin"),
    (["banner=220 hello\\r\\n"], b"220 hello\r\n" + DATA, "fin"),
]


def expected_of(faults, data):
    if data is not None:
        return data
    kept = DATA[:100] + DATA[110:]
    twice = kept[: 50_000 - 10 + 4096] + kept[50_000 - 10 :]
    return flip(twice, 150_000 - 10 + 4096, 0x80)


@pytest.mark.parametrize("piece", [65536, 777], ids=["large pieces", "small pieces"])
@pytest.mark.parametrize("faults, data, end", BYTES, ids=[" ".join(row[0]) for row in BYTES])
def test_a_fault_of_bytes_or_of_the_end(faulty, faults, data, end, piece):
    server = faulty(*faults)
    assert converse(server, piece=piece) == (expected_of(faults, data), end)
    (record,) = server.ends(1)
    assert record["conn"] == "1" and record["seed"] == SEED
    assert record["fault"] != "none"


def test_a_reset_at_accept(faulty):
    server = faulty("rst@accept")
    with contextlib.suppress(ConnectionResetError), server.connect() as sock:  # it may come before connect(2) returns
        assert read_to_the_end(sock) == (b"", "rst")
    assert server.ends(1)[0]["reason"] == "fault"


def test_a_fin_is_never_answered(faulty):
    server = faulty("no-fin")
    with server.connect() as sock:
        sock.sendall(b"hello")
        assert recv_exactly(sock, 5) == b"hello"
        sock.shutdown(socket.SHUT_WR)
        assert stays_silent(sock)


def test_both_directions_end_at_the_clients_fin(faulty):
    """The last bytes come together with the FIN: they are dropped."""
    server = faulty("no-half-close")
    with server.connect() as sock:
        sock.sendall(b"hello")
        assert recv_exactly(sock, 5) == b"hello"
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        sock.sendall(b"lost")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_the_end(sock) == (b"", "fin")
    assert server.ends(1)[0]["fault"] == "no-half-close"


def test_what_is_forgotten_is_neither_read_nor_sent(faulty):
    server = faulty("forget@idle=100ms")
    with server.connect() as sock:
        sock.sendall(b"hello")
        assert recv_exactly(sock, 5) == b"hello"
        assert stays_silent(sock)
        sock.sendall(b"again")
        assert stays_silent(sock)
        sock.shutdown(socket.SHUT_WR)
        assert stays_silent(sock)


def test_connections_over_a_limit_are_closed_at_once(faulty):
    server = faulty("limit=2")
    with server.connect() as first, server.connect() as second:
        for sock in (first, second):
            sock.sendall(b"hello")
            assert recv_exactly(sock, 5) == b"hello"
        with server.connect() as third:
            assert recv_all(third) == b""
        first.shutdown(socket.SHUT_WR)
        assert recv_all(first) == b""
        server.ends(2)
        with server.connect() as fourth:
            fourth.sendall(b"hello")
            assert recv_exactly(fourth, 5) == b"hello"


def test_a_connection_whose_process_is_killed_counts_as_ended(faulty):
    server = faulty("limit=2")
    with server.connect() as first, server.connect() as second:
        for sock in (first, second):
            sock.sendall(b"hello")
            assert recv_exactly(sock, 5) == b"hello"
        for pid in {server.process_of(sock) for sock in (first, second)}:
            os.kill(pid, signal.SIGKILL)
        assert [record["reason"] for record in server.ends(2)] == ["killed"] * 2
        assert sorted(record["conn"] for record in server.ends(2)) == ["1", "2"]
    with server.connect() as third, server.connect() as fourth:
        for sock in (third, fourth):
            sock.sendall(b"hello")
            assert recv_exactly(sock, 5) == b"hello"


def test_two_connections_exchange_bytes(faulty):
    server = faulty("swap@100=50")
    others = pattern(1000, seed=1)
    with server.connect() as one, server.connect() as other:
        one.sendall(DATA[:1000])
        other.sendall(others)
        assert recv_exactly(one, 1000) == DATA[:100] + others[100:150] + DATA[150:1000]
        assert recv_exactly(other, 1000) == others[:100] + DATA[100:150] + others[150:]


def test_a_fault_at_a_time_needs_no_event(faulty):
    server = faulty("rst@100ms")
    with server.connect() as sock:
        assert read_to_the_end(sock) == (b"", "rst")


def test_a_client_that_resets_a_stalled_connection_is_noticed(faulty):
    server = faulty("stall@accept")
    with server.connect() as sock:
        sock.sendall(b"hello")
        assert stays_silent(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert server.ends(1)[0]["reason"] == "reset"


# ---- which connections ----


def hit_connections(server, count):
    for _ in range(count):
        converse(server, b"x" * 10)
    return [int(record["conn"]) for record in server.ends(count) if record["fault"] != "none"]


@pytest.mark.parametrize("selector, hit", [("every=4", [4, 8, 12]), ("p=1/4", [1]), ("conn=5", [5])])
def test_the_seed_chooses_the_connections(faulty, selector, hit):
    """The same ones for every engine, whichever worker serves them."""
    assert sorted(hit_connections(faulty(f"corrupt@3,{selector}"), 12)) == hit


def test_the_log_line_repeats_the_fault(faulty):
    """What the line says, given to another server, does the same."""
    converse(server := faulty("corrupt@4k=0x03,every=1", "rst@100k"))
    (record,) = server.ends(1)
    assert record["fault"] == "corrupt@4096=0x03,every=1+rst@102400"
    again = faulty(*record["fault"].split("+"))
    assert converse(again) == (flip(DATA, 4096, 3)[:102400], "rst")


# ---- what the server says ----


def test_the_ready_line_says_that_it_misbehaves_on_request(faulty):
    server = faulty("rst@1M")
    assert server.log_lines(r"misbehaves on request: rst@1048576, seed 7\)$")


def test_without_faults_the_log_is_as_ever(server):
    with server.connect() as sock:
        sock.sendall(b"x")
        assert recv_exactly(sock, 1) == b"x"
    (record,) = server.ends(1)
    assert not {"fault", "conn", "seed"} & set(record)


def free_ports(count):
    """Returns the first of `count` ports that are free, below those that the kernel gives to clients."""
    for _ in range(1000):
        base = random.randrange(10_000, 32_000)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(base, base + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return base
    pytest.skip("no free ports in a row")


def test_fault_ports(serve, engine):
    """One port for each fault, beside the faithful one."""
    base = free_ports(20)
    server = serve("--fault-ports", str(base), "--seed", SEED, "127.0.0.1:0")
    lines = server.log_lines(r"^listening on ")
    ports = {}
    for line in lines:
        found = re.search(r":(\d+) \(.*misbehaves on request: (.*), seed 7\)$", line)
        ports[found[2].split("=")[0].split("@")[0]] = int(found[1])
    assert len(ports) == len(lines) == 20  # "none" is the first address
    assert converse(server) == (DATA, "fin")
    with socket.create_connection(("127.0.0.1", ports["banner"]), TIMEOUT) as sock:
        assert recv_exactly(sock, 3) == b"220"
    with socket.create_connection(("127.0.0.1", ports["corrupt"]), TIMEOUT) as sock:
        sock.sendall(DATA[:5000])
        assert recv_exactly(sock, 5000) == flip(DATA[:5000], 4096, 1)
    records = server.ends(3)
    assert {record["fault"].strip('"').split("=")[0] for record in records} == {"none", "banner", "corrupt@4096"}


@pytest.mark.engines("fork")
@pytest.mark.parametrize(
    "words, error",
    [
        (["--fault", "rst@5q"], r"--fault rst@5q: '5q': .* \(at character 5\)"),
        (["--fault", "crash"], r"--fault crash: 'crash' is not a fault \(at character 1\)"),
        (["--fault", "drop@0=9", "--fault", "drop@5=9"], r"--fault drop@5=9: it overlaps another drop"),
        (["--fault", ""], r"--fault"),
        (["--fault-ports", "65530"], r"--fault-ports"),
    ],
)
def test_a_bad_fault_is_refused_with_its_place(engine, program, words, error):
    command = [program, "serve", "-e", engine, *words, "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.match(rf"tcpecho: {error}", done.stderr), done.stderr


# ---- with other promises ----


@pytest.mark.parametrize("fault", ["forget@accept", "no-fin", "stall@accept", "silent", "delay=1h", "half-close@accept"])
def test_the_end_of_the_server_ends_a_fault(faulty, fault):
    server = faulty(fault, options=["--drain-timeout", "100ms"])
    with server.connect() as sock:
        sock.sendall(b"hello")
        server.wait_for_clients(1)
        assert server.end() in (0, 1)
        read_to_the_end(sock)


def test_an_idle_client_of_a_faulty_server_ends_too(faulty):
    server = faulty("stall@accept", options=["--idle-timeout", "100ms"])
    with server.connect() as sock:
        assert recv_all(sock) == b""
    assert server.ends(1)[0]["reason"] == "idle"


def test_a_flood_meets_back_pressure(faulty):
    """A stalled connection takes what the kernel's buffers take, and a little more."""
    server = faulty("stall@accept")
    with server.connect() as sock:
        sock.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 1 << 30:
                sent += sock.send(b"x" * 65536)
        assert sent < 64 << 20
