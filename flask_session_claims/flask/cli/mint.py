"""`flask session-claims mint`: a session token of a live session, for trying things out."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.commands import options, own_sessions
from ...io.reports.commands.answers import help_of
from ...sessions.limits import TOKEN_LIFETIMES
from .ids import session_id as session_id_
from .output import as_json, tell_own


@click.command("mint", help=help_of(own_sessions.mint))
@click.argument("session_id", metavar="SID", callback=session_id_)
@click.option(
    "--lifetime",
    metavar="SECONDS",
    type=click.FloatRange(*TOKEN_LIFETIMES),
    help=options.LIFETIME,
)
@as_json
@with_appcontext
def mint(session_id: str, lifetime: float | None, json_: bool) -> None:
    tell_own(
        json_,
        lambda side, issuing: own_sessions.mint(side, issuing, session_id, lifetime=lifetime),
    )
