"""`flask session-claims prune`: forget what has been over for a day."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.commands import own_sessions
from ...io.reports.commands.answers import help_of
from .output import as_json, tell_own


@click.command("prune", help=help_of(own_sessions.prune))
@as_json
@with_appcontext
def prune(json_: bool) -> None:
    tell_own(json_, own_sessions.prune)
