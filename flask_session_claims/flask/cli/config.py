"""`flask session-claims config`: every setting, and where its value came from."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.config import SettingReport, config_report
from ...io.reports.texts import config_lines
from .failure import told
from .output import as_json, reading, show


@click.command("config")
@as_json
@with_appcontext
def config(json_: bool) -> None:
    """Show every setting and where its value came from.

    Keys and secrets are not shown, nor is what stands in an address as user, password or query.
    """
    with told():
        report = config_report(reading())
    show(json_, report.as_json(), lambda paint, width: config_lines(report, _place, paint, width))


def _place(setting: SettingReport) -> str:
    found_as = setting.found_as or ""
    if setting.source == "keyword":
        return f"SessionClaims({found_as}=…)"
    if setting.source == "config":
        return "app.config" if found_as == setting.name else f"app.config {found_as}"
    return "default" if setting.source == "default" else f"environment {found_as}"
