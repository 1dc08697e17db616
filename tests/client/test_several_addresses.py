# SPDX-License-Identifier: MIT
"""A name with several addresses: a dead address costs a moment, and a lost connection may be reopened to any of
them."""
import json
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from faulty_servers import FullListener
from harness import TIMEOUT, recv_exactly, reset, wait_until
from private_files import own_etc
from running import running

NAME = "many.example"


class Names:
    """A private /etc/hosts of the client, which can be changed while it runs."""

    def __init__(self, directory):
        self.file = directory / "hosts"
        self.prefix = own_etc(directory, hosts="", nsswitch_conf="hosts: files\n")

    def set(self, *addresses):
        """NAME has these addresses, in this order, from now on."""
        lines = ["127.0.0.1 localhost", *(f"{address} {NAME}" for address in addresses)]
        self.file.write_text("\n".join(lines) + "\n")  # the same file, because the bind mount shows it


@pytest.fixture
def names(own_network, tmp_path):
    return Names(tmp_path)


@pytest.fixture
def start(program):
    with running(program) as run:
        yield run


# ---- the first connection ----


COMMANDS = {
    "talk": ["talk"],
    "ping": ["ping", "-c", "1"],
    "hold": ["ping", "--hold", "-d", "300ms"],
    "bench": ["bench", "-c", "1", "-d", "100ms", "--warmup", "0s"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_dead_first_addresses_cost_no_timeout(names, start, serve, name):
    """If the others waited for it, each dead address would take its share of the timeout, here an hour."""
    names.set("127.0.0.2", "127.0.0.3", "127.0.0.4")
    server = serve("127.0.0.4:0")
    with FullListener("127.0.0.2", server.port), FullListener("127.0.0.3", server.port):
        option = "--timeout" if name == "talk" else "-W"
        process = start(*COMMANDS[name], option, "1h", NAME, server.port, prefix=names.prefix)
        _, error = process.communicate(input="" if name == "talk" else None, timeout=TIMEOUT)
    assert (process.returncode, error) == (0, "")


# ---- the next ----


def test_ping_finds_the_address_that_is_left(names, start, serve):
    names.set("127.0.0.2", "127.0.0.3")
    second = serve("127.0.0.3:0")
    first = serve(f"127.0.0.2:{second.port}")
    process = start("ping", "--json", "-i", "20ms", "-W", "1h", NAME, second.port, prefix=names.prefix)
    wait_until(lambda: first.totals()["out"] > 0, "an echo of the first")
    first.kill()
    wait_until(lambda: second.totals()["out"] > 640, "echoes of the second")
    process.send_signal(signal.SIGINT)
    found = json.loads(process.communicate(timeout=TIMEOUT)[0])
    assert found["target"] == f"127.0.0.2:{second.port}, 127.0.0.3:{second.port}"
    assert "ECONNREFUSED" not in found["errors"]


@pytest.mark.parametrize("mode", [["-i", "20ms"], ["-i", "20ms", "--connect-each"]], ids=["plain", "connect-each"])
def test_ping_leaves_an_address_that_answers_no_more(names, start, serve, mode):
    """The address does not refuse: its SYNs get no answer."""
    names.set("127.0.0.2", "127.0.0.3")
    second = serve("127.0.0.3:0")
    first = socket.create_server(("127.0.0.2", second.port), backlog=0)
    process = start("ping", "-W", "1h", *mode, NAME, second.port, prefix=names.prefix)
    sock, _ = first.accept()
    sock.sendall(recv_exactly(sock, 64))
    fillers = [socket.socket() for _ in range(3)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(first.getsockname())
    reset(sock)
    wait_until(lambda: second.totals()["out"] > 640, "echoes of the second")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert f"from 127.0.0.3:{second.port}: " in output
    for one in (first, *fillers):
        one.close()


def test_ping_resolves_the_name_again(names, start, serve):
    """The server has moved to an address that the name did not have at first."""
    names.set("127.0.0.2")
    second = serve("127.0.0.9:0")
    first = serve(f"127.0.0.2:{second.port}")
    process = start("ping", "-i", "20ms", NAME, second.port, prefix=names.prefix)
    wait_until(lambda: first.totals()["out"] > 0, "an echo of the first")
    names.set("127.0.0.9")
    first.kill()
    wait_until(lambda: second.totals()["out"] > 0, "an echo of the second")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert f"from 127.0.0.9:{second.port}: " in output


def test_a_name_that_is_gone_is_named(names, start, serve):
    names.set("127.0.0.2")
    server = serve("127.0.0.2:0")
    process = start("ping", "-i", "20ms", "-c", "20", NAME, server.port, prefix=names.prefix)
    wait_until(lambda: server.totals()["out"] > 0, "an echo")
    names.set()
    server.kill()
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert re.search(r"^seq=\d+: cannot connect: no such host", output, re.M)


# ---- connections that are held ----


def log_of(process, words, count=1):
    """Reads lines until `count` of them contain these words; returns all lines."""
    lines = []
    while sum(words in line for line in lines) < count:
        line = process.stdout.readline()
        assert line, "".join(lines)
        lines.append(line)
    return "".join(lines)


@pytest.mark.parametrize("n", [1, 50])
def test_hold_finds_the_address_that_is_left(names, start, serve, n):
    names.set("127.0.0.2", "127.0.0.3")
    second = serve("-e", "epoll", "127.0.0.3:0")
    first = serve("-e", "epoll", f"127.0.0.2:{second.port}")
    process = start("ping", "--hold", "-c", n, "-i", "50ms", "-W", "1h", NAME, second.port, prefix=names.prefix)
    log_of(process, "all open after")
    first.kill()
    again = log_of(process, "is open again after", n)
    assert second.totals()["clients"] == n
    assert len(re.findall(rf"is open again .* to 127\.0\.0\.3:{second.port}$", again, re.M)) == n
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert f"--- 127.0.0.2:{second.port}, 127.0.0.3:{second.port} ---" in output


def test_hold_leaves_an_address_that_answers_no_more(names, start, serve):
    names.set("127.0.0.2", "127.0.0.3")
    second = serve("-e", "epoll", "127.0.0.3:0")
    first = socket.create_server(("127.0.0.2", second.port), backlog=0)
    process = start("ping", "--hold", "-i", "50ms", "-W", "1h", NAME, second.port, prefix=names.prefix)
    sock, _ = first.accept()
    sock.sendall(recv_exactly(sock, 64))
    fillers = [socket.socket() for _ in range(3)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(first.getsockname())
    reset(sock)
    log_of(process, "is open again after")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT)
    for one in (first, *fillers):
        one.close()


def test_hold_resolves_the_name_again(names, start, serve):
    names.set("127.0.0.2")
    second = serve("-e", "epoll", "127.0.0.9:0")
    first = serve("-e", "epoll", f"127.0.0.2:{second.port}")
    process = start("ping", "--hold", "-c", 3, "-i", "50ms", NAME, second.port, prefix=names.prefix)
    log_of(process, "all open after")
    names.set("127.0.0.9")
    first.kill()
    log_of(process, "is open again after", 3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT)


def test_hold_uses_the_connection_by_which_it_found_the_server(names, start):
    """A server for one client at a time: the connection that finds the server must be used, too."""
    names.set("127.0.0.2", "127.0.0.3")
    second = socket.create_server(("127.0.0.3", 0))
    first = socket.create_server(("127.0.0.2", second.getsockname()[1]))
    process = start("ping", "--hold", "-i", "50ms", NAME, second.getsockname()[1], prefix=names.prefix)
    sock, _ = first.accept()
    first.close()
    sock.sendall(recv_exactly(sock, 64))
    reset(sock)
    sock, _ = second.accept()
    second.close()  # for this one only
    sock.sendall(recv_exactly(sock, 64))
    assert ", attempt 2" in log_of(process, "is open again after")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT)
    sock.close()


# ---- a load ----


@pytest.mark.parametrize("mode", [[], ["--churn"], ["-r", "200"]], ids=["closed", "churn", "open"])
def test_bench_finds_the_address_that_is_left(names, start, serve, mode):
    names.set("127.0.0.2", "127.0.0.3")
    second = serve("-e", "epoll", "127.0.0.3:0")
    first = serve("-e", "epoll", f"127.0.0.2:{second.port}")
    words = ["-c", 4, "-w", 2, "-d", "1h", "--warmup", "0s", *mode, NAME, second.port]
    process = start("bench", *words, prefix=names.prefix)
    wait_until(lambda: first.totals()["out"] > 0, "echoes of the first")
    first.kill()
    wait_until(lambda: second.totals()["out"] > 6400, "echoes of the second")
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=TIMEOUT)[0]
    assert f"--- 127.0.0.2:{second.port}, 127.0.0.3:{second.port} ---" in output
    assert process.returncode == 1  # messages failed when the first server ended


@pytest.mark.parametrize("mode", [[], ["--churn"], ["-r", "200"]], ids=["closed", "churn", "open"])
def test_bench_leaves_an_address_that_became_silent(names, start, serve, mode):
    """Its SYNs are lost. No attempt would end within an hour."""
    nft = shutil.which("nft") or pytest.skip("needs nft")
    names.set("127.0.0.2", "127.0.0.3")
    second = serve("-e", "epoll", "127.0.0.3:0")
    first = serve("-e", "epoll", f"127.0.0.2:{second.port}")
    words = ["-c", 4, "-w", 2, "-d", "1h", "--warmup", "0s", "-W", "1h", *mode, NAME, second.port]
    process = start("bench", *words, prefix=names.prefix)
    wait_until(lambda: first.totals()["out"] > 0, "echoes of the first")
    rule = "ip daddr 127.0.0.2 tcp flags & (syn|ack) == syn drop"
    table = f"table ip loss {{ chain in {{ type filter hook input priority 0; {rule}; }}; }}"
    subprocess.run([nft, "-f", "-"], input=table, text=True, check=True)
    first.kill()
    wait_until(lambda: second.totals()["out"] > 6400, "echoes of the second")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT)


# ---- lost SYNs ----


@pytest.mark.usefixtures("own_network")
@pytest.mark.parametrize("words", [["-c", 4, "-i", "10ms", "--connect-each"], ["--hold", "-c", 4, "-d", "3s"]],
                         ids=["ping", "hold"])  # fmt: skip
def test_an_address_that_is_only_slow_gets_no_second_connection(start, serve, words):
    """Every second SYN is lost: the connect time is the kernel's, and the server has the connections that the
    client counts."""
    nft = shutil.which("nft") or pytest.skip("needs nft")
    server = serve("-e", "epoll", "127.0.0.1:0")
    rule = f"tcp dport {server.port} tcp flags & (syn|ack) == syn numgen inc mod 2 == 1 drop"
    table = f"table ip loss {{ chain in {{ type filter hook input priority 0; {rule}; }}; }}"
    subprocess.run([nft, "-f", "-"], input=table, text=True, check=True)
    process = start("ping", "--json", *words, "localhost", server.port, "-4")
    found = json.loads(process.communicate(timeout=TIMEOUT)[0])
    assert process.returncode == 0
    assert len(server.ends(4)) == found.get("connections_opened", found.get("opened")) == 4
    assert found.get("connect_us", {"max": 1e6})["max"] >= 900e3


# ---- a unix socket with a full queue ----


class LateQueue:
    """Echoes one message to its first client, then fills its own queue and ends that connection."""

    def __init__(self, path):
        self.path = str(path)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(self.path)
        self.listening.listen(0)
        self.filler = socket.socket(socket.AF_UNIX)

    def echo_once_and_fill(self):
        sock, _ = self.listening.accept()
        sock.sendall(recv_exactly(sock, 64))
        self.filler.connect(self.path)
        sock.close()

    def serve_next(self):
        self.listening.accept()[0].close()
        sock, _ = self.listening.accept()
        sock.sendall(recv_exactly(sock, 64))
        return sock


@pytest.mark.parametrize("interval", ["50ms", "1ms"])
def test_ping_names_the_queue_that_stays_full(start, tmp_path, interval):
    queue = LateQueue(tmp_path / "queue")
    process = start("ping", "--json", "-c", 4, "-i", interval, "-W", "300ms", f"unix:{queue.path}")
    queue.echo_once_and_fill()
    found = json.loads(process.communicate(timeout=TIMEOUT)[0])
    assert process.returncode == 1
    assert found["errors"].pop("ERR_QUEUE_FULL") >= 2
    assert set(found["errors"]) <= {"ended", "ECONNRESET"}  # from a message in flight


def test_ping_waits_for_room_in_the_queue(start, tmp_path):
    queue = LateQueue(tmp_path / "queue")
    process = start("ping", "-q", "-c", 2, "-i", "200ms", "-W", "1h", f"unix:{queue.path}")
    queue.echo_once_and_fill()
    time.sleep(0.6)  # until it has met the full queue
    sock = queue.serve_next()
    output, _ = process.communicate(timeout=TIMEOUT)
    assert "2 sent, 2 came back, 0 failed" in output
    sock.close()
