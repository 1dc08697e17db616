# SPDX-License-Identifier: MIT
"""The page of `report html`, as bytes: complete or not written, reproducible, bounded, and safe with any input."""
import html.parser
import json
import os
import random
import re
import subprocess

import pytest

import documents
from documents import HOUR

US, MS, S = 1_000, 1_000_000, 1_000_000_000

# Maximum size in bytes of a page of one run in its worst case, and of a page with the maximum number of runs.
MOST_OF_ONE = 700_000
MOST_OF_EIGHT = 5_000_000

HOSTILE = '<script>hacked = 1</script>"\' onload="hacked=1" &lt; \u202e\x1b[2J</style></title>-->'


@pytest.fixture
def draw(program, tmp_path):
    """Draws files, and returns the page as text."""
    def run(*files, status=0, output=tmp_path / "page.html", **more):
        result = subprocess.run([program, "report", "html", *map(str, files), "-o", str(output)],
                                capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **more)
        assert result.returncode == status, result.stderr
        return output.read_text() if status == 0 else result.stderr

    return run


class Outline(html.parser.HTMLParser):
    """The contents of a page; checks that elements end as they began."""

    VOID = {"meta", "link", "input"}

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.texts, self.ids = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else None, data))

    def count(self, tag):
        return sum(each == tag for each, _ in self.elements)


def seconds(n, each=20, failures=0, seed=1):
    dice = random.Random(seed)
    result = []
    for _ in range(n):
        service = [int(dice.lognormvariate(11, 0.5)) for _ in range(each)]
        result.append(([value + dice.randrange(5000) for value in service], service, failures))
    return result


def assert_is_sound(page):
    outline = Outline(page)
    assert len(set(outline.ids)) == len(outline.ids)
    assert outline.count("script") == outline.count("style") == outline.count("title") == outline.count("h1") == 1
    for word in ("nan", "inf"):
        assert not any(word in value for _, attributes in outline.elements for name, value in attributes.items()
                       if name in ("d", "x", "y", "x1", "x2", "y1", "y2", "data-x", "data-y"))
    return outline


# ---- files ----

def test_the_same_files_give_the_same_page(draw, tmp_path):
    one = documents.write(tmp_path / "a.json", seconds(5))
    two = documents.write(tmp_path / "b.json", seconds(7, seed=2))
    assert draw(one, two) == draw(one, two, output=tmp_path / "other.html", env={**os.environ, "TZ": "Asia/Tokyo"})


def test_a_page_that_cannot_be_whole_is_not_there(draw, tmp_path):
    good = documents.write(tmp_path / "good.json", seconds(2))
    bad = tmp_path / "bad.json"
    bad.write_text(good.read_text()[:-30])
    page = tmp_path / "page.html"
    assert "bad.json" in draw(good, bad, status=2)
    assert not page.exists()
    page.write_text("what was there")
    draw(good, bad, status=2)
    assert page.read_text() == "what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.json", "good.json", "page.html"]


def test_a_damaged_second_is_as_bad_as_a_damaged_file(draw, tmp_path):
    document = documents.document(seconds(3))
    document["series"][1]["response"] = document["series"][1]["response"][:-8] + "AAAAAAAA"
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document))
    assert "run.json" in draw(path, status=2)
    assert not (tmp_path / "page.html").exists()


def test_where_it_cannot_be_written_the_machine_is_at_fault(draw, tmp_path):
    path = documents.write(tmp_path / "run.json", seconds(1))
    missing = tmp_path / "missing" / "page.html"
    assert f"cannot write {missing}: no such file" in draw(path, status=4, output=missing)
    assert "cannot write /dev/full: no space left on device" in draw(path, status=4, output="/dev/full")


def test_it_needs_an_output_and_not_too_many_inputs(program, draw, tmp_path):
    path = documents.write(tmp_path / "run.json", seconds(1))
    result = subprocess.run([program, "report", "html", path], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (2, "") and "-o" in result.stderr
    assert "at most 8" in draw(*[path] * 9, status=2)
    assert_is_sound(draw(*[path] * 8))


# ---- what is in it ----

def test_it_is_whole_in_itself(draw, tmp_path):
    outline = assert_is_sound(draw(documents.write(tmp_path / "run.json", seconds(5))))
    policy = [attributes["content"] for tag, attributes in outline.elements
              if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert len(policy) == 1
    assert policy[0].startswith("default-src 'none'; ") and "unsafe" not in policy[0] and "http" not in policy[0]
    # Without this icon, a browser requests one from the server.
    assert ("link", {"rel": "icon", "href": "data:,"}) in outline.elements
    for tag, attributes in outline.elements:
        assert tag not in {"img", "iframe", "object", "embed", "base", "form", "image", "audio", "video"}
        assert not any(name.startswith("on") or name in ("style", "src") for name in attributes)
        href = attributes.get("href", "#")
        assert href.startswith("#") or href == "data:,"


def test_hostile_texts_are_shown_as_text(draw, tmp_path):
    name = "<script>hacked=1<" + "\\x-\xff" + '" onload=".json'
    path = documents.write(
        tmp_path / name, seconds(2), host=HOSTILE, kernel=HOSTILE, cpu=HOSTILE, command_line=HOSTILE, version=HOSTILE,
        congestion_control=HOSTILE, target=HOSTILE, client_bound=HOSTILE)
    page = draw(path, path)
    outline = assert_is_sound(page)
    assert not any("hacked" in text for element, text in outline.texts if element in ("script", "style"))
    assert not any(name.startswith("on") for _, attributes in outline.elements for name in attributes)
    shown = "".join(text for _, text in outline.texts)
    assert "<script>hacked = 1</script>\"' onload=\"hacked=1\" &lt; " in shown
    assert "<script>hacked=1<" in shown
    assert "\x1b" not in page and "\u202e" not in page


def test_a_long_text_does_not_fill_the_page(draw, tmp_path):
    page = draw(documents.write(tmp_path / "run.json", seconds(2), command_line="x" * 1_000_000))
    assert len(page) < MOST_OF_ONE and "x" * 4096 + "…" in page and "x" * 4097 not in page


def test_an_interrupted_run_and_errors_of_connections_are_reported(draw, tmp_path):
    cut = documents.write(tmp_path / "cut.json", seconds(2), interrupted=True, seconds_wanted=60.0)
    unsound = documents.write(tmp_path / "unsound.json", seconds(2, seed=3), connection_errors={"no_fin": 1234})
    outline = assert_is_sound(draw(cut, unsound))
    shown = "".join(text for element, text in outline.texts if element not in ("style", "script"))
    assert "cut.json: interrupted after 2.000 of 60.000 s" in shown
    assert re.search(r"unsound.json .*max [^;]+; 1.234 connection errors", shown)


def test_what_has_to_be_known_stands_at_the_top(draw, tmp_path):
    bound = documents.write(tmp_path / "bound.json", seconds(2, failures=3), client_bound="its threads were busy")
    wrong = documents.write(tmp_path / "wrong.json", seconds(2, failures=1, seed=3), mismatches=1, wrong_bytes=9, errors={"mismatch": 2},
                            first_mismatch="byte 17 is 0x00 and not 0x41")
    outline = assert_is_sound(draw(bound, wrong))
    shown = "".join(text for element, text in outline.texts if element not in ("style", "script"))
    before_curves = shown[: shown.index("Latency by percentile")]
    for sentence in ("no measurement of the server: its threads were busy", "384 bytes did not come back",
                     "9 wrong bytes on 1 connection; first: byte 17 is 0x00 and not 0x41"):
        assert sentence in before_curves


def test_files_of_others_say_what_is_not_exact(draw, tmp_path):
    path = tmp_path / "wrk.hgrm"
    path.write_text("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
                    "       0.067     0.000000000000          1           1.00\n"
                    "       1.371     0.500000000000         50           2.00\n"
                    "      12.926     1.000000000000        100            inf\n"
                    "#[Mean    =        1.423, StdDeviation   =        0.982]\n"
                    "#[Max     =       12.926, Total count    =          100]\n"
                    "#[Buckets =           27, SubBuckets     =         2048]\n")
    outline = assert_is_sound(draw(path, documents.write(tmp_path / "run.json", seconds(2))))
    shown = "".join(text for _, text in outline.texts)
    assert "from a list of percentiles" in shown
    assert "12.93 ms" in shown


# ---- whatever a run is ----

SHAPES = {
    "one interval": [([100 * US] * 5, [90 * US] * 5, 0)],
    "no interval": None,
    "no echo": [([], [], 3)] * 4,
    "a single echo": [([83 * US], [83 * US], 0)],
    "a silent second": [([100 * US], [90 * US], 0), ([], [], 1), ([100 * US], [90 * US], 0)],
    "a nanosecond": [([1], [1], 0)],
    "no time at all": [([0, 0], [0, 0], 0)],
    "from a nanosecond to an hour": [([1, US, MS, S, HOUR], [1] * 5, 0)],
    "an hour": [([HOUR], [HOUR], 0)] * 2,
    "241 seconds": seconds(241, each=2),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_run_gives_a_sound_page(draw, tmp_path, shape):
    given = SHAPES[shape]
    more = {}
    if given is None:
        given, more = seconds(2), {"series": []}
    page = draw(documents.write(tmp_path / "run.json", given, **more))
    outline = assert_is_sound(page)
    shown = "".join(text for _, text in outline.texts)
    assert ("there is no time to be drawn" in shown) == (shape == "no echo")
    assert ("When each echo came is not known." in shown) == (shape == "no interval")
    assert len(page) < MOST_OF_ONE


def test_an_hour_of_seconds_of_every_magnitude_is_bounded(draw, tmp_path):
    """3,600 intervals, times in all rows, eight runs over each other."""
    dice = random.Random(1)
    given = []
    for _ in range(3600):
        response = [int(10 ** dice.uniform(0, 12.5)) for _ in range(40)]
        given.append((response, response, dice.randrange(2)))
    path = documents.write(tmp_path / "run.json", given)
    page = draw(path)
    assert len(page) < MOST_OF_ONE
    assert len(draw(*[path] * 8)) < MOST_OF_EIGHT
    # A line has no more points than can be seen.
    outline = assert_is_sound(page)
    lines = [attributes["d"] for tag, attributes in outline.elements
             if tag == "path" and attributes.get("class", "").startswith("line")]
    assert lines and all(line.count("H") <= 1536 for line in lines)


# ---- gaps in a drawing ----

def lines_of(page, name):
    """Returns the lines of a class, each as its unbroken parts of (from, to, height) in thousandths."""
    found = []
    for tag, attributes in Outline(page).elements:
        if tag != "path" or attributes.get("class") != name:
            continue
        parts = []
        for part in attributes["d"].split("M")[1:]:
            x, y = map(float, re.match(r"([\d.]+) ([\d.]+)", part).groups())
            parts.append([])
            for letter, number in re.findall(r"([HV])([\d.]+)", part):
                if letter == "V":
                    y = float(number)
                else:
                    parts[-1].append((x, float(number), y))
                    x = float(number)
        found.append(parts)
    return found


def spans(parts):
    """Returns the begin and the end of each unbroken part."""
    return [(part[0][0], part[-1][1]) for part in parts]


def test_an_outage_has_no_latency(draw, tmp_path):
    """A message that did not come back is no response of a nanosecond: the percentile lines have a gap."""
    some = ([100 * US, 900 * US] * 5, [90 * US] * 10, 0)
    page = draw(documents.write(tmp_path / "run.json", [some] * 4 + [([], [], 7)] * 2 + [some] * 4))
    for name, n in ("over p50", 1), ("over p99", 1), ("over halo", 2):
        lines = lines_of(page, name)
        assert [spans(parts) for parts in lines] == [[(0, 400), (600, 1000)]] * n
        assert all(len({height for part in parts for *_, height in part}) == 1 for parts in lines)
    # Rates have the value 0 there.
    rates, failures = lines_of(page, "line run-1")
    assert spans(rates) == spans(failures) == [(0, 1000)]
    assert [height for start, end, height in rates[0] if 400 <= start < end <= 600] == [1000] * 2


def test_no_time_at_all_is_a_time(draw, tmp_path):
    page = draw(documents.write(tmp_path / "run.json", [([0, 0], [0, 0], 0)] * 2))
    assert [spans(parts) for parts in lines_of(page, "over p50")] == [[(0, 1000)]]
    assert "<td></td>" not in page[page.index('id="pieces-1"') : page.index("<h2>Latency over time")]


@pytest.mark.parametrize("n", [2, 300])
def test_a_pause_is_not_drawn_as_load(draw, report, tmp_path, n):
    """Two runs with a pause between them that is as long as both together: the pause has no line and no cell."""
    documents.write(tmp_path / "a.json", seconds(n, each=4), start="2026-11-26T04:00:00.000000Z")
    minutes, rest = divmod(3 * n, 60)
    documents.write(tmp_path / "b.json", seconds(n, each=8, seed=2),
                    start=f"2026-11-26T04:{minutes:02}:{rest:02}.000000Z")
    assert report("merge", "a.json", "b.json", "-o", "sum.json")[0] == 0
    page = draw(tmp_path / "sum.json")
    [rates] = lines_of(page, "line run-1")
    for parts in (rates, *lines_of(page, "over halo")):
        assert spans(parts) == [(0, 250), (750, 1000)]
    # Each run has its own rate, 4 and 8 a second, on an axis up to 8.
    assert {round(height) for *_, height in rates[0]} == {500}
    assert {round(height) for *_, height in rates[1]} == {0}
    cells = [tuple(map(float, cell)) for cell in re.findall(r"M([\d.]+) [\d.]+H([\d.]+)V[\d.]+H[\d.]+Z", page)]
    assert cells and all(end <= 250 or start >= 750 for start, end in cells)


def test_values_above_an_hour_are_reported(draw, tmp_path):
    note = "what took longer than an hour is drawn as an hour"
    assert note in draw(documents.write(tmp_path / "run.json", [([US, 2 * HOUR, 3 * HOUR], [US] * 3, 0)]))
    assert note not in draw(documents.write(tmp_path / "run.json", [([US, HOUR], [US] * 2, 0)]))
