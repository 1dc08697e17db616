# SPDX-License-Identifier: MIT
"""The kernel's table of TCP sockets."""
import pathlib
from typing import NamedTuple

TIME_WAIT = 0x06


class TcpSocket(NamedTuple):
    """One line of /proc/net/tcp or tcp6."""

    state: int
    local_port: int
    peer_port: int
    inode: int  # 0: no process has the socket open


def tcp_sockets():
    """Returns every TCP socket of this network namespace. Complete only if no socket changes meanwhile."""
    found = set()
    for name in ("tcp", "tcp6"):
        table = pathlib.Path("/proc/thread-self/net") / name
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, local, peer, state, *more = line.split()
            found.add(TcpSocket(int(state, 16), port_of(local), port_of(peer), int(more[5])))
    return found


def port_of(address):
    """The port of '0100007F:2695'."""
    return int(address.rpartition(":")[2], 16)
