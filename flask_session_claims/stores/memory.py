"""Records in this process's memory: for tests and for trying things out.

Another process, a forked one too, has a memory of its own, and nothing outlives the process.
"""

from __future__ import annotations

import math
import secrets
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ..core.locks import ForkSafeLock
from ..sessions.records import (
    LOG_PAGE,
    PAGE,
    Delete,
    Identity,
    LogEntry,
    LogPage,
    Page,
    Put,
    Record,
)

SCHEMA: Final = 1


class MemoryStore:
    """A store for one process."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._records: dict[tuple[str, str], Record] = {}
        self._counts: Counter[str] = Counter()
        self._index: dict[tuple[str, str, str], set[str]] = {}
        self._log: list[LogEntry] = []
        self._newest = 0
        #: When the first entry of the log stops to matter.
        self._soonest = math.inf
        self._store_id: str | None = None

    def load(self, kind: str, key: str) -> Record | None:
        with self._lock:
            return self._records.get((kind, key))

    def find(self, kind: str, index: str, value: str, after: str = "") -> Page:
        with self._lock:
            keys = sorted(k for k in self._index.get((kind, index, value), ()) if k > after)
            records = tuple(self._records[kind, key] for key in keys[:PAGE])
        return Page(records, records[-1].key if len(keys) > PAGE else None)

    def due(self, kind: str, until: float) -> tuple[Record, ...]:
        with self._lock:
            dated = [
                (record.due_at, record.key, record)
                for record in self._records.values()
                if record.kind == kind and record.due_at is not None and record.due_at <= until
            ]
        return tuple(record for *_, record in sorted(dated, key=lambda item: item[:2])[:PAGE])

    def count(self, kind: str) -> int:
        with self._lock:
            return self._counts[kind]

    def commit(
        self, puts: Sequence[Put], deletes: Sequence[Delete] = (), log: Sequence[LogEntry] = ()
    ) -> bool:
        with self._lock:
            changes: list[Put | Delete] = [*puts, *deletes]
            for change in changes:
                standing = self._records.get((change.kind, change.key))
                if change.expected != (standing.version if standing else 0):
                    return False
            self._store_id = self._store_id or secrets.token_hex(16)
            for delete in deletes:
                self._remove(delete)
            for put in puts:
                self._unindex(self._records.get((put.kind, put.key)))
                self._write(put)
            for entry in log:
                self._newest += 1
                if entry.at > self._soonest:
                    self._log = [kept for kept in self._log if kept.until >= entry.at]
                    self._soonest = min((kept.until for kept in self._log), default=math.inf)
                self._log.append(replace(entry, position=self._newest))
                self._soonest = min(self._soonest, entry.until)
        return True

    def _remove(self, delete: Delete) -> None:
        record = self._records.pop((delete.kind, delete.key), None)
        if record is not None:
            self._unindex(record)
            self._counts[delete.kind] -= 1

    def _write(self, put: Put) -> None:
        if not put.expected:
            self._counts[put.kind] += 1
        self._records[put.kind, put.key] = Record(
            put.kind, put.key, put.expected + 1, bytes(put.data), put.indexes, put.due_at
        )
        for name, value in put.indexes:
            self._index.setdefault((put.kind, name, value), set()).add(put.key)

    def _unindex(self, record: Record | None) -> None:
        if record is None:
            return
        for name, value in record.indexes:
            keys = self._index[record.kind, name, value]
            keys.discard(record.key)
            if not keys:
                del self._index[record.kind, name, value]

    def log_since(self, position: int) -> LogPage:
        with self._lock:
            first = bisect_right(self._log, position, key=lambda entry: entry.position)
            entries = tuple(self._log[first : first + LOG_PAGE])
            oldest = self._log[0].position if self._log else 0
            return LogPage(self._store_id, oldest, self._newest, entries)

    def identity(self) -> Identity | None:
        with self._lock:
            return None if self._store_id is None else Identity(self._store_id, SCHEMA)

    def close(self) -> None:
        """Nothing is let go: what is in memory stays."""
