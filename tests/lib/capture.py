# SPDX-License-Identifier: MIT
"""Packets on the wire: runs tcpdump on the loopback of this network namespace.

Use it only where nothing else uses that loopback, that is, in a namespace of the test (netns.py).
"""
import functools
import pathlib
import re
import shutil
import socket
import subprocess
from typing import NamedTuple, Optional

import pytest

from harness import TIMEOUT, wait_until

# Numbers instead of names, absolute sequence numbers, no time, each packet at once. Only the headers are captured,
# and the buffer holds many of them, so that none is missed while tcpdump gets no CPU.
OPTIONS = ["-nn", "-S", "-t", "-l", "--immediate-mode", "-s", "128", "-B", "65536"]

# A datagram to a port on which nothing listens. Once the capture shows it, it also has all earlier packets.
MARKER_PORT = 9

TCP_LINE = re.compile(
    r"IP6? \S+\.(?P<source>\d+) > \S+\.(?P<destination>\d+): Flags \[(?P<flags>[^]]+)\]"
    r"(?:, seq (?P<seq>\d+)(?::\d+)?)?(?:, ack (?P<ack>\d+))?.*, length (?P<length>\d+)"
)
MARKER_LINE = re.compile(rf"^IP \S+ > \S+\.{MARKER_PORT}: UDP", re.MULTILINE)


class Packet(NamedTuple):
    """One TCP segment, with absolute sequence numbers; a bare ACK has no seq."""

    source: int
    destination: int
    flags: str  # as tcpdump writes them: S, F, P, R, and '.' for ACK
    seq: Optional[int]
    ack: Optional[int]
    length: int

    @property
    def end(self):
        """The sequence number behind the last byte, which is that of a FIN in it."""
        return (self.seq + self.length) % 2**32


@functools.cache
def kernel_hangs_in_filters():
    """The same part of the kernel compiles tcpdump's filter and a sandbox's (docs/decisions/0008)."""
    probe = pathlib.Path(__file__).parents[1] / "seccomp_probe.py"
    return subprocess.run(["/usr/bin/python3", probe], check=False).returncode == 1


def parse_packets(text):
    """Returns the TCP segments in tcpdump's output."""

    def number(digits):
        return None if digits is None else int(digits)

    def packet(source, destination, flags, seq, ack, length):
        return Packet(number(source), number(destination), flags, number(seq), number(ack), number(length))

    return [packet(**match.groupdict()) for match in TCP_LINE.finditer(text)]


class Capture:
    """Records every packet on the loopback from `with` on. Skips the test where capturing is not possible."""

    def __init__(self, directory):
        self.output = pathlib.Path(directory) / "tcpdump.out"
        self.errors = pathlib.Path(directory) / "tcpdump.err"
        self.markers = 0

    def __enter__(self):
        tcpdump = shutil.which("tcpdump", path="/usr/bin:/usr/sbin:/sbin")
        if tcpdump is None:
            pytest.skip("cannot capture: tcpdump is not installed")
        if kernel_hangs_in_filters():
            pytest.skip("cannot capture: this kernel hangs in filters until it is restarted")
        with open(self.output, "wb") as output, open(self.errors, "wb") as errors:
            self.process = subprocess.Popen([tcpdump, "-i", "lo", *OPTIONS], stdout=output, stderr=errors)
        wait_until(lambda: self.has_begun() or self.process.poll() is not None, "tcpdump")
        if self.process.poll() is not None:
            words = self.errors.read_text().strip()
            assert "permi" in words, words  # permission, permitted: any other word is an error of the test
            pytest.skip(f"cannot capture: {words}")
        return self

    def has_begun(self):
        return "listening on lo" in self.errors.read_text()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(TIMEOUT)

    def packets(self):
        """All TCP segments until now, in order."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as marker:
            marker.sendto(b"", ("127.0.0.1", MARKER_PORT))
        self.markers += 1
        wait_until(lambda: self.markers_seen() == self.markers, "the marker in the capture")
        return parse_packets(self.output.read_text())

    def markers_seen(self):
        return len(MARKER_LINE.findall(self.output.read_text()))
