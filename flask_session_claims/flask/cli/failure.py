"""Errors met while a command runs: one line and an exit code instead of a traceback."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

import click

from ...core.errors import ConfigurationError, SessionClaimsError


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


class _Wrong(click.ClickException):
    exit_code = 2


def stop(message: str, code: Literal[1, 2]) -> click.ClickException:
    """What ends a command with that line and that exit code."""
    return _Wrong(message) if code == 2 else click.ClickException(message)


@contextmanager
def told() -> Generator[None]:
    """What goes wrong with settings, store or session ends the command in one line.

    Exit code 2: the command or the configuration is wrong; 1: everything else.
    """
    try:
        yield
    except SessionClaimsError as error:
        if isinstance(error, ConfigurationError):
            raise stop(error.message, 2) from None
        raise stop(f"{error.message} ({error.code})", 1) from None
