"""Text for terminals: columns, times in words, and nothing that a terminal would obey.

Colours are asked of a `Paint`, so that each command line brings its own.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from typing import Any, Final, Literal, NamedTuple

Tone = Literal["plain", "dim", "head", "good", "warn", "bad"]
#: (text, tone) -> the text in that tone; it must not change what is read.
Paint = Callable[[str, Tone], str]

#: Years 1 to 9999, roughly; other moments have no date.
_DATED: Final = 253_402_300_799
_NARROWEST: Final = 24
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


class Cell(NamedTuple):
    """A piece of a line."""

    text: str
    tone: Tone = "plain"


def printable(text: str) -> str:
    """The text with control, bidirectional and other invisible characters written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def as_text(value: Any) -> str:
    """JSON data in one line."""
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def quoted(value: Any) -> str:
    """The same, cut where it is long."""
    text = as_text(value)
    return text if len(text) <= 80 else text[:77] + "..."


def duration(seconds: float) -> str:
    """A span of time in its two largest units: 1 h 4 min."""
    rest, words = round(abs(seconds)), list[str]()
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count and len(words) < 2:
            words.append(f"{count:,} {unit}")
        elif words:
            break
    return " ".join(words) or "0 s"


def moment(seconds: float) -> str:
    """A time since 1970 UTC as a date."""
    if not 0 <= seconds <= _DATED:
        return "no date that can be written"
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def columns(
    rows: Iterable[Sequence[Cell]], paint: Paint, *, width: int | None, indent: int = 2
) -> list[str]:
    """Lines with aligned cells; the last cell is wrapped under itself if there is a width."""
    table = [[Cell(printable(cell.text), cell.tone) for cell in row] for row in rows]
    count = max((len(row) for row in table), default=0)
    widest = [
        max((len(row[n].text) for row in table if n < len(row) - 1), default=0)
        for n in range(count)
    ]
    lines: list[str] = []
    for row in table:
        line, used = " " * indent, indent
        for n, cell in enumerate(row[:-1]):
            line += paint(cell.text, cell.tone) + " " * (widest[n] - len(cell.text) + 2)
            used += widest[n] + 2
        last = row[-1]
        pieces = [last.text]
        if width is not None and width - used >= _NARROWEST:
            pieces = textwrap.wrap(last.text, width - used, break_on_hyphens=False) or [""]
        for n, piece in enumerate(pieces):
            start = line if n == 0 else " " * used
            lines.append((start + paint(piece, last.tone)).rstrip())
    return lines
