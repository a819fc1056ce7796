"""SQLite connections: few, opened when needed, used by one thread at a time, none over a fork.

SQLite keeps what it has locked in the memory of the process. A forked child would inherit that
and believe it; so before a fork every connection is closed, and users wait until it is over.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator
from typing import Final
from urllib.parse import quote

from .faults import StoreUnavailable

#: Idle connections that are kept; more threads than this open and close their own.
MAX_IDLE: Final = 8
_FORK_PATIENCE: Final = 10.0  # seconds that a fork waits for those who are in the store

_PRAGMAS: Final = (
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),  # NORMAL may lose the last commits, revocations too
    ("trusted_schema", "OFF", 0),
    *((("fullfsync", "ON", 1),) if sys.platform == "darwin" else ()),
)

#: Connections that a child inherited after all: neither used nor closed there.
_inherited: list[sqlite3.Connection] = []


def connect(path: str) -> sqlite3.Connection:
    """A connection to a file that exists, with our settings, each read back."""
    connection = sqlite3.connect(
        f"file:{quote(path)}?mode=rw",
        uri=True,
        timeout=0,  # whoever must wait does so in the writers' queue
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for name, wanted, reads_back in _PRAGMAS:
            _ = connection.execute(f"PRAGMA {name} = {wanted}")
            row = connection.execute(f"PRAGMA {name}").fetchone()
            if row is None or row[0] != reads_back:
                raise sqlite3.OperationalError(f"PRAGMA {name} did not become {wanted}")
    except BaseException:
        connection.close()
        raise
    return connection


class Connections:
    """The connections to one file; `make` opens one."""

    def __init__(self, name: str, make: Callable[[], sqlite3.Connection]) -> None:
        self._name = name
        self._make = make
        self._begin()
        self._broken = False
        _pools.add(self)

    def _begin(self) -> None:
        self._gate = threading.Condition()
        self._idle: list[sqlite3.Connection] = []
        self._age = 0  # connections taken at another age are not taken back
        self._users = 0
        self._forking = False

    @contextlib.contextmanager
    def use(self) -> Generator[sqlite3.Connection, None, None]:
        """A connection for this thread; it is thrown away if anything is raised."""
        with self._gate:
            while self._forking:
                _ = self._gate.wait()
            if self._broken:
                raise StoreUnavailable("store-forked", self._name)
            self._users += 1
            connection = self._idle.pop() if self._idle else None
            age = self._age
        try:
            connection = connection or self._make()
            yield connection
        except BaseException:
            if connection is not None:
                connection.close()
            connection = None
            raise
        finally:
            with self._gate:
                self._users -= 1
                room = age == self._age and len(self._idle) < MAX_IDLE
                if connection is not None and room:
                    self._idle.append(connection)
                    connection = None
                if self._forking:
                    self._gate.notify_all()
            if connection is not None:
                connection.close()

    def close(self) -> None:
        """Close what is idle, and what is in use as soon as it no longer is."""
        with self._gate:
            idle, self._idle = self._idle, []
            self._age += 1
        for connection in idle:
            connection.close()

    def before_fork(self) -> None:
        deadline = time.monotonic() + _FORK_PATIENCE
        with self._gate:
            self._forking = True
            while self._users and time.monotonic() < deadline:
                _ = self._gate.wait(deadline - time.monotonic())
        self.close()

    def after_fork(self) -> None:
        """In the parent."""
        with self._gate:
            self._forking = False
            self._gate.notify_all()

    def in_child(self) -> None:
        # Somebody was in there for ten seconds: SQLite's memory of locks is not to be trusted.
        self._broken = self._broken or self._users > 0
        _inherited.extend(self._idle)
        self._begin()


_pools: weakref.WeakSet[Connections] = weakref.WeakSet()


def _each(act: Callable[[Connections], None]) -> Callable[[], None]:
    def hook() -> None:
        for pool in list(_pools):
            act(pool)

    return hook


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_each(Connections.before_fork),
        after_in_parent=_each(Connections.after_fork),
        after_in_child=_each(Connections.in_child),
    )
