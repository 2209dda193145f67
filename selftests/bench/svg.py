# SPDX-License-Identifier: MIT
"""Bar charts: groups of bars side by side, an axis, whiskers, a legend."""

import math
from xml.sax.saxutils import escape

COLOURS = ["#8c8c8c", "#d1495b", "#30638e", "#edae49", "#00798c", "#6a4c93",
           "#7f5539", "#2a9d8f", "#bc5090", "#444444"]
BAR = 13
GAP = 22                 # between groups
LEFT, RIGHT, TOP, PLOT, BOTTOM = 70, 20, 64, 280, 96
FONT = 'font-family="Helvetica, Arial, sans-serif"'
LOG_FROM = 8             # a range that is wider gets a logarithmic axis


def text(x, y, words, anchor="middle", px=12, extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
            f'font-size="{px}" {FONT} {extra}>{escape(words)}</text>')


def line(x1, y1, x2, y2, colour="#ccc", extra=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" {extra}/>')


def nice_steps(top):
    """Round numbers from 0 to at least top, five or so."""
    raw = top / 5
    scale = 10 ** math.floor(math.log10(raw))
    step = next(scale * m for m in (1, 2, 5, 10) if scale * m >= raw * 0.999)
    return [step * i for i in range(math.ceil(top / step - 1e-9) + 1)]


class Axis:
    """From a value to a height; its bottom is 0, or a power when it is
    logarithmic."""

    def __init__(self, values):
        there = [value for value in values if value > 0] or [1]
        self.log = max(there) / min(there) > LOG_FROM
        if self.log:
            low = math.floor(math.log10(min(there)) - 0.01)
            high = math.ceil(math.log10(max(there)))
            self.low, self.high = 10.0 ** low, 10.0 ** high
            self.ticks = [10.0 ** power for power in range(low, high + 1)]
        else:
            self.ticks = nice_steps(max(there) * 1.02)
            self.low, self.high = 0, self.ticks[-1]

    def y(self, value):
        if self.log:
            value = max(value, self.low)
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = value / self.high
        return TOP + PLOT * (1 - part)


def tick_label(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def bars_of(axis, x, summary, colour, tip):
    top, bottom = axis.y(summary["median"]), TOP + PLOT
    yield (f'<rect x="{x:.1f}" y="{top:.1f}" width="{BAR - 2}" '
           f'height="{max(bottom - top, 0.5):.1f}" fill="{colour}">'
           f"<title>{escape(tip)}</title></rect>")
    if summary["p75"] > summary["p25"]:
        middle = x + (BAR - 2) / 2
        yield line(middle, axis.y(summary["p25"]), middle,
                   axis.y(summary["p75"]), "#222")


def legend(names):
    x, parts = LEFT, []
    for index, name in enumerate(names):
        parts.append(f'<rect x="{x}" y="34" width="11" height="11" '
                     f'fill="{COLOURS[index % len(COLOURS)]}"/>')
        parts.append(text(x + 15, 44, name, "start"))
        x += 30 + 7 * len(name)
    return parts, x


def chart(title, axis_label, rows, names, reference=None):
    """The SVG. rows: [(label, {name: summary})]; names: the bars' order;
    reference: a value to draw a line at."""
    axis = Axis([one["p75"] for _, row in rows for one in row.values()]
                + ([reference] if reference else []))
    width_each = BAR * len(names) + GAP
    words, legend_end = legend(names)
    width = max(LEFT + RIGHT + width_each * len(rows), legend_end + RIGHT,
                LEFT + 9 * len(title))
    height = TOP + PLOT + BOTTOM
    parts = [f'<rect width="{width}" height="{height}" fill="white"/>',
             text(LEFT, 22, title, "start", 15, 'font-weight="bold"'), *words]
    for tick in axis.ticks:
        y = axis.y(tick)
        parts.append(line(LEFT, y, width - RIGHT, y))
        parts.append(text(LEFT - 6, y + 4, tick_label(tick), "end", 11))
    middle = TOP + PLOT / 2
    parts.append(text(16, middle, axis_label, extra=f'transform="rotate(-90 '
                      f'16 {middle:.0f})"'))
    for index, (label, row) in enumerate(rows):
        left = LEFT + GAP / 2 + index * width_each
        for place, name in enumerate(names):
            if name in row:
                parts += bars_of(
                    axis, left + place * BAR, row[name],
                    COLOURS[place % len(COLOURS)],
                    f"{name}, {label}: {row[name]['median']:.4g}")
        x, y = left + (width_each - GAP) / 2, TOP + PLOT + 14
        parts.append(text(x, y, label, "end", 11,
                          f'transform="rotate(-30 {x:.0f} {y:.0f})"'))
    if reference:
        y = axis.y(reference)
        parts.append(line(LEFT, y, width - RIGHT, y, "#222",
                          'stroke-dasharray="5 3"'))
    parts.append(line(LEFT, TOP + PLOT, width - RIGHT, TOP + PLOT, "#222"))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}">\n'
            "<!-- SPDX-License-Identifier: MIT -->\n"
            + "\n".join(parts) + "\n</svg>\n")
