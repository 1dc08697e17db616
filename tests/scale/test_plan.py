# SPDX-License-Identifier: MIT
"""docs/SCALE.md: its quotations are in the cited pages, its computations are right, the files that it names exist."""
import math
import re

from tools import ROOT

PAGE = (ROOT / "docs" / "SCALE.md").read_text()

CITED = re.compile(r"^\| (?P<what>[^|]+) \| (?P<figure>[\d.,]+)[^|]* \| \[[^]]+\]\((?P<file>records/[a-z-]+\.md)\) \|$", re.MULTILINE)
COMPUTED = re.compile(r"^\| (?P<what>[^|]*) \| (?P<sum>[\d.,]+ [x/] [^|]+) \| (?P<result>[\d.,]+)(?P<unit>[^|]*) \|$", re.MULTILINE)

SCALES = {"µs": 1e-6, "s": 1, "KiB": 1024, "B": 1, "GiB": 1024**3, "core-seconds": 1, "per second": 1, "": 1}


def number(text):
    return float(text.replace(",", ""))


def test_cited_sections_have_the_cited_words():
    found = list(CITED.finditer(PAGE))
    assert len(found) == 12
    for row in found:
        source = (ROOT / "docs" / row["file"]).read_text()
        assert re.search(rf"(?<![\d.,]){re.escape(row['figure'])}(?![\d])", source), f"{row['file']} does not say {row[0]}"


def value_of(words):
    """'10,000,000 x (6.3 - 1.61) KiB' or '10,000,000 / 28,232, rounded up'."""
    rounds = words.endswith(", rounded up")
    match = re.fullmatch(r"([\d.,]+) ([x/]) (?:\(([\d.]+) - ([\d.]+)\)|([\d.,]+?)) ?(µs|s|KiB|B)?", words.removesuffix(", rounded up"))
    first, way, minuend, subtrahend, plain, unit = match.groups()
    second = number(plain) if plain else number(minuend) - number(subtrahend)
    value = number(first) * second * SCALES[unit or ""] if way == "x" else number(first) / second
    return math.ceil(value) if rounds else value


def test_what_is_computed_is_right():
    found = list(COMPUTED.finditer(PAGE))
    assert len(found) == 15
    for row in found:
        digits = len(row["result"].partition(".")[2])
        value = value_of(row["sum"]) / SCALES[row["unit"].strip()]
        whole = {math.ceil(value), round(value)} if not digits else {round(value, digits)}
        assert number(row["result"]) in whole, f"{row[0]}: {value}"


def test_every_figure_that_is_computed_with_is_on_the_page_before():
    given = {number(row["figure"]) for row in CITED.finditer(PAGE)}
    given |= {number(text) for text in re.findall(r"\| ([\d,]+)(?: at most| on 24 GiB)? \| (?:ours|the kernel's) \|", PAGE)}
    given |= {number(row["result"]) for row in COMPUTED.finditer(PAGE)} | {1e6, 1e7, 3, 60}
    for row in COMPUTED.finditer(PAGE):
        for text in re.findall(r"[\d][\d.,]*\d|\d", row["sum"]):
            assert number(text) in given, f"{text} of {row[0]}"


def test_what_a_balancer_costs_is_recorded():
    record = (ROOT / "docs" / "records" / "balancer.md").read_text()
    assert record.count("| balanced / direct |") == 4
    assert not re.search(r"\| *\|$", PAGE.partition("## Planning past one machine")[2].replace("| | | |", ""), re.MULTILINE)


def test_the_files_that_it_names_are_there():
    named = re.findall(r"\]\(([^)#]+)\)", PAGE) + re.findall(r"examples/scale/[\w./-]+\w", PAGE)
    assert len(named) > 10
    for name in named:
        place = ROOT / name if name.startswith("examples") else ROOT / "docs" / name
        assert place.resolve().exists(), name
