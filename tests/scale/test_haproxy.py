# SPDX-License-Identifier: MIT
"""A fleet behind HAProxy, configured with examples/scale/haproxy.cfg: one server is drained under load
(docs/SCALE.md)."""
import json
import signal
import subprocess

import pytest

from harness import TIMEOUT, wait_until
from machines import wait_for_port, why_impossible
from tools import ROOT, tool

CONFIG = ROOT / "examples" / "scale" / "haproxy.cfg"
DRAIN = ROOT / "examples" / "scale" / "drain.sh"
BALANCER = "192.0.2.1"

CHECKED = str(len("are you there\n"))  # bytes of a check


@pytest.fixture
def fleet(network, serve_on):
    """Starts three servers and, on the hub, the balancer: fleet(ARGUMENT of serve...)."""
    reason = why_impossible("haproxy", "socat")
    if reason:
        pytest.skip(reason)

    def start(*arguments):
        servers = {f"s{i}": serve_on(network.machine(f"s{i}", 20 + i), *arguments) for i in (1, 2, 3)}
        network.start(network.hub, tool("haproxy"), "-db", "-f", CONFIG, log="haproxy.log")
        wait_for_port(network.hub, 9877)
        for name in servers:
            wait_until(lambda: status(network, name)["status"] == "UP", f"{name} to be up")
        return servers

    return start


@pytest.fixture
def bench(program, network):
    """Starts a load from a separate machine: bench(ARGUMENT...)."""
    client = network.machine("client", 50)
    loads = []

    def start(*arguments):
        words = [*client.network, program, "bench", "--json", "-q", "--warmup", "0", *map(str, arguments), BALANCER]
        loads.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return loads[-1]

    yield start
    for load in loads:
        load.kill()
        load.communicate()


def ask(network, command):
    """Sends one command to HAProxy's admin socket."""
    return network.hub.run("sh", "-c", f"echo '{command}' | socat - /run/haproxy.sock").stdout


def status(network, server):
    """Returns HAProxy's status of a server, by name."""
    names, *rows = [line.split(",") for line in ask(network, "show stat").lstrip("# ").splitlines() if line]
    found = [dict(zip(names, row)) for row in rows]
    return next(row for row in found if (row["pxname"], row["svname"]) == ("fleet", server))


def sessions(network, server):
    return int(status(network, server)["scur"])


def result_of(load):
    """Ends the load; returns its result."""
    load.send_signal(signal.SIGINT)
    output, error = load.communicate(timeout=TIMEOUT)
    return json.loads(output), error


def assert_nothing_is_lost(load):
    found, error = result_of(load)
    assert load.returncode == 0, error
    assert found["errors"] == {} and found["mismatches"] == 0 and found["missing_bytes"] == 0
    assert found["verified_bytes"] == found["bytes"] > 0
    return found


def served(server):
    """Returns the number of bytes that it has sent back."""
    return server.totals()["out"]


def clients_of(server):
    """Returns the records of clients that sent something. HAProxy ends its checks with a reset, and these send
    nothing."""
    return [end for end in server.ends() if end["in"] not in ("0", CHECKED)]


def assert_polite(server):
    """Each client ended with a FIN, after all that it had sent came back."""
    ends = clients_of(server)
    assert ends and not [end for end in ends if end["reason"] != "eof" or end["in"] != end["out"]]


def test_a_server_is_drained_under_load_and_nothing_is_lost_of_short_connections(network, fleet, bench):
    servers = fleet()
    load = bench("-c", 24, "--churn", "-d", "1h")
    for server in servers.values():
        wait_until(lambda: served(server) > 10_000, "it to be under load")
    network.hub.run("sh", DRAIN, "s1")
    assert status(network, "s1")["status"].startswith("DRAIN")
    assert sessions(network, "s1") == 0
    assert servers["s1"].end(signal.SIGTERM) == 0
    before = served(servers["s2"])
    wait_until(lambda: served(servers["s2"]) > before, "the others to go on")
    assert_nothing_is_lost(load)
    for server in servers.values():
        assert_polite(server)


def test_a_server_that_there_is_not_cannot_be_drained(network, fleet):
    fleet()
    done = network.hub.run("sh", DRAIN, "s9", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "fleet has no server s9\n")


def test_connections_that_end_by_themselves_are_waited_for(network, fleet, bench):
    """The drained server serves them to their end, and gets no other connections."""
    servers = fleet("--drain-timeout", "60s")
    load = bench("-c", 24, "-d", "1h")
    for server in servers.values():
        wait_until(lambda: served(server) > 10_000, "it to be under load")
    ask(network, "set server fleet/s1 state drain")
    held = sessions(network, "s1")
    assert held > 0
    servers["s1"].send(signal.SIGTERM)
    servers["s1"].wait_for_log("^SIGTERM: no new clients")
    found = assert_nothing_is_lost(load)
    assert found["connections"] == 24
    assert servers["s1"].wait() == 0
    assert_polite(servers["s1"])


def test_connections_that_never_end_are_cut_at_the_drain_timeout_by_a_fin(network, fleet, bench):
    """The limit of a drain: bytes in flight are lost and reported, but no connection is reset or refused."""
    servers = fleet("--drain-timeout", "300ms")
    load = bench("-c", 24, "-d", "1h")
    for server in servers.values():
        wait_until(lambda: served(server) > 10_000, "it to be under load")
    ask(network, "set server fleet/s1 state drain")
    held = sessions(network, "s1")
    assert servers["s1"].end(signal.SIGTERM) == 1
    wait_until(lambda: sessions(network, "s1") == 0, "the balancer to have moved the clients")
    found, _ = result_of(load)
    assert load.returncode == 1
    assert found["errors"] == {"ended": held}
    assert found["mismatches"] == 0 and found["missing_bytes"] <= held * found["size"]
    reasons = [end["reason"] for end in clients_of(servers["s1"])]
    assert reasons.count("drain") == held, reasons


def test_without_notice_to_the_balancer_new_connections_go_elsewhere(network, fleet, bench):
    """Only TERM: a connection between TERM and the next check is refused there, and HAProxy tries another server."""
    servers = fleet()
    load = bench("-c", 24, "--churn", "-d", "1h")
    for server in servers.values():
        wait_until(lambda: served(server) > 10_000, "it to be under load")
    assert servers["s1"].end(signal.SIGTERM) == 0
    wait_until(lambda: status(network, "s1")["status"] == "DOWN", "it to be found missing")
    assert_nothing_is_lost(load)
