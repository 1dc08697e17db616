# SPDX-License-Identifier: MIT
"""A time limit for tests that wait in a plain read() or join(): a hang fails the test and does not stop the run.

The fixture `no_hang` applies to every test.
"""
import signal

import pytest

from harness import TIMEOUT


@pytest.fixture(autouse=True)
def no_hang():
    """Raises TimeoutError in the test after ten times the limit of a single wait."""

    def bark(*_):
        raise TimeoutError("the test hangs here")

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, TIMEOUT * 10)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
