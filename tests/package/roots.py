# SPDX-License-Identifier: MIT
"""A Debian in a directory, in which packages are installed and programs run; also one started by systemd."""
import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from harness import children_of, proc_text, wait_until

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

TIMEOUT = 120

# Own processes, mounts and network, with a working loopback: sh -c STAGE stage ROOT COMMAND...
STAGE = 'ip link set lo up && mount -t proc proc "$1/proc" && exec chroot "$@"'
CLOSED = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def execute(command, **more):
    return subprocess.run(
        list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT, **more
    )


class Root:
    """A root directory, made from an archive."""

    def __init__(self, archive):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="tcpecho-root-"))
        subprocess.run(["tar", "-x", "-f", archive, "-C", self.path], check=True)

    def try_to(self, *command, **more):
        """Runs a command inside, with no network but loopback."""
        return execute([*CLOSED, "sh", "-c", STAGE, "stage", self.path, *command], **more)

    def run(self, *command, **more):
        """The same, but it must succeed: returns its output."""
        done = self.try_to(*command, **more)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def install(self, package):
        """Installs it with apt, as a user does; missing dependencies are not available."""
        shutil.copy(package, self.path / "var/tmp")
        said = self.run("apt-get", "install", "--yes", f"/var/tmp/{package.name}")
        (self.path / "var/tmp" / package.name).unlink()
        return said

    def purge(self):
        return self.run("apt-get", "purge", "--yes", "tcpecho")

    def remove(self):
        shutil.rmtree(self.path)


# Files that apt and dpkg keep for themselves, whatever the package.
BOOKS = ["var/log", "var/cache", "var/lib/apt", "var/lib/dpkg/status-old", "var/lib/dpkg/lock", "var/lib/dpkg/triggers"]


def inventory(path):
    """Returns every file of a tree with its contents."""
    found = {}
    for directory, folders, files in os.walk(path):
        for name in folders + files:
            entry = pathlib.Path(directory) / name
            inside = str(entry.relative_to(path))
            if any(inside == book or inside.startswith(book + "/") for book in BOOKS):
                continue
            if entry.is_symlink():
                found[inside] = os.readlink(entry)
            elif entry.is_file():
                found[inside] = hashlib.sha256(entry.read_bytes()).hexdigest()
            else:
                found[inside] = oct(entry.stat().st_mode)
    return found


class Booted(Root):
    """A root that systemd has started: its first process, with services, sockets and cgroups."""

    # systemd needs a single cgroup tree, and this machine's may be of the other kind. nspawn's seccomp filter does
    # not allow Landlock, although machines do.
    BOOT = (
        "mount -t cgroup2 cgroup2 /sys/fs/cgroup && mkdir \"/sys/fs/cgroup/$2\""
        " && echo 0 >\"/sys/fs/cgroup/$2/cgroup.procs\""
        " && exec systemd-nspawn --quiet --register=no --keep-unit --boot"
        " --private-network --console=pipe --directory=\"$1\""
        " '--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self'"
    )

    # Removes the cgroups that nspawn and systemd made below the one in which they were started.
    LEAVE = 'mount -t cgroup2 cgroup2 /sys/fs/cgroup && find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} +'

    def __init__(self, archive):
        super().__init__(archive)
        self.log = tempfile.TemporaryFile()
        self.outside = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
            + ["sh", "-c", self.BOOT, "boot", self.path, self.path.name],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.init = None
        try:
            self.init = wait_until(self.find_init, "systemd", within=TIMEOUT)
            wait_until(self.is_up, "the end of the start", within=TIMEOUT)
        except BaseException:
            self.log.seek(0)
            print(self.log.read().decode(errors="replace"))
            self.remove()
            raise

    def find_init(self):
        """Returns the outside pid of the first process inside."""
        assert self.outside.poll() is None, "systemd-nspawn ended"
        pids = [self.outside.pid]
        while pids:
            pid = pids.pop()
            with contextlib.suppress(OSError):
                if pid != self.outside.pid and proc_text(pid, "comm").strip() == "systemd":
                    return pid
                pids += children_of(pid)
        return None

    def is_up(self):
        return self.try_to("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def try_to(self, *command, **more):
        return execute(["nsenter", "--target", self.init, "--all", *command], **more)

    def remove(self):
        self.outside.kill()  # this also ends everything in its namespaces
        self.outside.wait()
        self.log.close()
        leave = ["unshare", "--mount", "sh", "-c", self.LEAVE, "leave", self.path.name]
        wait_until(lambda: execute(leave).returncode == 0, "the end of every process")
        super().remove()
