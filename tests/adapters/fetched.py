"""Claims that the gates of both contracts ask for, and where their values come from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from flask_session_claims.core.validators import BooleanClaim, ListClaim, Validator
from flask_session_claims.io import reading


class Source:
    """What the app knows of its users."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {}
        #: Names of the claims that it was asked for, in order.
        self.asked: list[str] = []

    def tell(self, key: str) -> Any:
        self.asked.append(key)
        value = self.says.get(key)
        if isinstance(value, Exception):
            raise value
        return value

    def forget(self) -> None:
        self.says.clear()
        self.asked.clear()


#: One for all apps, since gates are written before there is an app.
SOURCE = Source()


def verified(user_id: str, session: Any) -> Any:
    return SOURCE.tell("verified")


async def teams(user_id: str, session: Any) -> Any:
    await asyncio.sleep(0)
    return SOURCE.tell("teams")


VERIFIED = BooleanClaim("verified", verified, max_age=60)
TEAMS = ListClaim("teams", teams)
IS_VERIFIED = VERIFIED.is_true()
IN_A = TEAMS.includes("a", id="in-a")


class Own:
    """A validator that an app has written, and not too well."""

    id = "own"
    claim = None

    def should_refetch(self, claims: Mapping[str, Any], now: float) -> bool:
        return False

    def validate(self, claims: Mapping[str, Any], now: float) -> Any:
        return None if claims["age"] >= 18 else {"message": "too young", "age": claims["age"]}


def without_verified(usual: tuple[Validator, ...]) -> list[Validator]:
    """What a page for confirming the address asks instead."""
    return [one for one in usual if one.id != "verified"]


@contextmanager
def held(*validators: Validator) -> Iterator[None]:
    """These are the app-wide ones of every app; how each adapter is told of its own is apart."""
    found = property(lambda side: validators, lambda side, given: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading._Side, "validators", found)  # pyright: ignore[reportPrivateUsage]
        yield
