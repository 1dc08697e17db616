# SPDX-License-Identifier: MIT
"""What `./dev package` made, for the tests of it. Without it, only what can be seen in the sources is tested."""
import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUTPUT = os.environ.get("TCPECHO_PACKAGES")

# They take minutes, and programs that install half a system: ./dev package --test
collect_ignore = [] if OUTPUT else ["test_deb.py", "test_service.py", "test_image.py"]


@pytest.fixture(scope="session")
def version():
    """The program's, by meson.build."""
    return re.search(r"^  version: '(.*)',$", (ROOT / "meson.build").read_text(), re.MULTILINE)[1]


@pytest.fixture(scope="session")
def output():
    """The directory with all that was made."""
    return pathlib.Path(OUTPUT)


def only(paths):
    (path,) = paths
    return path


@pytest.fixture(scope="session")
def package(output):
    return only(output.glob("tcpecho_*.deb"))


@pytest.fixture(scope="session")
def archive(output):
    """The image, as podman load takes it."""
    return only(output.glob("tcpecho-*-image.tar"))


@pytest.fixture(scope="session")
def root_only():
    if os.geteuid() != 0:
        pytest.skip("only root can install in a Debian of its own")
