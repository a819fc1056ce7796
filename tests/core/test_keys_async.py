"""The async form of the key cache over real sockets: the same promises, and a loop that runs on.

Row ids (K5, K6, ...) are those of the security requirements.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from flask_session_claims import TokenError, UnavailableError
from flask_session_claims.testing import shared_key

from .outside import MARGIN, Stage, break_down, landed, stage, strangers


@pytest.fixture
def scene() -> Iterator[Stage]:
    with stage() as made:
        yield made


# Async


def ticking(count: int) -> Any:
    """A task that ends after `count` turns of the loop's clock."""

    async def tick() -> int:
        for _ in range(count):
            await asyncio.sleep(0.002)
        return count

    return asyncio.create_task(tick())


def test_async_the_loop_is_not_blocked_while_a_cold_fetch_hangs(scene):
    """A task ticks twenty times between the request's arrival and its answer."""
    scene.server.mode = "hang"
    verifier = scene.async_verifier()

    async def main() -> Any:
        asking = asyncio.create_task(verifier.verify(scene.issuer.mint()))
        while scene.server.requests == 0:
            await asyncio.sleep(0.002)
        assert await ticking(20) == 20
        assert not asking.done()
        scene.server.release()
        return await asyncio.wait_for(asking, 5)

    assert asyncio.run(main())["sub"] == "user_1"


def test_async_k7_valid_tokens_never_wait_while_a_refresh_hangs(scene):
    """K7: 200 answers while the flight is out; none of them suspends, whatever else is ready."""
    verifier = scene.async_verifier()

    async def main() -> None:
        assert await verifier.verify(scene.issuer.mint())
        scene.server.mode = "hang"
        scene.clock.advance(271)
        for number in range(200):
            assert await verifier.verify(scene.issuer.mint(sub=f"user_{number}"))
        assert not scene.fetch.flights[-1].done()
        scene.server.mode = "ok"
        scene.server.release()
        scene.fetch.settle()
        assert await verifier.verify(scene.issuer.mint())

    asyncio.run(main())
    assert len(scene.fetch.flights) == 2


def test_async_k7_fifty_cold_tasks_share_one_fetch(scene):
    """K7: on one loop."""
    scene.server.mode, scene.server.delay = "slow", 0.1
    verifier = scene.async_verifier()

    async def main() -> list[Any]:
        return await asyncio.gather(
            *(verifier.verify(scene.issuer.mint(sub=f"user_{n}")) for n in range(50))
        )

    assert len(asyncio.run(main())) == 50
    assert scene.server.requests == 1


@pytest.mark.parametrize("how", ["ok", "status", "hang"])
def test_async_k6_a_burst_of_1000_unknown_kids_costs_two_fetches_at_most(scene, how):
    """K6: a thousand tasks at once; good tokens are answered among them."""
    verifier = scene.async_verifier(jwks_timeout=0.2 if how == "hang" else 5)
    tokens = list(strangers(scene.issuer, 1000))

    async def attempt(token: str) -> str | None:
        try:
            await verifier.verify(token)
        except TokenError as error:
            return error.code
        return None

    async def main() -> list[str | None]:
        assert await verifier.verify(scene.issuer.mint())
        break_down(scene, how)
        attacks = [asyncio.create_task(attempt(token)) for token in tokens]
        await asyncio.sleep(0)
        assert await verifier.verify(scene.issuer.mint(sub="user_2"))
        return await asyncio.gather(*attacks)

    assert set(asyncio.run(main())) == {"jwk-kid-mismatch"}
    assert len(scene.fetch.flights) - 1 <= 2


def test_async_k6_a_rotation_lets_all_tasks_in_at_once(scene):
    """K6: fifty tasks with a new key, one fetch."""
    verifier = scene.async_verifier()

    async def main() -> list[Any]:
        assert await verifier.verify(scene.issuer.mint())
        scene.issuer.rotate(key=shared_key("ES256", 1))
        return await asyncio.gather(
            *(verifier.verify(scene.issuer.mint(sub=f"user_{n}")) for n in range(50))
        )

    assert len(asyncio.run(main())) == 50
    assert scene.server.requests == 2


def test_async_k5_a_hanging_endpoint_is_unavailable_in_time(scene):
    """K5: the timeout and a little."""
    scene.server.mode = "drip"
    verifier = scene.async_verifier(jwks_timeout=0.3)
    start = time.monotonic()
    with pytest.raises(UnavailableError):
        asyncio.run(verifier.verify(scene.issuer.mint()))
    assert time.monotonic() - start < 0.3 + MARGIN
    assert landed()


def test_async_k9_an_outage_is_bridged_and_then_503(scene):
    """K9: the same hour as in the sync form."""
    verifier = scene.async_verifier()

    async def main() -> None:
        assert await verifier.verify(scene.issuer.mint())
        scene.server.refuse()
        scene.clock.advance(300 + 3599)
        assert await verifier.verify(scene.issuer.mint())
        scene.fetch.settle()
        scene.clock.advance(1)
        with pytest.raises(UnavailableError):
            await verifier.verify(scene.issuer.mint())

    asyncio.run(main())


def test_async_a_client_that_goes_away_leaves_nothing_behind(scene):
    """A cancelled wait: known kids go on, and the next who asks gets what the flight brought."""
    verifier = scene.async_verifier()

    async def main() -> None:
        assert await verifier.verify(scene.issuer.mint())
        scene.issuer.rotate(keep=True, key=shared_key("ES256", 1))
        scene.server.mode = "hang"
        asking = asyncio.create_task(verifier.verify(scene.issuer.mint()))
        while scene.server.requests == 1:
            await asyncio.sleep(0.002)
        assert asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        scene.server.mode = "ok"
        scene.server.release()
        scene.fetch.settle()
        assert await verifier.verify(scene.issuer.mint())
        assert await verifier.verify(scene.thief().mint())

    asyncio.run(main())
    assert scene.server.requests == 2


def test_async_one_verifier_serves_one_loop_after_another(scene):
    """Nothing of a loop is kept: a flight begun on one that has ended is taken up on the next."""
    verifier = scene.async_verifier()
    assert asyncio.run(verifier.verify(scene.issuer.mint()))
    scene.clock.advance(271)
    assert asyncio.run(verifier.verify(scene.issuer.mint()))
    scene.fetch.settle()
    assert asyncio.run(verifier.verify(scene.issuer.mint()))
    assert scene.server.requests == 2
