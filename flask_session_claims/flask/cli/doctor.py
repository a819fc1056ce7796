"""`flask session-claims doctor`: what is wrong, and what might be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import click
from flask import current_app
from flask.cli import with_appcontext

from ...core.errors import ConfigurationError
from ...io.doctor import Finding, examine
from ...io.reading import Reading
from ...io.reports.layout import Cell, Tone, columns
from ..issuing import refresh_path
from .failure import told
from .output import as_json, reading, show, verdict_against

_TONES: Final[dict[str, Tone]] = {"ok": "good", "warning": "warn", "error": "bad"}


@click.command("doctor")
@as_json
@with_appcontext
def doctor(json_: bool) -> None:
    """Check the configuration, and fetch the keys, or open the store.

    Exits with 1 if something is wrong.
    """
    side = reading()
    with told():
        findings = [*examine(side), *_endpoint(side)]
    sound = all(finding.level != "error" for finding in findings)
    rows = [[Cell(each.level, _TONES[each.level]), Cell(each.text)] for each in findings]
    show(
        json_,
        {"ok": sound, "findings": [each._asdict() for each in findings]},
        lambda paint, width: columns(rows, paint, width=width, indent=0),
    )
    if not sound:
        verdict_against()


def _endpoint(side: Reading) -> Iterable[Finding]:
    """Whether scripts find the refresh endpoint, where they are the ones to refresh."""
    if side.issuing is None or side.issuing.settings.refresh_mode != "endpoint":
        return
    try:
        with current_app.test_request_context():
            yield Finding("ok", f"the refresh endpoint is {refresh_path()}")
    except ConfigurationError as error:
        yield Finding("error", error.message)
