"""The ids that commands take."""

from __future__ import annotations

import click

from ...io.reports.commands import given
from ...io.reports.commands.answers import Misused


def session_id(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The callback of a parameter that names a session.

    Raises:
        BadParameter: nothing could be a session's id like that.
    """
    try:
        return value if value is None else given.session_id(value)
    except Misused as error:
        raise click.BadParameter(error.message, ctx, param) from None
