"""What the served apps share: their settings, and a store that counts what is read from it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flask_session_claims.sessions.model import SESSION
from flask_session_claims.sessions.records import (
    Delete,
    Identity,
    LogEntry,
    LogPage,
    Page,
    Put,
    Record,
    RecordStore,
)
from flask_session_claims.stores import open_store

SECRET_KEY = "only-for-these-tests-" + "x" * 24


class CountingStore:
    """A store, and what this process has read from it."""

    def __init__(self, behind: RecordStore) -> None:
        self._behind = behind
        # Lists: appending is one step in any kind of worker.
        #: Ids of the sessions that were loaded, in order.
        self.loaded: list[str] = []
        #: When the log was read (monotonic seconds).
        self.looks: list[float] = []

    def load(self, kind: str, key: str) -> Record | None:
        if kind == SESSION:
            self.loaded.append(key)
        return self._behind.load(kind, key)

    def find(self, kind: str, index: str, value: str, after: str = "") -> Page:
        if kind == SESSION:
            self.loaded.append(f"found by {index}")
        return self._behind.find(kind, index, value, after)

    def due(self, kind: str, until: float) -> tuple[Record, ...]:
        return self._behind.due(kind, until)

    def count(self, kind: str) -> int:
        return self._behind.count(kind)

    def commit(
        self, puts: Sequence[Put], deletes: Sequence[Delete] = (), log: Sequence[LogEntry] = ()
    ) -> bool:
        return self._behind.commit(puts, deletes, log)

    def log_since(self, position: int) -> LogPage:
        self.looks.append(time.monotonic())
        return self._behind.log_since(position)

    def identity(self) -> Identity | None:
        return self._behind.identity()

    def close(self) -> None:
        self._behind.close()


store = CountingStore(open_store(os.environ.get("WORKERS_STORE", "memory:")))


def settings(prefix: str = "") -> dict[str, Any]:
    """The settings of every served app: those that an app has by itself."""
    return {f"{prefix}ISSUER": "self", f"{prefix}STORE": store}


def counts() -> dict[str, Any]:
    """What this worker has read since its process began."""
    return {"pid": os.getpid(), "loaded": Counter(store.loaded), "looks": store.looks}


def seen(auth: Any) -> dict[str, Any]:
    """Who it is in the eyes of this worker."""
    claims: Mapping[str, Any] = auth.session_claims
    return {
        "pid": os.getpid(),
        "plan": claims.get("plan"),
        "org": auth.org_id,
        "reason": auth.reason,
    }
