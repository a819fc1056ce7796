"""What changes in directory and templates reaches the sessions that it concerns, and no others."""

from __future__ import annotations

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.core.freshness import Standing

from .office import TEMPLATE, Browser, Office, custom

#: Whose sessions there are, and where each is.
WHO = {
    "ada in a": ("ada", "org_a"), "ada in b": ("ada", "org_b"), "ada": ("ada", None),
    "ben in a": ("ben", "org_a"), "cid": ("cid", None),
}  # fmt: skip
OF_ADA, OF_A = {"ada in a", "ada in b", "ada"}, {"ada in a", "ben in a"}


class Town:
    """Two processes, which know of everybody's sessions."""

    def __init__(self):
        self.here = here = Office()
        for user_id, org_id in (("ada", "org_a"), ("ada", "org_b"), ("ben", "org_a")):
            here.join(user_id, org_id, public_metadata={"desk": 1})
        here.directory.create_user("cid")
        here.directory.create_organization("C", org_id="org_c")
        here.save(TEMPLATE)
        self.issued = {
            name: here.sign_in(user_id, org_id=org_id) for name, (user_id, org_id) in WHO.items()
        }
        self.there = here.beside()
        self.met()

    def met(self):
        """Whose sessions are loaded in the other process once all have been there."""
        loaded = set()
        for name, issued in self.issued.items():
            if self.there.spent(lambda token=issued.session_token: self.there.code_of(token))[1]:
                loaded.add(name)
        return loaded

    def said(self, name, office=None):
        return (office or self.there).verify(self.issued[name].session_token)


@pytest.fixture
def town():
    return Town()


CHANGES = {
    "public metadata": (
        lambda d: d.update_user_metadata("ada", public={"plan": "pro"}), OF_ADA,
    ),
    "unsafe metadata": (lambda d: d.update_user_metadata("ada", unsafe={"a": 1}), OF_ADA),
    "private metadata": (lambda d: d.update_user_metadata("ada", private={"a": 1}), set()),
    "metadata replaced": (lambda d: d.replace_user_metadata("ada", public={"plan": 1}), OF_ADA),
    "profile": (lambda d: d.update_user("ada", primary_email_address="a@example.com"), OF_ADA),
    "put": (lambda d: d.put_user("ada", public_metadata={"plan": "pro"}), OF_ADA),
    "the same again": (lambda d: d.update_user("ada", username=None), set()),
    "user created": (lambda d: d.create_user("dan"), set()),
    "role": (lambda d: d.update_member("org_a", "ada", role="org:admin"), OF_ADA),
    "permissions": (lambda d: d.update_member("org_a", "ada", permissions=["org:a:r"]), OF_ADA),
    "member's metadata": (
        lambda d: d.update_member_metadata("org_a", "ada", public={"desk": 2}), OF_ADA,
    ),
    "member's private metadata": (
        lambda d: d.update_member_metadata("org_a", "ada", private={"desk": 2}), set(),
    ),
    "member removed": (lambda d: d.remove_member("org_a", "ada"), OF_ADA),
    "member added": (lambda d: d.add_member("org_c", "ada", "org:member"), OF_ADA),
    "organisation's name": (lambda d: d.update_organization("org_a", name="Other"), OF_A),
    "organisation's slug": (lambda d: d.update_organization("org_a", slug="other"), OF_A),
    "organisation's metadata": (
        lambda d: d.update_organization_metadata("org_a", public={"room": 5}), OF_A,
    ),
    "organisation's private metadata": (
        lambda d: d.update_organization_metadata("org_a", private={"room": 5}), set(),
    ),
    "organisation without members": (lambda d: d.update_organization("org_c", name="D"), set()),
    "organisation deleted": (lambda d: d.delete_organization("org_a"), OF_ADA | OF_A),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reaches_exactly_those_it_concerns(town, change):
    act, concerned = CHANGES[change]
    assert town.met() == set()
    act(town.here.directory)
    town.here.clock.advance(1)
    assert town.met() == concerned
    assert town.met() == set(), "one load for a change"
    for name in WHO:
        assert custom(town.said(name)) == custom(town.said(name, town.here))
        session = town.here.session(town.issued[name].session.session_id)
        assert custom(town.said(name)) == dict(session.claims)
        assert town.said(name).get("org_id") == session.org_id


def test_a_user_who_is_deleted_is_signed_out_everywhere(town):
    assert town.here.directory.delete_user("ada")
    town.here.clock.advance(1)
    assert town.met() == OF_ADA
    codes = {name: town.there.code_of(issued.session_token) for name, issued in town.issued.items()}
    assert {name for name, code in codes.items() if code == "session-revoked"} == OF_ADA
    assert {name for name, code in codes.items() if code is None} == set(WHO) - OF_ADA


def test_a_template_reaches_all_and_a_named_one_nobody(town):
    town.here.save({"n": 2}, name="rows")
    town.here.clock.advance(1)
    assert town.met() == set()
    town.here.save({"n": 2})
    town.here.clock.advance(1)
    assert town.met() == set(WHO)
    assert all(custom(town.said(name)) == {"n": 2} for name in WHO)
    town.here.save({"n": 2}, author="somebody else")
    town.here.clock.advance(1)
    assert town.met() == set(), "the same again is no change"
    town.here.issuing.templates.delete()
    town.here.clock.advance(1)
    assert town.met() == set(WHO)
    assert all(custom(town.said(name)) == {} for name in WHO)


def test_a_removed_member_is_out_in_the_very_next_request_of_the_same_process(town):
    browser = Browser(town.here, town.issued["ada in a"])
    assert browser.visit().org_id == "org_a"
    town.here.directory.remove_member("org_a", "ada")
    auth = browser.visit()
    assert (auth.user_id, auth.org_id, auth.org_role) == ("ada", None, None)
    assert not auth.has(role="org:member")


def test_of_another_process_after_the_feed_and_the_new_token_says_so(town):
    browser = Browser(town.there, town.issued["ada in a"])
    assert browser.visit().org_id == "org_a"
    town.here.directory.remove_member("org_a", "ada")
    town.here.clock.advance(1)
    assert browser.visit().org_id is None
    claims = town.there.verify(browser.token)
    assert "org_id" not in claims
    assert town.there.freshness.check(claims) is Standing.FRESH
    assert town.here.beside().verify(browser.token) == claims


def test_a_change_during_the_spread_of_a_template_shows_both_at_once(town):
    town.here.save({"n": "{{user.public_metadata.plan}}"})
    town.here.directory.update_user_metadata("ada", public={"plan": "pro"})
    for _ in range(3):
        town.here.clock.advance(1)
        assert custom(town.said("ada")) == {"n": "pro"}


def test_what_is_acting_for_a_user_hears_of_the_user_and_of_who_acts(town):
    town.here.issuing.hooks.may_impersonate = lambda auth, user_id: True
    browser = Browser(town.here, town.issued["cid"])
    browser.impersonate("ada")
    there = browser.twin(town.there)
    assert there.visit().session_claims["plan"] is None
    town.here.directory.update_user_metadata("ada", public={"plan": "pro"})
    town.here.clock.advance(1)
    assert there.visit().session_claims["plan"] == "pro"
    loads = town.there.spent(there.visit)[1]
    assert loads == 0
    town.here.directory.delete_user("ben")
    town.here.clock.advance(1)
    assert town.there.spent(there.visit)[1] == 0
    town.here.revoke(town.issued["cid"].session.session_id)
    town.here.clock.advance(1)
    assert there.user is None


def test_with_the_store_away_nobody_is_let_in_by_what_was_before(town):
    town.here.directory.remove_member("org_a", "ada")
    town.here.clock.advance(1)
    assert town.there.run(town.there.feed.catch_up())
    for call in ("load session", "load membership", "load organization", "load profile"):
        town.there.store.away = {call}
        with pytest.raises(UnavailableError):
            town.said("ada in a")
    town.there.store.away = set()
    assert "org_id" not in town.said("ada in a")
