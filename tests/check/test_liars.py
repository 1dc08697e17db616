# SPDX-License-Identifier: MIT
"""Every check finds something: what no fault of the server turns red or yellow, a liar or a path of the test does."""
import subprocess

import pytest

import liars
from checking import check
from fault_matrix import ROWS
from faulty_servers import FaultyServer
from netns import set_sysctl
from private_files import own_etc
from test_exec import FAULTS as PROCESS_FAULTS
from tools import tool

LIARS = {
    "small-writes": (liars.with_nagle, "WARN"),
    "lock-step": (liars.late_at_times, "WARN"),
    "urgent": (liars.faithful, "WARN"),  # without SO_OOBINLINE
    "slow-reader": (liars.buffer_everything, "WARN"),
    "tail": (liars.cut_the_tail, "FAIL"),
    "isolation": (liars.one_after_the_other(), "FAIL"),
    "half-close-late": (liars.reset_half_closed(2), "FAIL"),
    "idle-half-closed": (liars.reset_half_closed(1), "WARN"),
    "zero-window": (liars.reset_jammed, "FAIL"),
}


@pytest.mark.parametrize("name", LIARS)
def test_a_liar_turns_its_check_red_or_yellow(program, name):
    treatment, verdict = LIARS[name]
    with FaultyServer(treatment) as server:
        verdicts = check(program, *server.words, name, "2s", ["--idle", "3s"])
    assert verdicts.of(name) == verdict, verdicts.checks


DEATHS = ["abort", "scan"]


@pytest.mark.parametrize("name", DEATHS)
def test_a_server_that_dies_of_resets_is_found(program, name):
    with liars.DiesOfResets(50) as server:
        verdicts = check(program, *server.words, name)
    assert verdicts.of(name) == "FAIL"
    assert "after 100 resets" in verdicts.checks[name]["expected"]


def test_a_connection_to_itself_is_found(own_network, program):
    with liars.LeavesItsPort() as server:
        verdicts = check(program, *server.words, "self")
    assert verdicts.of("self") == "FAIL", verdicts.checks


def test_a_dead_address_of_the_name_is_found(own_network, program, serve, tmp_path):
    hosts = "127.0.0.1 localhost\n127.0.0.1 two.example\n127.0.0.2 two.example\n"
    prefix = own_etc(tmp_path, hosts=hosts, nsswitch_conf="hosts: files\n")
    server = serve("127.0.0.1:0", engine="epoll")
    verdicts = check(program, "two.example", server.port, "addresses", prefix=prefix)
    assert verdicts.of("addresses") == "FAIL"
    assert "127.0.0.2" in verdicts.actual("addresses")


# ---- the path ----

SYN = "tcp flags & (syn|ack) == syn"
DATA = "tcp flags & psh == psh"

# What the path drops, with PORT for the port of the server; then the verdict and what its sentence contains.
PATHS = {
    "connect": ([f"tcp dport PORT {SYN} numgen inc mod 50 1 drop"], "FAIL", "sent again"),
    "source-ports": ([f"tcp dport PORT tcp sport & 14 == 6 {DATA} drop"], "FAIL", " of 64 fail"),
    "mtu": (["tcp dport PORT ip length gt 1400 drop"], "FAIL", "from 1349 bytes on get stuck on the way to"),
    "mptcp": (["tcp dport PORT tcp option 30 exists drop"], "FAIL", "timed out"),
    "fastopen": (["tcp dport PORT tcp option 34 exists drop"], "WARN", "sent again"),
    "port-reuse": (
        [f"tcp dport PORT {SYN} tcp sport @seen drop", "tcp dport PORT tcp flags & rst == rst add @seen { tcp sport }"],
        "FAIL",
        "timed out",
    ),
}


def filter_segments(port, rules):
    """Makes the namespace's path drop segments."""
    nft = tool("nft")
    if nft is None:
        pytest.skip("nft is not installed (Debian: nftables)")
    lines = [
        "table inet path {",
        "set seen { type inet_service; timeout 1h; flags dynamic; }",
        "chain incoming {",
        "type filter hook input priority 0;",
        *(rule.replace("PORT", str(port)) for rule in rules),
        "}",
        "}",
    ]
    done = subprocess.run([nft, "-f", "-"], input="\n".join(lines), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"nft cannot set this rule: {done.stderr.splitlines()[0]}")


@pytest.fixture
def small_packets(own_network):
    subprocess.run([tool("ip") or "ip", "link", "set", "lo", "mtu", "1500"], check=True)


@pytest.mark.parametrize("name", PATHS)
def test_a_path_that_drops_segments_is_found(small_packets, program, serve, name):
    rules, verdict, words = PATHS[name]
    server = serve("127.0.0.1:0", engine="epoll")
    assert check(program, "127.0.0.1", server.port, name).of(name) in ("PASS", "SKIP")
    filter_segments(server.port, rules)
    verdicts = check(program, "127.0.0.1", server.port, name, "1500ms")
    if verdicts.of(name) == "SKIP":
        pytest.skip(verdicts.actual(name))
    assert verdicts.of(name) == verdict, verdicts.checks
    assert words in verdicts.actual(name)


def test_a_black_hole_on_the_way_back_is_found(small_packets, program, serve):
    server = serve("127.0.0.1:0", engine="epoll")
    filter_segments(server.port, ["tcp sport PORT ip length gt 1400 drop"])
    verdicts = check(program, "127.0.0.1", server.port, "mtu", "1500ms")
    assert "from 1349 bytes on get stuck on the way back" in verdicts.actual("mtu"), verdicts.checks


def test_an_option_that_is_not_negotiated_is_found(own_network, program, serve):
    server = serve("127.0.0.1:0", engine="epoll")
    set_sysctl("net.ipv4.tcp_sack", 0)
    verdicts = check(program, "127.0.0.1", server.port, "options")
    assert verdicts.of("options") == "WARN"
    assert "SACK not negotiated" in verdicts.actual("options")


# ---- none is useless ----


def test_every_check_is_red_or_yellow_for_something(program):
    listed = subprocess.run([program, "check", "--list"], capture_output=True, text=True, check=True).stdout
    names = {line.split()[0] for line in listed.splitlines()}
    found = {*PROCESS_FAULTS, "during", "second-client", *LIARS, *DEATHS, *PATHS, "self", "addresses", "options"}
    for row in ROWS:
        found.update(row.red.split(), row.yellow.split())
    assert names == found
