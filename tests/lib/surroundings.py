# SPDX-License-Identifier: MIT
"""Surroundings of a process's own: a network, or files of /etc, that nobody else sees.

Both are namespaces that vanish with their last process: there is nothing to delete.
"""
import subprocess

import pytest


def _skip_unless_possible(*command):
    attempt = subprocess.run([*command, "true"], capture_output=True, text=True)
    if attempt.returncode != 0:
        pytest.skip(f"{' '.join(command)}: {attempt.stderr.strip()}")


class PrivateNetwork:
    """A network namespace with nothing but loopback. Commands run in it with `prefix` before them."""

    def __init__(self, **sysctls):
        """sysctls: settings of net.ipv4, as ip_local_port_range="40000 40003"."""
        _skip_unless_possible("unshare", "--net")
        settings = "".join(f"echo {value} > /proc/sys/net/ipv4/{name} && " for name, value in sysctls.items())
        # The namespace lives as long as this process, and that as long as we hold its input.
        self.keeper = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", f"ip link set lo up && {settings} echo ready && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.keeper.stdout.readline() == b"ready\n"
        self.prefix = ("nsenter", "--net", "--target", str(self.keeper.pid))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.keeper.communicate()


def own_etc(directory, **files):
    """The prefix of a command that sees these files in /etc: own_etc(tmp_path, hosts="127.0.0.1 here\\n").

    nsswitch_conf stands for nsswitch.conf.
    """
    _skip_unless_possible("unshare", "--mount")
    mounts = ""
    for name, text in files.items():
        name = name.replace("_", ".")
        (directory / name).write_text(text)
        mounts += f'mount --bind "$0/{name}" /etc/{name} && '
    return ("unshare", "--mount", "sh", "-c", f'{mounts} exec "$@"', str(directory))
