# SPDX-License-Identifier: MIT
"""Servers in tests of the start: they may become ready or be refused."""
import os
import select
import socket
import subprocess

from harness import Server, wait_until


def leave_stale(path):
    """Leaves what a killed server leaves: a socket file without a listening socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(path))
        sock.listen()


class Starting(Server):
    """A server that has been started; the test does not wait for it."""

    def __init__(self, program, log_path, arguments, engine="fork", prefix=(), preexec=None, pass_fds=()):
        self.engine = engine
        self.log_path = log_path
        self.addresses = []
        reader, writer = os.pipe()
        self.ready = open(reader, "rb", buffering=0)
        command = [*prefix, program, "serve", "--engine", engine, "--ready-fd", str(writer), *arguments]
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(command, stderr=log, pass_fds=[writer, *pass_fds], preexec_fn=preexec)
        os.close(writer)

    def is_ready(self):
        """Returns whether the addresses, or the end of file without them, can be read."""
        return bool(select.select([self.ready], [], [], 0)[0])

    def starts(self):
        """Waits until it is ready or refused. Returns whether it is ready."""
        wait_until(self.is_ready, "the server to be ready or to end")
        self.addresses = self.ready.readline().decode().split()
        return bool(self.addresses)

    def kill(self):
        super().kill()
        self.ready.close()
