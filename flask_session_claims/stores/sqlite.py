"""Records in one SQLite file, for all processes of one machine; standard library only.

Readers never wait for writers (write-ahead log); writers queue (`queue.py`); a commit that has
returned is on the disk. Nothing is opened or written before the first use, and reading does not
make the file.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import ClassVar, Final, TypeAlias, TypeVar

from ..core.errors import ConfigurationError
from ..sessions.records import (
    LOG_PAGE,
    PAGE,
    Delete,
    Identity,
    Indexes,
    LogEntry,
    LogPage,
    Page,
    Put,
    Record,
)
from . import schema
from .connections import Connections, connect
from .faults import StoreUnavailable, from_sqlite, is_busy
from .filesystems import network_file_system
from .queue import Late, WriterQueue

T = TypeVar("T")
_Row: TypeAlias = tuple[str, str, int, bytes, str, "float | None"]
_COLUMNS: Final = "r.kind, r.key, r.version, r.data, r.indexes, r.due_at"
_PAUSE: Final = 0.0005  # seconds between two tries of what another process holds up


class SqliteStore:
    """A store in the file `path`; its folder must exist, or with `make_folder` its parent, or with
    `make_parents` nothing of it.

    `timeout` is how many seconds a call may wait for other writers.
    """

    migrations: ClassVar[Sequence[schema.Migration]] = schema.MIGRATIONS

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float = 5.0,
        make_folder: bool = False,
        make_parents: bool = False,
    ) -> None:
        #: The file.
        self.path: Path = Path(path).absolute()
        self._name = f"sqlite:///{self.path}"
        self._timeout = timeout
        self._make_folder = make_folder or make_parents
        self._make_parents = make_parents
        self._check_place()
        self._queue = WriterQueue(f"{self.path}.lock")
        self._connections = Connections(self._name, self._open)
        #: The file as it was when last seen (device, inode); connections belong to that one.
        self._file: tuple[int, int] | None = None

    def _check_place(self) -> None:
        known = folder = self.path.parent
        while not known.exists() and (
            self._make_parents or (self._make_folder and known is folder)
        ):
            known = known.parent
        if not known.is_dir():
            raise ConfigurationError(
                f"the store {self._name} needs the folder {known}, which is not there; make it,"
                " or name another file.",
                code="store-no-folder",
            )
        if self.path.is_dir():
            raise ConfigurationError(
                f"the store {self._name} is a folder; name a file in it.", code="store-is-folder"
            )
        kind = network_file_system(known)
        if kind is not None:
            raise ConfigurationError(
                f"the store {self._name} is on a network file system ({kind}), where SQLite loses"
                " data; name a file on a local disk.",
                code="store-network",
            )

    # --- the protocol ---------------------------------------------------------------------

    def load(self, kind: str, key: str) -> Record | None:
        rows = self._read(
            f"SELECT {_COLUMNS} FROM records r WHERE r.kind = ? AND r.key = ?",  # noqa: S608
            (kind, key),
        )
        return _record(rows[0]) if rows else None

    def find(self, kind: str, index: str, value: str, after: str = "") -> Page:
        rows = self._read(
            f"SELECT {_COLUMNS} FROM record_index i JOIN records r USING (kind, key)"  # noqa: S608
            " WHERE i.kind = ? AND i.name = ? AND i.value = ? AND i.key > ?"
            " ORDER BY i.key LIMIT ?",
            (kind, index, value, after, PAGE + 1),
        )
        records = tuple(map(_record, rows[:PAGE]))
        return Page(records, records[-1].key if len(rows) > PAGE else None)

    def due(self, kind: str, until: float) -> tuple[Record, ...]:
        rows = self._read(
            f"SELECT {_COLUMNS} FROM records r WHERE r.kind = ? AND r.due_at <= ?"  # noqa: S608
            " ORDER BY r.due_at, r.key LIMIT ?",
            (kind, until, PAGE),
        )
        return tuple(map(_record, rows))

    def count(self, kind: str) -> int:
        def read(connection: sqlite3.Connection) -> int:
            counted = connection.execute("SELECT count(*) FROM records WHERE kind = ?", (kind,))
            number: int = counted.fetchone()[0]
            return number

        return self._reading(read) or 0

    def commit(
        self, puts: Sequence[Put], deletes: Sequence[Delete] = (), log: Sequence[LogEntry] = ()
    ) -> bool:
        with self._errors():
            self._make_file()
            with self._connections.use() as connection, self._writing(connection) as keep:
                changes: list[Put | Delete] = [*deletes, *puts]
                standing = [_standing(connection, change) for change in changes]
                if [version for version, _ in standing] != [c.expected for c in changes]:
                    self._queue.lost()
                    return False
                for delete, (_, indexes) in zip(deletes, standing, strict=False):
                    _index(connection, delete, indexes, ())
                    _ = connection.execute(
                        "DELETE FROM records WHERE kind = ? AND key = ?", (delete.kind, delete.key)
                    )
                for put, (_, indexes) in zip(puts, standing[len(deletes) :], strict=True):
                    _put(connection, put, indexes)
                _append(connection, log)
                keep()
            if self._file is None:
                _ = self._see_file()
        return True

    def log_since(self, position: int) -> LogPage:
        def read(connection: sqlite3.Connection) -> LogPage:
            oldest, newest, store_id = connection.execute(_LOG_STATE).fetchone()
            if (newest or 0) <= position:  # nearly always: one statement is one moment
                return LogPage(store_id, oldest or 0, newest or 0, ())
            if not connection.in_transaction:
                _ = connection.execute("BEGIN")  # one moment for all of it
            entries = connection.execute(
                "SELECT subject, key, what, at, until, position FROM log WHERE position > ?"
                " ORDER BY position LIMIT ?",
                (position, LOG_PAGE),
            ).fetchall()
            oldest, newest, store_id = connection.execute(_LOG_STATE).fetchone()
            _ = connection.execute("COMMIT")
            logged = tuple(LogEntry(*entry) for entry in entries)
            return LogPage(store_id, oldest or 0, newest or 0, logged)

        return self._reading(read) or LogPage(None, 0, 0, ())

    def identity(self) -> Identity | None:
        def read(connection: sqlite3.Connection) -> Identity:
            store_id = connection.execute(_STORE_ID).fetchone()[0]
            return Identity(store_id, schema.version_of(connection))

        return self._reading(read)

    def close(self) -> None:
        self._connections.close()
        self._queue.close()

    # --- reading and writing --------------------------------------------------------------

    def _read(self, statement: str, values: tuple[object, ...]) -> list[_Row]:
        def read(connection: sqlite3.Connection) -> list[_Row]:
            return connection.execute(statement, values).fetchall()

        return self._reading(read) or []

    def _reading(self, read: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `read` gives; None if there is no store yet."""
        with self._errors():
            if not self._see_file():
                return None
            deadline = time.monotonic() + self._timeout
            # Even a reader is held up while the write-ahead log is recovered.
            with self._connections.use() as connection:
                return _patiently(deadline, lambda: read(connection))

    @contextlib.contextmanager
    def _writing(self, connection: sqlite3.Connection) -> Generator[Callable[[], None], None, None]:
        """A write transaction; it is rolled back unless what is given is called."""
        deadline = time.monotonic() + self._timeout
        with self._queue.turn(deadline) as turn:
            _ = _patiently(deadline, lambda: connection.execute("BEGIN IMMEDIATE"))
            turn.pass_on()
            yield lambda: _done(connection.execute("COMMIT"))
            if connection.in_transaction:
                _ = connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _errors(self) -> Generator[None, None, None]:
        try:
            yield
        except Late:
            raise StoreUnavailable("store-locked", self._name) from None
        except sqlite3.Error as error:
            raise from_sqlite(error, self._name) from error
        except OSError as error:
            raise StoreUnavailable("store-unreachable", self._name) from error

    # --- the file -------------------------------------------------------------------------

    def _see_file(self) -> bool:
        """Whether there is a file; connections to one that was replaced are dropped."""
        known = self._file  # before looking: another thread may be making the file
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            found = None
        if found is None or not found.st_size:  # not there, or never committed to
            if known is None:
                return False
            # Not an empty store: that would sign everybody out.
            raise StoreUnavailable("store-gone", self._name)
        if (found.st_dev, found.st_ino) != known:
            if known is not None:
                self._connections.close()
            self._file = found.st_dev, found.st_ino
        return True

    def _make_file(self) -> None:
        if self._see_file():
            return
        if self._make_folder:
            self.path.parent.mkdir(mode=0o700, parents=self._make_parents, exist_ok=True)
        # Beside it SQLite makes its own files with the same permissions.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))

    def _open(self) -> sqlite3.Connection:
        deadline = time.monotonic() + self._timeout
        connection = _patiently(deadline, lambda: connect(str(self.path)))
        try:
            if not _patiently(
                deadline, lambda: schema.check(connection, self.migrations, str(self.path))
            ):
                with self._writing(connection) as keep:
                    schema.upgrade(connection, self.migrations)
                    keep()
        except BaseException:
            connection.close()
            raise
        return connection


_STORE_ID: Final = "SELECT value FROM meta WHERE name = 'store_id'"
_LOG_STATE: Final = (
    "SELECT (SELECT min(position) FROM log),"
    " (SELECT max(seq) FROM sqlite_sequence WHERE name = 'log'),"
    " (SELECT value FROM meta WHERE name = 'store_id')"
)


def _patiently(deadline: float, act: Callable[[], T]) -> T:
    """What `act` gives, tried again while another process is in the way."""
    while True:
        try:
            return act()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)


def _done(_: object) -> None:
    """Nothing more is wanted of it."""


def _record(row: _Row) -> Record:
    kind, key, version, data, indexes, due_at = row
    return Record(kind, key, version, data, _pairs(indexes), due_at)


def _pairs(text: str) -> Indexes:
    return tuple((name, value) for name, value in json.loads(text))


def _standing(connection: sqlite3.Connection, change: Put | Delete) -> tuple[int, Indexes]:
    row = connection.execute(
        "SELECT version, indexes FROM records WHERE kind = ? AND key = ?",
        (change.kind, change.key),
    ).fetchone()
    return (row[0], _pairs(row[1])) if row else (0, ())


def _put(connection: sqlite3.Connection, put: Put, standing: Indexes) -> None:
    if put.indexes != standing:
        _index(connection, put, standing, put.indexes)
    _ = connection.execute(
        "INSERT INTO records (kind, key, version, data, indexes, due_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version, data = excluded.data,"
        " indexes = excluded.indexes, due_at = excluded.due_at",
        (put.kind, put.key, put.expected + 1, put.data, json.dumps(put.indexes), put.due_at),
    )


def _index(
    connection: sqlite3.Connection, change: Put | Delete, standing: Indexes, indexes: Indexes
) -> None:
    """Let the record stand under exactly these index values."""
    for name, value in standing:
        _ = connection.execute(
            "DELETE FROM record_index WHERE kind = ? AND name = ? AND value = ? AND key = ?",
            (change.kind, name, value, change.key),
        )
    _ = connection.executemany(
        "INSERT INTO record_index (kind, name, value, key) VALUES (?, ?, ?, ?)",
        [(change.kind, name, value, change.key) for name, value in indexes],
    )


def _append(connection: sqlite3.Connection, log: Sequence[LogEntry]) -> None:
    for entry in log:
        _ = connection.execute("DELETE FROM log WHERE until < ?", (entry.at,))
        _ = connection.execute(
            "INSERT INTO log (subject, key, what, at, until) VALUES (?, ?, ?, ?, ?)",
            (entry.subject, entry.key, entry.what, entry.at, entry.until),
        )
