# SPDX-License-Identifier: MIT
"""An sshd for each machine, with throw-away keys: a client with the key is root there."""
import pathlib
import subprocess

from harness import TIMEOUT
from machines import wait_for_port
from tools import tool

SSHD_CONFIG = """
ListenAddress {address}
HostKey {keys}/host
AuthorizedKeysFile {keys}/user.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
MaxStartups 100
"""

SSH_CONFIG = """
Host *
	User root
	IdentityFile {keys}/user
	IdentitiesOnly yes
	UserKnownHostsFile {keys}/known_hosts
	GlobalKnownHostsFile /dev/null
	StrictHostKeyChecking yes
	BatchMode yes
	ConnectTimeout 20
"""

# Since OpenSSH 9.8 sshd consists of several programs, which it finds only where they were installed. An unpacked
# sshd needs these options.
HELPERS = {"sshd-session": "SshdSessionPath", "sshd-auth": "SshdAuthPath"}


def make_keys(directory):
    keys = pathlib.Path(directory) / "keys"
    keys.mkdir()
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(keys / name)]
        subprocess.run(command, check=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
    (keys / "ssh_config").write_text(SSH_CONFIG.format(keys=keys))
    return keys


def let_know(keys, machines):
    """Writes the known_hosts file."""
    key = " ".join((keys / "host.pub").read_text().split()[:2])
    names = ",".join(machine.address for machine in machines)
    (keys / "known_hosts").write_text(f"{names} {key}\n")


def start(network, machine, keys):
    sshd = tool("sshd")
    config = SSHD_CONFIG.format(address=machine.address, keys=keys)
    for name, option in HELPERS.items():
        helper = pathlib.Path(sshd).parents[1] / "lib/openssh" / name
        config += f"{option} {helper}\n" if helper.exists() else ""
    (machine.home / "sshd_config").write_text(config)
    machine.run("mkdir", "-p", "/run/sshd")
    network.start(machine, sshd, "-D", "-e", "-f", machine.home / "sshd_config", log="sshd.log")
    wait_for_port(machine, 22)
