"""`sessions.validate_claims`: what a session does not meet, from anywhere."""

from __future__ import annotations

import asyncio

import pytest

from flask_session_claims import BooleanClaim, ConfigurationError, ListClaim

from .workers import Worker


class Shop:
    def __init__(self):
        self.worker = Worker()
        self.verified, self.roles = False, ["reader"]
        self.asked = 0
        self.is_verified = BooleanClaim("verified", self.fetch_verified, max_age=60)
        self.has_roles = ListClaim("roles", self.fetch_roles)
        self.session_id = self.worker.sign_in("ann").session.session_id

    def fetch_verified(self, user_id, session):
        self.asked += 1
        if isinstance(self.verified, Exception):
            raise self.verified
        return self.verified

    def fetch_roles(self, user_id, session):
        return self.roles

    def validate(self, *validators):
        return self.worker.issuing.sessions.validate_claims(self.session_id, validators)

    @property
    def claims(self):
        return self.worker.run(self.worker.flows.get(self.session_id)).claims


@pytest.fixture
def shop():
    return Shop()


def test_what_is_missing_is_fetched_kept_and_judged(shop):
    found = shop.validate(shop.is_verified.is_true(), shop.has_roles.includes("admin"))
    assert [failure.id for failure in found] == ["verified", "roles"]
    assert [failure.reason["message"] for failure in found] == ["wrong value", "wrong value"]
    assert found[1].reason["expectedToInclude"] == "admin"
    assert {name: claim["v"] for name, claim in shop.claims.items()} == {
        "verified": False,
        "roles": ["reader"],
    }
    shop.verified = True
    assert shop.validate(shop.is_verified.is_true())[0].id == "verified"
    assert shop.asked == 1, "it is young enough"
    shop.worker.clock.advance(61)
    assert shop.validate(shop.is_verified.is_true(max_age=60)) == ()
    assert shop.claims["verified"]["v"] is True


def test_a_fetch_that_fails_lets_nobody_pass(shop):
    shop.verified = RuntimeError("the database is down")
    (failure,) = shop.validate(shop.is_verified.is_true())
    assert (failure.id, failure.reason["message"]) == ("verified", "value does not exist")
    assert shop.claims == {}


def test_the_change_is_in_force_where_the_token_is_verified(shop):
    issued = shop.worker.sign_in("bob")
    shop.session_id = issued.session.session_id
    assert "roles" not in shop.worker.verify(issued.session_token)
    assert shop.validate(shop.has_roles.includes("reader")) == ()
    assert shop.worker.verify(issued.session_token)["roles"]["v"] == ["reader"]


def test_without_validators_all_hold(shop):
    assert shop.validate() == ()


@pytest.mark.parametrize("session_id", ["", "nonsense", f"sess_{'A' * 32}"])
def test_of_no_session_there_is_nothing_to_say(shop, session_id):
    shop.session_id = session_id
    assert shop.validate(shop.is_verified.is_true()) is None
    assert shop.asked == 0


def test_a_session_that_has_ended_is_none(shop):
    shop.worker.revoke(shop.session_id)
    assert shop.validate(shop.is_verified.is_true()) is None


@pytest.mark.parametrize("wrong", [5, "is_true", [5]])
def test_what_is_no_validator_is_the_developers_mistake(shop, wrong):
    with pytest.raises(ConfigurationError):
        shop.worker.issuing.sessions.validate_claims(shop.session_id, wrong)


def test_awaited_it_says_the_same(shop):
    asessions = shop.worker.issuing.asessions
    found = asyncio.run(asessions.validate_claims(shop.session_id, [shop.is_verified.is_true()]))
    assert [failure.id for failure in found] == ["verified"]


def test_what_does_not_fit_is_left_out_and_lets_nobody_pass(shop):
    shop.worker.merge(shop.session_id, big="x" * 1100)
    shop.roles = ["r" * 20] * 10
    (failure,) = shop.validate(shop.has_roles.includes("r" * 20))
    assert (failure.id, failure.reason["message"]) == ("roles", "value does not exist")
    assert set(shop.claims) == {"big"}
    assert "claim_fetch_failed" not in shop.worker.told, "no signal of the app's"


def test_a_session_that_ends_while_its_claims_are_fetched_is_none(shop):
    def fetch(user_id, session):
        shop.worker.revoke(session.session_id)
        return ["reader"]

    assert shop.validate(ListClaim("late", fetch).includes("reader")) is None
