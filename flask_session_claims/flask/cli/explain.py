"""`flask session-claims explain`: what was done to one session, act by act."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.commands import own_sessions
from ...io.reports.commands.answers import help_of
from .ids import session_id as session_id_
from .output import as_json, tell_own


@click.command("explain", help=help_of(own_sessions.explain))
@click.argument("session_id", metavar="SID", callback=session_id_)
@as_json
@with_appcontext
def explain(session_id: str, json_: bool) -> None:
    tell_own(json_, lambda side, issuing: own_sessions.explain(side, issuing, session_id))
