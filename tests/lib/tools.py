# SPDX-License-Identifier: MIT
"""Programs that a test needs, installed or unpacked."""
import multiprocessing
import os
import pathlib
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The directory into which `./dev test` unpacks tools that it does not install (docs/decisions/0022).
UNPACKED = ROOT / "build-tools"
PLACES = [UNPACKED / "usr/sbin", UNPACKED / "usr/bin", pathlib.Path("/usr/sbin"), pathlib.Path("/sbin")]


def why_no_pool():
    """Returns why multiprocessing cannot make a pool of processes here, or None. They share locks, which are files
    in /dev/shm."""
    try:
        multiprocessing.Lock()
    except OSError as error:
        return f"processes cannot share a lock, is there a /dev/shm: {error.strerror}"
    return None


def tool(name):
    """The path of a program, installed or unpacked, or None."""
    places = os.pathsep.join([os.environ.get("PATH", ""), *map(str, PLACES)])
    return shutil.which(name, path=places)
