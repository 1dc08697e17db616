# SPDX-License-Identifier: MIT
"""The second request to end: a signal that a program does not take for a part of the first one."""
import time

from harness import TIMEOUT

# A signal to end that comes later than this after the first is a second request (net/signals.h).
SECOND_REQUEST = 0.1


def request_again(is_running, send):
    """A second request to end: sends the signal when the documented time has passed, until the process has ended.

    It is sent repeatedly because a server without a CPU may count a signal as part of the first request.
    """
    deadline = time.monotonic() + TIMEOUT
    while is_running() and time.monotonic() < deadline:
        time.sleep(SECOND_REQUEST)
        send()


def end_at_once(server, number):
    """Sends the second shutdown request to a server that has logged the start of the drain. Returns the exit
    status."""
    request_again(server.is_running, lambda: server.send(number))
    return server.wait()
