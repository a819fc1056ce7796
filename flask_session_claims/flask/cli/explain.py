"""`flask session-claims explain`: what was done to one session, act by act."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.issuer_texts import explanation_lines
from ...io.reports.own import absence, now_of
from ...io.reports.sessions import explanation
from .failure import stop, told
from .ids import session_id as session_id_
from .output import as_json, own_issuing, reading, show


@click.command("explain")
@click.argument("session_id", metavar="SID", callback=session_id_)
@as_json
@with_appcontext
def explain(session_id: str, json_: bool) -> None:
    """Tell what was done to the session SID: its last 50 acts, and how it stands.

    A session is known until a day after its end. Refused tokens are not among the acts; the log
    has those.

    Exits with 1 if nothing is known of it.
    """
    issuing = own_issuing()
    with told():
        acts = issuing.sessions.journal(session_id)
        session = issuing.sessions.get(session_id)
        if acts is None:
            hint = absence(issuing) or "there never was one, or it ended more than a day ago"
            raise stop(f"nothing is known of a session {session_id}; {hint}.", 1)
    report = explanation(session_id, session, acts, now_of(reading()))
    show(json_, report.as_json(), lambda paint, width: explanation_lines(report, paint, width))
