"""The names that stand between double braces, their types, and how each is read.

The table is the whole list. After its last part a path goes on through the keys of metadata and
nothing else: no attribute, no index, no call.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, cast

from .subject import Subject

#: The kinds of value that a claim can be. `object` has unknown members, `roles` has text ones.
TEXT, BOOLEAN, INTEGER, NUMBER, NULL = "text", "boolean", "integer", "number", "null"
OBJECT, TEXTS, ROLES, UNKNOWN = "object", "texts", "roles", "unknown"

Kinds = frozenset[str]
_Read = Callable[[Any], Any]

_USER, _ORGANIZATION = attrgetter("user"), attrgetter("organization")
_MEMBERSHIP, _SESSION = attrgetter("membership"), attrgetter("session")


@dataclass(frozen=True, slots=True)
class Shortcode:
    """One entry of the table."""

    name: str
    kinds: Kinds
    #: The part of the subject, and its field.
    part: _Read
    field: _Read

    @property
    def goes_on(self) -> bool:
        """Whether a path may go on below it."""
        return bool(self.kinds & {OBJECT, ROLES})


def _entries(root: str, part: _Read, kinds: str, fields: str) -> dict[str, Shortcode]:
    made = (
        Shortcode(f"{root}.{name}", frozenset(kinds.split()), part, attrgetter(name))
        for name in fields.split()
    )
    return {entry.name: entry for entry in made}


_NULLABLE: Final = f"{TEXT} {NULL}"
SHORTCODES: Final[dict[str, Shortcode]] = {
    **_entries("user", _USER, TEXT, "id"),
    **_entries("user", _USER, _NULLABLE, "first_name last_name full_name username external_id"),
    **_entries("user", _USER, f"{INTEGER} {NULL}", "created_at updated_at"),
    **_entries("user", _USER, _NULLABLE, "primary_email_address primary_phone_number image_url"),
    **_entries("user", _USER, BOOLEAN, "email_verified phone_number_verified"),
    **_entries("user", _USER, BOOLEAN, "has_image two_factor_enabled"),
    **_entries("user", _USER, OBJECT, "public_metadata unsafe_metadata"),
    **_entries("user", _USER, ROLES, "organizations"),
    **_entries("org", _ORGANIZATION, _NULLABLE, "id name slug"),
    **_entries("org", _MEMBERSHIP, _NULLABLE, "role"),
    **_entries("org", _ORGANIZATION, f"{OBJECT} {NULL}", "public_metadata"),
    **_entries("org_membership", _MEMBERSHIP, f"{TEXTS} {NULL}", "permissions"),
    **_entries("org_membership", _MEMBERSHIP, f"{OBJECT} {NULL}", "public_metadata"),
    **_entries("session", _SESSION, f"{OBJECT} {NULL}", "actor"),
    **_entries("session", _SESSION, _NULLABLE, "reverification_id"),
}
ROOTS: Final = ("user", "org", "org_membership", "session")

#: A part of a path. The first character is no underscore: nothing internal is ever a name.
PART: Final = re.compile(r"(?!_)[\w-]+")


def below(value: object, keys: tuple[str, ...]) -> object:
    """What lies at the end of a path of keys; None where it ends early."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = cast("dict[str, object]", value).get(key)
    return value


def read(code: Shortcode, keys: tuple[str, ...], subject: Subject) -> object:
    """What a look-up gives for a subject; None for whatever is missing."""
    part = code.part(subject)
    if part is None:
        return None
    value = code.field(part)
    return below(value, keys) if keys else value


def kinds_of(code: Shortcode | None, keys: tuple[str, ...]) -> Kinds:
    """What a look-up can give."""
    if code is None or (keys and not code.goes_on):
        return frozenset({NULL})
    if not keys:
        return code.kinds
    if ROLES in code.kinds:
        return frozenset({TEXT, NULL} if len(keys) == 1 else {NULL})
    return frozenset({UNKNOWN})
