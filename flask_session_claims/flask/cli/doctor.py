"""`flask session-claims doctor`: what is wrong, and what might be."""

from __future__ import annotations

from typing import Final

import click
from flask.cli import with_appcontext

from ...io.doctor import examine
from ...io.reports.layout import Cell, Tone, columns
from .output import as_json, reading, show, verdict_against

_TONES: Final[dict[str, Tone]] = {"ok": "good", "warning": "warn", "error": "bad"}


@click.command("doctor")
@as_json
@with_appcontext
def doctor(json_: bool) -> None:
    """Check the configuration, and fetch the keys.

    Exits with 1 if something is wrong.
    """
    findings = examine(reading())
    sound = all(finding.level != "error" for finding in findings)
    rows = [[Cell(each.level, _TONES[each.level]), Cell(each.text)] for each in findings]
    show(
        json_,
        {"ok": sound, "findings": [each._asdict() for each in findings]},
        lambda paint, width: columns(rows, paint, width=width, indent=0),
    )
    if not sound:
        verdict_against()
