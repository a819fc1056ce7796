"""Printing: colours where a person looks, plain text in pipes, JSON for machines."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any, Final

from ..layout import Tone

_CODES: Final[dict[Tone, str]] = {
    "plain": "",
    "dim": "\x1b[2m",
    "head": "\x1b[1m",
    "good": "\x1b[32m",
    "warn": "\x1b[33m",
    "bad": "\x1b[31m\x1b[1m",
}


def ansi(text: str, tone: Tone) -> str:
    """The text in its tone, for a terminal."""
    code = _CODES[tone]
    return f"{code}{text}\x1b[0m" if code and text else text


def plain(text: str, tone: Tone) -> str:
    """The text, for a pipe."""
    return text


def width(is_seen: bool) -> int | None:
    """The columns of the terminal; None where nobody looks, so that no line is broken."""
    return shutil.get_terminal_size().columns if is_seen else None


def is_plain() -> bool:
    """Whether the person wants no colours (https://no-color.org), or the terminal has none."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def as_text(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, default=str)


def spelled(line: str, encoding: str | None) -> str:
    """The line; a terminal of few characters gets the others written out."""
    encoding = encoding or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)
