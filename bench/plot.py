# SPDX-License-Identifier: MIT
"""The medians as a picture: a panel of bars for each case, drawn as SVG for light and dark pages."""
import html
import math

import report

WIDTH, MARGIN, GAP = 920, 20, 40
PANEL = (WIDTH - 2 * MARGIN - GAP) / 2
NAMES, VALUES = 120, 110  # space for the server's name and for the figure beside its bar
ROW, BAR, HEAD = 22, 14, 52

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .note { fill: #59636e; font-size: 12px }
  .page { fill: #ffffff }
  .own { fill: #54aeff } .textbook { fill: #9ea7b3 } .packaged { fill: #d0d7de }
  .spread { stroke: #1f2328; stroke-width: 1.5 }
  .strong { font-weight: 600 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .line { fill: none; stroke-width: 2 }
  .line0 { stroke: #0969da } .line1 { stroke: #1a7f37 } .line2 { stroke: #9a6700 } .line3 { stroke: #656d76 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 } .page { fill: #0d1117 }
    .own { fill: #1f6feb } .textbook { fill: #656c76 } .packaged { fill: #3d444d }
    .spread { stroke: #e6edf3 } .grid { stroke: #3d444d }
    .line0 { stroke: #4493f8 } .line1 { stroke: #3fb950 } .line2 { stroke: #d29922 } .line3 { stroke: #9198a1 }
  }
"""


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{html.escape(words)}</text>'


def line(x1, y1, x2, y2, kind="spread"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def bars_of(panel):
    """Yields (server, family, median, minimum, maximum) for each measured server."""
    found = []
    for name, measurements in panel.results.items():
        values = report.values(measurements, panel.figure)
        if values:
            found.append((name, panel.families[name], report.median(values), min(values), max(values)))
    return found


def draw_panel(panel, left, top):
    """Returns the elements of one panel, and its height."""
    bars = bars_of(panel)
    longest = max(most for *_, most in bars)
    scale = (PANEL - NAMES - VALUES) / longest if longest else 0
    drawn = [
        text(left, top + 14, panel.title, "title"),
        text(left, top + 32, f"{report.TITLES[panel.figure]}; {panel.better} is better", "note"),
    ]
    start = left + NAMES
    for number, (name, family, median, least, most) in enumerate(bars):
        y = top + HEAD + number * ROW
        middle = y + BAR / 2
        strong = "strong" if family == "own" else ""
        drawn += [
            text(start - 8, y + 12, name, strong, "end"),
            f'<rect x="{start}" y="{y}" width="{median * scale:.1f}" height="{BAR}" rx="2" class="{family}"/>',
            line(start + least * scale, middle, start + most * scale, middle),
            *(line(start + end * scale, y + 3, start + end * scale, y + BAR - 3) for end in (least, most)),
            text(start + most * scale + 8, y + 12, report.number(median), strong),
        ]
    return drawn, HEAD + len(bars) * ROW


def draw(panels, title, note):
    """Returns the whole picture, as the text of an SVG file."""
    drawn, top = [text(MARGIN, 32, title, "title"), text(MARGIN, 52, note, "note")], 80
    for first in range(0, len(panels), 2):
        tallest = 0
        for column, panel in enumerate(panels[first : first + 2]):
            elements, height = draw_panel(panel, MARGIN + column * (PANEL + GAP), top)
            drawn += elements
            tallest = max(tallest, height)
        top += tallest + GAP * 0.75
    description = "; ".join(
        f"{panel.title}, {report.TITLES[panel.figure]}: "
        + ", ".join(f"{name} {report.number(median)}" for name, _, median, *_ in bars_of(panel))
        for panel in panels
    )
    return document(title, description, drawn, top)


def document(title, description, drawn, height):
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
            'aria-labelledby="title description">',
            f'<title id="title">{html.escape(title)}</title>',
            f'<desc id="description">{html.escape(description)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{height:.0f}" rx="8"/>',
            *drawn,
            "</svg>\n",
        ]
    )


# ---- lines over a logarithmic axis ----

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 60, 130, 80, 50
LINE_KINDS, NAME_HEIGHT = 4, 18


class Axes:
    """Position of a point: x is logarithmic, y goes from 0 to the maximum. ticks: x -> label, for some of them."""

    def __init__(self, series, ticks=None):
        points = [point for of_one in series.values() for point in of_one]
        self.xs = sorted({x for x, *_ in points})
        self.ticks = ticks or {x: f"{x:,}" for x in self.xs}
        self.most = max(most for *_, most in points)

    def x(self, value):
        share = math.log(value / self.xs[0]) / math.log(self.xs[-1] / self.xs[0]) if len(self.xs) > 1 else 0
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.most * (HEIGHT - TOP - BOTTOM)

    def draw(self):
        drawn = []
        for share in (0, 0.25, 0.5, 0.75, 1):
            y = self.y(share * self.most)
            drawn += [line(LEFT, y, WIDTH - RIGHT, y, "grid")]
            drawn += [text(LEFT - 8, y + 4, report.number(share * self.most) if share else "0", "note", "end")]
        return drawn + [
            text(self.x(x), HEIGHT - BOTTOM + 20, words, "note", "middle") for x, words in self.ticks.items()
        ]


def draw_one_line(axes, number, points):
    kind = f"line line{number % LINE_KINDS}"
    path = " ".join(f"{axes.x(x):.1f},{axes.y(median):.1f}" for x, median, *_ in points)
    drawn = [f'<polyline points="{path}" class="{kind}"/>']
    return drawn + [line(axes.x(x), axes.y(least), axes.x(x), axes.y(most), kind) for x, _, least, most in points]


def draw_names(axes, series):
    """Draws each name at the end of the line, with a stroke in the same colour. Names that would overlap are moved
    down."""
    drawn, lowest = [], TOP
    ends = [(axes.y(points[-1][1]), number, name) for number, (name, points) in enumerate(series.items())]
    left = WIDTH - RIGHT + 10
    for y, number, name in sorted(ends):
        lowest = y = max(y, lowest + NAME_HEIGHT)
        drawn += [line(left, y, left + 16, y, f"line line{number % LINE_KINDS}"), text(left + 22, y + 4, name)]
    return drawn


def draw_lines(series, title, note, ticks=None):
    """series: name -> [(x, median, least, most)], sorted by x. Returns the whole picture, as the text of an SVG
    file."""
    axes = Axes(series, ticks)
    drawn = [text(MARGIN, 32, title, "title"), text(MARGIN, 52, note, "note"), *axes.draw()]
    for number, points in enumerate(series.values()):
        drawn += draw_one_line(axes, number, points)
    drawn += draw_names(axes, series)
    description = "; ".join(
        f"{name}: "
        + ", ".join(f"{axes.ticks[x]}: {report.number(median)}" for x, median, *_ in points if x in axes.ticks)
        for name, points in series.items()
    )
    return document(title, description, drawn, HEIGHT)
