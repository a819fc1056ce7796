"""Saved templates, what is wrong with one, and what one gives: as data, and as lines for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...sessions.savedrecords import SavedTemplate
from ...sessions.templates.codereads import Missing
from ...sessions.templates.faults import Problem
from ...sessions.templates.rendering import Preview
from .layout import Cell, Paint, as_text, columns, duration, moment, printable
from .texts import Lines, Page

#: What people call the template that has no name.
OWN: str = "session token"


@dataclass(frozen=True, slots=True)
class Unread:
    """A read of a claim that nobody gives, and the file it stands in."""

    file: str
    missing: Missing

    def as_json(self) -> dict[str, Any]:
        return {"file": self.file, **asdict(self.missing.read), "meant": self.missing.meant}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What was found in a template, for a user perhaps, and in code."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    names: tuple[str, ...] = ()
    preview: Preview | None = None
    #: None: no code was looked at.
    unread: tuple[Unread, ...] | None = None

    @property
    def ok(self) -> bool:
        refused = self.preview is not None and self.preview.refusal is not None
        return not (self.problems or refused or self.unread)

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "problems": problems_json(self.problems),
            "notes": problems_json(self.notes),
            "names": list(self.names),
            "preview": None if self.preview is None else _preview_json(self.preview),
            "reads": None if self.unread is None else [each.as_json() for each in self.unread],
        }


def _preview_json(preview: Preview) -> dict[str, Any]:
    refusal = preview.refusal
    return {
        "claims": preview.claims,
        "refused": None if refusal is None else {"code": refusal.code, "why": refusal.message},
        "size": preview.size,
        "most": preview.most,
        "sizes": dict(preview.sizes),
        "missing": list(preview.missing),
    }


def problems_json(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [asdict(problem) for problem in problems]


def saved_json(saved: SavedTemplate, *, text: bool = False) -> dict[str, Any]:
    options = saved.options
    return {
        "name": saved.name,
        "version": saved.version,
        "author": saved.author,
        "saved_at": saved.saved_at,
        "options": None if options is None else asdict(options),
        **({"text": saved.text} if text else {}),
    }


# --- lines --------------------------------------------------------------------------------


def label(name: str | None) -> str:
    return OWN if name is None else name


def source_lines(text: str) -> Lines:
    """Source text for a terminal; to a reader of JSON it says the same as before."""
    # Control characters stand outside its strings only, others within.
    return [printable(line.rstrip("\r").expandtabs()) for line in text.rstrip().split("\n")]


def claims_lines(claims: Mapping[str, Any]) -> Lines:
    """Claims as indented JSON."""
    return source_lines(json.dumps(claims, indent=2, ensure_ascii=False))


def saved_lines(saved: SavedTemplate, now: float, paint: Paint, width: int | None) -> Lines:
    page = Page(paint, width)
    rows = [
        [Cell(label(saved.name), "head"), Cell(f"version {saved.version}")],
        [Cell("saved"), Cell(f"{moment(saved.saved_at)}{_by(saved)}, {_ago(saved, now)}")],
    ]
    if saved.options is not None:
        rows.append([Cell("tokens"), Cell(_options(saved))])
    page.rows(rows, indent=0)
    return [*page.lines, "", *source_lines(saved.text)]


def listed_lines(
    listed: Sequence[SavedTemplate], now: float, paint: Paint, width: int | None
) -> Lines:
    page = Page(paint, width)
    count = f"{len(listed)} template" + ("" if len(listed) == 1 else "s")
    page.rows([[Cell(count, "good" if listed else "warn")]], indent=0)
    page.rows(
        [
            [
                Cell(label(saved.name), "head"),
                Cell(f"version {saved.version}"),
                Cell(f"saved {_ago(saved, now)}{_by(saved)}"),
                Cell("" if saved.options is None else _options(saved)),
            ]
            for saved in listed
        ]
    )
    return page.lines


def _by(saved: SavedTemplate) -> str:
    return f" by {saved.author}" if saved.author is not None else ""


def _ago(saved: SavedTemplate, now: float) -> str:
    return f"{duration(now - saved.saved_at)} ago"


def _options(saved: SavedTemplate) -> str:
    options = saved.options
    if options is None:
        return ""
    aud = options.aud
    parties = "anybody" if aud is None else aud if isinstance(aud, str) else ", ".join(aud)
    return f"live {duration(options.lifetime)}, dated back {duration(options.skew)}, for {parties}"


def problem_rows(problems: Sequence[Problem], notes: Sequence[Problem]) -> list[list[Cell]]:
    return [
        *([Cell("problem", "bad"), Cell(str(problem))] for problem in problems),
        *([Cell("note", "warn"), Cell(str(note))] for note in notes),
    ]


def problem_lines(problems: Sequence[Problem], paint: Paint, width: int | None) -> Lines:
    return columns(problem_rows(problems, ()), paint, width=width, indent=0)


def check_lines(report: CheckReport, paint: Paint, width: int | None) -> Lines:
    page = Page(paint, width)
    rows = problem_rows(report.problems, report.notes)
    if not report.problems:
        names = ", ".join(report.names) or "no claims"
        rows.insert(0, [Cell("template", "good"), Cell(f"gives {names}")])
    if report.unread is not None and not report.unread and not report.problems:
        rows.append([Cell("code", "good"), Cell("reads no claim that nobody gives")])
    rows += [
        [Cell("code", "bad"), Cell(f"{each.file}: {each.missing}")] for each in report.unread or ()
    ]
    page.rows(rows, indent=0)
    if report.preview is not None:
        _preview(page, report.preview)
    return page.lines


def _preview(page: Page, preview: Preview) -> None:
    total = f"{preview.size:,} of {preview.most:,} bytes"
    page.heading(f"Claims ({total})")
    if preview.refusal is not None:
        page.rows([[Cell("refused", "bad"), Cell(preview.refusal.message)]])
    values: Mapping[str, Any] = preview.claims or {}
    page.rows(
        [
            [
                Cell(name),
                Cell(f"{size:,} bytes", "dim"),
                Cell(as_text(values[name]) if name in values else ""),
            ]
            for name, size in preview.sizes.items()
        ]
        or [[Cell("none", "dim")]]
    )
    if preview.missing:
        page.heading("Look-ups that found nothing")
        page.rows([[Cell(name, "warn")] for name in preview.missing])
