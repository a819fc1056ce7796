"""Line charts as SVG, readable on a light and on a dark page; it knows nothing of what it draws."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 76, 20, 44, 52
#: Of middling brightness: they stand out from white and from black.
COLOURS = ("#2f7fc1", "#d9772b", "#4a9d5b", "#a86bb8")
GREY = "#7d7d7d"
FONT = 'font-family="sans-serif" font-size="13"'


@dataclass(frozen=True)
class Line:
    """One line, or the single points of one kind."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    marked: bool = False


def ticks(least: float, most: float) -> list[float]:
    """Four to eight round numbers."""
    rough = (most - least) / 7
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first = math.ceil(least / step - 1e-9)
    return [index * step for index in range(first, math.floor(most / step + 1e-9) + 1)]


def chart(path: Path, *, title: str, x: str, y: str, lines: Sequence[Line]) -> None:
    """Draws the lines; the y axis begins at 0, both axes name their units in `x` and `y`."""
    xs = [point[0] for line in lines for point in line.points]
    left, right = min(xs), max(xs)
    top = 1.05 * max(point[1] for line in lines for point in line.points)

    def across(value: float) -> float:
        return LEFT + (value - left) / (right - left) * (WIDTH - LEFT - RIGHT)

    def down(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    def drawn() -> Iterator[str]:
        size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {FONT} fill="{GREY}">'
        yield f"<title>{escape(title)}</title>"
        for value in ticks(0, top):
            at = down(value)
            yield _line(LEFT, at, WIDTH - RIGHT, at, 'stroke-opacity="0.3"')
            yield _text(LEFT - 8, at + 4, f"{value:,.10g}", "end")
        for value in ticks(left, right):
            at, foot = across(value), HEIGHT - BOTTOM
            yield _line(at, foot, at, foot + 5)
            yield _text(at, foot + 20, f"{value:,.10g}", "middle")
        yield _line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM)
        yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x, "middle")
        middle = (TOP + HEIGHT - BOTTOM) / 2
        yield _text(16, middle, y, "middle", f'transform="rotate(-90 16 {middle:.1f})"')
        for index, (line, colour) in enumerate(zip(lines, COLOURS, strict=False)):
            yield from _drawn_line(line, colour)
            at = LEFT + index * (WIDTH - LEFT - RIGHT) / len(lines)
            style = f'stroke="{colour}" stroke-width="3"' + _dashes(line)
            yield _line(at, 20, at + 24, 20, style)
            yield _text(at + 32, 24, line.name, "start")
        yield "</svg>"

    def _drawn_line(line: Line, colour: str) -> Iterator[str]:
        places = [(across(one), down(other)) for one, other in line.points]
        text = " ".join(f"{one:.1f},{other:.1f}" for one, other in places)
        style = f'fill="none" stroke="{colour}" stroke-width="2"' + _dashes(line)
        yield f'<polyline points="{text}" {style}/>'
        if line.marked:
            for one, other in places:
                yield f'<circle cx="{one:.1f}" cy="{other:.1f}" r="5" fill="{colour}"/>'

    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(drawn()) + "\n", encoding="utf-8")


def _dashes(line: Line) -> str:
    return ' stroke-dasharray="6 5"' if line.dashed else ""


def _line(x1: float, y1: float, x2: float, y2: float, more: str = "") -> str:
    colour = "" if "stroke=" in more else f'stroke="{GREY}" '
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {colour}{more}/>'


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'
