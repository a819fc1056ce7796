"""Every token of the corpus through the verifier: sync, async, cold, from the cache, by request.

Nothing but the declared refusal may come out, within the time limit, with the network shut.
"""

from __future__ import annotations

import math
import pickle
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from flask_session_claims import Auth, TokenError, Verifier, VerifierSettings, credentials_from
from flask_session_claims.testing import FrozenClock

from .forge import NOW, TokenCase
from .harness import B64TOKEN, NoFetch, async_verifier, no_network, run, timed, verifier
from .tokens import settings_of, token_case, token_cases, token_names

CLIENT_CODES = {"session-token-expired", "session-token-invalid", "session-pending"}


@pytest.fixture(autouse=True, scope="module")
def _guard() -> Iterator[None]:
    with no_network():
        yield


def _refusal(case: TokenCase, call: Any, what: str) -> TokenError:
    with pytest.raises(TokenError) as caught:
        timed(call, what)
    error = caught.value
    assert error.code == case.code
    assert error.client_code in CLIENT_CODES
    assert (error.client_code == "session-token-expired") == (case.code == "token-expired")
    if isinstance(case.token, str) and len(case.token) > 12:
        assert case.token not in f"{error} {error!r} {error.args}"
    return error


def _accepted(case: TokenCase, claims: Any) -> None:
    assert {name: claims[name] for name in case.claims} == case.claims


def _is_as_expected(case: TokenCase, auth: Auth, source: str) -> None:
    assert auth.is_authenticated is True
    assert auth.reason is None
    assert auth.source == source
    assert auth.user_id == auth.session_claims["sub"]
    assert {name: getattr(auth, name) for name in case.auth} == case.auth
    _accepted(case, auth.session_claims)
    # Odd organisation claims must not make any question raise.
    assert auth.has(role="org:nobody") is False
    assert auth.has(permission="org:nothing:at-all") is False
    assert auth.has(feature="none", plan="none", reverification="strict") is False
    assert pickle.loads(pickle.dumps(auth)) == auth  # noqa: S301 (our own)


@pytest.mark.parametrize("name", token_names())
def test_verifier_gives_the_claims_or_exactly_the_declared_refusal(name: str) -> None:
    case = token_case(name)
    sync, aio = verifier(case.settings), async_verifier(case.settings)
    token: Any = case.token
    ways = {
        "cold": lambda: sync.verify(token),
        "again": lambda: sync.verify(token),
        "async": lambda: run(aio.verify(token)),
        "async again": lambda: run(aio.verify(token)),
    }
    for what, call in ways.items():
        if case.ok:
            _accepted(case, timed(call, what))
        else:
            _refusal(case, call, what)


@pytest.mark.parametrize("name", [case.name for case in token_cases() if case.carried])
def test_request_that_carries_the_token_is_signed_in_or_out(name: str) -> None:
    case = token_case(name)
    assert isinstance(case.token, str)
    settings = VerifierSettings(**settings_of(case.settings))
    carriers = [([f"Bearer {case.token}"], [], "header")]
    if B64TOKEN.fullmatch(case.token):
        carriers.append(([], [f"__session={case.token}"], "cookie"))
    for authorization, cookie, source in carriers:
        sent = timed(lambda a=authorization, c=cookie: credentials_from(a, c, settings), "reading")
        for what, call in {
            "sync": lambda sent=sent: verifier(case.settings).authenticate(sent),
            "async": lambda sent=sent: run(async_verifier(case.settings).authenticate(sent)),
        }.items():
            auth = timed(call, what)
            if case.ok:
                _is_as_expected(case, auth, source)
                continue
            assert auth.is_authenticated is False
            assert (auth.user_id, auth.session_id, auth.actor) == (None, None, None)
            assert dict(auth.session_claims) == {}
            assert auth.reason is not None
            # A text that is no b64token may be refused as a credential already.
            if B64TOKEN.fullmatch(case.token):
                assert auth.reason == case.code


@pytest.mark.parametrize("name", [case.name for case in token_cases() if case.ok])
def test_accepted_token_dies_at_its_time_also_when_it_is_remembered(name: str) -> None:
    case = token_case(name)
    clock = FrozenClock(float(NOW))
    settings = VerifierSettings(**settings_of(case.settings))
    watched = Verifier(settings, clock=clock, fetch=NoFetch())
    token: Any = case.token
    claims = watched.verify(token)
    exp, leeway = math.floor(claims["exp"]) if claims["exp"] < 1e15 else None, settings.leeway
    if exp is None:
        clock.advance(10**9)
        assert watched.verify(token) == claims
        return
    clock.advance(exp + leeway - clock() - 0.125)
    assert watched.verify(token) == claims
    clock.advance(0.125)
    with pytest.raises(TokenError) as caught:
        watched.verify(token)
    assert caught.value.code == "token-expired"
    clock.step_wall(-0.125)
    assert watched.verify(token) == claims
    starts = max(claims.get("nbf", 0), claims.get("iat", 0))
    clock.step_wall(starts - leeway - 1 - clock())
    with pytest.raises(TokenError) as caught:
        watched.verify(token)
    assert caught.value.code in ("token-not-active-yet", "token-iat-in-the-future")


def test_corpus_is_as_large_as_promised() -> None:
    cases = token_cases()
    assert len(cases) >= 330
    assert sum(case.ok for case in cases) >= 45
    refused = Counter(case.code for case in cases if not case.ok)
    assert None not in refused
    rules = {case.rule for case in cases}
    assert rules == {f"V{number}" for number in range(1, 23)}
    assert sum(not isinstance(case.token, str) for case in cases) >= 20


def test_accepted_and_refused_tokens_do_not_disturb_each_other() -> None:
    """One verifier, all default cases forward, backward and again: the verdicts stay."""
    watched = Verifier(
        VerifierSettings(**settings_of({})), clock=FrozenClock(float(NOW)), fetch=NoFetch()
    )
    cases = [case for case in token_cases() if not case.settings]
    for case in (*cases, *reversed(cases)):
        token: Any = case.token
        try:
            watched.verify(token)
            verdict = None
        except TokenError as error:
            verdict = error.code
        assert (case.name, verdict) == (case.name, case.code)
