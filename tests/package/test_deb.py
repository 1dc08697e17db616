# SPDX-License-Identifier: MIT
"""The Debian package, tested with its users' commands, in a new Debian that is as small as apt allows."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from roots import REPOSITORY, Root, inventory

@pytest.fixture
def debian(root_only, output):
    root = Root(output / "base.tar")
    yield root
    root.remove()


@pytest.fixture(scope="module")
def installed(root_only, output, package):
    """A root with the package, for tests that do not change it."""
    root = Root(output / "base.tar")
    root.install(package)
    yield root
    root.remove()


def control(package, field):
    return subprocess.run(["dpkg-deb", "-f", package, field], capture_output=True, text=True, check=True).stdout.strip()


def test_it_depends_on_libc_alone(package):
    assert re.fullmatch(r"libc6 \(>= [\d.]+\)", control(package, "Depends"))


def test_the_package_names_its_static_libraries(package):
    sources = [entry.split()[0] for entry in control(package, "Static-Built-Using").split(", ")]
    assert sources == ["jansson", "liburing", "zlib"]


def test_the_program_is_there_and_has_every_feature(installed, version):
    said = installed.run("tcpecho", "--version")
    assert said.startswith(f"tcpecho {version}\n")
    assert "engines: fork prefork thread epoll uring" in said
    assert "sandbox: none" not in said


CONVERSATION = """
mkfifo /tmp/ready
tcpecho serve --ready-fd 3 "$1" 3>/tmp/ready &
read -r address </tmp/ready
rm /tmp/ready
tcpecho ping --count 1 "$address" && [ "$(echo hello | tcpecho talk "$address")" = hello ] || exit
kill -TERM $!
wait $!
"""


@pytest.mark.parametrize("address", ["9877", "127.0.0.1:0"])
def test_it_serves_and_an_echo_comes_back(installed, address):
    said = installed.run("sh", "-c", CONVERSATION, "sh", address)
    assert "1 sent, 1 came back, 0 failed" in said


def test_nothing_is_enabled(installed):
    links = [path for path in (installed.path / "etc/systemd").rglob("*") if "tcpecho" in path.name]
    assert links == []


def test_man_pages_are_where_man_looks_and_are_clean(installed):
    pages = [path for path in (installed.path / "usr/share/man/man1").iterdir() if path.name.startswith("tcpecho")]
    names = {path.name for path in pages}
    assert {"tcpecho.1.gz", "tcpecho-serve.1.gz", "tcpecho-bench.1.gz"} <= names
    for path in pages:
        text = subprocess.run(["gzip", "-dc", path], capture_output=True, check=True).stdout
        said = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=text, capture_output=True)
        assert said.stdout == b"", path.name
    found = subprocess.run(["man", "-M", installed.path / "usr/share/man", "-w", "tcpecho-serve"], capture_output=True)
    assert found.stdout.decode().strip() == str(installed.path / "usr/share/man/man1/tcpecho-serve.1.gz")


def test_completions_are_where_debian_looks(installed):
    share = installed.path / "usr/share"
    subprocess.run(["bash", "-n", share / "bash-completion/completions/tcpecho"], check=True)
    subprocess.run(["zsh", "-n", share / "zsh/vendor-completions/_tcpecho"], check=True)
    subprocess.run(["fish", "-n", share / "fish/vendor_completions.d/tcpecho.fish"], check=True)


def test_the_program_is_hardened(installed):
    """The checks that tests/cli makes on the new build, on the program that users get."""
    words = ["tests/cli/test_binary_hardening.py", "-k", "not objects", "--build", installed.path / "usr/bin"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *words], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def differences(before, after):
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def test_purging_leaves_nothing(debian, package):
    before = inventory(debian.path)
    debian.install(package)
    assert "usr/bin/tcpecho" in differences(before, inventory(debian.path))
    debian.purge()
    assert differences(before, inventory(debian.path)) == []


def enable(debian, unit):
    subprocess.run(["systemctl", f"--root={debian.path}", "enable", unit], check=True, capture_output=True)


@pytest.mark.parametrize("unit", ["tcpecho.service", "tcpecho-activated.socket"])
def test_purging_leaves_nothing_of_a_unit_that_was_enabled(debian, package, unit):
    before = inventory(debian.path)
    debian.install(package)
    enable(debian, unit)
    debian.install(package)
    debian.purge()
    assert differences(before, inventory(debian.path)) == []


def test_an_upgrade_keeps_it_working_and_what_was_enabled(debian, package, newer):
    before = inventory(debian.path)
    debian.install(package)
    enable(debian, "tcpecho.service")
    wanted = debian.path / "etc/systemd/system/multi-user.target.wants/tcpecho.service"
    debian.install(newer)
    assert debian.run("dpkg-query", "-W", "-f", "${Status} ${Version}", "tcpecho") == "install ok installed 9:1.0-1"
    assert os.path.lexists(wanted)
    debian.run("sh", "-c", CONVERSATION, "sh", "9877")
    debian.purge()
    assert differences(before, inventory(debian.path)) == []


def digests(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.glob("tcpecho*.deb")}


def test_another_user_elsewhere_builds_the_same_bytes(output, lone_user):
    """So a build needs no root. The time is different in any case."""
    user = lone_user
    # Without a space: the dpkg option that removes the path from build results cannot have one.
    source = pathlib.Path(user.directory) / "another" / "tcpecho"
    shutil.copytree(output / "source", source, ignore=shutil.ignore_patterns("obj-*", "debian"))
    subprocess.run(["chown", "-R", f"{user.uid}:{user.uid}", user.directory], check=True)

    def become():
        os.umask(0o077)
        user.become()

    subprocess.run(
        ["packaging/build-deb.sh", "."],
        cwd=source,
        preexec_fn=become,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
        check=True,
        timeout=300,
    )
    built = digests(output)
    assert len(built) == 2, "the program, and what a debugger needs"
    assert digests(source.parent) == built
