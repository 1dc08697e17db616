# SPDX-License-Identifier: MIT
"""Surroundings of a command's own: files of /etc that nobody else sees.

In a mount namespace, which vanishes with its last process: there is nothing to delete.
"""
import subprocess

import pytest


def own_etc(directory, **files):
    """The prefix of a command that sees these files in /etc: own_etc(tmp_path, hosts="127.0.0.1 here").

    nsswitch_conf stands for nsswitch.conf. Only root may.
    """
    attempt = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    if attempt.returncode != 0:
        pytest.skip(f"cannot make a mount namespace: {attempt.stderr.strip()}")
    mounts = ""
    for name, text in files.items():
        name = name.replace("_", ".")
        (directory / name).write_text(text)
        mounts += f'mount --bind "$0/{name}" /etc/{name} && '
    return ("unshare", "--mount", "sh", "-c", f'{mounts} exec "$@"', str(directory))
