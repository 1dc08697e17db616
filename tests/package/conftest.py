# SPDX-License-Identifier: MIT
"""The packages of `./dev package`, for their tests. Without them, only what the sources show is tested."""
import os
import pathlib
import re
import signal
import subprocess

import pytest

from roots import REPOSITORY

OUTPUT = os.environ.get("TCPECHO_PACKAGES")

# They take minutes, and need programs that install half a system: ./dev package --test
collect_ignore = [] if OUTPUT else ["test_deb.py", "test_service.py", "test_image.py"]


# A build in a test ends by its own limit, which is 300 s, before the test does.
LONGEST = 600


@pytest.fixture(autouse=True)
def no_hang(no_hang):
    """The watchdog of every test, with the time that building takes on a busy machine."""
    signal.setitimer(signal.ITIMER_REAL, LONGEST)


@pytest.fixture(scope="session")
def version():
    """Returns the program's version in meson.build."""
    return re.search(r"^  version: '(.*)',$", (REPOSITORY / "meson.build").read_text(), re.MULTILINE)[1]


@pytest.fixture(scope="session")
def output():
    """Returns the directory with everything that was made."""
    return pathlib.Path(OUTPUT)


def only(paths):
    (path,) = paths
    return path


@pytest.fixture(scope="session")
def package(output):
    return only(output.glob("tcpecho_*.deb"))


@pytest.fixture(scope="session")
def archive(output):
    """Returns the image in the form for podman load."""
    return only(output.glob("tcpecho-*-image.tar"))


@pytest.fixture(scope="session")
def root_only():
    if os.geteuid() != 0:
        pytest.skip("only root can install in a Debian of its own")


@pytest.fixture
def newer(package, tmp_path):
    """The same package with a newer version."""
    subprocess.run(["dpkg-deb", "-R", package, tmp_path / "tree"], check=True)
    path = tmp_path / "tree/DEBIAN/control"
    path.write_text(re.sub(r"^Version: .*$", "Version: 9:1.0-1", path.read_text(), flags=re.MULTILINE))
    made = tmp_path / "tcpecho_newer.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tmp_path / "tree", made], check=True, capture_output=True)
    return made
