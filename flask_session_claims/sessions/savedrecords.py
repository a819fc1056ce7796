"""What the records of a saved template say, and what writes them.

A template has one record, and each version one more. What was deleted leaves a record without a
text, so that a name never comes back at a version that it had.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..core.errors import ConfigurationError, SessionError, UnavailableError
from ..core.jsontext import parse_object
from .limits import CLAIMS_BYTES, is_number
from .records import Put, Record
from .templates.compiling import Template, cached_template
from .templates.faults import TemplateRefused
from .templates.options import TemplateOptions

TEMPLATE: Final = "template"
VERSION: Final = "template-version"
#: The key of the session token's own template.
OWN: Final = "session"
#: Bytes that the claims of a named template may take; no cookie has to hold its tokens.
NAMED_BYTES: Final = 8192
#: Index under which all templates stand, and that under which the versions of one do.
LISTED: Final = ("in", "templates")
OF: Final = "of"

_FORMAT: Final = 1


class TemplateConflict(SessionError):
    """The template is not at the version that was expected; nothing was changed.

    Attributes:
        given_version: the one that was expected; 0: that there is none.
        current_version: the one there is; 0: there is none.
    """

    code = "version-conflict"
    status = 409

    def __init__(self, given_version: int, current_version: int) -> None:
        there = f"is at version {current_version}" if current_version else "does not exist"
        given = f"version {given_version} was expected" if given_version else "none was expected"
        super().__init__(f"The template {there}, and {given}; look at it and save again.")
        self.given_version: int = given_version
        self.current_version: int = current_version

    def __reduce__(self) -> tuple[type[TemplateConflict], tuple[int, int]]:
        return type(self), (self.given_version, self.current_version)


@dataclass(frozen=True, slots=True)
class SavedTemplate:
    """One version of a template that was saved."""

    #: None: the session token's own.
    name: str | None
    #: 1 for the first; no number comes twice, a deletion in between or not.
    version: int
    author: str | None
    #: UTC seconds.
    saved_at: float
    #: As it was given; of a mapping, as indented JSON.
    text: str
    #: None: the session token's own has none.
    options: TemplateOptions | None = None

    @property
    def template(self) -> Template:
        """The compiled template.

        Raises:
            UnavailableError: other code has saved it, and this code does not understand it.
        """
        try:
            return cached_template(self.text, most=self.most)
        except TemplateRefused as error:
            raise _unreadable() from error

    @property
    def most(self) -> int:
        """Bytes that its claims may take, as compact JSON."""
        return most_of(self.name)


def most_of(name: str | None) -> int:
    """Bytes that the claims of the template of that name may take."""
    return CLAIMS_BYTES if name is None else NAMED_BYTES


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is under a key, and what there was."""

    record_version: int = 0
    #: The last version that there ever was.
    last: int = 0
    saved: SavedTemplate | None = None

    def expect(self, version: int | None) -> None:
        current = 0 if self.saved is None else self.saved.version
        if version is not None and version != current:
            raise TemplateConflict(version, current)


def puts(saved: SavedTemplate, key: str, standing: Standing) -> tuple[Put, Put]:
    """What writes a new version, if nobody else has."""
    data = _encode(saved)
    return (
        Put(TEMPLATE, key, standing.record_version, data, (LISTED,)),
        Put(VERSION, f"{key}/{saved.version}", 0, data, ((OF, key),)),
    )


def tombstone(key: str, standing: Standing, now: float) -> Put:
    """What deletes a template; the number of its last version stays."""
    members = {"format": _FORMAT, "version": standing.last, "deleted_at": now}
    data = json.dumps(members, separators=(",", ":")).encode("ascii")
    return Put(TEMPLATE, key, standing.record_version, data)


def _encode(saved: SavedTemplate) -> bytes:
    options = saved.options
    members: dict[str, Any] = {
        "format": _FORMAT,
        "version": saved.version,
        "author": saved.author,
        "saved_at": saved.saved_at,
        "text": saved.text,
    }
    if options is not None:
        members["options"] = {
            "lifetime": options.lifetime,
            "skew": options.skew,
            "audience": options.audience,
        }
    return json.dumps(members, separators=(",", ":")).encode("ascii")


def standing_of(record: Record | None) -> Standing:
    """What there is under a key, by its record."""
    if record is None:
        return Standing()
    members = _members(record)
    if "deleted_at" in members:
        return Standing(record.version, _version_in(members))
    saved = _saved(record.key, members)
    return Standing(record.version, saved.version, saved)


def decode(record: Record) -> SavedTemplate:
    """What the record of a template or of a version says.

    Raises UnavailableError if it cannot be read.
    """
    return _saved(record.key.partition("/")[0], _members(record))


def _members(record: Record) -> Mapping[str, Any]:
    try:
        members = parse_object(record.data)
        if members["format"] != _FORMAT:
            raise ValueError("another format")
        return members
    except (KeyError, ValueError) as error:
        raise _unreadable() from error


def _version_in(members: Mapping[str, Any]) -> int:
    version = members.get("version")
    if type(version) is not int or version < 1:
        raise _unreadable()
    return version


def _saved(key: str, members: Mapping[str, Any]) -> SavedTemplate:
    try:
        given = members.get("options")
        author, saved_at, text = members.get("author"), members["saved_at"], members["text"]
        options = None if given is None else TemplateOptions(**given)
    except (KeyError, TypeError, ConfigurationError) as error:
        raise _unreadable() from error
    name = None if key == OWN else key
    good = isinstance(text, str) and is_number(saved_at) and (options is None) == (name is None)
    if not good or not (author is None or isinstance(author, str)):
        raise _unreadable()
    return SavedTemplate(name, _version_in(members), author, saved_at, text, options)


def _unreadable() -> UnavailableError:
    return UnavailableError(
        "The record of a template cannot be read.", code="template-record-unreadable"
    )


def number_of(record: Record) -> int:
    """Of the record of a version; 0 if it has none, so that it goes first."""
    number = record.key.rpartition("/")[2]
    return int(number) if number.isdecimal() else 0
