# SPDX-License-Identifier: MIT
"""What every test from outside the process can use."""
import os
import pathlib

import pytest

from harness import Server, Talk, cleanup, is_sanitized
from netns import own_network  # noqa: F401 (a fixture)
from watchdog import no_hang  # noqa: F401 (a fixture)

ROOT = pathlib.Path(__file__).resolve().parent.parent


def pytest_addoption(parser):
    parser.addoption(
        "--build", default=os.environ.get("TCPECHO_BUILD", str(ROOT / "build")), help="the build directory to test"
    )


@pytest.fixture(scope="session")
def build(request):
    """The build directory."""
    return pathlib.Path(request.config.getoption("--build")).resolve()


@pytest.fixture(scope="session")
def program(build):
    """The program under test."""
    path = build / "tcpecho"
    assert path.exists(), f"{path} is not built: ./dev build"
    return str(path)


@pytest.fixture(scope="session")
def sanitized(program):
    return is_sanitized(program)


@pytest.fixture
def serve(program, tmp_path):
    """Starts servers, as serve("--max-clients", "2", ..., "127.0.0.1:0"), and ends them after the test."""
    servers = []

    def start(*arguments, **more):
        server = Server(program, tmp_path, arguments or ("127.0.0.1:0",), **more)
        servers.append(server)
        return server

    yield start
    cleanup(servers)


@pytest.fixture
def server(serve):
    """One server on a free port of 127.0.0.1."""
    return serve("127.0.0.1:0")


@pytest.fixture
def talk(program):
    """Runs `talk` to its end, as talk(server, input=b"...") or talk("host", "port")."""
    talks = []

    def run(*arguments, **more):
        client = Talk(program, arguments, **more)
        talks.append(client)
        return client

    yield run
    cleanup(talks)
