"""`flask session-claims prune`: forget what has been over for a day."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...io.reports.layout import Cell, columns
from .failure import told
from .output import as_json, own_issuing, show


@click.command("prune")
@as_json
@with_appcontext
def prune(json_: bool) -> None:
    """Delete the records of sessions that ended more than a day ago.

    Nothing else does it: let a timer run it each day or hour. Any time is good, and so are
    several at once.
    """
    issuing = own_issuing()
    with told():
        deleted = issuing.sessions.prune()
    count = f"{deleted:,} record" + ("" if deleted == 1 else "s")
    rows = [[Cell("deleted", "good"), Cell(count)]]
    if not deleted:
        rows = [[Cell("nothing to delete", "dim"), Cell("no session ended more than a day ago")]]
    show(
        json_,
        {"deleted": deleted},
        lambda paint, width: columns(rows, paint, width=width, indent=0),
    )
