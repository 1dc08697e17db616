# SPDX-License-Identifier: MIT
"""merge: random runs, with gaps and overlaps, give the same sum in any order and grouping."""
import datetime
import json
import random

import pytest

from results import encode, result, times, write

FIRST = datetime.datetime(2026, 11, 26, 4, 36, 17, tzinfo=datetime.timezone.utc)
REASONS = [None, None, "the client's threads used 99 % of a core", "the client was stopped for 900.0 ms"]


def random_run(dice, number):
    """Returns a run of some seconds, with one interval a second and a rest; some parameters differ from other runs."""
    n_seconds, rest = dice.randint(1, 6), dice.choice([0, 0.25, 0.499])
    parts = [[dice.randint(1000, 10**7) for _ in range(dice.randint(0, 5))] for _ in range(n_seconds)]
    errors = {name: dice.randint(1, 9) for name in ("no_reply", "ECONNRESET", "ended") if dice.random() < 0.3}
    n_failures = sum(errors.values())
    ages = [dice.randint(1000, 10**7) for _ in range(dice.choice([0, 0, 3]))]
    backs = [len(part) for part in parts]
    parts[-1] += ages
    series = [{"start": float(i), "seconds": 1.0 if i + 1 < n_seconds else 1.0 + rest, "echoes": backs[i],
               "unfinished": len(part) - backs[i], "verified_bytes": 64 * backs[i], "failures": n_failures if i == 0 else 0,
               "response": encode(part) if part else None, "service": None} for i, part in enumerate(parts)]
    start = FIRST + datetime.timedelta(microseconds=dice.randint(0, 40 * 10**6))
    values = sum(parts, [])
    return result(
        values, seconds=n_seconds + rest, start=start.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), seed=number, series=series, errors=errors,
        host=dice.choice(["a", "b", "c", None]), target=dice.choice(["echo:7", "other:7"]), kernel=dice.choice([None, "Linux"]),
        cpus=dice.choice([2, 4]), mss=dice.choice([None, 1448]), connections=dice.randint(1, 9), threads=dice.randint(1, 4),
        rate_wanted=dice.choice([None, 100]), client_bound=dice.choice(REASONS), client_cpu_share=dice.random(),
        client_spin_share=dice.random(),
        echoes=len(values) - len(ages), unfinished=len(ages), sent=len(values) + n_failures,
        wrong_bytes=dice.randint(0, 99), verified_bytes=64 * (len(values) - len(ages)),
        connection_errors=dice.choice([{}, {"no_fin": 3, "ECONNREFUSED": 1}]),
        interrupted=dice.random() < 0.2, seconds_wanted=dice.choice([10.0, None]), lateness_us=times(values),
        lateness_histogram=encode(values) if values else None,
        first_mismatch=dice.choice([None, "byte 8192 differs", "byte 7 differs"]))


class Adder:
    def __init__(self, report, directory):
        self.report, self.directory, self.n_sums = report, directory, 0

    def add(self, paths):
        self.n_sums += 1
        out = self.directory / f"sum{self.n_sums}.json"
        assert self.report("merge", "-o", out, *paths) == (0, "", "")
        return out

    def add_in_groups(self, dice, paths):
        """Merges random groups, and merges the results in groups again, until one is left."""
        while len(paths) > 1:
            dice.shuffle(paths)
            n = dice.randint(1, len(paths) if len(paths) > 2 else 2)
            paths = [self.add(paths[:n]), *paths[n:]]
        return paths[0]


@pytest.mark.parametrize("seed", range(12))
def test_order_and_groups_do_not_matter(report, tmp_path, seed):
    dice = random.Random(seed)
    paths = [write(tmp_path / f"run{i}.json", random_run(dice, i)) for i in range(dice.randint(2, 6))]
    adder = Adder(report, tmp_path)
    wanted = json.loads(adder.add(paths).read_text())
    for _ in range(4):
        assert json.loads(adder.add_in_groups(dice, list(paths)).read_text()) == wanted


def test_a_sum_has_every_count_of_its_runs(report, tmp_path):
    dice = random.Random(7)
    runs = [random_run(dice, i) for i in range(4)]
    paths = [write(tmp_path / f"run{i}.json", run) for i, run in enumerate(runs)]
    total = json.loads(Adder(report, tmp_path).add(paths).read_text())
    for name in ("sent", "echoes", "failed", "unfinished", "mismatches", "wrong_bytes"):
        assert total[name] == sum(run[name] for run in runs), name
    assert total["sent"] == total["echoes"] + total["failed"] + total["unfinished"]
    for name in ("errors", "connection_errors"):
        assert sum(total[name].values()) == sum(sum(run[name].values()) for run in runs)


def test_a_pause_is_no_part_of_a_sum_of_sums(report, tmp_path):
    def run(name, second, seed, seconds=10.0):
        start = (FIRST + datetime.timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return write(tmp_path / name, result([1000] * 100, seconds=seconds, start=start, seed=seed, connections=7))

    early, late, between = run("early", 0, 1), run("late", 100, 2), run("between", 50, 3)
    adder = Adder(report, tmp_path)
    total = json.loads(adder.add([adder.add([early, late]), between]).read_text())
    # Thirty seconds from three runs that do not overlap.
    assert (total["seconds"], total["rate"], total["connections"]) == (30.0, 10.0, 7)
    assert [interval["start"] for interval in total["series"]] == [0.0, 50.0, 100.0]


def test_what_limited_a_client_is_reported_for_each_run(report, tmp_path):
    good, slow, stopped = (write(tmp_path / name, result([1000], seed=i, client_bound=reason))
                           for i, (name, reason) in enumerate({"good": None, "slow": "slow", "stopped": "stopped"}.items()))
    adder = Adder(report, tmp_path)
    total = json.loads(adder.add([good, adder.add([stopped, slow])]).read_text())
    assert total["client_bound"] == "in 2 of 3 runs: slow; stopped"
    assert json.loads(adder.add([good]).read_text())["client_bound"] is None


def test_a_run_of_which_one_was_interrupted(report, tmp_path):
    runs = [write(tmp_path / f"{i}", result([1000], seed=i, interrupted=i == 1)) for i in range(3)]
    adder = Adder(report, tmp_path)
    assert json.loads(adder.add([runs[0], adder.add(runs[1:])]).read_text())["interrupted"] is True
    assert json.loads(adder.add([runs[0], runs[2]]).read_text())["interrupted"] is False


def test_a_sum_of_an_earlier_version_without_its_runs(report, tmp_path):
    adder = Adder(report, tmp_path)
    runs = [write(tmp_path / f"{i}", result([1000] * 10, seed=i)) for i in range(3)]
    old = json.loads(adder.add(runs[:2]).read_text())
    del old["spans"], old["interval_seconds"]
    total = json.loads(adder.add([write(tmp_path / "old", old), runs[2]]).read_text())
    assert (total["merged"], total["seconds"], total["connections"], len(total["parts"])) == (3, 1.0, 12, 3)
