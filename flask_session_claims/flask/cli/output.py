"""Printing: colours where a person looks, plain text in pipes, JSON for machines."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn, TypeVar

import click
from flask import current_app

from ...io.issuing import Issuing
from ...io.reading import Reading
from ...io.reports.layout import Paint, Tone
from ..issuing import issuing_of
from .failure import told

Function = TypeVar("Function", bound=Callable[..., Any])

_STYLES: Final[dict[Tone, dict[str, Any]]] = {
    "plain": {},
    "dim": {"dim": True},
    "head": {"bold": True},
    "good": {"fg": "green"},
    "warn": {"fg": "yellow"},
    "bad": {"fg": "red", "bold": True},
}


def as_json(command: Function) -> Function:
    """The option that every command has."""
    text = "Print one JSON object, for machines."
    return click.option("--json", "json_", is_flag=True, help=text)(command)


def reading() -> Reading:
    """The reading side of the app; a usage error if it has none."""
    found = current_app.extensions.get("session_claims")
    if not isinstance(found, Reading):
        raise click.UsageError(
            "this app has no SessionClaims; write SessionClaims(app), or init_app(app)."
        )
    return found


def own_issuing() -> Issuing:
    """The app's own issuer; where the sessions are another issuer's, that is said and all."""
    with told():
        return issuing_of(reading())


def paint(text: str, tone: Tone) -> str:
    """The text in its tone; whether colours are printed at all is `say`'s business."""
    style = _STYLES[tone]
    return click.style(text, **style) if style and text else text


def width() -> int | None:
    """The columns of the terminal; None where nobody looks, so that no line is broken."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def colours() -> bool | None:
    """False: none; None: as the output allows (https://no-color.org)."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return False if plain else None


def say(lines: Iterable[str]) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    for line in lines:
        # A terminal of few characters gets the others written out.
        click.echo(line.encode(encoding, "backslashreplace").decode(encoding), color=colours())


def show(
    json_: bool, data: dict[str, Any], lines: Callable[[Paint, int | None], list[str]]
) -> None:
    """Print a report one way or the other."""
    if json_:
        click.echo(json.dumps(data, indent=2, default=str))
    else:
        say(lines(paint, width()))


def verdict_against() -> NoReturn:
    raise click.exceptions.Exit(1)
