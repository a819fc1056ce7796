"""Records in Redis or Valkey, for all processes that reach the server; needs the extra `redis`.

Each act is one script and one round trip. Redis runs one script at a time, so no lock is needed
and no reader sees half a commit. Nothing expires by itself: what is no longer needed is removed
by whoever uses the store. All keys have the hash tag `{prefix}`.
"""

from __future__ import annotations

import math
import re
import secrets
import time
from collections.abc import Sequence
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from ..core.errors import ConfigurationError, SessionClaimsError
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
from . import redis_scripts as scripts
from . import shown
from .faults import StoreUnavailable

try:
    import redis
    from redis.exceptions import NoScriptError
except ImportError as _missing:
    raise ConfigurationError(
        'a store in Redis needs redis-py; run: pip install "flask-session-claims[redis]"',
        code="store-extra-missing",
    ) from _missing

from .redis_checks import READABLE_FROM, SCHEMA, check_keeping, check_role, check_schema, facts_of
from .redis_connections import Connections, Wire, ask
from .redis_faults import StoreUnconfirmed, from_redis

_PREFIX: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_LAST: Final = (1 << 53) - 1  # beyond it a script's numbers are not exact
_OPTIONS: Final = (
    "prefix=session_claims, timeout=5 (seconds, up to 60), wait=0 (replicas that must confirm a"
    " revocation), max_connections=20, persistence=aof (or none)"
)
#: The beginnings of redis-py's options that the store decides by itself.
_RULED: Final = (
    "decode_",
    "encoding",
    "event_",
    "health_",
    "himport_",
    "legacy_",
    "maint_",
    "max_connections",
    "orig_",
    "oss_",
    "parser_",
    "protocol",
    "retry",
    "socket_connect_timeout",
    "socket_timeout",
)


def open_redis(url: str) -> RedisStore:
    """The store that a `redis://`, `rediss://` or `unix://` URL names; nothing is opened yet.

    Options in the query: `prefix`, `timeout`, `wait`, `max_connections`, `persistence` as
    `RedisStore` has them; the others are redis-py's.

    Raises:
        ConfigurationError: an option is not known, or has a wrong value.
    """
    own: dict[str, Any] = {}
    others: list[tuple[str, str]] = []
    address, _, query = url.partition("?")
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in ("prefix", "persistence"):
            own[name] = value
        elif name in ("wait", "max_connections"):
            own[name] = int(value) if re.fullmatch("[0-9]{1,6}", value) else -1
        elif name == "timeout":
            own[name] = float(value) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) else -1.0
        else:
            others.append((name, value))
    return RedisStore(f"{address}?{urlencode(others)}" if others else address, **own)


class RedisStore:
    """A store in a Redis server (5 or newer), or in Valkey.

    Args:
        place: a URL of redis-py's, or a `redis.Redis`, whose settings are taken over (also those
            of Sentinel); the store makes connections of its own and never closes the client.
        prefix: what keys begin with, in braces; stores of different prefixes are strangers.
        timeout: how many seconds a call may take.
        wait: how many replicas must have a commit with log entries before it returns.
        max_connections: how many connections this process has at most.
        persistence: "none" lets a server be used that keeps nothing on disk.
    """

    def __init__(
        self,
        place: str | redis.Redis,
        *,
        prefix: str = "session_claims",
        timeout: float = 5.0,
        wait: int = 0,
        max_connections: int = 20,
        persistence: str = "aof",
    ) -> None:
        self._place = place  # Sentinel's connections refer to their client's pool weakly
        self._name, kind, settings = _settings(place)
        for good in (
            _PREFIX.fullmatch(prefix),
            0 < timeout <= 60,
            0 <= wait <= 100,
            0 < max_connections <= 10_000,
            persistence in ("aof", "none"),
        ):
            if not good:
                raise _invalid(self._name, "has an option with a value that is not allowed")
        self._meta = f"{{{prefix}}}:meta"
        self._prefix = f"{{{prefix}}}:"
        self._timeout = timeout
        self._wait = wait
        self._weak = persistence == "none"
        self._checked = self._met = self._made = False
        self._connections = Connections(
            self._name, kind, settings, size=max_connections, greet=self._greet
        )
        try:
            _ = self._connections.make(0.0)
        except (TypeError, ValueError, redis.RedisError):
            # What is wrong is not quoted: it may be a password.
            raise _invalid(self._name, "has an option that redis-py does not know") from None

    # --- the protocol ---------------------------------------------------------------------

    def load(self, kind: str, key: str) -> Record | None:
        found = self._run(scripts.LOAD, _name(kind, key))[1]
        return None if found[0] is None else self._record(kind, key, found)

    def find(self, kind: str, index: str, value: str, after: str = "") -> Page:
        index_set = "\0".join((kind, index, value))
        _, found, more = self._run(scripts.FIND, kind, index_set, after, PAGE)
        records = self._records(kind, found)
        return Page(records, records[-1].key if more else None)

    def due(self, kind: str, until: float) -> tuple[Record, ...]:
        return self._records(kind, self._run(scripts.DUE, kind, _time(until), PAGE)[1])

    def count(self, kind: str) -> int:
        return int(self._run(scripts.COUNT, kind)[1])

    def commit(
        self, puts: Sequence[Put], deletes: Sequence[Delete] = (), log: Sequence[LogEntry] = ()
    ) -> bool:
        arguments: list[str | bytes | int] = [secrets.token_hex(16), int(not self._made)]
        arguments += [SCHEMA, READABLE_FROM, len(deletes), len(puts), len(log)]
        for delete in deletes:
            arguments += [_name(delete.kind, delete.key), delete.expected]
        for put in puts:
            indexes = "".join(f"{name}\0{value}\0" for name, value in put.indexes)
            due_at = "" if put.due_at is None else _time(put.due_at)
            arguments += [_name(put.kind, put.key), put.expected, bytes(put.data), indexes, due_at]
        for entry in log:
            at, until = _time(entry.at), _time(entry.until)
            text = "\0".join((at, until, entry.subject, entry.what, entry.key))
            arguments += [at, until, text]
        _, done = self._run(scripts.COMMIT, *arguments, wait=self._wait if log else 0)
        if done == scripts.REMAINS:
            raise StoreUnavailable("store-corrupt", self._name)
        return bool(done)

    def log_since(self, position: int) -> LogPage:
        position = min(max(position, 0), _LAST)
        store_id, newest, oldest, found = self._run(scripts.LOG, position, position + 1, LOG_PAGE)
        return LogPage(
            store_id and store_id.decode(),
            _position(oldest),
            int(newest),
            tuple(map(_entry, found)),
        )

    def identity(self) -> Identity | None:
        store_id, schema, _ = self._run(scripts.IDENTITY)
        return None if store_id is None else Identity(store_id.decode(), int(schema))

    def close(self) -> None:
        self._connections.close()

    # --- asking ---------------------------------------------------------------------------

    def _run(
        self, script: scripts.Script, *arguments: str | bytes | int, wait: int = 0
    ) -> list[Any]:
        """The answer of a script; it is never repeated if it may have written something."""
        deadline = time.monotonic() + self._timeout
        reads = script is not scripts.COMMIT
        made = self._made  # before asking: another thread may be making it

        def act(wire: Wire) -> list[Any]:
            given = (1, self._meta, self._prefix, *arguments)
            try:
                reply = ask(wire, "EVALSHA", script.sha, *given)
            except NoScriptError:
                reply = ask(wire, "EVAL", script.text, *given)
            if wait and reply[1] == 1:
                self._confirm(wire, wait, deadline - time.monotonic())
            return cast("list[Any]", reply)

        try:
            reply = self._connections.perform(deadline, act, repeatable=reads)
        except SessionClaimsError:
            raise
        except (redis.RedisError, OSError) as error:
            raise from_redis(error, self._name, met=self._met) from error
        self._met = True
        if reply[0] is not None:
            self._made = True
        elif made:
            # Not an empty store: that would sign everybody out.
            raise StoreUnavailable("store-gone", self._name)
        return reply

    def _confirm(self, wire: Wire, wait: int, seconds: float) -> None:
        """See to it that so many replicas have what this connection has written."""
        # Redis looks at its clocks ten times a second; 0 milliseconds would be for ever.
        patience = max(1, int(1000 * (seconds - min(0.2, seconds / 2))))
        try:
            confirmed = ask(wire, "WAIT", wait, patience)
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            raise StoreUnconfirmed(self._name) from error
        if confirmed < wait:
            raise StoreUnconfirmed(self._name)

    def _greet(self, wire: Wire) -> None:
        facts = facts_of(wire)
        check_role(facts, self._name)
        if not self._checked:
            check_keeping(facts, self._name, weak=self._weak)
            self._checked = True
        check_schema(wire, self._meta, self._name)

    def _records(self, kind: str, found: list[Any]) -> tuple[Record, ...]:
        return tuple(self._record(kind, key.decode(), fields) for key, fields in found)

    def _record(self, kind: str, key: str, fields: list[Any]) -> Record:
        version, data, indexes, due_at = fields
        if version is None:  # an index that leads nowhere
            raise StoreUnavailable("store-corrupt", self._name)
        return Record(
            kind, key, int(version), data, _pairs(indexes), float(due_at) if due_at else None
        )


def _settings(place: object) -> tuple[str, type, dict[str, Any]]:
    """How messages name the place, and redis-py's class and settings of connections to it."""
    if isinstance(place, str):
        name = shown(place)
        try:
            parts = urlsplit(place)
        except ValueError:  # half an IPv6 address
            raise _invalid(name, "cannot be understood") from None
        if any(option.startswith(_RULED) for option, _ in parse_qsl(parts.query)):
            raise _invalid(name, "has an option that the store decides by itself")
        if parts.scheme != "unix" and not re.fullmatch("/?[0-9]*", parts.path):
            raise _invalid(name, "names no database; databases are numbers, as in /0")
        try:
            pool = cast("Any", redis.ConnectionPool).from_url(place)
        except (TypeError, ValueError, redis.RedisError):
            raise _invalid(name, "cannot be understood") from None
    elif isinstance(place, redis.Redis):
        pool = cast("Any", place).connection_pool
        where = pool.connection_kwargs
        host = where.get("path") or f"{where.get('host', '')}:{where.get('port', '')}"
        name = f"redis://{getattr(pool, 'service_name', host)}"
    else:
        raise ConfigurationError(
            "a store in Redis is given as a URL or as a redis.Redis, not as"
            f" {type(place).__name__}; for a Cluster give the URL of one of its nodes.",
            code="store-url-invalid",
        )
    settings: dict[str, Any] = {
        option: value
        for option, value in pool.connection_kwargs.items()
        if not option.startswith(_RULED)
    }
    return name, pool.connection_class, {**settings, "protocol": 2}


def _invalid(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"the store's URL {name!r} {what}; own options and their defaults: {_OPTIONS}; the others"
        " are redis-py's, such as ssl_ca_certs.",
        code="store-url-invalid",
    )


def _name(kind: str, key: str) -> str:
    return f"{kind}\0{key}"


def _time(seconds: float) -> str:
    """A time as Redis reads it, to the last bit."""
    if math.isnan(seconds):
        raise ValueError("a time is a number")
    return repr(float(seconds))


def _pairs(text: bytes) -> Indexes:
    names = text.decode().split("\0")
    return tuple(zip(names[:-1:2], names[1::2], strict=True))


def _position(stream_id: bytes) -> int:
    return int(stream_id.partition(b"-")[0])


def _entry(found: bytes) -> LogEntry:
    stream_id, at, until, subject, what, key = found.split(b"\0", 5)
    return LogEntry(
        subject.decode(), key.decode(), what.decode(), float(at), float(until), _position(stream_id)
    )
