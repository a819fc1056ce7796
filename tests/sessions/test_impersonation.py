"""Acting for a user: who may, what it leaves alone, and that it ends with whoever acts."""

from __future__ import annotations

import pytest

from flask_session_claims import SessionError
from flask_session_claims.sessions.faults import (
    ActorRefused,
    ImpersonationRefused,
    RefreshRefused,
)

from .office import Browser, Office

DAY = 86_400
LEEWAY = 5  # seconds that a verifier allows to slow clocks


def office(says=True, **settings):
    made = Office(**settings)
    made.issuing.hooks.may_impersonate = says if callable(says) else lambda auth, user_id: says
    return made


@pytest.fixture
def here():
    return office()


@pytest.fixture
def amy(here):
    return Browser(here, here.sign_in("amy"))


def own_id(browser):
    return browser.visit().session_id


def sessions(office, user_id):
    return [one.session_id for one in office.issuing.sessions.list_for_user(user_id)]


# --- who may ------------------------------------------------------------------------------


def failing(auth, user_id):
    raise LookupError("the app's own mistake")


def claims_to_be_true(auth, user_id):
    class Yes:
        def __eq__(self, other):
            return True

        __hash__ = None

    return Yes()


NOT_TRUE = [None, False, 1, 1.0, "True", [True], object(), claims_to_be_true]


@pytest.mark.parametrize("says", NOT_TRUE, ids=str)
def test_only_true_allows_it(says):
    here = office(says)
    amy = Browser(here, here.sign_in("amy"))
    with pytest.raises(ImpersonationRefused):
        amy.impersonate()
    assert (amy.user, sessions(here, "ben")) == ("amy", [])


def test_without_a_hook_nobody_may():
    here = Office()
    amy = Browser(here, here.sign_in("amy"))
    with pytest.raises(ImpersonationRefused):
        amy.impersonate()
    assert sessions(here, "ben") == []


def test_a_hook_that_fails_lets_nobody_act():
    here = office(failing)
    amy = Browser(here, here.sign_in("amy"))
    with pytest.raises(LookupError):
        amy.impersonate()
    assert (amy.user, sessions(here, "ben")) == ("amy", [])


def test_a_hook_is_asked_of_the_user_meant_by_who_is_signed_in():
    asked = []

    def says(auth, user_id):
        asked.append((auth.user_id, auth.session_id, user_id))
        return True

    here = office(says)
    amy = Browser(here, here.sign_in("amy"))
    own = own_id(amy)
    amy.impersonate()
    assert asked == [("amy", own, "ben")]


def test_nobody_acts_for_themselves_or_for_two(here, amy):
    with pytest.raises(ImpersonationRefused):
        amy.impersonate("amy")
    amy.impersonate()
    for user_id in ("cid", "ben", "amy"):
        with pytest.raises(ActorRefused):
            amy.impersonate(user_id)
    assert (amy.user, sessions(here, "cid")) == ("ben", [])


def test_who_has_been_signed_out_elsewhere_begins_nothing(here, amy):
    """The hook takes its time; meanwhile the session ends."""
    own = own_id(amy)
    here.issuing.hooks.may_impersonate = lambda auth, user_id: here.revoke(own)
    with pytest.raises(SessionError) as caught:
        amy.impersonate()
    assert caught.value.code == "session-revoked"
    assert sessions(here, "ben") == []


# --- what it is ---------------------------------------------------------------------------


def test_the_session_says_who_acts_and_why_and_counts_no_factor(here, amy):
    own = own_id(amy)
    auth = amy.impersonate(reason="ticket 7")
    assert dict(auth.actor) == {"iss": "https://app.example", "sub": "amy", "sid": own}
    assert auth.factor_verification_age is None
    state = here.state(auth.session_id)
    assert dict(state.actor) == {"sub": "amy", "sid": own}
    assert [(act.act, act.detail) for act in state.acts()] == [
        ("create", ""), ("impersonate", "ticket 7"),
    ]  # fmt: skip
    assert (state.first_at, state.persistent) == (None, False)
    assert sessions(here, "amy") == [own]


def test_templates_can_name_who_acts(here, amy):
    here.save({"by": "{{session.actor.sub}}"})
    assert amy.impersonate().session_claims["by"] == "amy"
    assert amy.stop().session_claims["by"] is None


@pytest.mark.parametrize(
    ("minutes", "own_lifetime", "lasts"), [(5, None, 300), (30, 100, 100), (60, None, 3_600)]
)
def test_it_lasts_its_minutes_and_no_longer_than_ones_own_session(
    here, minutes, own_lifetime, lasts
):
    amy = Browser(here, here.sign_in("amy", lifetime=own_lifetime))
    auth = amy.impersonate(minutes=minutes)
    assert here.state(auth.session_id).absolute_end == here.clock() + lasts
    assert auth.expires_at <= here.clock() + lasts


def test_it_neither_makes_room_nor_takes_it():
    here = office(max_sessions_per_user=2)
    bens = []
    for _ in range(2):
        bens.append(here.sign_in("ben").session.session_id)
        here.clock.advance(1)
    amy = Browser(here, here.sign_in("amy"))
    acting = amy.impersonate().session_id
    assert set(sessions(here, "ben")) == {*bens, acting}
    third = here.sign_in("ben").session.session_id
    assert set(sessions(here, "ben")) == {bens[1], third, acting}
    here.clock.advance(1)
    fourth = here.sign_in("ben").session.session_id
    assert set(sessions(here, "ben")) == {third, fourth, acting}
    assert len(sessions(here, "amy")) == 1


# --- how it ends --------------------------------------------------------------------------


def ends():
    """What ends it: (office, the actor's session)."""
    return {
        "revoke": lambda here, own: here.revoke(own),
        "revoke_all": lambda here, own: here.issuing.sessions.revoke_all("amy"),
        "reuse": lambda here, own: reuse(here, own),
    }


def reuse(here, own):
    """Somebody presents a refresh token of hers that was used up."""
    here.rewrite(own, generation=5)
    with pytest.raises(RefreshRefused):
        here.refresh(here.first)


@pytest.mark.parametrize("way", ends())
def test_it_ends_with_the_session_of_who_acts_in_every_process(here, way):
    here.first = here.sign_in("amy")
    amy = Browser(here, here.first)
    own, there = own_id(amy), here.beside()
    acting = amy.impersonate().session_id
    elsewhere = amy.twin(there)
    here.clock.advance(1)
    assert elsewhere.user == "ben"
    ends()[way](here, own)
    assert here.code_of(amy.token) == "session-revoked"
    here.clock.advance(1)
    assert there.code_of(amy.token) == "session-revoked"
    assert (amy.user, elsewhere.user) == (None, None)
    assert here.session(acting) is None
    assert sessions(here, "ben") == []


@pytest.mark.parametrize(
    ("limits", "lasts"),
    [({"lifetime": 200}, 200), ({}, 250)],
    ids=["its end", "nobody has used it"],
)
def test_it_ends_when_the_session_of_who_acts_runs_out(limits, lasts):
    here = office(idle_lifetime=250)
    amy = Browser(here, here.sign_in("amy", **limits))
    there = here.beside(idle_lifetime=250)
    amy.impersonate(minutes=30)
    here.clock.advance(lasts - 1)
    assert there.code_of(amy.token) is None
    here.clock.advance(1 + LEEWAY)
    for office_ in (here, there):
        assert office_.code_of(amy.token) is not None
    with pytest.raises(RefreshRefused):
        there.run(there.issuing.issuer.refresh(amy.refresh_token))
    assert amy.user is None


def test_a_refresh_without_who_acts_is_refused_and_ends_it_for_good(here, amy):
    own = own_id(amy)
    acting = amy.impersonate().session_id
    here.revoke(own)
    position = here.store.behind.log_since(0).newest
    with pytest.raises(RefreshRefused) as caught:
        here.run(here.issuing.issuer.refresh(amy.refresh_token))
    assert (caught.value.code, caught.value.revoked) == ("session-revoked", False)
    state = here.state(acting)
    assert (state.revoked_at, state.reason) == (here.clock(), "actor-ended")
    (entry,) = here.store.behind.log_since(position).entries
    assert (entry.subject, entry.key, entry.what) == ("session", acting, "revoked")


def test_so_it_is_when_the_record_of_who_acts_is_gone(here, amy):
    own = own_id(amy)
    amy.impersonate(minutes=60)
    here.rewrite(own, revoked_at=here.clock() - 2 * DAY)
    assert here.run(here.flows.prune()) >= 1
    with pytest.raises(RefreshRefused):
        here.run(here.issuing.issuer.refresh(amy.refresh_token))


def test_none_of_its_acts_goes_on_without_who_acts(here, amy):
    here.join("ben", "org_a")
    own = own_id(amy)
    acting = amy.impersonate().session_id
    here.revoke(own)
    before = here.state(acting)
    assert here.merge(acting, plan="pro") is None
    assert here.run(here.flows.switch(acting, "org_a")) is None
    assert here.run(here.flows.set_data(acting, {"a": 1})) is None
    assert here.run(here.issuing.issuer.reissue(acting)) is None
    with pytest.raises(SessionError, match="no such session"):
        here.issuing.sessions.mint(acting)
    assert here.state(acting) == before


def test_an_actor_without_a_session_is_nobody(here):
    for actor in ({"sub": "amy"}, {"sub": "amy", "sid": ""}, {"sub": "amy", "sid": "sess_none"}):
        with pytest.raises(SessionError) as caught:
            here.sign_in("ben", actor=actor)
        assert caught.value.code == "session-revoked"
    assert sessions(here, "ben") == []


def test_ending_it_leaves_ones_own_session_alone(here, amy):
    own = own_id(amy)
    acting = amy.impersonate().session_id
    assert here.revoke(acting)
    assert amy.user is None
    assert sessions(here, "amy") == [own]
    amy.visit()
    assert here.session(own) is not None


def test_signing_the_user_out_everywhere_ends_it(here, amy):
    amy.impersonate()
    here.issuing.sessions.revoke_all("ben")
    assert amy.user is None


# --- being oneself again ------------------------------------------------------------------


def test_stopping_gives_ones_own_session_back_with_tokens_of_its_own(here, amy):
    own, before = own_id(amy), amy.refresh_token
    acting = amy.impersonate().session_id
    auth = amy.stop()
    assert (auth.user_id, auth.session_id, auth.actor) == ("amy", own, None)
    assert here.state(acting).reason == "impersonation-over"
    assert (amy.user, own_id(amy)) == ("amy", own)
    assert here.run(here.issuing.issuer.refresh(amy.refresh_token)).session.session_id == own
    assert amy.refresh_token != before


@pytest.mark.parametrize("seconds", [0, 10, 40])
def test_the_refresh_token_of_before_is_refused_and_ends_nothing(here, amy, seconds):
    """Its client has given it away; whoever kept it has no use of it, and does no harm."""
    own, before = own_id(amy), amy.refresh_token
    amy.impersonate()
    amy.stop()
    here.clock.advance(seconds)
    for _ in range(2):
        with pytest.raises(RefreshRefused) as caught:
            here.run(here.issuing.issuer.refresh(before))
        assert not caught.value.revoked
    assert here.session(own) is not None
    assert here.run(here.issuing.issuer.refresh(amy.refresh_token)).session.session_id == own


def test_nor_does_the_one_of_the_session_that_is_over(here, amy):
    own = own_id(amy)
    amy.impersonate()
    acting = amy.refresh_token
    amy.stop()
    with pytest.raises(RefreshRefused) as caught:
        here.run(here.issuing.issuer.refresh(acting))
    assert caught.value.code == "session-revoked"
    assert here.session(own) is not None


def test_who_has_no_session_any_more_is_signed_out(here, amy):
    own = own_id(amy)
    amy.impersonate()
    exchange = amy.exchange()
    assert exchange.read().user_id == "ben"
    here.revoke(own)
    auth = here.run(here.issuing.impersonations.end(exchange))
    assert not auth.is_authenticated
    assert all("Max-Age=0" in cookie for cookie in exchange.effects.cookies.values())


def test_stopping_keeps_what_the_own_session_had(here):
    amy = Browser(here, here.sign_in("amy", claims={"team": "support"}, data={"a": 1}))
    own = own_id(amy)
    amy.impersonate()
    here.clock.advance(100)
    auth = amy.stop()
    assert auth.session_claims["team"] == "support"
    assert auth.factor_verification_age == (1, -1)
    state = here.state(own)
    assert (dict(state.data), state.seen_at) == ({"a": 1}, here.clock())
    assert state.acts()[-1].act == "reissue"


def test_of_two_requests_that_stop_at_once_one_is_given_tokens(here, amy):
    """A double click: the other's would put an end to the first's."""
    own = own_id(amy)
    amy.impersonate()
    second = amy.exchange()
    assert second.read().user_id == "ben"
    amy.stop()
    with pytest.raises(SessionError) as caught:
        here.run(here.issuing.impersonations.end(second))
    assert caught.value.code == "session-revoked"
    assert second.effects is None
    assert here.run(here.issuing.issuer.refresh(amy.refresh_token)).session.session_id == own


def test_an_ended_session_is_exchanged_for_nobodys(here, amy):
    """An operator has put an end to it; its tokens bring no others."""
    own = own_id(amy)
    acting = amy.impersonate().session_id
    late = amy.exchange()
    assert late.read().user_id == "ben"
    here.revoke(acting)
    with pytest.raises(SessionError) as caught:
        here.run(here.issuing.impersonations.end(late))
    assert caught.value.code == "session-revoked"
    assert here.state(own).generation == 1
