"""A log that is not what it was: a backup that was played back, another store, holes."""

from __future__ import annotations

import pytest

from flask_session_claims.sessions.limits import LOG_LIFETIME
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.stores.sqlite import SqliteStore
from flask_session_claims.testing import FrozenClock

from .workers import Worker, backup, crowd_of, rolled_back

REVOKED = "session-revoked"


class Moving:
    """A store in whose place another can be put, as a backup is played back."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)


@pytest.fixture
def disk():
    return Moving(MemoryStore())


@pytest.fixture
def before_the_loss(disk):
    """(here, there, a session, its token, a backup with an empty log)"""
    here = Worker(disk)
    there = here.beside()
    issued = there.sign_in(claims={"n": 0})
    here.verify(issued.session_token)
    return here, there, issued, backup(disk.store)


def play_back(disk, kept):
    disk.store = rolled_back(disk.store, *kept)


def test_tokens_of_a_history_that_was_lost_are_judged_by_the_record(disk, before_the_loss):
    here, there, _, kept = before_the_loss
    crowd_of(there, 5)
    lost = there.sign_in()
    here.clock.advance(1)
    here.verify(lost.session_token)
    play_back(disk, kept)
    here.clock.advance(1)
    assert here.code_of(lost.session_token) == REVOKED, "of this session nothing is known"
    crowd_of(there, 50)  # the new history is longer than the old one was
    here.clock.advance(20)
    assert here.code_of(lost.session_token) == REVOKED


def test_a_token_of_the_lost_history_whose_session_lives_is_good_and_costs_a_load(
    disk, before_the_loss
):
    here, there, issued, kept = before_the_loss
    crowd_of(there, 5)
    there.merge(issued.session.session_id, n=1)
    merged = there.run(there.issuing.issuer.mint(issued.session.session_id))
    here.clock.advance(1)
    assert here.verify(merged)["n"] == 1
    play_back(disk, kept)
    here.clock.advance(1)
    assert here.verify(merged)["n"] == 0, "what stands is what was played back"
    there.revoke(issued.session.session_id)
    assert here.code_of(merged) == REVOKED


def test_a_process_that_began_after_the_loss_does_not_believe_those_tokens_either(
    disk, before_the_loss
):
    here, there, _, kept = before_the_loss
    crowd_of(there, 5)
    lost = there.sign_in()
    here.clock.advance(10)
    play_back(disk, kept)
    assert here.beside().code_of(lost.session_token) == REVOKED


def test_what_was_loaded_before_the_loss_does_not_outlive_it(disk, before_the_loss):
    """A position of the lost history says nothing of the new one."""
    here, there, issued, kept = before_the_loss
    crowd_of(there, 5)
    there.merge(issued.session.session_id, n=1)
    here.clock.advance(1)
    assert here.verify(issued.session_token)["n"] == 1
    play_back(disk, kept)
    there.revoke(issued.session.session_id)
    assert disk.log_since(0).newest == 1
    here.clock.advance(1)
    assert here.code_of(issued.session_token) == REVOKED


def test_another_store_in_its_place_is_begun_anew(disk, before_the_loss):
    here, there, issued, _ = before_the_loss
    crowd_of(there, 5)
    here.clock.advance(1)
    here.verify(issued.session_token)
    disk.store = MemoryStore()
    other = there.sign_in("user_9")
    there.tell("all")
    here.clock.advance(1)
    assert here.verify(other.session_token)["sub"] == "user_9"
    assert here.code_of(issued.session_token) == REVOKED
    assert here.feed.known.position == 1


def test_a_store_that_was_emptied_lets_nobody_in(disk, before_the_loss):
    here, there, issued, _ = before_the_loss
    crowd_of(there, 5)
    here.clock.advance(1)
    here.verify(issued.session_token)
    disk.store = MemoryStore()
    here.clock.advance(1)
    assert here.code_of(issued.session_token) == REVOKED


# --- holes in the log ---------------------------------------------------------------------


@pytest.fixture(params=["memory", "sqlite"])
def here(request, tmp_path):
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")
    yield Worker(store)
    store.close()


@pytest.fixture
def there(here):
    return here.beside()


def test_a_process_that_slept_for_longer_than_the_log_keeps_has_missed_nothing(here, there):
    issued = there.sign_in()
    here.verify(issued.session_token)
    crowd_of(there, 3)
    here.clock.advance(LOG_LIFETIME + 1)
    new = there.sign_in()
    there.tell("session", "sess_9")
    there.revoke(new.session.session_id)
    assert here.code_of(new.session_token) == REVOKED
    assert here.feed.known.oldest == 4


@pytest.mark.parametrize("begun", [True, False], ids=["running", "new"])
@pytest.mark.parametrize("left", [0, 1], ids=["all", "all-but-the-last"])
def test_entries_that_are_gone_before_they_were_read_may_have_been_about_anybody(
    disk, before_the_loss, left, begun
):
    """Somebody's clock was hours ahead, or somebody has emptied the log."""
    here, there, issued, _ = before_the_loss
    there.revoke(issued.session.session_id)
    crowd_of(there, 3)
    disk.store._log = disk.store._log[4 - left :]
    here.clock.advance(1)
    reader = here if begun else here.beside()
    assert reader.code_of(issued.session_token) == REVOKED


def test_a_clock_that_is_hours_ahead_takes_no_revocation_back(here, there):
    ahead = Worker(there.store.behind, FrozenClock(here.clock() + 3 * 3_600))
    issued = there.sign_in()
    here.verify(issued.session_token)
    there.revoke(issued.session.session_id)
    ahead.tell("session", "sess_9")
    here.clock.advance(1)
    assert here.code_of(issued.session_token) == REVOKED
