"""`flask session-claims config`: every setting, and where its value came from."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.commands import look
from ...io.reports.commands.answers import help_of
from ...io.reports.config import SettingReport
from .output import as_json, tell


@click.command("config", help=help_of(look.config))
@as_json
@with_appcontext
def config(json_: bool) -> None:
    tell(json_, lambda side: look.config(side, _place))


def _place(setting: SettingReport) -> str:
    found_as = setting.found_as or ""
    if setting.source == "keyword":
        return f"SessionClaims({found_as}=…)"
    if setting.source == "config":
        return "app.config" if found_as == setting.name else f"app.config {found_as}"
    return "default" if setting.source == "default" else f"environment {found_as}"
