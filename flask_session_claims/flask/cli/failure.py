"""A wrong setting met while a command loads the app: one line instead of a traceback."""

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
