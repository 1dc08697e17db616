# SPDX-License-Identifier: MIT
"""`tcpecho bench` reports that it was the limit itself: stopped, preempted, short of CPU or of ports."""
import os
import re
import resource
import signal
import subprocess
import time

import pytest

from harness import TIMEOUT, server_words, wait_until
from running import end, running
from shortages import hogs
from signalling import stopped

MODES = {"closed": [], "open": ["-r", "500"], "churn": ["--churn"], "threads": ["-w", "3"]}


@pytest.fixture
def start(program):
    with running(program, "bench", "--json") as run:
        yield run


@pytest.mark.parametrize("strict", [[], ["--strict"]], ids=["reported", "strict"])
@pytest.mark.parametrize("words", MODES.values(), ids=MODES)
def test_a_client_that_was_stopped_reports_it_and_no_failure(serve, start, words, strict):
    server = serve("127.0.0.1:0", engine="epoll")
    # It is stopped for longer than its timeout, and the timeout is longer than a server on a busy machine takes. The
    # run must not end during the last stop: messages would be due that it cannot send any more.
    client = start("--warmup", "0s", "-c", 4, "-d", "6s", "-W", "1s", *words, *strict, *server_words(server))
    wait_until(lambda: server.totals()["in"] > 0, "the load")
    for _ in range(3):
        time.sleep(0.1)
        with stopped(client.pid):
            time.sleep(1.2)
    found, status, error = end(client)
    assert found["errors"] == found["connection_errors"] == {}, error
    assert found["client_bound"] is not None
    assert status == (4 if strict else 0)


def test_a_client_that_was_stopped_while_the_measuring_began_reports_it(serve, start):
    server = serve("127.0.0.1:0", engine="epoll")
    client = start("-c", 2, "-d", "1s", "--warmup", "500ms", *server_words(server))
    wait_until(lambda: server.totals()["in"] > 0, "the warm-up")
    with stopped(client.pid):
        time.sleep(0.9)
    found, status, _ = end(client)
    assert "was not running" in found["client_bound"] and status == 0


def test_a_client_beside_hogs_on_its_core_reports_it(serve, start):
    core = min(os.sched_getaffinity(0))
    server = serve("127.0.0.1:0", engine="epoll")
    with hogs(core):
        client = start("--warmup", "0s", "-c", 4, "-d", "2s", *server_words(server), preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        found, status, _ = end(client)
    assert found["client_bound"] is not None and status == 0


def test_threads_that_share_one_core_report_it(serve, start):
    core = min(os.sched_getaffinity(0))
    server = serve("127.0.0.1:0", engine="epoll")
    one_core = {"preexec_fn": lambda: os.sched_setaffinity(0, {core})}
    found, status, _ = end(start("--warmup", "0s", "-c", 16, "-w", 4, "-d", "2s", *server_words(server), **one_core))
    assert found["client_bound"] is not None and status == 0


def test_the_share_is_that_of_all_threads(serve, program):
    server = serve("127.0.0.1:0", engine="epoll")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [program, "bench", "-q", "-c", "8", "-w", "4", "-d", "2s", "--warmup", "0s", *server_words(server)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 2
    said = re.search(r"^client CPU +(\d+) % of a core, 4 threads together", output, re.M)
    assert int(said.group(1)) > 100 * used / 1.5


def test_waiting_for_messages_to_be_due_is_no_work(serve, start):
    """Due every millisecond: the thread does not sleep in between, but that does not make it the limit."""
    server = serve("127.0.0.1:0", engine="epoll")
    found, _, _ = end(start("--warmup", "0s", "-c", 4, "-r", "1000", "-d", "1s", *server_words(server)))
    assert found["client_spin_share"] > found["client_cpu_share"] / 2 > 0
    assert "used" not in (found["client_bound"] or "")


@pytest.mark.parametrize("interval", ["1ms", "2ms", "50ms"])
def test_ping_counts_all_the_time_that_it_stood_still(serve, program, interval):
    """Most of the time ping sleeps until a message is due."""
    server = serve("127.0.0.1:0", engine="epoll")
    words = [program, "ping", "--json", "-i", interval, *server_words(server)]
    client = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: server.totals()["in"] > 0, "the first message")
    still = 0
    for _ in range(4):
        time.sleep(0.1)
        with stopped(client.pid):
            since = time.monotonic()
            time.sleep(0.3)
            still += time.monotonic() - since
    time.sleep(0.1)
    client.send_signal(signal.SIGINT)
    found, _, _ = end(client)
    reported = re.search(r"was not running \([^)]*\) for ([\d.]+) ms in total", found["client_bound"])
    assert float(reported[1]) >= 0.8 * still * 1000
