# SPDX-License-Identifier: MIT
"""Fails a test that leaves processes behind, or files in TMPDIR if TMPDIR belongs to the run (tests/run.py).

A process whose parent ends becomes a child of the test's process, so no leftover process is missed.
"""
import contextlib
import ctypes
import os
import pathlib
import shutil
import tempfile
import time

import pytest

from harness import children_of, kill_tree, proc_state, title_of

PR_SET_CHILD_SUBREAPER = 36

# Seconds that a process may take to end after the test: a killed server's workers end by themselves.
GRACE = 30.0


def adopt_orphans():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def own_directory(worker):
    """Returns the run's TMPDIR. A named pytest-xdist worker gets a directory in it. Returns None if TMPDIR is
    shared with others."""
    place = os.environ.get("TMPDIR", "")
    if not os.path.basename(place).startswith("tcpecho-test-"):
        return None
    if worker:
        place = os.path.join(place, worker)
        os.makedirs(place, exist_ok=True)
        os.environ["TMPDIR"] = place
        tempfile.tempdir = None  # makes tempfile read TMPDIR again
    return pathlib.Path(place)


def files_in(directory):
    return {path for path in directory.iterdir() if path.name != "p"} if directory else set()


def left_since(before):
    """Returns new children that still run. Ended ones are reaped."""
    new = set(children_of(os.getpid())) - before
    for pid in [pid for pid in new if proc_state(pid) in ("Z", "")]:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        new.discard(pid)
    return new


@pytest.fixture(autouse=True)
def nothing_left(request):
    """Fails the test at its end if a process or file remains, and removes it."""
    if request.node.get_closest_marker("background"):
        yield  # the remaining files belong to the module; only the run (tests/run.py) can check what stays
        return
    directory = getattr(request.config, "tcpecho_directory", None)
    before, files = set(children_of(os.getpid())), files_in(directory)
    yield
    end = time.monotonic() + GRACE
    while (left := left_since(before)) and time.monotonic() < end:
        time.sleep(0.005)
    found = [f"process {pid}: {title_of(pid)}" for pid in left]
    for pid in left:
        kill_tree(pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    for path in files_in(directory) - files:
        found.append(f"file {path}")
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    assert not found, f"the test left: {found}"
