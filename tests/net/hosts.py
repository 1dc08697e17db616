# SPDX-License-Identifier: MIT
"""Two hosts: network namespaces, connected only through their TUN devices.

A host is made in the namespace of the calling thread (lib/netns.py).
"""
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
from typing import NamedTuple

import pytest

from harness import descriptors_of, wait_until
from netns import network_namespace, set_sysctl, sysctl
from streams import borrowed

DEVICE = "tun0"
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000

# From include/uapi/linux/tcp.h.
TCP_REPAIR = 19

# The documentation networks (RFC 5737, RFC 3849).
ADDRESSES = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
NETWORKS = {4: "192.0.2.0/24", 6: "2001:db8::/64"}
CLIENT, SERVER = 0, 1

LEAST_MTU_OF_IPV6 = 1280  # IPv6 does not work on a link with a smaller MTU (RFC 8200 5)

PORT = 9877


class Host(NamedTuple):
    """The settings of a host."""

    sysctls: dict = {}  # "tcp_rmem" -> "4096 4096 4096", below net.ipv4
    mtu: int = 1500
    advmss: int = 0  # maximum segment size that it announces; 0: what fits the MTU
    # congestion control, set by route, because the sysctl of a namespace may not choose every one
    congestion: str = "cubic"
    rules: tuple = ()  # nftables rules for incoming packets


def run_tool(*command, text):
    """Runs a tool on its input. Output on standard error is an error of the test."""
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}\n{text}"


def open_tun():
    """Makes a TUN device in this namespace. Returns the descriptor through which its packets go."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(fd)
        raise
    return fd


@contextlib.contextmanager
def host(role, setup):
    """Moves this thread into a host until the end of the block, and yields the host's TUN descriptor."""
    if setup.congestion not in sysctl("net.ipv4.tcp_available_congestion_control").read_text().split():
        pytest.skip(f"this kernel has no {setup.congestion}")
    with network_namespace():
        device = open_tun()
        try:
            for name, value in {**hurry(), **setup.sysctls}.items():
                set_sysctl(f"net.ipv4.{name}", value)
            run_tool("ip", "-batch", "-", text=links(role, setup))
            if setup.mtu >= LEAST_MTU_OF_IPV6:
                wait_until(lambda: is_reachable(ADDRESSES[6][role]), "the IPv6 address")
            if setup.rules:
                run_tool("nft", "-f", "-", text=ruleset(setup.rules))
            yield device
        finally:
            os.close(device)


def is_reachable(address):
    """Returns whether packets to this IPv6 address are accepted. The kernel adds its route a little later than the
    address."""
    prefix = socket.inet_pton(socket.AF_INET6, address).hex()
    return f"{prefix} 80 " in pathlib.Path("/proc/thread-self/net/ipv6_route").read_text()


def hurry():
    """Returns sysctls that shorten the kernel's waits.

    Every RST with an unexpected sequence number is answered, so that the next one is right (RFC 5961). Linux 6.15
    can limit the doubling of timeouts, which otherwise reach two minutes. But then a connection that its process
    has closed is aborted as soon as the timeout cannot grow any more. tcp_orphan_retries of 0 ("some safe number")
    means 8 only until then, so the number is set.
    """
    sysctls = {"tcp_invalid_ratelimit": 0}
    if sysctl("net.ipv4.tcp_rto_max_ms").exists():
        sysctls |= {"tcp_rto_max_ms": 1000, "tcp_orphan_retries": 8}
    return sysctls


def links(role, setup):
    """Commands for ip(8): addresses of both families, and no traffic that the kernel sends by itself."""
    metrics = f"congctl {setup.congestion}" + (f" advmss {setup.advmss}" if setup.advmss else "")
    lines = [f"link set {DEVICE} mtu {setup.mtu}"]
    families = [4] if setup.mtu < LEAST_MTU_OF_IPV6 else [4, 6]
    if 6 in families:
        lines.append(f"link set {DEVICE} addrgenmode none")
    lines.append(f"link set {DEVICE} up")
    for family in families:
        length = NETWORKS[family].partition("/")[2]
        flags = "noprefixroute nodad" if family == 6 else "noprefixroute"
        lines.append(f"address add {ADDRESSES[family][role]}/{length} dev {DEVICE} {flags}")
        lines.append(f"route add {NETWORKS[family]} dev {DEVICE} {metrics}")
    return "\n".join(lines) + "\n"


def ruleset(rules):
    lines = "\n".join(rules)
    return f"table inet echo {{\nchain in {{\ntype filter hook input priority 0;\n{lines}\n}}\n}}\n"


def checksum_errors():
    """Returns the number of segments that the kernel of this host has discarded because of a wrong checksum."""
    names, values = re.findall(r"^Tcp: (.*)$", pathlib.Path("/proc/thread-self/net/snmp").read_text(), re.MULTILINE)
    return int(dict(zip(names.split(), values.split()))["InCsumErrors"])


def why_impossible():
    """Returns why hosts are impossible here, or None."""
    for tool in ("ip", "nft"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    try:
        with host(SERVER, Host(rules=("counter",))):
            return None
    except (OSError, AssertionError) as error:
        return f"cannot make a host with a TUN device: {error}"


def forget_connection(pid):
    """Removes a process's connection as a reboot does: no packet shows it (TCP_REPAIR, tcp(7)).

    Returns whether there was one. The caller must kill the process, or the connection stays.
    """
    found = False
    for fd, what in descriptors_of(pid).items():
        # A child that has just begun may close inherited descriptors meanwhile.
        with contextlib.suppress(OSError, pytest.skip.Exception):
            if what.startswith("socket:"):
                with borrowed(pid, fd) as sock:
                    sock.getpeername()
                    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
                    found = True
    return found
