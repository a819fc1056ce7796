"""`flask session-claims …`: the commands, open for those of later parts."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from ..io.doctor import checks


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Check the configuration; exits with 1 if something is wrong."""
    reading = current_app.extensions["session_claims"]
    findings = [finding for check in checks for finding in check(reading)]
    for finding in findings:
        click.echo(f"{finding.level:8} {finding.text}")
    if any(finding.level == "error" for finding in findings):
        raise SystemExit(1)


#: The commands of the group; later parts append theirs.
commands: list[click.Command] = [doctor]


def command_group() -> AppGroup:
    """The group, with every command that is registered."""
    group = AppGroup("session-claims", help="Session claims: look, check, explain.")
    for command in commands:
        group.add_command(command)
    return group
