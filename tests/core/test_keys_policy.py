"""How long keys are kept and when they are given up: a moved clock, flights by hand.

Nothing here touches the network. Row ids (K9, K10) are those of the security requirements.
"""

from __future__ import annotations

import itertools

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.core.asks import BeginFetch
from flask_session_claims.io.runtime import key_handlers
from flask_session_claims.testing import FrozenClock, LocalIssuer, shared_key

from .outside import ISSUER, NOT_FETCHED, HandFetch, HandScene, drive, policy, refusal

# Freshness


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        (None, 300),
        (0, 60),
        (10, 60),
        (60, 60),
        (61, 61),
        (600, 600),
        (86_400, 86_400),
        (86_401, 86_400),
        (10**9, 86_400),
    ],
)
def test_k10_the_stated_age_is_kept_within_a_minute_and_a_day(stated, kept):
    """K10: no-store and no-cache come as 0; an answer that says nothing is kept for 300 s."""
    scene = HandScene()
    scene.warm(max_age=stated)
    assert scene.state()["expires_in"] == kept


@pytest.mark.parametrize(("spread", "share"), [(0.0, 0.8), (0.5, 0.85), (1.0, 0.9)])
def test_k10_a_refresh_is_due_at_80_to_90_percent_of_the_life(spread, share):
    """K10: just before its moment nothing is asked, at it one fetch is begun and not awaited."""
    clock = FrozenClock()
    issuer = LocalIssuer(ISSUER, clock=clock, key=shared_key("ES256"))
    keys = policy(clock, lambda: spread)
    fetch = HandFetch(issuer.jwks)
    assert drive(keys.find(issuer.kid, "ES256"), fetch)
    fetch.source = None
    clock.advance(300 * share - 0.5)
    assert [*keys.attend()] == []
    clock.advance(1)
    flow = keys.attend()
    ask = next(flow)
    assert type(ask) is BeginFetch
    reply = key_handlers(fetch)[BeginFetch](ask)
    with pytest.raises(StopIteration):
        flow.send(reply)
    assert not fetch.flights[-1].done()
    assert keys.state()["keys"] == 1


def test_k10_the_refreshes_of_many_workers_are_spread():
    """K10: forty verifiers made alike do not ask in the same second."""
    moments = []
    for _ in range(40):
        scene = HandScene(instant=True)
        assert scene.verifier.verify(scene.issuer.mint())
        moments.append(scene.state()["refresh_in"])
    assert 240 <= min(moments) < max(moments) <= 270
    assert max(moments) - min(moments) > 10
    assert len(set(moments)) > 30


def test_k10_the_refresh_is_taken_up_by_whoever_looks_next():
    """K10: while it is out, one flight; once it is back, the new set serves and its life begins."""
    scene = HandScene()
    scene.warm()
    scene.clock.advance(271)
    for _ in range(5):
        assert scene.verifier.verify(scene.issuer.mint())
    assert scene.fetches == 2
    scene.issuer.rotate(keep=True)
    scene.fetch.flights[-1].answer(scene.issuer.jwks())
    assert scene.verifier.verify(scene.issuer.mint())["sub"] == "user_1"
    assert scene.fetches == 2
    assert scene.state()["keys"] == 2
    assert scene.state()["expires_in"] == 300


def test_k10_tokens_verified_before_a_refresh_stay_verified_under_a_key_that_stays():
    """K10: the refreshed set holds the same key, so the cached claims are the very same object."""
    scene = HandScene()
    scene.warm()
    token = scene.issuer.mint(lifetime=3600)
    before = scene.verifier.verify(token)
    assert scene.verifier.verify(token) is before
    scene.clock.advance(271)
    # Another token begins the refresh, so that this one is not looked at while it is out.
    assert scene.verifier.verify(scene.issuer.mint(sub="user_2"))
    jwks = scene.issuer.jwks()
    del jwks["keys"][0]["use"]  # spelt otherwise, and still the same key
    jwks["keys"].append(LocalIssuer(key=shared_key("EdDSA")).public_jwk())
    scene.fetch.flights[-1].answer(jwks)
    assert scene.verifier.verify(token) is before
    assert scene.state()["keys"] == 2


def test_k7_a_token_verified_before_is_found_again_while_a_refresh_is_out():
    """K7: a refresh that hangs for seconds does not cost every request a signature check."""
    scene = HandScene()
    scene.warm()
    token = scene.issuer.mint(lifetime=3600)
    before = scene.verifier.verify(token)
    scene.clock.advance(271)
    assert scene.verifier.verify(token) is before
    assert not scene.fetch.flights[-1].done()
    assert scene.verifier.verify(token) is before


def test_k10_tokens_verified_before_a_refresh_die_with_their_key():
    """K10: a removed key is refused once the refresh has landed, in the token cache as well."""
    scene = HandScene()
    scene.warm()
    token = scene.issuer.mint(lifetime=3600)
    assert scene.verifier.verify(token)
    scene.clock.advance(271)
    assert scene.verifier.verify(token)
    scene.issuer.rotate(key=shared_key("ES256", 1))
    scene.fetch.flights[-1].answer(scene.issuer.jwks())
    scene.fetch.source = scene.issuer.jwks
    assert refusal(scene.verifier.verify, token) == "jwk-kid-mismatch"
    assert scene.verifier.verify(scene.issuer.mint())


def test_k10_another_key_under_the_same_kid_does_not_inherit_trust():
    """K10: a token verified by the old key is judged anew when its kid means another key."""
    scene = HandScene()
    scene.warm()
    kid = scene.issuer.kid
    token = scene.issuer.mint(lifetime=3600)
    assert scene.verifier.verify(token)
    scene.clock.advance(271)
    assert scene.verifier.verify(token)
    scene.issuer.rotate(kid=kid, key=shared_key("ES256", 1))
    scene.fetch.flights[-1].answer(scene.issuer.jwks())
    assert refusal(scene.verifier.verify, token) == "token-invalid-signature"


@pytest.mark.parametrize("stale", [0, 3600])
def test_k10_an_answer_nobody_took_up_is_as_old_as_its_fetch(stale):
    """K10, K9: a refresh that came back before a quiet night proves nothing in the morning.

    The flight is begun by the last request of the evening and ends at once. The key is then
    withdrawn. Ten hours later its lifetime and stale_if_error are long over, so a token that the
    withdrawn key signs now must not be let in, whatever the endpoint says.
    """
    scene = HandScene(jwks_stale_if_error=stale)
    scene.warm()
    thief = scene.thief()
    scene.clock.advance(271)
    assert scene.verifier.verify(scene.issuer.mint())
    scene.fetch.flights[-1].answer(scene.issuer.jwks())
    scene.issuer.rotate(key=shared_key("ES256", 1))
    scene.fetch.source = scene.issuer.jwks
    scene.clock.advance(10 * 3600)
    assert refusal(scene.verifier.verify, thief.mint()) is not None


def test_k10_an_answer_that_lands_late_has_only_the_rest_of_its_life():
    """K10: taken up 100 s after it was fetched, a set of 300 s expires in 200 s, not in 300 s."""
    scene = HandScene()
    scene.warm()
    scene.clock.advance(271)
    assert scene.verifier.verify(scene.issuer.mint())
    scene.fetch.flights[-1].answer(scene.issuer.jwks())
    scene.clock.advance(100)
    assert scene.verifier.verify(scene.issuer.mint())
    assert scene.state()["expires_in"] <= 200


def test_k10_k7_an_expired_set_serves_on_while_its_refresh_is_out():
    """What the policy's docstring says about expiry: "the same for as long as that flight is out".

    So after a quiet spell shorter than stale_if_error the first token under a withdrawn key is
    still taken (K7: a known kid never waits); none is once the refresh has landed.
    """
    scene = HandScene()
    scene.warm()
    thief = scene.thief()
    scene.issuer.rotate(key=shared_key("ES256", 1))
    scene.clock.advance(1000)
    assert scene.verifier.verify(thief.mint())
    assert scene.fetches == 2
    scene.fetch.flights[-1].answer(scene.issuer.jwks())
    scene.fetch.source = scene.issuer.jwks
    assert refusal(scene.verifier.verify, thief.mint()) == "jwk-kid-mismatch"


# Outage


def test_k9_stale_if_error_is_counted_to_the_second_by_the_moved_clock():
    """K9: the last good keys serve for an hour after expiry, then it is 503, not signed out."""
    scene = HandScene(instant=True)
    assert scene.verifier.verify(scene.issuer.mint())
    scene.healthy = False
    scene.clock.advance(300 + 3599)
    assert scene.verifier.verify(scene.issuer.mint())
    scene.clock.advance(1)
    with pytest.raises(UnavailableError) as caught:
        scene.verifier.verify(scene.issuer.mint())
    error = caught.value
    assert (error.status, error.code) == (503, NOT_FETCHED)
    assert 1 <= error.retry_after <= 31
    assert "keys-failed" in scene.events


def test_k9_without_stale_if_error_expired_keys_are_waited_for():
    """K9: 0 switches it off: at the moment of expiry a failing fetch means 503."""
    scene = HandScene(instant=True, jwks_stale_if_error=0)
    assert scene.verifier.verify(scene.issuer.mint())
    scene.healthy = False
    scene.clock.advance(299)
    assert scene.verifier.verify(scene.issuer.mint())
    scene.clock.advance(1)
    assert refusal(scene.verifier.verify, scene.issuer.mint()) == NOT_FETCHED
    scene.healthy = True
    scene.clock.advance(31)
    assert scene.verifier.verify(scene.issuer.mint())


def test_k9_a_cached_token_is_no_way_around_the_end_of_the_keys():
    """K9: what was verified before is unavailable as well once the keys are given up."""
    scene = HandScene(instant=True)
    token = scene.issuer.mint(lifetime=36_000)
    assert scene.verifier.verify(token)
    scene.healthy = False
    scene.clock.advance(300 + 3600)
    assert refusal(scene.verifier.verify, token) == NOT_FETCHED


def test_k9_retries_of_an_outage_are_spaced_up_to_30_seconds():
    """K9: an hour of failing refreshes with traffic every second costs about 120 fetches."""
    scene = HandScene(instant=True)
    token = scene.issuer.mint(lifetime=36_000)
    assert scene.verifier.verify(token)
    scene.healthy = False
    scene.clock.advance(271)
    moments, known = [], scene.fetches
    for second in range(3600):
        assert scene.verifier.verify(token)
        if scene.fetches > known:
            moments.append(second)
            known = scene.fetches
        scene.clock.advance(1)
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert all(gap >= 30 for gap in gaps[5:])
    assert 100 <= len(moments) <= 126
    scene.healthy = True
    scene.clock.advance(31)
    assert scene.verifier.verify(token)
    assert scene.verifier.verify(token)
    assert scene.state()["expires_in"] == 300


def test_k9_cold_callers_of_an_outage_are_refused_without_a_fetch_each():
    """K6, K9: failed fetches count: between retries the answer comes at once, with the rest."""
    scene = HandScene(instant=True)
    scene.healthy = False
    token = scene.issuer.mint(lifetime=3600)
    for _ in range(500):
        assert refusal(scene.verifier.verify, token) == NOT_FETCHED
    assert scene.fetches == 1
    for _ in range(600):
        scene.clock.advance(1)
        assert refusal(scene.verifier.verify, token) == NOT_FETCHED
    assert scene.fetches <= 26
    with pytest.raises(UnavailableError) as caught:
        scene.verifier.verify(token)
    assert 1 <= caught.value.retry_after <= 31


def test_a_wall_clock_that_is_set_back_or_forward_moves_no_key():
    """Key freshness has a clock of its own: a time server's correction fetches nothing."""
    scene = HandScene(instant=True)
    assert scene.verifier.verify(scene.issuer.mint())
    for step in (7200, -86_400):
        scene.clock.step_wall(step)
        assert scene.verifier.verify(scene.issuer.mint())
    assert scene.fetches == 1
    assert scene.state()["expires_in"] == 300
