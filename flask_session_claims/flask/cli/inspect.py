"""`flask session-claims inspect`: one token, what it says and what the app makes of it."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.commands import given, look
from ...io.reports.commands.answers import help_of
from .output import as_json, tell


@click.command("inspect", help=help_of(look.inspect))
@click.argument("token", nargs=-1)
@as_json
@with_appcontext
def inspect(token: tuple[str, ...], json_: bool) -> None:
    tell(json_, lambda side: look.inspect(side, given.token(token)))
