"""A PostgreSQL and a Redis server of one's own that fail as told: what to do, and which answer
it has.

Each place gives the URL of a fresh store; a fault is a context manager over it.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import redis

from flask_session_claims.stores import redis_scripts
from tests.stores import redis_server
from tests.stores.postgresql_server import PostgresServer, Proxy, run_sql
from tests.stores.redis_server import RedisServer, until

#: Connections that a store has at most; more than there are acts at a time.
SIZE = 16
#: Seconds that an answer takes where the server is slow.
SLOW = 1.5

READS = frozenset({"verify", "verify_ended", "live", "live_ended", "list_for_user"})
NONE: frozenset[str] = frozenset()
#: Not a set, for what there is to do is no matter of the servers'.
ALL = None
LATE = frozenset({"store-timeout"})
CUT = frozenset({"store-unreachable"})
BOTH = ("sync", "async")


@dataclass(frozen=True)
class Fault:
    """What fails, and what comes of it."""

    #: Given the place and the app's store, gives the context manager in which it fails.
    begin: Callable[[Any, Any], contextlib.AbstractContextManager[None]]
    #: The codes in which an act may end.
    codes: frozenset[str]
    #: The acts that end well all the same; of the others none does. None: all.
    unmindful: frozenset[str] | None = NONE
    #: Of the codes those after which it may have taken place, since only the answer was lost.
    uncertain: frozenset[str] = NONE
    timeout: float = 0.5
    #: Whether a proxy stands before the server.
    is_proxied: bool = False
    twins: tuple[str, ...] = ("sync",)


def fails(*codes: str, **more: Any) -> Callable[[Any], Fault]:
    """Makes a fault of a generator function in which the server fails; `codes` are the answers."""
    return lambda begin: Fault(contextlib.contextmanager(begin), frozenset(codes), **more)


def cutting(**words):
    """The proxy before PostgreSQL ends connections at such words."""

    def begin(self, store):
        vars(self.proxy).update(words)
        try:
            yield
        finally:
            self.proxy.cut_before = self.proxy.cut_after = None

    return begin


def proxied(mode, word):
    """The proxy before Redis does that with the commands that hold the word."""

    def begin(self, store):
        self.proxy.word, self.proxy.mode = word, mode
        try:
            yield
        finally:
            self.proxy.mode = "pass"

    return begin


class Postgres:
    """A PostgreSQL server, and a fresh schema at a time."""

    def __init__(self, folder):
        self.server = PostgresServer(max_connections="100").start()

    def close(self):
        self.server.__exit__()

    @contextlib.contextmanager
    def fresh(self, fault):
        """The URL of an empty store on the way that fails, and on one that is as slow as ever."""
        self.schema = f"fsc_{secrets.token_hex(6)}"
        with contextlib.ExitStack() as stack:
            self.proxy = stack.enter_context(Proxy(self.server.url)) if fault.is_proxied else None
            way = self.proxy.url + "&" if self.proxy else self.server.url + "?"
            options = f"schema={self.schema}&pool_size={SIZE}"
            yield (
                f"{way}{options}&timeout={fault.timeout}",
                f"{self.server.url}?{options}&timeout=20",
            )

    def set(self, name, value):
        """Set it, until it is so for whoever connects."""
        write = f"ALTER SYSTEM SET {name} = '{value}'"
        run_sql(
            "SET default_transaction_read_only = off",
            write,
            "SELECT pg_reload_conf()",
            url=self.server.url,
        )
        until(lambda: run_sql(f"SHOW {name}", url=self.server.url) == [(value,)], "a setting")

    @contextlib.contextmanager
    def held(self, mode):
        with psycopg.connect(self.server.url) as connection:
            connection.execute(f"LOCK TABLE {self.schema}.session_claims_records IN {mode} MODE")
            yield
            connection.rollback()

    @fails("store-unreachable")
    def refused(self, store):
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()

    @fails("store-timeout", twins=BOTH)
    def hang(self, store):
        with self.server.hanging():
            yield

    # One of those that are in the log holds it; the others wait for that.
    @fails("store-timeout", "store-locked", unmindful=READS, uncertain=LATE)
    def hang_in_commits(self, store):
        """They wait for a standby that is not there."""
        self.set("synchronous_standby_names", "ghost")
        try:
            store.close()
            yield
        finally:
            self.set("synchronous_standby_names", "")

    @fails(unmindful=ALL, timeout=3.0, is_proxied=True)
    def slow(self, store):
        # The way to a new connection is long; an app has had its connections for hours.
        self.proxy.delay = 0.2
        together(SIZE, lambda: store.load("no", "such"))
        self.proxy.delay = SLOW
        try:
            yield
        finally:
            self.proxy.delay = 0.0

    @fails("store-read-only", unmindful=READS)
    def read_only(self, store):
        self.set("default_transaction_read_only", "on")
        store.close()  # of those that are open each hears of it in its own time
        try:
            yield
        finally:
            self.set("default_transaction_read_only", "off")
            store.close()

    @fails("store-full", unmindful=READS | {"prune"})
    def full(self, store):
        table, name = f"{self.schema}.session_claims_records", f"{self.schema}.full"
        run_sql(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'full' USING ERRCODE = 'disk_full'; END $$",
            f"CREATE TRIGGER full_now BEFORE INSERT OR UPDATE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {name}()",
            url=self.server.url,
        )
        try:
            yield
        finally:
            run_sql(f"DROP TRIGGER full_now ON {table}", url=self.server.url)

    # Late is who hears too late of it on a busy machine, and the lock may be gone by then.
    @fails("store-locked", "store-timeout", unmindful=READS, uncertain=LATE)
    def locked(self, store):
        with self.held("EXCLUSIVE"):
            yield

    @fails("store-locked", "store-timeout", unmindful=frozenset({"verify"}), uncertain=LATE)
    def locked_for_readers(self, store):
        """The records cannot be read; the log can, which is all that a good token needs."""
        with self.held("ACCESS EXCLUSIVE"):
            yield

    @fails("store-pool-empty", twins=BOTH)
    def pool_empty(self, store):
        with contextlib.ExitStack() as stack:
            for _ in range(SIZE):
                stack.enter_context(store._connections.use(time.monotonic() + 30))
            yield

    cut = fails("store-unreachable", is_proxied=True, twins=BOTH)(
        cutting(cut_before=b"session_claims_")
    )
    cut_before_commits = fails("store-unreachable", unmindful=READS, is_proxied=True)(
        cutting(cut_before=b"COMMIT")
    )
    cut_after_commits = fails(
        "store-unreachable", unmindful=READS, uncertain=CUT, is_proxied=True, twins=BOTH
    )(cutting(cut_after=b"COMMIT"))


class Redis:
    """A Redis server, and a fresh prefix at a time."""

    def __init__(self, folder):
        self.server = RedisServer(folder / "redis", busy_reply_threshold="50")

    def close(self):
        self.server.stop(signal.SIGKILL)

    @contextlib.contextmanager
    def fresh(self, fault):
        """The URL of an empty store on the way that fails, and on one that is as slow as ever."""
        self.proxy = redis_server.Proxy(self.server.port) if fault.is_proxied else None
        options = {"prefix": secrets.token_hex(6), "max_connections": SIZE}
        direct = self.server.url(**options, timeout=20)
        url = self.server.url(**options, timeout=fault.timeout)
        if self.proxy:
            url = url.replace(f":{self.server.port}/", f":{self.proxy.port}/")
        yield url, direct
        if self.proxy:
            self.proxy.close()

    @contextlib.contextmanager
    def set(self, name, value):
        with self.server.client() as client:
            before = client.config_get(name)[name]
            client.config_set(name, value)
            try:
                yield
            finally:
                client.config_set(name, before)

    @fails("store-unreachable")
    def refused(self, store):
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()

    @fails("store-timeout", twins=BOTH)
    def hang(self, store):
        self.server.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.server.send(signal.SIGCONT)

    @fails("store-read-only", unmindful=READS)
    def read_only(self, store):
        with self.set("min-replicas-to-write", 1):
            yield

    @fails("store-full", unmindful=READS | {"prune"})
    def full(self, store):
        with self.set("maxmemory", 1):
            yield

    @fails("store-locked", timeout=2.0)
    def locked(self, store):
        """By somebody's endless script."""
        endless = threading.Thread(target=self._loop)
        endless.start()
        with self.server.client() as client:
            until(lambda: _is_busy(client), "a busy server")
            try:
                yield
            finally:
                client.script_kill()
                endless.join()

    def _loop(self):
        with self.server.client() as client, contextlib.suppress(redis.ResponseError):
            client.eval("while true do end", 0)

    @fails("store-pool-empty", twins=BOTH)
    def pool_empty(self, store):
        with contextlib.ExitStack() as stack:
            for _ in range(SIZE):
                stack.enter_context(store._connections._turn(time.monotonic() + 30))
            yield

    COMMIT = redis_scripts.COMMIT.sha.encode()
    slow = fails(unmindful=ALL, timeout=3.0, is_proxied=True)(proxied(SLOW, b"EVALSHA"))
    hang_in_commits = fails("store-timeout", unmindful=READS, uncertain=LATE, is_proxied=True)(
        proxied("silent", COMMIT)
    )
    cut = fails("store-unreachable", is_proxied=True, twins=BOTH)(proxied("cut-before", b"EVALSHA"))
    cut_before_commits = fails("store-unreachable", unmindful=READS, is_proxied=True)(
        proxied("cut-before", COMMIT)
    )
    cut_after_commits = fails(
        "store-unreachable", unmindful=READS, uncertain=CUT, is_proxied=True, twins=BOTH
    )(proxied("cut-after", COMMIT))


def together(count, act):
    """Do it in so many threads at once."""
    threads = [threading.Thread(target=act) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _is_busy(client):
    try:
        return not client.ping()
    except redis.RedisError as error:
        return "BUSY" in str(error)


SERVERS = {"postgresql": Postgres, "redis": Redis}
FAULTS = {
    (server, name, twin): fault
    for server, place in SERVERS.items()
    for name, fault in vars(place).items()
    if isinstance(fault, Fault)
    for twin in fault.twins
}
