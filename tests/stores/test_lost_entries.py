"""Eight writers against a poller: nothing that a store has logged is missed.

For half a second; where FSC_LONG is set, for 30.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pytest

from flask_session_claims.sessions.records import LOG_PAGE, LogEntry, LogPage, Put, RecordStore
from flask_session_claims.stores import open_store
from flask_session_claims.stores.sqlite import SqliteStore
from flask_session_claims.testing.store_contract import Poller, entry, in_threads

from .places import KINDS, fresh_url

SECONDS = 30.0 if os.environ.get("FSC_LONG") else 0.5
WRITERS = 8
PATIENCE = 120.0  # seconds until the poller has read what is left


def written_and_seen(
    store, write: Callable[[str], object], seconds: float = SECONDS
) -> tuple[int, Poller]:
    """How many entries eight threads have written, and who followed them."""
    poller = Poller(store)
    poller.start()
    until = time.monotonic() + seconds

    def write_on(number: int) -> int:
        for count in itertools.count():
            if time.monotonic() > until:
                return count
            write(f"{number}-{count}")
        raise AssertionError("unreachable")

    counts = in_threads(WRITERS, write_on)
    poller.stop.set()
    poller.join(PATIENCE)
    assert not poller.is_alive()
    assert min(counts) > 0
    return sum(counts), poller


@pytest.mark.parametrize("kind", KINDS)
def test_no_entry_of_eight_writers_is_lost(kind: str, tmp_path: Path) -> None:
    if kind == "sqlite":  # eight threads stand in one queue
        store: RecordStore = SqliteStore(tmp_path / "store.db", timeout=30)
    else:
        store = open_store(fresh_url(kind, tmp_path))
    try:
        written, poller = written_and_seen(
            store, lambda name: store.commit([Put("entry", name, 0, b"")], (), [entry(name)])
        )
    finally:
        store.close()
    print(f"{kind}: {written:,} entries in {SECONDS} s")  # noqa: T201
    assert poller.faults == []
    assert len(poller.seen) == len(set(poller.seen)) == written


class Naive:
    """What a column that counts by itself does: the position is given before the commit ends."""

    def __init__(self) -> None:
        self._positions = itertools.count(1)
        self._lock = threading.Lock()
        self._committed: list[LogEntry] = []

    def commit(self, name: str) -> None:
        position = next(self._positions)
        time.sleep(random.uniform(0, 0.002))  # the rest of the transaction
        with self._lock:
            self._committed.append(replace(entry(name), position=position))

    def log_since(self, position: int) -> LogPage:
        with self._lock:
            known = sorted(self._committed, key=attrgetter("position"))
        newer = tuple(one for one in known if one.position > position)
        return LogPage("naive", 1, known[-1].position if known else 0, newer[:LOG_PAGE])


def test_a_naive_store_loses_some() -> None:
    store = Naive()
    written, poller = written_and_seen(store, store.commit, seconds=0.5)
    assert len(set(poller.seen)) < written
