# SPDX-License-Identifier: MIT
"""The page of `report html` as readers see it: in Chromium, wide and narrow, light and dark, on paper."""
import base64
import functools
import http.server
import math
import random
import re
import shutil
import subprocess
import threading

import pytest

import documents
from browser import browser, why_impossible

# With pytest-xdist: one browser for all.
pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.background]

US, MS = 1_000, 1_000_000

SECONDS = 20


def values_of(seed, middle):
    dice = random.Random(seed)
    result = []
    for second in range(SECONDS):
        service = [int(middle * dice.lognormvariate(0, 0.2)) for _ in range(100 + second)]
        late = 50 * MS if second == 7 else 0
        result.append(([value + dice.randrange(late or 3 * US) for value in service], service,
                       4 if second == 7 else 0))
    return result


# Two runs. The first is slower, and its server was stopped for a while.
RUNS = {"before.json": values_of(1, 90 * US), "after.json": values_of(2, 40 * US)}

HOSTILE = [f"a-long-name-of-a-run-from-somewhere-{i}.json" for i in range(8)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def window(folder):
    reason = why_impossible()
    if reason:
        pytest.skip(reason)
    with browser(folder / "profile") as started:
        yield started


@pytest.fixture(scope="module")
def pages(program, folder):
    """Pages: "two" of RUNS, "one" with the first, "hostile" with eight runs that contain hostile text."""
    for name, seconds in RUNS.items():
        documents.write(folder / name, seconds)
    for i, name in enumerate(HOSTILE):
        documents.write(folder / name, values_of(i, (30 + 20 * i) * US), host="<script>hacked = 1</script>" * 9,
                        client_bound="<img src=x onerror='hacked = 1'>", command_line="x" * 3000)
    for page, names in {"two": RUNS, "one": ["before.json"], "hostile": HOSTILE}.items():
        files = [str(folder / name) for name in names]
        subprocess.run([program, "report", "html", *files, "-o", folder / f"{page}.html"], check=True, timeout=60)
    return lambda name: f"file://{folder}/{name}.html"


@pytest.fixture
def two(window, pages):
    window.look()
    window.open(pages("two"))
    return window


# ---- loading ----

def test_it_asks_for_nothing(window, pages, folder):
    """Loaded by HTTP, it causes no further requests."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            window.look()
            window.open(f"http://127.0.0.1:{server.server_port}/two.html")
            assert window.run("return performance.getEntriesByType('resource').length") == 0
        finally:
            server.shutdown()
    assert asked == ["/two.html"]


def test_its_own_policy_lets_style_and_script_pass_and_no_other(two):
    assert two.run("return getComputedStyle(document.querySelector('main')).maxWidth") != "none"
    assert two.run("return document.querySelector('.plot > svg').tabIndex") == 0
    two.run("const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s)")
    assert two.run("return window.hacked") is None
    assert any("Content Security Policy" in complaint for complaint in two.complaints())


def test_hostile_texts_do_nothing(window, pages):
    window.look()
    window.open(pages("hostile"))
    assert window.run("return window.hacked") is None
    assert window.run("return document.querySelectorAll('img, script').length") == 1
    assert "<script>hacked = 1</script>" in window.run("return document.querySelector('#facts').textContent")


# ---- numbers ----

def scale_of(window, drawing, axis):
    kind, low, high = window.run("return document.getElementById(arguments[0]).getAttribute('data-' + arguments[1])",
                                 drawing, axis).split()
    return kind, float(low), float(high)


def value_at(scale, part):
    """Returns the value at this height (0 to 1) of an axis."""
    kind, low, high = scale
    return low * (high / low) ** part if kind == "log" else low + part * (high - low)


def place_of(scale, value):
    kind, low, high = scale
    part = math.log(value / low) / math.log(high / low) if kind == "log" else (value - low) / (high - low)
    return min(max(part, 0), 1)


def height_at(path, x):
    """Returns the height (0 to 1) of a step line at x (0 to 1)."""
    steps = re.findall(r"([MHV])([\d.]+)(?: ([\d.]+))?", path)
    height = float(steps[0][2])
    for letter, number, _ in steps[1:]:
        if letter == "H" and float(number) > 1000 * x:
            break
        if letter == "V":
            height = float(number)
    return 1 - height / 1000


def path_of(window, drawing, selector):
    return window.run("return document.querySelector(arguments[0]).getAttribute('d')", f"#{drawing} path{selector}")


@pytest.mark.parametrize("run", range(2))
@pytest.mark.parametrize("kind", ["response", "service"])
def test_the_curves_are_at_the_percentiles(two, run, kind):
    seconds = list(RUNS.values())[run]
    values = [value for second in seconds for value in second[kind == "service"]]
    path = path_of(two, "percentiles", f".run-{run + 1}.{kind}")
    x_scale, y_scale = scale_of(two, "percentiles", "x"), scale_of(two, "percentiles", "y")
    # Lines are exact to a thousandth of the width and two of the height.
    unit = value_at(y_scale, 0.0025) / value_at(y_scale, 0)
    for percent in (10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95):
        x = place_of(x_scale, -math.log10(1 - percent / 100))
        least = documents.percentile(values, 100 * (1 - 10 ** -value_at(x_scale, x - 0.0015)))
        most = documents.percentile(values, 100 * (1 - 10 ** -value_at(x_scale, x + 0.0015)))
        drawn = value_at(y_scale, height_at(path, x))
        assert least / unit <= drawn <= most * unit, (percent, least, drawn, most)


def test_the_table_has_the_percentiles(two):
    rows = two.run("""
        return [...document.querySelectorAll('#values tbody tr')].map((row) => [row.cells[0].textContent,
            [...row.querySelectorAll('data')].map((data) => Number(data.value))])""")
    columns = [[value for second in seconds for value in second[kind]] for seconds in RUNS.values() for kind in (0, 1)]
    rows = dict(rows)
    assert rows["0% (min)"] == [min(values) for values in columns]
    assert rows["max"] == [max(values) for values in columns]
    for name in ("25%", "50%", "90%", "99%", "99.5%", "99.9%", "99.95%"):
        assert rows[name] == [documents.percentile(values, float(name[:-1])) for values in columns]
    assert rows["mean"] == pytest.approx([sum(values) / len(values) for values in columns], rel=1e-3)


@pytest.mark.parametrize("run", range(2))
def test_rates_and_failures_are_those_of_each_second(two, run):
    for drawing, number in (("rates", lambda second: len(second[0])), ("failures", lambda second: second[2])):
        path = path_of(two, drawing, f".run-{run + 1}")
        scale = scale_of(two, drawing, "y")
        for at, second in enumerate(list(RUNS.values())[run]):
            drawn = value_at(scale, height_at(path, (at + 0.5) / SECONDS))
            assert drawn == pytest.approx(number(second), abs=scale[2] / 1000), (drawing, at)


def test_the_map_is_where_the_times_were(two):
    """Each time is in a cell whose shade is that of at least one; without times there is no cell."""
    scale = scale_of(two, "heat-of-1", "y")
    cells = []
    for level in range(1, 9):
        path = path_of(two, "heat-of-1", f".heat-{level}") or ""
        for cell in re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)V([\d.]+)H[\d.]+Z", path):
            cells.append([*map(float, cell), level])

    def shade(x, y):
        return max((level for left, top, right, bottom, level in cells if left <= x <= right and top <= y <= bottom),
                   default=0)

    seconds = list(RUNS.values())[0]
    for at, second in enumerate(seconds):
        x = 1000 * (at + 0.5) / SECONDS
        for value in second[0]:
            assert shade(x, 1000 * (1 - place_of(scale, value))) > 0
        for value in (20 * MS, 40 * MS):
            is_near = any(abs(math.log10(value / other)) < 0.11 for other in second[0])
            assert (shade(x, 1000 * (1 - place_of(scale, value))) > 0) <= is_near
    # Only the second in which the server was stopped has dark cells at the top.
    assert sum(level for left, top, *_, level in cells if 340 < left < 360 and top < 400) > 10
    # The shade of a cell corresponds to its count.
    assert max(level for *_, level in cells) > 3


# ---- pointer and keyboard ----

def point_at(window, drawing, part):
    """Moves the pointer over a drawing, to this part (0 to 1) of the width."""
    x, y = window.run("""
        const svg = document.getElementById(arguments[0]);
        svg.scrollIntoView({ block: 'center' });
        const box = svg.getBoundingClientRect();
        return [box.left + arguments[1] * box.width, box.top + box.height / 2]""", drawing, part)
    window.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)


def readout(window):
    """Returns the text of the cross-hair; None while it is hidden."""
    return window.run("const box = document.getElementById('readout'); return box.hidden ? null : box.innerText")


def press(window, key):
    window.command("Input.dispatchKeyEvent", type="keyDown", key=key, code=key)
    window.command("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)


def cell(window, row, column):
    return window.run("""
        const row = [...document.querySelectorAll('#values tbody tr')].find((row) =>
            row.cells[0].textContent === arguments[0]);
        return row.cells[arguments[1]].textContent""", row, column)


def test_the_pointer_reads_the_curves(two):
    assert readout(two) is None
    point_at(two, "percentiles", place_of(scale_of(two, "percentiles", "x"), 2))
    said = readout(two)
    assert said.startswith("99%")
    for name, column in (("before.json response", 1), ("before.json service", 2), ("after.json response", 3)):
        assert re.search(re.escape(name) + r"\s+" + re.escape(cell(two, "99%", column)), said)
    assert two.run("return document.querySelector('#percentiles .cross').getAttribute('x1')").startswith(
        f"{100 * place_of(scale_of(two, 'percentiles', 'x'), 2):.1f}")
    two.command("Input.dispatchMouseEvent", type="mouseMoved", x=2, y=2)
    assert readout(two) is None


def test_the_pointer_reads_each_second(two):
    point_at(two, "rates", 7.5 / SECONDS)
    said = readout(two)
    assert "before.json 7 s" in said and "after.json 7 s" in said
    assert re.search(r"echoes\s+107\.0/s", said) and re.search(r"failures\s+4", said)
    point_at(two, "heat-of-2", 3.5 / SECONDS)
    said = readout(two)
    assert "after.json 3 s" in said and "before.json" not in said


def test_the_keyboard_reads_them_too(two):
    two.run("document.getElementById('percentiles').focus({ preventScroll: true })")
    assert readout(two) is None
    press(two, "ArrowRight")
    assert readout(two).startswith("0% (min)")
    press(two, "ArrowRight")
    press(two, "ArrowRight")
    assert readout(two).startswith("50%")
    press(two, "ArrowLeft")
    assert readout(two).startswith("25%")
    press(two, "Escape")
    assert readout(two) is None


# ---- the legend ----

def click(window, identity):
    """Clicks with the pointer, as a reader does: this needs no script."""
    window.driver.find_element("id", identity).click()


def shown(window, selector):
    """Returns the number of visible elements."""
    return window.run("return [...document.querySelectorAll(arguments[0])].filter((element) => "
                      "element.getClientRects().length > 0).length", selector)


def assert_the_legend_works(window):
    curves, everything = "#percentiles path.line", shown(window, "figure, table .run-1, details")
    assert shown(window, curves) == 4
    click(window, "show-1")
    assert shown(window, "figure .run-1, table .run-1, details.run-1, figure.run-1") == 0
    assert shown(window, curves) == 2 and shown(window, "#rates path.run-2") == 1
    click(window, "show-service")
    assert shown(window, curves) == 1
    click(window, "show-1")
    click(window, "show-service")
    assert shown(window, curves) == 4
    assert shown(window, "figure, table .run-1, details") == everything
    # Rates and failures do not belong to a kind of time.
    marks = shown(window, "#rates .mark, #failures .mark")
    click(window, "show-response")
    assert shown(window, curves) == 2 and shown(window, "#percentiles .mark.response") == 0
    assert shown(window, "#rates .mark, #failures .mark") == marks > 0
    click(window, "show-response")


def test_the_legend_hides_and_shows(two):
    assert_the_legend_works(two)


def test_what_is_hidden_is_not_read(two):
    click(two, "show-1")
    point_at(two, "percentiles", 0.5)
    assert "before.json" not in readout(two) and "after.json" in readout(two)
    point_at(two, "rates", 0.5)
    assert "before.json" not in readout(two) and "after.json" in readout(two)


def test_without_javascript_all_but_the_pointer_works(window, pages):
    window.look()
    window.open(pages("two"), javascript=False)
    assert window.run("return document.querySelector('.plot > svg').getAttribute('tabindex')") is None
    assert_the_legend_works(window)
    click_details = window.driver.find_element("css selector", "details.run-1 summary")
    click_details.click()
    assert shown(window, "#pieces-1 tbody tr") == SECONDS
    point_at(window, "percentiles", 0.5)
    assert readout(window) is None


# ---- appearance ----

@pytest.mark.parametrize("page", ["one", "two", "hostile"])
@pytest.mark.parametrize("width", [320, 360, 800, 1280, 2560])
def test_no_width_scrolls_sideways_and_no_names_overlap(window, pages, page, width):
    window.look(width=width)
    window.open(pages(page))
    assert window.run("return document.documentElement.scrollWidth") == width
    overlaps = window.run("""
        const found = [];
        for (const svg of document.querySelectorAll('.plot > svg')) {
            const texts = [...svg.querySelectorAll('text')].filter((text) => text.getClientRects().length > 0);
            const boxes = texts.map((text) => text.getBoundingClientRect());
            boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
                if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
                    found.push([svg.id, texts[i].textContent, texts[i + 1 + j].textContent]);
            }));
            boxes.forEach((box, i) => {
                if (box.left < 0 || box.right > window.innerWidth)
                    found.push([svg.id, texts[i].textContent, 'the edge']);
            });
        }
        return found""")
    assert overlaps == []


COLOURS = """
    const rgb = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const light = (colour) => rgb(colour).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
    const ratio = (one, other) => {
        const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const paper = getComputedStyle(document.body).backgroundColor;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_by_day_and_by_night_it_has_contrast(window, pages, scheme):
    window.look(scheme=scheme)
    window.open(pages("hostile"))
    assert (window.run(COLOURS + "return light(paper)") < 0.1) == (scheme == "dark")
    faint = window.run(COLOURS + """
        return [...document.querySelectorAll('h1, h2, p, li, b, span, th, td, summary, footer, label')].map((element) => {
            const style = getComputedStyle(element);
            const under = style.backgroundColor.startsWith('rgba(0, 0, 0, 0') ? paper : style.backgroundColor;
            return [element.textContent.slice(0, 40), ratio(style.color, under)];
        }).concat([...document.querySelectorAll('.plot text')].map((text) =>
            [text.textContent, ratio(getComputedStyle(text).fill, paper)])).filter((entry) => entry[1] < 4.5)""")
    assert faint == []
    pale = window.run(COLOURS + """
        return [...document.querySelectorAll('#percentiles path.line')].map((line) =>
            [line.getAttribute('class'), ratio(getComputedStyle(line).stroke, paper)]).filter((entry) => entry[1] < 3)""")
    assert pale == []
    # Shades are monotonic, and the palest shade differs from an empty cell.
    shades = window.run(COLOURS + """
        return [...document.querySelectorAll('.shades rect')].map((rect) =>
            ratio(getComputedStyle(rect).fill, paper))""")
    assert len(shades) == 8 and shades == sorted(shades) and shades[0] > 1.1


def test_runs_are_distinguished_without_colours(window, pages):
    window.look()
    window.open(pages("hostile"))
    marks = window.run("return [...document.querySelectorAll('#percentiles .mark.response')].map((mark) => "
                       "mark.getAttribute('href') + ' ' + mark.getAttribute('class'))")
    assert {re.search(r"mark-\d", mark).group() for mark in marks} == {f"mark-{i}" for i in range(1, 9)}
    assert window.run("return new Set([...document.querySelectorAll('.marks path')].map((path) => "
                      "path.getAttribute('d'))).size") == 8
    dashes = window.run("return ['response', 'service'].map((kind) => getComputedStyle("
                        "document.querySelector('#percentiles .line.' + kind)).strokeDasharray)")
    assert dashes[0] == "none" and dashes[1] != "none"


def test_paper_is_white_and_narrow(window, pages):
    window.look(width=720, scheme="dark", medium="print")
    window.open(pages("two"))
    assert window.run(COLOURS + "return light(paper)") > 0.9
    assert shown(window, "details, .legend input, #readout") == 0
    assert shown(window, ".plot > svg") == 5
    assert window.run("return document.documentElement.scrollWidth") == 720
    window.look()
    pdf = base64.b64decode(window.command("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert pdf.startswith(b"%PDF-") and 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 8


def test_paper_has_all_runs(window, pages, tmp_path):
    """Tables scroll on a screen; on paper the columns of eight runs, with response and service time each, must fit."""
    window.look()
    window.open(pages("hostile"))
    n_columns = window.run("return document.querySelector('#values tbody tr').children.length")
    n_runs = window.run("return document.querySelector('#facts thead tr').children.length - 1")
    assert (n_columns, n_runs) == (17, 8)
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (poppler-utils)")
    window.look(medium="print")
    pdf = tmp_path / "page.pdf"
    pdf.write_bytes(base64.b64decode(window.command("Page.printToPDF", preferCSSPageSize=True)["data"]))
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True, timeout=60).stdout
    row = next(line for line in text.splitlines() if re.match(r" *50% ", line))
    assert len(re.findall(r"[\d.]+ [nµm]?s\b", row)) == 16
    row = next(line for line in text.splitlines() if re.match(r" *threads ", line))
    assert len(re.findall(r"\b\d+\b", row)) == 8


def test_it_can_be_read_aloud(two):
    """Drawings have names and descriptions, tables have headers, controls have labels."""
    assert two.run("""
        return [...document.querySelectorAll('.plot > svg')].every((svg) =>
            document.getElementById(svg.getAttribute('aria-labelledby')).textContent.trim() !== '' &&
            document.getElementById(svg.getAttribute('aria-describedby')).tagName === 'desc')""")
    assert two.run("return [...document.querySelectorAll('input')].every((input) => input.labels[0].innerText.trim())")
    assert two.run("""
        return [...document.querySelectorAll('table')].every((table) =>
            table.querySelector('thead th[scope=col]') &&
            [...table.tBodies[0].rows].every((row) => row.cells[0].scope === 'row'))""")
    assert two.run("return document.documentElement.lang") == "en"
