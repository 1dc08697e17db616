# SPDX-License-Identifier: MIT
"""Several machines on one: each has its own address, name, processes, /run and /etc/passwd.

A machine is a set of namespaces, held by a process that ends with the test: nothing outlives it. The first machine
of a network is its hub: it has the bridge to which the others connect.
"""
import functools
import os
import pathlib
import subprocess

from harness import TIMEOUT, children_of, wait_until
from tools import tool

# The documentation network (RFC 5737).
NETWORK, LENGTH = "192.0.2", 24

# Users that sshd needs: its own unprivileged user, and a root account without a password that is not locked.
PASSWD = "root:*:0:0:root:{home}:/bin/bash\nsshd:*:997:65534::/run/sshd:/usr/sbin/nologin\nnobody:*:65534:65534::/:/usr/sbin/nologin\n"
SHADOW = "root:*:19000:0:99999:7:::\n"

# The first process of a machine. It ends when every writer to its standard input is closed. All other processes of
# the machine end with it.
INIT = """
set -e
hostname "$1"
mount -t tmpfs none /run
mount --bind "$2/passwd" /etc/passwd
[ ! -e /etc/shadow ] || mount --bind "$2/shadow" /etc/shadow
ip link set lo up
echo ready
exec cat >/dev/null
"""


class Machine:
    """One machine. address: last number in its IP address."""

    def __init__(self, name, number, directory):
        self.name, self.address = name, f"{NETWORK}.{number}"
        self.home = pathlib.Path(directory) / name
        self.home.mkdir(mode=0o755)
        (self.home / "passwd").write_text(PASSWD.format(home=self.home))
        (self.home / "shadow").write_text(SHADOW)
        self.process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc",
             "sh", "-c", INIT, "init", name, str(self.home)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        if self.process.stdout.readline() != "ready\n":
            error = self.process.communicate()[1]
            raise OSError(f"cannot make a machine: {error.strip()}")
        self.pid = children_of(self.process.pid)[0]

    @property
    def network(self):
        """Returns a command prefix that runs a command in this machine's network. The processes are children of the
        test and can be signalled."""
        return ["nsenter", "-t", str(self.pid), "--net", "--uts"]

    @property
    def inside(self):
        """A prefix for commands that run in all namespaces of the machine."""
        return ["nsenter", "-t", str(self.pid), "--all"]

    def run(self, *command, within=TIMEOUT * 2, check=True, env=None, **more):
        """Runs a command in it, with its home directory, and waits."""
        environment = {**os.environ, "HOME": str(self.home), "LC_ALL": "C.UTF-8", **(env or {})}
        done = subprocess.run(
            [*self.inside, *map(str, command)],
            capture_output=True, text=True, timeout=within, env=environment, stdin=subprocess.DEVNULL, **more,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *command, log, env=None):
        """Starts a command that keeps running and ends with the machine. Its output goes to a file in the machine's
        home."""
        environment = {**os.environ, "HOME": str(self.home), **(env or {})}
        with (self.home / log).open("wb") as file:
            return subprocess.Popen(
                [*self.inside, *map(str, command)], stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment
            )

    def end(self):
        self.process.kill()
        self.process.communicate()


class Network:
    """Machines by name, and a cable from each to the hub."""

    def __init__(self, directory, hub="hub"):
        self.directory = directory
        self.processes = []
        self.hub = Machine(hub, 1, directory)
        self.machines = [self.hub]
        try:
            self.hub.run("ip", "link", "add", "bridge", "type", "bridge")
            self._give_address(self.hub, "bridge")
        except AssertionError as error:
            self.end()
            raise OSError(f"cannot make a bridge: {error}") from None

    def machine(self, name, number):
        machine = Machine(name, number, self.directory)
        self.machines.append(machine)
        self.hub.run("ip", "link", "add", name, "type", "veth", "peer", "name", "cable")
        # Process ids differ in the machine's namespace, so the interface is moved from outside.
        subprocess.run(
            ["nsenter", "-t", str(self.hub.pid), "--net", "ip", "link", "set", "cable", "netns", str(machine.pid)],
            check=True, timeout=TIMEOUT,
        )
        self.hub.run("ip", "link", "set", name, "master", "bridge", "up")
        self._give_address(machine, "cable")
        return machine

    def start(self, machine, *command, log, env=None):
        process = machine.start(*command, log=log, env=env)
        self.processes.append(process)
        return process

    def end(self):
        for machine in reversed(self.machines):
            machine.end()
        for process in self.processes:
            process.wait(TIMEOUT)

    @staticmethod
    def _give_address(machine, device):
        machine.run("ip", "address", "add", f"{machine.address}/{LENGTH}", "dev", device)
        machine.run("ip", "link", "set", device, "up")


def wait_for_port(machine, port):
    """Waits until a port of the machine has a listening socket."""
    def listens():
        return machine.run("ss", "-Hltn", f"sport = :{port}").stdout.strip()

    wait_until(listens, f"{machine.name} to listen on port {port}")


def why_impossible(*tools):
    """Returns why machines are impossible here, or impossible with these programs; or None."""
    for name in ("unshare", "nsenter", "ip", "ss", *tools):
        if tool(name) is None:
            return f"{name} is not installed"
    return _why_no_network()


# Checks with standard tools that the kernel supports what machines need: a mistake in this module must not skip a
# test.
PROBE = """
set -e
mount -t tmpfs none /run
hostname probe
ip link add bridge type bridge
ip link add one type veth peer name two
"""


@functools.cache
def _why_no_network():
    command = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", PROBE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    return None if done.returncode == 0 else f"cannot make machines: {done.stderr.strip()}"
