"""Typed claims: code that must type-check. `test_checkers` runs mypy and pyright over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Generic, TypedDict, TypeVar

import msgspec
import pydantic
from flask import g
from typing_extensions import NotRequired, assert_type

from flask_session_claims import (
    AsyncRequestAuth,
    Auth,
    ClaimName,
    RequestAuth,
    current_auth,
    get_auth,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Address:
    city: str


@dataclass
class Claims:
    sub: str
    full_name: str = field(metadata={"claim": "fullName"})
    address: Address | None = None
    tags: list[str] = field(default_factory=list[str])


class Keys(TypedDict):
    sub: str
    full_name: Annotated[str, ClaimName("fullName")]
    plan: NotRequired[str]


@dataclass
class Page(Generic[T]):
    items: list[T]


class Model(pydantic.BaseModel):
    sub: str


class Struct(msgspec.Struct):
    sub: str


def everywhere(auth: Auth, bound: RequestAuth, settled: AsyncRequestAuth) -> None:
    assert_type(auth.claims_as(Claims), Claims)
    assert_type(bound.claims_as(Claims), Claims)
    assert_type(settled.claims_as(Claims), Claims)
    assert_type(get_auth().claims_as(Claims), Claims)
    assert_type(current_auth.claims_as(Claims), Claims)
    assert_type(auth.claims_as(Keys), Keys)
    assert_type(auth.claims_as(Page[int]), Page[int])
    assert_type(auth.claims_as(Model), Model)
    assert_type(auth.claims_as(Struct), Struct)
    assert_type(current_auth.claims_as(Claims).address, Address | None)
    assert_type(auth.claims_as(Keys)["sub"], str)
    assert_type(auth.claims_as(Page[int]).items, list[int])
    typed: Claims = g.auth.claims_as(Claims)
    assert_type(typed.tags, list[str])
