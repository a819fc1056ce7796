"""How entries are changed: load, decide, commit, and again if the commit loses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from ..core.errors import UnavailableError
from ..core.flow import Flow
from ..sessions.claims import Claims
from ..sessions.limits import ATTEMPTS, KEEP_ENDED
from ..sessions.model import log_entry
from ..sessions.records import PAGE, Commit, Delete, FindDue, FindRecords, LogEntry, Put, Record
from . import metadata as _metadata
from .entries import V
from .faults import DirectoryError, version_conflict
from .keeping import (
    BY_ORGANIZATION,
    BY_USER,
    MEMBERSHIP,
    METADATA,
    ORGANIZATION,
    USER,
    Kept,
    Kind,
    decode,
    differing,
    entry_of,
    read,
    removed_at,
)

T = TypeVar("T")
Combine = Callable[[Claims, Claims], Claims]


@dataclass(frozen=True, slots=True)
class Draft(Generic[T]):
    """What was decided: a result, and what has to be written for it to be true."""

    result: T
    puts: tuple[Put, ...] = ()
    deletes: tuple[Delete, ...] = ()
    log: tuple[LogEntry, ...] = ()


def settle(decide: Callable[[], Flow[Draft[T]]]) -> Flow[T]:
    """The result of `decide` on records that were still the current ones when it was written.

    `decide` loads what it needs, and is called again when another writer was first.
    """
    for _ in range(ATTEMPTS):
        draft = yield from decide()
        if not draft.puts:
            return draft.result
        if (yield from Commit(draft.puts, draft.deletes, draft.log)):
            return draft.result
    raise _busy()


def _busy() -> UnavailableError:
    return UnavailableError(
        "The directory's entry is being changed by others; try again.", code="busy"
    )


# --- one entry ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change(Generic[V]):
    """An entry after a change."""

    entry: V
    #: The fields that are other ones now; of a new entry those that say something.
    fields: frozenset[str]
    #: What writes it; none if nothing is to be written.
    puts: tuple[Put, ...] = ()
    #: Whether claims may be other ones by it.
    is_seen: bool = False


def change(kept: Kept[V], after: V, now: float) -> Change[V]:
    """`after` in place of what was kept: changed, or new."""
    if kept.entry is None:
        fields = frozenset(name for name, value in kept.kind.members(after).items() if value)
    else:
        fields = differing(kept.kind, kept.entry, after)
        if not fields:
            return Change(kept.entry, fields)
    entry = replace(after, version=kept.version + 1, updated_at=now)
    is_seen = kept.entry is None or bool(fields - {"private_metadata"})
    return Change(entry, fields, (kept.put(entry),), is_seen)


def current(kept: Kept[V], unknown: DirectoryError, expected_version: int | None = None) -> V:
    """The entry that is kept, if there is one and it has the version expected."""
    if kept.entry is None:
        raise unknown
    if expected_version is not None and expected_version != kept.version:
        raise version_conflict(expected_version, kept.version)
    return kept.entry


def metadata_after(
    entry: V, given: Mapping[str, Claims], combine: Combine = _metadata.merge
) -> dict[str, Any]:
    """The metadata fields after what was given; `given` is by the argument's name."""
    fields: dict[str, Any] = {}
    for name, patch in given.items():
        field = name if name in METADATA else f"{name}_metadata"
        fields[field] = combine(getattr(entry, field), patch)
        _metadata.check_size(fields[field], field)
    return fields


# --- many entries -------------------------------------------------------------------------


def all_of(kind: Kind[V], index: str, value: str) -> Flow[tuple[V, ...]]:
    """All entries that have an index value, by key."""
    entries: list[V] = []
    after: str | None = ""
    while after is not None:
        page = yield from FindRecords(kind.name, index, value, after)
        entries += [entry_of(kind, record) for record in page.records]
        after = page.after
    return tuple(entries)


def page_of(
    kind: Kind[V], index: str, value: str, after: str
) -> Flow[tuple[tuple[V, ...], str | None]]:
    """Some of the entries, and what to go on after."""
    page = yield from FindRecords(kind.name, index, value, after)
    return tuple(entry_of(kind, record) for record in page.records), page.after


def remove_with_members(
    kind: Kind[V], key: str, now: float, deletes_of: Callable[[V], Flow[tuple[Delete, ...]]]
) -> Flow[bool]:
    """Remove a user or an organisation and all its memberships; whether it was there.

    The entry goes last, in one commit with the last page of memberships. Whoever adds one writes
    the entry too, so one that was added meanwhile makes this commit lose. So nothing that was
    removed has memberships left, wherever this is cut off.

    Args:
        deletes_of: what else goes with the entry.
    """
    index = BY_USER if kind.name == USER.name else BY_ORGANIZATION
    lost = 0
    while lost < ATTEMPTS:
        kept = yield from read(kind, key)
        if kept.entry is None:
            return False
        page = yield from FindRecords(MEMBERSHIP.name, index, key)
        puts, log = _removed(page.records, now)
        deletes: tuple[Delete, ...] = ()
        if page.after is None:
            puts.append(kept.removed(now))
            deletes = yield from deletes_of(kept.entry)
            subject = "user" if index == BY_USER else "organization"
            log[subject, key] = log_entry(subject, key, "deleted", now)
        if not (yield from Commit(tuple(puts), deletes, tuple(log.values()))):
            lost += 1
        elif page.after is None:
            return True
    raise _busy()


def _removed(
    records: Sequence[Record], now: float
) -> tuple[list[Put], dict[tuple[str, str], LogEntry]]:
    """What removes memberships, and one entry of the log for each of their users."""
    members = [decode(MEMBERSHIP, record) for record in records]
    users = [member.entry.user_id for member in members if member.entry is not None]
    log = {("user", user): log_entry("user", user, "membership", now) for user in users}
    return [member.removed(now) for member in members], log


def prune(now: float) -> Flow[int]:
    """Forget what was removed a day ago; the number of records deleted.

    Those that somebody is writing again are left for next time.
    """
    deleted = 0
    for kind in (USER.name, ORGANIZATION.name, MEMBERSHIP.name):
        while True:
            records = yield from FindDue(kind, now)
            old = [record for record in records if _is_over(record, now)]
            done = yield from _delete_each([Delete(kind, it.key, it.version) for it in old])
            deleted += done
            if len(records) < PAGE or not done:
                break
    return deleted


def _is_over(record: Record, now: float) -> bool:
    at = removed_at(record)
    return at is not None and at + KEEP_ENDED <= now


def _delete_each(deletes: list[Delete]) -> Flow[int]:
    """How many were deleted: all at once, or those that went alone."""
    if not deletes:
        return 0
    if (yield from Commit((), tuple(deletes))):
        return len(deletes)
    done = 0
    for delete in deletes:
        done += yield from Commit((), (delete,))
    return done
