# SPDX-License-Identifier: MIT
"""Whatever a client does, the process that serves it notices the idle timeout, and the server's shutdown and end."""
import contextlib
import signal
import socket
import threading
import time

import pytest

from activation import manager
from harness import proc_state, recv_all, recv_exactly, wait_until


@pytest.fixture(params=["tcp", "unix", "passed"])
def serve_on(serve, tmp_path, request):
    """Starts a server on an address of each kind; `passed`: on a socket that a service manager passed in."""
    with socket.create_server(("127.0.0.1", 0)) as passed:

        def start(*options):
            if request.param == "passed":
                return serve(*options, **manager(passed))
            return serve(*options, {"tcp": "127.0.0.1:0", "unix": f"unix:{tmp_path}/echo"}[request.param])

        yield start


@contextlib.contextmanager
def quiet_client(server):
    """A client that has sent data and stays silent."""
    with server.connect() as sock:
        sock.sendall(b"hello")
        assert recv_exactly(sock, 5) == b"hello"
        yield sock


@contextlib.contextmanager
def dripping_client(server, pause):
    """A client that sends a byte again and again, with short pauses, until the server ends."""
    stop = threading.Event()
    with quiet_client(server) as sock:

        def drip():
            with contextlib.suppress(OSError):
                while not stop.wait(pause):
                    sock.send(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield sock
        finally:
            stop.set()
            thread.join()


def test_a_silent_client_is_ended_as_idle(serve_on):
    server = serve_on("--idle-timeout", "2s")
    with quiet_client(server) as sock:
        assert recv_all(sock) == b""
        sock.close()
        assert server.ends(1)[0]["reason"] == "idle"


def test_a_silent_client_is_aborted_and_not_killed(serve_on):
    server = serve_on("--drain-timeout", "0s")
    with quiet_client(server) as sock:
        server.process.send_signal(signal.SIGTERM)
        assert recv_all(sock) == b""
        sock.close()
        assert server.ends(1)[0]["reason"] == "drain"


@pytest.mark.parametrize("pause", [0.01, 0.06, 0.085, 0.095])
def test_a_client_that_is_never_silent_for_long_is_aborted_and_not_killed(serve, pause):
    server = serve("--drain-timeout", "0s", "127.0.0.1:0")
    with dripping_client(server, pause):
        time.sleep(5 * pause)
        server.process.send_signal(signal.SIGTERM)
        assert server.ends(1)[0]["reason"] == "drain"


def test_the_process_of_a_silent_client_ends_with_a_server_that_was_killed(serve_on):
    server = serve_on()
    with quiet_client(server) as sock:
        serving = server.serving_processes()
        assert server.has_workers or len(serving) == 1
        server.process.kill()
        assert recv_all(sock) == b""
        sock.close()
        wait_until(lambda: all(proc_state(pid) in ("", "Z") for pid in serving), "the end of the serving processes")
