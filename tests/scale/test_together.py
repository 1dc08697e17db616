# SPDX-License-Identifier: MIT
"""examples/scale/together.sh: three machines, one load, one result (docs/SCALE.md)."""
import json
import os
import re
import shutil
import subprocess

import pytest

import sshd
from harness import TIMEOUT, server_words
from machines import why_impossible
from tools import ROOT, tool

TOGETHER = ROOT / "examples" / "scale" / "together.sh"
CONNECTIONS, SIZE = 4, 300


@pytest.fixture
def fleet(network, tmp_path):
    """Three machines that accept ssh from the hub, and a separate server."""
    reason = why_impossible("sshd", "ssh", "ssh-keygen", "parallel", "bash")
    if reason:
        pytest.skip(reason)
    keys = sshd.make_keys(tmp_path)
    machines = [network.machine(f"generator{i}", 10 + i) for i in (1, 2, 3)]
    sshd.let_know(keys, machines)
    for machine in machines:
        sshd.start(network, machine, keys)
    return network, machines, keys


def run_together(program, fleet, tmp_path, *arguments):
    """Runs the recipe on the hub. Returns its output and the results by machine."""
    network, machines, keys = fleet
    hosts, directory = tmp_path / "hosts", tmp_path / "results"
    hosts.write_text("".join(f"{machine.address}\n" for machine in machines))
    env = {
        "SSH": f"ssh -F {keys}/ssh_config",
        "TCPECHO": program,
        "LEAD": "8",
        "PATH": f"{tool('parallel').rpartition('/')[0]}:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    done = network.hub.run("bash", TOGETHER, hosts, directory, *arguments, env=env, check=False, within=TIMEOUT * 4)
    texts = [(directory / f"{machine.address}.json").read_text() for machine in machines]
    assert all(texts), done.stdout + done.stderr
    return done, list(map(json.loads, texts)), directory


def test_the_sum_of_three_machines_is_what_the_server_counted(program, fleet, serve_on, tmp_path):
    network, machines, _ = fleet
    server = serve_on(network.machine("server", 100))
    done, results, directory = run_together(
        program, fleet, tmp_path, "-c", CONNECTIONS, "-s", SIZE, "--warmup", "0", "-d", "500ms", "192.0.2.100"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    server.wait_for_rest()
    totals = server.totals()
    whole = json.loads((directory / "merged.json").read_text())

    assert totals["accepted"] == len(machines) * CONNECTIONS
    assert totals["in"] == totals["out"] == whole["bytes"] == whole["verified_bytes"]
    for name in ("sent", "echoes", "bytes", "verified_bytes", "connections", "mismatches", "missing_bytes"):
        assert whole[name] == sum(result[name] for result in results), name
    assert whole["merged"] == len(machines)
    assert not whole["errors"]

    # All machines have the same start time, and the result has the error of each clock.
    assert {result["start_wanted"] for result in results} == {whole["start_wanted"]}
    assert whole["start_late_us"] == max(result["start_late_us"] for result in results)
    assert whole["clock"] == results[0]["clock"]  # they have the same clock
    assert {result["seed"] for result in results} == {1, 2, 3}
    clocks = (directory / "clocks.txt").read_text().splitlines()
    assert [line.split()[0] for line in clocks] == [machine.address for machine in machines]
    for line in clocks:  # all machines have the same clock, so the true offset of 0 is within the range
        off, within = map(float, re.fullmatch(r"\S+ ([+-]\S+) s, within (\S+) s", line).groups())
        assert abs(off) <= within + 1e-6


def test_a_machine_that_finds_a_fault_is_reported_and_counted(program, fleet, serve_on, tmp_path):
    """Each machine misses its limit: the results are merged all the same, and the status is 1."""
    network, machines, _ = fleet
    serve_on(network.machine("server", 100))
    done, results, directory = run_together(
        program, fleet, tmp_path, "-c", 1, "--warmup", "0", "-d", "300ms", "--max-p99", "1ns", "192.0.2.100"
    )
    assert done.returncode == 1
    assert done.stderr.count("the 99th percentile is") == len(machines)
    whole = json.loads((directory / "merged.json").read_text())
    assert whole["echoes"] == sum(result["echoes"] for result in results) > 0


# ---- tests that need one machine only ----

# ssh(1) to this machine, whatever its name.
FAKE_SSH = """#!/bin/sh
shift
exec sh -c "$*"
"""


@pytest.fixture
def run_here(program, tmp_path):
    """Runs the recipe for two names of this machine: run_here(WORD of bench..., NAME=VALUE...)."""
    if tool("parallel") is None:
        pytest.skip("parallel is not installed")
    hosts, ssh, directory = tmp_path / "hosts", tmp_path / "ssh", tmp_path / "results"
    hosts.write_text("one\ntwo\n")
    ssh.write_text(FAKE_SSH)
    ssh.chmod(0o755)

    def run(*words, **environment):
        env = {**os.environ, "SSH": str(ssh), "TCPECHO": program, "LEAD": "5", **environment}
        env["PATH"] = f"{tool('parallel').rpartition('/')[0]}:{os.environ['PATH']}"
        done = subprocess.run(["bash", TOGETHER, hosts, directory, *words], env=env, capture_output=True, text=True,
                              timeout=TIMEOUT * 2, check=False, stdin=subprocess.DEVNULL)
        return done, directory

    return run


def test_where_a_comma_is_written_for_a_point_the_clocks_are_read_too(run_here, server, tmp_path):
    made = subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", tmp_path / "de_DE.UTF-8"], capture_output=True,
                          check=False) if shutil.which("localedef") else None
    if made is None or made.returncode != 0:
        pytest.skip("there is nothing to make a locale of (package locales)")
    locale = {"LOCPATH": str(tmp_path), "LC_ALL": "de_DE.UTF-8"}
    assert "," in subprocess.run(["bash", "-c", "echo $EPOCHREALTIME"], env={**os.environ, **locale},
                                 capture_output=True, text=True, check=True).stdout
    done, directory = run_here("-c", "1", "--warmup", "0", "-d", "100ms", *server_words(server), **locale)
    assert done.returncode == 0, done.stderr
    for line in (directory / "clocks.txt").read_text().splitlines():
        off, within = map(float, re.fullmatch(r"\S+ ([+-]\d\S+) s, within (\d\S+) s", line).groups())
        assert abs(off) <= within + 1e-6  # it is the same clock


def test_what_cannot_be_added_leaves_no_sum(run_here):
    done, directory = run_here("--no-such-option")
    assert done.returncode == 2 and "no-such-option" in done.stderr
    assert not (directory / "merged.json").exists()
