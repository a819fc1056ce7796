"""Rotations, outages and bad key sets over real sockets, under a moved clock; Clerk's Backend API.

Row ids (K8, K9, ...) are those of the security requirements.
"""

from __future__ import annotations

import json
import logging
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from flask_session_claims import UnavailableError, Verifier, VerifierSettings
from flask_session_claims.testing import LocalIssuer, shared_key

from .outside import (
    ISSUER,
    NOT_FETCHED,
    Stage,
    break_down,
    landed,
    refusal,
    stage,
    strangers,
    together,
)


@pytest.fixture
def scene() -> Iterator[Stage]:
    with stage() as made:
        yield made


# Rotation


def test_k6_a_new_key_is_accepted_at_once(scene):
    """K6: an unplanned rotation costs the first token one fetch, and nobody a refusal."""
    verifier = scene.warm()
    before = scene.server.requests
    old = scene.issuer.mint(sub="old")
    scene.issuer.rotate(keep=True, key=shared_key("ES256", 1))
    assert verifier.verify(scene.issuer.mint(sub="new"))["sub"] == "new"
    assert verifier.verify(old)["sub"] == "old"
    assert scene.server.requests - before == 1


def test_k6_fifty_threads_with_a_new_key_are_all_let_in(scene):
    """K6, K7: right after a rotation no user is signed out for coming second; ten rounds."""
    verifier = scene.warm()
    outcome: dict[str, int] = {}
    for number in range(10):
        scene.issuer.rotate(key=shared_key("ES256", 1 + number % 2), kid=f"kid-{number}")
        tokens = [scene.issuer.mint(sub=f"user_{n}") for n in range(50)]
        ends, _ = together(50, lambda n, some=tokens: verifier.verify(some[n]))
        for end in ends:
            outcome[end] = outcome.get(end, 0) + 1
        scene.clock.advance(62)
    assert outcome == {"ok": 500}


def test_k6_a_new_key_is_accepted_within_30_seconds_of_a_flood(scene):
    """K6: the flood has driven the cool-down to its longest; it goes on while the key is new."""
    verifier = scene.warm()
    tokens = strangers(scene.issuer, 1000)
    for _ in range(200):
        assert refusal(verifier.verify, next(tokens)) == "jwk-kid-mismatch"
        scene.clock.advance(1)
    worst = 0
    for number in range(5):
        scene.clock.advance(number)  # at another point of the cool-down
        scene.issuer.rotate(keep=True, key=shared_key("ES256", 1), kid=f"kid-{number}")
        waited = 0
        while refusal(verifier.verify, scene.issuer.mint()) is not None:
            assert refusal(verifier.verify, next(tokens)) == "jwk-kid-mismatch"
            scene.clock.advance(1)
            waited += 1
        worst = max(worst, waited)
    assert 0 < worst <= 30


def test_k10_a_removed_key_is_refused_once_the_refresh_has_landed(scene):
    """K10: the policy's docstring: an expired set serves while its refresh is out, not after.

    So from the removal on a token under the old key is taken for the rest of the set's life,
    which ends with the refresh at 80 to 90 % of it.
    """
    verifier = scene.warm()
    thief = scene.thief()
    cached = thief.mint(lifetime=3600)
    assert verifier.verify(cached)
    scene.issuer.rotate(key=shared_key("ES256", 1))
    scene.clock.advance(239)
    assert verifier.verify(thief.mint())
    assert scene.server.requests == 1
    scene.clock.advance(32)
    assert verifier.verify(scene.issuer.mint())  # an unknown kid: lands the new set
    for token in (cached, thief.mint()):
        assert refusal(verifier.verify, token) == "jwk-kid-mismatch"


def test_k10_a_removed_key_dies_by_the_refresh_alone(scene):
    """K10: without any token of the new key."""
    verifier = scene.warm()
    thief = scene.thief()
    cached = thief.mint(lifetime=3600)
    assert verifier.verify(cached)
    scene.issuer.rotate(key=shared_key("ES256", 1))
    scene.clock.advance(271)
    assert refusal(verifier.verify, thief.mint()) in (None, "jwk-kid-mismatch")  # begins it
    scene.fetch.settle()
    for token in (cached, thief.mint()):
        assert refusal(verifier.verify, token) == "jwk-kid-mismatch"


# Outage


@pytest.mark.parametrize("how", ["refused", "status"])
def test_k9_an_outage_after_expiry_is_bridged_for_an_hour(scene, how):
    """K9: 300 s of life, 3,600 s stale, then 503 with Retry-After; back at once when it heals."""
    verifier = scene.warm()
    break_down(scene, how)
    for _ in range(13):  # to 3,900 s
        scene.clock.advance(299)
        assert verifier.verify(scene.issuer.mint())
        scene.fetch.settle()
    scene.clock.advance(300 + 3600 - 13 * 299 - 1)
    assert verifier.verify(scene.issuer.mint())
    scene.fetch.settle()
    scene.clock.advance(1)
    with pytest.raises(UnavailableError) as caught:
        verifier.verify(scene.issuer.mint())
    assert (caught.value.status, caught.value.code) == (503, NOT_FETCHED)
    assert 1 <= caught.value.retry_after <= 31
    serving = [data["serving_last"] for event, data in scene.events if event == "keys-failed"]
    assert serving.count(True) > 5
    scene.server.accept()
    scene.server.mode = "ok"
    scene.clock.advance(31)
    assert verifier.verify(scene.issuer.mint())


def test_k9_stale_if_error_can_be_switched_off(scene):
    """K9: 0 means 503 from the moment of expiry."""
    verifier = scene.warm(jwks_stale_if_error=0)
    scene.server.refuse()
    scene.clock.advance(299)
    assert verifier.verify(scene.issuer.mint())
    scene.fetch.settle()
    scene.clock.advance(2)
    assert refusal(verifier.verify, scene.issuer.mint()) == NOT_FETCHED
    scene.server.accept()
    scene.clock.advance(31)
    assert verifier.verify(scene.issuer.mint())


def test_k9_a_cold_start_into_an_outage_recovers_by_itself(scene):
    """K9, K6: 503 without a fetch each, and in within a second of the clock once it heals."""
    scene.server.refuse()
    verifier = scene.verifier()
    for _ in range(20):
        assert refusal(verifier.verify, scene.issuer.mint()) == NOT_FETCHED
    assert len(scene.fetch.flights) == 1
    scene.server.accept()
    scene.clock.advance(1)
    assert verifier.verify(scene.issuer.mint())


@pytest.mark.parametrize("mode", ["empty", "html", "wrong-type"])
def test_k8_a_cold_start_into_an_answer_without_keys_is_no_sign_out(scene, mode):
    """K8: nobody's token is judged by an empty set."""
    scene.server.mode = mode
    assert refusal(scene.verifier().verify, scene.issuer.mint()) == NOT_FETCHED


# What is in the set


def test_k11_k12_bad_entries_are_skipped_with_a_warning_that_quotes_nothing(scene, caplog):
    """K11, K12: over the wire; the good neighbour signs in, the log has no kid and no member."""
    good = scene.issuer.jwks()["keys"]
    bad = [
        {**good[0], "kid": "kid-enc", "use": "enc"},
        {"kty": "oct", "kid": "kid-oct", "k": "U0VDUkVU-SECRET-k"},
        {**good[0], "kid": "kid-private", "d": "U0VDUkVU-SECRET-d"},
        LocalIssuer(kid="kid-twin", key=shared_key("ES256", 1)).public_jwk(),
        LocalIssuer(kid="kid-twin", key=shared_key("ES256", 2)).public_jwk(),
    ]

    scene.server.body = json.dumps({"keys": [*bad, *good]}).encode()
    verifier = Verifier(scene.settings(), clock=scene.clock)
    with caplog.at_level(logging.DEBUG):
        assert verifier.verify(scene.issuer.mint())
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 4
    assert sum("PUBLISHES A SECRET" in text for text in warnings) == 2
    shown = caplog.text + repr([vars(record) for record in caplog.records])
    for hidden in ("kid-", "SECRET-", good[0]["x"]):
        assert hidden not in shown
    for number in (1, 2):
        twin = LocalIssuer(
            ISSUER, clock=scene.clock, kid="kid-twin", key=shared_key("ES256", number)
        )
        assert refusal(verifier.verify, twin.mint()) == "jwk-kid-mismatch"


def test_k4_a_set_of_65_keys_is_refused_whole_and_keeps_the_good_one(scene):
    """K4, K8: a flood of keys is a failed fetch."""

    verifier = scene.warm()
    (key,) = scene.issuer.jwks()["keys"]
    scene.server.body = json.dumps({"keys": [{**key, "kid": f"k{n}"} for n in range(65)]}).encode()
    stranger = scene.issuer.mint(headers={"kid": "k1"})
    assert refusal(verifier.verify, stranger) == "jwk-kid-mismatch"
    assert "more than 64 keys" in scene.problems()[0]
    assert verifier.verify(scene.issuer.mint())


# Clerk's Backend API


SECRET = "sk_test_" + "Zm9yLXRlc3RzLW9ubHktMTIzNDU2Nzg5"


def clerk(scene: Stage, **given: Any) -> VerifierSettings:
    return VerifierSettings(
        issuer=ISSUER,
        clerk_secret_key=SECRET,
        clerk_api_url=scene.server.base_url,
        allow_loopback_http=True,
        **given,
    )


def test_the_backend_api_is_asked_with_the_secret_key_as_bearer(scene):
    """Clerk's secret key fetches the instance's keys from /v1/jwks."""
    scene.server.secret_key = SECRET
    verifier = Verifier(clerk(scene), clock=scene.clock)
    assert verifier.verify(scene.issuer.mint())
    ((method, path, headers),) = scene.server.log
    assert (method, path) == ("GET", "/v1/jwks")
    assert headers["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("how", ["wrong key", "redirect", "status", "hang", "refused", "html"])
def test_the_secret_key_is_in_no_log_and_no_error(scene, caplog, how):
    """However the fetch fails: messages, reprs and tracebacks are without it."""
    scene.server.secret_key = "sk_test_another" if how == "wrong key" else SECRET
    if how != "wrong key":
        break_down(scene, how)
    settings = clerk(scene, jwks_timeout=0.2)
    verifier = Verifier(settings, clock=scene.clock)
    with caplog.at_level(logging.DEBUG), pytest.raises(UnavailableError) as caught:
        verifier.verify(scene.issuer.mint())
    shown = "".join(traceback.format_exception(caught.value))
    shown += caplog.text + repr([vars(record) for record in caplog.records])
    shown += repr(settings) + repr(settings.key_source) + repr(verifier) + repr(vars(caught.value))
    shown += repr(verifier.flows.keys.state()) + repr([t.name for t in threading.enumerate()])
    assert "key set not fetched" in shown
    assert SECRET not in shown
    assert SECRET[8:] not in shown
    assert len(scene.server.log) == (how != "refused")
    scene.server.release()
    assert landed()


def test_a_publishable_key_beside_it_asks_the_frontend_api_without_the_secret():
    """Both keys set: the public address is derived, and no bearer is sent to it."""
    settings = VerifierSettings(
        clerk_publishable_key="pk_test_aXNzdWVyLmV4YW1wbGUk", clerk_secret_key=SECRET
    )
    assert settings.key_source.url == "https://issuer.example/.well-known/jwks.json"
    assert settings.key_source.bearer is None
