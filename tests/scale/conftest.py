# SPDX-License-Identifier: MIT
"""Networks of machines for the recipes of docs/SCALE.md."""
import pytest

from harness import Server, cleanup
from machines import Network, why_impossible


@pytest.fixture
def network(tmp_path):
    """A network of machines, with its hub."""
    reason = why_impossible()
    if reason:
        pytest.skip(reason)
    network = Network(tmp_path)
    yield network
    network.end()


@pytest.fixture
def serve_on(program, tmp_path):
    """Starts servers on machines, on the port of the recipes."""
    servers = []

    def start(machine, *arguments):
        server = Server(program, tmp_path, (*arguments, "9877"), prefix=machine.network, engine="epoll")
        servers.append(server)
        return server

    yield start
    cleanup(servers)
