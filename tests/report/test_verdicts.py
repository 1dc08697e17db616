# SPDX-License-Identifier: MIT
"""`report` on the verdicts of `check`: show prints them as check did, diff finds what became worse."""
import copy
import json
import subprocess

import pytest

from harness import TIMEOUT, server_words

CHECKS = "echo,half-close,fin-only,self"


@pytest.fixture
def checked(program, serve):
    """The text and the document of a run of check with the same verdicts."""
    words = server_words(serve("-e", "epoll", "127.0.0.1:0"))

    def run(*more):
        done = subprocess.run([program, "check", "--only", CHECKS, "--seed", "1", *more, *words], capture_output=True,
                              text=True, timeout=TIMEOUT, check=True)
        return done.stdout

    return run


@pytest.fixture
def report(program):
    def run(*words):
        done = subprocess.run([program, "report", *map(str, words)], capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def documents(tmp_path, checked):
    """Writes an old and a new document; the new one has other verdicts, by the name of the check; None: it is gone."""
    first = json.loads(checked("--json"))

    def write(verdicts):
        paths = [tmp_path / "old.json", tmp_path / "new.json"]
        changed = copy.deepcopy(first)
        changed["checks"] = [
            {**check, "verdict": verdicts.get(check["name"], check["verdict"])}
            for check in first["checks"]
            if verdicts.get(check["name"], "") is not None
        ]
        for path, document in zip(paths, [first, changed]):
            path.write_text(json.dumps(document))
        return paths

    return write


def test_show_prints_what_check_printed(tmp_path, checked, report):
    path = tmp_path / "check.json"
    text = checked("-o", path, "--json")
    status, shown, _ = report("show", path)
    assert (status, shown) == (0, text)
    assert json.loads(report("show", "--json", path)[1])["checks"] == json.loads(path.read_text())["checks"]


def test_diff_of_the_same_verdicts_is_empty(documents, report):
    assert report("diff", *documents({})) == (0, "4 same, 0 worse\n", "")


def test_diff_names_what_became_worse(documents, report):
    old, new = documents({"half-close": "FAIL", "self": None, "echo": "SKIP"})
    status, output, _ = report("diff", old, new)
    assert status == 1
    lines = output.splitlines()
    assert [line.split()[:5] for line in lines[:-1]] == [
        ["other", "echo", "PASS", "->", "SKIP"],
        ["worse", "half-close", "PASS", "->", "FAIL"],
        ["gone", "self", "PASS", "->", "none"],
    ]
    assert lines[-1] == "1 same, 1 worse, 1 other, 1 gone"
    found = json.loads(report("diff", "--json", old, new)[1])
    assert [(each["name"], each["change"]) for each in found["changes"]] == [("echo", "other"), ("half-close", "worse"), ("self", "gone")]


def test_diff_is_content_with_what_became_better(documents, report):
    old, new = documents({"half-close": "FAIL"})
    status, output, _ = report("diff", new, old)
    assert status == 0 and output.startswith("better half-close       FAIL -> PASS")


def test_verdicts_and_times_do_not_mix(documents, report, program, serve, tmp_path):
    old, new = documents({})
    bench = tmp_path / "bench.json"
    words = server_words(serve("-e", "epoll", "127.0.0.1:0"))
    bench.write_bytes(subprocess.run([program, "bench", "-q", "-d", "100ms", "--warmup", "0", "--json", *words], capture_output=True, timeout=TIMEOUT, check=True).stdout)
    for words, message in [
        (("diff", old, bench), "one side has the verdicts of check"),
        (("diff", "--fail-if", "p99>1ms", old, new), "option --fail-if does not apply"),
        (("diff", old, new, "vs", new), "give OLD and NEW"),
        (("merge", old, new), "the verdicts of check have no times"),
        (("html", "-o", "-", old), "the verdicts of check have no times"),
    ]:
        status, output, error = report(*words)
        assert (status, output) == (2, "") and message in error


@pytest.mark.parametrize("change, message", [
    ({"checks": 3}, '"checks" is not a list'),
    ({"checks": [3]}, 'item 1 of "checks" is not an object'),
    ({"checks": [{"name": "echo", "verdict": "GOOD", "actual": ""}]}, '"verdict" of echo is not PASS'),
    ({"checks": [{"name": "echo", "verdict": "PASS", "actual": ""}] * 2}, '"checks" has echo twice'),
    ({"checks": [{"name": "echo", "verdict": "PASS"}]}, 'it has no "actual"'),
    ({"selected": -1}, '"selected" is not'),
    ({"target": 1}, '"target" is not'),
    ({"start": "soon"}, '"start" is not a moment'),
])
def test_a_damaged_document_is_refused(tmp_path, report, change, message):
    path = tmp_path / "check.json"
    document = {"command": "check", "target": "x", "selected": 1, "start": None, "checks": []}
    path.write_text(json.dumps({**document, **change}))
    status, output, error = report("show", path)
    assert (status, output) == (2, "") and message in error


def test_an_interrupted_run_is_no_baseline_for_good_news(documents, report):
    old, new = documents({"self": None})
    new.write_text(json.dumps({**json.loads(new.read_text()), "interrupted": True}))
    status, _, error = report("diff", old, new)
    assert status == 1 and "was interrupted" in error


def test_no_check_is_lost_from_a_document_with_long_texts(documents, report):
    """A text that is cut within a character of UTF-8."""
    old, _ = documents({})
    document = json.loads(old.read_text())
    document["checks"][0]["actual"] = "x" + "\u00e9" * 400
    old.write_text(json.dumps(document))
    shown = json.loads(report("show", "--json", old)[1])
    assert [check["name"] for check in shown["checks"]] == [check["name"] for check in document["checks"]]
