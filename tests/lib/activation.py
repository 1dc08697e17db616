# SPDX-License-Identifier: MIT
"""A service manager that passes sockets in (sd_listen_fds(3))."""
import sys

# As a service manager does it: the sockets are descriptors 3, 4, ..., and LISTEN_PID is the pid of the process that
# gets them.
MANAGER = """
import fcntl, os, sys
pid, count, *rest = sys.argv[1:]
n = rest.index("--")
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 500) for fd in rest[:n]]
for number, fd in enumerate(fds):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ["LISTEN_PID"] = pid or str(os.getpid())
os.environ["LISTEN_FDS"] = count or str(len(fds))
os.execv(rest[n + 1], rest[n + 1:])
"""


def manager(*passed, pid="", count=""):
    """The arguments of serve() that start it with these sockets passed in."""
    fds = [item if isinstance(item, int) else item.fileno() for item in passed]
    prefix = (sys.executable, "-c", MANAGER, str(pid), str(count), *map(str, fds), "--")
    return {"prefix": prefix, "pass_fds": fds}
