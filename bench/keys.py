"""How fetched keys behave: floods of unknown kids, cold starts, hanging refetches, outages.

Against a real key server in another process. The library's monotonic clock is moved where
minutes must pass; a peer's cache is expired by whatever its own settings allow.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Barrier, Event, Thread
from typing import Any

import common
import peers
from common import ISSUER, PARTY, KeyServer, Signer, claims

FLOOD = 1_000
HANG = 0.2
ENDPOINT = 0.05


@dataclass(frozen=True)
class Subject:
    """`fresh(url)` gives a verifier with an empty cache; `expire()` ends the life of its keys."""

    name: str
    fresh: Callable[[str], peers.Accept]
    expire: Callable[[], object]
    extra: tuple[dict[str, Any], dict[str, str]] = ({}, {})

    def mint(self, signer: Signer, **header: str) -> str:
        # Each is another token: none is found in a cache of tokens.
        mark = f"sess_{time.perf_counter_ns()}"
        return signer.token(claims(**self.extra[0], jti=mark), **self.extra[1], **header)

    def warm(self, server: KeyServer, signer: Signer) -> peers.Accept:
        server.set(status=200, delay=0, keys=signer.jwks)
        accept = self.fresh(server.url)
        if not accepts(accept, self.mint(signer)):
            raise SystemExit(f"{self.name} refuses the good token")
        server.set(count=0)
        return accept


def accepts(accept: peers.Accept, token: str) -> bool:
    try:
        return bool(accept(token))
    except Exception:  # Peers refuse with exceptions of every family.
        return False


# The verifiers


def ours() -> tuple[Subject, Callable[[float], None]]:
    from flask_session_claims import Verifier, VerifierSettings

    moved = [0.0]

    def move(seconds: float) -> None:
        moved[0] += seconds

    def fresh(url: str) -> peers.Accept:
        settings = VerifierSettings(
            issuer=ISSUER, jwks_url=url, authorized_parties=(PARTY,), allow_loopback_http=True
        )
        return Verifier(settings, monotonic=lambda: time.monotonic() + moved[0]).verify

    return Subject("ours", fresh, partial(move, 301.0)), move


def others(base: str) -> list[Subject]:
    from clerk_backend_api.security import verifytoken
    from supertokens_python.recipe.session import SessionRecipe, jwks

    peers.start_supertokens(base)
    cache = vars(verifytoken)["__jwkcache"]
    config = SessionRecipe.get_instance().config

    def clerk(url: str) -> peers.Accept:
        cache.cache.clear()
        api = url.removesuffix("/.well-known/jwks.json")
        return peers.clerk_request(peers.clerk_options(base=api))

    def supertokens(url: str) -> peers.Accept:
        jwks.reset_jwks_cache()
        config.jwks_refresh_interval_sec = 14_400
        return peers.supertokens_check()

    def expire_clerk() -> None:
        cache.cache = {key: (value, 0.0) for key, (value, _) in cache.cache.items()}

    def expire_supertokens() -> None:
        # The age is kept by the cached set; the setting is its only dial.
        if jwks.cached_keys:
            jwks.cached_keys.refresh_interval_sec = 0

    lifespan = 1.5
    wait = partial(time.sleep, lifespan + 0.1)
    client = partial(peers.pyjwt_client, lifespan=lifespan)
    return [
        Subject("PyJWKClient", lambda url: (client if expiring else peers.pyjwt_client)(url), wait),
        Subject("clerk", clerk, expire_clerk),
        Subject(
            "supertokens", supertokens, expire_supertokens, (common.SUPERTOKENS, {"version": "5"})
        ),
    ]


expiring = False  # PyJWKClient's lifespan is fixed when it is made.


# The measurements: each gives one cell


def flood(
    subject: Subject,
    server: KeyServer,
    signer: Signer,
    count: int,
    *,
    status: int = 200,
    forged: bool = False,
    pause: float = 0,
) -> str:
    """Fetches for junk tokens any client can send, and the CPU that each costs."""
    accept = subject.warm(server, signer)
    if forged:
        stranger = Signer(kid=signer.kid)
        tokens = [subject.mint(stranger) for _ in range(50)] * (count // 50)
    else:
        model = subject.mint(signer)
        tokens = [other_kid(model, f"d-unknown{index}") for index in range(count)]
    server.set(status=status)
    time.sleep(pause)
    start = time.process_time()
    let_in = sum(accepts(accept, token) for token in tokens)
    cost = (time.process_time() - start) / count * 1e6
    if let_in:
        raise SystemExit(f"{subject.name} lets {let_in} in")
    return f"{server.count} fetches, {cost:.1f} µs"


def other_kid(token: str, kid: str) -> str:
    head, rest = token.split(".", 1)
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    return common.b64(json.dumps(header | {"kid": kid}).encode()) + "." + rest


def trickle(
    subject: Subject, server: KeyServer, signer: Signer, move: Callable[[float], None]
) -> str:
    """The flood spread over ten minutes of the moved clock."""
    accept = subject.warm(server, signer)
    model = subject.mint(signer)
    for index in range(FLOOD):
        move(0.6)
        accepts(accept, other_kid(model, f"d-unknown{index}"))
    return f"{server.count} fetches"


def cold_start(subject: Subject, server: KeyServer, signer: Signer) -> str:
    """Fifty threads verify at once with nothing cached; the endpoint takes 50 ms."""
    server.set(status=200, delay=ENDPOINT, keys=signer.jwks, count=0)
    accept, gate = subject.fresh(server.url), Barrier(50)
    tokens = [subject.mint(signer) for _ in range(50)]

    def one(token: str) -> float:
        gate.wait()
        start = time.perf_counter()
        if not accepts(accept, token):
            raise SystemExit(f"{subject.name} refuses in a cold start")
        return time.perf_counter() - start

    with ThreadPoolExecutor(50) as pool:
        slowest = max(pool.map(one, tokens))
    return f"{server.count} fetches, {slowest * 1e3:.0f} ms"


def during_refetch(subject: Subject, server: KeyServer, signer: Signer, seconds: float) -> str:
    """Latency of valid tokens while unknown kids come in and every refetch hangs."""
    accept = subject.warm(server, signer)
    junk, done = other_kid(subject.mint(signer), "d-unknown"), Event()
    tokens = [subject.mint(signer) for _ in range(200)]
    server.set(delay=HANG)

    def disturb() -> None:
        while not done.wait(0.02):
            accepts(accept, junk)

    thread = Thread(target=disturb)
    thread.start()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        if not accepts(accept, tokens[len(taken) % 200]):
            raise SystemExit(f"{subject.name} refuses during a refetch")
        taken.append(time.perf_counter() - start)
        time.sleep(0.001)
    done.set()
    thread.join()
    taken.sort()
    p99, worst = taken[int(len(taken) * 0.99)] * 1e3, taken[-1] * 1e3
    return f"p99 {p99:.2f}, max {worst:.1f} ms, {server.count} fetches"


def new_key(subject: Subject, server: KeyServer, signer: Signer, patience: float) -> str:
    """How long a key that was just published is refused, one junk kid having come before."""
    accept = subject.warm(server, signer)
    accepts(accept, other_kid(subject.mint(signer), "d-unknown"))
    newer = Signer(kid="d-newer")
    token = subject.mint(newer)
    server.set(keys={"keys": [signer.jwk, newer.jwk]})
    start = time.perf_counter()
    while not accepts(accept, token):
        if time.perf_counter() - start > patience:
            return f"> {patience:.0f} s"
        time.sleep(0.01)
    return f"{time.perf_counter() - start:.2f} s"


def outage(subject: Subject, server: KeyServer, signer: Signer) -> str:
    """Twenty good tokens after the keys' life ended, the endpoint answering 500."""
    global expiring
    expiring = True
    accept = subject.warm(server, signer)
    expiring = False
    server.set(status=500)
    subject.expire()
    good = sum(accepts(accept, subject.mint(signer)) for _ in range(20))
    return f"{good} of 20, {server.count} fetches"


def refused(subject: Subject, base: str) -> str:
    """How long one call takes to fail, cold, where nothing listens."""
    if subject.name == "clerk":
        return "not run (minutes)"
    accept = subject.fresh(base + "/.well-known/jwks.json")
    token, start = subject.mint(Signer()), time.perf_counter()
    accepts(accept, token)
    return f"{(time.perf_counter() - start) * 1e3:.0f} ms"


def main() -> None:
    given = common.options(__doc__ or "", rounds=1)
    found = common.versions(
        "Flask-Session-Claims",
        "PyJWT",
        "clerk-backend-api",
        "supertokens-python",
        "requests",
        "cryptography",
    )
    signer = Signer()
    count = 100 if given.quick else FLOOD
    with KeyServer(signer.jwks) as server:
        first, move = ours()
        subjects = [first, *others(server.base)]
        rows: list[list[str]] = []

        def row(name: str, cell: Callable[..., str], *more: Any, **named: Any) -> None:
            rows.append([name, *(cell(each, server, signer, *more, **named) for each in subjects)])

        row(f"{count} unknown kids, endpoint well", flood, count)
        # PyJWKClient's cool-down of 30 s counts from a fetch that went well.
        pause = 0 if given.quick else 31
        row(f"the same {pause} s later, it answers 500", flood, count, status=500, pause=pause)
        row(f"{count} bad signatures, known kid", flood, count, forged=True)
        rows.append(
            [
                f"{FLOOD} unknown kids in 10 minutes",
                trickle(first, server, signer, move),
                *["" for _ in subjects[1:]],
            ]
        )
        row("50 threads, cold: fetches, slowest", cold_start)
        row("valid tokens while a refetch hangs", during_refetch, 0.5 if given.quick else 3.0)
        row("a new key is refused for", new_key, 2.0 if given.quick else 35.0)
        row("expired, endpoint answers 500: accepted", outage)
        base = server.base
    rows.append(
        ["cold, connection refused: fails after", *(refused(subject, base) for subject in subjects)]
    )
    names = [subject.name for subject in subjects]
    common.table("Fetched keys", ["", *names], rows)
    common.save(given.json, versions=found, columns=names, rows=rows)


if __name__ == "__main__":
    main()
