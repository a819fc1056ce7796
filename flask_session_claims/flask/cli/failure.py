"""Errors met while an app is loaded for a command: a line and an exit code, no traceback."""

from __future__ import annotations

import click

from ...core.errors import ConfigurationError


class _Shown(ConfigurationError, click.ClickException):  # type: ignore[misc]  # message is both's
    exit_code = 2


def for_terminal(error: ConfigurationError) -> ConfigurationError:
    """The error; while a click command runs, one that it ends in as a line and exit code 2."""
    if click.get_current_context(silent=True) is None:
        return error
    return _Shown(error.message)


def is_for_a_command(error: ConfigurationError) -> bool:
    """Whether the app starts in spite of it, for a command of its own that may be the cure.

    Keys that cannot be opened stop every server, `flask run` too. Nothing is signed with them
    here either: what needs them ends in the same error.
    """
    context = click.get_current_context(silent=True)
    # Flask's own commands have a context by now; an app's are only known once it is loaded.
    is_looked_up = context is not None and isinstance(context.command, click.Group)
    return is_looked_up and error.code == "keyring-locked"
