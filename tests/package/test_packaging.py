# SPDX-License-Identifier: MIT
"""Checks on the sources that the package and the image can be made from them, without making them.

./dev package --test makes and tests them. These tests run every time, so that the packaging stays up to date.
"""
import fnmatch
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from roots import REPOSITORY as ROOT

DEB = ROOT / "packaging/deb"
CONTAINERFILE = ROOT / "packaging/container/Containerfile"


def test_the_package_has_the_version_of_the_program(version):
    first = (DEB / "changelog").read_text().splitlines()[0]
    assert re.fullmatch(rf"tcpecho \({re.escape(version)}-\d+\) \w+; urgency=\w+", first)


def test_the_package_has_the_licence_of_the_program():
    _, holders, terms = (ROOT / "LICENSE").read_text().split("\n\n", 2)
    listed = (DEB / "copyright").read_text()
    assert holders.replace("Copyright (c) ", "Copyright: ") in listed.splitlines()
    assert " ".join(terms.split()) in " ".join(listed.replace("\n .\n", "\n").split())


def test_the_package_is_for_the_architectures_that_were_tried():
    """Each architecture has its filter tables (src/net/seccomp.c)."""
    (architectures,) = re.findall(r"^Architecture: (.*)$", (DEB / "control").read_text(), re.MULTILINE)
    assert architectures.split() == ["amd64", "arm64"]


def test_a_build_for_a_32_bit_machine_is_refused_with_the_reason(tmp_path):
    """A compiler is enough: the test links and runs nothing."""
    probe = subprocess.run(["gcc", "-m32", "-x", "c", "-fsyntax-only", "/dev/null"], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"gcc here knows no machine of 32 bits: {probe.stderr.strip()}")
    cross = tmp_path / "cross"
    cross.write_text(
        "[binaries]\nc = ['gcc', '-m32']\nar = 'ar'\n[properties]\nskip_sanity_check = true\n"
        "[host_machine]\nsystem = 'linux'\ncpu_family = 'x86'\ncpu = 'i686'\nendian = 'little'\n"
    )
    command = ["meson", "setup", "--cross-file", cross, tmp_path / "build", ROOT]
    setup = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    assert setup.returncode != 0
    assert "ERROR: Problem encountered: tcpecho is for 64-bit machines" in setup.stdout


@pytest.fixture(scope="module")
def installed(build, tmp_path_factory):
    """Returns what `meson install` installs, below the prefix."""
    root = tmp_path_factory.mktemp("install")
    command = ["meson", "install", "-C", build, "--no-rebuild", "--quiet"]
    subprocess.run(command, env={**os.environ, "DESTDIR": str(root)}, stdin=subprocess.DEVNULL, check=True, timeout=60)
    prefix = root / "usr/local"
    return {f"usr/{path.relative_to(prefix)}" for path in prefix.rglob("*") if path.is_file()}


def test_the_package_has_all_that_is_installed_and_nothing_else(installed):
    patterns = [line.split()[0] for line in (DEB / "tcpecho.install").read_text().splitlines()]
    assert [pattern for pattern in patterns if not fnmatch.filter(installed, pattern)] == []
    assert {path for pattern in patterns for path in fnmatch.filter(installed, pattern)} == installed


def packages_of_dev(function):
    """Returns the packages that a need_for_... function in ./dev installs."""
    body = re.search(rf"^{function}\(\) {{\n(.*?)^}}", (ROOT / "dev").read_text(), re.MULTILINE | re.DOTALL)[1]
    names = set(" ".join(re.findall(r"^\tneed (.*)$", body, re.MULTILINE)).split())
    return {"pkgconf" if name == "pkg-config" else name for name in names}


def test_the_package_and_the_image_are_built_with_what_dev_builds_with():
    needed = packages_of_dev("need_for_build")
    assert "meson" in needed
    control = (DEB / "control").read_text()
    fields = re.search(r"^Build-Depends:\n((?: .*\n)+)", control, re.MULTILINE)[1]
    build_depends = set(re.findall(r"^ ([a-z0-9-]+)", fields, re.MULTILINE))
    comes_of_itself = {"gcc", "libc6-dev", "ninja-build"}
    assert build_depends == needed - comes_of_itself | {"debhelper-compat"}
    (run,) = re.findall(r"apt-get install .*?\n(?:\t\t.*\n)+", CONTAINERFILE.read_text())
    assert set(run.split("--no-install-recommends")[1].replace("\\", "").split()) == needed
    assert "build-essential" in packages_of_dev("need_for_package"), "dpkg-buildpackage asks for it in any case"


def test_the_container_file_and_the_page_build_it_by_the_same_command():
    texts = (CONTAINERFILE.read_text(), (ROOT / "docs/PACKAGING.md").read_text())
    listed = {command for text in texts for command in re.findall(r"podman build .*", text)}
    assert len(listed) == 1
    assert "--format docker" in listed.pop(), "the other format has no HEALTHCHECK"


def test_the_description_names_every_command():
    description = (DEB / "control").read_text().split("\nDescription:")[1]
    commands = re.findall(r"&(\w+)_command,", (ROOT / "src/cli/commands.c").read_text())
    assert "serve" in commands
    named = [name for name in commands if name != "help" and "_" not in name]  # report_merge is a subcommand
    assert [name for name in named if not re.search(rf"\b{name}\b", description)] == []


def test_every_static_library_is_listed():
    """In the package's field, and by its licence in the image."""
    listed = re.search(r"^static_libraries = (.*)$", (DEB / "rules").read_text(), re.MULTILINE)[1].split()
    meson = (ROOT / "src/meson.build").read_text()
    static = re.findall(r"dependency\('(\w+)'[^\n]*static: true", meson)
    packages = {{"zlib": "zlib1g-dev"}.get(name, f"lib{name.removeprefix('lib')}-dev") for name in static}
    assert set(listed) == packages
    assert all(f"{package}/copyright" in CONTAINERFILE.read_text() for package in packages)


@pytest.fixture(scope="module")
def instructions():
    """Returns the instructions in the Containerfile: [(word, rest)]."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def test_the_image_is_built_of_files_that_are_there(instructions):
    taken = [shlex.split(rest)[:-1] for word, rest in instructions if word == "COPY" and "--from" not in rest]
    taken = {source for sources in taken for source in sources}
    assert [source for source in taken if not (ROOT / source).exists()] == []
    folders = set(re.findall(r"^subdir\('(.*)'\)$", (ROOT / "meson.build").read_text(), re.MULTILINE))
    assert folders < taken, "what meson reads"


def test_the_image_starts_from_nothing_and_runs_as_user_nobody(instructions):
    last = max(index for index, (word, _) in enumerate(instructions) if word == "FROM")
    final = instructions[last:]
    assert final[0] == ("FROM", "scratch")
    assert not [word for word, _ in final if word in ("RUN", "ADD")], "there is no shell"
    assert ("USER", "65532:65532") in final, "a number, or Kubernetes cannot see that it is not root"
    assert ("EXPOSE", "9877/tcp") in final
    said = {word: json.loads(rest) for word, rest in final if word in ("ENTRYPOINT", "CMD")}
    assert said == {"ENTRYPOINT": ["tcpecho"], "CMD": ["serve"]}
    (check,) = [rest for word, rest in final if word == "HEALTHCHECK"]
    assert json.loads(check.split("CMD ", 1)[1]) == ["tcpecho", "ping", "-c", "1"]


def test_a_new_debian_comes_from_where_apt_looks(tmp_path):
    """With a fake mmdebstrap that prints which file of apt's it was given."""
    if shutil.which("apt-config") is None:
        pytest.skip("apt is not installed")
    configuration, tool, archive = tmp_path / "apt.conf", tmp_path / "mmdebstrap", tmp_path / "root.tar"
    configuration.write_text(f'Dir::Etc::SourceList "{tmp_path}/list"; Dir::Etc::SourceParts "{tmp_path}";\n')
    tool.write_text(f'#!/bin/sh\nfor word; do :; done\n>"{archive}.part"\necho "$word"\n')
    tool.chmod(0o755)
    environment = {**os.environ, "APT_CONFIG": str(configuration), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    (distribution,) = re.findall(r'^ID="?([\w.-]+)', pathlib.Path("/etc/os-release").read_text(), re.MULTILINE)
    classic, newer = tmp_path / "list", tmp_path / f"{distribution}.sources"

    def run():
        archive.unlink(missing_ok=True)
        command = [ROOT / "packaging/debian-root.sh", archive]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    classic.write_text("# what was here is elsewhere\n")
    refused = run()
    assert refused.returncode == 1
    assert str(classic) in refused.stderr and str(newer) in refused.stderr
    classic.write_text("deb http://debian.example/ stable main\n")
    assert run().stdout == f"{classic}\n"
    newer.write_text("Types: deb\nURIs: http://debian.example/\n")
    assert run().stdout == f"{newer}\n"
