# SPDX-License-Identifier: MIT
"""Damaged, foreign, huge or hostile files: one sentence names the file and says what is wrong."""
import base64
import json
import resource
import struct
import zlib

import pytest

from results import encode, result, string_of, times, write

VALUES = [100_000, 200_000, 300_000_000]


def changed(**changes):
    return json.dumps(result(VALUES, **changes))


def without(name):
    document = result(VALUES)
    del document[name]
    return json.dumps(document)


def interval(**changes):
    one = result(VALUES)["series"][0]
    one.update(changes)
    return one


def bomb():
    """Returns a string that decompresses to far more than any histogram."""
    packed = zlib.compress(bytes(50_000_000), 1)  # fast: it is made for every collection of the tests
    return base64.b64encode(struct.pack(">II", 0x1C849314, len(packed)) + packed).decode()


# The first line of a list of percentiles.
HEAD = "Value Percentile TotalCount 1/(1-Percentile)\n"


def percentiles(*lines):
    """Returns a valid list of percentiles with these lines after it."""
    return HEAD + "1.0 0.5 10 2.0\n2.0 1.0 20 inf\n#[Max = 2.0, Total count = 20]\n----\n" + "\n".join(lines) + "\n"


def footer(line):
    return HEAD + f"1.0 0.5 10 2.0\n2.0 1.0 20 inf\n{line}\n"


def fortio(**changes):
    """Returns a result of fortio with changes."""
    times = {"Count": 6, "Data": [{"Start": 0.1, "End": 0.2, "Count": 6}], "Min": 0.1, "Max": 0.2, "Avg": 0.15}
    return json.dumps({"ActualDuration": 1, "DurationHistogram": times, **changes})


FILES = {
    # no document at all
    "empty": ("", "it is empty"),
    "blank": (" \n\t\n", "it is empty"),
    "prose": ("The quick brown fox\n", "it is no result of"),
    "a list": ("[1, 2]", "it is no result of"),
    "a number": ("7", "it is no result of"),
    "other JSON": ('{"a": 1}', "it is JSON, but no result of tcpecho or fortio"),
    "cut": (changed()[:-20], "is no JSON"),
    "cut early": ("{", "is no JSON"),
    "two documents": (changed() + changed(), "is no JSON"),
    "a zero byte": (changed()[:50] + "\0" + changed()[50:], "it has a zero byte"),
    "an escaped zero": (changed(host="a\0b"), "is no JSON"),
    "a surrogate": (changed().replace('"here"', '"\\ud800"'), "is no JSON"),
    "Latin-1": (changed(host="caf").replace("caf", "caf\udce9"), "is no JSON"),
    "a name twice": ('{"echoes": 1, ' + changed()[1:], "duplicate"),
    "NaN": (changed().replace('"seconds": 1.0', '"seconds": NaN', 1), "is no JSON"),
    "infinity": (changed().replace('"seconds": 1.0', '"seconds": 1e999', 1), "is no JSON"),
    "a huge number": (changed().replace('"echoes": 3', '"echoes": 99999999999999999999', 1), "is no JSON"),
    "nested deeply": ('{"command": ' + "[" * 100_000 + "]" * 100_000 + "}", "is no JSON"),
    "a million values": ('{"command": [' + "0," * 1_000_000 + "0]}", "more than 200000 values"),
    # fields
    "newer": (changed(format=2), "it is of a newer tcpecho (format 2; this one reads up to 1)"),
    "format -1": (changed(format=-1), '"format" is not a whole number'),
    "hold": (changed(mode="hold"), "it is of hold"),
    "another mode": (changed(mode="ajar"), '"mode" is neither closed nor open'),
    "mode 7": (changed(mode=7), '"mode" is not a text'),
    "negative": (changed(sent=-1), '"sent" is not a whole number from 0 on'),
    "a fraction": (changed(size=6.5), '"size" is not a whole number from 0 on'),
    "a text for a number": (changed(connections="4"), '"connections" is not a whole number'),
    "negative time": (changed(seconds=-1.0), '"seconds" is not a number from 0 on'),
    "a thousand years": (changed(seconds=3.2e10), '"seconds" is more than a hundred years'),
    "churn 1": (changed(churn=1), '"churn" is neither true nor false'),
    "start at noon": (changed(start="noon"), '"start" is not a moment'),
    "parts is a number": (changed(parts=7), '"parts" is not a list'),
    "parts of more": (changed(parts=["0" * 16] * 2), '"parts" is not a list of the runs in "merged"'),
    "parts of one": (changed(parts=["0" * 16]), '"parts" is not a list of the runs in "merged"'),
    "a part of prose": (changed(merged=2, parts=["x" * 16]), '"parts" has something else than 16 hexadecimal digits'),
    "merged 0": (changed(merged=0), '"merged" is 0'),
    "more back than sent": (changed(verified_bytes=1000), "more bytes were verified than sent"),
    "errors is a list": (changed(errors=[]), '"errors" is not an object'),
    "an error of -1": (changed(errors={"ended": -1}), '"ended" is not a whole number'),
    "errors above all": (changed(errors={"ended": 2**63 - 1, "mismatch": 1}), "more than can be counted"),
    "failed is not the sum of errors": (changed(errors={"ended": 2, "never_sent": 3}, failed=5),
                                        '"failed" and "errors" contradict each other'),
    "connection errors are a list": (changed(connection_errors=[]), '"connection_errors" is not an object'),
    "unfinished messages without a time": (changed(unfinished=1), '"echoes" and "histogram" contradict each other'),
    "an interval with an unfinished message without a time": (changed(series=[interval(unfinished=1)]), "interval 1"),
    "a hundred errors": (changed(errors={str(i): 1 for i in range(100)}), "more than 64 names"),
    **{f"without {name}": (without(name), f'it has no "{name}"')
       for name in "target mode connections size seconds sent echoes bytes verified_bytes errors depth threads seed "
                   "connections_opened merged churn series".split()},
    # histograms
    "no histogram": (changed(histogram=None), '"response_us" and its histogram contradict each other'),
    "no times": (changed(response_us=None), '"response_us" and its histogram contradict each other'),
    "times without a mean": (changed(response_us={"min": 1, "max": 2}), 'it has no "mean"'),
    "another least": (changed(response_us={**times(VALUES), "min": 1.0}), "contradict each other"),
    "another most": (changed(response_us={**times(VALUES), "max": 3e6}), "contradict each other"),
    "a mean outside": (changed(response_us={**times(VALUES), "mean": 4e5}), "contradict each other"),
    "more echoes": (changed(echoes=4), '"echoes" and "histogram" contradict each other'),
    "another histogram": (changed(histogram=encode([100_000, 300_000_000])), "contradict each other"),
    "another sum": (changed(sums_ns={"response": 7}), '"response_us" and "sums_ns" contradict each other'),
    "a sum of nothing": (changed(sums_ns={"connect": 7}), '"connect_us" and "sums_ns" contradict each other'),
    "no Base64": (changed(histogram="HISTF!!!"), '"histogram": the histogram is damaged'),
    "a cut histogram": (changed(histogram=encode(VALUES)[:-8]), '"histogram": the histogram is damaged'),
    "another encoding": (changed(histogram="AAAA" + encode(VALUES)[4:]), "another encoding"),
    "a bomb": (changed(histogram=bomb()), "the histogram is damaged"),
    "long Base64": (changed(histogram="A" * 5_000_000), "the histogram is damaged"),
    "counts above all": (changed(histogram=string_of(b"\xfe" + b"\xff" * 8 + b"\x02")), "out of range"),
    "buckets above all": (changed(histogram=string_of(b"\xff" * 9)), "out of range"),
    # the series
    "series is an object": (changed(series={}), '"series" is not a list'),
    "an interval is a number": (changed(series=[7]), 'interval 1 of "series": it has no "start"'),
    "a series of less": (changed(series=[interval(echoes=2, response=encode(VALUES[:2]))]), '"echoes" and "series" contradict'),
    "a series of more": (changed(series=[interval(), interval(start=2.0)]), '"echoes" and "series" contradict'),
    "an interval of more": (changed(series=[interval(echoes=4)]), "interval 1"),
    "an interval's histogram": (changed(series=[interval(response="x")]), 'interval 1 of "series": "response": the histogram'),
    "out of order": (changed(series=[interval(start=5.0), interval(start=1.0, echoes=0, response=None)]),
                     'interval 2 of "series": it does not follow the one before'),
    "a series of other bytes": (changed(series=[interval(verified_bytes=2**63 - 1)]),
                                '"verified_bytes" and "series" contradict each other'),
    "a series of more failures": (changed(errors={"ended": 2}, series=[interval(failures=2**63 - 1)]),
                                  '"errors" and "series" contradict each other'),
    "a series of fewer failures": (changed(errors={"ended": 2}, series=[interval(failures=1)]), '"errors" and "series"'),
    "an end that cannot be counted": (changed(start="2500-01-01T00:00:00Z", seconds=60 * 365 * 86400.0), "beyond the year 2554"),
    "a series whose end cannot be counted": (changed(start="2500-01-01T00:00:00Z", series=[interval(seconds=2e9)]),
                                             "beyond the year 2554"),
    "a long sentence": (changed(first_mismatch="é" * 300), '"first_mismatch" is longer than 511 bytes'),
    "overlapping": (changed(series=[interval(), interval(start=0.5, echoes=0, response=None)]), "does not follow"),
    # logs
    "a log of nothing": ("#[Histogram log format version 1.3]\n", "without an interval"),
    "a log of prose": ("#[StartTime: 1.0 (seconds since epoch)]\nThe quick brown fox\n", "line 2 is no line of a log"),
    "a log that is cut": (f"#[StartTime: 1.0 (s)]\n0.0,1.0,0.1,{encode(VALUES)[:-4]}\n", "line 2: the histogram is damaged"),
    "a log of minus": (f"#[StartTime: 1.0 (s)]\n-1.0,1.0,0.1,{encode(VALUES)}\n", "line 2 is no line of a log"),
    "a log of nan": (f"#[StartTime: 1.0 (s)]\nnan,1.0,0.1,{encode(VALUES)}\n", "line 2 is no line of a log"),
    "a log out of order": ("".join(f"{at},1.0,0.1,{encode(VALUES)}\n" for at in (5, 6, 1)),
                           "line 3: its interval begins before the last one ends"),
    "a log of two digits": ("0.0,1.0,0.1,HISTFAAAACN4nJNpmSzMwMDAxAABMJqRgYHZzWDHAgb7DxABTiYAVw4EVw==\n",
                            "another encoding or precision"),
    "a log of many tags": ("".join(f"Tag={tag},0.0,1.0,0.1,{encode(VALUES)}\n" for tag in "ab"), "several tags"),
    "a log that began at noon": (f"#[StartTime: noon]\n0.0,1.0,0.1,{encode(VALUES)}\n", "line 1: its time is unreadable"),
    "a log whose start has letters": (f"#[StartTime: 1.7e9 (s)]\n0.0,1.0,0.1,{encode(VALUES)}\n", "line 1: its time is unreadable"),
    "a log of a negative base": (f"#[BaseTime: -5.0 (s)]\n0.0,1.0,0.1,{encode(VALUES)}\n", "line 1: its time is unreadable"),
    # percentiles
    "a list of nothing": (HEAD, "the list of percentiles is cut off"),
    "a list that falls": (HEAD + "2.0 0.5 10 2.0\n1.0 0.6 12 2.5\n", "line 3: value, percentile and count must not be below"),
    "a list of fewer": (HEAD + "2.0 0.5 10 2.0\n3.0 0.6 9 2.5\n", "line 3: value, percentile and count must not be below"),
    "a list of falling percentiles": (HEAD + "2.0 0.5 10 2.0\n3.0 0.4 12 1.67\n", "line 3: value, percentile and count"),
    "a list of 200 %": (HEAD + "2.0 2.0 10 2.0\n", "line 2 is no row of a list of percentiles"),
    "a list of nan": (HEAD + "1.0 0.0 1 1.0\nnan 0.5 10 2.0\n", "line 3 is no row of a list of percentiles"),
    "a list of too many": (HEAD + "1.0 0.5 99999999999999999999 2.0\n", "line 2 is no row"),
    "a list of three fields": (HEAD + "1.0 0.5 10\n2.0 1.0 20 inf\n", "line 2 is no row"),
    "a list of five fields": (HEAD + "1.0 0.5 10 2.0 7\n2.0 1.0 20 inf\n", "line 2 is no row"),
    "a list of a word as its fourth field": (HEAD + "1.0 0.5 10 two\n2.0 1.0 20 inf\n", "line 2 is no row"),
    "CSV with decimal commas": ('"Value","Percentile","TotalCount","1/(1-Percentile)"\n1,0,0,5,10,2,0\n', "line 2 is no row"),
    "a list with both decimal points and commas": (HEAD + "1,371.5 0.5 10 2.0\n", "line 2 is no row"),
    "a list that is cut within": (HEAD + "1.0 0.5 10 2.0\n#[Max     = 1.0, Total count    =  12]\n",
                                  "its lines and its total count contradict each other"),
    "a list without its end": (HEAD + "1.0 0.5 10 2.0\n2.0 0.9 18 10.0\n", "is cut off: line 3"),
    "a list whose end is rounded": (HEAD + "1.0 0.5 10 2.0\n2.0 1.000000 20 2500000.0\n", "is cut off: line 3"),
    "a list with a mean but no total": (HEAD + "1.0 0.5 10 2.0\n#[Mean = 1.0, StdDeviation = 0.1]\n", "is cut off"),
    "a list that goes on behind its end": (HEAD + "1.0 0.5 10 2.0\n2.0 1.0 20 inf\n3.0 1.0 30 inf\n", "line 4: value, perc"),
    "a list of too few for a percentile": (HEAD + "1.0 0.5 10 2.0\n2.0 0.9 11 10.0\n3.0 1.0 20 inf\n",
                                           "its counts and its percentiles contradict each other"),
    "a list of too many for a percentile": (HEAD + "1.0 0.5 19 2.0\n2.0 0.9 19 10.0\n3.0 1.0 20 inf\n",
                                            "its counts and its percentiles contradict each other"),
    "a second list that is cut": (HEAD + "1.0 1.0 10 inf\n#[Max = 1.0, Total count = 10]\n----\n"
                                  "Latency Distribution (HdrHistogram - Uncorrected Latency)\n" + HEAD + "1.0 0.5 5 2.0\n",
                                  "is cut off: line 7"),
    "a list of a mean above all": (HEAD + "1.0 0.5 10 2.0\n5.0 1.0 20 inf\n#[Mean = 9.423, StdDeviation = 1.0]\n",
                                   "its lines and its mean contradict each other"),
    "a list of another most": (HEAD + "1.0 0.5 10 2.0\n5.0 1.0 20 inf\n#[Max = 9.0, Total count = 20]\n",
                               "its lines and its largest value contradict each other"),
    "a list of a mean above its most": (HEAD + "1.0 0.5 10 2.0\n9.0 1.0 20 inf\n#[Mean = 6.0, StdDeviation = 1.0]\n"
                                        "#[Max = 5.0, Total count = 20]\n", "its mean and its largest value contradict"),
    "a list of an unreadable mean": (footer("#[Mean = x, StdDeviation = 1.0]"), "line 4: its \"Mean\" is unreadable"),
    "a list of a mean with letters": (footer("#[Mean = 1.5e3, StdDeviation = 1.0]"), "line 4: its \"Mean\" is unreadable"),
    "a list of an unreadable most": (footer("#[Max = -1.0, Total count = 20]"), "line 4: its \"Max\" is unreadable"),
    "a list of an unreadable total": (footer("#[Max = 2.0, Total count = many]"), "line 4: its \"Total count\" is unreadable"),
    "unreadable connections": (percentiles("2 threads and many connections"), "line 6: its number of connections is unreadable"),
    "too many threads": (percentiles("9" * 30 + " threads and 4 connections"), "line 6: its number of threads is unreadable"),
    "an unreadable duration": (percentiles("2999 requests in 30.00x, 1MB read"), "line 6: its duration is unreadable"),
    "unreadable socket errors": (percentiles("Socket errors: connect 0, read -3, write 0, timeout 0"),
                                 "line 6: its number of errors is unreadable"),
    "too many socket errors": (percentiles("Socket errors: connect 0, read 0, write 0, timeout " + "9" * 30),
                               "line 6: its number of errors is unreadable"),
    "a long line": (HEAD + "1" * 5000 + "\n", "line 2 is longer than"),
    # fortio
    "fortio of nothing": ('{"DurationHistogram": 7}', '"DurationHistogram" is not an object'),
    "fortio without time": ('{"DurationHistogram": {}}', 'it has no "ActualDuration"'),
    "fortio without data": ('{"ActualDuration": 1, "DurationHistogram": {"Count": 7}}', 'its histogram has no "Data"'),
    "fortio of another count": ('{"ActualDuration": 1, "DurationHistogram": {"Count": 7, "Data": '
                                '[{"Start": 0.1, "End": 0.2, "Count": 6}], "Min": 0.1, "Max": 0.2, "Avg": 0.15}}',
                                '"Count" and "Data" contradict each other'),
    "fortio backwards": ('{"ActualDuration": 1, "DurationHistogram": {"Count": 6, "Data": '
                         '[{"Start": 0.2, "End": 0.1, "Count": 6}]}}', "a bucket of the histogram is damaged"),
    "fortio of negative times": ('{"ActualDuration": 1, "DurationHistogram": {"Count": 6, "Data": '
                                 '[{"Start": -0.2, "End": 0.1, "Count": 6}]}}', '"Start" is not a number from 0 on'),
    "fortio of another mean": ('{"ActualDuration": 1, "DurationHistogram": {"Count": 6, "Data": '
                               '[{"Start": 0.1, "End": 0.2, "Count": 6}], "Min": 0.1, "Max": 0.2, "Avg": 0.5}}',
                               '"Min", "Avg" and "Max" contradict each other'),
    "fortio of an unreadable rate": (fortio(RequestedQPS="fast"), '"RequestedQPS" is neither a rate nor "max"'),
    "fortio of a rate with a unit": (fortio(RequestedQPS="8k"), '"RequestedQPS" is neither a rate nor "max"'),
    "fortio of an empty rate": (fortio(RequestedQPS=""), '"RequestedQPS" is neither a rate nor "max"'),
    "fortio of a negative rate": (fortio(RequestedQPS="-8"), '"RequestedQPS" is neither a rate nor "max"'),
    "fortio of a rate that is no text": (fortio(RequestedQPS=8), '"RequestedQPS" is not a text'),
    "fortio of a start that is no text": (fortio(StartTime=1522798378), '"StartTime" is not a moment'),
    "fortio of data that is no list": (fortio(DurationHistogram={"Count": 0, "Data": "none", "Min": 0, "Max": 0, "Avg": 0}),
                                       'its histogram has no "Data"'),
    "fortio of more codes": ('{"ActualDuration": 1, "RetCodes": {"503": 7}, "DurationHistogram": {"Count": 6, "Data": '
                             '[{"Start": 0.1, "End": 0.2, "Count": 6}], "Min": 0.1, "Max": 0.2, "Avg": 0.15}}',
                             '"RetCodes" and its histogram contradict each other'),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_refused(refusal, tmp_path, name):
    text, sentence = FILES[name]
    path = tmp_path / "file"
    path.write_bytes(text.encode(errors="surrogateescape"))
    said = refusal("show", path)
    assert said.startswith(f"{path}: ") and sentence in said
    out = tmp_path / "out"
    good = write(tmp_path / "good", result(VALUES))
    assert refusal("merge", "-o", out, good, path) == said
    assert refusal("diff", good, path) == said
    assert not out.exists()


def test_any_cut_of_a_document_is_refused(refusal, tmp_path):
    text, path = changed(), tmp_path / "file"
    for at in range(0, len(text), 97):
        path.write_text(text[:at])
        refusal("show", path)


def test_a_huge_file_is_refused_without_reading_it_all(refusal, tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert refusal("show", path) == f"{path}: it is larger than 256 MiB, which no result is"
    assert "larger than 256 MiB" in refusal("show", "/dev/zero")


def test_hostile_files_need_no_more_memory_than_good_ones(refusal, tmp_path, sanitized):
    if sanitized:
        pytest.skip("a sanitizer needs far more memory")

    def little():
        resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))

    path = tmp_path / "file"
    for text in ('{"command": [' + "[]," * 5_000_000 + "0]}", '{"command": "' + "x" * 20_000_000 + '"}',
                 "#[StartTime: 1.0 (s)]\n" + "\n" * 20_000_000, "x\n" * 10_000_000, changed(histogram=bomb())):
        path.write_text(text)
        refusal("show", path, preexec_fn=little)
