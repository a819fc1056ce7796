"""Unknown kids, and callers who come at the same moment: a moved clock, flights by hand.

Nothing here touches the network. Row ids (K6, K7) are those of the security requirements.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest

from flask_session_claims import TokenError, UnavailableError, Verifier, VerifierSettings
from flask_session_claims.core.asks import AwaitFlight, KeyRequest
from flask_session_claims.core.keys import FetchedKeys, Pause
from flask_session_claims.io.runtime import key_handlers
from flask_session_claims.testing import FrozenClock, LocalIssuer, shared_key

from .outside import (
    ISSUER,
    MARGIN,
    NOT_FETCHED,
    ByHand,
    HandFetch,
    HandScene,
    another_kid,
    drive,
    policy,
    refusal,
    strangers,
    together,
)

# Unknown kids


def test_the_pause_doubles_from_one_second_to_thirty_and_forgets_after_thirty_quiet_ones():
    pause, now, lengths = Pause(), 1000.0, []
    for _ in range(7):
        pause.start(now)
        lengths.append(pause.until - now)
        now = pause.until
    assert lengths == [1, 2, 4, 8, 16, 30, 30]
    pause.start(now + 30)
    assert pause.until - (now + 30) == 30
    later = pause.until + 30.5
    pause.start(later)
    assert pause.until - later == 1


def test_k6_a_flood_that_pauses_to_be_forgotten_gains_little():
    """K6: the cheapest way around the cool-down is to stop before it grows; that has a bound.

    Whatever the rhythm, ten minutes cost at most one fetch per 11 s.
    """
    worst = 0
    for misses in range(1, 8):
        scene = HandScene(instant=True)
        assert scene.verifier.verify(scene.issuer.mint())
        tokens = strangers(scene.issuer, 10_000)
        end = scene.clock.monotonic() + 600
        while scene.clock.monotonic() < end:
            for _ in range(misses):
                before = scene.fetches
                while scene.fetches == before and scene.clock.monotonic() < end:
                    assert refusal(scene.verifier.verify, next(tokens)) == "jwk-kid-mismatch"
                    scene.clock.advance(1)
            scene.clock.advance(30 + 2 ** (misses - 1))
        worst = max(worst, scene.fetches - 1)
    assert 20 <= worst <= 600 / 11


@pytest.mark.parametrize("healthy", [True, False])
def test_k6_a_sustained_flood_costs_one_fetch_in_30_seconds(healthy):
    """K6: in an outage as well, when refreshes are retried beside the misses.

    Every fetch ends at once here, so a refresh that has just failed is landed before the miss of
    the same call is judged; it must not begin another.
    """
    scene = HandScene(instant=True)
    assert scene.verifier.verify(scene.issuer.mint())
    scene.healthy = healthy
    tokens, moments, known = strangers(scene.issuer, 600), [], scene.fetches
    for second in range(600):
        assert refusal(scene.verifier.verify, next(tokens)) == "jwk-kid-mismatch"
        assert scene.verifier.verify(scene.issuer.mint())
        moments += [second] * (scene.fetches - known)
        known = scene.fetches
        scene.clock.advance(1)
    later = [moment for moment in moments if moment > 31]
    assert min(after - before for before, after in itertools.pairwise(later)) >= 30
    assert len(moments) <= 600 / 30 + 6


@pytest.mark.parametrize("healthy", [True, False])
def test_k6_a_burst_at_a_slow_endpoint_costs_two_fetches_at_most(healthy):
    """K6: each fetch takes five seconds; the cool-down is not over when the answer comes."""
    scene = HandScene()
    scene.warm()

    def begin(request: KeyRequest) -> ByHand:
        flight = ByHand()

        def wait(timeout: float) -> None:
            scene.clock.advance(5)
            flight.answer(scene.issuer.jwks()) if healthy else flight.fail()

        flight.wait = wait  # type: ignore[method-assign]
        scene.fetch.flights.append(flight)
        return flight

    scene.fetch.begin = begin  # type: ignore[method-assign]
    for token in strangers(scene.issuer, 1000):
        assert refusal(scene.verifier.verify, token) == "jwk-kid-mismatch"
    assert scene.fetches - 1 <= 2


def test_k6_a_bad_signature_causes_no_fetch():
    """K6: forged tokens under a known kid are refused by arithmetic alone."""
    scene = HandScene(instant=True)
    assert scene.verifier.verify(scene.issuer.mint())
    forger = LocalIssuer(ISSUER, clock=scene.clock, kid=scene.issuer.kid)
    forger.rotate(kid=scene.issuer.kid, key=shared_key("ES256", 3))
    for number in range(200):
        token = forger.mint(sub=f"user_{number}")
        assert refusal(scene.verifier.verify, token) == "token-invalid-signature"
    assert scene.fetches == 1


@pytest.mark.parametrize(
    "headers",
    [{"alg": "none"}, {"alg": "HS256"}, {"crit": ["x"]}, {"kid": ""}, {"kid": 7}, {"typ": "xyz"}],
    ids=str,
)
def test_k6_a_token_that_is_refused_for_its_header_causes_no_fetch(headers):
    """K6: only a token that could verify under some key is worth a question."""
    scene = HandScene(instant=True)
    assert scene.verifier.verify(scene.issuer.mint())
    given = {"kid": "stranger", **headers}
    assert refusal(scene.verifier.verify, scene.issuer.mint(headers=given)) is not None
    assert scene.fetches == 1


def test_k6_a_miss_that_shares_the_refresh_under_way_begins_no_second_fetch():
    """K6, K7: one fetch answers the refresh and the unknown kid."""
    scene = HandScene()
    scene.warm()
    scene.clock.advance(271)
    assert scene.verifier.verify(scene.issuer.mint())
    scene.issuer.rotate(keep=True, key=shared_key("ES256", 1))
    scene.fetch.flights[-1].answer(scene.issuer.jwks())
    assert scene.verifier.verify(scene.issuer.mint())
    assert scene.fetches == 2


def test_k6_given_keys_are_never_fetched():
    """K6: with a key set from the configuration an unknown kid asks nobody."""
    issuer = LocalIssuer(ISSUER, key=shared_key("ES256"))
    fetch = HandFetch(issuer.jwks)
    verifier = Verifier(VerifierSettings(issuer=ISSUER, jwks=issuer.jwks()), fetch=fetch)
    assert verifier.verify(issuer.mint())
    for token in strangers(issuer, 50):
        assert refusal(verifier.verify, token) == "jwk-kid-mismatch"
    assert fetch.flights == []


# Interleavings: each flow is stopped wherever it asks


def interleave(keys: FetchedKeys, fetch: HandFetch, kid: str, order: tuple[int, ...]) -> list[Any]:
    """Runs `find` as often as `order` has numbers, a step of flow n for each n, then the rest.

    Each result is the keys found, or the error. A flow that waits for a flight which is not done
    steps aside for the others.
    """
    count = max(order) + 1
    flows = [keys.find(kid, "ES256") for _ in range(count)]
    asks: list[Any] = [None] * count
    results: list[Any] = [None] * count
    left = set(range(count))

    def step(number: int) -> None:
        ask, reply = asks[number], None
        if isinstance(ask, AwaitFlight) and not ask.flight.done() and len(left) > 1:
            return
        try:
            if ask is not None:
                reply = key_handlers(fetch)[type(ask)](ask)
            asks[number] = flows[number].send(reply)
        except StopIteration as end:
            results[number] = list(end.value)
            left.discard(number)
        except UnavailableError as error:
            results[number] = error
            left.discard(number)

    for number in order:
        if number in left:
            step(number)
    for _ in range(20):
        for number in sorted(left):
            step(number)
    assert not left, "a flow never ends"
    return results


def orders(flows: int, steps: int) -> list[tuple[int, ...]]:
    return sorted(set(itertools.permutations(sorted([*range(flows)] * steps))))


def test_k7_cold_callers_share_one_fetch_in_every_order():
    """K7: three callers stopped at every ask in all 1,680 orders: one fetch, three answers."""
    wrong = {}
    issuer = LocalIssuer(ISSUER, key=shared_key("ES256"))
    for order in orders(3, 3):
        fetch = HandFetch(issuer.jwks)
        results = interleave(policy(FrozenClock(), lambda: 0), fetch, issuer.kid, order)
        found = [isinstance(r, list) and len(r) == 1 for r in results]
        if len(fetch.flights) != 1 or not all(found):
            wrong[order] = (len(fetch.flights), found)
    assert not wrong, f"{len(wrong)} orders, such as {next(iter(wrong.items()))}"


def test_k7_callers_with_a_new_kid_all_get_it_in_every_order():
    """K7: whoever comes while another is only just beginning the fetch shares its result.

    The alternative, refusing them for the cool-down that the first one started, signs out users
    whose tokens are good.
    """
    wrong = {}
    issuer = LocalIssuer(ISSUER, key=shared_key("ES256"))
    for order in orders(3, 3):
        fetch = HandFetch(lambda: {"keys": [LocalIssuer(key=shared_key("EdDSA")).public_jwk()]})
        keys = policy(FrozenClock(), lambda: 0)
        assert drive(keys.find(issuer.kid, "ES256"), fetch) == ()
        fetch.source = issuer.jwks
        results = interleave(keys, fetch, issuer.kid, order)
        found = [isinstance(r, list) and len(r) == 1 for r in results]
        if len(fetch.flights) != 2 or not all(found):
            wrong[order] = (len(fetch.flights), found)
    assert not wrong, f"{len(wrong)} orders, such as {next(iter(wrong.items()))}"


# Faults on our side


@pytest.mark.parametrize("kind", [threading.Thread, threading.Timer])
def test_a_process_that_can_start_no_thread_says_unavailable(monkeypatch, kind):
    """A limit on threads is an outage: a declared error, at once, and nothing on stderr.

    The limit may be met by the fetch itself, or by the timer that guards it.
    """
    clock = FrozenClock()
    issuer = LocalIssuer(ISSUER, clock=clock, key=shared_key("ES256"))
    settings = VerifierSettings(
        issuer=ISSUER, jwks_url="http://127.0.0.1:9/", allow_loopback_http=True
    )
    verifier = Verifier(settings, clock=clock)
    start_thread = threading.Thread.start

    def refuse(self: threading.Thread) -> None:
        if isinstance(self, kind):
            raise RuntimeError("can't start new thread")
        start_thread(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    start = time.monotonic()
    with pytest.raises(UnavailableError):
        verifier.verify(issuer.mint())
    assert time.monotonic() - start < MARGIN


def test_a_refresh_that_cannot_be_begun_is_not_felt_by_known_kids():
    """The same limit at the moment of a refresh: the keys at hand serve on."""
    scene = HandScene(instant=True)
    assert scene.verifier.verify(scene.issuer.mint())

    tried = []

    def refuse(request: KeyRequest) -> Any:
        tried.append(scene.clock.monotonic())
        raise UnavailableError("no thread can be started", code=NOT_FETCHED)

    scene.fetch.begin = refuse  # type: ignore[method-assign]
    scene.clock.advance(271)
    for _ in range(50):
        assert scene.verifier.verify(scene.issuer.mint())
        stranger = another_kid(scene.issuer.mint(), scene.issuer, "stranger")
        assert refusal(scene.verifier.verify, stranger) == "jwk-kid-mismatch"
    # The refresh and the miss; like a fetch that failed, it is not tried again at once.
    assert len(tried) <= 2
    assert "keys-failed" in scene.events


def test_k7_many_threads_at_the_moment_of_refresh_begin_one_flight():
    """K7: fifty threads that find the refresh due begin one fetch, and none of them waits."""
    scene = HandScene()
    scene.warm()
    scene.clock.advance(271)
    tokens = [scene.issuer.mint(sub=f"user_{number}") for number in range(50)]
    ends, _ = together(50, lambda number: scene.verifier.verify(tokens[number]))
    assert ends == ["ok"] * 50
    assert scene.fetches == 2
    assert not scene.fetch.flights[-1].done()


def test_the_errors_of_the_policy_are_declared():
    scene = HandScene()
    with pytest.raises(TokenError):
        scene.verifier.verify("no.token.at-all")
    assert scene.fetches == 0
