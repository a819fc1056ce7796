"""The token cache: bounded whatever comes, and no way round time, key or signature."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import pytest

from flask_session_claims import Auth, TokenError, Verifier, VerifierSettings, credentials_from
from flask_session_claims.core.tokencache import (
    BYTES_PER_ENTRY,
    TokenCache,
    Verified,
    estimated_bytes,
)
from flask_session_claims.testing import FrozenClock, LocalIssuer, shared_key


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def issuer(clock: FrozenClock) -> LocalIssuer:
    return LocalIssuer(clock=clock, key=shared_key("ES256"))


def verifier_of(
    issuer: LocalIssuer, clock: FrozenClock, size: int = 100, **changes: Any
) -> Verifier:
    settings = VerifierSettings(
        issuer=issuer.issuer, jwks=issuer.jwks(), token_cache_size=size, **changes
    )
    return Verifier(settings, clock=clock)


def from_source(verifier: Verifier, token: str, source: str) -> Auth:
    fields = ([f"Bearer {token}"], []) if source == "header" else ([], [f"__session={token}"])
    return verifier.authenticate(credentials_from(*fields, verifier.settings))


def kept(cache: TokenCache, tokens: list[str]) -> list[Verified]:
    """The entries of those tokens that are in the cache."""
    found = [cache.get(sha256(token.encode()).digest()) for token in tokens]
    return [entry for entry in found if entry is not None]


# --- bounds -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 50])
def test_a_flood_of_valid_tokens_is_bounded_by_entries(size, issuer, clock) -> None:
    verifier = verifier_of(issuer, clock, size)
    cache, tokens = verifier.flows.cache, [issuer.mint(f"user_{n}") for n in range(120)]
    for number, token in enumerate(tokens, 1):
        assert verifier.verify(token)["sub"] == f"user_{number - 1}"
        assert len(cache) == min(number, size)
        assert cache.bytes <= size * BYTES_PER_ENTRY
    assert cache.bytes == sum(entry.cost for entry in kept(cache, tokens))
    newest = [entry.claims["sub"] for entry in kept(cache, tokens)]
    assert newest == [f"user_{n}" for n in range(120 - size, 120)]  # the oldest have left


PAYLOADS = {
    "one long text": lambda n: "x" * 4_000,
    "many numbers": lambda n: list(range(n, n + 900)),
    "many empty objects": lambda n: [{} for _ in range(1_300)],
    "many members": lambda n: {f"m{n}_{i}": i for i in range(300)},
    "nested lists": lambda n: [[[i]] for i in range(500)],
}


@pytest.mark.parametrize("shape", PAYLOADS)
def test_a_flood_of_large_tokens_is_bounded_by_bytes(shape, issuer, clock) -> None:
    size = 40
    verifier = verifier_of(issuer, clock, size)
    cache = verifier.flows.cache
    tokens = [issuer.mint(data=PAYLOADS[shape](n)) for n in range(2 * size)]
    verifier.verify(issuer.mint())  # what is made once is made before measuring
    tracemalloc.start()
    try:
        for token in tokens:
            verifier.verify(token)
            assert cache.bytes <= size * BYTES_PER_ENTRY
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < len(cache) < size  # bytes bite before entries do
    assert taken <= 1.5 * size * BYTES_PER_ENTRY  # an estimate, but not one to be fooled


def test_a_token_that_would_fill_the_cache_alone_is_not_kept(issuer, clock) -> None:
    verifier = verifier_of(issuer, clock, 1)
    small, large = issuer.mint(), issuer.mint(data="x" * 4_000)
    verifier.verify(small)
    assert verifier.verify(large)["data"] == "x" * 4_000
    assert [entry.claims["sub"] for entry in kept(verifier.flows.cache, [small])] == ["user_1"]
    assert kept(verifier.flows.cache, [large]) == []


def test_refused_tokens_never_enter(issuer, clock) -> None:
    verifier = verifier_of(issuer, clock)
    stranger = LocalIssuer(clock=clock, key=shared_key("ES256", 1), kid=issuer.kid)
    good = issuer.mint()
    bad = [
        stranger.mint(), issuer.mint(lifetime=-100), issuer.mint(iss="https://other.example"),
        issuer.mint(drop=["exp"]), good[:-4] + "AAAA", good + "A", "a.b.c", "",
    ]  # fmt: skip
    for token in bad:
        for _ in range(2):
            with pytest.raises(TokenError):
                verifier.verify(token)
    assert (len(verifier.flows.cache), verifier.flows.cache.bytes) == (0, 0)


def test_a_cached_token_does_not_vouch_for_one_that_resembles_it(issuer, clock) -> None:
    verifier = verifier_of(issuer, clock)
    token = issuer.mint()
    verifier.verify(token)
    head, body, signature = token.split(".")
    other = issuer.mint("user_2").split(".")[1]
    for near in (f"{head}.{other}.{signature}", f"{head}.{body}.", f"{token}=", f" {token}"):
        with pytest.raises(TokenError):
            verifier.verify(near)
    assert verifier.verify(token)["sub"] == "user_1"


def test_size_0_keeps_nothing(issuer, clock) -> None:
    verifier = verifier_of(issuer, clock, 0)
    token = issuer.mint()
    first, second = verifier.verify(token), verifier.verify(token)
    assert first == second
    assert first is not second
    assert from_source(verifier, token, "cookie").is_authenticated
    assert (len(verifier.flows.cache), verifier.flows.cache.bytes) == (0, 0)


# --- hits ---------------------------------------------------------------------------------


def test_a_hit_returns_the_identical_claims(issuer, clock) -> None:
    verifier = verifier_of(issuer, clock)
    token = issuer.mint(data={"a": [1]})
    claims = verifier.verify(token)
    assert verifier.verify(token) is claims
    assert from_source(verifier, token, "header").session_claims is claims
    assert from_source(verifier, token, "cookie").session_claims is claims
    with pytest.raises(TypeError):
        claims["sub"] = "user_2"  # type: ignore[index]
    assert verifier.verify(token)["sub"] == "user_1"


def outcome(verifier: Verifier, token: str) -> str:
    try:
        verifier.verify(token)
    except TokenError as error:
        return error.code
    return "good"


#: Seconds on the wall clock after minting -> what becomes of a token of 60 seconds, leeway 5.
MOMENTS = [
    (0, "good"), (59, "good"), (60, "good"), (64.9, "good"), (65, "token-expired"),
    (65.1, "token-expired"), (3_600, "token-expired"), (-4.9, "good"), (-5, "good"),
    (-5.1, "token-iat-in-the-future"), (-15, "token-iat-in-the-future"),
    (-15.1, "token-not-active-yet"), (-86_400, "token-not-active-yet"),
]  # fmt: skip


@pytest.mark.parametrize(("seconds", "expected"), MOMENTS)
def test_time_is_judged_on_hits_as_at_first_sight(seconds, expected, issuer, clock) -> None:
    warm, cold = verifier_of(issuer, clock), verifier_of(issuer, clock, 0)
    token = issuer.mint(lifetime=60)
    assert outcome(warm, token) == "good"
    clock.step_wall(seconds)
    assert outcome(cold, token) == expected
    assert outcome(warm, token) == expected
    auth = from_source(warm, token, "cookie")
    assert auth.reason == (None if expected == "good" else expected)
    clock.step_wall(-seconds)  # the clock is put right again
    assert outcome(warm, token) == "good"


@pytest.mark.parametrize(
    ("claims", "moves"),
    [
        ({"nbf": 1_800_000_003, "drop": ["iat"]}, [(0, "good"), (-3, "token-not-active-yet")]),
        ({"drop": ["nbf", "iat"]}, [(-1_000_000, "good"), (1_000_065, "token-expired")]),
        ({"lifetime": 0.5}, [(4.9, "good"), (0.2, "token-expired")]),
        ({"lifetime": 60.9}, [(64.9, "good"), (0.2, "token-expired")]),
    ],
    ids=["nbf alone", "neither", "half a second", "fractions"],
)
def test_each_time_claim_alone_is_judged_on_hits(claims, moves, issuer, clock) -> None:
    warm, cold = verifier_of(issuer, clock), verifier_of(issuer, clock, 0)
    token = issuer.mint(**claims)
    assert outcome(warm, token) == "good"
    for seconds, expected in moves:
        clock.step_wall(seconds)
        assert (outcome(cold, token), outcome(warm, token)) == (expected, expected)


def test_a_pending_session_is_refused_on_hits_too(issuer, clock) -> None:
    token = issuer.mint_v2(sts="pending")
    verifier = verifier_of(issuer, clock)
    for _ in range(3):
        assert outcome(verifier, token) == "session-pending"
        auth = from_source(verifier, token, "cookie")
        assert (auth.reason, auth.session_status) == ("session-pending", "pending")
    accepting = verifier_of(issuer, clock, accept_pending=True)
    assert [outcome(accepting, token) for _ in range(2)] == ["good", "good"]


def test_each_request_is_told_its_own_source(issuer, clock) -> None:
    verifier = verifier_of(issuer, clock)
    token = issuer.mint()
    for source in ["header", "cookie", "cookie", "header", "header", "cookie"]:
        auth = from_source(verifier, token, source)
        assert (auth.is_authenticated, auth.source) == (True, source)
    assert from_source(verifier, token, "cookie") is from_source(verifier, token, "cookie")


# --- threads ------------------------------------------------------------------------------


def test_threads_get_their_own_answers(issuer, clock) -> None:
    verifier = verifier_of(issuer, clock, 5)  # smaller than the tokens: they push each other out
    cache = verifier.flows.cache
    tokens = [issuer.mint(f"user_{n}") for n in range(12)]
    start = threading.Barrier(8)

    def work(thread: int) -> list[str]:
        wrong: list[str] = []
        start.wait(timeout=10)
        for step in range(120):
            number = (thread * 5 + step * 7) % len(tokens)
            source = "header" if (thread + step) % 2 else "cookie"
            auth = from_source(verifier, tokens[number], source)
            if (auth.user_id, auth.source) != (f"user_{number}", source):
                wrong.append(f"{auth.user_id} from {auth.source}: {number}, {source}")
            if len(cache) > 6:  # one is put before one leaves
                wrong.append(f"{len(cache)} entries")
        return wrong

    with ThreadPoolExecutor(8) as pool:
        wrong = [text for found in pool.map(work, range(8), timeout=60) for text in found]
    assert wrong == []
    assert len(cache) == 5
    assert cache.bytes == sum(entry.cost for entry in kept(cache, tokens))


def test_threads_with_one_token_and_two_sources(issuer, clock) -> None:
    verifier = verifier_of(issuer, clock)
    token = issuer.mint()
    start = threading.Barrier(6)

    def work(thread: int) -> set[tuple[bool, str | None]]:
        source = "header" if thread % 2 else "cookie"
        start.wait(timeout=10)
        auths = [from_source(verifier, token, source) for _ in range(400)]
        return {(auth.is_authenticated, auth.source) for auth in auths}

    with ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(work, range(6), timeout=60))
    assert seen == [{(True, "cookie")}, {(True, "header")}] * 3


# --- the cache alone ----------------------------------------------------------------------


@pytest.fixture
def entry(issuer, clock) -> Verified:
    verifier = verifier_of(issuer, clock)
    token = issuer.mint()
    verifier.verify(token)
    (found,) = kept(verifier.flows.cache, [token])
    return found


def test_what_is_put_twice_counts_once(entry: Verified) -> None:
    cache = TokenCache(3)
    for _ in range(5):
        cache.put(b"a", entry)
    assert (len(cache), cache.bytes, cache.get(b"a")) == (1, entry.cost, entry)


def test_what_is_dropped_is_gone(entry: Verified) -> None:
    cache = TokenCache(3)
    cache.put(b"a", entry)
    cache.drop(b"b")
    assert cache.bytes == entry.cost
    cache.drop(b"a")
    cache.drop(b"a")
    assert (len(cache), cache.bytes, cache.get(b"a")) == (0, 0, None)


@pytest.mark.parametrize(
    ("less", "more"),
    [(b"{}", b'{"a":1}'), (b'"aa"', b'"aaaaaaaa"'), (b"[1]", b"[1,1]"), (b"[[]]", b"[[],[]]")],
)
def test_the_estimate_grows_with_text_and_with_values(less: bytes, more: bytes) -> None:
    assert estimated_bytes(less) < estimated_bytes(more)


def test_the_token_itself_is_not_kept(issuer, clock) -> None:
    verifier = verifier_of(issuer, clock)
    token = issuer.mint()
    claims: Mapping[str, Any] = verifier.verify(token)
    (found,) = kept(verifier.flows.cache, [token])
    assert found.claims is claims
    assert token not in repr(vars(verifier.flows)) + repr(vars(verifier.flows.cache)) + repr(found)
    assert token.rpartition(".")[2] not in repr(vars(verifier.flows.cache))


@pytest.mark.parametrize("leeway", [0, 5, 2.5])
@pytest.mark.parametrize(
    "times",
    [
        {"exp": 10**400, "nbf": -(10**400), "iat": -(10**400)},
        {"exp": 1e300, "nbf": -1e300},
        {"exp": 2**53 + 1, "nbf": 0.25},
    ],
)
def test_times_that_no_float_holds_are_kept_as_far_away(times, leeway, issuer, clock) -> None:
    verifier = verifier_of(issuer, clock, leeway=leeway)
    token = issuer.mint(**times)
    for _ in range(2):
        assert verifier.verify(token)["exp"] == times["exp"]
    clock.advance(10**9)
    assert verifier.verify(token)["exp"] == times["exp"]


@pytest.mark.parametrize("leeway", [0, 5, 2.5])
@pytest.mark.parametrize(
    "times",
    [
        {"exp": 100, "nbf": 10, "iat": -9},
        {"exp": 100.9, "nbf": 10},
        {"exp": 100, "nbf": -10, "iat": 7},
        {"exp": 100.5, "nbf": 1.5},
    ],
)
def test_a_remembered_token_holds_as_long_as_one_never_seen(times, leeway, issuer, clock) -> None:
    start = clock()
    token = issuer.mint(**{name: start + seconds for name, seconds in times.items()})
    warm = verifier_of(issuer, clock, leeway=leeway)
    cold = verifier_of(issuer, clock, 0, leeway=leeway)
    clock.advance(50)
    warm.verify(token)
    edges = {edge + by for edge in (-9, 1.5, 7, 10, 100, 100.5, 100.9) for by in (-leeway, leeway)}
    answers: set[str | None] = set()
    for at in sorted(near for edge in edges for near in (edge - 0.25, edge, edge + 0.25)):
        clock.step_wall(start + at - clock())
        told = [refusal_of(verifier, token) for verifier in (warm, cold)]
        assert told[0] == told[1], at
        answers.add(told[0])
    assert {None, "token-expired"} < answers


def refusal_of(verifier: Verifier, token: str) -> str | None:
    try:
        verifier.verify(token)
    except TokenError as error:
        return error.code
    return None
