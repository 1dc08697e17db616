# SPDX-License-Identifier: MIT
"""Results are shown, merged and compared: documents of real runs, and documents made for the tests."""
import datetime
import errno
import json
import pathlib
import random
import re
import subprocess

import pytest

from harness import TIMEOUT, server_words
from results import decode, encode, hdr, index_of, result, write

ROOT = pathlib.Path(__file__).resolve().parents[2]

HISTOGRAMS = ["histogram", "service_histogram", "lateness_histogram", "connect_histogram"]


@pytest.fixture
def bench(program, server, tmp_path):
    """Runs bench for a moment and writes its document."""

    def run(name, *words):
        path = tmp_path / name
        with path.open("wb") as out:
            subprocess.run([program, "bench", "-q", "--json", "--warmup", "0", "-d", "1200ms", *words, *server_words(server)],
                           stdout=out, check=True, timeout=TIMEOUT)
        return path

    return run


def counts_of(paths, name):
    return sum((decode(json.loads(path.read_text())[name]) for path in paths), decode(None))


# ---- show ----


def test_a_document_is_written_again_as_it_was(report, bench):
    for path in (bench("closed"), bench("open", "-r", "100", "-c", "3"), bench("churn", "--churn")):
        assert report("show", "--json", path) == (0, path.read_text(), "")


def test_standard_input_is_a_file(report, bench):
    path = bench("run")
    assert report("show", "--json", "-", stdin=path) == (0, path.read_text(), "")


def test_what_is_shown_is_what_was_printed(report, program, server, tmp_path):
    text = subprocess.run([program, "bench", "-q", "-d", "200ms", *server_words(server)], capture_output=True, text=True,
                          check=True, timeout=TIMEOUT).stdout
    document = tmp_path / "run"
    document.write_text(subprocess.run([program, "bench", "-q", "-d", "200ms", "--json", *server_words(server)],
                                       capture_output=True, text=True, check=True, timeout=TIMEOUT).stdout)
    status, shown, error = report("show", document)
    assert (status, error) == (0, "")
    # The same lines with other figures, and then the parameters.
    lines = [[re.sub(r"\d.*", "", line).strip() for line in of.splitlines() if "no measurement" not in line] for of in (text, shown)]
    assert lines[1][: len(lines[0])] == lines[0]
    assert re.search("^command line +tcpecho bench -q -d 200ms --json ", shown, re.M)
    assert re.search("^program +tcpecho 0.", shown, re.M) and re.search("^start +20", shown, re.M)


def test_several_are_shown_under_their_names(report, tmp_path):
    paths = [write(tmp_path / name, result([1000])) for name in ("a.json", "b.json")]
    status, shown, _ = report("show", *paths)
    assert status == 0
    assert shown.startswith("==> a.json <==\n") and "\n\n==> b.json <==\n" in shown


def test_a_result_of_before_there_was_a_format(report, tmp_path):
    document = result([1000, 2000, 3000])
    for name in ("format version command_line start host kernel cpu cpus congestion_control mss merged depth threads seed "
                 "churn warmup_seconds connections_opened series").split():
        del document[name]
    for name in HISTOGRAMS[1:]:
        del document[name]
    path = write(tmp_path / "old", document)
    status, shown, error = report("show", path)
    assert (status, error) == (0, "")
    assert "3 echoes in 1.000 s" in shown
    status, _, error = report("merge", path)
    assert status == 2 and "does not say when it began" in error


def test_nothing_that_a_terminal_obeys_is_shown(report, tmp_path):
    path = write(tmp_path / "hostile", result([1000], host="\x1b[2Jx\u202ey", target="a\nb", command_line="\x07"))
    status, shown, error = report("show", path)
    assert (status, error) == (0, "")
    assert all(character == "\n" or " " <= character < "\x7f" for character in shown)
    assert "^[[2Jx" in shown and "a^Jb" in shown


# ---- merge ----


def test_a_sum_has_every_count_of_every_bucket(report, bench, tmp_path):
    paths = [bench(f"run{seed}", "--seed", str(seed), "-c", "3", "-r", "300") for seed in range(3)]
    out = tmp_path / "sum.json"
    assert report("merge", "-o", out, *paths) == (0, "", "")
    runs, total = [json.loads(path.read_text()) for path in paths], json.loads(out.read_text())
    for name in HISTOGRAMS:
        assert decode(total[name]) == counts_of(paths, name)
    assert total["seed"] is None  # the runs had different seeds
    for name in ("sent", "echoes", "bytes", "verified_bytes", "connections_opened", "merged"):
        assert total[name] == sum(run[name] for run in runs)
    for name in ("min", "max"):
        assert total["response_us"][name] == {"min": min, "max": max}[name](run["response_us"][name] for run in runs)
    # The runs do not overlap: their times add up, not their rates and connections.
    assert total["seconds"] == pytest.approx(sum(run["seconds"] for run in runs), abs=1e-6)
    assert total["rate"] == pytest.approx(total["echoes"] / total["seconds"])
    assert total["connections"] == 3 and total["rate_wanted"] == 300
    assert total["start"] == min(run["start"] for run in runs)
    # The series is merged, too.
    series = total["series"]
    assert sum(map(lambda each: each["echoes"], series)) == total["echoes"]
    assert sum((decode(each["response"]) for each in series), decode(None)) == decode(total["histogram"])
    assert all(a["start"] + a["seconds"] <= b["start"] + 1e-6 for a, b in zip(series, series[1:]))
    # A merged document is valid like any other.
    assert_fits_schema(total, "result.schema.json")
    assert report("show", "--json", out) == (0, out.read_text(), "")


def test_percentiles_of_a_sum_are_those_of_all_values(report, tmp_path):
    dice = random.Random(6)
    parts = [[int(dice.lognormvariate(11 + i, 1)) for _ in range(997 * (i + 1))] for i in range(4)]
    paths = [write(tmp_path / str(i), result(part, seed=i)) for i, part in enumerate(parts)]
    status, output, _ = report("merge", *paths)
    assert status == 0
    together, total = sorted(sum(parts, [])), json.loads(output)
    for name, part in {"p50": 5000, "p90": 9000, "p99": 9900, "p99.9": 9990}.items():
        exact = together[-(-len(together) * part // 10_000) - 1]
        assert round(total["response_us"][name] * 1000) == hdr.highest(index_of(exact))
    assert total["response_us"]["mean"] == pytest.approx(sum(together) / len(together) / 1000, abs=0.002)


def test_generators_that_ran_together_add_their_rates(report, tmp_path):
    paths = [write(tmp_path / str(i), result([1000 + i] * 100, seconds=2.0, host=f"host{i}", start="2026-11-26T04:36:17.0Z"))
             for i in range(3)]
    total = json.loads(report("merge", *paths)[1])
    assert (total["seconds"], total["rate"], total["connections"], total["threads"]) == (2.0, 150.0, 12, 3)
    assert total["host"] == "host0, host1, host2"
    assert len(total["series"]) == 1 and total["series"][0]["echoes"] == 300


def test_half_a_second_together_counts_once(report, tmp_path):
    paths = [write(tmp_path / str(i), result([1000 + i] * 100, seconds=1.0, start=f"2026-11-26T04:36:17.{5 * i}Z"))
             for i in range(2)]
    total = json.loads(report("merge", *paths)[1])
    assert (total["seconds"], total["connections"]) == (1.5, 8)


DIFFERENT = {
    "mode": "open", "size": 65, "depth": 2, "churn": True, "command": "ping",
}


@pytest.mark.parametrize("field", DIFFERENT)
def test_what_was_run_differently_is_not_added(refusal, tmp_path, field):
    a, b = write(tmp_path / "a", result([1000])), write(tmp_path / "b", result([2000], **{field: DIFFERENT[field]}))
    assert " in a, " in refusal("merge", a, b) and not (tmp_path / "sum").exists()
    assert "differs" in refusal("merge", "-o", tmp_path / "sum", a, b)
    assert not (tmp_path / "sum").exists()


@pytest.fixture
def too_many(tmp_path):
    """Two results whose counts together exceed the maximum."""
    huge = 2**63 - 1
    return [write(tmp_path / f"{seed}", result([1000], seed=seed, sent=huge)) for seed in (1, 2)]


def test_what_is_more_than_can_be_counted_is_refused(refusal, too_many):
    assert "2 there is more than can be counted" in refusal("merge", *too_many)
    assert "2 there is more than can be counted" in refusal("diff", *too_many, "vs", too_many[0])
    assert "2 there is more than can be counted" in refusal("diff", too_many[0], "vs", *too_many)


def errno_names(first):
    """Returns forty names of failures that the program knows, from `first` on."""
    known = [name for _, name in sorted(errno.errorcode.items())]
    return {name: 1 for name in known[first : first + 40]}


def test_more_kinds_of_failures_than_there_is_room_for_are_refused(refusal, tmp_path):
    paths = [write(tmp_path / f"{first}", result([1000], seed=first, errors=errno_names(first))) for first in (0, 40)]
    assert "there is more than can be counted" in refusal("merge", *paths)
    assert "there is more than can be counted" in refusal("diff", *paths, "vs", *paths)


def test_times_of_repetitions_that_cannot_be_added_are_refused(refusal, tmp_path):
    paths = [write(tmp_path / f"{seed}", result([1000], seed=seed, seconds=3e9)) for seed in range(7)]
    assert "there is more than can be counted" in refusal("diff", *paths, "vs", *paths)


@pytest.mark.parametrize("days", [1, 270, 3000, 36000])
def test_a_sum_over_a_long_time_can_be_read_again(report, tmp_path, days):
    late = datetime.datetime(2026, 11, 26) + datetime.timedelta(days)
    paths = [write(tmp_path / "first", result([1000] * 9))]
    for i, part in enumerate((279012, 579012, 979013)):
        paths.append(write(tmp_path / f"{i}", result([1000] * 9, seed=i, host=f"host{i}", start=f"{late.isoformat()}.{part}Z")))
    out = tmp_path / "sum"
    assert report("merge", "-o", out, *paths) == (0, "", "")
    status, again, error = report("show", "--json", out)
    assert (status, error) == (0, "")
    # Except lengths that were rounded so that they overlapped.
    total, again = json.loads(out.read_text()), json.loads(again)
    assert [each["start"] for each in total.pop("series")] == [each["start"] for each in again.pop("series")]
    assert total == again


def test_runs_that_are_more_than_a_hundred_years_apart_are_not_added(refusal, tmp_path):
    paths = [write(tmp_path / f"{year}", result([1000], start=f"{year}-01-01T00:00:00Z")) for year in (2026, 2127)]
    assert "a hundred years" in refusal("merge", *paths)


def test_a_name_stands_in_a_sum_once(report, tmp_path):
    paths = [write(tmp_path / f"{i}", result([1000], seed=i, host=f"host{i % 20}")) for i in range(100)]
    total = json.loads(report("merge", *paths)[1])
    assert total["host"] == ", ".join(f"host{i}" for i in range(16)) + " and 4 more"


def test_a_run_is_not_added_to_itself(refusal, tmp_path):
    a, copy = write(tmp_path / "a", result([1000])), write(tmp_path / "copy", result([1000]))
    assert refusal("merge", a, copy) == "a and copy are the same run"


def test_a_run_is_not_added_to_a_sum_that_it_is_in(report, refusal, tmp_path):
    a, b, c = (write(tmp_path / f"{name}.json", result([1000], host=name)) for name in "abc")
    sums = {name: tmp_path / f"{name}.json" for name in ("ab", "bc", "abc", "all")}
    assert report("merge", "-o", sums["ab"], a, b)[0] == 0
    assert report("merge", "-o", sums["bc"], b, c)[0] == 0
    assert report("merge", "-o", sums["abc"], sums["ab"], c)[0] == 0
    assert json.loads(sums["abc"].read_text())["merged"] == len(json.loads(sums["abc"].read_text())["parts"]) == 3
    for words in (("ab", "a"), ("b", "ab"), ("ab", "bc"), ("abc", "c"), ("abc", "ab")):
        paths = [sums.get(name, tmp_path / f"{name}.json") for name in words]
        said = " and ".join(f"{name}.json" for name in words) + " have a run in common, which would count twice"
        assert refusal("merge", *paths) == said
        assert said in refusal("diff", *paths, "vs", c)
    # A different run of the same host at the same time is not taken for it.
    other = write(tmp_path / "other.json", result([1001], host="a", seed=2))
    assert report("merge", "-o", sums["all"], sums["abc"], other)[0] == 0
    # A sum of one run is that run, and is recognised as the same.
    assert report("merge", "-o", sums["all"], a)[0] == 0
    assert refusal("merge", a, sums["all"]) == "a.json and all.json are the same run"


def test_a_sum_that_cannot_be_written_leaves_what_was_there(report, tmp_path):
    a = write(tmp_path / "a", result([1000]))
    assert report("merge", "-o", tmp_path / "no" / "such", a)[0] == 4
    assert report("merge", "-o", "/dev/full", a)[0] == 4
    out = tmp_path / "out"
    out.write_text("before")
    out.chmod(0o644)
    damaged = tmp_path / "damaged"
    damaged.write_text(a.read_text()[:-9])
    assert report("merge", "-o", out, a, damaged)[0] == 2
    assert out.read_text() == "before"
    assert report("merge", "-o", out, a)[0] == 0
    assert json.loads(out.read_text())["echoes"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "damaged", "out"]


@pytest.mark.parametrize("words", [("merge",), ("html",)])
def test_a_sum_or_a_page_may_go_to_standard_output(report, tmp_path, words):
    a = write(tmp_path / "a", result([1000]))
    out = tmp_path / "out"
    assert report(*words, "-o", out, a) == (0, "", "")
    assert report(*words, "-o", "-", a) == (0, out.read_text(), "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "out"]


def test_several_are_not_one_document(refusal, tmp_path):
    paths = [write(tmp_path / name, result([1000])) for name in "ab"]
    assert "option --json takes one file, " in refusal("show", "--json", *paths)


# ---- diff ----


def row(output, name):
    """Returns the cells of a row in the table."""
    return next(line.split() for line in output.splitlines() if line.startswith(name + " "))


def test_a_difference_is_reported(report, tmp_path):
    old = write(tmp_path / "old.json", result([100_000] * 1000))
    new = write(tmp_path / "new.json", result([150_000] * 500, connections=8))
    status, output, error = report("diff", old, new)
    assert (status, error) == (0, "")
    assert row(output, "max")[1:] == ["100.0", "us", "150.0", "us", "+50.0", "%"]
    assert row(output, "rate")[1:] == ["1000.0/s", "500.0/s", "-50.0", "%"]
    assert "old: old.json\nnew: new.json\ndifferent connections: 4 old, 8 new\n" in output
    assert "the noise" in output


def test_a_difference_is_held_against_the_noise(report, tmp_path):
    def runs(name, *means):
        return [write(tmp_path / f"{name}{i}", result([mean] * 100, seed=i)) for i, mean in enumerate(means)]

    old, near, far = runs("old", 100_000, 130_000), runs("near", 120_000, 140_000), runs("far", 131_072, 150_000)
    assert row(report("diff", *old, "vs", *near)[1], "max")[-3:] == ["within", "the", "noise"]
    status, output, error = report("diff", *old, "vs", *far, "--fail-if", "max>+10%")
    assert row(output, "max")[-4:] == ["more", "than", "the", "noise"]
    assert row(output, "rate")[-3:] == ["within", "the", "noise"]
    assert status == 1
    assert error == "tcpecho: max>+10%: max is 150.0 us, was 130.0 us: +15.4 %, more than the runs' own noise\n"


FAILURES = {
    "p99>+10%": 1, "p99>+60%": 0, "p50<-5%": 0, "p50>+49us": 1, "p50>+60us": 0, "max>200us": 0, "max>140us": 1,
    "rate<-5%": 1, "rate<-50%": 0, "rate<400": 0, "rate<1k": 1, "echoes<-1": 1, "failures>0": 1, "failures>3": 0,
    "failures>+2": 1, "missing_bytes>100": 1, "missing_bytes>+0%": 1, "mismatches>0": 0, "service.p99>+10%": 1,
    "min>1ms,mean>1ms": 0, "min>1ms, mean>1us": 1,
}


@pytest.mark.parametrize("limit", FAILURES)
def test_a_limit_that_is_passed_is_status_1(report, tmp_path, limit):
    old = write(tmp_path / "old", result([100_000] * 1000))
    new = write(tmp_path / "new", result([150_000] * 500, errors={"no_reply": 3}, bytes=500 * 64 + 192))
    status, _, error = report("diff", "--fail-if", limit, "--fail-if", "failures>3", old, new)
    assert status == FAILURES[limit], error
    assert error.count("\n") == status


def test_every_limit_is_looked_at(report, tmp_path):
    old, new = write(tmp_path / "old", result([100_000])), write(tmp_path / "new", result([150_000]))
    status, _, error = report("diff", "--fail-if", "max>+10%", "--fail-if", "rate<1,p50>+1%", old, new)
    assert status == 1
    assert [line.split(": ")[1] for line in error.splitlines()] == ["max>+10%", "p50>+1%"]


def test_what_a_side_does_not_know_is_no_pass(report, tmp_path):
    old, new = write(tmp_path / "old", result([100_000])), write(tmp_path / "new", result([150_000]))
    status, _, error = report("diff", "--fail-if", "connect.p99>+10%", old, new)
    assert status == 2 and "the old side has no connect.p99" in error
    status, _, error = report("diff", "--fail-if", "max>+10%,connect.p99>+10%", old, new)
    assert status == 2 and error.count("\n") == 2


# Kind of run -> what diff prints about it.
CAVEATS = {
    "client": ({"client_bound": "the client used 99 % of a core"}, "no measurement of the server: the client used 99 % of a core"),
    "interrupted": ({"interrupted": True, "seconds_wanted": 10.0}, "interrupted after 1.000 of 10.000 s"),
    "both": ({"interrupted": True, "client_bound": "slow"}, "no measurement of the server: slow; interrupted after 1.000 s"),
}


@pytest.mark.parametrize("side", ["old", "new"])
@pytest.mark.parametrize("name", CAVEATS)
def test_a_run_that_is_no_whole_measurement_passes_no_limit(report, tmp_path, name, side):
    changes, sentence = CAVEATS[name]
    paths = [write(tmp_path / which, result([100_000] * 10, seed=i, **(changes if which == side else {})))
             for i, which in enumerate(("old", "new"))]
    status, output, error = report("diff", *paths)
    assert (status, error) == (0, "") and f"{side}: {side}\n     {side}: {sentence}\n" in output
    status, _, error = report("diff", "--fail-if", "p99>+10%", *paths)
    assert (status, error) == (1, f"tcpecho: --fail-if: {side}: {sentence}\n")


def test_messages_that_were_never_sent_are_not_reported_as_failed(report, tmp_path):
    run = write(tmp_path / "run", result([100_000] * 10, sent=12, errors={"no_reply": 2, "never_sent": 5},
                                         rate_wanted=17, mode="open"))
    status, output, _ = report("show", run)
    assert status == 0
    assert "\n12 sent, 10 came back, 2 failed, 5 due but never sent\nfailures: no_reply 2\n" in output
    assert ", 2 failures, 4 connections\n" in output and "7 fail" not in output
    sentence = "run: 2 failed, 5 never sent beside 10 messages that came back\n"
    assert sentence in report("diff", run, run)[1]
    assert report("html", "-o", "page.html", run)[0] == 0
    page = (tmp_path / "page.html").read_text()
    assert "2 failed, 5 never sent" in page and "7 failed" not in page


def test_times_with_unfinished_messages_are_reported_as_lower_bounds(report, tmp_path):
    for n in (0, 2):
        item = {"start": 0.0, "seconds": 1.0, "echoes": 10 - n, "unfinished": n, "verified_bytes": 640, "failures": 0,
                "response": encode([100_000] * 10), "service": None}
        run = write(tmp_path / "run", result([100_000] * 10, echoes=10 - n, unfinished=n, series=[item]))
        status, output, _ = report("show", run)
        assert status == 0
        assert ("are lower bounds\n" in output) == ("a signal ended the wait for the last replies\n" in output) == (n > 0)


def test_a_new_side_that_failed_passes_no_limit_unless_one_allows_it(report, tmp_path):
    good = write(tmp_path / "good", result([100_000] * 10))
    bad = write(tmp_path / "bad", result([100_000] * 10, seed=2, errors={"no_reply": 3}))
    sentence = "bad: 3 failed beside 10 messages that came back"
    status, output, _ = report("diff", good, bad)
    assert status == 0 and f"     {sentence}\n" in output
    assert row(output, "p99")[1:5] == ["100.0", "us", "100.0", "us*"] and "* without failures: 0 old, 3 new\n" in output
    assert report("diff", "--fail-if", "p99>+10%", good, bad)[::2] == (1, f"tcpecho: --fail-if: {sentence}\n")
    assert report("diff", "--fail-if", "p99>+10%,failures>3", good, bad)[::2] == (0, "")
    assert report("diff", "--fail-if", "p99>+10%", bad, good)[::2] == (0, "")


@pytest.mark.parametrize("limit", ["p99>+10%", "rate<-5%", "failures>3"])
def test_a_side_without_any_echo_passes_no_limit(report, tmp_path, limit):
    good, dead = write(tmp_path / "good", result([100_000] * 10)), write(tmp_path / "dead", result([], seed=2))
    for sides in ([good, dead], [dead, good]):
        status, _, error = report("diff", "--fail-if", limit, *sides)
        assert status == 1 and "dead: no message came back" in error


@pytest.mark.parametrize("limit", ["p99", "p99>10%", "foo>1", "p99>2", "p99=1ms", ",", "max>1ms,", "rate<10ms"])
def test_what_is_no_limit_is_refused_before_any_file(refusal, limit):
    assert refusal("diff", "--fail-if", limit, "nowhere", "nowhere").startswith("--fail-if ")


def test_a_limit_may_stand_in_the_environment(report, tmp_path, monkeypatch):
    old, new = write(tmp_path / "old", result([100_000])), write(tmp_path / "new", result([150_000]))
    monkeypatch.setenv("TCPECHO_REPORT_FAIL_IF", "max>+10%,p50>+10%")
    assert report("diff", old, new)[0] == 1
    assert report("show", old)[0] == 0


def test_files_of_one_side_are_of_one_kind(refusal, tmp_path):
    paths = [write(tmp_path / str(size), result([1000], size=size)) for size in (64, 128)]
    new = write(tmp_path / "new", result([1000], seed=2))
    assert "the size of a message differs: 64 in 64, 128 in 128" in refusal("diff", *paths, "vs", new)
    assert "are the same run" in refusal("diff", new, new, "vs", paths[0])


def assert_fits_schema(document, schema):
    jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")
    jsonschema.validate(document, json.loads((ROOT / "docs" / schema).read_text()))


def test_a_comparison_as_json_has_the_figures_of_the_text(report, tmp_path):
    old = [write(tmp_path / f"old{i}", result([100_000 + 1000 * i] * 10, seed=i + 1)) for i in range(2)]
    new = [write(tmp_path / f"new{i}", result([200_000 + 1000 * i] * 10, seed=i + 3, size=64)) for i in range(2)]
    limits = ["--fail-if", "p50>+10%,failures>0,service.p99<1ms"]
    status, output, error = report("diff", "--json", *limits, *old, "vs", *new)
    found = json.loads(output)
    assert status == 1 and error.startswith("tcpecho: p50>+10%: p50 is ")
    assert_fits_schema(found, "diff.schema.json")
    assert [[side["file"] for side in found[name]] for name in ("old", "new")] == [["old0", "old1"], ["new0", "new1"]]
    figures = {figure["metric"]: figure for figure in found["figures"]}
    assert set(figures) == {line.split()[0] for line in report("diff", *old, "vs", *new)[1].splitlines() if "%" in line}
    assert figures["max"]["unit"] == "us" and figures["max"]["beyond_noise"] is True
    assert figures["max"]["new"] / figures["max"]["old"] == pytest.approx(1.99, rel=0.01)
    assert figures["max"]["change_percent"] == pytest.approx(99, rel=0.01)
    assert figures["failures"] == {"metric": "failures", "unit": None, "old": 0, "new": 0, "change_percent": None, "beyond_noise": False}
    assert [limit["verdict"] for limit in found["limits"]] == ["exceeded", "kept", "exceeded"]
    assert found["limits"][0]["sentence"] == error.splitlines()[0].removeprefix("tcpecho: ")


def test_a_comparison_as_json_names_what_differs(report, tmp_path):
    old, new = write(tmp_path / "old", result([1000])), write(tmp_path / "new", result([1000], seed=2, connections=9))
    found = json.loads(report("diff", "--json", old, new)[1])
    assert_fits_schema(found, "diff.schema.json")
    assert {"name": "connections", "old": "4", "new": "9"} in found["differences"]
    assert found["limits"] == [] and found["figures"][0]["beyond_noise"] is None


# ---- the command line ----


def test_json_is_accepted_where_the_output_is_json(report, tmp_path):
    paths = [write(tmp_path / str(i), result([1000], seed=i + 1)) for i in range(2)]
    assert report("merge", "--json", *paths) == report("merge", *paths)


def test_options_may_come_before_the_command(report, tmp_path):
    path = write(tmp_path / "run", result([1000]))
    for words in (["--json", "show", path], ["--unit", "us", "show", "--json", path], ["--unit=us", "--json", "show", path]):
        assert report(*words) == report("show", "--json", path)


@pytest.mark.parametrize("name", ["show", "merge", "diff", "html"])
def test_each_command_explains_itself_alone(program, name):
    outputs = [
        subprocess.run([program, *words], capture_output=True, text=True, check=True, timeout=TIMEOUT).stdout
        for words in (["report", name, "--help"], ["report", "--help", name], ["help", "report", name])
    ]
    assert outputs[0] == outputs[1] == outputs[2] and outputs[0].startswith(f"usage: tcpecho report {name} ")
    assert ("--fail-if" in outputs[0].split("options:")[1].split("exit status:")[0]) == (name == "diff")


COMMAND_LINES = {
    (): "report needs a command (see 'tcpecho report --help')",
    ("--",): "report needs a command",
    ("--bogus",): "unknown option --bogus (see 'tcpecho report --help')",
    ("nonsense", "x"): "no command report nonsense (see 'tcpecho report --help')",
    ("nonsense", "show", "x"): "no command report nonsense",
    ("", "x"): "no command report ''",
    ("show",): "show needs a FILE",
    ("merge",): "merge needs a FILE",
    ("diff",): "diff needs a FILE",
    ("diff", "a"): "OLD NEW, or OLD... vs NEW...",
    ("diff", "a", "b", "c"): "OLD NEW, or OLD... vs NEW...",
    ("diff", "vs", "b", "c"): "OLD NEW, or OLD... vs NEW...",
    ("diff", "a", "b", "vs"): "OLD NEW, or OLD... vs NEW...",
    ("diff", "a", "vs", "b", "vs", "c"): "OLD NEW, or OLD... vs NEW...",
    ("show", "--fail-if", "p99>1ms", "a"): "option --fail-if does not apply to show (see 'tcpecho report show --help')",
    ("html", "--json", "a"): "option --json does not apply to html (see 'tcpecho report html --help')",
    ("diff", "--output=x", "a"): "option --output=x does not apply to diff",
    ("show", "-o", "x", "a"): "unknown option -o (see 'tcpecho report show --help')",
    ("merge", "--bogus", "a"): "unknown option --bogus (see 'tcpecho report merge --help')",
    ("show", ""): "'': no such file or directory",
    ("html", "a"): "html needs an output file (write -o FILE, or -o - for standard output)",
    ("show", "--unit", "h", "a"): "not one of: ms, us, ns, s",
    ("show", "-", "-"): "only once",
    ("show", "/no/such/file"): "/no/such/file: no such file or directory",
    ("show", "/"): "/: is a directory",
    ("merge", "/no/such/file"): "no such file or directory",
    ("diff", "/no/such/file", "/no/such/other"): "/no/such/file: ",
}


@pytest.mark.parametrize("words", COMMAND_LINES)
def test_a_command_line_that_is_wrong(refusal, words):
    assert COMMAND_LINES[words] in refusal(*words)


def test_too_many_limits_are_refused(refusal):
    words = [word for _ in range(40) for word in ("--fail-if", "p99>1ms")]
    assert "--fail-if" in refusal("diff", *words, "a", "b")
    assert "at most" in refusal("diff", "--fail-if", ",".join(["p99>1ms"] * 200), "a", "b")


def test_more_files_than_can_be_read_are_refused(refusal):
    assert "at most 1000" in refusal("show", *["nowhere"] * 1001)
