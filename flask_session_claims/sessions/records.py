"""Records, commits and the log: what a store does, and the asks for it.

A store knows nothing of sessions, claims or time. It keeps versioned records, finds them by
index, commits changes all or nothing, and numbers the entries of one log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from ..core.flow import Ask

#: The most records that one `find` or `due` gives, and the most entries of one `log_since`.
PAGE: Final = 100
LOG_PAGE: Final = 1000
#: Kinds, keys, index names and index values have 1 to this many characters.
MAX_TEXT: Final = 512
_UNSTORABLE: Final = re.compile("[\\0\ud800-\udfff]")

#: (name, value) pairs; a record may stand under several values of one name.
Indexes: TypeAlias = tuple[tuple[str, str], ...]


def storable(text: object) -> bool:
    """Whether every store can keep `text` as a kind, a key or an index value."""
    if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT:
        return False
    return _UNSTORABLE.search(text) is None


def _check(*texts: str) -> None:
    if not all(map(storable, texts)):
        raise ValueError(f"names in a store are 1 to {MAX_TEXT} characters, no NUL, no surrogate")


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it stands."""

    kind: str
    key: str
    #: 1 when first put, one more at each later put.
    version: int
    data: bytes = field(repr=False)
    indexes: Indexes = ()
    #: When pruning has to look at the record (UTC seconds), or None. A store only sorts by it.
    due_at: float | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Write a record, if it still has the version `expected`; 0: if there is none."""

    kind: str
    key: str
    expected: int
    data: bytes = field(repr=False)
    indexes: Indexes = ()
    due_at: float | None = None

    def __post_init__(self) -> None:
        _check(self.kind, self.key, *(text for pair in self.indexes for text in pair))
        if len(set(self.indexes)) < len(self.indexes):
            raise ValueError("a record stands under each index value once")


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a record, if it still has the version `expected`.

    Its versions begin at 1 again if the key comes back, so use no key twice.
    """

    kind: str
    key: str
    expected: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log: what was changed, for those who hold something older."""

    #: What the change is about: `session`, `user`, `organization`, `template`, `keys`, `all`.
    subject: str
    #: Which one of them; "" for `keys` and `all`.
    key: str
    #: What happened: `revoked`, `claims`, ...
    what: str
    #: When, and until when the entry matters (UTC seconds).
    at: float
    until: float
    #: Given by the store; 0 before.
    position: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """What `find` gives: records by key, and the key to go on after (None: that was all)."""

    records: tuple[Record, ...]
    after: str | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """What `log_since` gives, as of one moment."""

    #: Random, made with the store; None while nothing has ever been committed.
    store_id: str | None
    #: The first position still held and the last one ever given; 0 if there is none.
    oldest: int
    newest: int
    #: In order; at most LOG_PAGE, so ask again if the last one is before `newest`.
    entries: tuple[LogEntry, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which store it is."""

    store_id: str
    #: The version of its schema.
    schema: int


class RecordStore(Protocol):
    """Where records are kept. Every method is one atomic act and may be called by any thread.

    Raises:
        UnavailableError: the store cannot do it now; nothing is half done. Whether a commit
            that was cut off took place is seen by loading again.
        ConfigurationError: it can never work as configured.
    """

    def load(self, kind: str, key: str) -> Record | None:
        """The record, or None."""
        ...

    def find(self, kind: str, index: str, value: str, after: str = "") -> Page:
        """Records that have (index, value), by key in code point order, beyond `after`."""
        ...

    def due(self, kind: str, until: float) -> tuple[Record, ...]:
        """At most PAGE records whose `due_at` is `until` or before, the earliest first."""
        ...

    def count(self, kind: str) -> int:
        """How many records of a kind there are, as of a moment ago; it holds nobody up."""
        ...

    def commit(
        self, puts: Sequence[Put], deletes: Sequence[Delete] = (), log: Sequence[LogEntry] = ()
    ) -> bool:
        """Do all of it, durably, or nothing: False if a record has not its expected version.

        Each record is named once. Log entries get the next positions in the order given; a
        reader who has seen a position will never meet a lower one that is new. Entries whose
        `until` is before the `at` of a new one are dropped.
        """
        ...

    def log_since(self, position: int) -> LogPage:
        """The log beyond `position`."""
        ...

    def identity(self) -> Identity | None:
        """Which store it is; None while nothing has ever been committed."""
        ...

    def close(self) -> None:
        """Let go of connections and files; the store opens them again if it is used again."""
        ...


# --- asks ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadRecord(Ask["Record | None"]):
    """One record, or None."""

    kind: str
    key: str

    def __post_init__(self) -> None:
        _check(self.kind, self.key)


@dataclass(frozen=True, slots=True)
class FindRecords(Ask[Page]):
    """A page of the records that have an index value."""

    kind: str
    index: str
    value: str
    after: str = ""

    def __post_init__(self) -> None:
        _check(self.kind, self.index, self.value)


@dataclass(frozen=True, slots=True)
class FindDue(Ask["tuple[Record, ...]"]):
    """The records that pruning has to look at."""

    kind: str
    until: float


@dataclass(frozen=True, slots=True)
class CountRecords(Ask[int]):
    """How many records of a kind there are."""

    kind: str

    def __post_init__(self) -> None:
        _check(self.kind)


@dataclass(frozen=True, slots=True)
class Commit(Ask[bool]):
    """All of it or nothing; False if somebody was first."""

    puts: tuple[Put, ...]
    deletes: tuple[Delete, ...] = ()
    log: tuple[LogEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadLog(Ask[LogPage]):
    """The log beyond a position."""

    position: int


def record_handlers(store: RecordStore) -> Mapping[type[Ask[Any]], Callable[[Any], Any]]:
    """What performs these asks on a store, by waiting."""
    return {
        LoadRecord: lambda ask: store.load(ask.kind, ask.key),
        FindRecords: lambda ask: store.find(ask.kind, ask.index, ask.value, ask.after),
        FindDue: lambda ask: store.due(ask.kind, ask.until),
        CountRecords: lambda ask: store.count(ask.kind),
        Commit: lambda ask: store.commit(ask.puts, ask.deletes, ask.log),
        ReadLog: lambda ask: store.log_since(ask.position),
    }
