"""The reports on own sessions and keys as lines for people. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .layout import Cell, Paint, Tone, as_text, duration, moment
from .ring import KeysChange, OwnKeyReport, OwnKeysReport
from .sessions import Explanation, FullReport, SessionReport, act_in_words, end_in_words
from .texts import Lines, Page

_STATES: Final[dict[str, Tone]] = {"signing": "good", "published": "plain", "retired": "dim"}
_PRIVATE: Final = {
    "locked": "locked",
    "discarded": "the private half was thrown away: it only verifies",
}
_LOCKED: Final = (
    "some keys are opened by no secret that is set; put the one before into SECRET_KEY_FALLBACKS"
    " and run keys rewrap, or if it is lost keys discard"
)


def sessions_lines(
    user_id: str, reports: Sequence[SessionReport], now: float, paint: Paint, width: int | None
) -> Lines:
    page = Page(paint, width)
    count = f"{len(reports)} live session" + ("" if len(reports) == 1 else "s")
    page.rows([[Cell(count, "good" if reports else "warn"), Cell(f"of {user_id}")]], indent=0)
    rows: list[list[Cell]] = []
    for report in reports:
        known = [text for text in (report.device, report.address, report.org_id) if text]
        seen = Cell(f"seen {_ago(report.last_seen_at, now)}")
        ends = Cell(f"ends in {duration(report.expires_at - now)}")
        rows.append([Cell(report.session_id, "head")])
        rows.append([Cell(""), seen, ends, Cell(", ".join(known))])
    page.rows(rows)
    return page.lines


def session_lines(report: FullReport, now: float, paint: Paint, width: int | None) -> Lines:
    page = Page(paint, width)
    page.rows([[Cell("live", "good"), Cell(report.session.session_id, "head")]], indent=0)
    _session(page, report, now)
    return page.lines


def _session(page: Page, report: FullReport, now: float) -> None:
    session = report.session
    page.heading("Session")
    kept = "outlive the browser's own session" if session.persistent else "end with the browser"
    rows = [
        ("user", session.user_id),
        ("signed in", _dated(session.created_at, now)),
        ("last seen", _dated(session.last_seen_at, now)),
        ("ends", f"{_dated(session.expires_at, now)}, unless it is refreshed"),
        ("at the latest", _dated(session.absolute_end, now)),
        ("cookies", kept),
        ("organisation", session.org_id),
        ("device", session.device),
        ("address", session.address),
        ("acts", session.actor),
    ]
    page.rows([[Cell(name), Cell(text)] for name, text in rows if text is not None])
    page.heading("Claims")
    claims = [[Cell(name), Cell(as_text(value))] for name, value in report.claims.items()]
    page.rows(claims or [[Cell("none", "dim")]])
    if report.data:
        page.heading("Server-only data (not shown)")
        page.rows([[Cell(name), Cell(f"{size:,} bytes")] for name, size in report.data.items()])


def explanation_lines(report: Explanation, paint: Paint, width: int | None) -> Lines:
    page = Page(paint, width)
    verdict = Cell("live", "good") if report.ended is None else Cell("ended", "warn")
    rows = [[verdict, Cell(report.session_id, "head")]]
    if report.ended is not None:
        rows.append([Cell("why"), Cell(end_in_words(report.ended))])
    page.rows(rows, indent=0)
    page.heading("Acts, the last one at the end")
    page.rows(
        [
            [
                Cell(moment(act.at), "dim"),
                Cell(_ago(act.at, report.now), "dim"),
                Cell(act_in_words(act), _TONES.get(act.act, "plain")),
            ]
            for act in report.acts
        ]
    )
    if report.session is not None:
        _session(page, report.session, report.now)
    return page.lines


_TONES: Final[dict[str, Tone]] = {
    "create": "good",
    "reuse": "bad",
    "revoke": "warn",
    "oversize": "warn",
}


def own_keys_lines(report: OwnKeysReport, paint: Paint, width: int | None) -> Lines:
    page = Page(paint, width)
    rows = [[Cell("from"), Cell(report.where)]]
    if report.wrapping is not None:
        rows.append([Cell("wrapped by"), Cell(f"the secret named {report.wrapping}")])
    if not report.keys:
        rows.append([Cell("none yet", "warn"), Cell("the first is made with the first sign-in")])
    if any(key.private == "locked" for key in report.keys):
        rows.append([Cell("locked", "bad"), Cell(_LOCKED)])
    page.rows(rows, indent=0)
    if report.keys:
        page.heading("Keys")
        page.rows([row for key in report.keys for row in _key(key, report)])
    return page.lines


def _key(key: OwnKeyReport, report: OwnKeysReport) -> list[list[Cell]]:
    """The line of a key, and what there is to say of it."""
    tone: Tone = _STATES[key.state]
    notes: list[str] = []
    if key.private == "given":
        notes.append("given, and not rotated")
    if key.since is not None:
        notes.append(f"since {moment(key.since)} ({_ago(key.since, report.now)})")
    if key.until is not None:
        word = "signs" if key.state == "published" else "until"
        notes.append(f"{word} {moment(key.until)} (in {duration(key.until - report.now)})")
    if key.wrapped_by not in (None, report.wrapping):
        notes.append(f"wrapped by {key.wrapped_by}")
    if key.private in _PRIVATE:
        notes.append(_PRIVATE[key.private])
        tone = "bad" if key.private == "locked" else tone
    if not key.used:
        notes.append("ALGORITHMS does not name it: its tokens are refused")
        tone = "bad"
    state = key.state if key.use == "session" else "static"
    return [
        [Cell(state, tone), Cell(key.algorithm), Cell(key.kid, "head")],
        [Cell(""), Cell(""), Cell("; ".join(notes))],
    ]


def change_lines(change: KeysChange, said: Sequence[str], paint: Paint, width: int | None) -> Lines:
    """What was done, the sentences `said` about it, and the keys as they are now."""
    page = Page(paint, width)
    rows: list[list[Cell]] = []
    done = (
        (Cell("new", "good"), change.added),
        (Cell("removed", "warn"), change.removed),
        (Cell("rewrapped", "good"), change.rewrapped),
        (Cell("discarded", "warn"), change.discarded),
    )
    for word, kids in done:
        rows += [[word, Cell(kid, "head")] for kid in kids]
    if change.is_none:
        rows.append([Cell("no change", "dim"), Cell(" ".join(said))])
    elif said:
        rows += [[Cell(""), Cell(text)] for text in said]
    page.rows(rows, indent=0)
    page.lines.append("")
    return [*page.lines, *own_keys_lines(change.report, paint, width)]


def _ago(then: float, now: float) -> str:
    return f"{duration(now - then)} ago" if then <= now else f"in {duration(then - now)}"


def _dated(then: float, now: float) -> str:
    return f"{moment(then)} ({_ago(then, now)})"
