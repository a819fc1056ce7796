"""Another organisation made active: for members alone, in force everywhere, kept in the record."""

from __future__ import annotations

import itertools

import pytest

from flask_session_claims.core.auth import auth_from_claims
from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.core.freshness import Standing
from flask_session_claims.sessions.faults import NotAMember

from .office import Browser, Office


@pytest.fixture
def here():
    office = Office()
    for user_id, org_id in (("ada", "org_a"), ("ada", "org_b"), ("ben", "org_c")):
        office.join(user_id, org_id)
    return office


def switch(office, session_id, org_id):
    return office.run(office.flows.switch(session_id, org_id))


def org_of(office, token):
    auth = auth_from_claims(office.verify(token), "cookie")
    return auth.org_id, auth.org_slug


WAYS = [(before, after) for before, after in itertools.product(("org_a", "org_b", None), repeat=2)]


@pytest.mark.parametrize(("before", "after"), WAYS)
def test_a_switch_is_in_the_record_the_journal_the_log_and_in_force_everywhere(here, before, after):
    issued, there = here.sign_in("ada", org_id=before), here.beside()
    session_id = issued.session.session_id
    assert org_of(there, issued.session_token)[0] == before
    state, position = here.state(session_id), here.store.behind.log_since(0).newest
    session = switch(here, session_id, after)
    assert session.org_id == after
    log = [(e.subject, e.key, e.what) for e in here.store.behind.log_since(position).entries]
    if before == after:
        assert (here.state(session_id), log) == (state, [])
    else:
        assert log == [("session", session_id, "organization")]
        act = here.state(session_id).acts()[-1]
        assert (act.act, act.detail) == ("organization", after or "")
    assert here.state(session_id).org_id == after
    assert org_of(here, issued.session_token)[0] == after
    here.clock.advance(1)
    assert org_of(there, issued.session_token)[0] == after
    assert here.refresh(issued).session.org_id == after


@pytest.mark.parametrize("org_id", ["org_c", "org_none", "", "x" * 256, "a\0", "\ud800"])
def test_who_is_no_member_stays_where_they_are(here, org_id):
    """Whether there is such an organisation is not told."""
    issued = here.sign_in("ada", org_id="org_a")
    before = here.state(issued.session.session_id)
    with pytest.raises(NotAMember) as caught:
        switch(here, issued.session.session_id, org_id)
    assert (caught.value.code, caught.value.status) == ("membership-missing", 403)
    assert not org_id or org_id not in str(caught.value)
    assert here.state(issued.session.session_id) == before


def test_who_has_left_cannot_come_back_by_switching(here):
    issued = here.sign_in("ada", org_id="org_a")
    session_id = issued.session.session_id
    here.directory.remove_member("org_b", "ada")
    with pytest.raises(NotAMember):
        switch(here, session_id, "org_b")
    here.directory.remove_member("org_a", "ada")
    with pytest.raises(NotAMember):
        switch(here, session_id, "org_a")
    assert switch(here, session_id, None).org_id is None
    assert here.state(session_id).org_id is None


@pytest.mark.parametrize("org_id", [5, True, b"org_a", ["org_a"]])
def test_what_is_no_text_is_the_developers_mistake(here, org_id):
    issued = here.sign_in("ada", org_id="org_a")
    with pytest.raises(ConfigurationError, match="org_id"):
        switch(here, issued.session.session_id, org_id)


def test_an_ended_session_switches_nowhere(here):
    issued = here.sign_in("ada")
    here.revoke(issued.session.session_id)
    assert switch(here, issued.session.session_id, "org_a") is None
    assert switch(here, "sess_none", "org_a") is None


def test_what_changes_in_the_organisation_that_stands_over_a_token_is_in_force(here):
    """The token names the one before, or none; the log's entry is about the new one."""
    there = here.beside()
    for before in ("org_a", None):
        issued = here.sign_in("ada", org_id=before)
        there.verify(issued.session_token)
        switch(here, issued.session.session_id, "org_b")
        here.clock.advance(1)
        assert org_of(there, issued.session_token)[0] == "org_b"
        for slug in (f"new-{before}".lower().replace("_", "-"), f"newer-{bool(before)}".lower()):
            here.directory.update_organization("org_b", slug=slug)
            here.clock.advance(1)
            assert org_of(there, issued.session_token) == ("org_b", slug)
            assert org_of(here, issued.session_token) == ("org_b", slug)
            held = there.freshness.outdated(there.verifier.verify(issued.session_token))
            assert held is None or held.session.org_slug == slug


def test_a_change_of_an_organisation_that_one_has_left_costs_one_look(here):
    there = here.beside()
    issued = here.sign_in("ada", org_id="org_a")
    there.verify(issued.session_token)
    switch(here, issued.session.session_id, "org_b")
    here.clock.advance(1)
    there.verify(issued.session_token)
    here.directory.update_organization("org_a", name="Other")
    here.clock.advance(1)
    loads = [there.spent(lambda: there.verify(issued.session_token))[1] for _ in range(3)]
    assert loads == [1, 0, 0]
    here.directory.update_organization("org_c", name="Other")
    here.clock.advance(1)
    assert there.spent(lambda: there.verify(issued.session_token))[1] == 0


# --- in a request -------------------------------------------------------------------------


def switching(office, org_id):
    return lambda exchange: office.issuing.visits.switch_organization(exchange, org_id)


def test_in_a_request_the_new_token_says_it_and_is_fresh(here):
    browser = Browser(here, here.sign_in("ada", org_id="org_a"))
    here.news.clear()
    auth = browser.visit(switching(here, "org_b"))
    assert auth.org_id == "org_b"
    claims = here.verify(browser.token)
    assert claims["org_id"] == "org_b"
    assert here.freshness.check(claims) is Standing.FRESH
    (told,) = here.heard("organization_switched")
    assert (told["auth"].org_id, told["previous"]) == ("org_b", "org_a")
    browser.visit(switching(here, "org_b"))
    assert here.heard("organization_switched") == []


def test_a_switch_back_and_forth_in_two_browsers_ends_with_the_last(here):
    """Both have the same session; each shows what the record says once the other has acted."""
    here.clock.advance(1)
    first = Browser(here, here.sign_in("ada", org_id="org_a"))
    second = first.twin(here.beside())
    for turn, (one, other) in enumerate([(first, second), (second, first)] * 2):
        org_id = ("org_b", "org_a")[turn % 2]
        assert one.visit(switching(one.office, org_id)).org_id == org_id
        here.clock.advance(1)
        assert one.visit().org_id == other.visit().org_id == org_id
