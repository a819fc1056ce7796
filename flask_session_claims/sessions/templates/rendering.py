"""Claims out of a template and a subject, and what a template would give, for an editor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...core.jsontext import FrozenDict
from ..claims import Claims, plain_object
from ..faults import ClaimsRefused
from ..limits import CLAIMS_BYTES
from .compiling import Template, lookups_in
from .nodes import Lookup, Run
from .shortcodes import read
from .subject import Subject

_LISTED: Final = 3  # of the largest claims in a message


def render(template: Template, subject: Subject, *, most: int = CLAIMS_BYTES) -> Claims:
    """The claims of a subject, frozen; each name of the template is there, null if need be.

    Args:
        most: bytes that they may take, as compact JSON.

    Raises:
        ClaimsRefused: `claims-too-large`, and `names` are the largest, biggest first; or
            `claims-invalid`: what was looked up is no JSON data.
    """
    run = Run(subject, most)
    claims, sizes, total = _given(template, run)
    if total > most:
        raise _too_large(sizes, total, most)
    return _finished(claims, run)


def _given(template: Template, run: Run) -> tuple[dict[str, object], dict[str, int], int]:
    """The claims, the bytes of each value, and those of all together."""
    total = template.root.framing
    claims: dict[str, object] = {}
    sizes: dict[str, int] = {}
    for name, name_size, node in template.root.members:
        claims[name], size = node.give(run)
        sizes[name] = size
        total += size + name_size
    return claims, sizes, total


def _finished(claims: dict[str, object], run: Run) -> Claims:
    return plain_object(claims, "the template's claims") if run.deep else FrozenDict(claims)


def _too_large(sizes: Mapping[str, int], total: int, most: int) -> ClaimsRefused:
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:_LISTED]
    listed = ", ".join(f"{name!r} ({sizes[name]} bytes)" for name in largest)
    return ClaimsRefused(
        f"The template's claims would take {total} bytes as JSON, and {most} are allowed; the"
        f" largest: {listed}. Look up single keys of the metadata, not all of it.",
        code="claims-too-large",
        names=largest,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a template would give for a subject."""

    #: None: they would be refused, and `refusal` says why.
    claims: Claims | None
    refusal: ClaimsRefused | None = None
    #: Bytes of all claims, and of each value by its name; 0 and none where they are no data.
    size: int = 0
    sizes: Mapping[str, int]
    most: int
    #: Look-ups that gave null, sorted.
    missing: tuple[str, ...]


def preview(template: Template, subject: Subject, *, most: int = CLAIMS_BYTES) -> Preview:
    """What `render` would give or refuse, with sizes and the look-ups that found nothing."""
    run = Run(subject, most)
    claims: Claims | None = None
    refusal: ClaimsRefused | None = None
    sizes: dict[str, int] = {}
    total = 0
    try:
        given, sizes, total = _given(template, run)
        if total > most:
            refusal = _too_large(sizes, total, most)
        else:
            claims = _finished(given, run)
    except ClaimsRefused as refused:
        refusal = refused
    lookups = lookups_in(template.root)
    return Preview(
        claims=claims,
        refusal=refusal,
        size=total,
        sizes=FrozenDict(sizes),
        most=most,
        missing=tuple(sorted({it.name for it in lookups if _misses(it, subject)})),
    )


def _misses(lookup: Lookup, subject: Subject) -> bool:
    return lookup.code is None or read(lookup.code, lookup.keys, subject) is None
