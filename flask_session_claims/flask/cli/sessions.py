"""`flask session-claims sessions …`: list, show and revoke the app's own sessions."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.commands import given, options, own_sessions
from ...io.reports.commands.answers import help_of
from .ids import session_id as session_id_
from .output import as_json, tell_own


@click.group("sessions", help=options.SESSIONS)
def sessions() -> None:
    pass


@sessions.command("list", help=help_of(own_sessions.listed))
@click.argument("user_id", required=False)
@click.option("--user", metavar="USER_ID", help=options.ONE_USER)
@as_json
@with_appcontext
def list_(user_id: str | None, user: str | None, json_: bool) -> None:
    tell_own(
        json_,
        lambda side, issuing: own_sessions.listed(side, issuing, given.one_user(user_id, user)),
    )


@sessions.command("show", help=help_of(own_sessions.shown))
@click.argument("session_id", metavar="SID", callback=session_id_)
@as_json
@with_appcontext
def show_(session_id: str, json_: bool) -> None:
    tell_own(json_, lambda side, issuing: own_sessions.shown(side, issuing, session_id))


@sessions.command("revoke", help=help_of(own_sessions.revoke))
@click.argument("session_id", metavar="[SID]", callback=session_id_, required=False)
@click.option("--user", metavar="USER_ID", help=options.USERS_ALL)
@click.option("--keep", metavar="SID", callback=session_id_, help=options.KEEP)
@as_json
@with_appcontext
def revoke(session_id: str | None, user: str | None, keep: str | None, json_: bool) -> None:
    tell_own(
        json_,
        lambda side, issuing: own_sessions.revoke(side, issuing, session_id, user=user, keep=keep),
    )
