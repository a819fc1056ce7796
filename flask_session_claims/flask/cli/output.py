"""What the commands tell, printed by click; what ends them, as one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from flask import current_app

from ...io.issuing import Issuing
from ...io.reading import Reading
from ...io.reports.commands import options
from ...io.reports.commands.answers import Answer, Ended, Misused, told
from ...io.reports.commands.terminal import ansi, as_text, is_plain, spelled, width
from ..side import issuing_of

Function = TypeVar("Function", bound=Callable[..., Any])


class _Wrong(click.ClickException):
    exit_code = 2


def as_json(command: Function) -> Function:
    """The option that every command has."""
    return click.option("--json", "json_", is_flag=True, help=options.AS_JSON)(command)


def reading() -> Reading:
    """The reading side of the app; a usage error if it has none."""
    found = current_app.extensions.get("session_claims")
    if not isinstance(found, Reading):
        raise click.UsageError(
            "this app has no SessionClaims; write SessionClaims(app), or init_app(app)."
        )
    return found


def tell(json_: bool, command: Callable[[Reading], Answer]) -> None:
    """Print the answer of a command."""
    with _ending():
        answer = command(reading())
    show(json_, answer)


def tell_own(json_: bool, command: Callable[[Reading, Issuing], Answer]) -> None:
    """The same for one on the app's own issuer; sessions of another issuer's are said to be so."""
    with _ending():
        side = reading()
        with told():
            issuing = issuing_of(side)
        answer = command(side, issuing)
    show(json_, answer)


def show(json_: bool, answer: Answer) -> None:
    """Print it one way or the other; a verdict against ends the command."""
    if json_:
        click.echo(as_text(answer.data))
    else:
        encoding = getattr(sys.stdout, "encoding", None)
        for line in answer.lines(ansi, width(sys.stdout.isatty())):
            # Where nobody looks, click leaves the colours out.
            click.echo(spelled(line, encoding), color=False if is_plain() else None)
    if answer.exit_code:
        raise click.exceptions.Exit(answer.exit_code)


@contextmanager
def _ending() -> Generator[None]:
    try:
        yield
    except Misused as error:
        raise click.UsageError(error.message) from None
    except Ended as error:
        wrong = _Wrong if error.exit_code == 2 else click.ClickException
        raise wrong(error.message) from None
