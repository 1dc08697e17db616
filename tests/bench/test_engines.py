# SPDX-License-Identifier: MIT
"""The bench of the engines: every peer echoes, each case gives its figures, verdicts state what was measured.

No figure is asserted, because the speed of this machine is not promised.
"""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import compare  # noqa: E402
import engines  # noqa: E402
import record  # noqa: E402
import servers  # noqa: E402

# With pytest-xdist: one process builds the other programs, and no two cases run at once.
pytestmark = pytest.mark.xdist_group("bench")

SECONDS = 0.2
FEW = 200

CASES = {
    **{name: case for name, case in engines.CASES.items() if name not in engines.GROWTHS},
    "idle": engines.idle_case(FEW),
    "growth": engines.growth_case(FEW),
}

# Own memory may stay the same.
MAY_BE_ZERO = {"own_bytes"}

OF_CGROUPS = {"cpu_us", "whole_kib"}

PEERS = ["bare-epoll", "bare-uring", "bare-epoll spins", "bare-uring spins", "libuv", "libevent", "Go", "liburing"]


@pytest.fixture(scope="session")
def tools(build):
    """Builds the client, and the peers that can be built here."""
    directory = compare.build(build / "bench")
    compare.build_peers(directory)
    return directory


@pytest.fixture
def bench(tools, tmp_path):
    return engines.EngineBench(tools, tmp_path, SECONDS)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_echoes(name, bench, tools):
    kind = next(kind for kind in engines.peer_kinds(tools) if kind.name == name)
    if not servers.is_there(kind):
        pytest.skip(f"{name} could not be built here")
    for words in ("rr -c 8", "connect -c 8", "rr -c 2 -s 65536"):
        result = bench.measure(kind, compare.Case("", words, ()))
        assert result["error"] is None
        assert result["count"] > 0


@pytest.mark.parametrize("name", CASES)
def test_each_case_gives_its_figures(name, bench, program):
    result = bench.measure(servers.engine("epoll", program, "epoll"), CASES[name])
    assert result["error"] is None
    missing = set(CASES[name].figures) - set(result)
    assert not missing or (missing <= OF_CGROUPS and servers.why_no_cgroup()), missing
    assert all(result[figure] > 0 for figure in set(CASES[name].figures) & set(result) - MAY_BE_ZERO), result


def test_a_peer_whose_library_is_missing_is_named(tmp_path, monkeypatch):
    lacking = compare.Peer("libuv-echo", needs=str(tmp_path / "uv.h"), package="libuv1-dev")
    monkeypatch.setattr(compare, "PEERS", [lacking])
    monkeypatch.setenv("PATH", "")
    said = compare.build_peers(tmp_path)
    assert said == ["libuv-echo, for libuv1-dev is not installed", "go-echo, for golang-go is not installed"]


def test_engines_that_cannot_be_used_are_left_out_and_named(tmp_path):
    program = tmp_path / "tcpecho"
    program.write_text("#!/bin/sh\necho 'fork  a child each'\necho 'uring a ring (cannot be used here: it is off)'\n")
    program.chmod(0o755)
    found = servers.engines_of(program)
    assert found == {"fork": None, "uring": "it is off"}
    left_out = engines.why_left_out(engines.engine_kinds(program) + engines.peer_kinds(tmp_path), found)
    assert left_out["uring busy"] == "it is off"
    assert left_out["epoll"] == "this build has no such engine"
    assert left_out["bare-epoll"] == "it could not be built"
    assert "fork" not in left_out


# ---- the record ----


def measured(**figures):
    rounds = len(next(iter(figures.values())))
    return [{"error": None} | {name: values[i] for name, values in figures.items()} for i in range(rounds)]


@pytest.fixture
def recorded(tmp_path):
    """A record of invented figures."""
    kinds = engines.engine_kinds(pathlib.Path("tcpecho")) + engines.peer_kinds(tmp_path)
    results = {
        name: {
            kind.name: measured(**{figure: [100.0] for figure in case.figures}) for kind in kinds if name in kind.cases
        }
        for name, case in engines.CASES.items()
    }
    return engines.Record(kinds, results, "./dev bench engines", {"nothing": "it is not there"})


def goal_of(words):
    return next(goal for goal in engines.GOALS if words in goal.promise)


@pytest.mark.parametrize("own, verdict", [(92.0, "reached"), (93.0, "not reached")])
def test_less_cpu_is_better(own, verdict, recorded):
    recorded.results["echoes"]["uring"] = measured(cpu_us=[own])
    assert recorded.judge(goal_of("uring, 64 x 64 B: CPU per echo at most 0.92 x"))[1] == verdict


@pytest.mark.parametrize("own, verdict", [(401.0, "reached"), (399.0, "not reached")])
def test_more_connections_are_better(own, verdict, recorded):
    recorded.results["connect"]["prefork"] = measured(per_second=[own])
    assert recorded.judge(goal_of("prefork: connect"))[1] == verdict


def test_the_best_that_sleeps_is_none_that_spins(recorded):
    recorded.results["latency"]["bare-epoll spins"] = measured(p50_us=[1.0])
    recorded.results["latency"]["epoll busy"] = measured(p50_us=[50.0])
    recorded.results["latency"]["Go"] = measured(p50_us=[90.0])
    measured_words, verdict = recorded.judge(goal_of("epoll --busy-poll"))
    assert verdict == "reached" and "x Go" in measured_words


def test_the_best_other_is_not_tcpecho(recorded):
    recorded.results["echoes"]["epoll"] = measured(cpu_us=[1.0])
    recorded.results["echoes"]["libuv"] = measured(cpu_us=[99.0])
    assert recorded.best("echoes", "cpu_us", engines.BEST_OTHER) == "libuv"


def test_what_was_not_measured_is_named(recorded):
    del recorded.results["idle"]["uring"]
    assert recorded.judge(goal_of("uring: own memory"))[1] == record.NOT_MEASURED


def test_the_record_is_whole(recorded):
    text = recorded.json()
    assert [row["promise"] for row in text["rows"]] == [goal.promise for goal in engines.GOALS]
    assert set(text["medians"]) == set(engines.CASES)
    bars = ElementTree.fromstring(recorded.bars())
    drawn = [part for part in bars.iter() if part.get("class") in ("own", "textbook", "packaged")]
    assert len(drawn) == sum(len(recorded.results[name]) for name in engines.PANELS)
    lines = ElementTree.fromstring(recorded.lines())
    assert len([part for part in lines.iter() if part.tag.endswith("polyline")]) == 4
    page = recorded.page()
    assert all(case.title in page for case in engines.CASES.values())
    assert "Left out: nothing: it is not there." in page
