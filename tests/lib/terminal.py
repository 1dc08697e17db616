# SPDX-License-Identifier: MIT
"""A pty: the program has the slave, and the test is its keyboard and screen."""
import contextlib
import errno
import fcntl
import os
import select
import termios
import time

import pytest

from harness import TIMEOUT

OFLAG, LFLAG = 1, 3


def open_terminal():
    """Returns the master and the slave of a new terminal. A plain chroot has none: the test is skipped."""
    try:
        return os.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be opened here: {error.strerror or error}")


class Terminal:
    """A terminal that does not change output and does not echo input: the test sees exactly what was written.

    cooked=True: it changes \\n into \\r\\n, which is the default of terminals. Lines, ^D and ^C work as usual. Pass
    `slave` to a program, then call hand_over().
    """

    def __init__(self, cooked=False):
        self.master, self.slave = open_terminal()
        self.seen = b""
        attributes = termios.tcgetattr(self.slave)
        if not cooked:
            attributes[OFLAG] &= ~termios.OPOST
        attributes[LFLAG] &= ~termios.ECHO
        termios.tcsetattr(self.slave, termios.TCSANOW, attributes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hand_over()
        self.hang_up()

    def hand_over(self):
        """Closes our slave: from now on the end of the program is the end of the output."""
        if self.slave >= 0:
            os.close(self.slave)
        self.slave = -1

    def hang_up(self):
        if self.master >= 0:
            os.close(self.master)
        self.master = -1

    def control(self):
        """For preexec: makes it the controlling terminal of a new session, so that ^C sends a signal."""
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def as_stderr(self):
        """For preexec: makes it standard error."""
        os.dup2(self.slave, 2)

    def type(self, data):
        while data:
            data = data[os.write(self.master, data) :]

    def _read(self, deadline):
        """Reads available output. Returns whether more may come."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"still waiting, seen: {self.seen[-500:]!r}")
        if not select.select([self.master], [], [], left)[0]:
            return True
        try:
            piece = os.read(self.master, 1 << 16)
        except OSError as error:  # no process has the slave open
            if error.errno != errno.EIO:
                raise
            return False
        self.seen += piece
        return piece != b""

    def wait_for(self, data):
        """Reads until data appears."""
        deadline = time.monotonic() + TIMEOUT
        while data not in self.seen:
            assert self._read(deadline), f"ended, and {data!r} is not in {self.seen[-500:]!r}"

    def read_to_end(self):
        """Hands the slave over and reads until no process has it open. Returns all output."""
        self.hand_over()
        deadline = time.monotonic() + TIMEOUT * 4
        while self._read(deadline):
            pass
        return self.seen

    def see_for(self, seconds):
        """Reads for this number of seconds, to check that something does not appear. Returns all output."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            while self._read(deadline):
                pass
        return self.seen
