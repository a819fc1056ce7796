"""`flask session-claims …`: one file a command, over the findings of `io.reports`.

Exit codes: 0 ok; 1 a verdict against (a refused token, an open route, keys or a store that cannot
be had, a session or a key that is not there); 2 the command or the configuration is wrong. A server
that never runs a command imports none.
"""

from __future__ import annotations

from importlib import import_module

import click
from flask.cli import AppGroup

#: Command -> the module that holds it under the same name; later parts add theirs.
commands: dict[str, str] = {
    name: f"{__name__}.{name}"
    for name in (
        *("config", "doctor", "explain", "inspect", "keys"),
        *("mint", "prune", "routes", "sessions", "template"),
    )
}


class _Commands(AppGroup):
    """Loads a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = commands.get(cmd_name)
        if home is None:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(home), cmd_name)
        return command


def command_group() -> AppGroup:
    """The group, with every command that is registered."""
    return _Commands("session-claims", help="Session claims: look, check, explain, change.")
