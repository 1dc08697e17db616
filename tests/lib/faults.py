# SPDX-License-Identifier: MIT
"""Short counts, EINTR and EAGAIN in every process of a server: tests/fault/preload.c, loaded before the C library."""
import struct
from typing import NamedTuple

import pytest


class Plan(NamedTuple):
    """The faults that are injected into every call. 0: no fault of that kind."""

    most_in: int  # maximum number of bytes that a receive returns
    most_out: int  # maximum number of bytes that a send takes
    eintr: int  # number of interruptions before each call is made
    eagain: int  # also refuses calls that may not wait


class Faults:
    """Faults of one server: `env` goes into its environment, counts() returns the number of injected faults."""

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
    """Returns a function that makes Faults from a Plan, for one server."""
    if sanitized:
        pytest.skip("the library of a sanitizer wants to be loaded first")
    return lambda plan: Faults(build, tmp_path, plan)
