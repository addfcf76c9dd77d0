"""Plots of reports as SVG text: bars of a funnel, intervals beside zero, a line with its band, bars by day.

Plain drawings that print: no script, no font and no picture from elsewhere. Words come in and are escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

INK, SOFT, LINE = "#1e293b", "#64748b", "#e2e8f0"
ACCENT, BAND, GOOD, BAD = "#0f766e", "#ccece6", "#0f766e", "#b45309"

Text = Callable[[float], str]


def funnel(stages: Sequence[tuple[str, float]], text: Text, *, width: int = 340, row: int = 27) -> str:
    """A bar a stage, as long as the part of the first that came so far."""
    whole = max((value for _, value in stages), default=0) or 1
    left, room = 96, width - 96 - 100
    parts = []
    for place, (name, value) in enumerate(stages):
        y, long = place * row, room * value / whole
        parts += [
            _label(left - 8, y + 16, name, anchor="end"),
            f'<rect x="{left}" y="{y + 4}" width="{_n(max(long, 1))}" height="{row - 10}" rx="2" fill="{ACCENT}"'
            f' fill-opacity="{_n(1 - 0.13 * place)}"/>',
            _label(left + long + 6, y + 16, f"{text(value)}  ({value / whole:.0%})", fill=SOFT),
        ]
    return _svg(width, len(stages) * row, parts)


def intervals(rows: Sequence[tuple[str, float, float, float]], text: Text, *, width: int = 340, row: int = 34) -> str:
    """A dot with its interval a row (name, value, low, high), and the line of zero."""
    low, high = (pick(0.0, *(bound for row_ in rows for bound in row_[2:])) for pick in (min, max))
    ticks = nice_ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    left, room, tall = 96, width - 96 - 16, len(rows) * row

    def x(value: float) -> float:
        return left + room * (value - low) / ((high - low) or 1)

    parts = [_rule(x(each), 0, x(each), tall, LINE) for each in ticks]
    parts += [_label(x(each), tall + 13, text(each), anchor="middle", fill=SOFT, size=9) for each in ticks]
    parts.append(_rule(x(0), 0, x(0), tall, INK))
    for place, (name, value, least, most) in enumerate(rows):
        y = place * row + row / 2
        colour = SOFT if least <= 0 <= most else GOOD if least > 0 else BAD
        parts += [
            _label(left - 8, y + 4, name, anchor="end"),
            f'<line x1="{_n(x(least))}" y1="{_n(y)}" x2="{_n(x(most))}" y2="{_n(y)}" stroke="{colour}"'
            ' stroke-width="3" stroke-linecap="round"/>',
            f'<circle cx="{_n(x(value))}" cy="{_n(y)}" r="4.5" fill="{colour}" stroke="#fff" stroke-width="1.5"/>',
        ]
    return _svg(width, tall + 18, parts)


def band(
    points: Sequence[tuple[float, float, float, float]], text: Text, *, below: str, width: int = 340, tall: int = 130
) -> str:
    """A line with its interval (x, value, low, high); `below` names what x counts."""
    ticks = nice_ticks(min(0.0, *(each[2] for each in points)), max(0.0, *(each[3] for each in points)))
    low = min(ticks[0], *(each[2] for each in points))
    high = max(ticks[-1], *(each[3] for each in points))
    left, top, room, deep = 62, 6, width - 62 - 10, tall - 34
    first, last = points[0][0], points[-1][0]

    def x(value: float) -> float:
        return left + room * (value - first) / ((last - first) or 1)

    def y(value: float) -> float:
        return top + deep * (high - value) / ((high - low) or 1)

    around = [(x(at), y(most)) for at, _, _, most in points] + [(x(at), y(least)) for at, _, least, _ in points[::-1]]
    parts = [_rule(left, y(each), left + room, y(each), INK if each == 0 else LINE) for each in ticks]
    parts += [_label(left - 6, y(each) + 3, text(each), anchor="end", fill=SOFT, size=9) for each in ticks]
    parts += [
        f'<polygon points="{_path(around)}" fill="{BAND}" fill-opacity="0.8"/>',
        f'<polyline points="{_path([(x(each[0]), y(each[1])) for each in points])}" fill="none" stroke="{ACCENT}"'
        ' stroke-width="2" stroke-linejoin="round"/>',
        *(_label(x(at), tall - 16, f"{at:g}", anchor="middle", fill=SOFT, size=9) for at in _few(points)),
        _label(left + room / 2, tall - 3, below, anchor="middle", fill=SOFT, size=9),
    ]
    return _svg(width, tall, parts)


def days(rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], text: Text, *, width: int = 340) -> str:
    """A line a series over days (day, value of each series), as they came, with a key above."""
    tall, left, top = 130, 48, 20
    room, deep = width - left - 10, tall - 40
    ticks = nice_ticks(0.0, max((value for _, values in rows for value in values), default=0.0))
    high = max(ticks[-1], 1e-12)

    def x(place: int) -> float:
        return left + room * (place / (len(rows) - 1) if len(rows) > 1 else 0.5)

    def y(value: float) -> float:
        return top + deep * (1 - value / high)

    parts = [_rule(left, y(each), left + room, y(each), LINE) for each in ticks]
    parts += [_label(left - 6, y(each) + 3, text(each), anchor="end", fill=SOFT, size=9) for each in ticks]
    colours, at = ("#94a3b8", "#38bdf8", ACCENT, BAD), float(left)
    for series, name in enumerate(names):
        colour = colours[series % len(colours)]
        line = [(x(place), y(values[series])) for place, (_, values) in enumerate(rows)]
        parts += [
            f'<polyline points="{_path(line)}" fill="none" stroke="{colour}" stroke-width="1.6"/>',
            *(f'<circle cx="{_n(cx)}" cy="{_n(cy)}" r="1.8" fill="{colour}"/>' for cx, cy in line),
            f'<rect x="{_n(at)}" y="2" width="8" height="8" rx="2" fill="{colour}"/>',
            _label(at + 12, 10, name, fill=SOFT, size=9),
        ]
        at += 22 + sum(9 if ord(letter) > 0x2E80 else 4.6 for letter in name)
    for place in sorted({0, len(rows) // 2, len(rows) - 1} if rows else set()):
        anchor = "start" if place == 0 and len(rows) > 1 else "end" if place and place == len(rows) - 1 else "middle"
        parts.append(_label(x(place), tall - 6, rows[place][0], anchor=anchor, fill=SOFT, size=9))
    return _svg(width, tall, parts)


def nice_ticks(low: float, high: float, *, about: int = 4) -> list[float]:
    """Round numbers from `low` to `high`, both inside, at most one more on each side; 0 is one if it lies between."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [each * step for each in range(first, last + 1)]


def _few(points: Sequence[tuple[float, float, float, float]]) -> list[float]:
    step = max(1, -(-len(points) // 7))
    return [each[0] for each in points[::step]]


def _svg(width: float, tall: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(tall)}" width="100%" role="img">'
        f"{''.join(parts)}</svg>"
    )


def _label(x: float, y: float, text: str, *, anchor: str = "start", fill: str = INK, size: float = 10.5) -> str:
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" fill="{fill}" font-size="{size:g}">{escape(text)}</text>'
    )


def _rule(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="{colour}" stroke-width="1"/>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
