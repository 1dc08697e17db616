# SPDX-License-Identifier: MIT
"""A file system (FUSE) with one file, whose writes can be held up. A separate process implements it.

It stands for a file server that does not answer. Only root may mount it; where /dev/fuse is missing the test is
skipped. When its process ends, every call that waits for it ends too.
"""
import ctypes
import errno
import os
import pathlib
import select
import struct
import subprocess
import sys

ROOT, FILE = 1, 2
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, WRITE, RELEASE, FLUSH, INIT, INTERRUPT, DESTROY, BATCH_FORGET = (
    1, 2, 3, 4, 14, 16, 18, 25, 26, 36, 38, 42
)
FOPEN_DIRECT_IO = 1
UMOUNT_DETACH = 2
REQUEST = struct.Struct("=IIQQIIII")  # length, opcode, unique, node, uid, gid, pid, padding


class StalledFiles:
    """Mounted at `directory`; the file is `directory`/log."""

    def __init__(self, directory, copy):
        import pytest  # the process that serves the file system does not need it

        self.path, self.copy = f"{directory}/log", pathlib.Path(copy)
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(directory), str(copy)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1,
        )
        answer = self.process.stdout.readline().strip()
        if answer != "mounted":
            self.__exit__()
            pytest.skip(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def stall(self):
        """From now on no write gets a reply."""
        self._ask("stall")

    def go_on(self):
        self._ask("go on")

    def _ask(self, what):
        self.process.stdin.write(f"{what}\n")
        assert self.process.stdout.readline().strip() == what

    def data(self):
        """Returns what was written to the file."""
        return self.copy.read_bytes()


# ---- the process that serves it ----


class Files:
    def __init__(self, directory, copy):
        self.copy = open(copy, "wb", buffering=0)
        self.held = []  # write requests without a reply
        self.is_stalled = False
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"tcpecho-test", directory.encode(), b"fuse", 0, options) != 0:
            raise OSError(ctypes.get_errno(), "cannot mount FUSE")
        lifeline, ours = os.pipe()
        if os.fork() == 0:  # the child unmounts it when this process has ended, in whatever way
            os.closerange(0, 3)
            os.close(self.fd)
            os.close(ours)
            os.read(lifeline, 1)
            libc.umount2(directory.encode(), UMOUNT_DETACH)
            os._exit(0)
        os.close(lifeline)

    def _attributes(self, node):
        mode, size = (0o40755, 0) if node == ROOT else (0o100644, self.copy.tell())
        return struct.pack("=6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _answer(self, opcode, node, body):
        """Returns the reply to the kernel; an int is an error."""
        if opcode == INIT:
            return struct.pack("=4I2H2I2H8I", 7, 31, 0, 0, 12, 9, 4096, 1, 32, 0, *[0] * 8)
        if opcode == LOOKUP:
            found = struct.pack("=4Q2I", FILE, 0, 0, 0, 0, 0) + self._attributes(FILE)
            return found if body.rstrip(b"\0") == b"log" else errno.ENOENT
        if opcode in (GETATTR, SETATTR):
            return struct.pack("=Q2I", 0, 0, 0) + self._attributes(node)
        if opcode == OPEN:
            return struct.pack("=Q2I", 0, FOPEN_DIRECT_IO, 0)
        if opcode == WRITE:
            size = struct.unpack_from("=I", body, 16)[0]
            self.copy.write(body[40 : 40 + size])
            return struct.pack("=2I", size, 0)
        return b"" if opcode in (FLUSH, RELEASE) else errno.ENOSYS

    def _serve(self, request):
        _, opcode, unique, node, *_ = REQUEST.unpack_from(request)
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT, DESTROY):
            return  # the kernel expects no reply
        if opcode == WRITE and self.is_stalled:
            self.held.append(request)
            return
        answer = self._answer(opcode, node, request[REQUEST.size :])
        error, text = (-answer, b"") if isinstance(answer, int) else (0, answer)
        os.write(self.fd, struct.pack("=IiQ", 16 + len(text), error, unique) + text)

    def run(self):
        while True:
            ready = select.select([self.fd, sys.stdin], [], [])[0]
            if sys.stdin in ready:
                what = sys.stdin.readline()
                self.is_stalled = what == "stall\n"
                while self.held and not self.is_stalled:
                    self._serve(self.held.pop(0))
                print(what, end="", flush=True)
            if self.fd in ready:
                self._serve(os.read(self.fd, 1 << 17))


if __name__ == "__main__":
    try:
        files = Files(*sys.argv[1:])
    except OSError as error:
        print(f"no file system of our own: {error}", flush=True)
        sys.exit()
    print("mounted", flush=True)
    files.run()
