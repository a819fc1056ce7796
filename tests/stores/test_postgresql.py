"""The PostgreSQL store beyond the contract: addresses, engines, what is said to the server."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
import sqlalchemy

from flask_session_claims import ConfigurationError, UnavailableError
from flask_session_claims.sessions.records import Delete, LogEntry, Put
from flask_session_claims.stores import open_store
from flask_session_claims.stores.postgresql import PostgresqlStore
from flask_session_claims.testing.store_contract import in_threads, increment

from .postgresql_cases import CALLS, ENTRY, Opener, fill
from .postgresql_server import (
    SHARED,
    Proxy,
    fresh_schema,
    fresh_url,
    run_sql,
)

pytestmark = pytest.mark.needs_service


@pytest.fixture
def schema():
    return fresh_schema()


@pytest.fixture
def opened():
    with Opener() as opened:
        yield opened


@pytest.fixture
def store(schema, opened):
    return opened(schema=schema)


@pytest.fixture
def engine():
    engine = sqlalchemy.create_engine(SHARED.replace("postgresql", "postgresql+psycopg", 1))
    yield engine
    engine.dispose()


# --- addresses --------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_the_schemes_of_sqlalchemy_and_libpq(scheme):
    url = fresh_url().replace("postgresql", scheme, 1)
    store = open_store(url)
    fill(store)
    store.close()


def test_nothing_is_opened_before_it_is_used():
    url = "postgresql://user:hunter2@host.invalid/name?sslmode=require&timeout=2&schema=x"
    store = open_store(url)
    assert store.address == "postgresql://user@host.invalid/name"
    assert "hunter2" not in repr(store)
    store.close()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("pool_size=0", "from 1 to 1000"),
        ("pool_size=many", "from 1 to 1000"),
        ("pool_size=2.5", "from 1 to 1000"),
        ("timeout=0", "from 0.1 to 60"),
        ("timeout=nan", "from 0.1 to 60"),
        ("timeout=", "from 0.1 to 60"),
        ("schema=a-b", "letters, digits"),
        ("schema=", "letters, digits"),
        ("schema=x%22y", "letters, digits"),
        ("poolsize=5", "'poolsize', which is neither one of the store's URL (pool_size, schema"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(query, says):
    with pytest.raises(ConfigurationError) as caught:
        open_store(f"postgresql://user:hunter2@host/name?{query}")
    assert says in str(caught.value)
    assert caught.value.code == "store-option-invalid"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("place", ["host:port", "[::1", "ho%st"])
def test_a_url_that_cannot_be_read_is_refused_without_its_password(place):
    with pytest.raises(ConfigurationError, match="percent-encoded") as caught:
        open_store(f"postgresql://user:hunter2@{place}/name")
    assert caught.value.code == "store-url-invalid"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("package", ["psycopg", "sqlalchemy"])
def test_without_its_packages_it_says_what_to_install(package):
    script = f"""
import sys
sys.modules[{package!r}] = None
from flask_session_claims import ConfigurationError
from flask_session_claims.stores import open_store
try:
    open_store("postgresql://host/name")
except ConfigurationError as error:
    print(error.code, error)
"""
    said = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert said.startswith("store-extra-missing")
    assert 'pip install "flask-session-claims[sql]"' in said


# --- an app's own engine ----------------------------------------------------------------


def test_an_apps_engine_is_shared_and_left_as_it_was(engine, schema):
    store = PostgresqlStore(engine, schema=schema)
    fill(store)
    pool = engine.pool
    store.close()
    assert engine.pool is pool
    assert pool.checkedin() == 1, "the store let go of it, and nobody closed it"
    with engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw.autocommit is False
        assert "wait" not in vars(raw)
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "0"
        assert connection.exec_driver_sql("SHOW search_path").scalar() == '"$user", public'
        assert connection.in_transaction()


def test_an_engine_of_another_kind_is_refused():
    for other in (sqlalchemy.create_engine("sqlite://"), object(), None):
        with pytest.raises(ConfigurationError, match=r"postgresql\+psycopg") as caught:
            PostgresqlStore(other)
        assert caught.value.code == "store-engine"


def test_an_app_that_waits_for_its_pool_longer_than_the_store_may(schema):
    url = SHARED.replace("postgresql", "postgresql+psycopg", 1)
    engine = sqlalchemy.create_engine(url, pool_size=1, max_overflow=0)  # waits 30 s
    store = PostgresqlStore(engine, schema=schema, timeout=0.4)
    with engine.connect():
        start = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            store.load("kind", "key")
        assert caught.value.code == "store-pool-empty"
        assert 0.3 < time.monotonic() - start < 3
    assert store.load("kind", "key") is None
    engine.dispose()


# --- what is said to the server ---------------------------------------------------------


def told(proxy, act):
    """The statements of an act, and in how many round trips."""
    proxy.messages()
    act()
    messages = proxy.messages()
    parsed = [content.split(b"\0")[:2] for kind, content in messages if kind == "P"]
    assert {name for name, _ in parsed} <= {b""}, "a pooler cannot keep prepared statements"
    plain = [content for kind, content in messages if kind == "Q"]
    # Without parameters psycopg speaks the simple protocol, but for a pipeline.
    trips = sum(kind in "QS" for kind, _ in messages)
    return len(parsed) + len(plain), trips


@pytest.fixture
def proxied(schema, opened):
    with Proxy(SHARED) as proxy:
        store = opened(url=proxy.url, schema=schema)
        fill(store)
        yield proxy, store


@pytest.mark.parametrize(
    ("act", "statements", "trips"),
    [
        ("load", 1, 1),
        ("find", 1, 1),
        ("due", 1, 1),
        ("count", 1, 1),
        ("log_since", 1, 1),
        ("identity", 1, 1),
        (lambda store: store.commit([Put("kind", "new", 0, b"")]), 4, 1),
        (lambda store: store.commit([Put("kind", "key", 1, b"")]), 4, 1),
        (lambda store: store.commit([Put("kind", "key", 9, b"")]), 4, 1),
        (lambda store: store.commit([], [Delete("kind", "key", 1)]), 4, 1),
        (lambda store: store.commit([Put("kind", "key", 1, b"")], (), [ENTRY]), 5, 1),
        (lambda store: store.commit([], (), [ENTRY, ENTRY]), 5, 1),
        (lambda store: store.commit([Put("kind", k, 0, b"") for k in "abc"], (), [ENTRY]), 8, 2),
    ],
)
def test_an_act_is_few_statements_and_fewer_round_trips(proxied, act, statements, trips):
    proxy, store = proxied
    assert told(proxy, lambda: CALLS.get(act, act)(store)) == (statements, trips)
    assert proxy.connections == 1


def test_many_acts_prepare_nothing(proxied):
    proxy, store = proxied
    assert told(proxy, lambda: [store.load("kind", "key") for _ in range(20)]) == (20, 20)
    assert told(proxy, lambda: increment(store, "n", 20)) == (100, 40)


def test_only_commits_with_entries_wait_for_each_other(store, opened, schema):
    fill(store)
    other = opened(schema=schema, timeout=0.4)
    with store._connections.use(time.monotonic() + 5) as raw:
        raw.execute("BEGIN")
        raw.execute("SELECT pg_advisory_xact_lock(%s)", (store._place.log_lock,))
        assert other.commit([Put("kind", "quiet", 0, b"")])
        with pytest.raises(UnavailableError) as caught:
            CALLS["commit"](other)
        assert caught.value.code == "store-locked"
        raw.execute("ROLLBACK")
    assert CALLS["commit"](other)


def test_a_commit_that_lost_uses_no_position(store):
    fill(store)
    for puts in ([Put("kind", "key", 0, b"")], [Put("kind", k, 0, b"") for k in ("key", "x")]):
        assert not store.commit(puts, (), [ENTRY])
    assert CALLS["commit"](store)
    assert store.log_since(0).newest == 2


def test_positions_go_on_after_all_entries_were_dropped(store, schema):
    fill(store)
    run_sql(f"TRUNCATE {schema}.session_claims_log")
    page = store.log_since(0)
    assert (page.oldest, page.newest, page.entries) == (0, 1, ())
    assert CALLS["commit"](store)
    assert [entry.position for entry in store.log_since(0).entries] == [2]


def test_entries_of_one_commit_drop_each_other_as_if_they_came_one_by_one(store):
    entries = [
        LogEntry("session", k, "x", at, until)
        for k, at, until in (("a", 1, 5), ("b", 9, 8), ("c", 7, 20), ("d", 2, 3))
    ]
    assert store.commit([], (), entries)
    assert [(e.key, e.position) for e in store.log_since(0).entries] == [
        ("b", 2),
        ("c", 3),
        ("d", 4),
    ]


def test_commits_of_the_same_records_in_any_order_do_not_deadlock(store, opened, schema):
    fill(store)
    before = run_sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    stores = [opened(schema=schema, timeout=30) for _ in range(4)]

    def work(number):
        keys = [f"k{n}" for n in range(12)]
        if number % 2:
            keys.reverse()
        for _ in range(25):
            versions = [getattr(stores[number].load("k", key), "version", 0) for key in keys]
            puts = [Put("k", k, v, b"") for k, v in zip(keys, versions, strict=True)]
            stores[number].commit(puts, (), [ENTRY] * (number // 2))

    in_threads(4, work)
    assert (
        run_sql(
            "SELECT pg_stat_clear_snapshot()",
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
        )
        == before
    )
