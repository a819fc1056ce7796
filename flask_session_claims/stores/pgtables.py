"""The tables of the PostgreSQL store, and how a database comes to have them.

`metadata` describes them for SQLAlchemy, and so for Alembic; where nobody made them, the store
does at its first commit. An upgrade only adds and can be run twice, so that processes with the
code before it go on, and it makes no difference who ran it. All of it is one transaction: one
that is cut off has not happened.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.rows import tuple_row
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from ..core.errors import ConfigurationError

PREFIX: Final = "session_claims_"
_SCHEMA: Final = re.compile("[A-Za-z_][A-Za-z0-9_]{0,62}")


class Upgrade(NamedTuple):
    """One step from a version of the schema to the next; `{s}` stands before a table's name."""

    statements: tuple[str, ...]
    #: The oldest code, by the version of its schema, that can work with the result.
    readable_from: int


#: From version 1, which `metadata` makes, to later ones.
UPGRADES: Final[Sequence[Upgrade]] = ()

#: Read from the catalogue itself: what to_regclass knows may be older than a lock just waited for.
_TABLES: Final = (
    b"SELECT relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
    b" ON n.oid = c.relnamespace WHERE n.nspname = %s"
)


def metadata(schema: str | None = None) -> MetaData:
    """The tables of a PostgreSQL store, for migrations of the app's own.

    Alembic's `target_metadata` takes it beside the app's: `[Base.metadata, metadata()]`. None is
    the schema `public`.
    """
    tables = MetaData(schema=schema)

    def column(name: str, *, primary_key: bool = False) -> Column[str]:
        # Keys are compared byte by byte, whatever the database's own order.
        kind = Text(collation="C")
        return Column(name, kind, primary_key=primary_key, nullable=False)

    def time(name: str, *, nullable: bool = False) -> Column[float]:
        kind: Double[float] = Double()
        return Column(name, kind, nullable=nullable)

    _ = Table(
        f"{PREFIX}store",
        tables,
        Column("one", Boolean, primary_key=True, server_default=text("true")),
        Column("store_id", Text, nullable=False),
        Column("schema_version", Integer, nullable=False),
        Column("readable_from", Integer, nullable=False),
        # A sequence would show positions before they are committed.
        Column("newest", BigInteger, nullable=False, server_default=text("0")),
    )
    records = Table(
        f"{PREFIX}records",
        tables,
        # Digests: the longest keys would not fit into an index.
        Column("id", LargeBinary, primary_key=True),
        column("kind"),
        column("key"),
        Column("version", BigInteger, nullable=False),
        Column("data", LargeBinary, nullable=False),
        Column("index_names", ARRAY(Text), nullable=False),
        Column("index_values", ARRAY(Text), nullable=False),
        time("due_at", nullable=True),
    )
    # It has the undated records too, so that those of a kind can be counted by it.
    _ = Index(f"{PREFIX}records_due", records.c.kind, records.c.due_at)
    index = Table(
        f"{PREFIX}index",
        tables,
        Column("id", LargeBinary, primary_key=True),
        Column("place", LargeBinary, primary_key=True),
        column("key"),
    )
    _ = Index(f"{PREFIX}index_place", index.c.place, index.c.key)
    log = Table(
        f"{PREFIX}log",
        tables,
        Column("position", BigInteger, primary_key=True, autoincrement=False),
        column("subject"),
        column("key"),
        column("what"),
        time("at"),
        time("until"),
    )
    _ = Index(f"{PREFIX}log_until", log.c.until)
    return tables


class Place:
    """Where the tables are: one schema of the database."""

    def __init__(self, schema: str | None, upgrades: Sequence[Upgrade], address: str) -> None:
        self.schema: str = "public" if schema is None else schema
        if not _SCHEMA.fullmatch(self.schema):
            raise ConfigurationError(
                f"a store's schema is letters, digits and _, not {self.schema!r}.",
                code="store-option-invalid",
            )
        self._upgrades = upgrades
        self._address = address
        #: The newest version that this release knows.
        self.version: int = 1 + len(upgrades)
        #: Of the advisory lock that commits with log entries take; and those who make tables.
        self.log_lock: int = _lock(f"log {self.schema}")
        self.make_lock: int = _lock(f"make {self.schema}")

    def sql(self, statement: str) -> bytes:
        """A statement with the tables' full names: the search path is whoever's it is."""
        return statement.replace("{s}", f'"{self.schema}".{PREFIX}').encode()

    def check(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether the store can be used as it is; False: `make` it first.

        Raises ConfigurationError if it is too new, or cannot keep all texts.
        """
        standing = self._standing(connection)
        if standing is None:
            return False
        version, readable_from = standing
        if readable_from > self.version:
            raise ConfigurationError(
                f"the store {self._address} has schema version {version}, and this release knows"
                f" versions up to {self.version}; install the release that wrote it, or a newer"
                " one.",
                code="store-schema-newer",
            )
        return version >= self.version

    def is_made(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether anything was ever committed here."""
        return self._standing(connection) is not None

    def make(self, connection: psycopg.Connection[Any]) -> None:
        """Make what is missing; inside a transaction that has waited for its turn."""
        if self.check(connection):
            return
        for statement in self._missing(connection):
            _ = connection.execute(statement.encode(), prepare=False)
        standing = self._standing(connection)
        for upgrade in self._upgrades[standing[0] - 1 if standing else 0 :]:
            for statement in upgrade.statements:
                _ = connection.execute(self.sql(statement), prepare=False)
        readable_from = max((u.readable_from for u in self._upgrades), default=1)
        _ = connection.execute(
            self.sql(
                "INSERT INTO {s}store (one, store_id, schema_version, readable_from, newest)"
                " VALUES (true, %s, %s, %s, 0) ON CONFLICT (one) DO UPDATE"
                " SET schema_version = excluded.schema_version,"
                " readable_from = excluded.readable_from"
            ),
            (secrets.token_hex(16), self.version, readable_from),
            prepare=False,
        )

    def _standing(self, connection: psycopg.Connection[Any]) -> tuple[int, int] | None:
        encoding, there = _row(
            connection,
            b"SELECT current_setting('server_encoding'), EXISTS ("
            + _TABLES
            + b" AND relname = %s)",
            (self.schema, f"{PREFIX}store"),
        )
        if encoding != "UTF8" or connection.info.encoding != "utf-8":
            raise ConfigurationError(
                f"the store {self._address} is in a database, or on connections, of another"
                " encoding than UTF8, which cannot keep all texts; make the database with"
                " ENCODING 'UTF8', and set no other client_encoding.",
                code="store-encoding",
            )
        if not there:
            return None
        standing: tuple[int, int] | None = _row(
            connection, self.sql("SELECT schema_version, readable_from FROM {s}store")
        )
        return standing

    def _missing(self, connection: psycopg.Connection[Any]) -> list[str]:
        """What has to be run for the schema, and for each table, that is not there."""
        has_schema, standing = _row(
            connection,
            b"SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s),"
            b" array(" + _TABLES + b")",
            (self.schema, self.schema),
        )
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        statements = [] if has_schema else [f'CREATE SCHEMA "{self.schema}"']
        for table in metadata(self.schema).sorted_tables:
            if table.name not in standing:
                statements.append(str(CreateTable(table).compile(dialect=dialect)))
                indexes = sorted(table.indexes, key=_name)
                statements += [
                    str(CreateIndex(index).compile(dialect=dialect)) for index in indexes
                ]
        return statements


def _name(index: Index) -> str:
    return str(index.name)


def _lock(name: str) -> int:
    digest = hashlib.sha256(f"flask-session-claims {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _row(connection: psycopg.Connection[Any], statement: bytes, values: Any = ()) -> Any:
    cursor = psycopg.Cursor(connection, row_factory=tuple_row)
    return cursor.execute(statement, values, prepare=False).fetchone()
