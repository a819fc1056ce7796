"""The change feed of a process: its start, its looks, and whom an entry concerns."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flask_session_claims.sessions.feed import Feed
from flask_session_claims.sessions.known import spread_over
from flask_session_claims.sessions.limits import LOG_LIFETIME
from flask_session_claims.sessions.records import LOG_PAGE, LogEntry
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.stores.sqlite import SqliteStore
from flask_session_claims.testing import FrozenClock

from .workers import Worker, crowd_of

REVOKED = "session-revoked"


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")
    yield store
    store.close()


@pytest.fixture
def here(store):
    return Worker(store)


@pytest.fixture
def there(here):
    return here.beside()


# --- the start ----------------------------------------------------------------------------


@pytest.mark.parametrize("others", [0, 1, LOG_PAGE - 3, LOG_PAGE - 2, LOG_PAGE - 1, 2 * LOG_PAGE])
def test_the_first_verification_reads_all_that_is_live(here, there, others):
    first, last, good = there.sign_in(), there.sign_in(), there.sign_in()
    assert there.revoke(first.session.session_id)
    crowd_of(there, others)
    assert there.revoke(last.session.session_id)
    assert here.code_of(first.session_token) == REVOKED
    # A page that is full may be the last one.
    assert here.store.looks <= 2 + (others + 2) // LOG_PAGE
    assert here.feed.known.position == others + 2
    assert here.code_of(last.session_token) == REVOKED
    assert here.spent(lambda: here.verify(good.session_token)) == (0, 0)


def test_entries_that_no_live_token_can_be_older_than_are_not_there_any_more(here, there):
    there.tell("session", "sess_of_old")
    there.clock.advance(LOG_LIFETIME + 1)
    there.tell("session", "sess_of_now")
    issued = there.sign_in()
    assert here.spent(lambda: here.verify(issued.session_token)) == (1, 0)
    assert len(here.feed.known) == 1


def test_a_store_that_is_not_there_yet_lets_nobody_in_and_is_found(here, there):
    token = Worker(MemoryStore(), here.clock).sign_in().session_token
    assert here.code_of(token) is None, "no entry, no store: the signature is all there is"
    assert here.run(here.freshness.is_current(here.verify(token)))
    here.clock.advance(1)
    issued = there.sign_in()
    assert here.verify(issued.session_token)["sub"] == "user_1"
    assert here.feed.known.store_id is not None
    assert there.revoke(issued.session.session_id)
    here.clock.advance(1)
    assert here.code_of(issued.session_token) == REVOKED


# --- how often ----------------------------------------------------------------------------


def test_there_is_one_look_in_an_interval_and_no_read_of_unchanged_sessions(here, there):
    tokens = [there.sign_in(f"user_{number}").session_token for number in range(10)]
    for token in tokens:
        here.verify(token)
    looks = here.store.looks
    for _ in range(40):  # five seconds, eight rounds in each interval
        for token in tokens:
            here.verify(token)
        here.clock.advance(0.125)
    assert here.store.looks - looks == 9
    assert here.store.loads == 0


@pytest.mark.parametrize(("interval", "looks"), [(0.25, 20), (0.5, 10), (1, 5)])
def test_the_interval_is_the_settings(store, interval, looks):
    here = Worker(store, feed_interval=interval, feed_max_age=2)
    token = here.beside().sign_in().session_token
    here.verify(token)

    def five_seconds():
        for _ in range(40):
            here.clock.advance(0.125)
            here.verify(token)

    assert here.spent(five_seconds) == (looks, 0)


def test_one_load_serves_until_the_log_tells_of_the_session_again(here, there):
    mine, other = there.sign_in(claims={"n": 0}), there.sign_in("user_2")
    here.verify(mine.session_token)
    for number in (1, 2, 3):
        there.merge(mine.session.session_id, n=number)
        here.clock.advance(1)

        def many_requests(number=number):
            for _ in range(50):
                assert here.verify(mine.session_token)["n"] == number
                assert here.verify(other.session_token)["sub"] == "user_2"

        assert here.spent(many_requests) == (1, 1)
        there.merge(other.session.session_id)  # changes nothing
        crowd_of(there, 5)
        here.clock.advance(1)
        assert here.spent(many_requests) == (1, 0), "of others"


def test_a_session_that_has_ended_is_loaded_once(here, there):
    issued = there.sign_in()
    here.verify(issued.session_token)
    there.revoke(issued.session.session_id)
    here.clock.advance(1)

    def many_requests():
        for _ in range(50):
            assert here.code_of(issued.session_token) == REVOKED

    assert here.spent(many_requests) == (1, 1)


def test_what_a_process_changes_itself_is_in_force_at_once(here):
    issued = here.sign_in(claims={"a": 1})
    here.verify(issued.session_token)
    here.merge(issued.session.session_id, a=2)
    assert here.verify(issued.session_token)["a"] == 2
    here.revoke(issued.session.session_id)
    assert here.code_of(issued.session_token) == REVOKED


# --- whom an entry concerns ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "key", "concerned"),
    [
        ("session", "mine", {"mine"}),
        ("user", "user_1", {"mine", "same-user"}),
        ("organization", "org_1", {"mine", "same-org"}),
        ("all", "", {"mine", "same-user", "same-org", "other"}),
        ("template", "plan", {"mine", "same-user", "same-org", "other"}),
        ("of-newer-code", "x", {"mine", "same-user", "same-org", "other"}),
        ("user", "user_9", set()),
        ("session", "sess_9", set()),
        ("organization", "org_9", set()),
        ("keys", "", set()),
    ],
)
def test_an_entry_costs_a_load_of_whom_it_concerns_and_of_no_token_minted_since(
    here, there, subject, key, concerned
):
    for user_id, org_id in (("user_1", "org_1"), ("user_2", "org_1"), ("user_3", "org_2")):
        there.join(user_id, org_id)

    def sign_in_all():
        return {
            "mine": there.sign_in("user_1", org_id="org_1"),
            "same-user": there.sign_in("user_1"),
            "same-org": there.sign_in("user_2", org_id="org_1"),
            "other": there.sign_in("user_3", org_id="org_2"),
        }

    before = sign_in_all()
    for issued in before.values():
        here.verify(issued.session_token)
    there.tell(subject, before["mine"].session.session_id if key == "mine" else key)
    after = sign_in_all()
    here.clock.advance(1)
    for name, issued in before.items():
        loads = here.spent(lambda issued=issued: here.verify(issued.session_token))[1]
        assert loads == (name in concerned), name
        assert here.spent(lambda issued=issued: here.verify(issued.session_token)) == (0, 0)
    for issued in after.values():
        assert here.spent(lambda issued=issued: here.verify(issued.session_token)) == (0, 0)


def test_a_change_for_all_that_spreads_comes_to_each_in_its_time(here, there):
    issued = [there.sign_in(f"user_{number}") for number in range(20)]
    there.tell("template", "plan", spread_over(20))
    loads = []
    for _ in range(22):
        loads.append(here.spent(lambda: [here.verify(one.session_token) for one in issued])[1])
        here.clock.advance(1)
    assert sum(loads) == 20
    assert max(loads) <= 6
    assert here.store.loads == 20


def test_what_the_log_tells_of_keys_has_them_read_again_and_no_session(store):
    ring = {"signing_key": None, "issuer_url": None}
    here = Worker(store, **ring)
    there = here.beside(**ring)
    issued = there.sign_in()
    here.verify(issued.session_token)
    kid = there.run(there.issuing.keys.signer()).kid
    assert there.run(there.issuing.keyring.revoke(kid))
    here.clock.advance(1)
    assert here.code_of(issued.session_token) == "jwk-kid-mismatch"
    assert here.store.loads == 0


@pytest.mark.parametrize("entries", [1, LOG_PAGE, LOG_PAGE + 5])
def test_who_only_mints_hears_of_keys_too(entries):
    """Nobody verifies in a process that signs in and refreshes alone."""
    told = []
    clock, log = FrozenClock(), MemoryStore()
    assert log.commit((), (), [LogEntry("session", "s", "x", clock(), clock() + 9)])
    feed = Feed(
        clock=clock, monotonic=clock.monotonic, interval=0.5, max_age=1,
        keys_changed=lambda: told.append(1),
    )  # fmt: skip

    def newest():
        flow = feed.newest()
        ask = next(flow)
        with pytest.raises(StopIteration) as end:
            flow.send(log.log_since(ask.position))
        return end.value.value.newest

    assert newest() == 1
    assert told  # what was read before may be of any age
    told.clear()
    assert newest() == 1
    assert told == []
    one = LogEntry("session", "s", "x", clock(), clock() + 9)
    log.commit((), (), [replace(one, subject="keys" if n == 0 else "session")
                        for n in range(entries)])  # fmt: skip
    assert newest() == 1 + entries
    assert told
    told.clear()
    assert newest() == 1 + entries
    assert told == []


# --- tokens from elsewhere ----------------------------------------------------------------


def test_a_token_that_was_minted_elsewhere_a_moment_ago_costs_nothing(here, there):
    first = there.sign_in()
    here.verify(first.session_token)
    crowd_of(there, 10)
    issued = there.sign_in()
    assert issued.claims["rev"] == 10 > here.feed.known.position
    assert here.spent(lambda: here.verify(issued.session_token)) == (0, 0)


# --- keys ---------------------------------------------------------------------------------


def kids_of(worker):
    body = worker.run(worker.issuing.endpoints.key_set()).body
    return [key["kid"] for key in json.loads(body)["keys"]]


def test_a_key_that_another_process_brings_is_published_within_a_second(store):
    here = Worker(store, signing_key=None)
    there = here.beside(signing_key=None)
    here.sign_in()
    (first,) = kids_of(here)
    assert kids_of(there) == [first]
    here.run(here.issuing.keyring.rotate())
    assert len(kids_of(here)) == 2, "at once in the process that brings it"
    here.clock.advance(1)
    assert kids_of(there) == kids_of(here)


def test_while_the_log_cannot_be_read_the_key_set_that_is_known_is_published(store):
    here = Worker(store, signing_key=None)
    here.sign_in()
    known = kids_of(here)
    here.store.away = {"log"}
    here.clock.advance(60)
    assert kids_of(here) == known
