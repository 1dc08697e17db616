# SPDX-License-Identifier: MIT
"""Outputs that are not read, used as standard output or standard error of a program."""
import contextlib
import errno
import fcntl
import os
import re
import socket
import struct
import termios
import time

from terminal import Terminal

PIPE_SIZE = 1 << 12
F_SETPIPE_SZ = 1031

# Bytes that the kernel keeps for the reader of a terminal, besides those on their way (N_TTY_BUF_SIZE - 1).
TERMINAL_SIZE = 4095

# Maximum seconds until a terminal is full.
FILL_SECONDS = 30


class PipeOutput:
    """A pipe, as small as one can be. `writer` is the program's end."""

    lines = 100  # number of log lines that do not fit into the output

    def __init__(self):
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, F_SETPIPE_SZ, PIPE_SIZE)

    def read(self):
        """Reads what is available, without waiting."""
        os.set_blocking(self.reader, False)
        data = b""
        try:
            while piece := os.read(self.reader, 1 << 16):
                data += piece
        except OSError as error:  # EIO: no program has the terminal open any more
            if error.errno not in (errno.EAGAIN, errno.EIO):
                raise
        return data

    def is_moving(self):
        """Returns whether the kernel still moves written bytes on, which makes room again."""
        return False

    def hand_over(self):
        """Closes our copy of the program's end."""
        if self.writer >= 0:
            os.close(self.writer)
        self.writer = -1

    def close_reader(self):
        if self.reader >= 0:
            os.close(self.reader)
        self.reader = -1

    def close(self):
        self.hand_over()
        self.close_reader()


class FifoOutput(PipeOutput):
    """A named pipe."""

    def __init__(self, directory="/tmp"):
        path = f"{directory}/tcpecho-fifo-{os.getpid()}"
        os.mkfifo(path)
        try:
            self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self.writer = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        finally:
            os.unlink(path)
        fcntl.fcntl(self.writer, F_SETPIPE_SZ, PIPE_SIZE)


class SocketOutput(PipeOutput):
    """A stream socket, as a service manager gives it."""

    def __init__(self):
        ours, theirs = socket.socketpair()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIPE_SIZE)
        self.reader, self.writer = ours.detach(), theirs.detach()


class TerminalOutput(PipeOutput):
    """A terminal that is not read."""

    lines = 450

    def __init__(self, cooked=False):
        self.terminal = Terminal(cooked)
        self.reader, self.writer = self.terminal.master, self.terminal.slave

    def is_moving(self):
        (count,) = struct.unpack("i", fcntl.ioctl(self.reader, termios.FIONREAD, bytes(4)))
        return count < TERMINAL_SIZE

    def hand_over(self):
        self.terminal.hand_over()

    def close_reader(self):
        self.terminal.hang_up()


class CookedTerminalOutput(TerminalOutput):
    """The same, but each newline takes two bytes in its buffer, which is the default of terminals."""

    def __init__(self):
        super().__init__(cooked=True)

    def read(self):
        return super().read().replace(b"\r\n", b"\n")


class StoppedTerminalOutput(TerminalOutput):
    """A terminal on which ^S was pressed."""

    lines = 100

    def __init__(self):
        super().__init__()
        self.terminal.type(b"\x13")

    def is_moving(self):
        return False

    def read(self):
        self.terminal.type(b"\x11")
        return super().read()


ALL = [PipeOutput, FifoOutput, SocketOutput, TerminalOutput, CookedTerminalOutput, StoppedTerminalOutput]

# With an empty /proc, an output cannot be opened again through /proc/self/fd.
WITHOUT_PROC = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")


@contextlib.contextmanager
def opened(kind):
    """Yields an output of this kind, and closes it."""
    output = kind()
    try:
        yield output
    finally:
        output.close()


def lines_and_dropped(text):
    """Returns how many log lines were written or, according to the log, dropped."""
    dropped = re.findall(r'^(?:dropped lines=|\{"event":"dropped","lines":)(\d+)', text, re.MULTILINE)
    return text.count("\n") - len(dropped) + sum(map(int, dropped))


def fill(output):
    """Fills it completely. The kernel moves the bytes of a terminal on for a moment, longer on a busy machine."""
    os.set_blocking(output.writer, False)
    refusals, limit = 0, time.monotonic() + FILL_SECONDS
    while refusals < 5 or (output.is_moving() and time.monotonic() < limit):
        try:
            os.write(output.writer, b"x")
            refusals = 0
        except BlockingIOError:
            refusals += 1
            time.sleep(0.02)
    os.set_blocking(output.writer, True)
