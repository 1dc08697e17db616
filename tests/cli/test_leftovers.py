# SPDX-License-Identifier: MIT
"""Leftovers are found: by the test that left them (lib/leftovers.py), and by the run (run.py)."""
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from harness import TIMEOUT, is_gone, title_of, wait_until

TESTS = pathlib.Path(__file__).resolve().parents[1]

# With pytest-xdist: one by one, or one run would remove what another is to find.
pytestmark = pytest.mark.xdist_group("leftovers")

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

    def start(text, *command, conftest="", number=None):
        """number: a signal that the terminal or a manager sends once the test has left its process."""
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
        process = subprocess.Popen([*command, "-c", folder / "pytest.ini", folder], env=environment, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
        try:
            if number:
                wait_until(lambda: pid_file.exists() and pid_file.read_text(), "the test to start")
                # setsid(1) has taken it out of the group.
                wait_until(lambda: title_of(int(pid_file.read_text())).startswith("sleep"), "its process to start")
                os.killpg(process.pid, number)
            output = process.communicate(timeout=TIMEOUT * 2)[0]
        finally:
            process.kill()
            process.communicate()
        pid = int(pid_file.read_text()) if pid_file.exists() else None
        return process.returncode, output, pid

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


def writable_cgroup():
    """Returns the root of a hierarchy of cgroups in which we may make one, or skips the test."""
    top = pathlib.Path("/sys/fs/cgroup")
    for path in (top, *(top.iterdir() if top.is_dir() else ())):
        if (path / "cgroup.procs").exists() and os.access(path, os.W_OK):
            return path
    return pytest.skip("cannot make a cgroup")


def test_a_run_names_cgroups_and_files_of_ended_processes_and_removes_the_cgroups(run, tmp_path):
    (tmp_path / "build").mkdir()
    top = writable_cgroup()
    # The shell has ended when the test has.
    text = ("import subprocess\ndef test_that_leaves():\n"
            f"    subprocess.run('mkdir {top}/tcpecho-left-$$; touch /tmp/tcpecho-left-$$', shell=True)\n")
    try:
        status, output, _ = run(text, sys.executable, "-c", SHORT_GRACE_RUN, tmp_path / "build", "-n0")
        assert status == 1 and f"  {top}/tcpecho-left-" in output and "  /tmp/tcpecho-left-" in output, output
        assert list(top.glob("tcpecho-left-*")) == []
    finally:
        for path in pathlib.Path("/tmp").glob("tcpecho-left-*"):
            path.unlink()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("jobs", ["-n0", "-n2"])
def test_a_run_that_is_interrupted_leaves_nothing(run, tmp_path, number, jobs):
    (tmp_path / "build").mkdir()
    text = "import tempfile, time, orphan\ndef test_it():\n    tempfile.mkdtemp()\n    orphan.leave()\n    time.sleep(1000)\n"
    status, output, pid = run(text, sys.executable, "-c", SHORT_GRACE_RUN, tmp_path / "build", jobs, number=number)
    assert status != 0 and f"process {pid}: sleep 1000" in output, output
    assert is_gone(pid) and list((tmp_path / "tcpecho-test-inner").iterdir()) == []
