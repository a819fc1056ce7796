"""`flask session-claims mint`: a session token of a live session, for trying things out."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...core.errors import SessionError
from ...sessions.limits import TOKEN_LIFETIMES
from .failure import told
from .ids import session_id as session_id_
from .output import as_json, own_issuing, show
from .sessions import not_live


@click.command("mint")
@click.argument("session_id", metavar="SID", callback=session_id_)
@click.option(
    "--lifetime",
    metavar="SECONDS",
    type=click.FloatRange(*TOKEN_LIFETIMES),
    help="5 to 3600; without it: SESSION_TOKEN_LIFETIME. It never outlives the session.",
)
@as_json
@with_appcontext
def mint(session_id: str, lifetime: float | None, json_: bool) -> None:
    """Print a session token of the live session SID, and nothing else.

    Who has it is signed in as that user until it ends: mind where it goes.

    Exits with 1 if there is no such session, or it has ended.
    """
    issuing = own_issuing()
    with told():
        try:
            token = issuing.sessions.mint(session_id, lifetime=lifetime)
        except SessionError as error:
            if error.code != "session-unknown":
                raise
            raise not_live(issuing, session_id) from None
    show(json_, {"token": token}, lambda paint, width: [token])
