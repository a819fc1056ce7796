"""`flask session-claims sessions …`: list, show and revoke the app's own sessions."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.issuing import Issuing
from ...io.reports.issuer_texts import session_lines, sessions_lines
from ...io.reports.layout import Cell, columns
from ...io.reports.own import absence, now_of
from ...io.reports.sessions import full_report, session_report
from .failure import stop, told
from .ids import session_id as session_id_
from .output import as_json, own_issuing, reading, show


@click.group("sessions")
def sessions() -> None:
    """List, show and revoke sessions of this app's own."""


@sessions.command("list")
@click.argument("user_id", required=False)
@click.option("--user", metavar="USER_ID", help="The same as the argument.")
@as_json
@with_appcontext
def list_(user_id: str | None, user: str | None, json_: bool) -> None:
    """List the live sessions of the user USER_ID, the one used last first."""
    issuing = own_issuing()
    wanted = user_id if user_id is not None else user
    if wanted is None or (user is not None and user_id not in (None, user)):
        raise click.UsageError("name one user: sessions list USER_ID.")
    with told():
        reports = [session_report(each) for each in issuing.sessions.list_for_user(wanted)]
        hint = None if reports else absence(issuing)
    now = now_of(reading())
    show(
        json_,
        {"user_id": wanted, "sessions": [report.as_json() for report in reports]},
        lambda paint, width: [
            *sessions_lines(wanted, reports, now, paint, width),
            *columns([[Cell(hint, "dim")]] if hint else [], paint, width=width),
        ],
    )


@sessions.command("show")
@click.argument("session_id", metavar="SID", callback=session_id_)
@as_json
@with_appcontext
def show_(session_id: str, json_: bool) -> None:
    """Show the live session SID with its claims.

    Of its server-only data names and sizes are shown.

    Exits with 1 if there is no such session, or it has ended.
    """
    issuing = own_issuing()
    with told():
        session = issuing.sessions.get(session_id)
    if session is None:
        raise not_live(issuing, session_id)
    report, now = full_report(session), now_of(reading())
    show(json_, report.as_json(), lambda paint, width: session_lines(report, now, paint, width))


@sessions.command("revoke")
@click.argument("session_id", metavar="[SID]", callback=session_id_, required=False)
@click.option("--user", metavar="USER_ID", help="End all sessions of this user.")
@click.option("--keep", metavar="SID", callback=session_id_, help="All but this one.")
@as_json
@with_appcontext
def revoke(session_id: str | None, user: str | None, keep: str | None, json_: bool) -> None:
    """End the session SID, or all sessions of a user. Their next request is signed out.

    Exits with 1 if SID is not live.
    """
    issuing = own_issuing()
    if (session_id is None) == (user is None):
        raise click.UsageError("name what ends: revoke SID, or revoke --user USER_ID.")
    if keep is not None and user is None:
        raise click.UsageError("--keep goes with --user.")
    ended: tuple[str, ...] = ()
    with told():
        if user is not None:
            ended = issuing.sessions.revoke_all(user, keep=keep)
        elif session_id is not None and issuing.sessions.revoke(session_id):
            ended = (session_id,)
    if session_id is not None and not ended:
        raise not_live(issuing, session_id)
    rows = [[Cell("ended", "good"), Cell(each, "head")] for each in ended]
    if not rows:
        which = "no live session" if keep is None else "no other live session"
        rows = [[Cell("no change", "warn"), Cell(f"{user} has {which}")]]
    show(
        json_,
        {"revoked": list(ended)},
        lambda paint, width: columns(rows, paint, width=width, indent=0),
    )


def not_live(issuing: Issuing, session_id: str) -> click.ClickException:
    """What ends a command that is about a session which is not there."""
    with told():
        hint = absence(issuing) or f"explain {session_id} tells of one that ended within a day"
    return stop(f"no live session has the id {session_id}; {hint}.", 1)
