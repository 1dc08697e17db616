# SPDX-License-Identifier: MIT
"""The medians as a picture: one panel of bars for each case, drawn as SVG for light and dark pages."""
import html

import report

WIDTH, MARGIN, GAP = 920, 20, 40
PANEL = (WIDTH - 2 * MARGIN - GAP) / 2
NAMES, VALUES = 120, 110  # room for the server's name and for the figure beside its bar
ROW, BAR, HEAD = 22, 14, 52

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .note { fill: #59636e; font-size: 12px }
  .page { fill: #ffffff }
  .own { fill: #54aeff } .textbook { fill: #9ea7b3 } .packaged { fill: #d0d7de }
  .spread { stroke: #1f2328; stroke-width: 1.5 }
  .strong { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 } .page { fill: #0d1117 }
    .own { fill: #1f6feb } .textbook { fill: #656c76 } .packaged { fill: #3d444d }
    .spread { stroke: #e6edf3 }
  }
"""


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{html.escape(words)}</text>'


def line(x1, y1, x2, y2):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="spread"/>'


def bars_of(panel):
    """(server, family, median, least, most) for each server that was measured."""
    found = []
    for name, measurements in panel.results.items():
        values = report.values(measurements, panel.figure)
        if values:
            found.append((name, panel.families[name], report.median(values), min(values), max(values)))
    return found


def draw_panel(panel, left, top):
    """The elements of one panel, and its height."""
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
    """The whole picture, as the text of an SVG file."""
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
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}" role="img" '
            'aria-labelledby="title description">',
            f'<title id="title">{html.escape(title)}</title>',
            f'<desc id="description">{html.escape(description)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{top:.0f}" rx="8"/>',
            *drawn,
            "</svg>\n",
        ]
    )
