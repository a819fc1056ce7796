"""Records in PostgreSQL, for all processes of all machines; extra `sql`.

Nothing is opened before the first use, and reading makes no tables. A read is one statement. A
commit is one short READ COMMITTED transaction, sent as one pipeline where one statement can say
whether it takes place. Nothing is kept on a connection between calls, so that a pooler may stand
between.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

from ..core.errors import ConfigurationError
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
from . import shown
from .faults import StoreUnavailable

try:
    import psycopg
    from psycopg.rows import tuple_row
    from sqlalchemy import Engine
except ImportError as _missing:
    raise ConfigurationError(
        "a store in PostgreSQL needs SQLAlchemy and psycopg: pip install"
        ' "flask-session-claims[sql]" (and "psycopg[binary]" where libpq is not installed).',
        code="store-extra-missing",
    ) from _missing

from .pgconnections import Connections, Raw
from .pgfaults import RIGHTS, Late, collided, from_psycopg, never
from .pgoptions import checked, number, params, split_options
from .pgstatements import (
    COUNT,
    DUE,
    FIND,
    IDENTITY,
    LOAD,
    LOCK,
    LOG,
    SETTINGS,
    change_statement,
    record_id,
)
from .pgtables import UPGRADES, Place, Upgrade, metadata

__all__ = ["PostgresqlStore", "metadata", "open_postgresql"]

T = TypeVar("T")
_TRIES: Final = 5  # of a commit that collides with others
_log: Final = logging.getLogger("flask_session_claims")


class PostgresqlStore:
    """A store in a PostgreSQL database.

    Args:
        source: a URL, or an app's own engine (`postgresql+psycopg`), whose pool is then used
            as it is, and not disposed of by `close`.
        schema: where the tables are; default: `public`.
        timeout: how many seconds a call may take, whatever the server does.
        pool_size: how many connections there are at most; of an engine it is the engine's.
    """

    upgrades: ClassVar[Sequence[Upgrade]] = UPGRADES

    def __init__(
        self,
        source: Engine | str,
        *,
        schema: str | None = None,
        timeout: float = 5.0,
        pool_size: int = 5,
    ) -> None:
        origin: Engine | Mapping[str, Any]
        if isinstance(source, str):
            #: The URL without password and options.
            self.address: str = shown(source)
            origin = params(source)
        else:
            origin = checked(source)
            self.address = shown(source.url.render_as_string(hide_password=True))
        self._place = Place(schema, self.upgrades, self.address)
        self._timeout = timeout
        self._connections = Connections(
            origin, pool_size=pool_size, timeout=timeout, name=self.address
        )
        #: Whether the tables are known to be there.
        self._made = False
        #: What has worked once: from then on no error is the configuration's.
        self._proven: set[str] = set()
        self._told: str | None = None

    # --- the protocol ---------------------------------------------------------------------

    def load(self, kind: str, key: str) -> Record | None:
        rows = self._read(LOAD, (record_id(kind, key),))
        return _record(rows[0]) if rows else None

    def find(self, kind: str, index: str, value: str, after: str = "") -> Page:
        rows = self._read(FIND, (record_id(kind, index, value), after, PAGE + 1))
        records = tuple(map(_record, rows[:PAGE]))
        return Page(records, records[-1].key if len(rows) > PAGE else None)

    def due(self, kind: str, until: float) -> tuple[Record, ...]:
        return tuple(map(_record, self._read(DUE, (kind, until, PAGE))))

    def count(self, kind: str) -> int:
        rows = self._read(COUNT, (kind,))
        return int(rows[0][0]) if rows else 0

    def commit(
        self, puts: Sequence[Put], deletes: Sequence[Delete] = (), log: Sequence[LogEntry] = ()
    ) -> bool:
        changes: list[Put | Delete] = [*deletes, *puts]
        changes.sort(key=lambda change: record_id(change.kind, change.key))  # so none deadlock

        def work(raw: Raw, deadline: float) -> bool:
            self._make(raw, deadline)
            if len(changes) > 1:
                return self._commit_many(raw, deadline, changes, log)
            return self._commit_one(raw, deadline, changes, log)

        return self._act("commit", work)

    def log_since(self, position: int) -> LogPage:
        made = self._made  # before asking: another thread may be making it
        rows = self._read(LOG, (position, LOG_PAGE))
        if not rows:
            self._expect_empty(made)
            return LogPage(None, 0, 0, ())
        store_id, newest, oldest = rows[0][:3]
        entries = tuple(LogEntry(*row[3:]) for row in rows if row[3] is not None)
        return LogPage(store_id, oldest or 0, newest, entries)

    def identity(self) -> Identity | None:
        made = self._made
        rows = self._read(IDENTITY, ())
        if not rows:
            self._expect_empty(made)
            return None
        return Identity(*rows[0])

    def close(self) -> None:
        self._connections.close()

    # --- reading --------------------------------------------------------------------------

    def _read(self, statement: str, values: Sequence[object]) -> list[Any]:
        """The rows; none if there is no store yet."""

        def work(raw: Raw, deadline: float) -> list[Any]:
            if not self._made and not self._is_made(raw, deadline):
                return []
            return _execute(raw, self._place.sql(statement), values).fetchall()

        return self._act("read", work)

    def _expect_empty(self, made: bool) -> None:
        if made:  # not an empty store: that would sign everybody out
            raise StoreUnavailable("store-gone", self.address)

    # --- writing --------------------------------------------------------------------------

    def _commit_one(
        self, raw: Raw, deadline: float, changes: list[Put | Delete], log: Sequence[LogEntry]
    ) -> bool:
        """At most one change: one statement does all or nothing, and one round trip."""
        statement, values = change_statement(changes[0] if changes else None, log)
        with _pipeline(raw):
            self._begin(raw, deadline, self._place.log_lock if log else None)
            done = _execute(raw, self._place.sql(statement), values)
            _ = _execute(raw, b"COMMIT")
        return _is_done(done)

    def _commit_many(
        self, raw: Raw, deadline: float, changes: list[Put | Delete], log: Sequence[LogEntry]
    ) -> bool:
        """One statement for each change, in the order of their ids; then it is decided."""
        with _pipeline(raw):
            self._begin(raw, deadline, self._place.log_lock if log else None)
            done = [
                _execute(raw, self._place.sql(statement), values)
                for statement, values in map(change_statement, changes)
            ]
            if log:
                statement, values = change_statement(None, log)
                _ = _execute(raw, self._place.sql(statement), values)
        won = all(map(_is_done, done))
        _ = _execute(raw, b"COMMIT" if won else b"ROLLBACK")
        return won

    def _begin(self, raw: Raw, deadline: float, lock: int | None) -> None:
        _ = _execute(raw, b"BEGIN ISOLATION LEVEL READ COMMITTED")
        left = max(1, int(1000 * (deadline - time.monotonic())))  # milliseconds; 0 is: never
        # The lock's is the first: it says why.
        _ = _execute(raw, SETTINGS, (str(left), str(left + 100), str(left + 100)))
        if lock is not None:
            # Held to the end: who gets the lower position is seen first.
            _ = _execute(raw, LOCK, (lock, left))

    # --- the tables -----------------------------------------------------------------------

    def _is_made(self, raw: Raw, deadline: float) -> bool:
        """Whether there is a store, brought forward if it is an older one."""
        if not self._place.check(raw):
            if not self._place.is_made(raw):
                return False
            self._make(raw, deadline)
        self._made = True
        return True

    def _make(self, raw: Raw, deadline: float) -> None:
        if self._made:
            return
        if not self._place.check(raw):
            self._begin(raw, deadline, self._place.make_lock)
            self._place.make(raw)
            _ = _execute(raw, b"COMMIT")
        self._made = True

    # --- acting, and what may go wrong ----------------------------------------------------

    def _act(self, what: str, work: Callable[[Raw, float], T]) -> T:
        """What `work` gives on a connection, within the deadline."""
        deadline = time.monotonic() + self._timeout
        for tried in range(1, _TRIES + 1):
            try:
                with self._errors(what), self._connections.use(deadline) as raw:
                    return work(raw, deadline)
            except StoreUnavailable as error:
                if tried == _TRIES or not _again(what, error, tried):
                    raise
                pause = random.uniform(0, 0.01 * 2**tried)  # noqa: S311
                if time.monotonic() + pause >= deadline:
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _errors(self, what: str) -> Generator[None, None, None]:
        try:
            yield
        except Late:
            raise StoreUnavailable("store-timeout", self.address) from None
        except psycopg.Error as error:
            reason = never(error)
            if reason is not None:
                self._tell(what, reason, error)
            raise from_psycopg(error, self.address) from error
        self._proven |= {what, "read"}
        self._told = None

    def _tell(self, what: str, reason: str, error: psycopg.Error) -> None:
        """ConfigurationError, if it has never worked; else a line in the log."""
        text = f"the store {self.address} cannot be used: {reason}"
        if reason == RIGHTS:
            text += (
                f"; let it create tables in the schema {self._place.schema}, or make them in a"
                " migration (flask_session_claims.stores.postgresql.metadata) and grant it"
                " SELECT, INSERT, UPDATE and DELETE on them"
            )
        if not (what in self._proven if reason == RIGHTS else self._proven):
            raise ConfigurationError(f"{text}.", code="store-refused") from error
        if self._told != reason:
            self._told = reason
            _log.error("%s", text, extra={"event": "store-refused"})


def open_postgresql(url: str) -> PostgresqlStore:
    """The store that a URL names; nothing is opened yet.

    `pool_size` (1 to 1000), `schema` and `timeout` (0.1 to 60 seconds) in its query are the
    store's own; everything else there is libpq's.

    Raises:
        ConfigurationError: it cannot be read, or has an option that nobody knows.
    """
    plain, options = split_options(url)
    return PostgresqlStore(
        plain,
        schema=options.get("schema"),
        timeout=number(options, "timeout", 5.0, 0.1, 60.0),
        pool_size=int(number(options, "pool_size", 5, 1, 1000)),
    )


def _again(what: str, error: StoreUnavailable, tried: int) -> bool:
    """Whether the same once more can do no harm, and some good."""
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error):
        return False
    if collided(cause):
        return True
    # The connection had died while nobody used it. A commit might have taken place.
    return what == "read" and tried == 1 and error.code == "store-unreachable"


def _pipeline(raw: Raw) -> contextlib.AbstractContextManager[object]:
    """What is executed within goes out together, and has been answered at the end."""
    if psycopg.Pipeline.is_supported():
        return raw.pipeline()
    return contextlib.nullcontext()  # libpq before 14: each by itself


def _execute(raw: Raw, statement: bytes, values: Any = ()) -> psycopg.Cursor[Any]:
    cursor = psycopg.Cursor(raw, row_factory=tuple_row)
    return cursor.execute(statement, values, prepare=False, binary=True)


def _is_done(cursor: psycopg.Cursor[Any]) -> bool:
    return bool(cursor.fetchone() == (1,))


def _record(row: Any) -> Record:
    kind, key, version, data, names, values, due_at = row
    return Record(kind, key, version, data, tuple(zip(names, values, strict=True)), due_at)
