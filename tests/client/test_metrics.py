# SPDX-License-Identifier: MIT
"""`ping --hold --metrics`: the page as Prometheus reads it, and HTTP clients that misbehave."""
import contextlib
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import TIMEOUT, recv_all, server_words, wait_until
from private_files import own_etc
from tools import tool

TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metered:
    """A `ping --hold` that serves metrics."""

    def __init__(self, program, words, address="127.0.0.1:0", prefix=()):
        self.process = subprocess.Popen(
            [*prefix, program, "ping", "--hold", "--metrics", address, *map(str, words)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        line = self.process.stderr.readline()
        found = re.fullmatch(r"metrics on (.*), at /metrics\n", line)
        assert found, line
        self.address = found[1]
        self.port = int(self.address.rpartition(":")[2]) if not self.address.startswith("unix:") else 0

    def ask(self, request="GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"):
        """Returns the whole reply."""
        with self.connect() as sock:
            sock.sendall(request.encode())
            return recv_all(sock).decode()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)

    def page(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert (response.status, response.headers["Content-Type"]) == (200, TYPE)
        return response.read().decode()

    def figures(self):
        """Name with its labels -> value."""
        lines = [line for line in self.page().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def wait_for(self, name, least):
        wait_until(lambda: self.figures()[name] >= least, f"{name} of {least}")
        return self.figures()

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode


@pytest.fixture
def metered(program):
    started = []

    def start(*words, **more):
        started.append(Metered(program, words, **more))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def test_the_figures_are_what_happens(server, metered):
    held = metered("-c", 7, "-i", "50ms", *server_words(server))
    figures = held.wait_for("tcpecho_hold_heartbeats_total", 20)
    assert figures["tcpecho_hold_connections"] == figures["tcpecho_hold_connections_wanted"] == 7
    assert figures["tcpecho_hold_opened_total"] == 7
    assert figures["tcpecho_hold_bytes_verified_total"] >= 64 * figures["tcpecho_hold_heartbeats_total"]
    assert figures["tcpecho_hold_round_trip_seconds_count"] == figures["tcpecho_hold_heartbeats_total"]
    assert figures['tcpecho_hold_round_trip_seconds_bucket{le="+Inf"}'] == figures["tcpecho_hold_heartbeats_total"]
    assert figures["tcpecho_hold_round_trip_seconds_sum"] > 0
    assert sum(value for name, value in figures.items() if "deaths_total" in name) == 0
    assert figures["tcpecho_hold_mismatches_total"] == 0
    assert 0 <= figures["tcpecho_hold_last_good_seconds"] < TIMEOUT
    assert held.finish() == 0


def test_a_name_is_served_on_all_of_its_addresses_and_one_port(server, metered, tmp_path):
    prefix = own_etc(tmp_path, hosts="127.0.0.1 both\n::1 both\n", nsswitch_conf="hosts: files\n")
    held = metered("-i", "50ms", *server_words(server), address="both:0", prefix=prefix)
    second = re.fullmatch(r"metrics on (.*), at /metrics\n", held.process.stderr.readline())[1]
    assert sorted([held.address, second]) == [f"127.0.0.1:{held.port}", f"[::1]:{held.port}"]
    held.wait_for("tcpecho_hold_connections", 1)
    for host in ("127.0.0.1", "[::1]"):
        with urllib.request.urlopen(f"http://{host}:{held.port}/metrics", timeout=TIMEOUT) as page:
            assert b"tcpecho_hold_connections 1" in page.read()
    held.wait_for("tcpecho_hold_heartbeats_total", 1)
    assert held.finish() == 0


@pytest.mark.parametrize(
    "treatment, cause",
    [
        (faulty_servers.answer_and_end(12, 64), "ended"),
        (faulty_servers.answer_and_reset(0, 64), "reset"),
        (faulty_servers.never_reply, "timeout"),
        (faulty_servers.flip_bit(3), "wrong"),
    ],
    ids=["ended", "reset", "timeout", "wrong"],
)
def test_deaths_are_counted_by_their_cause(metered, treatment, cause):
    with FaultyServer(treatment) as faulty:
        held = metered("-c", 2, "-W", "200ms", *faulty.words)
        figures = held.wait_for(f'tcpecho_hold_deaths_total{{cause="{cause}"}}', 4)
        assert figures["tcpecho_hold_heartbeats_lost_total"] >= 4
        assert (figures["tcpecho_hold_mismatches_total"] > 0) == (cause == "wrong")
        assert held.finish() == 1


def test_each_heartbeat_that_came_back_has_its_time(metered):
    """Including heartbeats in flight while a wrong byte of another connection was diagnosed."""
    numbers = itertools.count(1)
    is_wrong = threading.Event()

    def treat(sock):
        number = next(numbers)
        data = faulty_servers.recv_exactly(sock, 64)
        if number == 1:
            is_wrong.wait(TIMEOUT)
        sock.sendall(data[:-1] + b"?" if number == 2 else data)
        if number == 2:
            is_wrong.set()
        faulty_servers.recv_all(sock)

    with FaultyServer(treat) as faulty:
        held = metered("-c", 2, "-i", "1h", *faulty.words)
        held.wait_for("tcpecho_hold_heartbeats_total", 2)
        figures = held.wait_for("tcpecho_hold_mismatches_total", 1)  # it is diagnosed meanwhile
        assert figures["tcpecho_hold_round_trip_seconds_count"] == 2
        assert figures["tcpecho_hold_heartbeats_sent_total"] == 3
        assert figures["tcpecho_hold_heartbeats_unfinished"] == 0
        assert held.finish() == 1


def test_a_server_that_is_gone_is_seen(serve, metered):
    server = serve("-e", "epoll", "127.0.0.1:0")
    held = metered("-c", 3, "-i", "50ms", *server_words(server))
    held.wait_for("tcpecho_hold_heartbeats_total", 3)
    server.kill()
    figures = held.wait_for('tcpecho_hold_open_failures_total{cause="refused"}', 3)
    assert figures["tcpecho_hold_connections"] == 0
    before = figures["tcpecho_hold_last_good_seconds"]
    wait_until(lambda: held.figures()["tcpecho_hold_last_good_seconds"] > before, "the last good byte to age")


# ---- HTTP ----


def test_a_head_alone(server, metered):
    answer = metered(*server_words(server)).ask("HEAD /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert int(re.search(r"Content-Length: (\d+)", head)[1]) > 1000
    assert body == ""


@pytest.mark.parametrize(
    "request_line, status",
    [("GET / HTTP/1.1", 404), ("POST /metrics HTTP/1.1", 405), ("hello", 400), ("GET /metrics HTTP/3.0", 400)],
)
def test_an_unknown_path_is_an_error_response(server, metered, request_line, status):
    answer = metered(*server_words(server)).ask(f"{request_line}\r\nHost: here\r\n\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert ("Allow: GET, HEAD\r\n" in answer) == (status == 405)
    head, _, body = answer.partition("\r\n\r\n")
    assert int(re.search(r"Content-Length: (\d+)", head)[1]) == len(body) > 0


def test_a_request_in_pieces_and_a_half_close(server, metered):
    held = metered(*server_words(server))
    with held.connect() as sock:
        for byte in b"GET /metrics HTTP/1.0\r\n\r\n":
            sock.sendall(bytes([byte]))
        sock.shutdown(socket.SHUT_WR)
        assert b"tcpecho_build_info" in recv_all(sock)


def test_a_request_without_an_end(server, metered):
    assert metered(*server_words(server)).ask("x" * 4096).startswith("HTTP/1.1 431 ")


def test_scrapers_that_stay_connected_block_no_other(server, metered):
    """Some HTTP clients send nothing, some half a request, some do not read; the page is still served."""
    held = metered("-i", "50ms", *server_words(server))
    socks = [held.connect() for _ in range(60)]
    for i, sock in enumerate(socks[40:]):
        sock.sendall([b"GET /met", b"GET /metrics HTTP/1.1\r\n\r\n"][i % 2])
    before = held.figures()["tcpecho_hold_heartbeats_total"]
    held.wait_for("tcpecho_hold_heartbeats_total", before + 3)
    for sock in socks:
        sock.close()
    assert held.finish() == 0


def test_a_new_scraper_keeps_its_place(server, metered):
    """When all HTTP connections are taken, the oldest one is closed."""
    held = metered(*server_words(server))
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(held.connect())
        new = stack.enter_context(held.connect())
        new.sendall(b"GET /met")
        for _ in range(10):
            held.page()
        new.sendall(b"rics HTTP/1.1\r\n\r\n")
        assert b"tcpecho_build_info" in recv_all(new)


def test_a_scraper_that_left_leaves_nothing(server, metered):
    held = metered("-i", "1h", *server_words(server))

    def count():
        return len(os.listdir(f"/proc/{held.process.pid}/fd"))

    held.wait_for("tcpecho_hold_heartbeats_total", 1)
    before = count()
    for _ in range(5):
        held.page()
        held.connect().close()
    # `before` may count an HTTP client that was about to leave.
    wait_until(lambda: count() <= before, "the visitors to be gone")


def test_a_scraper_that_sends_for_ever_is_disconnected(server, metered):
    held = metered(*server_words(server))
    with held.connect() as sock, pytest.raises(ConnectionError):
        sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        for _ in range(10000):
            sock.sendall(b"x" * 65536)
    assert "tcpecho_build_info" in held.page()


def test_by_a_unix_socket(server, metered, tmp_path):
    path = tmp_path / "metrics"
    held = metered(*server_words(server), address=f"unix:{path}")

    def ask():
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
            return recv_all(sock)

    wait_until(lambda: re.search(rb"\ntcpecho_hold_heartbeats_total [1-9]", ask()), "a heartbeat")
    assert held.finish() == 0
    assert not path.exists()


def test_an_address_that_is_taken_is_status_4(server, program):
    done = subprocess.run(
        [program, "ping", "--hold", "--metrics", f"127.0.0.1:{server.port}", *server_words(server)],
        capture_output=True, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (4, "")
    assert "cannot serve metrics on 127.0.0.1 port" in done.stderr and "address already in use" in done.stderr


# ---- Prometheus ----


def test_promtool_finds_nothing_to_complain_of(server, metered):
    promtool = tool("promtool")
    if promtool is None:
        pytest.skip("there is no promtool (package prometheus)")
    page = metered(*server_words(server)).page()
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_prometheus_scrapes_it(server, metered, tmp_path):
    program = tool("prometheus")
    if program is None:
        pytest.skip("there is no prometheus (package prometheus)")
    held = metered("-c", 5, "-i", "50ms", *server_words(server))
    held.wait_for("tcpecho_hold_heartbeats_total", 10)
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "scrape_configs:\n- job_name: hold\n  scrape_interval: 1s\n"
        f"  static_configs:\n  - targets: ['127.0.0.1:{held.port}']\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    prometheus = subprocess.Popen(
        [program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:

        def query(expression):
            url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
            try:
                with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
                    result = json.load(answer)["data"]["result"]
            except OSError:  # it is not up yet
                time.sleep(0.1)
                return None
            return float(result[0]["value"][1]) if result else None

        assert wait_until(lambda: query("tcpecho_hold_connections"), "a scrape", within=TIMEOUT * 2) == 5
        assert query("tcpecho_hold_heartbeats_total") >= 10
        assert query('tcpecho_hold_deaths_total{cause="reset"}') == 0
        assert query("histogram_quantile(0.5, tcpecho_hold_round_trip_seconds_bucket)") > 0
        assert query("up") == 1
    finally:
        prometheus.terminate()
        prometheus.wait()
