# SPDX-License-Identifier: MIT
"""Leftovers are found: by the test that left them (lib/leftovers.py), and by the run (run.py)."""
import os
import pathlib
import subprocess
import sys

import pytest

from harness import TIMEOUT, is_gone, wait_until

TESTS = pathlib.Path(__file__).resolve().parents[1]

# As a daemon does: its parent ends at once.
ORPHAN = """
import os, pathlib, subprocess
def leave():
    out = subprocess.run("setsid sleep 1000 >/dev/null 2>&1 & echo $!", shell=True, capture_output=True, text=True).stdout
    pathlib.Path(os.environ["PID_FILE"]).write_text(out)
"""

WITH_FIXTURE = "from leftovers import adopt_orphans, nothing_left, own_directory\nimport leftovers\nleftovers.GRACE = 0.1\n" + (
    "def pytest_configure(config):\n    adopt_orphans()\n    config.tcpecho_directory = own_directory('')\n")

# tests/run.py, which waits only a moment until processes and files have gone.
SHORT_GRACE_RUN = f"import sys; sys.path.insert(0, {str(TESTS)!r}); import run; run.GRACE = 0.1; sys.exit(run.main())"


@pytest.fixture
def run(tmp_path):
    """Runs tests with this text by a command. Returns its status and output, and the process that was left."""

    def start(text, *command, conftest=""):
        folder, pid_file = tmp_path / "tests", tmp_path / "pid"
        folder.mkdir()
        (folder / "orphan.py").write_text(ORPHAN)
        (folder / "conftest.py").write_text(conftest)
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_it.py").write_text(text)
        place = tmp_path / "tcpecho-test-inner"
        place.mkdir()
        # Without the xdist variables and the build of this test.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment |= {"TMPDIR": str(place), "PYTHONPATH": str(TESTS / "lib"), "PID_FILE": str(pid_file)}
        done = subprocess.run([*command, "-c", folder / "pytest.ini", folder], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=TIMEOUT * 2)
        pid = int(pid_file.read_text()) if pid_file.exists() else None
        return done.returncode, done.stdout, pid

    return start


def test_a_test_that_leaves_a_process_and_a_file_fails_and_both_are_removed(run, tmp_path):
    text = "import tempfile, orphan\ndef test_that_leaves():\n    orphan.leave()\n    tempfile.mkdtemp(prefix='mine-')\n"
    status, output, pid = run(text, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", conftest=WITH_FIXTURE)
    assert status == 1 and "the test left: " in output, output
    assert f"process {pid}: sleep 1000" in output and "inner/mine-" in output
    wait_until(lambda: is_gone(pid), "the end of what was left")
    assert [path.name for path in (tmp_path / "tcpecho-test-inner").iterdir()] == []


def test_a_test_that_leaves_nothing_passes(run):
    text = "import subprocess, tempfile\ndef test_it():\n    subprocess.run(['sleep', '0.1'])\n    tempfile.TemporaryFile()\n"
    status, output, _ = run(text, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", conftest=WITH_FIXTURE)
    assert status == 0, output


def test_a_run_names_what_is_left_and_fails(run, tmp_path):
    (tmp_path / "build").mkdir()
    text = ("import pathlib, tempfile, orphan\ndef test_that_leaves():\n    orphan.leave()\n"
            f"    tempfile.mkdtemp(prefix='mine-')\n    pathlib.Path({str(tmp_path)!r}, 'build/core').touch()\n")
    status, output, pid = run(text, sys.executable, "-c", SHORT_GRACE_RUN, tmp_path / "build", "-n0")
    assert status == 1, output
    assert f"process {pid}: sleep 1000" in output and "/mine-" in output and f"{tmp_path}/build/core" in output
    assert output.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"
    assert is_gone(pid)
