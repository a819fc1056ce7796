"""`claims_as` for pydantic and msgspec types: their own rules, strictly, and no value told."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest

from flask_session_claims import Auth, ClaimError, ConfigurationError
from flask_session_claims.core.jsontext import freeze

pydantic = pytest.importorskip("pydantic")
msgspec = pytest.importorskip("msgspec")

T = TypeVar("T")
SECRET = "sk-5e1f-very-secret"


class Color(Enum):
    RED = "red"


class Address(pydantic.BaseModel):
    city: str
    lines: list[int] = []  # noqa: RUF012 (pydantic copies it)


class Person(pydantic.BaseModel):
    sub: str
    full_name: str = pydantic.Field(alias="fullName")
    address: Address | None = None
    color: Color = Color.RED
    pair: tuple[int, str] = (0, "")
    since: datetime | None = None
    anything: Any = None
    scores: dict[str, int] = {}  # noqa: RUF012
    kind: int | list[str] = 0
    level: Annotated[int, pydantic.Field(ge=1)] = 1
    plan: Literal["free", "pro"] = "free"
    mail: str | None = pydantic.Field(
        default=None, validation_alias=pydantic.AliasPath("emails", 0)
    )

    @pydantic.field_validator("sub")
    @classmethod
    def not_bad(cls, value: str) -> str:
        if value.startswith("bad"):
            raise ValueError(f"{value} is bad")
        return value


@pydantic.dataclasses.dataclass
class PydanticData:
    sub: str
    address: Address


class Heir(PydanticData):  # not decorated itself
    pass


class Lenient(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=False)
    exp: datetime
    level: int = 1


class Closed(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    sub: str


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]


class Unready(pydantic.BaseModel):
    it: NoSuchType  # type: ignore[name-defined]  # noqa: F821


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


class Owner(pydantic.BaseModel):
    pet: Cat | Dog = pydantic.Field(discriminator="kind")


class Place(msgspec.Struct):
    city: str
    lines: list[int] = []  # noqa: RUF012 (msgspec copies it)


class User(msgspec.Struct, rename="camel"):
    sub: str
    full_name: str
    place: Place | None = None
    color: Color = Color.RED
    pair: tuple[int, str] = (0, "")
    anything: Any = None
    scores: dict[str, int] = {}  # noqa: RUF012
    counts: dict[int, int] = {}  # noqa: RUF012
    kind: int | list[str] = 0
    level: Annotated[int, msgspec.Meta(ge=1)] = 1
    plan: Literal["free", "pro"] = "free"

    def __post_init__(self) -> None:
        if self.sub.startswith("bad"):
            raise ValueError(f"{self.sub} is bad")


class ClosedStruct(msgspec.Struct, forbid_unknown_fields=True):
    sub: str


class Box(msgspec.Struct, Generic[T]):
    items: list[T]


class NotReady(msgspec.Struct):
    it: NoSuchType  # type: ignore[name-defined]  # noqa: F821


class CatTag(msgspec.Struct, tag="cat"):
    name: str


class DogTag(msgspec.Struct, tag="dog"):
    name: str


class TagOwner(msgspec.Struct):
    pet: CatTag | DogTag


@dataclass
class Both:
    """A plain dataclass that holds types of both libraries."""

    home: Address
    work: Place
    all: list[Address] = field(default_factory=list)


def auth_of(**claims: Any) -> Auth:
    return Auth(is_authenticated=True, user_id="u", reason=None, session_claims=freeze(claims))


def fault_of(kind: Any, /, **claims: Any) -> ClaimError:
    with pytest.raises(ClaimError) as caught:
        auth_of(**claims).claims_as(kind)
    return caught.value


def test_pydantic():
    auth = auth_of(
        sub="u",
        fullName="Ada",
        address={"city": "Rome"},
        color="red",
        pair=[1, "a"],
        since="2027-01-15T08:00:00Z",
        anything={"a": [1]},
        emails=["a@b"],
        iss="i",
    )
    made = auth.claims_as(Person)
    assert (made.full_name, made.address, made.color) == ("Ada", Address(city="Rome"), Color.RED)
    assert (made.pair, made.mail) == ((1, "a"), "a@b")
    assert made.since == datetime(2027, 1, 15, 8, tzinfo=timezone.utc)
    made.anything["a"].append(2)
    assert auth.session_claims["anything"] == {"a": [1]}
    for kind in (PydanticData, Heir):
        data = auth.claims_as(kind)
        assert type(data) is kind
        assert (data.sub, data.address.city) == ("u", "Rome")
    assert auth_of(items=[1]).claims_as(Page[int]).items == [1]


def test_a_lenient_model_is_read_as_it_says():
    made = auth_of(exp=1_800_000_000, level="2").claims_as(Lenient)
    assert made.exp == datetime(2027, 1, 15, 8, tzinfo=timezone.utc)
    assert made.level == 2


def test_msgspec():
    auth = auth_of(
        sub="u",
        fullName="Ada",
        place={"city": "Rome"},
        pair=[1, "a"],
        anything={"a": [1]},
        counts={"1": 2},
        iss="i",
        exp=10**40,
    )
    made = auth.claims_as(User)
    assert (made.full_name, made.place, made.color) == ("Ada", Place("Rome"), Color.RED)
    assert (made.pair, made.counts) == ((1, "a"), {1: 2})
    made.anything["a"].append(2)
    assert auth.session_claims["anything"] == {"a": [1]}
    assert auth_of(items=[1]).claims_as(Box[int]).items == [1]


def test_inside_a_dataclass():
    auth = auth_of(home={"city": "R"}, work={"city": "S"}, all=[{"city": "T"}])
    assert auth.claims_as(Both) == Both(Address(city="R"), Place("S"), [Address(city="T")])
    assert fault_of(Both, home={}, work={"city": "S"}).claim == "home.city"
    assert fault_of(Both, home={"city": "R"}, work={"city": 1}).claim == "work.city"
    listed = fault_of(Both, home={"city": "R"}, work={"city": "S"}, all=[{"city": 1}])
    assert (listed.claim, listed.found) == ("all[0].city", "int")


OK_CLAIMS = {"sub": "u", "fullName": "Ada"}
FAULTS: list[tuple[Any, dict[str, Any], str, str, str | None]] = [
    (Person, {"sub": 1}, "sub", "a valid string", "int"),
    (Person, {"address": {}}, "address.city", "a value", None),
    (Person, {"address": {"city": "R", "lines": [1, "2"]}}, "address.lines[1]",
     "a valid integer", "str"),
    (Person, {"scores": {SECRET: "x"}}, "scores[*]", "a valid integer", "str"),
    (Person, {"kind": SECRET}, "kind", "a valid integer or a valid array", "str"),
    (Person, {"level": 0}, "level", "greater than or equal to 1", "int"),
    (Person, {"level": True}, "level", "a valid integer", "bool"),
    (Person, {"level": "1"}, "level", "a valid integer", "str"),
    (Person, {"plan": SECRET}, "plan", "'free' or 'pro'", "str"),
    (Person, {"color": SECRET}, "color", "'red'", "str"),
    (Person, {"sub": f"bad {SECRET}"}, "sub", "a value that the validators of str take", "str"),
    (PydanticData, {"address": {"city": None}}, "address.city", "a valid string", "None"),
    (Heir, {"address": {"city": None}}, "address.city", "a valid string", "None"),
    (Closed, {SECRET: 1}, "fullName", "no other claim", "str"),
    (Owner, {"pet": {"kind": SECRET}}, "pet", "a value that the validators of", "dict"),
    (User, {"sub": 1}, "sub", "str", "int"),
    (User, {"place": {}}, "place.city", "a value", None),
    (User, {"place": {"city": "R", "lines": [1, "2"]}}, "place.lines[1]", "int", "str"),
    (User, {"scores": {SECRET: "x"}}, "scores[*]", "int", "str"),
    (User, {"kind": SECRET}, "kind", "int | list", "str"),
    (User, {"level": 0}, "level", "int >= 1", "int"),
    (User, {"level": True}, "level", "int", "bool"),
    (User, {"level": "1"}, "level", "int", "str"),
    (User, {"level": 1.0}, "level", "int", "float"),
    (User, {"plan": SECRET}, "plan", "a value that Literal['free', 'pro'] takes", "str"),
    (User, {"color": SECRET}, "color", "a value that Color takes", "str"),
    (User, {"pair": [1]}, "pair", "list of length 2", "list"),
    (User, {"sub": f"bad {SECRET}"}, "", "a value that User takes", "dict"),
    (ClosedStruct, {SECRET: 1}, "", "a value that ClosedStruct takes", "dict"),
    (TagOwner, {"pet": {"type": SECRET}}, "pet.type", "a value that", "str"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "changed", "claim", "expected", "found"),
    FAULTS,
    ids=[f"{row[0].__name__}-{number}" for number, row in enumerate(FAULTS)],
)
def test_a_fault_is_named_and_no_value(kind, changed, claim, expected, found):
    error = fault_of(kind, **{**OK_CLAIMS, **changed})
    if kind is not Closed:  # the order of what is too much is pydantic's
        assert (error.claim, error.found) == (claim, found)
        assert error.expected.startswith(expected)
    assert SECRET not in f"{error} {error.args} {vars(error)}"
    assert error.__context__ is None
    if error.__cause__ is not None:  # only the author's own words
        assert type(error.__cause__) is ValueError
        assert str(error.__cause__) == f"bad {SECRET} is bad"


@pytest.mark.parametrize("kind", [Person, User])
def test_a_missing_claim_is_named_with_its_type(kind):
    error = fault_of(kind, sub="u")
    assert (error.claim, error.expected, error.found) == ("fullName", "str", None)
    assert error.code == "token-missing-claim"


@pytest.mark.parametrize("kind", [Person, User])
def test_what_a_validator_says_is_the_cause(kind):
    error = fault_of(kind, sub="bad one", fullName="Ada")
    assert type(error.__cause__) is ValueError
    assert str(error.__cause__) == "bad one is bad"


@pytest.mark.parametrize("kind", [Unready, NotReady, pydantic.TypeAdapter(int), pydantic, msgspec])
def test_a_type_that_is_not_ready_is_the_programmers_fault(kind):
    with pytest.raises(ConfigurationError, match="claims_as"):
        auth_of(it=1).claims_as(kind)


def test_neither_is_imported_by_reading_claims():
    code = (
        "import sys, dataclasses\n"
        "from flask_session_claims import Auth\n"
        "kind = dataclasses.make_dataclass('C', [('sub', str)])\n"
        "Auth(is_authenticated=True, user_id='u', session_claims={'sub': 'u'}).claims_as(kind)\n"
        "print(*({'pydantic', 'msgspec', 'typing_extensions'} & set(sys.modules)))\n"
    )
    # Where the package is not installed, it is found as it was found here.
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=path
    )
    assert done.stdout.strip() == ""
