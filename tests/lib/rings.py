# SPDX-License-Identifier: MIT
"""Limits on io_uring: none at all, or small rings only; also reads which rings a process has."""
import ctypes
import errno
import os
import re
import struct

from harness import descriptors_of, proc_text

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
IO_URING_SETUP = 425  # on every architecture
LOAD, JUMP_IF_EQUAL, JUMP_IF_GREATER, RETURN = 0x20, 0x15, 0x25, 0x06
ALLOW, FAIL_WITH = 0x7FFF0000, 0x00050000

# Offsets in struct seccomp_data: the call number, and the relevant half of the first argument.
CALL, FIRST_ARGUMENT = 0, 16 if struct.pack("=H", 1) == struct.pack("<H", 1) else 20


def filtered(*rules):
    """Returns a preexec function that installs these seccomp(2) rules."""

    def put_on():
        libc = ctypes.CDLL(None)
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
        listing = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code))
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, listing, 0, 0) != 0:
            os._exit(99)

    return put_on


def without_rings(number):
    """Returns a preexec function after which io_uring_setup(2) fails with this error, as in containers."""
    return filtered(
        (LOAD, 0, 0, CALL),
        (JUMP_IF_EQUAL, 0, 1, IO_URING_SETUP),
        (RETURN, 0, 0, FAIL_WITH | number),
        (RETURN, 0, 0, ALLOW),
    )


def rings_of_at_most(requests):
    """Returns a preexec function that limits rings to this number of requests, as RLIMIT_MEMLOCK does."""
    return filtered(
        (LOAD, 0, 0, CALL),
        (JUMP_IF_EQUAL, 0, 3, IO_URING_SETUP),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (JUMP_IF_GREATER, 0, 1, requests),
        (RETURN, 0, 0, FAIL_WITH | errno.ENOMEM),
        (RETURN, 0, 0, ALLOW),
    )


def rings_of(pid):
    """Returns the descriptors of a process that are rings."""
    return [fd for fd, what in descriptors_of(pid).items() if what == "anon_inode:[io_uring]"]


def room_for_completions(pid):
    """Returns the size of the completion queue of a process that has one ring."""
    (fd,) = rings_of(pid)
    return int(re.search(r"^CqMask:\s+(0x\w+)", proc_text(pid, f"fdinfo/{fd}"), re.MULTILINE).group(1), 16) + 1
