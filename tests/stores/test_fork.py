"""SQLite over a fork: no connection is carried over, and both sides go on.

Each case is a script in a process of its own; a child that hangs is killed by its alarm.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.sessions.records import Put
from flask_session_claims.stores import connections
from flask_session_claims.stores.sqlite import SqliteStore
from flask_session_claims.stores.turns import Turns

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")

PRELUDE = """
import json, os, signal, sqlite3, sys, threading, time
from flask_session_claims import UnavailableError
from flask_session_claims.sessions.records import Put
from flask_session_claims.stores import connections
from flask_session_claims.stores.sqlite import SqliteStore
from flask_session_claims.testing.store_contract import increment

path = sys.argv[1]
store = SqliteStore(path, timeout=20)

def fork(act):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
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

def report(**facts):
    raw = sqlite3.connect(path)
    facts["integrity"] = raw.execute("PRAGMA integrity_check").fetchone()[0]
    raw.close()
    record = store.load("count", "n")
    facts["count"] = int(record.data) if record else 0
    print(json.dumps(facts), flush=True)
    os._exit(0)
"""


def run(script, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRELUDE + script, str(tmp_path / "store.db")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_parent_and_children_go_on_with_a_store_that_was_in_use(tmp_path):
    facts = run(
        """
increment(store, "n", 10)
forked = [fork(lambda: increment(store, "n", 100)) for _ in range(4)]
increment(store, "n", 100)
report(children=[type(said(f)).__name__ for f in forked])
""",
        tmp_path,
    )
    assert facts == {"children": ["int"] * 4, "integrity": "ok", "count": 510}


def test_a_fork_beside_threads_that_are_writing(tmp_path):
    facts = run(
        """
stop = threading.Event()
rounds = []

def write():
    count = 0
    while not stop.is_set():
        increment(store, "n", 1)
        count += 1
    rounds.append(count)

threads = [threading.Thread(target=write) for _ in range(4)]
for thread in threads:
    thread.start()
ends = []
for _ in range(10):
    time.sleep(0.01)
    ends.append(said(fork(lambda: [increment(store, "n", 5), 5][1])))
stop.set()
for thread in threads:
    thread.join()
report(children=ends, missing=sum(rounds) + 50 - int(store.load("count", "n").data))
""",
        tmp_path,
    )
    assert facts.pop("count") > 50
    assert facts == {"children": [5] * 10, "missing": 0, "integrity": "ok"}


def test_a_child_shares_no_lock_with_its_parent(tmp_path):
    """The parent forks in the middle of its turn; what it holds, the child does not hold."""
    facts = run(
        """
increment(store, "n", 1)
store._timeout = 0.3
with store._queue.turn(time.monotonic() + 1):
    child = SqliteStore(path, timeout=0.3)
    first = said(fork(lambda: increment(child, "n", 1)))
    store._queue._threads = type(store._queue._threads)()
    second = said(fork(lambda: increment(store, "n", 1)))
report(children=[first, second])
""",
        tmp_path,
    )
    assert facts["children"] == ["store-locked", "store-locked"]
    assert facts["count"] == 1


def test_a_child_of_a_store_that_could_not_be_left_says_so(tmp_path):
    facts = run(
        """
increment(store, "n", 1)
connections._FORK_PATIENCE = 0.2
entered, leave = threading.Event(), threading.Event()

def stay():
    with store._connections.use():
        entered.set()
        leave.wait(30)

thread = threading.Thread(target=stay)
thread.start()
entered.wait()
child = said(fork(lambda: increment(store, "n", 1)))
leave.set()
thread.join()
increment(store, "n", 1)
report(child=child)
""",
        tmp_path,
    )
    assert facts == {"child": "store-forked", "integrity": "ok", "count": 2}


# --- the same, seen from within one process -----------------------------------------------


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "store.db", timeout=5)
    assert store.commit([Put("kind", "key", 0, b"data")])
    yield store
    store.close()


def test_while_a_fork_is_under_way_nobody_enters_and_nothing_is_open(store):
    pool = store._connections
    found = []
    pool.before_fork()
    try:
        assert pool._idle == []
        thread = threading.Thread(target=lambda: found.append(store.load("kind", "key")))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        assert found == []
    finally:
        pool.after_fork()
    thread.join(5)
    assert found[0].data == b"data"


def test_a_fork_waits_for_those_who_are_in_the_store(store):
    pool = store._connections
    inside, order = threading.Event(), []

    def stay():
        with pool.use():
            inside.set()
            time.sleep(0.1)
            order.append("left")

    thread = threading.Thread(target=stay)
    thread.start()
    assert inside.wait(5)
    pool.before_fork()
    order.append("forked")
    pool.after_fork()
    thread.join(5)
    assert order == ["left", "forked"]


def test_a_child_begins_without_connections_and_a_broken_one_stays_so(store):
    pool = store._connections
    pool.before_fork()
    pool.in_child()
    assert store.load("kind", "key").data == b"data"
    with pool.use():
        pool.in_child()
        with pytest.raises(UnavailableError) as caught:
            store.load("kind", "key")
    assert caught.value.code == "store-forked"


def test_the_hooks_reach_every_store(store):
    hook = connections._each(lambda pool: seen.append(pool))
    seen = []
    hook()
    assert store._connections in seen


def test_a_turn_that_comes_in_the_moment_of_giving_up_is_taken(monkeypatch):
    lock = Turns()
    assert lock.acquire(0)

    class TooLate:
        def acquire(self, timeout=None):
            if timeout is not None:
                lock.release()
            return timeout is None

        def release(self):
            """Nobody waits on it."""

    monkeypatch.setattr(threading, "Lock", TooLate)
    assert lock.acquire(0.01)


def test_a_turn_is_handed_on_in_order_and_first_to_those_who_lost():
    lock, order = Turns(), []
    assert lock.acquire(0)

    def take(name, first):
        assert lock.acquire(5, first=first)
        order.append(name)
        lock.release()

    threads = []
    for name, first in (("a", False), ("b", False), ("c", True)):
        threads.append(threading.Thread(target=take, args=(name, first)))
        threads[-1].start()
        while len(lock._waiting) < len(threads):
            time.sleep(0.001)
    lock.release()
    for thread in threads:
        thread.join(5)
    assert order == ["c", "a", "b"]
    assert lock.acquire(0)
    assert not lock.acquire(0.01)
