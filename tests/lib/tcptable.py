# SPDX-License-Identifier: MIT
"""Which sockets there are: those that a process holds, and the kernel's table of TCP connections."""
import pathlib
import re
from typing import NamedTuple

from harness import descriptors_of

TIME_WAIT = 0x06


class TcpSocket(NamedTuple):
    """One line of /proc/net/tcp or tcp6."""

    state: int
    local_port: int
    peer_port: int


def tcp_sockets():
    """Every TCP socket of this network namespace. Sure to be all of them only where nothing moves."""
    found = set()
    for name in ("tcp", "tcp6"):
        table = pathlib.Path("/proc/thread-self/net") / name
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, local, peer, state, *_ = line.split()
            found.add(TcpSocket(int(state, 16), port_of(local), port_of(peer)))
    return found


def port_of(address):
    """The port of '0100007F:2695'."""
    return int(address.rpartition(":")[2], 16)


def sockets_of(pid):
    """The inodes of a process's sockets."""
    matches = (re.fullmatch(r"socket:\[(\d+)\]", what) for what in descriptors_of(pid).values())
    return {int(match.group(1)) for match in matches if match}
