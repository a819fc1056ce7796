"""`flask session-claims keys`: the keys at hand, from where, how fresh."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.keys import keys_report
from ...io.reports.texts import keys_lines
from .output import as_json, reading, show, verdict_against


@click.command("keys")
@click.option("--fetch", is_flag=True, help="Fetch the key set if it is not at hand.")
@as_json
@with_appcontext
def keys(fetch: bool, json_: bool) -> None:
    """Show the keys that verify tokens.

    A command is a process of its own: what a running server has cached is not seen here.

    Exits with 1 if the key set cannot be fetched.
    """
    report = keys_report(reading().verifier, fetch=fetch)
    show(json_, report.as_json(), lambda paint, width: keys_lines(report, paint, width))
    if report.problem is not None:
        verdict_against()
