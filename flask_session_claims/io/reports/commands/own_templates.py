"""Commands on the templates of an app that is its own issuer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from ....sessions.saved import SavedTemplate, key_of
from ....sessions.savedrecords import most_of
from ....sessions.templates.compiling import compile_template
from ....sessions.templates.faults import TemplateRefused
from ....sessions.templates.typesof import TYPES
from ...issuing import Issuing
from ...reading import Reading
from ..layout import Cell, columns
from ..own import absence, now_of
from ..templates import (
    CheckReport,
    check_lines,
    claims_lines,
    label,
    listed_lines,
    problem_rows,
    problems_json,
    saved_json,
    saved_lines,
    source_lines,
)
from . import sources
from .answers import Answer, Ended, Misused, rows_answer, told

TEMPLATES: Final = "Show, check, save and delete templates of claims."

# --- what the options do, in the words of every command line's help ------------------------

ALSO: Final = "A claim that a hook of the app gives; give it once for each."
AUDIENCE: Final = "The aud of the tokens; give it once for each. Of a named template only."
AUTHOR: Final = "Who wants it so; without it: the user of the operating system."
CHECK_NAME: Final = "The name that it is for; named ones may give more bytes."
CODE: Final = "A Python file, or a folder of them, that reads the session token's claims."
EXPECTED: Final = "Save only if this is the version there is; 0: if there is none."
LIFETIME: Final = "Seconds that the tokens live (60). Of a named template only."
NAME: Final = "The name; without it: the session token's own template."
ORGANIZATION: Final = "An organisation of the user, as if it were active."
OWN: Final = "The session token's own template."
SKEW: Final = "Seconds that the tokens are dated back (5). Of a named template only."
TEXT: Final = "Print the text alone, as save takes it."
USER: Final = "Show what it gives for this user."
VERSION: Final = "One of the last 20 versions, also of a template that was deleted."
FORMATS: Final = {
    "python": "A TypedDict, for claims_as.",
    "typescript": "An interface.",
    "jsonschema": "A schema (2020-12).",
}


def show(
    side: Reading, issuing: Issuing, name: str | None, *, version: int | None, text: bool
) -> Answer:
    """Show the template NAME, or the session token's own.

    Exits with 1 if there is no such template, or no longer that version of it.
    """
    saved = _found(issuing, name) if version is None else _version(issuing, name, version)
    now = now_of(side)
    return Answer(
        saved_json(saved, text=True),
        lambda paint, width: (
            source_lines(saved.text) if text else saved_lines(saved, now, paint, width)
        ),
    )


def listed(side: Reading, issuing: Issuing) -> Answer:
    """List the templates, the session token's own first."""
    with told():
        found = issuing.templates.list()
        hint = None if found else absence(issuing)
    now = now_of(side)
    return Answer(
        {"templates": [saved_json(saved) for saved in found]},
        lambda paint, width: [
            *listed_lines(found, now, paint, width),
            *columns([[Cell(hint, "dim")]] if hint else [], paint, width=width),
        ],
    )


def save(
    side: Reading,
    issuing: Issuing,
    file: str,
    *,
    name: str | None,
    author: str | None,
    lifetime: float | None,
    skew: float | None,
    audience: Sequence[str] | None,
    expected_version: int | None,
) -> Answer:
    """Save the template in FILE, or in standard input if FILE is -.

    It is in force at once for new tokens; live sessions take up the session token's own within
    half a minute. What is not given is as usual, whatever the version before said.

    Exits with 1 if the template is refused, or another version is there than expected.
    """
    source = sources.template_text(file)
    options: dict[str, Any] = {"lifetime": lifetime, "skew": skew, "audience": audience or None}
    given = {option: value for option, value in options.items() if value is not None}
    return keep(
        issuing,
        source,
        name=name,
        author=sources.author(author),
        expected_version=expected_version,
        **given,
    )


def keep(issuing: Issuing, source: str, *, name: str | None, **given: Any) -> Answer:
    """Save, and tell what came of it."""
    with told():
        try:
            before = issuing.templates.get(name)
            saved = issuing.templates.save(source, name=name, **given)
            notes = saved.template.notes
        except TemplateRefused as refused:
            return _saved(None, problem_rows(refused.problems, ()), refused)
    version = f"{label(name)}, version {saved.version}"
    if before is not None and before.version == saved.version:
        rows = [[Cell("no change", "dim"), Cell(f"{version} says so already")]]
    else:
        rows = [[Cell("saved", "good"), Cell(version, "head")]]
    return _saved(saved, rows + problem_rows((), notes), None)


def _saved(
    saved: SavedTemplate | None, rows: list[list[Cell]], refused: TemplateRefused | None
) -> Answer:
    data: dict[str, Any] = {
        "saved": None if saved is None else saved_json(saved),
        "problems": problems_json(refused.problems if refused else ()),
        "notes": problems_json(saved.template.notes if saved else ()),
    }
    return rows_answer(data, rows, 1 if refused else 0)


def check(
    side: Reading,
    issuing: Issuing,
    file: str,
    *,
    name: str | None,
    user: str | None,
    org: str | None,
    code: Sequence[str],
    also: Sequence[str],
) -> Answer:
    """Tell what is wrong with the template in FILE, or in standard input if FILE is -.

    Nothing is saved. With --user it shows the claims that this user would get, with their sizes,
    and the look-ups that found nothing. With --code it tells where code reads a claim that
    neither the template gives, nor the code itself, nor the issuer; what a hook gives is not seen
    there, so name that by --also.

    Exits with 1 if anything is wrong; notes are not.
    """
    if org is not None and user is None:
        raise Misused("--org goes with --user.")
    if code and name is not None:
        raise Misused("--code goes with the session token's own template: leave --name out.")
    if also and not code:
        raise Misused("--also goes with --code.")
    source = sources.template_text(file)
    with told():
        _ = key_of(name)
        try:
            template = compile_template(source, most=most_of(name))
        except TemplateRefused as refused:
            return _checked(CheckReport(problems=refused.problems))
        preview = None
        if user is not None:
            preview = issuing.templates.preview(source, user_id=user, org_id=org, name=name)
    return _checked(
        CheckReport(
            notes=template.notes,
            names=template.names,
            preview=preview,
            unread=sources.unread(code, template, also) if code else None,
        )
    )


def _checked(report: CheckReport) -> Answer:
    code: Literal[0, 1] = 0 if report.ok else 1
    return Answer(report.as_json(), lambda paint, width: check_lines(report, paint, width), code)


def render(
    side: Reading, issuing: Issuing, user: str, name: str | None, *, org: str | None
) -> Answer:
    """Print the claims that the template NAME, or the session token's own, gives for USER.

    Exits with 1 if there is no such template or user, or the claims do not fit a token.
    """
    with told():
        claims = issuing.templates.render(user, name=name, org_id=org)
    return Answer({"claims": claims}, lambda paint, width: claims_lines(claims))


def types(side: Reading, issuing: Issuing, name: str | None, *, formats: Sequence[str]) -> Answer:
    """Print the type of the claims that the template NAME, or the session token's own, gives.

    Exits with 1 if there is no such template.
    """
    if len(formats) != 1:
        raise Misused("choose one: --python, --typescript or --jsonschema.")
    saved = _found(issuing, name)
    with told():
        text = TYPES[formats[0]](saved.template)
    data = {"name": name, "version": saved.version, "format": formats[0], "types": text}
    return Answer(data, lambda paint, width: source_lines(text))


def delete(side: Reading, issuing: Issuing, name: str | None, *, own: bool) -> Answer:
    """Delete the template NAME, or with --own the session token's.

    Its last versions stay, and can be shown and saved again.

    Exits with 1 if there is no such template.
    """
    if (name is None) != own:
        raise Misused("name what is deleted: delete NAME, or delete --own.")
    with told():
        deleted = issuing.templates.delete(name)
    if not deleted:
        raise _missing(issuing, name)
    return rows_answer({"deleted": label(name)}, [[Cell("deleted", "good"), Cell(label(name))]])


def _found(issuing: Issuing, name: str | None) -> SavedTemplate:
    with told():
        saved = issuing.templates.get(name)
    if saved is None:
        raise _missing(issuing, name)
    return saved


def _version(issuing: Issuing, name: str | None, version: int) -> SavedTemplate:
    with told():
        kept = {saved.version: saved for saved in issuing.templates.versions(name)}
    if not kept:
        raise _missing(issuing, name)
    if version not in kept:
        there = ", ".join(map(str, sorted(kept)))
        raise Ended(f"{label(name)} has no version {version} here; there are: {there}.", 1)
    return kept[version]


def _missing(issuing: Issuing, name: str | None) -> Ended:
    """What ends a command that is about a template which is not there."""
    with told():
        hint = absence(issuing)
    if name is None:
        said = "no template is saved for the session token"
        return Ended(f"{said}; {hint or 'template save FILE saves one'}.", 1)
    hint = hint or "template list shows those there are"
    return Ended(f"no template is named {name}; {hint}.", 1)
