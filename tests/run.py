#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the tests and prints one line last: the numbers of passed, failed and skipped tests.

usage: run.py BUILD [PYTEST_ARGUMENT]...

Most tests run side by side; tests marked `alone` run one by one after them. If the arguments select tests by -k, -m
or a file, all of them run one by one, which starts sooner; -n N runs N side by side all the same. All files that tests create are in
a directory of this run, and every process that they start is a descendant of this one. If files or processes are
left in the end, the run names and removes them, and fails. Also after ^C and TERM.
"""
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent

PR_SET_CHILD_SUBREAPER = 36

# Tests mostly wait, so more of them than cores run at once.
JOBS = min(3 * (os.cpu_count() or 1), 12)

# Exit statuses of pytest: all passed; no test was selected.
PASSED, NONE_SELECTED = 0, 5

# Maximum length of TMPDIR that leaves room for the tests' unix socket paths (108 bytes, unix(7)).
LONGEST = 16

# Seconds that a process may take to end after its parent has ended.
GRACE = 10.0


# ---- where ----


def is_usable(directory):
    """Returns whether every user may enter it. Some tests become another user."""
    path = pathlib.Path(directory).resolve()
    others_may = all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents))
    return others_may and os.access(path, os.W_OK) and len(str(path)) <= LONGEST


def make_directory():
    """The directory for all temporary files of this run."""
    for place in (os.environ.get("TMPDIR"), "/tmp", "/var/tmp"):
        if place and os.path.isdir(place) and is_usable(place):
            directory = tempfile.mkdtemp(prefix="tcpecho-test-", dir=place)
            os.chmod(directory, 0o755)
            return pathlib.Path(directory)
    sys.exit("run.py: neither TMPDIR, /tmp nor /var/tmp is a directory that every user may enter")


# ---- signals and processes ----


def handle_signals():
    """^C ends pytest, which then reports the failures. TERM and HUP end everything."""
    signal.signal(signal.SIGINT, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))


def adopt_orphans():
    """Makes processes whose parent ends children of this one."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command):
    """Runs a command. Returns its exit status, 128 + N if signal N ended it."""
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    while True:
        pid, status = os.waitpid(-1, 0)  # also adopted ones
        if pid == process.pid:
            process.returncode = status  # it is reaped already
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def children():
    """Returns our running children."""
    while True:  # reaps
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    pids = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid): command_of(pid) for pid in pids}


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except OSError:
        return "?"


def left_processes():
    """Ends the processes that the tests left, and returns what each was. Processes that are ending get time for it."""
    end = time.monotonic() + GRACE
    while children() and time.monotonic() < end:
        time.sleep(0.05)
    found = []
    while left := children():
        for pid, command in left.items():
            found.append(f"process {pid}: {command}")
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # its children are ours now
    return found


# ---- files, mounts, cgroups, namespaces ----


def files_of(top, without=()):
    """Returns every path below, except those in directories with these names."""
    found = set()
    for place, directories, files in os.walk(top):
        directories[:] = [name for name in directories if name not in without]
        found.update(os.path.join(place, name) for name in (*directories, *files))
    return found


def names_in(directory):
    try:
        return {f"{directory}/{name}" for name in os.listdir(directory)}
    except OSError:
        return set()


def mounts():
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return {"mount " + line.split()[4] for line in lines}


def cgroups():
    """Returns the cgroups of tests, which have this project's name."""
    return {path for path in files_of("/sys/fs/cgroup") if "tcpecho" in os.path.basename(path) and os.path.isdir(path)}


# Directories in a build directory where Meson and this program write, and where programs for comparison are built.
WRITTEN = ("meson-logs", "meson-private", "test-results", "bench")

# Directories to which all programs of a machine write. Only entries with this project's name are checked.
SHARED = ("/dev/shm", "/run/netns")


def abandoned(directory):
    """Returns the files of this project there that have the pid of their maker in their name, if it has ended."""
    return {path for path in names_in(directory) if is_abandoned(path)}


def is_abandoned(path):
    maker = re.fullmatch(r"tcpecho-[a-z]+-(\d+)(-\d+)?", os.path.basename(path))
    return maker is not None and not os.path.exists(f"/proc/{maker[1]}")


def users():
    return {"user " + line.split(":")[0] for line in pathlib.Path("/etc/passwd").read_text().splitlines()}


def traces(build):
    """Returns the contents of all places where a test could leave something."""
    shared = {what for what in mounts().union(users(), *map(names_in, SHARED)) if "tcpecho" in what}
    return abandoned("/tmp") | names_in(ROOT) | files_of(build, WRITTEN) | cgroups() | shared


def left_elsewhere(build, before):
    """Returns what is new and stays: another run of the tests on this machine removes its own."""
    end = time.monotonic() + GRACE
    while (new := traces(build) - before) and time.monotonic() < end:
        time.sleep(0.5)
    for path in sorted(new & cgroups(), reverse=True):  # inner ones first
        if is_abandoned(path):
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(path)
    return sorted(new)


def left_files(directory):
    """Returns the files left in the directory of the run, where each worker has one; pytest's own is "p"."""
    found = [path for path in directory.iterdir() if path.name != "p"]
    found = [path for place in found for path in ([place, *place.iterdir()] if is_of_worker(place) else [place])]
    return sorted(str(path) for path in found if not is_of_worker(path))


def is_of_worker(path):
    return path.is_dir() and re.fullmatch(r"gw\d+", path.name)


# ---- counting ----


def count(report):
    """Returns the passed, failed and skipped tests of a report. A part without a report has failed as a whole."""
    if not report.exists():
        return 0, 1, 0
    tests = failed = skipped = 0
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        tests += int(suite.get("tests"))
        failed += int(suite.get("failures")) + int(suite.get("errors"))
        skipped += int(suite.get("skipped"))
    return tests - failed - skipped, failed, skipped


def pytest(results, name, *arguments):
    """Runs pytest. Returns its counts."""
    report, base = results / f"{name}.xml", pathlib.Path(os.environ["TMPDIR"], "p")
    status = run([sys.executable, "-m", "pytest", "-q", "-rs", f"--basetemp={base}", f"--junit-xml={report}", *arguments])
    passed, failed, skipped = count(report)
    if status not in (PASSED, NONE_SELECTED) and failed == 0:
        failed = 1
    return passed, failed, skipped


def run_tests(build, arguments):
    """Runs the tests that these arguments of pytest select. Returns passed, failed and skipped."""
    results = build / "test-results"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    if selects(arguments):
        return pytest(results, "selected", *arguments)
    side_by_side = ["-n", str(JOBS), "--dist", "loadgroup", *arguments, "-m", marked("not alone", arguments)]
    counts = [pytest(results, "side-by-side", *side_by_side)]
    if not (counts[0][1] and {"-x", "--exitfirst"} & set(arguments)):
        counts.append(pytest(results, "alone", *arguments, "-m", marked("alone", arguments)))
    return [sum(column) for column in zip(*counts)]


def selects(arguments):
    """Returns whether they select some tests, more precisely than by folders, and do not set how many run at once."""
    is_counted = any(word.startswith(("-n", "--numprocesses")) for word in arguments)
    has_filter = any(word.startswith(("-k", "-m", "--lf", "--last-failed")) for word in arguments)
    return not is_counted and (has_filter or any((ROOT / word.split("::")[0]).is_file() for word in arguments))


def marked(expression, arguments):
    """Returns the expression of marks, combined with that of the arguments: pytest uses only the last -m."""
    given = [after for word, after in zip(arguments, arguments[1:]) if word == "-m"]
    return " and ".join([expression, *(f"({other})" for other in given[-1:])])


def main():
    build, arguments = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    os.environ["TCPECHO_BUILD"] = str(build)
    directory = make_directory()
    os.environ["TMPDIR"] = str(directory)
    handle_signals()
    adopt_orphans()
    before = traces(build)
    left = []
    try:
        passed, failed, skipped = run_tests(build, arguments)
    finally:
        left += left_processes()
        left += left_files(directory)
        shutil.rmtree(directory, ignore_errors=True)
        left += left_elsewhere(build, before)
        if left:
            print("The tests left these behind:", *left, sep="\n  ")
    failed += bool(left)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
