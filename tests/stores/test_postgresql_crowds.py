"""Many threads and processes in one PostgreSQL store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.testing.store_contract import in_threads

from .postgresql_cases import CALLS, Opener, fill
from .postgresql_server import (
    SHARED,
    Bouncer,
    fresh_schema,
    fresh_url,
)

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]


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


# --- many at once -----------------------------------------------------------------------


def crowd(store, count=200):
    """What that many threads get, and the longest that one of them waited."""
    waited = []

    def act(number):
        start = time.monotonic()
        try:
            return type(CALLS[("load", "log_since")[number % 2]](store)).__name__
        except UnavailableError as error:
            return error.code
        finally:
            waited.append(time.monotonic() - start)

    return in_threads(count, act), max(waited)


def test_two_hundred_threads_share_five_connections(store):
    fill(store)
    answers, longest = crowd(store)
    assert set(answers) == {"Record", "LogPage"}
    assert longest < 10


def test_a_thread_that_comes_often_does_not_keep_others_from_their_turn(store):
    fill(store)
    end = time.monotonic() + 1.5

    def act(_):
        served = 0
        while time.monotonic() < end:
            served += store.load("kind", "key") is not None
        return served

    served = in_threads(40, act)
    assert min(served) > max(served) / 4


@pytest.mark.parametrize("pooler", [False, True])
def test_two_hundred_threads_that_cannot_all_be_served_are_told_so_in_time(pooler, schema, opened):
    fill(opened(schema=schema))

    def check(url):
        store = opened(url=url, schema=schema, timeout=0.5)
        fill_lock = f"LOCK TABLE {schema}.session_claims_records IN ACCESS EXCLUSIVE MODE"
        release = threading.Event()
        holder = threading.Thread(target=hold, args=(fill_lock, release))
        holder.start()
        time.sleep(0.2)
        answers, longest = crowd(store)
        release.set()
        holder.join()
        assert set(answers) <= {"store-timeout", "store-pool-empty", "LogPage"}
        assert "store-pool-empty" in answers
        assert longest < 5
        assert store.load("kind", "key").data == b"data"

    if pooler:
        with Bouncer() as bouncer:
            check(bouncer.url)
    else:
        check(SHARED)


def hold(statement, release):
    """Runs it, and keeps the transaction open."""
    import psycopg

    with psycopg.connect(SHARED) as connection:
        connection.execute(statement)
        release.wait(30)


# --- processes --------------------------------------------------------------------------

FORK = """
import json, os, signal, sys, threading
from flask_session_claims.sessions.records import Put
from flask_session_claims.stores import open_store
from flask_session_claims.testing.store_contract import increment

store = open_store(sys.argv[1])
{before}

def fork(act):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            said = act()
        except BaseException as error:
            said = getattr(error, "code", repr(error))
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    return child, reading

def said(forked):
    child, reading = forked
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None

def act():
    pids = set()
    for _ in range(30):
        increment(store, "n", 1)
        with store._connections.use(1e18) as raw:
            pids.add(raw.info.backend_pid)
    store.close()
    return sorted(pids)

mine = act() if {used} else []
stop = threading.Event()
store.load("count", "n")
threads = [threading.Thread(target=increment, args=(store, "t", 50)) for _ in range(3)]
[thread.start() for thread in threads]
store.load("count", "n")
forked = [fork(act) for _ in range(4)]
mine += act()
children = [said(f) for f in forked]
[thread.join() for thread in threads]
pids = [pid for pids in [mine, *children] for pid in set(pids)]
ends = [c if isinstance(c, str) else 'list' for c in children]
print(json.dumps([ends, len(pids) - len(set(pids)),
    store.load("count", "n").data.decode(), store.load("count", "t").data.decode()]))
"""
ENGINE = """
import sqlalchemy
from flask_session_claims.stores.postgresql import PostgresqlStore
name, _, schema = sys.argv[1].replace("postgresql", "postgresql+psycopg", 1).partition("?schema=")
store = PostgresqlStore(sqlalchemy.create_engine(name, pool_size=9), schema=schema)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.parametrize("before", ["", ENGINE], ids=["url", "engine"])
@pytest.mark.parametrize("used", [True, False])
def test_parent_and_children_go_on_with_connections_of_their_own(before, used):
    script = FORK.replace("{before}", before).replace("{used}", str(used))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, fresh_url()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rounds = 30 * (5 + used)
    assert json.loads(done.stdout) == [["list"] * 4, 0, str(rounds), "150"]


def test_a_store_that_is_closed_while_it_is_used_keeps_no_connection(store):
    fill(store)
    with store._connections.use(time.monotonic() + 5) as raw:
        store.close()
        assert not raw.closed
    assert raw.closed
    assert store.load("kind", "key").data == b"data"
