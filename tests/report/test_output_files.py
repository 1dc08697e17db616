# SPDX-License-Identifier: MIT
"""Output files of results, -o and --hlog: files of all kinds, and full disks."""
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import threading

import pytest

from documents import write
from harness import TIMEOUT, server_words
from private_files import own_mounts

NOBODY = 65534

# Commands that write a result to a path: report merge, report html, bench --hlog.
COMMANDS = ["merge", "html", "hlog"]

each = pytest.mark.parametrize


@pytest.fixture
def words(server, tmp_path):
    """The words of a command that writes to a path."""
    seconds = [([100_000 + at, 200_000], [90_000, 150_000 + at], 0) for at in range(60)]
    (tmp_path / "runs").mkdir()
    run = write(tmp_path / "runs" / "run.json", seconds)
    other = write(tmp_path / "runs" / "other.json", seconds, start="2026-11-26T14:00:00.000000Z", seed=8)

    def of(command, path):
        return [
            str(word)
            for word in {
                "merge": ["report", "merge", "-o", path, run, other],
                "html": ["report", "html", "-o", path, run],
                "hlog": ["bench", "-d", "200ms", "--hlog", path, *server_words(server)],
            }[command]
        ]

    return of


@pytest.fixture
def run(program, words):
    """Runs a command that writes to a path: returns (status, standard error)."""

    def start(command, path, prefix=(), **more):
        more = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, **more}
        done = subprocess.run([*prefix, program, *words(command, path)], timeout=TIMEOUT * 2, **more)
        return done.returncode, done.stderr

    return start


def is_whole(command, text):
    """Returns whether it is a whole result of that command."""
    if command == "merge":
        return json.loads(text)["merged"] == 2
    if command == "html":
        return text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")
    return text.startswith("#[Logged with tcpecho") and "Tag=response" in text and text.endswith("\n")


OLD = "old " * 100_000  # longer than any of the results


@pytest.fixture
def old(tmp_path):
    """An existing file, alone in its directory."""
    (tmp_path / "results").mkdir()
    path = tmp_path / "results" / "old"
    path.write_text(OLD)
    return path


def only(path):
    """Returns whether its directory contains only this file."""
    return os.listdir(path.parent) == [path.name]


# ---- files ----


@each("command", COMMANDS)
def test_a_new_file_is_made(run, old, command):
    old.unlink()
    assert run(command, old) == (0, "")
    assert is_whole(command, old.read_text())
    assert only(old)


@each("command", COMMANDS)
def test_an_old_one_is_replaced_and_keeps_owner_and_mode(run, old, command):
    if os.geteuid() == 0:
        os.chown(old, NOBODY, 12345)
    os.chmod(old, 0o640)
    before = old.stat()
    assert run(command, old) == (0, "")
    assert is_whole(command, old.read_text())
    after = old.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert only(old)


@each("command", COMMANDS)
def test_a_mounted_file_is_written(run, old, tmp_path, command):
    """As `docker run -v result.json:/result.json` mounts it: no file can replace it."""
    own_mounts()
    target = tmp_path / "target"
    target.write_text("")
    mount = ("unshare", "--mount", "sh", "-c", f'mount --bind {old} {target} && exec "$@"', "sh")
    assert run(command, target, prefix=mount) == (0, "")
    assert is_whole(command, old.read_text())
    assert target.read_text() == ""
    assert only(old)


@each("command", COMMANDS)
def test_a_file_in_a_directory_that_is_not_writable_is_written(run, old, command):
    """The file is on a mount, and the directory beside it cannot be written, as in a container with a read-only
    root."""
    own_mounts()
    folder, name = old.parent, old.parent / "mounted"
    name.write_text(OLD)
    script = f'mount --bind {folder} {folder} && mount --bind {name} {old} && mount -o remount,bind,ro {folder}'
    mount = ("unshare", "--mount", "sh", "-c", f'{script} && exec "$@"', "sh")
    assert run(command, old, prefix=mount) == (0, "")
    assert is_whole(command, name.read_text())


def as_user_nobody():
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


@pytest.fixture
def public(tmp_path_factory, program):
    """A directory that another user can reach, with a copy of the program; for root."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    directory = pathlib.Path("/tmp") / f"tcpecho-public-{os.getpid()}"
    directory.mkdir(mode=0o755)
    copy = directory / "tcpecho"
    copy.write_bytes(pathlib.Path(program).read_bytes())
    copy.chmod(0o755)
    yield directory
    subprocess.run(["rm", "-rf", directory], check=True)


def run_as_nobody(public, words):
    done = subprocess.run(
        [str(public / "tcpecho"), *words], capture_output=True, text=True, preexec_fn=as_user_nobody, timeout=TIMEOUT
    )
    return done.returncode, done.stderr


@pytest.fixture
def input_of_user_nobody(public):
    path = write(public / "run.json", [([100_000], [90_000], 0)] * 5)
    path.chmod(0o644)
    return path


def test_without_rights_in_the_directory_a_writable_file_is_written(public, input_of_user_nobody):
    folder = public / "results"
    folder.mkdir(mode=0o755)
    result = folder / "result"
    result.write_text(OLD)
    os.chown(result, NOBODY, NOBODY)
    assert run_as_nobody(public, ["report", "html", "-o", str(result), str(input_of_user_nobody)]) == (0, "")
    assert is_whole("html", result.read_text())
    assert only(result)
    status, error = run_as_nobody(public, ["report", "html", "-o", str(folder / "new"), str(input_of_user_nobody)])
    assert (status, error) == (4, f"tcpecho: cannot write {folder}/new: permission denied\n")


def test_a_file_of_another_owner_stays(public, input_of_user_nobody):
    """The file and the directory may be written; a new file would belong to its writer."""
    folder = public / "results"
    folder.mkdir()
    folder.chmod(0o777)
    result = folder / "result"
    result.write_text(OLD)
    result.chmod(0o666)
    assert run_as_nobody(public, ["report", "html", "-o", str(result), str(input_of_user_nobody)]) == (0, "")
    assert is_whole("html", result.read_text())
    assert (result.stat().st_uid, result.stat().st_mode & 0o777) == (0, 0o666)
    assert only(result)


def test_an_access_control_list_is_kept(run, old):
    name, entry = "system.posix_acl_access", bytes.fromhex(
        "02000000" "01000600ffffffff" "02000600feff0000" "04000400ffffffff" "10000600ffffffff" "20000400ffffffff"
    )
    try:
        os.setxattr(old, name, entry)
    except OSError as error:
        pytest.skip(f"no access control lists here: {error}")
    assert run("merge", old) == (0, "")
    assert is_whole("merge", old.read_text())
    assert os.getxattr(old, name) == entry


@each("command", COMMANDS)
def test_links_stay_what_they_are(run, old, tmp_path, command):
    link, name = tmp_path / "link", tmp_path / "name"
    link.symlink_to(old)
    os.link(old, name)
    assert run(command, link) == (0, "")
    assert link.is_symlink()
    assert is_whole(command, old.read_text())
    assert name.read_text() == old.read_text()
    assert old.stat().st_nlink == 2
    assert only(old)


@each("command", COMMANDS)
def test_a_link_to_nothing_leads_to_the_new_file(run, old, tmp_path, command):
    link = tmp_path / "link"
    link.symlink_to(old)
    old.unlink()
    assert run(command, link) == (0, "")
    assert link.is_symlink()
    assert is_whole(command, old.read_text())


# ---- an input ----


@each("command", ["merge", "html"])
@each("name", ["itself", "link", "hard link", "standard input"])
def test_an_input_is_not_overwritten(program, words, tmp_path, command, name):
    source, path = tmp_path / "runs" / "run.json", tmp_path / "other name"
    before = source.read_bytes()
    if name == "link":
        path.symlink_to(source)
    elif name == "hard link":
        path.hardlink_to(source)
    else:
        path = source
    asked = [word if word != str(source) or name != "standard input" else "-" for word in words(command, "@")]
    asked[asked.index("@")] = str(path)
    with open(source, "rb") as given:
        done = subprocess.run([program, *asked], stdin=given, capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(" is an input and the output (write the result to another file)\n")
    assert source.read_bytes() == before


@each("words", [["merge"], ["show"], ["html", "-o", "-"]], ids=lambda words: words[0])
def test_a_result_is_not_appended_to_an_input(program, tmp_path, words):
    run = write(tmp_path / "run.json", [([100_000], [90_000], 0)])
    before = run.read_bytes()
    with open(run, "ab") as out:
        done = subprocess.run([program, "report", *words, str(run)], stdout=out, stderr=subprocess.PIPE, timeout=TIMEOUT)
    assert (done.returncode, run.read_bytes()) == (2, before)


# ---- descriptors, pipes ----


@each("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@each("kind", ["pipe", "socket", "file"])
def test_standard_output_by_all_its_names(program, words, tmp_path, name, kind):
    """Standard output is not opened again: a socket cannot be, and a file keeps its former contents."""
    with open(tmp_path / "out", "w+") as out:
        out.write("before\n")
        out.flush()
        ours, theirs = socket.socketpair() if kind == "socket" else (None, None)
        stdout = {"pipe": subprocess.PIPE, "socket": theirs, "file": out}[kind]
        process = subprocess.Popen([program, *words("html", name)], stdout=stdout, stderr=subprocess.PIPE)
        if kind == "socket":
            theirs.close()
            with ours, ours.makefile("rb") as stream:
                text = stream.read().decode()
            process.communicate(timeout=TIMEOUT)
        else:
            text = (process.communicate(timeout=TIMEOUT)[0] or b"").decode()
        if kind == "file":
            text = (tmp_path / "out").read_text().removeprefix("before\n")
    assert process.returncode == 0
    assert is_whole("html", text)


def test_a_descriptor_that_was_passed_is_written(program, words):
    reader, writer = os.pipe()
    process = subprocess.Popen([program, *words("html", f"/dev/fd/{writer}")], pass_fds=[writer])
    os.close(writer)
    with open(reader) as stream:
        assert is_whole("html", stream.read())
    assert process.wait(TIMEOUT) == 0


def test_a_descriptor_that_is_not_open_is_an_error_before_the_run(run):
    assert run("hlog", "/dev/fd/200") == (4, "tcpecho: cannot write /dev/fd/200: bad file descriptor\n")


@each("command", COMMANDS)
def test_a_named_pipe_gets_it(run, tmp_path, command):
    fifo, got = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_text()))
    reader.start()
    assert run(command, fifo) == (0, "")
    reader.join(TIMEOUT)
    assert is_whole(command, got[0])
    assert fifo.is_fifo()


def test_a_named_pipe_without_a_reader_does_not_keep_it_from_ending(program, words, tmp_path):
    """The log of an interrupted run: the run waits only a moment for the log's reader."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with open(fifo, "wb") as filling:
        os.set_blocking(filling.fileno(), False)
        while True:
            try:
                os.write(filling.fileno(), b"x" * 4096)
            except BlockingIOError:
                break
        process = subprocess.Popen(
            [program, *words("hlog", fifo)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout.readline()  # the summary has come
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == -signal.SIGTERM
        process.communicate()
    os.close(reader)


# ---- a full disk ----


@pytest.fixture
def small_disk(tmp_path):
    """A directory on a file system of 64 KiB, with a file that fills most of it."""
    folder = tmp_path / "small"
    folder.mkdir()
    attempt = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True, text=True)
    if attempt.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {attempt.stderr.strip()}")
    (folder / "filling").write_bytes(b"x" * 56_000)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@each("command", ["merge", "html"])
@each("way", ["new", "replaced", "overwritten"])
def test_a_full_disk_leaves_the_old_result_as_it_was(run, small_disk, command, way):
    path = small_disk / "result"
    if way != "new":
        path.write_text("old result")
    if way == "overwritten":  # overwritten, because it has two names
        os.link(path, small_disk / "name")
    files = set(os.listdir(small_disk))
    assert run(command, path) == (4, f"tcpecho: cannot write {path}: no space left on device\n")
    assert set(os.listdir(small_disk)) == files
    if way != "new":
        assert path.read_text() == "old result"


@each("command", ["merge", "html"])
@each("way", ["new", "replaced", "overwritten"])
def test_a_file_that_may_not_grow_leaves_the_old_result_as_it_was(run, old, command, way):
    old.write_text("old result")
    if way == "new":
        old.unlink()
    if way == "overwritten":
        os.link(old, old.parent / "name")
    files = set(os.listdir(old.parent))

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

    assert run(command, old, preexec_fn=limit) == (4, f"tcpecho: cannot write {old}: file too large\n")
    assert set(os.listdir(old.parent)) == files
    if way != "new":
        assert old.read_text() == "old result"


def test_an_unwritable_log_is_an_error_before_the_run(run, server, tmp_path):
    for path, why in [("missing/log", "no such file or directory"), (".", "is a directory")]:
        status, error = run("hlog", tmp_path / path)
        assert (status, error) == (4, f"tcpecho: cannot write {tmp_path / path}: {why}\n")
    assert server.totals()["accepted"] == 0


def test_a_run_that_fails_leaves_no_file(program, old):
    done = subprocess.run(
        [program, "bench", "-d", "1s", "--hlog", str(old.parent / "log"), "127.0.0.1", "1"], capture_output=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 3
    assert only(old)


def test_a_run_that_is_killed_leaves_no_file(program, server, old):
    process = subprocess.Popen(
        [program, "bench", "-d", "10m", "--hlog", str(old.parent / "log"), *server_words(server)],
        stdout=subprocess.DEVNULL,
    )
    while server.totals()["in"] == 0:
        assert process.poll() is None
    process.kill()
    process.wait()
    assert only(old)
