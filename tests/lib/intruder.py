# SPDX-License-Identifier: MIT
"""An intruder in a process: makes system calls that the program does not make.

A tracer (ptrace(2)) stops the process at a system call and replaces its number and, if given, its arguments. For
x86-64 only: registers and call numbers are specific to it.
"""
import contextlib
import ctypes
import errno
import os
import platform

import pytest

from harness import proc_text, wait_until

PTRACE_PEEKUSER, PTRACE_POKEDATA, PTRACE_POKEUSER, PTRACE_DETACH = 3, 5, 6, 17
PTRACE_SYSCALL, PTRACE_SEIZE, PTRACE_INTERRUPT = 24, 0x4206, 0x4207
PTRACE_CALL = 101
WAITS = (7, 219, 232, 281, 426)  # poll, restart_syscall, epoll_wait, epoll_pwait, io_uring_enter
RAX, ORIG_RAX, RSP = 10 * 8, 15 * 8, 19 * 8
ARGUMENTS = [number * 8 for number in (14, 13, 12, 7, 9, 8)]  # rdi, rsi, rdx, r10, r8, r9
BELOW_THE_STACK = 16 * 1024  # more than the process uses for its next steps
WALL = 0x40000000

# Calls that a child does not make, whatever their arguments.
CALLS = {
    "write": 1,
    "mmap": 9,
    "mprotect": 10,
    "socket": 41,
    "connect": 42,
    "sendmsg": 46,
    "recvmsg": 47,
    "bind": 49,
    "fork": 57,
    "execve": 59,
    "kill": 62,
    "ptrace": 101,
    "openat": 257,
    "accept4": 288,
    "io_uring_setup": 425,
    "clone3": 435,
}

# The same, and calls that are dangerous with certain arguments.
NUMBERS = {
    **CALLS,
    "read": 0,
    "madvise": 28,
    "sendto": 44,
    "shutdown": 48,
    "setsockopt": 54,
    "clone": 56,
    "futex": 202,
    "tgkill": 234,
    "newfstatat": 262,
    "unlinkat": 263,
    "unshare": 272,
    "epoll_create1": 291,
    "prlimit64": 302,
    "seccomp": 317,
}

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.syscall.restype = ctypes.c_long


def ptrace(request, pid, address=None, data=None):
    """ptrace(2); PTRACE_PEEKUSER gives the word as a signed number."""
    word = ctypes.c_long()
    if request == PTRACE_PEEKUSER:
        data = ctypes.addressof(word)  # the kernel's calling convention, not the C library's
    if LIBC.syscall(PTRACE_CALL, request, pid, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return word.value


def next_status(pid):
    """Waits until the traced process stops or ends."""
    return wait_until(lambda: os.waitpid(pid, WALL | os.WNOHANG)[1], f"process {pid} to stop")


def put_bytes(pid, data, address):
    """Writes bytes into the memory of a traced process, word by word."""
    for at in range(0, len(data), 8):
        word = int.from_bytes(data[at : at + 8].ljust(8, b"\0"), "little")
        ptrace(PTRACE_POKEDATA, pid, address + at, word)


def put_arguments(pid, arguments):
    """Sets the arguments of the call that a traced process enters: numbers, or bytes, whose address is passed.
    Returns the former contents."""
    address = ptrace(PTRACE_PEEKUSER, pid, RSP) - BELOW_THE_STACK
    before = [ptrace(PTRACE_PEEKUSER, pid, register) for register in ARGUMENTS]
    for register, argument in zip(ARGUMENTS, arguments):
        if isinstance(argument, bytes):
            put_bytes(pid, argument, address)
            argument, address = address, address + (len(argument) + 15) // 16 * 16
        ptrace(PTRACE_POKEUSER, pid, register, argument)
    return before


def make_call(pid, call, *arguments):
    """Makes a waiting process execute this call and continues it. Returns the call's result; the process may be
    killed by it.

    Without arguments, the call gets those of the call in which the process waits."""
    if platform.machine() != "x86_64":
        pytest.skip("the registers are those of x86-64")
    waits = tuple(f"{number} " for number in WAITS)
    try:
        wait_until(lambda: proc_text(pid, "syscall").startswith(waits), f"process {pid} to wait")
        ptrace(PTRACE_SEIZE, pid)
    except PermissionError as error:
        pytest.skip(f"cannot trace: {error.strerror}")
    ptrace(PTRACE_INTERRUPT, pid)
    assert os.WIFSTOPPED(next_status(pid))
    ptrace(PTRACE_SYSCALL, pid)  # it enters the interrupted call again
    assert os.WIFSTOPPED(next_status(pid))
    ptrace(PTRACE_POKEUSER, pid, ORIG_RAX, NUMBERS[call])
    before = put_arguments(pid, arguments)
    ptrace(PTRACE_SYSCALL, pid)
    if not os.WIFSTOPPED(next_status(pid)):
        return None
    result = ptrace(PTRACE_PEEKUSER, pid, RAX)
    put_arguments(pid, before)
    ptrace(PTRACE_POKEUSER, pid, RAX, -errno.EINTR)  # the process sees an interrupted wait
    ptrace(PTRACE_DETACH, pid)
    return result


@contextlib.contextmanager
def stop_at_call(pid, call):
    """Stops a process just before it next makes this call. Yields a function that returns whether it is stopped.
    The process continues afterwards, unless it was killed."""
    if platform.machine() != "x86_64":
        pytest.skip("the registers are those of x86-64")
    try:
        ptrace(PTRACE_SEIZE, pid)
    except PermissionError as error:
        pytest.skip(f"cannot trace: {error.strerror}")
    ptrace(PTRACE_INTERRUPT, pid)
    assert os.WIFSTOPPED(next_status(pid))
    ptrace(PTRACE_SYSCALL, pid)
    found = False

    def is_stopped():
        """Call it repeatedly: it lets the process continue through its other calls."""
        nonlocal found
        while not found and os.waitpid(pid, WALL | os.WNOHANG)[0] != 0:
            found = ptrace(PTRACE_PEEKUSER, pid, ORIG_RAX) == CALLS[call]
            if not found:
                ptrace(PTRACE_SYSCALL, pid)
        return found

    try:
        yield is_stopped
    finally:
        with contextlib.suppress(ProcessLookupError):
            if not found:
                ptrace(PTRACE_INTERRUPT, pid)
                next_status(pid)
            ptrace(PTRACE_DETACH, pid)
