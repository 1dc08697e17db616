# SPDX-License-Identifier: MIT
"""System calls that a seccomp filter refuses to a program, as an old container runtime does."""
import ctypes
import platform
import struct

import pytest

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000

# Offsets in struct seccomp_data (seccomp(2)).
NUMBER, FIRST_ARGUMENT = 0, 16

NUMBERS = {
    "x86_64": {"clone": 56, "clone3": 435, "close_range": 436, "socket": 41},
    "aarch64": {"clone": 220, "clone3": 435, "close_range": 436, "socket": 198},
}


def refuse(call, error, first_argument=None):
    """Returns a preexec function after which this call fails with this errno, if its first argument matches."""
    numbers = NUMBERS.get(platform.machine())
    if numbers is None:
        pytest.skip(f"the numbers of system calls on {platform.machine()} are not known here")
    checks = [(NUMBER, numbers[call])]
    if first_argument is not None:
        checks.append((FIRST_ARGUMENT, first_argument))
    code = b""
    for i, (offset, value) in enumerate(checks):
        to_the_end = 2 * (len(checks) - i - 1) + 1  # jumps over the other checks and the failure
        code += struct.pack("HBBI", LOAD, 0, 0, offset) + struct.pack("HBBI", JUMP_EQUAL, 0, to_the_end, value)
    code += struct.pack("HBBI", RETURN, 0, 0, FAIL | error) + struct.pack("HBBI", RETURN, 0, 0, ALLOW)
    memory = ctypes.create_string_buffer(code, len(code))

    class Filter(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]

    program = Filter(len(code) // 8, ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)

    def install():
        assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0
        assert memory  # keeps the memory allocated until here

    return install
