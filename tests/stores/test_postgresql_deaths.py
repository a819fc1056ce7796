"""A PostgreSQL store whose connections break, or whose server dies; and afterwards."""

from __future__ import annotations

import threading
import time

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.sessions.records import LogEntry, Put
from flask_session_claims.testing.store_contract import in_threads

from .postgresql_cases import CALLS, TIMEOUT, Opener, each_call, fill, refused, works
from .postgresql_server import (
    PostgresServer,
    Proxy,
    fresh_schema,
    run_sql,
)

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]


@pytest.fixture(scope="module")
def server():
    with PostgresServer(max_connections="20", deadlock_timeout="50ms") as server:
        yield server


@pytest.fixture
def schema():
    return fresh_schema()


@pytest.fixture
def opened(server, schema):
    with Opener(url=server.url, schema=schema, timeout=TIMEOUT) as opened:
        yield opened


@pytest.fixture
def store(opened):
    store = opened()
    fill(store)
    return store


@pytest.fixture
def proxy(server):
    with Proxy(server.url) as proxy:
        yield proxy


# --- connections that break -------------------------------------------------------------


def disconnect(server):
    """As a restarted pooler, or an administrator, does."""
    run_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'flask-session-claims'",
        url=server.url,
    )
    time.sleep(0.2)


@each_call
def test_idle_connections_that_died_are_not_noticed_by_anybody(call, server, store):
    opened = [store._connections.use(time.monotonic() + 5) for _ in range(4)]
    for connection in opened:
        connection.__enter__()
    for connection in opened:
        connection.__exit__(None, None, None)
    disconnect(server)
    CALLS[call](store)
    assert works(store)


def test_a_read_whose_connection_dies_is_repeated_once(proxy, opened):
    fill(store := opened(url=proxy.url))
    proxy.cut_before = b"session_claims_records"
    threading.Timer(0.3, lambda: setattr(proxy, "cut_before", None)).start()
    before = proxy.connections
    assert refused(store, "load") == "store-unreachable"
    assert proxy.connections == before + 1
    time.sleep(0.4)
    assert works(store)


@pytest.mark.parametrize("puts", [1, 2])
def test_a_connection_cut_before_the_commit_arrives(proxy, opened, puts):
    fill(store := opened(url=proxy.url))
    proxy.cut_before = b"COMMIT\0"
    wanted = [Put("kind", f"cut{n}", 0, b"") for n in range(puts)]
    assert refused(store, lambda s: s.commit(wanted)) == "store-unreachable"
    proxy.cut_before = None
    assert store.load("kind", "cut0") is None
    assert store.commit(wanted)


@pytest.mark.parametrize("puts", [1, 2])
def test_a_connection_cut_after_the_commit_arrived(proxy, opened, puts):
    fill(store := opened(url=proxy.url))
    wanted = [Put("kind", f"cut{n}", 0, b"") for n in range(puts)]
    proxy.cut_after = b"COMMIT\0"
    assert refused(store, lambda s: s.commit(wanted)) == "store-unreachable"
    proxy.cut_after = None
    assert store.load("kind", "cut0").version == 1, "loading again tells that it took place"
    assert not store.commit(wanted), "so it is not done twice"
    assert works(store)


# --- servers that die -------------------------------------------------------------------


@pytest.fixture(scope="module")
def mortal():
    with PostgresServer() as server:
        yield server


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(mortal, opened):
    server, store = mortal, opened(url=mortal.url)
    fill(store)
    acknowledged, codes, stop = [], set(), threading.Event()

    def write(who):
        number = 0
        while not stop.is_set():
            number += 1
            key = f"{who}-{number}"
            try:
                log = [LogEntry("session", key, "revoked", 1, 100)] if number % 2 else ()
                if store.commit([Put("kill", key, 0, b"")], (), log):
                    acknowledged.append((key, bool(log)))
            except UnavailableError as error:
                codes.add(error.code)
                time.sleep(0.01)

    def end(_):
        for _ in range(3):
            time.sleep(0.4)
            server.kill()
            time.sleep(0.1)
            server.start()
        time.sleep(0.3)
        stop.set()

    in_threads(4, lambda number: (end if number == 0 else write)(number))
    assert len(acknowledged) > 50
    assert codes <= {"store-unreachable", "store-timeout"}
    assert works(store)
    lost = [key for key, _ in acknowledged if store.load("kill", key) is None]
    assert lost == []
    logged, position = set(), 0
    while entries := store.log_since(position).entries:
        position = entries[-1].position
        logged.update(entry.key for entry in entries)
    assert {key for key, has_entry in acknowledged if has_entry} <= logged
    store.close()


@each_call
def test_a_server_that_was_restarted_is_gone_on_with(call, mortal, opened):
    server, store = mortal, opened(url=mortal.url, timeout=5)
    fill(store)
    server.stop()
    assert refused(store, call, 7) == "store-unreachable"
    server.start()
    CALLS[call](store)
    server.kill()
    server.start()
    assert works(store)
