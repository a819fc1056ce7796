"""Fixtures of the test kit for pytest, which loads this file in every run of everybody.

So at import it has pytest and nothing else, defines fixtures under names of its own and no
hooks, and each fixture imports what it needs when a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from ..core.auth import Auth
    from .assumed import AuthBlock
    from .clients import Source
    from .clock import FrozenClock
    from .issuer import LocalIssuer
    from .keyserver import KeyServer

ClientT = TypeVar("ClientT")


@pytest.fixture(scope="session")
def claims_issuer() -> LocalIssuer:
    """The issuer of the run's tokens; override it to give it your `iss` and `azp`."""
    from .issuer import LocalIssuer
    from .keys import shared_key

    return LocalIssuer(key=shared_key("RS256"))


@pytest.fixture
def claims_clock(claims_issuer: LocalIssuer) -> Iterator[FrozenClock]:
    """A frozen clock, by which `claims_issuer` tells the time too; give it to your app."""
    from .clock import FrozenClock

    clock, before = FrozenClock(), claims_issuer.clock
    claims_issuer.clock = clock
    yield clock
    claims_issuer.clock = before


@pytest.fixture
def claims_key_server(claims_issuer: LocalIssuer) -> Iterator[KeyServer]:
    """The key set of `claims_issuer`, served on the loopback address."""
    with claims_issuer.serve() as server:
        yield server


@pytest.fixture
def claims_sign_in(claims_issuer: LocalIssuer) -> Callable[..., Any]:
    """`claims_sign_in(client, "user_1", role="admin", …)`: the client, signed in by a token."""
    from .clients import signed_in

    def sign_in(
        client: ClientT,
        user_id: str = "user_1",
        *,
        source: Source = "cookie",
        cookie_name: str = "__session",
        **description: Any,
    ) -> ClientT:
        token = claims_issuer.mint_as(user_id, **description)
        return signed_in(client, token, source=source, cookie_name=cookie_name)

    return sign_in


@pytest.fixture
def claims_auth_as() -> Iterator[Callable[..., Auth]]:
    """`claims_auth_as("user_1", role="admin", …)`: `auth_as` until the test ends."""
    from .assumed import auth_as

    blocks: list[AuthBlock] = []

    def act_as(who: str | Auth | None = "user_1", **description: Any) -> Auth:
        block = auth_as(who, **description)
        auth = block.__enter__()
        blocks.append(block)
        return auth

    yield act_as
    while blocks:
        blocks.pop().__exit__()
