# SPDX-License-Identifier: MIT
"""The benches of the clients: they run, and a client that reports false figures is detected.

Only a figure that holds on every machine is asserted: a client cannot measure less than the delay that the server
kept.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import measuring  # noqa: E402
import measuring_page  # noqa: E402
import compare  # noqa: E402
import hdr  # noqa: E402
import omission  # noqa: E402
import othertools  # noqa: E402
import ourclient  # noqa: E402
import record  # noqa: E402
import stamps  # noqa: E402
import truth  # noqa: E402

pytestmark = pytest.mark.alone  # it measures

SECONDS = 0.3
STOP_SECONDS = 1
FEW = 200

# Factor that allows for the difference of two clocks and for the width of a bucket.
NEARLY = 0.997


@pytest.fixture(scope="session")
def tools(build):
    directory = compare.build(build / "bench")
    compare.build_peers(directory)
    return directory


FAKE = """#!/usr/bin/python3
import json, pathlib, subprocess, sys
run = subprocess.run([{program!r}, *sys.argv[1:]], stdout=subprocess.PIPE)
said = json.loads(run.stdout)
{lie}
print(json.dumps(said))
sys.exit(run.returncode)
"""

KEEPS_QUIET = 'said["client_bound"] = None'
HALVES = 'said["response_us"] = {name: us / 2 for name, us in said["response_us"].items()}'
LEAVES_OUT = 'said["echoes"] -= 1'
TAKES_SERVICE_FOR_RESPONSE = """
log = pathlib.Path(sys.argv[sys.argv.index("--hlog") + 1]) if "--hlog" in sys.argv else None
if log:
    lines = log.read_text().splitlines()
    service = next(line for line in lines if line.startswith("Tag=service"))
    lied = [service.replace("service", "response") if line.startswith("Tag=response") else line for line in lines]
    log.write_text("\\n".join(lied))
"""


@pytest.fixture
def judge(program, tools, tmp_path, monkeypatch):
    """judge() returns a Truth for the program; judge(a lie) one for a client that runs it and falsifies its output."""
    monkeypatch.setattr(truth, "BASE_MESSAGES", 20)  # one after the other, each with a delay

    def make(lie=None, seconds=SECONDS):
        client = pathlib.Path(program)
        if lie:
            client = tmp_path / "tcpecho"
            client.write_text(FAKE.format(program=program, lie=lie))
            client.chmod(0o755)
        return truth.Truth(client, tools, tmp_path, seconds, server_program=program)

    return make


# ---- known delays ----


@pytest.mark.parametrize("name", truth.DELAYS)
def test_no_client_measures_less_than_the_delay_of_the_server(name, judge, tools, tmp_path):
    one = judge()
    path = tmp_path / "kept"
    words = [tools / "bare-ping", "-v", "-w", "0", "-n", "50"]
    with one.server(truth.DELAYS[name], path) as server:
        output, error = ourclient.run([*words, *ourclient.where(server)], one.client_core)
    assert error is None
    found_us = [int(line) / 1000 for line in output.splitlines() if line.isdigit()]
    (kept_us,) = truth.read_kept(path).values()
    assert len(found_us) == len(kept_us) == 50
    assert all(found > kept * NEARLY for found, kept in zip(found_us, kept_us))


@pytest.mark.parametrize("name", truth.DELAYS)
@pytest.mark.parametrize("loop", truth.LOOPS)
def test_every_message_is_counted_with_its_delay_and_the_wait_before_it(name, loop, judge):
    delays = truth.DELAYS[name]
    says, kept = judge().found(delays, loop)
    assert says["error"] is None
    assert says["echoes"] == sum(map(len, kept.values()))
    interval_us = delays.connections / delays.rate * 1e6
    least = truth.known_open(kept, 0, interval_us) if loop == "open" else truth.known_closed(kept, 0)
    for percent in truth.PERCENTILES:
        assert says["response_us"][f"p{percent}"] >= truth.percentile(least, percent) * NEARLY


def test_a_client_that_halves_its_times_is_found_out(judge):
    measured = judge(HALVES).measure(truth.DELAYS["constant"], "closed")
    assert measured["error"] is None
    assert not truth.is_true(measured)


def test_a_round_that_is_no_measurement_does_not_count():
    rows = {percent: (1000.0, 1000.0) for percent in truth.PERCENTILES}
    right = {"error": None, "echoes": 1, "rows": rows, "disowned": None, "others": 0.0}
    wrong = right | {"rows": rows | {99: (1000.0, 1100.0)}}
    late, disturbed = wrong | {"disowned": "it was late"}, wrong | {"others": 0.5}
    broken = {"error": "status 4"}

    def result(*rounds):
        return truth.promise_of(truth.DELAYS["two"], "open", rounds)["result"]

    assert result(right, late) == "reached; 1 more that the client says are no measurement"
    assert result(right, disturbed) == "reached; 1 more with other processes running (50% of a core)"
    assert result(right, wrong) == "in 1 of 2 rounds"
    assert result(right, broken) == "in 1 of 2 rounds; status 4"
    assert result(late) == "not measured; 1 more that the client says are no measurement"


def test_a_client_that_leaves_a_message_out_is_found_out(judge):
    measured = judge(LEAVES_OUT).measure(truth.DELAYS["exponential"], "closed")
    assert "echoes, the server sent" in measured["error"]
    assert not truth.is_true(measured)


def test_what_is_known_of_an_open_loop():
    kept = {7: [1000.0, 5000.0, 1000.0, 1000.0]}
    assert truth.known_open(kept, 100, 2000) == [1100, 3300, 4200, 5100]  # the third and the fourth wait for the second
    assert truth.known_closed(kept, 100) == [1100, 1100, 1100, 5100]


def test_a_percentile_is_the_smallest_value_that_its_share_does_not_exceed():
    rising = list(range(1, 1001))
    assert [truth.percentile(rising, percent) for percent in (50, 90, 99, 99.9, 100)] == [500, 900, 990, 999, 1000]
    counts = [(value, 1) for value in rising]
    assert [hdr.percentile(counts, percent) for percent in (50, 90, 99, 99.9, 100)] == [500, 900, 990, 999, 1000]


def test_a_run_of_known_delays_has_its_rows(judge, monkeypatch):
    monkeypatch.setattr(truth, "DELAYS", {"constant": truth.DELAYS["constant"]})
    promises, table = truth.tell_delays(judge(), 1)
    assert len(promises) == len(truth.LOOPS)
    assert len(table["rows"]) == len(truth.LOOPS) * len(truth.PERCENTILES)
    assert all(len(row) == len(table["head"]) for row in table["rows"])


# ---- a stop ----


def test_a_stop_of_the_server_is_in_the_response_times(judge):
    measured = omission.measure(judge(seconds=STOP_SECONDS))
    assert measured["error"] is None
    assert omission.p99_us(measured, omission.RESPONSE) >= omission.due_us(measured, STOP_SECONDS) * NEARLY
    messages = {name: sum(count for _, count in counts) for name, counts in measured["counts"].items()}
    assert messages[omission.RESPONSE] == messages[omission.SERVICE] == omission.RATE * STOP_SECONDS
    picture = ElementTree.fromstring(omission.picture(measured))
    assert len([part for part in picture.iter() if part.tag.endswith("polyline")]) == len(omission.NAMES)


def test_a_client_that_takes_service_time_for_response_time_is_found_out(judge):
    measured = omission.measure(judge(TAKES_SERVICE_FOR_RESPONSE, STOP_SECONDS))
    assert measured["error"] is None
    assert not omission.is_about(measured, STOP_SECONDS)


def test_a_client_that_was_stopped_reports_it_and_one_that_does_not_fails(judge):
    for lie, verdict in ((None, "reached"), (KEEPS_QUIET, "in 0 of 1 rounds")):
        one = judge(lie, STOP_SECONDS)
        assert omission.promise_of_client([omission.measure_client(one)], "")["result"].startswith(verdict)


def test_a_run_of_stops_has_its_rows(judge):
    promises, table = omission.tell_stop(judge(seconds=STOP_SECONDS), 1)
    assert len(promises) == 5
    assert [row[0] for row in table["rows"]] == [omission.RESPONSE, omission.SERVICE, omission.CLOSED, omission.BEAT]


# ---- the histogram, read by other software ----


def test_the_histogram_says_what_the_figures_say(judge):
    says, _ = judge().found(truth.DELAYS["exponential"], "closed")
    counts = hdr.decode(says["histogram"])
    assert sum(count for _, count in counts) == says["echoes"]
    for percent in (50, 90, 99, 99.9):
        assert hdr.percentile(counts, percent) / 1000 == pytest.approx(says["response_us"][f"p{percent}"], rel=0.002)


def test_what_is_no_histogram_is_refused():
    with pytest.raises(ValueError):
        hdr.decode("AAAAAAAAAAAAAAAA")


# ---- time stamps ----


def test_the_stamps_of_a_message_are_in_order(judge):
    messages, error = stamps.measure(judge())
    assert error is None and len(messages) == stamps.COUNT
    if not any("driver" in one for one in messages):
        pytest.skip("this kernel gives no time stamps")
    whole = [one for one in messages if len(one) == 7]
    assert len(whole) > stamps.COUNT / 2
    for one in whole:
        assert 0 == one["before"] <= one["sched"] <= one["driver"] <= one["ack"]
        assert one["driver"] <= one["arrived"] <= one["back"]


def test_a_run_of_stamps_has_its_rows(judge):
    promises, table = stamps.tell_stamps(judge(), 1)
    assert len(promises) == 1
    assert len(table["rows"]) == len(stamps.STEPS) + 1
    assert all(len(row) == len(table["head"]) for row in table["rows"])


# ---- clients compared ----


@pytest.fixture
def bench(program, tools, tmp_path):
    return measuring.Bench(program, tools, tmp_path, SECONDS)


CASES = measuring.CASES | {"many": measuring.CASES["many"]._replace(connections=FEW)}

PAIRS = [(client, name) for client in measuring.CLIENTS for name in client.cases]


@pytest.mark.parametrize("client, name", PAIRS, ids=[f"{client.name}-{name}" for client, name in PAIRS])
def test_each_client_gives_the_figure_of_its_case(client, name, bench):
    result = bench.measure(client, CASES[name])
    assert result["error"] is None
    if client.name == measuring.OURS:
        missing = set(CASES[name].figures) - set(result)
        assert missing <= {"client_cpu_us"}, missing


def test_a_client_that_fails_is_an_error(tools, tmp_path, program):
    broken = tmp_path / "tcpecho"
    broken.write_text("#!/bin/sh\necho out of sorts >&2\nexit 4\n")
    broken.chmod(0o755)
    bench = measuring.Bench(broken, tools, tmp_path, SECONDS, server_program=program)
    for client in measuring.CLIENTS:
        if client.name == measuring.OURS:
            assert bench.measure(client, CASES[client.cases[0]])["error"] == "status 4: out of sorts"


def test_a_verdict_is_that_of_the_medians():
    def results(own, other):
        return {
            "echoes": {
                measuring.OURS: [{"error": None, "per_core": value} for value in own],
                "bare-client": [{"error": None, "per_core": value} for value in other],
            }
        }

    goal = next(goal for goal in measuring.GOALS if goal.case == "echoes")
    assert measuring.judge(goal, results([94, 95, 96], [100] * 3))[1] == "reached"
    assert measuring.judge(goal, results([90, 94, 96], [100] * 3))[1] == "only in some rounds"
    assert measuring.judge(goal, results([90, 91, 92], [100] * 3))[1] == "not reached"
    assert measuring.judge(goal, {})[1] == record.NOT_MEASURED


# ---- other tools ----

PRINTED = {
    "netperf": "24.31,24,31\n",
    "sockperf": "sockperf: ---> percentile 99.000 =   21.456\nsockperf: ---> percentile 50.000 =   12.150\n",
    "qperf": "tcp_lat:\n    latency  =  12.1 us\n",
    "iperf3": '{"end": {"streams": [{"sender": {"mean_rtt": 24}}]}}',
    "fortio": 'x\n{"DurationHistogram": {"Percentiles": [{"Percentile": 50, "Value": 2.43e-05}]}}',
}


@pytest.mark.parametrize("name", PRINTED)
def test_what_others_print_is_read(name):
    tool = next(tool for tool in othertools.TOOLS if tool.needs == name)
    assert tool.read(PRINTED[name]) * tool.factor == pytest.approx(24.2, abs=0.2)


def test_installed_clients_print_a_result_and_others_are_left_out(bench, monkeypatch):
    absent = othertools.TOOLS[0]._replace(name="absent", needs="no-such-program")
    monkeypatch.setattr(othertools, "TOOLS", (*othertools.TOOLS, absent))
    found, left_out = othertools.tell(bench, 1)
    assert left_out[-1] == "absent, for no-such-program is not installed"
    assert len(found["rows"]) + len(left_out) == len(othertools.TOOLS)
    ours = {row[0]: row for row in found["rows"] if row[0].startswith("tcpecho")}
    assert len(ours) == 2 and all(row[2] != "-" for row in ours.values())


# ---- the page ----


def test_the_page_has_what_both_left(tmp_path, monkeypatch):
    figures = tmp_path / "figures"
    figures.mkdir()
    monkeypatch.setattr(measuring_page, "FIGURES", figures)
    monkeypatch.setattr(measuring_page, "PAGE", tmp_path / "PAGE.md")
    row = {"promise": "it is", "evidence": "seen", "result": "reached"}
    table = {"title": "One", "text": "a note", "head": ["", "µs"], "rows": [["a", "1"]]}
    measuring_page.write("truth", "./dev bench truth", [row], [table | {"picture": ("a.svg", "<svg/>", "a curve")}])
    measuring_page.write("clients", "./dev bench clients", [row], [dict(table, title="Two")], ["x, for y"])
    page = (tmp_path / "PAGE.md").read_text()
    picture, promise = "![a curve](figures/a.svg)", "| it is | seen | reached |"
    for words in ("### One", "### Two", picture, promise, "Left out: x"):
        assert words in page
    assert json.loads((figures / "truth.json").read_text())["rows"] == [row]
