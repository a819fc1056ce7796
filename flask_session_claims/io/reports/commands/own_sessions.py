"""Commands on the sessions of an app that is its own issuer."""

from __future__ import annotations

from ....core.errors import SessionError
from ....sessions.limits import TOKEN_LIFETIMES
from ...issuing import Issuing
from ...reading import Reading
from ..issuer_texts import explanation_lines, session_lines, sessions_lines
from ..layout import Cell, columns
from ..own import absence, now_of
from ..sessions import explanation, full_report, session_report
from .answers import Answer, Ended, Misused, rows_answer, told


def listed(side: Reading, issuing: Issuing, user_id: str) -> Answer:
    """List the live sessions of the user USER_ID, the one used last first."""
    with told():
        reports = [session_report(each) for each in issuing.sessions.list_for_user(user_id)]
        hint = None if reports else absence(issuing)
    now = now_of(side)
    return Answer(
        {"user_id": user_id, "sessions": [report.as_json() for report in reports]},
        lambda paint, width: [
            *sessions_lines(user_id, reports, now, paint, width),
            *columns([[Cell(hint, "dim")]] if hint else [], paint, width=width),
        ],
    )


def shown(side: Reading, issuing: Issuing, session_id: str) -> Answer:
    """Show the live session SID with its claims.

    Of its server-only data names and sizes are shown.

    Exits with 1 if there is no such session, or it has ended.
    """
    with told():
        session = issuing.sessions.get(session_id)
    if session is None:
        raise _not_live(issuing, session_id)
    report, now = full_report(session), now_of(side)
    return Answer(report.as_json(), lambda paint, width: session_lines(report, now, paint, width))


def revoke(
    side: Reading, issuing: Issuing, session_id: str | None, *, user: str | None, keep: str | None
) -> Answer:
    """End the session SID, or all sessions of a user. Their next request is signed out.

    Exits with 1 if SID is not live.
    """
    if (session_id is None) == (user is None):
        raise Misused("name what ends: revoke SID, or revoke --user USER_ID.")
    if keep is not None and user is None:
        raise Misused("--keep goes with --user.")
    ended: tuple[str, ...] = ()
    with told():
        if user is not None:
            ended = issuing.sessions.revoke_all(user, keep=keep)
        elif session_id is not None and issuing.sessions.revoke(session_id):
            ended = (session_id,)
    if session_id is not None and not ended:
        raise _not_live(issuing, session_id)
    rows = [[Cell("ended", "good"), Cell(each, "head")] for each in ended]
    if not rows:
        which = "no live session" if keep is None else "no other live session"
        rows = [[Cell("no change", "warn"), Cell(f"{user} has {which}")]]
    return rows_answer({"revoked": list(ended)}, rows)


def explain(side: Reading, issuing: Issuing, session_id: str) -> Answer:
    """Tell what was done to the session SID: its last 50 acts, and how it stands.

    A session is known until a day after its end. Refused tokens are not among the acts; the log
    has those.

    Exits with 1 if nothing is known of it.
    """
    with told():
        acts = issuing.sessions.journal(session_id)
        session = issuing.sessions.get(session_id)
        if acts is None:
            hint = absence(issuing) or "there never was one, or it ended more than a day ago"
            raise Ended(f"nothing is known of a session {session_id}; {hint}.", 1)
    report = explanation(session_id, session, acts, now_of(side))
    return Answer(report.as_json(), lambda paint, width: explanation_lines(report, paint, width))


def mint(side: Reading, issuing: Issuing, session_id: str, *, lifetime: float | None) -> Answer:
    """Print a session token of the live session SID, and nothing else.

    Who has it is signed in as that user until it ends: mind where it goes.

    Exits with 1 if there is no such session, or it has ended.
    """
    least, most = TOKEN_LIFETIMES
    if lifetime is not None and not least <= lifetime <= most:
        raise Misused(f"--lifetime got {lifetime:g}; give seconds, {least} to {most}.")
    with told():
        try:
            token = issuing.sessions.mint(session_id, lifetime=lifetime)
        except SessionError as error:
            if error.code != "session-unknown":
                raise
            raise _not_live(issuing, session_id) from None
    return Answer({"token": token}, lambda paint, width: [token])


def prune(side: Reading, issuing: Issuing) -> Answer:
    """Delete the records of sessions that ended more than a day ago.

    Nothing else does it: let a timer run it each day or hour. Any time is good, and so are
    several at once.
    """
    with told():
        deleted = issuing.sessions.prune()
    rows = [[Cell("nothing to delete", "dim"), Cell("no session ended more than a day ago")]]
    if deleted:
        count = f"{deleted:,} record" + ("" if deleted == 1 else "s")
        rows = [[Cell("deleted", "good"), Cell(count)]]
    return rows_answer({"deleted": deleted}, rows)


def _not_live(issuing: Issuing, session_id: str) -> Ended:
    """What ends a command that is about a session which is not there."""
    with told():
        hint = absence(issuing) or f"explain {session_id} tells of one that ended within a day"
    return Ended(f"no live session has the id {session_id}; {hint}.", 1)
