"""One look at a time, whoever asks: threads, tasks, and forked processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from flask_session_claims import AsyncVerifier, UnavailableError
from flask_session_claims.sessions import feed as module
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.stores.sqlite import SqliteStore
from flask_session_claims.testing.store_contract import in_threads

from .workers import Worker

REVOKED = "session-revoked"
PATIENCE = 20.0  # seconds for what takes an instant


@pytest.fixture(params=["memory", "sqlite"])
def here(request, tmp_path):
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")
    yield Worker(store)
    store.close()


class Door:
    """Where the next look at the log stands still until it is let through."""

    def __init__(self, store):
        self.reached, self.opened = threading.Event(), threading.Event()
        self._first = threading.Lock()
        store.before = self._before

    def _before(self, call):
        if call == "log" and self._first.acquire(blocking=False):
            self.reached.set()
            assert self.opened.wait(PATIENCE)


def test_of_many_threads_one_looks(here):
    tokens = [here.beside().sign_in(f"user_{number}").session_token for number in range(8)]
    for token in tokens:
        here.verify(token)
    here.store.most = 0
    for _ in range(20):
        here.clock.advance(1)
        looks = here.store.looks
        in_threads(8, lambda number: [here.verify(tokens[number]) for _ in range(20)])
        assert here.store.looks == looks + 1
    assert here.store.most == 1
    assert here.store.loads == 0


def test_who_comes_while_a_look_is_out_waits_for_it_and_takes_its_answer(here):
    there = here.beside()
    issued = there.sign_in()
    here.verify(issued.session_token)
    there.revoke(issued.session.session_id)
    here.clock.advance(1)
    door, looks, ends = Door(here.store), here.store.looks, []
    threads = [
        threading.Thread(target=lambda: ends.append(here.code_of(issued.session_token)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert door.reached.wait(PATIENCE)
    time.sleep(0.05)
    assert ends == [], "nobody goes by what is too old"
    assert here.store.looks == looks + 1
    door.opened.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert ends == [REVOKED] * 8
    assert here.store.looks == looks + 1
    assert here.store.most == 1


def test_while_what_is_known_is_young_a_look_holds_nobody_up(here):
    token = here.beside().sign_in().session_token
    here.verify(token)
    here.clock.advance(0.75)
    door = Door(here.store)
    looker = threading.Thread(target=lambda: here.verify(token))
    looker.start()
    assert door.reached.wait(PATIENCE)
    for _ in range(100):
        here.verify(token)
    assert looker.is_alive()
    door.opened.set()
    looker.join(PATIENCE)


def test_threads_that_revoke_and_verify_meet_no_stale_answer(here):
    """Each ends its own sessions, and sees them ended with its next verification."""

    def act(number):
        let_in = 0
        for _ in range(15):
            issued = here.sign_in(f"user_{number}", claims={"n": 0})
            here.verify(issued.session_token)
            here.merge(issued.session.session_id, n=1)
            assert here.verify(issued.session_token)["n"] == 1
            here.revoke(issued.session.session_id)
            let_in += here.code_of(issued.session_token) is None
        return let_in

    assert in_threads(6, act) == [0] * 6


# --- tasks --------------------------------------------------------------------------------


def async_verifier(worker):
    issuing = worker.issuing
    return AsyncVerifier(
        issuing.verifying(worker.run(issuing.issuer.opened())),
        clock=worker.clock,
        keys=issuing.key_source,
        freshness=worker.freshness,
        handlers=issuing.ahandlers,
    )


async def reached(door):
    for _ in range(4_000):
        if door.reached.is_set():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nobody looks")


def test_of_many_tasks_one_looks_and_the_loop_goes_on(here):
    token = here.beside().sign_in().session_token
    here.verify(token)
    verifier = async_verifier(here)
    here.clock.advance(1)
    door, looks = Door(here.store), here.store.looks

    async def main():
        tasks = [asyncio.create_task(verifier.verify(token)) for _ in range(20)]
        await reached(door)
        for _ in range(10):
            await asyncio.sleep(0.002)
        assert not any(task.done() for task in tasks)
        door.opened.set()
        return await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)

    assert {claims["sub"] for claims in asyncio.run(main())} == {"user_1"}
    assert here.store.looks == looks + 1


def test_a_task_that_is_cancelled_in_its_look_leaves_it_to_the_next(here):
    there = here.beside()
    issued = there.sign_in()
    here.verify(issued.session_token)
    there.revoke(issued.session.session_id)
    verifier = async_verifier(here)
    here.clock.advance(1)
    door = Door(here.store)

    async def main():
        first = asyncio.create_task(verifier.verify(issued.session_token))
        await reached(door)
        others = [asyncio.create_task(verifier.verify(issued.session_token)) for _ in range(5)]
        await asyncio.sleep(0.02)
        first.cancel()
        ends = await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), PATIENCE)
        door.opened.set()
        return [getattr(end, "code", None) for end in ends]

    assert asyncio.run(main()) == [REVOKED] * 5


def test_a_thread_that_dies_in_its_look_leaves_it_to_the_next(here):
    there = here.beside()
    issued = there.sign_in()
    here.verify(issued.session_token)
    there.revoke(issued.session.session_id)
    here.clock.advance(1)

    def die(call):
        here.store.before = lambda call: None
        raise SystemExit

    here.store.before = die
    with pytest.raises(SystemExit):
        here.verify(issued.session_token)
    assert here.code_of(issued.session_token) == REVOKED


def test_a_look_that_hangs_is_given_up_by_those_who_wait(here, monkeypatch):
    """They may read the record, or say that it cannot be told; they do not hang with it."""
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    there = here.beside()
    issued = there.sign_in()
    here.verify(issued.session_token)
    there.revoke(issued.session.session_id)
    here.clock.advance(1)
    door = Door(here.store)
    looker = threading.Thread(target=lambda: here.code_of(issued.session_token))
    looker.start()
    assert door.reached.wait(PATIENCE)
    began, ends = time.monotonic(), []
    for _ in range(3):
        try:
            ends.append(here.code_of(issued.session_token))
        except UnavailableError as error:
            ends.append(error.code)
    assert time.monotonic() - began < 10
    door.opened.set()
    looker.join(PATIENCE)
    assert set(ends) <= {REVOKED, "store-timeout"}


# --- processes ----------------------------------------------------------------------------

FORKING = """
import json, os, signal, sys, threading
from tests.sessions.test_feed_threads import Door, PATIENCE
from tests.sessions.workers import Worker
from flask_session_claims.stores.sqlite import SqliteStore

here = Worker(SqliteStore(sys.argv[1]))
there = here.beside()
issued = there.sign_in(claims={"n": 0})
token, session_id = issued.session_token, issued.session.session_id
here.verify(token)

def in_child(act):
    reading, writing = os.pipe()
    if os.fork() == 0:
        signal.alarm(30)
        try:
            said = act()
        except BaseException as error:
            said = getattr(error, "code", repr(error))
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        return json.loads(pipe.read() or "null")

def report(**facts):
    print(json.dumps(facts), flush=True)
    os._exit(0)
"""


def forked(script, tmp_path):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    done = subprocess.run(
        # From 3.12 on a fork beside threads warns; that it is safe is what is tested here.
        [sys.executable, "-W", "ignore", "-c", FORKING + script, str(tmp_path / "store.db")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")


@forks
def test_a_child_looks_itself_while_its_parents_look_is_out(tmp_path):
    facts = forked(
        """
there.revoke(session_id)
here.clock.advance(1)
door, ends = Door(here.store), []
looker = threading.Thread(target=lambda: ends.append(here.code_of(token)))
looker.start()
assert door.reached.wait(PATIENCE)

def child():
    looks = here.store.looks
    return [here.code_of(token), here.store.looks - looks]

seen = in_child(child)
door.opened.set()
looker.join(PATIENCE)
report(child=seen, parent=ends)
""",
        tmp_path,
    )
    assert facts == {"child": [REVOKED, 1], "parent": [REVOKED]}


@forks
def test_a_child_goes_by_what_its_parent_knew_no_longer_than_that_is_young(tmp_path):
    facts = forked(
        """
there.revoke(session_id)

def child():
    ends = [here.code_of(token)]
    here.clock.advance(0.75)
    ends.append(here.code_of(token))
    here.clock.advance(0.25)
    return [*ends, here.code_of(token)]

children = [in_child(child) for _ in range(3)]
here.clock.advance(1)
report(children=children, parent=here.code_of(token))
""",
        tmp_path,
    )
    assert facts == {"children": [[None, REVOKED, REVOKED]] * 3, "parent": REVOKED}


@forks
def test_a_child_of_a_process_whose_look_is_out_looks_by_the_interval(tmp_path):
    """The parent's look never ends here; it must not keep the child from looking."""
    facts = forked(
        """
here.clock.advance(0.75)
door = Door(here.store)
looker = threading.Thread(target=lambda: here.code_of(token))
looker.start()
assert door.reached.wait(PATIENCE)
there.revoke(session_id)

def child():
    ends = [here.code_of(token)]
    here.clock.advance(0.25)
    return [*ends, here.code_of(token)]

seen = in_child(child)
door.opened.set()
looker.join(PATIENCE)
report(child=seen)
""",
        tmp_path,
    )
    assert facts["child"][1] == REVOKED
