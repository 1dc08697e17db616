# SPDX-License-Identifier: MIT
"""Private files for one command: other processes do not see them.

The command runs in a mount namespace, which vanishes with its last process, so no clean-up is needed.
"""
import subprocess

import pytest


def own_mounts():
    """Skips the test if private mounts are not possible. Only root may make them."""
    attempt = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    if attempt.returncode != 0:
        pytest.skip(f"cannot make a mount namespace: {attempt.stderr.strip()}")


def own_files(directory, files):
    """Returns a command prefix with which these texts are at these paths: {"/etc/hosts": "127.0.0.1 here"}."""
    own_mounts()
    mounts = ""
    for path, text in files.items():
        name = path.rpartition("/")[2]
        (directory / name).write_text(text)
        mounts += f'mount --bind "$0/{name}" {path} && '
    return ("unshare", "--mount", "sh", "-c", f'{mounts} exec "$@"', str(directory))


def own_etc(directory, **files):
    """The same in /etc: own_etc(tmp_path, hosts="127.0.0.1 here"). nsswitch_conf stands for nsswitch.conf."""
    return own_files(directory, {f"/etc/{name.replace('_', '.')}": text for name, text in files.items()})
