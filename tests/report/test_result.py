# SPDX-License-Identifier: MIT
"""Documents of `ping` and `bench`: they match the schema, their parts add up, their facts are true."""
import copy
import datetime
import json
import os
import pathlib
import platform
import signal
import socket
import subprocess
import sys
import time

import pytest

import faulty_servers
from faulty_servers import FaultyServer
from harness import TIMEOUT, Server, server_words, wait_until
from running import running
from signalling import stopped

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import hdr  # noqa: E402

jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")

SCHEMA = json.loads((ROOT / "docs" / "result.schema.json").read_text())

SHORT = ("-d", "200ms", "--warmup", "50ms")
LONG = ("-d", "2500ms", "--warmup", "50ms")

ECHO_HISTOGRAMS = {"response": "histogram", "service": "service_histogram"}


@pytest.fixture
def start(program):
    with running(program) as run:
        yield run


def document_of(process):
    output, _ = process.communicate(timeout=TIMEOUT)
    return json.loads(output)


@pytest.fixture
def found(start):
    """Runs the command with --json; returns the document after checks."""

    def run(command, *words):
        return sound(document_of(start(command, "--json", *words)))

    return run


# ---- what holds for every document ----


def validate(document):
    jsonschema.Draft7Validator(SCHEMA).validate(document)


def adds_up(document):
    """The series covers the run: intervals follow each other, and their sum is the total."""
    series = document["series"]
    for before, after in zip(series, series[1:]):
        assert after["start"] == pytest.approx(before["start"] + before["seconds"])
    assert not series or series[0]["start"] == 0
    assert sum(item["echoes"] for item in series) == document["echoes"]
    assert sum(item["verified_bytes"] for item in series) == document["verified_bytes"]
    assert sum(item["failures"] for item in series) == sum(document["errors"].values())
    for name, whole in ECHO_HISTOGRAMS.items():
        parts = [hdr.decode(item[name]) for item in series if item[name] is not None]
        assert hdr.added(parts) == (hdr.decode(document[whole]) if document[whole] is not None else [])
    for item in series:
        assert (item["response"] is None) == (item["echoes"] == 0)
        if item["response"] is not None:
            assert sum(count for _, count in hdr.decode(item["response"])) == item["echoes"]


def figures_are_of_the_histograms(document):
    for figures, histogram in (
        ("response_us", "histogram"), ("service_us", "service_histogram"),
        ("lateness_us", "lateness_histogram"), ("connect_us", "connect_histogram"),
    ):
        assert (document[figures] is None) == (document[histogram] is None)
        if document[figures] is None:
            continue
        counts, said = hdr.decode(document[histogram]), document[figures]
        for name, percent in (("p50", 50), ("p99", 99), ("p99.9", 99.9)):
            within = min(max(hdr.percentile(counts, percent), said["min"] * 1000), said["max"] * 1000)
            # The minimum and the maximum are exact.
            assert said[name] == pytest.approx(within / 1000, rel=1e-3)


def sound(document):
    validate(document)
    adds_up(document)
    figures_are_of_the_histograms(document)
    return document


# ---- runs of every kind ----


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:"])
@pytest.mark.parametrize("mode", ["closed", "open", "churn"])
def test_a_bench_of_every_kind(serve, found, tmp_path, address, mode):
    server = serve(f"unix:{tmp_path}/socket" if address == "unix:" else address, engine="epoll")
    options = {"closed": ["-p", 3, "--seed", 7], "open": ["-r", "500"], "churn": ["--churn"]}[mode]
    document = found("bench", *SHORT, "-c", 5, "-w", 2, *options, *server_words(server))
    assert document["command"] == "bench"
    assert document["echoes"] > 0 and document["errors"] == {}
    assert document["mode"] == ("open" if mode == "open" else "closed")
    assert (document["connections"], document["threads"], document["size"]) == (5, 2, 64)
    assert document["depth"] == (3 if mode == "closed" else 1)
    assert document["churn"] == (mode == "churn")
    assert document["warmup_seconds"] == 0.05
    assert document["connections_opened"] >= 5
    assert (document["lateness_histogram"] is not None) == (mode == "open")
    if address == "unix:":
        assert document["congestion_control"] is document["mss"] is document["kernel_us"] is None
    elif mode != "churn":  # a churn may have no open connection at that time
        assert document["mss"] > 0
        assert document["kernel_us"]["smoothed"] > 0


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:"])
@pytest.mark.parametrize("each", [[], ["--connect-each"]], ids=["one", "each"])
def test_a_ping_of_every_kind(serve, found, tmp_path, address, each):
    server = serve(f"unix:{tmp_path}/socket" if address == "unix:" else address)
    document = found("ping", "-c", 20, "-i", 0, *each, *server_words(server))
    assert document["command"] == "ping"
    assert document["echoes"] == 20
    assert document["churn"] == bool(each)
    assert document["connections_opened"] == (20 if each else 1)
    assert (document["kernel_us"] is None) == (document["mss"] is None) == (address == "unix:")


def test_a_second_after_the_other_from_several_threads(serve, found):
    server = serve("127.0.0.1:0", engine="epoll")
    document = found("bench", *LONG, "-c", 6, "-w", 3, *server_words(server))
    assert len(document["series"]) >= 2
    assert all(item["start"] == int(item["start"]) for item in document["series"])
    assert all(item["echoes"] > 0 for item in document["series"])


def test_the_sum_of_all_seconds_is_what_the_server_saw(serve, found):
    server = serve("127.0.0.1:0", engine="epoll")
    document = found("bench", "-d", "2500ms", "--warmup", "0", "-c", 6, "-w", 3, *server_words(server))
    server.wait_for_rest()
    totals = server.totals()
    assert totals["in"] == totals["out"] == document["verified_bytes"] == document["bytes"]
    assert document["echoes"] == document["sent"] == document["bytes"] / 64
    assert totals["accepted"] == document["connections_opened"]


def test_the_kernel_is_asked_while_there_are_connections(serve, start):
    server = serve("127.0.0.1:0", engine="epoll")
    process = start("bench", "--json", "-d", "1h", "--warmup", "0", "--no-reconnect", "-c", 3, *server_words(server))
    wait_until(lambda: server.totals()["in"] > 64 * 1000, "the load")
    time.sleep(0.1)  # after this time it asks again, at its next action
    before = server.totals()["in"]
    wait_until(lambda: server.totals()["in"] > before + 64 * 1000, "it to do more")
    server.end(signal.SIGKILL)
    document = sound(document_of(process))
    assert document["errors"]
    assert document["kernel_us"]["smoothed"] > 0
    assert document["congestion_control"] is not None


def test_a_rest_that_is_short_is_part_of_the_last_second(serve, found):
    server = serve("127.0.0.1:0", engine="epoll")
    document = found("bench", "-d", "2s", "--warmup", "0", "-c", 2, "-r", 200, *server_words(server))
    assert all(item["seconds"] >= 0.5 for item in document["series"])


def test_each_second_of_a_ping(serve, found):
    server = serve("127.0.0.1:0")
    document = found("ping", "-i", "100ms", "-c", 25, *server_words(server))
    assert len(document["series"]) >= 2
    first = document["series"][0]["seconds"]
    assert first == int(first) >= 1
    assert document["series"][0]["echoes"] >= 1


def test_what_comes_back_late_belongs_to_the_second_in_which_it_came(serve, start):
    server = serve("-w", "1", "127.0.0.1:0", engine="epoll")
    process = start("bench", "--json", "-d", "4s", "--warmup", "0", "-c", 4, "-r", 200, *server_words(server))
    wait_until(lambda: server.totals()["in"] > 64 * 20, "the load")
    stood = server.stop_all()
    time.sleep(2.1)  # at least one whole second of the series
    server.continue_all(stood)
    document = sound(document_of(process))
    silent = [item for item in document["series"] if item["echoes"] == 0]
    assert silent and all(item["response"] is None for item in silent)
    assert document["echoes"] == 800


def test_a_client_that_stood_still_has_a_longer_interval_and_loses_nothing(serve, start):
    server = serve("127.0.0.1:0", engine="epoll")
    process = start("bench", "--json", "-d", "3s", "--warmup", "0", "-c", 4, "-w", 2, "-r", 500, *server_words(server))
    wait_until(lambda: server.totals()["in"] > 64 * 50, "the load")
    with stopped(process.pid):
        time.sleep(1.5)
    assert sound(document_of(process))["echoes"] == 1500


# ---- runs that do not go well ----


@pytest.mark.parametrize(
    "treatment, name",
    [
        (faulty_servers.answer_and_reset(100, 128), "ECONNRESET"),
        (faulty_servers.answer_and_end(100, 128), "ended"),
        (faulty_servers.never_reply, "no_reply"),
        (faulty_servers.flip_bit(1000), "mismatch"),
    ],
    ids=["resets", "ends", "never_reply", "flips"],
)
@pytest.mark.parametrize("command", ["bench", "ping"])
def test_failures_are_in_the_seconds_in_which_they_were(found, command, treatment, name):
    words = {"bench": [*SHORT, "-c", 3, "-d", "1200ms"], "ping": ["-c", 12, "-i", "100ms"]}[command]
    with FaultyServer(treatment) as faulty:
        document = found(command, "-s", 512, "-W", "150ms", *words, *faulty.words)
    assert name in document["errors"]
    assert len(document["series"]) >= 1
    assert (document["first_mismatch"] is not None) == (name == "mismatch")


def test_failures_of_the_warm_up_are_in_the_first_second(found):
    treated = []

    def reset_the_first(sock):
        treated.append(sock)
        treatment = faulty_servers.answer_and_reset(0, 64) if len(treated) <= 3 else faulty_servers.never_end
        treatment(sock)

    with FaultyServer(reset_the_first) as faulty:
        document = found("bench", "-d", "1600ms", "--warmup", "500ms", "-c", 2, *faulty.words)
    assert sum(document["errors"].values()) > 0
    assert document["series"][0]["failures"] == sum(document["errors"].values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("words", [["bench", "-d", "1h", "--warmup", "0", "-c", 3], ["ping", "-i", "1ms"]],
                         ids=["bench", "ping"])
def test_a_run_that_is_ended_early_is_a_whole_document(serve, start, words, number):
    server = serve("127.0.0.1:0", engine="epoll")
    process = start(*words, "--json", *server_words(server))
    wait_until(lambda: server.totals()["in"] > 64 * 100, "the load")
    process.send_signal(number)
    document = sound(document_of(process))
    assert document["echoes"] == document["sent"] > 0
    assert document["start"] is not None


def test_a_run_that_is_ended_in_its_warm_up_never_began(serve, start):
    server = serve("127.0.0.1:0", engine="epoll")
    process = start("bench", "--json", "-d", "1h", "--warmup", "1h", "-c", 3, *server_words(server))
    wait_until(lambda: server.totals()["in"] > 64 * 100, "the load")
    process.send_signal(signal.SIGINT)
    document = sound(document_of(process))
    assert (document["start"], document["series"], document["seconds"]) == (None, [], 0)
    assert document["echoes"] == 0


# ---- facts ----


def test_facts_of_the_machine(serve, found):
    server = serve("127.0.0.1:0")
    begin = datetime.datetime.now(datetime.timezone.utc)
    document = found("bench", *SHORT, *server_words(server))
    end = datetime.datetime.now(datetime.timezone.utc)
    assert document["host"] == platform.node()
    assert document["kernel"] == f"{platform.system()} {platform.release()} {platform.machine()}"
    assert document["cpus"] == len(os.sched_getaffinity(0))
    assert begin <= datetime.datetime.fromisoformat(document["start"].replace("Z", "+00:00")) <= end
    assert (document["format"], document["merged"]) == (1, 1)


def test_the_version_is_the_programs(program, server, found):
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.split()[1] == found("ping", "-c", 1, *server_words(server))["version"]


def test_congestion_control_and_segments_are_those_of_the_kernel(serve, found):
    server = serve("127.0.0.1:0")
    document = found("ping", "-c", 3, "-i", 0, *server_words(server))
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()
    assert document["congestion_control"] == name


@pytest.mark.parametrize("name", [b"plain", b"it's $HOME", "gr\u00fcn \u263a".encode(), b"\\ \n\x1b[m'\xff"],
                         ids=["plain", "quoted", "utf8", "escaped"])
def test_a_shell_reads_the_command_line_as_it_was(program, server, tmp_path, name):
    words = [b"bench", b"--json", *map(str.encode, SHORT), b"--hlog", os.fsencode(tmp_path) + b"/" + name,
             *map(str.encode, server_words(server))]
    output = subprocess.run([os.fsencode(program), *words], capture_output=True, timeout=TIMEOUT, check=True).stdout
    line = sound(json.loads(output))["command_line"]
    read = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    assert read.split(b"\0")[:-1] == [b"tcpecho", *words]


# ---- documents that are none ----


@pytest.fixture(scope="module")
def whole(program, tmp_path_factory):
    """A real document that has as many fields as one run can have."""
    folder = tmp_path_factory.mktemp("result")
    server = Server(program, folder, [f"unix:{folder}/socket"])
    try:
        output = subprocess.run([program, "bench", "--json", *SHORT, "-r", "100", *server_words(server)],
                                capture_output=True, timeout=TIMEOUT, check=True).stdout
    finally:
        server.kill()
    document = json.loads(output)
    validate(document)
    document["kernel_us"] = {"smoothed": 1.0, "deviation": 0.5, "min": 0.9, "retransmits": 0}
    document["errors"] = {"ECONNRESET": 1}
    validate(document)
    return document


def is_refused(document):
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


def places(document, path=()):
    """Yields the path to every object of a document."""
    if isinstance(document, dict):
        yield path
        for name, value in document.items():
            yield from places(value, (*path, name))
    elif isinstance(document, list):
        for i, value in enumerate(document):
            yield from places(value, (*path, i))


def at(document, path):
    for step in path:
        document = document[step]
    return document


def test_without_any_one_of_its_fields_it_is_none(whole):
    for path in places(whole):
        for name in at(whole, path):
            if path == ("errors",):
                continue
            broken = copy.deepcopy(whole)
            del at(broken, path)[name]
            is_refused(broken)


def test_with_a_field_that_is_not_known_it_is_none(whole):
    for path in places(whole):
        broken = copy.deepcopy(whole)
        at(broken, path)["surprise !"] = 1
        is_refused(broken)


# Fields with any text.
FREE = {"command_line", "host", "kernel", "cpu", "congestion_control", "target", "first_mismatch", "client_bound"}


def test_with_a_value_of_another_kind_it_is_none(whole):
    for path in places(whole):
        for name in at(whole, path):
            if name == "synchronised":
                continue  # true or false, tested below
            for other in (-1, [], {"two words": 1}, True, "\n"):
                if (name in FREE and other == "\n") or [name, other] in (["churn", True], ["interrupted", True], ["series", []]):
                    continue
                broken = copy.deepcopy(whole)
                at(broken, path)[name] = other
                is_refused(broken)


@pytest.mark.parametrize(
    "name, value",
    [
        ("format", 2), ("format", None), ("start", "yesterday"), ("start", "2026-11-26T04:36:17Z"), ("seed", 1 << 63),
        ("seed", 0.5), ("histogram", ""), ("histogram", "HISTF"), ("histogram", "AAAA"), ("command", "serve"),
        ("mode", "ajar"), ("merged", 0), ("size", 0), ("errors", {"ECONNRESET": 0}), ("errors", {"two words": 1}),
        ("start_wanted", "2026-11-26T04:36:17.123456Z"), ("start_late_us", -1), ("clock", {}),
        ("clock", {"synchronised": 1, "max_error_us": None}), ("clock", {"synchronised": True, "max_error_us": -1}),
    ],
)
def test_with_a_wrong_value_it_is_none(whole, name, value):
    is_refused({**whole, name: value})


def test_with_too_long_a_series_it_is_none(whole):
    item = whole["series"][0]
    validate({**whole, "series": [item] * 3600})
    is_refused({**whole, "series": [item] * 3601})
    is_refused({**whole, "series": [{**item, "seconds": 0}]})


def test_the_schema_is_one_and_describes_every_field():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])
    described = [SCHEMA["properties"], SCHEMA["properties"]["series"]["items"]["properties"],
                 SCHEMA["properties"]["kernel_us"]["properties"], SCHEMA["definitions"]["times"]["properties"]]
    for fields in described:
        for name, field in fields.items():
            assert field.get("description", "").endswith("."), name


def test_the_page_names_every_field():
    page = (ROOT / "docs" / "RESULT.md").read_text()
    for name in SCHEMA["properties"]:
        assert f"`{name}`" in page, name
