"""`flask session-claims doctor`: what is wrong, and what might be."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import with_appcontext

from ...io.reports.commands import look
from ...io.reports.commands.answers import help_of
from .output import as_json, tell


@click.command("doctor", help=help_of(look.doctor))
@as_json
@with_appcontext
def doctor(json_: bool) -> None:
    with current_app.test_request_context():  # the refresh endpoint is looked for
        tell(json_, look.doctor)
