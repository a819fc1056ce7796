"""What is particular to Quart: websockets, whose gates fetch what is due before the handshake."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("quart")

from flask_session_claims.testing import FrozenClock

from .fetched import IN_A, IS_VERIFIED, SOURCE, VERIFIED, held
from .issuing.driver_quart import IssuingQuart, QuartDriver
from .quart_site import Shaken, shake, socket
from .sites import APP


@pytest.fixture(autouse=True)
def forget_the_source() -> Iterator[None]:
    SOURCE.forget()
    SOURCE.says.update(verified=True, teams=["a"])
    yield
    SOURCE.forget()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def app(clock: FrozenClock) -> IssuingQuart:
    return QuartDriver().build({"ISSUER": "self", "STORE": "memory:", "ORIGINS": [APP]}, clock)


async def by(app: IssuingQuart, path: str, token: str) -> Shaken:
    return await shake(app, path, ("Authorization", f"Bearer {token}"), ("Origin", APP))


def test_a_handshake_is_judged_by_what_was_fetched_for_it(app: IssuingQuart, clock: Any) -> None:
    import quart_session_claims as claims_of

    ran = socket(app, "/feed", claims_of.login_required(validators=[IS_VERIFIED, IN_A]))
    plain = socket(app, "/plain", claims_of.login_required)

    async def play() -> None:
        issued = await app.session_claims.asessions.create("ann")
        for _ in range(2):
            shaken = await by(app, "/feed", issued.session_token)
            assert (shaken.status, shaken.said["user"]) == (101, "ann")
        assert SOURCE.asked == ["verified", "teams"]
        session = await app.session_claims.asessions.get(issued.session.session_id)
        assert session is not None
        assert session.claims["verified"] == VERIFIED.build(True, clock())["verified"]
        clock.advance(61)
        SOURCE.says["verified"] = False
        for path in ("/feed", "/plain"):
            with held(IS_VERIFIED):
                shaken = await by(app, path, issued.session_token)
            assert shaken.status == 403
            assert json.loads(shaken.said)["code"] == "claim-validation-failed"

    asyncio.run(play())
    assert (ran, plain) == (["/feed"] * 2, [])
