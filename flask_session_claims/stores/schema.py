"""The tables of the SQLite store, and how an older file comes to have them.

A migration only adds, so that processes with the code before it can go on beside the new ones;
one that cannot be read by older code says so in `readable_from`. All of them run in one
transaction: one that is cut off has not happened.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..core.errors import ConfigurationError

#: Marks a file as ours: "FSCl", see https://www.sqlite.org/pragma.html#pragma_application_id.
APPLICATION_ID: Final = 0x4653436C


class Migration(NamedTuple):
    """One step from a version of the schema to the next."""

    statements: tuple[str, ...]
    #: The oldest code, by the version of its schema, that can work with the result.
    readable_from: int


MIGRATIONS: Final = (
    Migration(
        (
            """CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID""",
            """CREATE TABLE records (
                kind TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,
                data BLOB NOT NULL, indexes TEXT NOT NULL, due_at REAL,
                PRIMARY KEY (kind, key))""",
            """CREATE INDEX records_due ON records (kind, due_at, key) WHERE due_at IS NOT NULL""",
            """CREATE TABLE record_index (
                kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, key TEXT NOT NULL,
                PRIMARY KEY (kind, name, value, key)) WITHOUT ROWID""",
            """CREATE TABLE log (
                position INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL,
                key TEXT NOT NULL, what TEXT NOT NULL, at REAL NOT NULL, until REAL NOT NULL)""",
            """CREATE INDEX log_until ON log (until)""",
        ),
        readable_from=1,
    ),
)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the file's schema; 0 for an empty file."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def check(connection: sqlite3.Connection, migrations: Sequence[Migration], path: str) -> bool:
    """Whether the file can be used as it is; False: `upgrade` it first.

    Raises ConfigurationError if it is not ours, or too new.
    """
    _ = connection.execute("BEGIN")  # one moment for all of it: another may be upgrading
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = version_of(connection)
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    finally:
        _ = connection.execute("ROLLBACK")
    if application != APPLICATION_ID:
        if application or version or tables:
            raise ConfigurationError(
                f"{path} is another program's database; name a file of its own for the store.",
                code="store-foreign",
            )
        return False
    if version <= len(migrations):
        return version == len(migrations)
    row = connection.execute("SELECT value FROM meta WHERE name = 'readable_from'").fetchone()
    if int(row[0]) > len(migrations):
        raise ConfigurationError(
            f"{path} has schema version {version}, and this release knows versions up to"
            f" {len(migrations)}; install the release that wrote it, or a newer one.",
            code="store-schema-newer",
        )
    return True


def upgrade(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Run what is missing; inside a write transaction, where the version is looked at anew."""
    version = version_of(connection)
    for migration in migrations[version:]:
        for statement in migration.statements:
            _ = connection.execute(statement)
    if version < len(migrations):
        facts = {"readable_from": str(max(m.readable_from for m in migrations))}
        if not version:
            facts["store_id"] = secrets.token_hex(16)
            _ = connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _ = connection.executemany(
            "INSERT INTO meta VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            facts.items(),
        )
        _ = connection.execute(f"PRAGMA user_version = {len(migrations)}")
