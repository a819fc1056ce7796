"""The provided layer: what the app's hook gives, and what is fetched, at sign-in and refresh."""

from __future__ import annotations

import pytest

from flask_session_claims import Claim, ConfigurationError

from .workers import Worker


class Plans:
    """A claim that counts how often it was fetched."""

    def __init__(self, worker, max_age=None, key="plan"):
        self.asked = []
        self.value = "free"
        worker.issuing.hooks.fetch([Claim(key, self.fetch, max_age=max_age)])

    def fetch(self, user_id, session):
        self.asked.append((user_id, session and session.session_id))
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@pytest.fixture
def worker():
    return Worker()


def refresh(worker, issued):
    return worker.run(worker.issuing.issuer.refresh(issued.refresh_token))


def values(issued):
    """The custom claims; of a fetched one its value."""
    return {
        name: value["v"] if isinstance(value, dict) else value
        for name, value in issued.session.claims.items()
    }


def test_a_claim_is_fetched_at_sign_in_and_is_in_the_token(worker):
    plans = Plans(worker)
    issued = worker.sign_in("ann")
    assert plans.asked == [("ann", None)]
    said = worker.verify(issued.session_token)["plan"]
    assert said == {"v": "free", "t": int(worker.clock() * 1000)}


@pytest.mark.parametrize(
    ("max_age", "after", "fetched"), [(None, 10_000, 1), (60, 59, 1), (60, 61, 2)]
)
def test_at_a_refresh_it_is_fetched_if_it_is_too_old(worker, max_age, after, fetched):
    plans = Plans(worker, max_age)
    issued = worker.sign_in("ann")
    plans.value = "pro"
    worker.clock.advance(after)
    again = refresh(worker, issued)
    assert len(plans.asked) == fetched
    assert values(again) == {"plan": "pro" if fetched == 2 else "free"}
    if fetched == 2:
        assert plans.asked[1] == ("ann", issued.session.session_id)


def test_one_that_fails_signs_nobody_out_and_leaves_what_was_there(worker):
    plans = Plans(worker, 60)
    issued = worker.sign_in("ann")
    plans.value = RuntimeError("the database is down")
    worker.clock.advance(61)
    assert values(refresh(worker, issued)) == {"plan": "free"}
    assert values(worker.sign_in("bob")) == {}


def test_none_leaves_it_unset(worker):
    plans = Plans(worker)
    plans.value = None
    assert values(worker.sign_in("ann")) == {}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "Ann"}, {"name": "Ann", "plan": "pro"}),
        ({}, {"plan": "pro"}),
        (None, {"name": "first", "plan": "pro"}),
    ],
)
def test_the_hook_replaces_its_own_and_not_what_is_fetched(worker, given, expected):
    plans = Plans(worker, 60)
    hook = {"gives": {"name": "first"}}
    worker.issuing.hooks.provide = lambda user_id, session: hook["gives"]
    issued = worker.sign_in("ann")
    assert values(issued) == {"name": "first", "plan": "free"}
    hook["gives"], plans.value = given, "pro"
    worker.clock.advance(61)
    assert values(refresh(worker, issued)) == expected


def test_what_was_fetched_and_is_young_stays_though_the_hook_gives_others(worker):
    Plans(worker, 60)
    hook = {"gives": {"name": "first"}}
    worker.issuing.hooks.provide = lambda user_id, session: hook["gives"]
    issued = worker.sign_in("ann")
    hook["gives"] = {"other": 1}
    assert values(refresh(worker, issued)) == {"other": 1, "plan": "free"}


@pytest.mark.parametrize("wrong", ["Ann", 5, ["Ann"], object()])
def test_a_hook_that_gives_no_mapping_signs_nobody_in(worker, wrong):
    Plans(worker)
    worker.issuing.hooks.provide = lambda user_id, session: wrong
    with pytest.raises(Exception, match="provided claims must be a mapping"):
        worker.sign_in("ann")
    assert worker.run(worker.flows.list_for_user("ann")) == ()


def test_two_claims_of_one_name_are_refused(worker):
    Plans(worker)
    with pytest.raises(ConfigurationError, match="a claim 'plan' already"):
        Plans(worker)
    with pytest.raises(ConfigurationError, match="got a str; give Claim"):
        worker.issuing.hooks.fetch(["plan"])
