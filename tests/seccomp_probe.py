#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tests whether seccomp(2) returns on this kernel. Exit status 0: it returns, with or without an error. 1: it
hangs.

A kernel that had to free thousands of filters a second, for minutes, may hang in the next one for ever. Every
sandboxed program would hang too (docs/decisions/0008). Only a reboot helps.
"""
import ctypes
import os
import sys
import time

TIMEOUT = 10.0
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def put_on_a_filter_that_allows_everything():
    libc = ctypes.CDLL(None)
    code = ctypes.create_string_buffer(b"\x06\x00\x00\x00\x00\x00\xff\x7f")  # return SECCOMP_RET_ALLOW

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]

    program = Program(1, ctypes.addressof(code))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def main():
    child = os.fork()
    if child == 0:
        os.closerange(0, 3)  # if it hangs, no process may wait for the end of the output
        put_on_a_filter_that_allows_everything()
        os._exit(0)
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0] == child:
            return 0
        time.sleep(0.01)
    return 1  # even SIGKILL does not end it


if __name__ == "__main__":
    sys.exit(main())
