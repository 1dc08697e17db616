# SPDX-License-Identifier: MIT
"""A test in its own network namespace: its own loopback, ports and sysctls.

The test's thread enters the namespace, so every socket it makes and every process it starts is in there. The
namespace has no name and needs no clean-up: it goes with the last process and descriptor.

A test names the fixture `own_network` in `pytest.mark.usefixtures`.
"""
import contextlib
import ctypes
import fcntl
import os
import pathlib
import socket
import struct

import pytest

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
SIOCSIFMTU = 0x8922
IFF_UP = 0x1

LIBC = ctypes.CDLL(None, use_errno=True)


def check(result):
    """Returns a C library call's result; raises OSError on an error."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def bring_loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def set_loopback_mtu(size):
    """Limits segments in this thread's namespace to the size on a real network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFMTU, struct.pack("16si20x", b"lo", size))


@contextlib.contextmanager
def network_namespace():
    """This thread is in a new network namespace until the end of the block. Only root may."""
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        check(LIBC.unshare(CLONE_NEWNET))
        try:
            bring_loopback_up()
            yield
        finally:
            check(LIBC.setns(outside, CLONE_NEWNET))
    finally:
        os.close(outside)


def enter_own_network():
    """Enters a network namespace permanently, where that is allowed. It keeps tests that run in parallel, other
    listeners and ports in TIME_WAIT out of the way. Some tests leave ten thousand such ports."""
    try:
        check(LIBC.unshare(CLONE_NEWNET))
    except OSError:
        return
    bring_loopback_up()


def sysctl(name):
    """Returns the file of a kernel parameter, such as 'net.ipv4.ip_local_port_range', in this thread's namespace."""
    return pathlib.Path("/proc/sys") / name.replace(".", "/")


def set_sysctl(name, value):
    """Sets a kernel parameter of this thread's namespace, or skips the test where that is impossible."""
    try:
        sysctl(name).write_text(f"{value}\n")
    except OSError as error:
        pytest.skip(f"cannot set {name}: {error.strerror}")


@pytest.fixture
def own_network():
    """Runs the whole test in a network namespace."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(network_namespace())
        except OSError as error:
            pytest.skip(f"cannot make a network namespace: {error.strerror}")
        yield
