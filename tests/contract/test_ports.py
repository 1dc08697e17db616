# SPDX-License-Identifier: MIT
"""The port rule of the classic text, checked on the machine it runs on.

A server's own port is above 1023, above 5000, below 49152, and outside the kernel's ephemeral range. A port that
breaks the rule works where permission allows. It earns one warning that names the reason and the range.
"""
import os
import socket

import pytest

from netns import set_sysctl, sysctl

# Each test uses fixed ports, so it gets its own namespace. A port is checked and opened before the engine matters:
# one engine is enough.
pytestmark = [pytest.mark.usefixtures("own_network"), pytest.mark.engines("fork")]

RESERVED = "ports 1-1023 are reserved for the system's own services"
OLD_EPHEMERAL = "ports 1024-5000 were given to clients by older systems"
DYNAMIC = "ports 49152-65535 are for private and dynamic use (RFC 6335)"


def ephemeral(first, last):
    return (
        f"this machine gives ports {first}-{last} to clients (ip_local_port_range), "
        "one of them can take it while the server is down"
    )


def ephemeral_range():
    """Returns the kernel's ephemeral range in this network namespace."""
    return tuple(map(int, sysctl("net.ipv4.ip_local_port_range").read_text().split()))


def set_ephemeral_range(first, last):
    set_sysctl("net.ipv4.ip_local_port_range", f"{first} {last}")


def warnings_of(server):
    return server.log_lines("warning: port ")


def warning(port, *reasons):
    return f"tcpecho: warning: port {port} is a poor choice: {'; '.join(reasons)}"


def assert_warns(serve, port, *reasons):
    """A server on this port works and gives these reasons in one warning; without reasons, no warning."""
    server = serve(f"127.0.0.1:{port}")
    assert warnings_of(server) == ([warning(port, *reasons)] if reasons else [])
    assert server.is_faithful()


@pytest.mark.parametrize("port", [5001, 7777, 9877, 32767, 49151])
def test_a_port_that_keeps_the_rule_earns_no_warning(serve, port):
    set_ephemeral_range(49152, 60999)
    assert_warns(serve, port)


@pytest.mark.parametrize("port", [1, 7, 80, 1023])
def test_a_port_below_1024_earns_a_warning(serve, port):
    assert_warns(serve, port, RESERVED)


@pytest.mark.parametrize("port", [1024, 5000])
def test_a_port_below_5001_earns_a_warning(serve, port):
    assert_warns(serve, port, OLD_EPHEMERAL)


@pytest.mark.parametrize("port", [49152, 65535])
def test_a_port_above_49151_earns_a_warning(serve, port):
    set_ephemeral_range(20000, 30000)
    assert_warns(serve, port, DYNAMIC)


def test_a_port_in_the_ephemeral_range_of_this_machine_earns_a_warning(serve):
    first, last = ephemeral_range()
    if not 5000 < first < 49152:
        pytest.skip(f"the kernel's own range {first}-{last} breaks the rule in other ways as well")
    assert_warns(serve, first, ephemeral(first, last))
    assert_warns(serve, first - 1)


def test_the_ephemeral_range_is_asked_of_the_kernel_and_not_assumed(serve):
    set_ephemeral_range(20000, 30000)
    assert_warns(serve, 20000, ephemeral(20000, 30000))
    assert_warns(serve, 30000, ephemeral(20000, 30000))
    for outside in (19999, 30001, 40000):
        assert_warns(serve, outside)


def test_a_port_that_breaks_the_rule_twice_earns_one_warning_with_both_reasons(serve):
    set_ephemeral_range(2000, 60999)
    assert_warns(serve, 3000, OLD_EPHEMERAL, ephemeral(2000, 60999))
    assert_warns(serve, 50000, ephemeral(2000, 60999), DYNAMIC)


def test_each_port_that_breaks_the_rule_earns_its_own_warning(serve):
    server = serve("127.0.0.1:80", "127.0.0.1:9877", "127.0.0.1:4000")
    assert warnings_of(server) == [warning(80, RESERVED), warning(4000, OLD_EPHEMERAL)]


def test_several_addresses_on_one_port_earn_one_warning(serve):
    server = serve("127.0.0.1:80", "[::1]:80", "127.0.0.2:80")
    assert warnings_of(server) == [warning(80, RESERVED)]


def test_the_wildcard_on_a_port_that_breaks_the_rule_earns_one_warning(serve):
    server = serve("80")
    assert server.addresses == ["[::]:80"]
    assert warnings_of(server) == [warning(80, RESERVED)]


@pytest.mark.engines()
def test_port_0_works_and_prints_the_port_and_earns_no_warning(serve, engine):
    server = serve("--max-clients", "100", "127.0.0.1:0")
    first, last = ephemeral_range()
    assert first <= server.port <= last
    assert server.log_lines() == [f"listening on 127.0.0.1:{server.port} (engine {engine}, at most 100 clients)"]
    assert server.is_faithful()


def test_a_unix_path_has_no_port_and_earns_no_warning(serve, tmp_path):
    assert warnings_of(serve(f"unix:{tmp_path}/echo")) == []


# ---- without the permission ----


@pytest.fixture
def serve_unprivileged(serve, program, lone_user):
    """Starts servers as an unprivileged user."""
    copy = lone_user.reachable(program)

    def start(*arguments, **more):
        return serve(*arguments, preexec=lone_user.become, program=copy, **more)

    return start


@pytest.mark.parametrize("address", ["80", "127.0.0.1:80", "[::1]:80"])
def test_an_unprivileged_user_is_refused_a_reserved_port_with_words(serve_unprivileged, address):
    set_sysctl("net.ipv4.ip_unprivileged_port_start", 1024)
    server = serve_unprivileged(address, wait=False)
    assert server.wait() == 4
    what = {"80": "port 80", "127.0.0.1:80": "127.0.0.1 port 80", "[::1]:80": "::1 port 80"}[address]
    reason = "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)"
    assert server.log_lines() == [f"tcpecho: cannot listen on {what}: {reason}"]


@pytest.mark.engines()
def test_an_unprivileged_user_gets_a_reserved_port_where_permission_allows(serve_unprivileged):
    set_sysctl("net.ipv4.ip_unprivileged_port_start", 80)
    server = serve_unprivileged("127.0.0.1:80")
    assert warnings_of(server) == [warning(80, RESERVED)]
    assert server.is_faithful()


@pytest.mark.engines()
def test_an_unprivileged_user_serves_on_the_default_port(serve_unprivileged):
    server = serve_unprivileged("--quiet")
    assert server.addresses == ["[::]:9877"]
    with socket.create_connection(("127.0.0.1", 9877)) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
