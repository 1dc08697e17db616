# SPDX-License-Identifier: MIT
"""Short counts, EINTR and EAGAIN in every process of a server: tests/fault/preload.c, loaded before the C library."""
import struct
from typing import NamedTuple

import pytest


class Plan(NamedTuple):
    """What is done to every call; 0: nothing of that kind."""

    most_in: int  # bytes that a receive moves at once
    most_out: int  # and a send
    eintr: int  # so often each call is interrupted before it is made
    eagain: int  # and those that may not wait refused


class Faults:
    """Of one server: `env` is for its environment, counts() says how many there have been."""

    def __init__(self, build, directory, plan):
        library = build / "tests" / "fault" / "libtcpecho-faults.so"
        assert library.exists(), f"{library} is not built: ./dev build"
        # The loader separates names by spaces and colons, which the path of a checkout may have.
        preloaded = directory / "faults.so"
        preloaded.unlink(missing_ok=True)
        preloaded.symlink_to(library)
        self.path = directory / "faults"
        self.path.write_bytes(bytes(32))
        self.env = {
            "LD_PRELOAD": str(preloaded),
            "TCPECHO_FAULTS": " ".join(map(str, plan)),
            "TCPECHO_FAULTS_COUNTS": str(self.path),
        }

    def counts(self):
        return Plan(*struct.unpack("=QQQQ", self.path.read_bytes()))


@pytest.fixture
def faults(build, sanitized, tmp_path):
    """Makes faults of a plan, for one server."""
    if sanitized:
        pytest.skip("the library of a sanitizer wants to be loaded first")
    return lambda plan: Faults(build, tmp_path, plan)
