"""What a command comes to: an answer, or one line and an exit code.

Exit codes: 0 ok; 1 a verdict against (a refused token, keys or a store that cannot be had, a
session or a key that is not there); 2 the command or the configuration is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import getdoc
from typing import Any, Literal

from ....core.errors import ConfigurationError, SessionClaimsError
from ..layout import Cell, Paint, columns


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found or did."""

    #: For machines: one JSON object.
    data: dict[str, Any]
    #: For people, at a width (None: no line is broken).
    lines: Callable[[Paint, int | None], list[str]]
    #: 1: the verdict is against what was asked about.
    exit_code: Literal[0, 1] = 0


class Ended(Exception):
    """What ends a command instead, in the one line of its message."""

    def __init__(self, message: str, exit_code: Literal[1, 2]) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class Misused(Ended):
    """The command was called wrongly."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 2)


@contextmanager
def told() -> Generator[None]:
    """What goes wrong with settings, store or session ends the command in one line."""
    try:
        yield
    except SessionClaimsError as error:
        if isinstance(error, ConfigurationError):
            raise Ended(error.message, 2) from None
        raise Ended(f"{error.message} ({error.code})", 1) from None


def rows_answer(
    data: dict[str, Any], rows: Sequence[Sequence[Cell]], code: Literal[0, 1] = 0
) -> Answer:
    """An answer whose lines are columns from the left edge."""
    return Answer(data, lambda paint, width: columns(rows, paint, width=width, indent=0), code)


def help_of(command: Callable[..., object]) -> str:
    """The help of a command; its first paragraph stands alone."""
    return getdoc(command) or ""
