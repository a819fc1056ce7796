"""What the PostgreSQL store says to the server; `{s}` stands before a table's name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from ..sessions.records import Delete, LogEntry, Put

#: A statement, and its values.
Said: TypeAlias = "tuple[str, Mapping[str, Any]]"

_RECORDS: Final = "SELECT r.kind, r.key, r.version, r.data, r.index_names, r.index_values, r.due_at"
LOAD: Final = _RECORDS + " FROM {s}records r WHERE r.id = %b"
FIND: Final = (
    _RECORDS + " FROM {s}index i JOIN {s}records r ON r.id = i.id"
    " WHERE i.place = %b AND i.key > %s ORDER BY i.key LIMIT %s"
)
DUE: Final = (
    _RECORDS + " FROM {s}records r WHERE r.kind = %s AND r.due_at <= %s"
    " ORDER BY r.due_at, r.key LIMIT %s"
)
COUNT: Final = "SELECT count(*) FROM {s}records WHERE kind = %s"
#: One statement is one moment: the state of the log, and beside it the entries if there are any.
LOG: Final = (
    "SELECT s.store_id, s.newest, (SELECT min(position) FROM {s}log),"
    " l.subject, l.key, l.what, l.at, l.until, l.position"
    " FROM {s}store s LEFT JOIN LATERAL (SELECT * FROM {s}log WHERE position > %s"
    " ORDER BY position LIMIT %s) l ON true ORDER BY l.position"
)
IDENTITY: Final = "SELECT store_id, schema_version FROM {s}store"

#: For this transaction alone. The last one frees locks if this process stops half way.
SETTINGS: Final = (
    b"SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true),"
    b" set_config('idle_in_transaction_session_timeout', %s, true)"
)
#: A lock, and of so many milliseconds since the transaction began what is left to the statements
#: that follow: each wait has the whole time again, and a commit that nobody waits for takes place.
LOCK: Final = (
    b"WITH locked AS (SELECT pg_advisory_xact_lock(%s)), rest AS (SELECT greatest(1, %s"
    b" - 1000 * extract(epoch FROM clock_timestamp() - now()))::int AS ms FROM locked)"
    b" SELECT set_config('lock_timeout', ms::text, true),"
    b" set_config('statement_timeout', (ms + 100)::text, true) FROM rest"
)

# Each change is one statement, whose `done` has a row if the record had its expected version;
# everything else in it hangs on that row.
_NOTHING: Final = "WITH done AS (SELECT true)"
_NEW: Final = (
    "WITH done AS (INSERT INTO {s}records"
    " (id, kind, key, version, data, index_names, index_values, due_at)"
    " VALUES (%(id)b, %(kind)s, %(key)s, 1, %(data)b, %(names)s::text[], %(values)s::text[],"
    " %(due_at)s) ON CONFLICT (id) DO NOTHING RETURNING id),"
    " more AS (INSERT INTO {s}index (id, place, key) SELECT done.id, p.place, %(key)s"
    " FROM done, unnest(%(places)s::bytea[]) AS p (place))"
)
_NEXT: Final = (
    "WITH done AS (UPDATE {s}records SET version = version + 1, data = %(data)b,"
    " index_names = %(names)s::text[], index_values = %(values)s::text[], due_at = %(due_at)s"
    " WHERE id = %(id)b AND version = %(expected)s RETURNING id),"
    " less AS (DELETE FROM {s}index i USING done"
    " WHERE i.id = done.id AND i.place <> ALL (%(places)s::bytea[])),"
    " more AS (INSERT INTO {s}index (id, place, key) SELECT done.id, p.place, %(key)s"
    " FROM done, unnest(%(places)s::bytea[]) AS p (place) ON CONFLICT (id, place) DO NOTHING)"
)
_GONE: Final = (
    "WITH done AS (DELETE FROM {s}records WHERE id = %(id)b AND version = %(expected)s"
    " RETURNING id), less AS (DELETE FROM {s}index i USING done WHERE i.id = done.id)"
)
_ABSENT: Final = (
    "WITH done AS (SELECT true WHERE NOT EXISTS (SELECT FROM {s}records WHERE id = %(id)b))"
)
# Without the store's row there is no position, which is an error: no change without its entry.
_APPEND: Final = (
    ", turn AS (UPDATE {s}store s SET newest = s.newest + %(count)s FROM done"
    " RETURNING s.newest - %(count)s AS before),"
    " dropped AS (DELETE FROM {s}log l USING turn WHERE l.until < %(latest)s),"
    " logged AS (INSERT INTO {s}log (position, subject, key, what, at, until)"
    " SELECT (SELECT before FROM turn) + e.number, e.subject, e.key, e.what, e.at, e.until"
    " FROM done, unnest(%(numbers)s::int8[], %(subjects)s::text[], %(keys)s::text[],"
    " %(whats)s::text[], %(ats)s::float8[], %(untils)s::float8[])"
    " AS e (number, subject, key, what, at, until))"
)
_DONE: Final = " SELECT count(*) FROM done"


def record_id(*names: str) -> bytes:
    """What a record, or a value of an index, is known by in the tables."""
    digest = hashlib.sha256()
    for name in names:
        text = name.encode()
        digest.update(len(text).to_bytes(2, "big") + text)
    return digest.digest()


def change_statement(change: Put | Delete | None, log: Sequence[LogEntry] = ()) -> Said:
    """What makes a change, or none, and appends to the log if that could be done.

    The count it gives is 1 if so.
    """
    values: dict[str, Any] = {}
    if change is None:
        statement = _NOTHING
    else:
        values = {"id": record_id(change.kind, change.key), "expected": change.expected}
        if isinstance(change, Put):
            statement = _NEXT if change.expected else _NEW
            values.update(
                kind=change.kind,
                key=change.key,
                data=bytes(change.data),
                names=[name for name, _ in change.indexes],
                values=[value for _, value in change.indexes],
                places=[record_id(change.kind, *pair) for pair in change.indexes],
                due_at=change.due_at,
            )
        else:
            statement = _GONE if change.expected else _ABSENT
    if log:
        statement += _APPEND
        values.update(_log_values(log))
    return statement + _DONE, values


def _log_values(log: Sequence[LogEntry]) -> Mapping[str, Any]:
    kept = [
        (number, entry)
        for number, entry in enumerate(log, 1)
        if not any(later.at > entry.until for later in log[number:])
    ]
    entries = [entry for _, entry in kept]
    return {
        "count": len(log),
        "latest": max(entry.at for entry in log),
        "numbers": [number for number, _ in kept],
        "subjects": [entry.subject for entry in entries],
        "keys": [entry.key for entry in entries],
        "whats": [entry.what for entry in entries],
        "ats": [float(entry.at) for entry in entries],
        "untils": [float(entry.until) for entry in entries],
    }
