"""What the directory's records say.

A record is JSON; members that this code does not know are carried along, so that newer code may
work beside it. What was removed leaves its version behind for a day, so that nobody who has seen
it takes what comes after it for the same. The store's own number of a record counts more than
the entry's version: a record is also written to guard what was read (see `Kept.guard`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic

from ..core.errors import UnavailableError
from ..core.flow import Flow
from ..core.jsontext import FrozenDict, freeze, parse_object
from ..sessions.claims import Claims, encode, no_claims
from ..sessions.limits import KEEP_ENDED, is_number
from ..sessions.records import Indexes, LoadRecord, Put, Record
from .entries import Membership, Organization, User, V
from .given import folded

#: Under which all of a kind are found.
ALL: Final = ("in", "directory")
BY_USER: Final = "user"
BY_ORGANIZATION: Final = "organization"
#: Field of a user -> name of the index.
USER_INDEXES: Final = {
    "primary_email_address": "email",
    "username": "username",
    "external_id": "external_id",
}
METADATA: Final = ("public_metadata", "private_metadata", "unsafe_metadata")
_FORMAT: Final = 1

Reader = Callable[[Any], Any]


def _text(value: Any) -> Any:
    return _expect(value, isinstance(value, str))


def _flag(value: Any) -> Any:
    return _expect(value, type(value) is bool)


def _object(value: Any) -> Any:
    return _expect(value, isinstance(value, FrozenDict))


def _seconds(value: Any) -> float:
    return float(_expect(value, is_number(value)))


def _count(value: Any) -> Any:
    return _expect(value, type(value) is int and value > 0)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _expect(value, isinstance(value, list))))


def _expect(value: Any, good: bool) -> Any:
    if not good:
        raise ValueError("a member of another type")
    return value


_DATES: Final[dict[str, Reader]] = {
    "created_at": _seconds, "updated_at": _seconds, "version": _count
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind(Generic[V]):
    """One of the three kinds of entries."""

    #: The store's name for it.
    name: str
    make: Callable[..., V]
    key: Callable[[V], str]
    indexes: Callable[[V], Indexes]
    #: What can be changed, and how it is read.
    fields: Mapping[str, Reader]
    ids: tuple[str, ...]

    def members(self, entry: V) -> dict[str, Any]:
        """What can be changed, of one."""
        return {name: getattr(entry, name) for name in self.fields}


@dataclass(frozen=True, slots=True)
class Kept(Generic[V]):
    """What there is under a key."""

    kind: Kind[V]
    key: str
    #: None: there is none, or it was removed.
    entry: V | None = None
    #: Of the entry, or of the one that was removed; 0: of none that is known.
    version: int = 0
    #: The record's number in the store.
    number: int = 0
    extra: Claims = field(default_factory=no_claims, repr=False)

    def put(self, entry: V) -> Put:
        """What writes `entry` here, if nobody else has written."""
        members: dict[str, Any] = {**self.extra, "format": _FORMAT, **self.kind.members(entry)}
        members.update((name, getattr(entry, name)) for name in (*self.kind.ids, *_DATES))
        data = encode({name: value for name, value in members.items() if value is not None})
        return Put(self.kind.name, self.key, self.number, data, self.kind.indexes(entry))

    def guard(self, entry: V) -> Put:
        """What makes a commit lose if somebody has changed or removed `entry` since."""
        return self.put(entry)

    def removed(self, now: float) -> Put:
        """What is left of it: its version, for a day."""
        members = {"format": _FORMAT, "removed_at": now, "version": self.version}
        due_at = now + KEEP_ENDED
        return Put(self.kind.name, self.key, self.number, encode(members), (), due_at)


def differing(kind: Kind[V], before: V, after: V) -> frozenset[str]:
    """The fields in which two entries differ."""
    pairs = zip(kind.members(before).items(), kind.members(after).values(), strict=True)
    return frozenset(name for (name, old), new in pairs if _canonical(old) != _canonical(new))


def _canonical(value: object) -> str:
    # As text, since to Python True equals 1; in whatever order the names stand.
    return json.dumps(value, sort_keys=True)


# --- reading ------------------------------------------------------------------------------


def read(kind: Kind[V], key: str) -> Flow[Kept[V]]:
    """What there is under a key."""
    record = yield from LoadRecord(kind.name, key)
    return Kept(kind, key) if record is None else decode(kind, record)


def decode(kind: Kind[V], record: Record) -> Kept[V]:
    """What a record says.

    Raises UnavailableError if it cannot be read.
    """
    try:
        members = _members(record)
        version = _count(members["version"])
        if "removed_at" in members:
            return Kept(kind, record.key, None, version, record.version)
        readers: dict[str, Reader] = {**kind.fields, **dict.fromkeys(kind.ids, _text), **_DATES}
        known = {name: read(members[name]) for name, read in readers.items() if name in members}
        entry = kind.make(**known)
        if kind.key(entry) != record.key:
            raise ValueError("it belongs under another key")
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable() from error
    extra = {n: v for n, v in members.items() if n not in readers and n != "format"}
    return Kept(kind, record.key, entry, version, record.version, freeze(extra))


def entry_of(kind: Kind[V], record: Record) -> V:
    """The entry of a record that was found by an index, as those of removed ones are not."""
    entry = decode(kind, record).entry
    if entry is None:
        raise _unreadable()
    return entry


def removed_at(record: Record) -> float | None:
    """When the entry of a record was removed; None: it was not, or nobody can tell."""
    try:
        members = _members(record)
        return _seconds(members["removed_at"]) if "removed_at" in members else None
    except (KeyError, ValueError):
        return None


def _members(record: Record) -> Claims:
    members = parse_object(record.data)
    if members["format"] != _FORMAT:
        raise ValueError("another format")
    return members


def _unreadable() -> UnavailableError:
    return UnavailableError(
        "A record of the directory cannot be read.", code="directory-record-unreadable"
    )


# --- slugs --------------------------------------------------------------------------------

SLUG: Final = "slug"


def slug_data(org_id: str) -> bytes:
    """What the record of a slug says: whose it is."""
    return encode({"format": _FORMAT, "org_id": org_id})


def holder(slug: str) -> Flow[tuple[str, int] | None]:
    """The organisation that has a slug, and the record's number; None: it is free."""
    record = yield from LoadRecord(SLUG, slug)
    if record is None:
        return None
    try:
        return str(_text(_members(record)["org_id"])), record.version
    except (KeyError, ValueError) as error:
        raise _unreadable() from error


# --- the three kinds ----------------------------------------------------------------------


def membership_key(org_id: str, user_id: str) -> str:
    """One key of two ids that may hold any character."""
    both = f"{len(org_id)}:{org_id}{len(user_id)}:{user_id}"
    return hashlib.sha256(both.encode()).hexdigest()


def _user_indexes(user: User) -> Indexes:
    named: list[tuple[str, str]] = [ALL]
    for name, index in USER_INDEXES.items():
        value = getattr(user, name)
        if value is not None:
            named.append((index, folded(value) if index == "email" else value))
    return tuple(named)


_OF_USER: Final[dict[str, Reader]] = {
    "first_name": _text, "last_name": _text, "username": _text, "external_id": _text,
    "primary_email_address": _text, "primary_phone_number": _text, "email_verified": _flag,
    "phone_number_verified": _flag, "image_url": _text, "two_factor_enabled": _flag,
    **dict.fromkeys(METADATA, _object),
}  # fmt: skip
_OF_OTHERS: Final[dict[str, Reader]] = {"public_metadata": _object, "private_metadata": _object}

USER: Final[Kind[User]] = Kind(
    "profile", User, lambda user: user.user_id, _user_indexes, _OF_USER, ("user_id",)
)
ORGANIZATION: Final[Kind[Organization]] = Kind(
    "organization",
    Organization,
    lambda organization: organization.org_id,
    lambda organization: (ALL,),
    {"name": _text, "slug": _text, **_OF_OTHERS},
    ("org_id",),
)
MEMBERSHIP: Final[Kind[Membership]] = Kind(
    "membership",
    Membership,
    lambda member: membership_key(member.org_id, member.user_id),
    lambda member: ((BY_USER, member.user_id), (BY_ORGANIZATION, member.org_id)),
    {"role": _text, "permissions": _texts, **_OF_OTHERS},
    ("org_id", "user_id"),
)
