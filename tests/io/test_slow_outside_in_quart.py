"""A store, or a key endpoint, that takes two seconds holds nobody up but those who need it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("quart")

from quart import Quart, g
from quart_session_claims import SessionClaims, current_session, login_required

from flask_session_claims.io.executor import DEADLINE, THREADS
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import KeyServer, LocalIssuer, shared_key

#: What a request that waits for nothing may take on a busy machine; a few milliseconds else.
AT_ONCE = 1.0
#: Seconds that a slow machine may add.
SLACK = 3.0


class SlowStore(MemoryStore):
    """A store that takes its time, from when it is told to."""

    seconds = 0.0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("load", "find", "due", "count", "commit", "log_since", "identity"):
            return found

        def slow(*arguments: Any, **named: Any) -> Any:
            time.sleep(self.seconds)
            return found(*arguments, **named)

        return slow


def app_with(**settings: Any) -> tuple[Quart, SessionClaims]:
    """An app whose ungated views read no identity."""
    folder = str(Path(__file__).parent)
    app = Quart(__name__, static_folder=folder, static_url_path="/static")
    app.config["SECRET_KEY"] = "a secret key of a test, long enough"
    claims = SessionClaims(app, default_policy="public", **settings)

    @app.get("/public")
    async def public() -> str:
        return "anybody"

    @app.get("/mine")
    @login_required
    async def mine() -> dict[str, Any]:
        return {"user": g.auth.user_id}

    @app.get("/device")
    @login_required
    async def device() -> dict[str, Any]:
        session = await current_session()  # which is read from the store each time
        assert session is not None
        return {"device": session.device}

    return app, claims


async def get(app: Quart, path: str, token: str | None = None) -> tuple[int, float, Any]:
    """Status, seconds and headers of one request."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    begun = time.monotonic()
    response = await app.test_client(use_cookies=False).get(path, headers=headers)
    return response.status_code, time.monotonic() - begun, response.headers


async def slowest(
    requests: list[Callable[[], Awaitable[tuple[int, float, Any]]]],
    while_waits: asyncio.Future[Any],
) -> float:
    """Seconds of the slowest of requests that go on until `while_waits` is done; each is a 200."""
    worst, rounds = 0.0, 0
    for request in requests:
        await request()  # the first of its kind imports and compiles
    while not while_waits.done():
        for request in requests:
            status, took, _ = await request()
            assert status == 200
            worst = max(worst, took)
        rounds += 1
        await asyncio.sleep(0.01)
    assert rounds > 5
    return worst


def test_a_slow_store_holds_up_only_requests_that_read_an_own_session():
    store = SlowStore()
    own, claims = app_with(issuer="self", store=store)
    issuer = LocalIssuer(key=shared_key("ES256"))
    other, _ = app_with(issuer=issuer.issuer, jwks=issuer.jwks())

    async def play() -> None:
        token = (await claims.asessions.create("ada")).session_token
        foreign = issuer.mint()
        for app, given in ((own, token), (other, foreign)):
            assert (await get(app, "/mine", given))[0] == 200
        store.seconds = 2.0
        waiting = asyncio.gather(
            *(get(own, path, token) for path in ("/device", "/mine") for _ in range(THREADS))
        )
        worst = await slowest(
            [
                lambda: get(own, "/public", token),
                lambda: get(own, f"/static/{Path(__file__).name}", token),
                lambda: get(other, "/mine", foreign),
                lambda: get(other, "/mine", issuer.mint()),
            ],
            waiting,
        )
        assert worst < AT_ONCE
        answers = await waiting
        assert {status for status, *_ in answers} == {200}
        assert all(took > 1.5 for _, took, _ in answers[:THREADS])
        assert all(took < DEADLINE + SLACK for _, took, _ in answers)

    asyncio.run(play())


@pytest.mark.parametrize("seconds", [0.1, pytest.param(2.0, marks=pytest.mark.slow)])
def test_however_many_ask_a_slow_store_each_gets_an_answer_in_time(seconds):
    store = SlowStore()
    own, claims = app_with(issuer="self", store=store)

    async def play() -> list[tuple[int, float, Any]]:
        token = (await claims.asessions.create("ada")).session_token
        assert (await get(own, "/device", token))[0] == 200
        store.seconds = seconds
        return await asyncio.gather(*(get(own, "/device", token) for _ in range(120)))

    answers = asyncio.run(play())
    assert {status for status, *_ in answers} <= {200, 503}
    assert sum(status == 200 for status, *_ in answers) >= THREADS
    assert max(took for _, took, _ in answers) < DEADLINE + SLACK
    assert all(headers["Retry-After"] for status, _, headers in answers if status == 503)


def test_a_slow_key_endpoint_holds_up_only_requests_under_unknown_keys():
    issuer = LocalIssuer(key=shared_key("ES256"))
    with KeyServer(issuer) as server:
        app, _ = app_with(
            issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True, jwks_timeout=5
        )

        async def play() -> None:
            assert (await get(app, "/mine", issuer.mint()))[0] == 200
            server.mode, server.delay = "slow", 2.0
            unknown = issuer.mint(headers={"kid": "unknown"})
            waiting = asyncio.gather(*(get(app, "/mine", unknown) for _ in range(20)))
            worst = await slowest(
                [lambda: get(app, "/public"), lambda: get(app, "/mine", issuer.mint())], waiting
            )
            assert worst < AT_ONCE
            for status, took, _ in await waiting:
                assert status == 401
                assert 1.5 < took < 5 + SLACK

        asyncio.run(play())
        assert server.requests == 2


def test_a_key_endpoint_that_is_slow_from_the_start_gives_late_answers_and_no_other():
    issuer = LocalIssuer(key=shared_key("ES256"))
    with KeyServer(issuer) as server:
        server.mode, server.delay = "slow", 2.0
        app, _ = app_with(
            issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True, jwks_timeout=5
        )

        async def play() -> None:
            waiting = asyncio.gather(*(get(app, "/mine", issuer.mint()) for _ in range(20)))
            worst = await slowest([lambda: get(app, "/public")], waiting)
            assert worst < AT_ONCE
            assert {status for status, *_ in await waiting} == {200}

        asyncio.run(play())
        assert server.requests == 1
