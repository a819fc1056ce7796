"""The thread that looks at the log: it looks, it ends with its app, and it says once what fails."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import threading
import time
import weakref

import pytest

from flask_session_claims.testing import FrozenClock

from ..sessions.workers import Worker

NAME = "session-claims-feed"
PATIENCE = 20.0


class RealClock(FrozenClock):
    """Time that passes, for a thread that sleeps."""

    def __call__(self):
        return time.time()

    def monotonic(self):
        return time.monotonic()


def threads():
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def until(condition):
    """Whether it came true in time."""
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


@pytest.fixture
def worker():
    made = Worker(clock=RealClock(), feed_thread=True, feed_interval=0.05, feed_max_age=30)
    yield made
    made.store.before, made.store.away = lambda call: None, set()


def begin(worker):
    worker.issuing.attend()
    assert until(lambda: worker.store.looks > 0)


def test_it_begins_with_the_first_request_and_there_is_one(worker):
    before = len(threads())
    for _ in range(5):
        worker.issuing.attend()
    assert len(threads()) == before + 1


def test_without_the_setting_there_is_none():
    worker = Worker(clock=RealClock())
    before = len(threads())
    worker.issuing.attend()
    assert len(threads()) == before


def test_it_looks_without_any_request_and_once_an_interval(worker):
    begin(worker)
    looks, began = worker.store.looks, time.monotonic()
    assert until(lambda: worker.store.looks >= looks + 5)
    assert time.monotonic() - began >= 0.2
    assert worker.store.most == 1


def test_what_others_change_is_known_to_it_before_a_request_comes(worker):
    there = worker.beside()
    issued = there.sign_in()
    worker.verify(issued.session_token)
    begin(worker)
    there.revoke(issued.session.session_id)
    assert until(lambda: worker.feed.known.newest == 1)
    looks = worker.store.looks
    assert worker.code_of(issued.session_token) == "session-revoked"
    assert worker.store.looks <= looks + 1


def test_requests_do_not_wait_for_it(worker):
    token = worker.beside().sign_in().session_token
    worker.verify(token)
    begin(worker)
    reached, go_on = threading.Event(), threading.Event()

    def stand_still(call):
        if call == "log":
            reached.set()
            go_on.wait(PATIENCE)

    worker.store.before = stand_still
    assert reached.wait(PATIENCE)
    began = time.monotonic()
    for _ in range(20):
        worker.verify(token)
    assert time.monotonic() - began < 5
    go_on.set()


def events(caplog, name):
    return [record for record in caplog.records if getattr(record, "event", None) == name]


@pytest.mark.parametrize("away", [{"log"}, {"log", "load session"}])
def test_a_log_that_cannot_be_read_is_said_and_no_more_often_than_helps(worker, caplog, away):
    begin(worker)
    with caplog.at_level(logging.WARNING, logger="flask_session_claims"):
        worker.store.away = away
        looks = worker.store.looks
        assert until(lambda: worker.store.looks >= looks + 25)
    assert 1 <= len(events(caplog, "store-unavailable")) <= 20
    worker.store.away = set()
    looks = worker.store.looks
    assert until(lambda: worker.store.looks >= looks + 2), "it goes on"


def test_while_the_store_is_away_it_looks_no_more_often(worker):
    begin(worker)
    worker.store.away = {"log"}
    looks, began = worker.store.looks, time.monotonic()
    time.sleep(0.5)
    passed = time.monotonic() - began
    assert worker.store.looks - looks <= passed / 0.05 + 2


def test_an_error_of_any_kind_does_not_end_it(worker, caplog):
    begin(worker)

    def fail(call):
        raise ZeroDivisionError

    with caplog.at_level(logging.WARNING, logger="flask_session_claims"):
        worker.store.before, looks = fail, worker.store.looks
        assert until(lambda: worker.store.looks >= looks + 3)
        worker.store.before = lambda call: None
    assert len(events(caplog, "feed-unreadable")) == 1
    looks = worker.store.looks
    assert until(lambda: worker.store.looks >= looks + 2)


def test_it_ends_with_the_app():
    """Nothing that the thread holds may keep the app's issuer alive."""
    made = Worker(clock=RealClock(), feed_thread=True, feed_interval=0.05, feed_max_age=30)
    before = set(threads())
    made.issuing.attend()
    (mine,) = set(threads()) - before
    gone = weakref.ref(made.feed)
    del made

    def ended():
        gc.collect()
        return gone() is None and not mine.is_alive()

    assert until(ended)


FORKED = """
import json, os, sys, threading, time
from tests.io.test_feeding import NAME, RealClock, begin, threads, until
from tests.sessions.workers import Worker
from flask_session_claims.stores.sqlite import SqliteStore

worker = Worker(SqliteStore(sys.argv[1]), RealClock(), feed_thread=True, feed_interval=0.05,
                feed_max_age=30)
worker.sign_in()
begin(worker)
reading, writing = os.pipe()
if os.fork() == 0:
    facts = {"before": len(threads())}
    worker.issuing.attend()
    looks = worker.store.looks
    facts["looks"] = until(lambda: worker.store.looks >= looks + 2)
    facts["after"] = len(threads())
    os.write(writing, json.dumps(facts).encode())
    os._exit(0)
os.close(writing)
with os.fdopen(reading, "rb") as pipe:
    print(pipe.read().decode(), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_forked_process_has_one_of_its_own(tmp_path):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    done = subprocess.run(
        # From 3.12 on a fork beside threads warns; that it is safe is what is tested here.
        [sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path / "store.db")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"before": 0, "looks": True, "after": 1}
