# SPDX-License-Identifier: MIT
"""podman, as root and as an unprivileged user, each in its own place: mounts, processes and storage end with the
place."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from harness import children_of, wait_until

TIMEOUT = 300

# A user that exists only in the place: name, uid, and first subordinate uid.
USER, UID, FIRST_SUBORDINATE = "packager", 50321, 300000
TABLES = {
    "passwd": f"{USER}:x:{UID}:{UID}::{{home}}:/bin/sh\n",
    "group": f"{USER}:x:{UID}:\n",
    "subuid": f"{USER}:{FIRST_SUBORDINATE}:65536\n",
    "subgid": f"{USER}:{FIRST_SUBORDINATE}:65536\n",
}

# podman needs mount propagation to later mount namespaces; here the propagation ends at the place.
SHARED = "mount --make-rshared /"
PRETEND = 'for table in "$1"/etc/*; do mount --bind "$table" "/etc/${table##*/}"; done'


class Place:
    """A place with its own mounts and processes, and the user that works there: root, or an unprivileged user."""

    def __init__(self, is_root):
        self.is_root = is_root
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="tcpecho-place-", dir="/var/tmp"))
        self.path.chmod(0o755)
        self.home = self.path / "home"
        self.runtime = self.path / "run"
        for path in (self.home, self.runtime):
            path.mkdir(mode=0o700)
        if not is_root:
            self.make_user()
        stage = SHARED if is_root else f"{SHARED} && {PRETEND}"
        self.outside = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
            + ["sh", "-c", f"{stage} && echo ready && exec sleep infinity", "stage", self.path],
            stdout=subprocess.PIPE,
        )
        assert self.outside.stdout.readline() == b"ready\n"
        self.first = wait_until(lambda: children_of(self.outside.pid), "the first process")[0]

    def make_user(self):
        """Makes user tables that are mounted over those of the machine. The user owns the home directory."""
        tables = self.path / "etc"
        tables.mkdir()
        for name, line in TABLES.items():
            machine = pathlib.Path("/etc", name)
            if not machine.exists():
                pytest.skip(f"this machine has no {machine}")
            (tables / name).write_text(machine.read_text() + line.format(home=self.home))
        for path in (self.home, self.runtime):
            os.chown(path, UID, UID)

    def command(self, *words):
        as_user = [] if self.is_root else ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
        return ["nsenter", f"--target={self.first}", "--mount", "--pid", *as_user, *map(str, words)]

    def environment(self):
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home),
            "USER": "root" if self.is_root else USER,
            "XDG_RUNTIME_DIR": str(self.runtime),
        }

    def run(self, *words, **more):
        return subprocess.run(
            self.command(*words), env=self.environment(), capture_output=True, text=True, timeout=TIMEOUT, **more
        )

    def start(self, *words, **more):
        return subprocess.Popen(self.command(*words), env=self.environment(), text=True, **more)

    def remove(self):
        self.outside.kill()
        self.outside.wait()
        self.outside.stdout.close()
        shutil.rmtree(self.path)


class Podman:
    """podman with its own storage. runc: crun refuses some layouts of cgroups that runc takes."""

    # Usual limits: podman's own limits are higher than some machines allow.
    LIMITS = ["--ulimit=nofile=1024:4096", "--ulimit=nproc=2048:2048"]

    # Kubernetes' restricted profile, and a read-only root file system.
    CONFINED = ["--network=none", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"]

    def __init__(self, place):
        self.place = place
        self.words = ["podman", "--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=none"]
        self.words += [f"--root={place.home}/images", f"--runroot={place.runtime}/containers"]
        self.containers = []

    def try_to(self, *words, **more):
        return self.place.run(*self.words, *words, **more)

    def run(self, *words, **more):
        done = self.try_to(*words, **more)
        assert done.returncode == 0, f"podman {words}: {done.stderr}"
        return done.stdout

    def serve(self, *words):
        """A server in a container, confined; returns its name once it listens."""
        name = f"server{len(self.containers)}"
        self.containers.append(name)
        self.run("run", "--detach", f"--name={name}", *self.CONFINED, *self.LIMITS, "localhost/tcpecho", *words)
        wait_until(lambda: "listening on" in self.logs(name) or not self.state(name)["Running"], "the server")
        assert self.state(name)["Running"], self.logs(name)
        return name

    def client_words(self, server, *words):
        """A client in its own container, in the server's network."""
        confined = [word for word in self.CONFINED if not word.startswith("--network")]
        network = f"--network=container:{server}"
        return ["run", "--rm", "--interactive", network, *confined, *self.LIMITS, "localhost/tcpecho", *words]

    def logs(self, name):
        done = self.try_to("logs", name)
        return done.stdout + done.stderr

    def state(self, name):
        return json.loads(self.run("inspect", name))[0]["State"]

    def process(self, name):
        """Returns the /proc fields of the container's first process: {"Uid": ...}."""
        listed = self.place.run("cat", f"/proc/{self.state(name)['Pid']}/status").stdout
        return dict(line.split(":\t", 1) for line in listed.splitlines() if ":\t" in line)

    def remove(self):
        for name in self.containers:
            self.try_to("rm", "--force", "--time=0", name)
        for directory, _, _ in os.walk("/sys/fs/cgroup", topdown=False):
            if "libpod_parent" in directory:
                with contextlib.suppress(OSError):
                    os.rmdir(directory)  # if no other process uses it
