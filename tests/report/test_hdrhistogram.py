# SPDX-License-Identifier: MIT
"""HdrHistogram for Java reads our logs, and finds every value where it was; in a run of bench, too."""
import bisect
import csv
import json
import random
import subprocess

import pytest

from harness import TIMEOUT, server_words

HOUR = 3_600_000_000_000

# Large enough that no tested percentile is between two values.
INTERVAL = 10_000


@pytest.fixture
def processor(log_processor):
    """Runs HistogramLogProcessor in nanoseconds; returns its output."""
    return lambda *arguments: log_processor("-outputValueUnitRatio", 1, *arguments)


def write(build, path, intervals, *tag):
    """Makes our program log these values; returns what it prints about them, a list for each interval."""
    text = "\n".join("".join(f"{value}\n" for value in values) for values in intervals) + "\n"
    log = subprocess.run([build / "tests" / "report" / "write_hlog", *tag], input=text, capture_output=True,
                         text=True, check=True, timeout=60).stdout
    path.write_text(log)
    return [list(map(int, line[2:].split())) for line in log.splitlines() if line.startswith("# ")]


# ---- what is true ----

def highest(value):
    """Returns the highest value of the value's bucket: buckets have a resolution of eleven bits."""
    value = min(value, HOUR)
    shift = max(value.bit_length() - 11, 0)
    return (((value >> shift) + 1) << shift) - 1


def percentile(ordered, parts, of):
    """Returns the smallest value that at least `parts` in `of` values do not exceed."""
    return highest(ordered[-(-len(ordered) * parts // of) - 1])


def truth(values, *percentiles):
    """Returns Java's columns for these values: count, percentiles, maximum."""
    ordered = sorted(values)
    return [len(ordered), *(percentile(ordered, *each) for each in percentiles), highest(ordered[-1])]


P50, P90, P99, P99_9, P99_99 = (50, 100), (90, 100), (99, 100), (999, 1000), (9999, 10_000)

SERIES = {
    "a tail": lambda dice: int(dice.lognormvariate(10.5, 1.2)),
    "two values": lambda dice: dice.choice([20_000, 40_000_000]) + dice.randrange(100),
    "exponential": lambda dice: int(dice.expovariate(1 / 150_000)),
    "one value": lambda dice: 123_456_789,
    "single nanoseconds": lambda dice: dice.randrange(3000),
    "any magnitude": lambda dice: dice.getrandbits(41) >> dice.randrange(41),
    "some above an hour": lambda dice: dice.randrange(HOUR * 11 // 10),
}


def values_of(name, seed):
    dice = random.Random(f"{name} {seed}")
    return [SERIES[name](dice) for _ in range(INTERVAL)]


# ---- the tests ----

@pytest.mark.parametrize("name", SERIES)
def test_numbers_percentiles_and_largest_values_are_the_same(build, tmp_path, processor, name):
    intervals = [values_of(name, seed) for seed in range(3)]
    ours = write(build, tmp_path / "log", intervals)
    processor("-csv", "-i", "log", "-o", "figures")
    rows = [[float(field) for field in row] for row in csv.reader((tmp_path / "figures").open()) if row[0][0].isdigit()]

    assert [row[0] for row in rows] == [1, 2, 3]  # the end of each second
    so_far = []
    for row, values, says in zip(rows, intervals, ours, strict=True):
        so_far += values
        assert row[1:5] == truth(values, P50, P90)
        assert row[5:] == truth(so_far, P50, P90, P99, P99_9, P99_99)
        # Our percentiles, which are within the same buckets; the maximum is exact.
        n, largest, *percentiles = says[:4]
        assert [n, *map(highest, percentiles), highest(largest)] == row[1:5]
        assert largest == max(values)
        n, largest, *percentiles = says[4:]
        assert [n, *map(highest, percentiles), highest(largest)] == row[5:]
        assert largest == max(so_far)


@pytest.mark.parametrize("name", SERIES)
def test_the_whole_distribution_is_the_same(build, tmp_path, processor, name):
    intervals = [values_of(name, seed) for seed in range(2)]
    write(build, tmp_path / "log", intervals)
    ends = sorted(highest(value) for values in intervals for value in values)
    lines = processor("-csv", "-i", "log").splitlines()
    rows = [line.split(",") for line in lines if line[0].isdigit()]
    assert rows, lines
    for value, _, n_up_to, _ in rows:
        assert int(n_up_to) == bisect.bisect_right(ends, float(value))
        assert float(value) in ends
    assert int(rows[-1][2]) == 2 * INTERVAL


def test_intervals_are_chosen_by_time(build, tmp_path, processor):
    intervals = [[1000 * n] * n for n in range(1, 6)]
    write(build, tmp_path / "log", intervals)
    lines = processor("-csv", "-i", "log", "-start", 2, "-end", 3).splitlines()
    rows = [line.split(",") for line in lines if line[0].isdigit()]
    assert int(rows[-1][2]) == 3 + 4


def test_an_interval_without_values_is_one(build, tmp_path, processor):
    write(build, tmp_path / "log", [[5], [], [6]])
    processor("-csv", "-i", "log", "-o", "figures")
    rows = [row for row in csv.reader((tmp_path / "figures").open()) if row[0][0].isdigit()]
    assert [(float(row[0]), int(row[1]), int(row[5])) for row in rows] == [(1, 1, 1), (2, 0, 1), (3, 1, 2)]


def test_a_tag_is_found(build, tmp_path, processor):
    write(build, tmp_path / "log", [[1], [2]], "response")
    assert "response" in processor("-i", "log", "-listtags").split()
    lines = processor("-csv", "-i", "log", "-tag", "response").splitlines()
    rows = [line.split(",") for line in lines if line[0].isdigit()]
    assert int(rows[-1][2]) == 2


@pytest.mark.parametrize("tag, figures", [("response", "response_us"), ("service", "service_us")])
def test_the_intervals_of_a_bench_are_the_whole_run(program, serve, tmp_path, processor, tag, figures):
    server = serve("127.0.0.1:0", engine="epoll")
    words = ["-d", "2500ms", "--warmup", "50ms", "-c", "4", "-w", "2", "-r", "2k", "--hlog", tmp_path / "log"]
    output = subprocess.run([program, "bench", "--json", *map(str, words), *server_words(server)], capture_output=True,
                            timeout=TIMEOUT, check=True).stdout
    found = json.loads(output)
    processor("-csv", "-i", "log", "-tag", tag, "-o", "figures")
    rows = [[float(field) for field in row] for row in csv.reader((tmp_path / "figures").open()) if row[0][0].isdigit()]
    assert [row[1] for row in rows] == [item["echoes"] for item in found["series"]]
    assert len(rows) >= 2
    assert rows[-1][5] == found["echoes"]  # total of all intervals so far
    p50, p90, p99, p99_9, p99_99, largest = rows[-1][6:12]
    said = found[figures]
    for ours, theirs in (("p50", p50), ("p90", p90), ("p99", p99), ("p99.9", p99_9), ("p99.99", p99_99)):
        assert highest(round(said[ours] * 1000)) == theirs
    assert highest(round(said["max"] * 1000)) == largest
