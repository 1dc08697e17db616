# SPDX-License-Identifier: MIT
"""The bench: each case gives its figures, only verified bytes count, and verdicts state what was measured.

No figure is asserted, because the speed of this machine is not promised.
"""
import json
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import TIMEOUT

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import compare  # noqa: E402
import plot  # noqa: E402
import record  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402

# With pytest-xdist: one process builds the other programs, and no two cases run at once.
pytestmark = pytest.mark.xdist_group("bench")

SECONDS = 0.3
FEW = 200

CASES = compare.CASES | {"idle": compare.idle_case(FEW)}

# Figures that a cgroup counts.
OF_CGROUPS = {"cpu_us", "whole_kib"}


@pytest.fixture(scope="session")
def tools(build):
    """Builds the client and the textbook's servers."""
    return compare.build(build / "bench")


@pytest.fixture
def kinds(tools, program):
    """Returns all servers by name."""
    return {kind.name: kind for kind in servers.all_kinds(tools, [("tcpecho", program)])}


# ---- the cases ----


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("server", ["tcpecho", "textbook"])
def test_each_case_gives_its_figures(name, server, kinds, tools, tmp_path):
    result = compare.Bench(tools, tmp_path, SECONDS).measure(kinds[server], CASES[name])
    assert result["error"] is None
    missing = set(CASES[name].figures) - set(result)
    if missing:
        assert missing <= OF_CGROUPS and servers.why_no_cgroup(), missing
        pytest.skip(f"no {', '.join(missing)}: {servers.why_no_cgroup()}")
    assert all(result[figure] > 0 for figure in CASES[name].figures), result


def test_a_run_ends_with_a_table_of_its_servers(program, tools):
    words = ["connect", "--only", "textbook", "--rounds", "2", "--seconds", "0.1", "--program", f"mine={program}"]
    lines = [line for line in bench(*words).stdout.splitlines() if line and not line.startswith("left out: ")]
    assert [line.split()[0] for line in lines][2:] == ["mine", "textbook"]


def test_a_peer_that_is_not_installed_is_left_out_and_named(program, tools):
    words = ["connect", "--only", "socat PIPE", "--rounds", "1", "--seconds", "0.1", "--program", f"mine={program}"]
    run = bench(*words, path=str(tools))
    assert "left out: socat PIPE, for socat is not installed" in run.stdout
    assert "mine" in run.stdout


def test_a_server_that_ends_in_the_middle_is_an_error_and_no_hang(kinds, tools, tmp_path):
    textbook = kinds["textbook"].command
    dying = servers.Kind("dying", "timeout", lambda port, where: ["timeout", "0.7", *textbook(port, where)])
    result = compare.Bench(tools, tmp_path, TIMEOUT).measure(dying, CASES["connect"])
    assert result["error"].startswith("connection ")


def test_a_server_that_does_not_start_is_an_error(tools, tmp_path):
    broken = servers.Kind("broken", "sh", lambda *_: ["sh", "-c", "echo no port for me; exit 1"])
    result = compare.Bench(tools, tmp_path, SECONDS).measure(broken, CASES["connect"])
    assert result["error"] == "broken did not start: no port for me"


def test_another_server_at_the_same_port_is_not_measured(tools, tmp_path):
    with FaultyServer(faulty_servers.never_end) as other:
        taken = servers.Kind("taken", "true", lambda *_: ["true"], port=other.port)
        result = compare.Bench(tools, tmp_path, SECONDS).measure(taken, CASES["connect"])
    assert result["error"] == f"another server has 127.0.0.1:{other.port}"


def bench(*words, path=None):
    command = ["/usr/bin/python3", str(ROOT / "bench" / "compare.py"), *words]
    env = {**os.environ, "PATH": path or os.environ["PATH"]}
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True, env=env)


# ---- the client verifies ----

MODES = ["rr", "connect", "idle", "fair"]


def load(tools, server, mode, *words):
    """Returns (status, report) of the client with a server."""
    command = [tools / "load", mode, "-p", str(server.port), "-c", "2", "-t", "0.2", *words]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT)
    return run.returncode, json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("mode", MODES)
def test_a_faithful_server_is_no_error(mode, tools):
    with FaultyServer(faulty_servers.echo_through(lambda offset, piece: piece)) as server:
        status, result = load(tools, server, mode)
    assert status == 0 and result["error"] is None
    assert result["count"] > 0


STALL = "nothing for 0.3 s"

UNFAITHFUL = {
    "flips a bit": (faulty_servers.flip_bit(63), "byte 63 differs"),
    "loses the last byte": (faulty_servers.drop_byte(63), STALL),
    "loses the last byte and ends": (faulty_servers.answer_and_end(63, of=64), "the server ended after 63 of 64 bytes"),
    "loses a byte in the middle": (faulty_servers.drop_byte(7), "byte 7 differs"),
    "repeats a byte": (faulty_servers.repeat_byte(63), "65 bytes came that were not sent"),
    "answers before it is asked": (faulty_servers.speak_first(b"early"), "differs"),
    "adds bytes": (faulty_servers.add_bytes(b"surplus"), "7 bytes came that were not sent"),
    "never answers": (faulty_servers.never_reply, STALL),
    "never ends": (faulty_servers.answer_and_hang(64, of=64), STALL),
    "ends before it answers": (faulty_servers.finish, "the server ended after 0 of 64 bytes"),
    "resets": (faulty_servers.answer_and_reset(3, of=64), "reset by peer"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", UNFAITHFUL)
def test_an_unfaithful_server_is_an_error(how, mode, tools):
    treatment, words = UNFAITHFUL[how]
    with FaultyServer(treatment) as server:
        status, result = load(tools, server, mode, *(["-i", "0.3"] if words == STALL else []))
    assert status == 1
    assert words in result["error"]


def test_an_answer_to_an_earlier_message_is_an_error(tools):
    def say_it_again(sock):
        first = faulty_servers.recv_exactly(sock, 64)
        sock.sendall(first)
        faulty_servers.recv_exactly(sock, 64)
        sock.sendall(first)

    with FaultyServer(say_it_again) as server:
        status, result = load(tools, server, "rr")
    assert status == 1
    assert "byte 0 differs" in result["error"]


def test_a_busy_connection_is_verified_as_well(tools):
    far = 100_000  # the neighbouring messages end before it
    with FaultyServer(faulty_servers.flip_bit(far)) as server:
        status, result = load(tools, server, "fair", "-f", "1")
    assert status == 1
    assert f"byte {far} differs" in result["error"]


def test_a_run_ends_after_n_messages(tools):
    with FaultyServer(faulty_servers.echo_through(lambda offset, piece: piece)) as server:
        status, result = load(tools, server, "connect", "-n", "10", "-t", str(TIMEOUT))
    assert status == 0 and result["count"] == 10


# ---- the record ----


def measured(**figures):
    """Measurements of one server: measured(per_second=[1, 2]) are two."""
    rounds = len(next(iter(figures.values())))
    return [{"error": None} | {name: values[i] for name, values in figures.items()} for i in range(rounds)]


@pytest.fixture
def recorded(kinds):
    """A record of invented figures: record(case, server, ...) replaces some."""
    results = {
        name: {
            kind.name: measured(**{figure: [100.0] for figure in (*case.figures, "clients")})
            for kind in kinds.values()
            if not kind.cases or name in kind.cases
        }
        for name, case in CASES.items()
    }
    return record.Record(CASES, kinds.values(), results, "./dev bench", "many")


@pytest.mark.parametrize(
    "own, verdict",
    [([140.0, 150.0, 160.0], "reached"), ([140.0, 149.0, 160.0], "only in some rounds"), ([130.0, 140.0, 149.0], "not reached")],
)
def test_a_verdict_is_that_of_the_medians(own, verdict, recorded):
    recorded.results["connect"]["tcpecho"] = measured(per_second=own)
    recorded.results["connect"]["textbook"] = measured(per_second=[100.0] * 3)
    assert recorded.judge(record.GOALS[0])[1].startswith(verdict)


def test_less_is_better_of_a_latency(recorded):
    goal = next(goal for goal in record.GOALS if goal.case == "latency")
    for own, verdict in ((99.0, "reached"), (101.0, "not reached")):
        recorded.results["latency"]["tcpecho"] = measured(p50_us=[own])
        assert recorded.judge(goal)[1] == verdict


def test_the_best_packaged_peer_is_the_fastest_that_finished(recorded):
    recorded.results["connect"]["socat PIPE"] = measured(per_second=[300.0])
    recorded.results["connect"]["inetd"] = [{"error": "it stopped"}]
    assert "3.00" in report.ratio(recorded.results["connect"]["socat PIPE"], measured(per_second=[100.0]), "per_second")
    assert "0.33 (0.33..0.33) x socat PIPE" in recorded.judge(record.GOALS[1])[0]


def test_the_record_has_a_row_for_each_goal_and_the_picture_is_whole(recorded):
    text = recorded.json()
    assert [row["promise"] for row in text["rows"]] == [goal.promise for goal in record.GOALS]
    assert set(text["medians"]) == set(CASES)
    picture = ElementTree.fromstring(recorded.picture())
    bars = [part for part in picture.iter() if part.get("class") in ("own", "textbook", "packaged")]
    assert len(bars) == sum(len(recorded.results[name]) for name in record.PANELS)
    assert plot.WIDTH == int(picture.get("viewBox").split()[2])
    assert all(case.title in recorded.page() for case in CASES.values())


def test_only_a_failure_of_our_own_servers_is_a_failure_of_the_run(recorded):
    recorded.results["connect"]["inetd"] = [{"error": "it stopped"}]
    assert recorded.failures() == []
    recorded.results["bulk"]["tcpecho"] = [{"error": "byte 7 differs"}]
    assert recorded.failures() == ["tcpecho"]
