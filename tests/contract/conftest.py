# SPDX-License-Identifier: MIT
"""One contract, many engines: every test here that starts a server runs once for each engine.

The program lists the engines, so a new engine is tested from its first day. A test marked
@pytest.mark.engines("fork") covers behaviour of some engines that is not promised to clients. The mark also stands
on tests whose outcome is decided before the engine matters: one engine is enough for these.
"""
import os
import re
import subprocess

import pytest

from harness import Server, cleanup

DEFAULT = "fork"


def pytest_configure(config):
    config.addinivalue_line("markers", "engines(*names): for these engines only; without names for all, after all")


def listed_engines(program):
    """Returns the output of `serve --engine help`: name -> why it cannot be used here, or ""."""
    try:
        command = [program, "serve", "--engine", "help"]
        text = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {DEFAULT: ""}  # not built: the fixture `program` reports it
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        reason = re.search(r"\(cannot be used here: (.*)\)$", rest)
        found[name] = reason.group(1) if reason else ""
    return found


def pytest_generate_tests(metafunc):
    if "engine" not in metafunc.fixturenames:
        return
    config = metafunc.config
    if not hasattr(config, "tcpecho_engines"):
        config.tcpecho_engines = listed_engines(os.path.join(config.getoption("--build"), "tcpecho"))
    marker = metafunc.definition.get_closest_marker("engines")
    names_of_all = list(config.tcpecho_engines)
    names = [name for name in config.tcpecho_engines if marker is None or name in (marker.args or names_of_all)]
    metafunc.parametrize("engine", names, indirect=True)


@pytest.fixture
def engine(request):
    """The name of the engine that the test is about."""
    reason = request.config.tcpecho_engines[request.param]
    if reason:
        pytest.skip(f"engine {request.param} cannot be used here: {reason}")
    return request.param


@pytest.fixture
def serve(engine, program, tmp_path):
    """Starts servers of the engine, as serve("--max-clients", "2", ..., "127.0.0.1:0"), and ends them after the
    test.

    addresses=False: the arguments have no address and none is added. program: a copy of the program.
    """
    servers, whole = [], program

    def start(*arguments, addresses=True, program=whole, **more):
        if addresses and not arguments:
            arguments = ("127.0.0.1:0",)
        server = Server(program, tmp_path, arguments, engine=engine, **more)
        servers.append(server)
        return server

    yield start
    cleanup(servers)
    for server in servers:  # otherwise a test of rings would hold for something else
        poor = server.log_path.exists() and server.log_lines("no memory for a ring")
        assert not poor, f"other rings of this user have all of ulimit -l: {poor}"
