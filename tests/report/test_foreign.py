# SPDX-License-Identifier: MIT
"""Results of other tools: logs and percentiles of HdrHistogram for Java, and wrk2's and fortio's output."""
import json
import random
import re
import subprocess

import pytest

from results import encode, hdr, index_of, result, write

WRK2 = """Running 30s test @ http://127.0.0.1:80/index.html
  2 threads and 100 connections
  Thread calibration: mean lat.: 9747.000ms, rate sampling interval: 21ms
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     6.18ms    1.84ms  11.31ms   65.00%
  Latency Distribution (HdrHistogram - Recorded Latency)
 50.000%    6.67ms
 99.000%   11.18ms

  Detailed Percentile spectrum:
       Value   Percentile   TotalCount 1/(1-Percentile)

       0.921     0.000000            1         1.00
       4.053     0.100000         3951         1.11
       6.671     0.500000        19760         2.00
      11.183     0.990000        39105       100.00
      11.319     1.000000        39500          inf
#[Mean    =        6.178, StdDeviation   =        1.836]
#[Max     =       11.312, Total count    =        39500]
#[Buckets =           27, SubBuckets     =         2048]
----------------------------------------------------------

  Latency Distribution (HdrHistogram - Uncorrected Latency (measured without taking delayed starts into account))
 50.000%    2.68ms

  Detailed Percentile spectrum:
       Value   Percentile   TotalCount 1/(1-Percentile)

       0.222     0.000000            1         1.00
       2.679     0.500000        19760         2.00
       7.011     1.000000        39500          inf
#[Mean    =        2.700, StdDeviation   =        1.000]
#[Max     =        7.008, Total count    =        39500]
#[Buckets =           27, SubBuckets     =         2048]
----------------------------------------------------------
  60018 requests in 30.00s, 19.81MB read
  Socket errors: connect 0, read 3, write 0, timeout 20
  Non-2xx or 3xx responses: 7
Requests/sec:   2000.28
Transfer/sec:    676.18KB
"""

FORTIO = {
    "RunType": "HTTP", "Labels": "a , b", "StartTime": "2018-04-03T16:32:58.895472681-07:00", "RequestedQPS": "8",
    "RequestedDuration": "10s", "ActualQPS": 7.97, "ActualDuration": 10036719644, "NumThreads": 4, "Version": "1.3.1",
    "DurationHistogram": {
        "Count": 80, "Min": 0.028049263, "Max": 0.045, "Sum": 2.6, "Avg": 0.0325, "StdDev": 0.0139,
        "Data": [
            {"Start": 0.028049263, "End": 0.03, "Percent": 25, "Count": 20},
            {"Start": 0.03, "End": 0.04, "Percent": 75, "Count": 40},
            {"Start": 0.04, "End": 0.045, "Percent": 100, "Count": 20},
        ],
        "Percentiles": [{"Percentile": 50, "Value": 0.035}, {"Percentile": 75, "Value": 0.04}],
    },
    "Exactly": 0, "RetCodes": {"200": 78, "503": 2}, "URL": "http://a.example/",
}


def figures(shown, what="response"):
    """Returns name -> microseconds, from a line of `report show`."""
    line = next(line for line in shown.splitlines() if line.startswith(what + " "))
    return {name: float(value) for name, value in re.findall(r"(\S+) ([\d.]+) us", line)}


def show(report, path, *options):
    status, shown, error = report("show", *options, path)
    assert (status, error) == (0, ""), error
    return shown


def percentile(values, part):
    ordered = sorted(values)
    return ordered[-(-len(ordered) * part // 10_000) - 1]


# ---- logs ----


def log_of(*lines, head="#[StartTime: 1792236345.000 (seconds since epoch), Wed]\n"):
    return head + '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n' + "".join(lines)


def line(start, values, tag=None, length=1.0):
    return f"{f'Tag={tag},' if tag else ''}{start:.3f},{length:.3f},{max(values) / 1e6:.3f},{encode(values)}\n"


def test_a_log_is_every_count(report, tmp_path):
    dice = random.Random(1)
    parts = [[int(dice.lognormvariate(11, 1)) for _ in range(1000)] for _ in range(3)]
    path = tmp_path / "a.hlog"
    path.write_text(log_of(*(line(0.127 + i, part) for i, part in enumerate(parts))))
    shown = show(report, path)
    values = sum(parts, [])
    assert "--- a.hlog: HdrHistogram's log ---\n3000 values in 3.000 s: 1000.0/s\n" in shown
    assert "start         2026-10-17 11:25:45 UTC" in shown
    for name, part in {"p50": 5000, "p90": 9000, "p99": 9900, "p99.9": 9990}.items():
        assert figures(shown)[name] == pytest.approx(hdr.highest(index_of(percentile(values, part))) / 1000, abs=0.05)


def test_tags_are_distinguished(report, tmp_path):
    path = tmp_path / "a.hlog"
    path.write_text(log_of(line(0, [1000], "response"), line(0, [500], "service"), line(0, [9], "other"),
                           line(1, [3000], "response"), line(1, [700], "service"), line(1, [9], "other")))
    shown = show(report, path)
    assert (figures(shown)["max"], figures(shown, "service")["max"]) == (3.0, 0.7)
    assert "2 values in 2.000 s" in shown


def test_a_single_other_tag_is_the_response(report, tmp_path):
    path = tmp_path / "a.hlog"
    path.write_text(log_of(line(0, [1000], "mine"), line(1, [3000], "mine")))
    assert "2 values in 2.000 s" in show(report, path)


def test_tags_may_follow_each_other(report, tmp_path):
    path = tmp_path / "a.hlog"
    path.write_text(log_of(*(line(i, [1000], "response") for i in range(3)), *(line(i, [500], "service") for i in range(3))))
    assert figures(show(report, path), "service")["max"] == 0.5


@pytest.mark.parametrize("head, start", [
    ("#[StartTime: 1792236345.000 (s)]\n", 1792236350.0),
    ("#[StartTime: 1792236345.000 (s)]\n#[BaseTime: 1792236345.000 (s)]\n", 5.0),
    ("#[StartTime: 1792236345.000 (s)]\n", 5.0),
    ("", 1792236350.0),
])
def test_when_a_log_began(report, tmp_path, head, start):
    path = tmp_path / "a.hlog"
    path.write_text(log_of(line(start, [1000]), line(start + 1, [1000]), head=head))
    shown = show(report, path)
    assert "start         2026-10-17 11:25:50 UTC" in shown and "2 values in 2.000 s" in shown


def test_our_own_log_and_our_own_document_are_the_same(report, program, server, tmp_path):
    log, document = tmp_path / "a.hlog", tmp_path / "a.json"
    with document.open("wb") as out:
        subprocess.run([program, "bench", "-q", "-d", "1500ms", "-r", "200", "--json", "--hlog", log, server.address[0],
                        str(server.port)], stdout=out, check=True, timeout=60)
    shown, found = show(report, log), json.loads(document.read_text())
    assert f"{found['echoes']} values in " in shown
    for name in ("p50", "p90", "p99"):
        assert figures(shown)[name] == pytest.approx(found["response_us"][name], abs=0.06)
        assert figures(shown, "service")[name] == pytest.approx(found["service_us"][name], abs=0.06)


def c_log(*rows):
    """Returns a log of HdrHistogram for C, from rows of start, second column, values."""
    return ('#[Histogram log format version 1.2]\n#[StartTime: 1792236345.000 (seconds since epoch), Sat Oct 17 11:25:45]\n'
            '"StartTimestamp","EndTimestamp","Interval_Max","Interval_Compressed_Histogram"\n' +
            "".join(f"{start:.3f},{second:.3f},{max(values)}.0,{encode(values)}\n" for start, second, values in rows))


@pytest.mark.parametrize("offset", [0, 1792236345])
@pytest.mark.parametrize("ends", [True, False])
def test_logs_of_c_have_the_end_or_the_length_in_one_column(report, tmp_path, offset, ends):
    # hdr_log_write() and hdr_log_write_entry() write the same header.
    path = tmp_path / "c.hlog"
    path.write_text(c_log(*((offset + i, offset + i + 1 if ends else 1, [1000 * (i + 1)]) for i in range(5))))
    shown = show(report, path)
    assert "5 values in 5.000 s: 1.0/s" in shown
    assert "start         2026-10-17 11:25:45 UTC" in shown
    assert figures(shown)["max"] == 5.0


def test_the_largest_value_of_a_line_may_be_in_any_unit(report, tmp_path):
    path = tmp_path / "c.hlog"
    path.write_text(c_log((0, 1, [3_599_000_000_000])))
    assert "1 value in 1.000 s" in show(report, path)


def test_a_log_of_go_has_its_base_time(report, tmp_path):
    path = tmp_path / "a.hlog"
    path.write_text(log_of(line(5.0, [1000]), head="#[StartTime: 1792236345 (s)]\n#[Basetime: 1792236345 (s)]\n"))
    assert "start         2026-10-17 11:25:50 UTC" in show(report, path)


@pytest.mark.parametrize("text", [log_of(line(0, [1000])), WRK2, json.dumps(FORTIO), json.dumps(result([1000]))],
                         ids=["log", "list", "fortio", "ours"])
def test_a_byte_order_mark_and_lines_of_windows(report, tmp_path, text):
    path = tmp_path / "a"
    path.write_text(text)
    shown = show(report, path)
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert show(report, path) == shown


# ---- percentiles ----


def test_what_java_makes_of_a_log_is_read(report, log_processor, tmp_path):
    dice = random.Random(2)
    values = [int(dice.lognormvariate(15, 1)) for _ in range(10_000)]
    (tmp_path / "a.hlog").write_text(log_of(line(0.5, values)))
    for name, options in {"plain": [], "csv": ["-csv"]}.items():
        path = tmp_path / f"{name}.hgrm"
        path.write_text(log_processor("-i", "a.hlog", *options))
        shown = show(report, path)
        assert "10000 values" in shown and "approximate" in shown
        for figure, part in {"p50": 5000, "p90": 9000}.items():
            # The list has these percentiles, with three decimals of a millisecond.
            assert figures(shown)[figure] == pytest.approx(hdr.highest(index_of(percentile(values, part))) / 1000, rel=2e-3)
        assert figures(shown)["max"] == pytest.approx(max(values) / 1000, rel=1e-3)
    path.write_text(log_processor("-i", "a.hlog", "-outputValueUnitRatio", "1000"))
    assert figures(show(report, path, "--unit", "us"))["p50"] == pytest.approx(figures(shown)["p50"], rel=1e-3)


def test_what_wrk2_prints_is_read(report, tmp_path):
    path = tmp_path / "wrk2.txt"
    path.write_text(WRK2)
    shown = show(report, path)
    assert "--- http://127.0.0.1:80/index.html: HdrHistogram's percentiles ---" in shown
    assert "39500 values in 30.000 s: 1316.7/s, 100 connections\n" in shown
    assert "\nfailed 10\nno_reply 20\n" in shown
    response, service = figures(shown), figures(shown, "service")
    assert (response["min"], response["mean"], response["max"]) == (921.0, 6178.0, 11319.0)
    assert (response["p50"], response["p99"]) == (pytest.approx(6671, rel=1e-3), pytest.approx(11183, rel=1e-3))
    assert (service["mean"], service["p50"], service["max"]) == (2700.0, pytest.approx(2679, rel=1e-3), 7011.0)


def cuts(text):
    """Returns every cut of a text after a line, and some within lines."""
    ends = [at + 1 for at, char in enumerate(text) if char == "\n"]
    return sorted({*ends[:-1], *range(len(text) // 3, len(text) - 1, 7)})


def test_any_cut_of_a_list_is_refused_or_changes_nothing(report, tmp_path, log_processor):
    dice = random.Random(3)
    (tmp_path / "a.hlog").write_text(log_of(line(0.5, [int(dice.lognormvariate(15, 1)) for _ in range(500)])))
    path = tmp_path / "cut.hgrm"
    for whole in (log_processor("-i", "a.hlog", "-percentilesOutputTicksPerHalf", "1"),
                  log_processor("-i", "a.hlog", "-csv", "-percentilesOutputTicksPerHalf", "1")):
        path.write_text(whole)
        shown = show(report, path)
        # "Inf" is a valid number too
        last_row = re.search(r"^.*1\.0000.*?(inity)?$", whole, re.MULTILINE).end() - len("inity")
        for at in cuts(whole):
            path.write_text(whole[:at])
            status, output, _ = report("show", path)
            assert status == 2 if at < last_row else status in (0, 2), whole[:at][-90:]
            if status == 0:
                # A list without its footer has no mean.
                found, wanted = ({**figures(text), "mean": "Mean" in whole[:at] and figures(text)["mean"]} for text in (output, shown))
                assert found == wanted


def test_decimal_commas_are_read(report, tmp_path):
    path = tmp_path / "a.hgrm"
    path.write_text(WRK2)
    shown = show(report, path)
    start, end = WRK2.index("       0.921"), WRK2.index("#[Buckets")
    path.write_text(WRK2[:start] + WRK2[start:end].replace(".", ",") + WRK2[end:])
    assert show(report, path) == shown


@pytest.mark.parametrize("last", ["3.0 1.0 20", "3.0 1.0 20 inf", "3.0 1.0 20 Infinity", "3.0 1.0 20 \u221e"])
def test_the_last_row_of_a_list(report, tmp_path, last):
    path = tmp_path / "a.hgrm"
    path.write_text(f"Value Percentile TotalCount 1/(1-Percentile)\n1.0 0.5 10 2.0\n{last}\n")
    assert "20 values" in show(report, path)


# ---- fortio ----


def test_what_fortio_writes_is_read(report, tmp_path):
    path = write(tmp_path / "fortio.json", FORTIO)
    shown = show(report, path)
    assert "--- http://a.example/: fortio ---\n78 values in 10.037 s: 7.8/s of 8/s, 4 connections\nfailed 2\n" in shown
    assert "start         2018-04-03 23:32:58 UTC" in shown and "approximate" in shown
    found = figures(shown)
    assert (found["min"], found["mean"], found["max"]) == (28049.3, 32500.0, 45000.0)
    # fortio itself prints the same, by the same assumption.
    assert found["p50"] == pytest.approx(35000, rel=0.01)
    assert figures(shown, "service") == found


@pytest.mark.parametrize("text, shown", [("8", "8/s"), ("7.5", "8/s"), ("1e+09", "1000000000/s")])
def test_a_rate_of_fortio(report, tmp_path, text, shown):
    # fortio writes it with %.9g, which has an exponent from 10^9 on.
    assert f" of {shown}, " in show(report, write(tmp_path / "fortio.json", {**FORTIO, "RequestedQPS": text}))


def test_an_empty_list_has_no_mean(report, tmp_path):
    path = tmp_path / "a.txt"
    empty = "       0.000     1.000000            0          inf\n#[Mean    =         -nan, StdDeviation   =         -nan]\n"
    start = WRK2.rindex("       0.222")
    path.write_text(WRK2[:start] + empty + "#[Max     =        0.000, Total count    =            0]\n" + WRK2[WRK2.rindex("-----\n"):])
    assert "39500 values" in show(report, path)


@pytest.mark.parametrize("changes", [{"RequestedQPS": "max"}, {"URL": None, "Destination": "tcp://a:7"}, {"RetCodes": None},
                                     {"StartTime": None}])
def test_fortio_may_leave_things_out(report, tmp_path, changes):
    show(report, write(tmp_path / "fortio.json", {**FORTIO, **changes}))


def test_what_failed_in_fortio_did_not_come_back(report, tmp_path):
    good, bad = (write(tmp_path / name, {**FORTIO, "RetCodes": codes}) for name, codes in
                 {"good": {"200": 80}, "bad": {"503": 80}}.items())
    assert "0 values in 10.037 s: 0.0/s" in show(report, bad)
    assert report("diff", "--fail-if", "rate<-5%", good, bad)[0] == 1


# ---- what is done with them ----


def test_they_are_compared_with_tcpecho(report, tmp_path):
    ours = write(tmp_path / "ours.json", result([30_000_000] * 100))
    (tmp_path / "wrk2.txt").write_text(WRK2)
    fortio = write(tmp_path / "fortio.json", FORTIO)
    for other in ("wrk2.txt", fortio):
        status, output, error = report("diff", other, ours)
        assert (status, error) == (0, "")
        assert "(times are approximate)" in output.splitlines()[0] and "approximate" not in output.splitlines()[1]
    assert report("diff", "--fail-if", "p99<-10%", fortio, ours)[0] == 1
    assert report("diff", "--fail-if", "missing_bytes>+10%", fortio, ours)[0] == 2


def test_they_are_neither_merged_nor_taken_for_results_of_tcpecho(refusal, tmp_path):
    ours = write(tmp_path / "ours.json", result([30_000_000]))
    (tmp_path / "a.hlog").write_text(log_of(line(0, [1000])))
    (tmp_path / "wrk2.txt").write_text(WRK2)
    write(tmp_path / "fortio.json", FORTIO)
    for name in ("a.hlog", "wrk2.txt", "fortio.json"):
        assert f"{name} cannot be added: it" in refusal("merge", ours, tmp_path / name)
        assert "option --json shows only results of tcpecho" in refusal("show", "--json", tmp_path / name)
