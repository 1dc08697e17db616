# SPDX-License-Identifier: MIT
"""Bytes in bulk: made to measure, and compared as they come."""
import threading

from streams import pattern

# Prime, so that no power of two in a program can turn one place of the stream into another.
PERIOD = 1_000_003


class Endless:
    """An endless stream of bytes, known at every offset, in a fixed amount of memory."""

    def __init__(self, seed=0):
        self.twice = pattern(PERIOD, seed) * 2

    def at(self, offset, size):
        """`size` (at most PERIOD) bytes from an offset on."""
        start = offset % PERIOD
        return self.twice[start : start + size]

    def write(self, file, size):
        """Writes the first `size` bytes to a file."""
        for offset in range(0, size, 1 << 19):
            file.write(self.at(offset, min(1 << 19, size - offset)))


class Feeder(threading.Thread):
    """Writes to a file in the background and closes it. It also ends if the reader closes its end."""

    def __init__(self, file, write):
        """write(file) does the writing."""
        super().__init__()
        self.file, self.write = file, write
        self.start()

    def run(self):
        try:
            with self.file:
                self.write(self.file)
        except (BrokenPipeError, ConnectionResetError):
            pass
