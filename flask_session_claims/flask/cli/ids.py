"""The ids that commands take. What is pasted here by mistake may be a secret: it is not quoted."""

from __future__ import annotations

import click

from ...sessions.tokens import is_session_id


def session_id(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The callback of a parameter that names a session.

    Raises:
        BadParameter: nothing could be a session's id like that.
    """
    if value is None or is_session_id(value):
        return value
    got = "a token, not an id" if "." in value else f"{len(value):,} characters"
    raise click.BadParameter(
        f"got {got}; write a session's id, sess_ and 32 characters after it (sessions list USER_ID"
        " shows those of a user; in a token it is the claim sid).",
        ctx,
        param,
    )
