"""`claims_as` for dataclasses and TypedDicts: what fits, and what is said of what does not."""

from __future__ import annotations

import dataclasses
import gc
import pickle
import sys
import threading
import types
import typing
import weakref
from collections.abc import Mapping, Sequence, Set
from dataclasses import KW_ONLY, InitVar, dataclass, field
from datetime import datetime, timezone
from enum import Enum, IntFlag
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NewType,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)

import pytest

from flask_session_claims import (
    Auth,
    ClaimError,
    ClaimName,
    ConfigurationError,
    RequestAuth,
    TokenError,
)
from flask_session_claims.core import typed
from flask_session_claims.core.auth import signed_out
from flask_session_claims.core.errors import REFUSALS
from flask_session_claims.core.jsontext import freeze, parse_object
from flask_session_claims.core.request import Exchange

if sys.version_info >= (3, 11):
    from typing import NotRequired, Required
else:
    from typing_extensions import NotRequired, Required

if TYPE_CHECKING:
    from decimal import Decimal

T = TypeVar("T")
N = TypeVar("N", bound=int)
Slug = NewType("Slug", str)
SECRET = "sk-5e1f-very-secret"


def auth_of(**claims: Any) -> Auth:
    return Auth(is_authenticated=True, user_id="u", reason=None, session_claims=freeze(claims))


def fault_of(kind: Any, **claims: Any) -> ClaimError:
    with pytest.raises(ClaimError) as caught:
        auth_of(**claims).claims_as(kind)
    return caught.value


def field_of(hint: Any) -> Any:
    """A dataclass with one field `it`."""
    return dataclasses.make_dataclass("Holder", [("it", hint)])


def read(hint: Any, value: Any) -> Any:
    return auth_of(it=value).claims_as(field_of(hint)).it


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    LOW = 1
    HIGH = 2

    @classmethod
    def _missing_(cls, value: object) -> Level | None:
        return cls.HIGH if value == 99 else None


class Right(IntFlag):
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Address:
    city: str
    lines: list[str] = field(default_factory=list)


@dataclass
class Person:
    sub: str
    full_name: str = field(metadata={"claim": "fullName"})
    address: Address
    nickname: Annotated[str | None, ClaimName("nick")] = None
    plan: Literal["free", "pro"] = "free"


class Place(TypedDict):
    city: str
    zip: NotRequired[str]


class Profile(TypedDict, total=False):
    sub: Required[str]
    name: Annotated[Required[str], ClaimName("fullName")]
    place: Place
    tags: list[str]


# --- what fits ----------------------------------------------------------------------------


def test_a_dataclass():
    auth = auth_of(sub="u", fullName="Ada", address={"city": "Rome", "x": 1}, iss="i", plan="pro")
    made = auth.claims_as(Person)
    assert made == Person("u", "Ada", Address("Rome"), None, "pro")
    assert type(made.address.lines) is list


def test_a_typed_dict():
    auth = auth_of(sub="u", fullName="Ada", place={"city": "Rome", "other": 1}, iss="i")
    made = auth.claims_as(Profile)
    assert made == {"sub": "u", "name": "Ada", "place": {"city": "Rome"}}
    assert type(made) is dict
    assert type(made["place"]) is dict


VALUES: list[tuple[Any, Any, Any]] = [
    (str, "x", "x"),
    (int, 3, 3),
    (int, 10**40, 10**40),
    (float, 1.5, 1.5),
    (float, 2, 2.0),
    (bool, True, True),
    (None, None, None),
    (Any, {"a": [1]}, {"a": [1]}),
    (object, [1, None], [1, None]),
    (Slug, "x", "x"),
    (Annotated[int, "a note"], 3, 3),
    (Final[int], 3, 3),
    (Color, "blue", Color.BLUE),
    (Level, 2, Level.HIGH),
    (Level, 99, Level.HIGH),
    (Right, 3, Right.READ | Right.WRITE),
    (Literal["a", 1, None], 1, 1),
    (Literal["a", 1, None], None, None),
    (Literal[Color.RED], "red", Color.RED),
    (datetime, 1_800_000_000, datetime(2027, 1, 15, 8, tzinfo=timezone.utc)),
    (datetime, 0.5, datetime(1970, 1, 1, 0, 0, 0, 500_000, tzinfo=timezone.utc)),
    (datetime, -1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=timezone.utc)),
    (list, [1, "a"], [1, "a"]),
    (list[int], [1, 2], [1, 2]),
    (typing.List[int], [1, 2], [1, 2]),  # noqa: UP006
    (Sequence[int], [1, 2], [1, 2]),
    (tuple, [1, "a"], (1, "a")),
    (tuple[int, ...], [1, 2], (1, 2)),
    (tuple[int, str], [1, "a"], (1, "a")),
    (set[str], ["a", "b", "a"], {"a", "b"}),
    (frozenset[str], ["a"], frozenset({"a"})),
    (Set[str], ["a"], frozenset({"a"})),
    (dict, {"a": [1]}, {"a": [1]}),
    (dict[str, list[int]], {"a": [1]}, {"a": [1]}),
    (Mapping[Slug, int], {"a": 1}, {"a": 1}),
    (dict[Color, int], {"red": 1}, {Color.RED: 1}),
    (Optional[int], None, None),  # noqa: UP045
    (int | str, "x", "x"),
    (Union[float, int], 1, 1),  # noqa: UP007
    (Union[float, int], 1.0, 1.0),  # noqa: UP007
    (str | list[str], ["x"], ["x"]),
    (list[Address | None], [None, {"city": "Rome"}], [None, Address("Rome")]),
    (dict[str, Place], {"home": {"city": "Rome"}}, {"home": {"city": "Rome"}}),
    (T, {"anything": 1}, {"anything": 1}),
    (N, 3, 3),
]


@pytest.mark.parametrize(("hint", "value", "want"), VALUES, ids=[str(row[0]) for row in VALUES])
def test_values(hint, value, want):
    made = read(hint, value)
    assert made == want
    assert type(made) is type(want)


@pytest.mark.parametrize("hint", [Any, object, list, dict, dict[str, Any], list[Any]], ids=str)
def test_what_comes_is_the_callers_own(hint):
    value = {"a": [{"b": 1}]} if "dict" in str(hint) else [[{"b": 1}]]
    auth = auth_of(it=value)
    made = auth.claims_as(field_of(hint)).it
    assert type(made) in (dict, list)
    inner = made["a"] if isinstance(made, dict) else made[0]
    inner.append("mine")
    inner[0]["b"] = 2
    assert auth.session_claims["it"] == value
    assert auth.claims_as(field_of(hint)).it == value


def test_a_default_is_made_anew():
    first, second = (auth_of(city="Rome").claims_as(Address) for _ in range(2))
    first.lines.append("mine")
    assert second.lines == []


# --- what does not fit --------------------------------------------------------------------

FAULTS: list[tuple[Any, Any, str, str, str]] = [
    (int, "1", "it", "int", "str"),
    (int, True, "it", "int", "bool"),
    (int, 1.0, "it", "int", "float"),
    (float, "1.0", "it", "float", "str"),
    (float, True, "it", "float", "bool"),
    (float, 10**400, "it", "float (not that large)", "int"),
    (str, 1, "it", "str", "int"),
    (str, None, "it", "str", "None"),
    (bool, 1, "it", "bool", "int"),
    (bool, "true", "it", "bool", "str"),
    (None, 0, "it", "None", "int"),
    (Color, "green", "it", "Color ('red' or 'blue')", "str"),
    (Color, {"x": 1}, "it", "Color ('red' or 'blue')", "dict"),
    (Level, True, "it", "Level (1 or 2)", "bool"),
    (Literal["a", 1], True, "it", "'a' or 1", "bool"),
    (Literal["a", 1], "b", "it", "'a' or 1", "str"),
    (Literal["a", 1], ["a"], "it", "'a' or 1", "list"),
    (datetime, "2027-01-15", "it", "datetime (a number: seconds since 1970 UTC)", "str"),
    (datetime, True, "it", "datetime (a number: seconds since 1970 UTC)", "bool"),
    (datetime, 1e300, "it", "datetime (a number: seconds since 1970 UTC)", "float"),
    (list[int], "12", "it", "list[int]", "str"),
    (list[int], {"1": 1}, "it", "list[int]", "dict"),
    (list[int], [1, "2"], "it[1]", "int", "str"),
    (list[list[int]], [[], [1, 2, None]], "it[1][2]", "int", "None"),
    (tuple[int, str], [1], "it", "tuple[int, str]", "list of 1"),
    (tuple[int, str], [1, 2], "it[1]", "str", "int"),
    (tuple[int, str], "ab", "it", "tuple[int, str]", "str"),
    (set[int], ["a"], "it[0]", "int", "str"),
    (set[Any], [[1]], "it", "set[Any] of simple values", "list"),
    (dict[str, int], {SECRET: "x"}, "it[*]", "int", "str"),
    (dict[str, dict[str, int]], {SECRET: {SECRET: "x"}}, "it[*][*]", "int", "str"),
    (dict[Color, int], {SECRET: 1}, "it[*]", "Color ('red' or 'blue')", "str"),
    (dict[str, int], [1], "it", "dict[str, int]", "list"),
    (int | None, "1", "it", "int or None", "str"),
    (str | list[str], 1, "it", "str or list[str]", "int"),
    (str | list[str], [1], "it[0]", "str", "int"),
    (Address, "Rome", "it", "Address", "str"),
    (Address | None, {"city": 1}, "it.city", "str", "int"),
    (list[Address], [{"city": "Rome"}, {"city": None}], "it[1].city", "str", "None"),
    (Place, {"city": "Rome", "zip": 100}, "it.zip", "str", "int"),
    (Address | Color, 1, "it", "Address or Color ('red' or 'blue')", "int"),
]


@pytest.mark.parametrize(
    ("hint", "value", "claim", "expected", "found"), FAULTS, ids=[str(row[0]) for row in FAULTS]
)
def test_a_fault_is_named(hint, value, claim, expected, found):
    error = fault_of(field_of(hint), it=value)
    assert (error.claim, error.expected, error.found) == (claim, expected, found)
    assert error.message == str(error) == f"The claim {claim} is {found}; expected {expected}."
    assert (error.code, error.client_code) == ("token-invalid-claim", "token-invalid-claim")


@pytest.mark.parametrize(
    ("kind", "claims", "claim", "expected"),
    [
        (Person, {"sub": "u"}, "fullName", "str"),
        (Person, {"sub": "u", "fullName": "A"}, "address", "Address"),
        (Person, {"sub": "u", "fullName": "A", "address": {}}, "address.city", "str"),
        (Profile, {"name": "not the claim's name", "sub": "u"}, "fullName", "str"),
        (Profile, {"sub": "u", "fullName": "A", "place": {}}, "place.city", "str"),
        (field_of(int | None), {}, "it", "int or None"),
    ],
)
def test_a_missing_claim_is_named(kind, claims, claim, expected):
    error = fault_of(kind, **claims)
    assert (error.claim, error.expected, error.found) == (claim, expected, None)
    assert error.message == f"The claim {claim} is missing; expected {expected}."
    assert error.code == "token-missing-claim"


def test_null_is_a_value_and_no_default():
    assert fault_of(Person, sub="u", fullName="A", address={"city": "R"}, plan=None).claim == "plan"
    assert fault_of(Place, city="R", zip=None).claim == "zip"


def test_the_error_is_of_the_family_and_travels():
    error = fault_of(Address, city=1)
    assert isinstance(error, TokenError)
    assert error.code in REFUSALS
    assert error.status == 403  # the session is good, and a fresh token would say the same
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301 (made here)
    assert type(twin) is ClaimError
    assert vars(twin) == vars(error)
    assert (str(twin), twin.client_code) == (str(error), error.client_code)


def texts_behind(error: BaseException) -> str:
    texts: list[str] = []
    link: BaseException | None = error
    while link is not None:
        texts.append(f"{link} {link.args} {vars(link)}")
        link = link.__cause__ or link.__context__
    return " ".join(texts)


@pytest.mark.parametrize(
    "hint",
    [
        int, list[int], Color, Literal["a"], Address, int | None, dict[Color, int], Address | Place
    ],
    ids=str,
)  # fmt: skip
def test_no_value_is_in_an_error(hint):
    for value in (SECRET, {SECRET: SECRET}, [SECRET]):
        if hint is Address or value != [SECRET]:
            assert SECRET not in texts_behind(fault_of(field_of(hint), it=value))


def test_what_a_validator_says_is_the_cause():
    error = fault_of(Ranged, low=2, high=1)
    assert (error.claim, error.found) == ("", "dict")
    assert error.message == "The claim set is dict; expected what Ranged takes."
    assert error.expected == "what Ranged takes"
    assert isinstance(error.__cause__, ValueError)
    assert str(error.__cause__) == "low is over high"
    assert "low is over high" not in str(error)
    inner = fault_of(field_of(list[Ranged]), it=[{"low": 1, "high": 1}, {"low": 2, "high": 1}])
    assert inner.claim == "it[1]"
    assert str(inner.__cause__) == "low is over high"


@dataclass
class Ranged:
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is over high")


# --- nobody signed in ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "code", "status"),
    [
        ("session-token-missing", "session-token-missing", 401),
        ("token-expired", "token-expired", 401),
        ("session-pending", "session-pending", 403),
        ("request-origin-refused", "request-origin-refused", 403),
        ("a reason of somebody's own", "session-token-missing", 401),
    ],
)
def test_nobody_has_no_claims_to_read(reason, code, status):
    @dataclass
    class AllOptional:
        plan: str = "free"

    with pytest.raises(TokenError) as caught:
        signed_out(reason).claims_as(AllOptional)  # not silently the default
    assert type(caught.value) is TokenError
    assert (caught.value.code, caught.value.status) == (code, status)


def test_a_wrong_type_is_told_even_to_nobody():
    with pytest.raises(ConfigurationError):
        signed_out().claims_as(int)


# --- dataclasses of every kind ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    kind: ClassVar[str] = "base"
    sub: str
    computed: int = field(init=False, default=7)
    secret: InitVar[int] = 3
    total: int = field(default=0, metadata={"other tool": 1})

    def __post_init__(self, secret: int) -> None:
        object.__setattr__(self, "total", self.total + secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived(Base):
    plan: str


@dataclass
class Mixed:
    sub: str
    _: KW_ONLY
    plan: str = "free"


@dataclass
class Node:
    name: str
    children: list[Node] = field(default_factory=list)
    parent: Optional["Node"] = None  # noqa: UP037, UP045


class Tree(TypedDict):
    left: NotRequired[Tree]
    value: int


@dataclass
class Page(Generic[T]):
    items: list[T]
    first: T | None = None


@dataclass
class Named(Page[dict[str, T]], Generic[T]):
    name: str = ""


@dataclass
class IntPage(Page[int]): ...


@dataclass
class Outer:
    @dataclass
    class Inner:
        x: int

    inner: Inner


@dataclass
class Hidden:
    it: Decimal


class Plain:
    def __init__(self, x: int) -> None:
        self.x = x


@dataclass(init=False)
class OwnInit:
    x: int

    def __init__(self, x: int, y: int) -> None:
        self.x = x


@dataclass
class TwoNames:
    x: Annotated[int, ClaimName("y")] = field(default=0, metadata={"claim": "z"})


@dataclass
class NoName:
    x: int = field(default=0, metadata={"claim": 3})


@dataclass
class Shadow:
    str: str = ""
    other: str = ""


def test_every_kind_of_field():
    made = auth_of(sub="u", plan="pro", secret=4, computed=1, kind="x").claims_as(Derived)
    assert made == Derived(sub="u", plan="pro", secret=4)
    assert (made.total, made.computed, made.kind) == (4, 7, "base")
    assert auth_of(sub="u", plan="pro").claims_as(Mixed) == Mixed("u", plan="pro")
    assert fault_of(Derived, sub="u", plan="p", secret="4").claim == "secret"


def test_recursive_types():
    made = auth_of(name="a", children=[{"name": "b", "parent": {"name": "c"}}]).claims_as(Node)
    assert made == Node("a", [Node("b", [], Node("c"))])
    fault = fault_of(Node, name="a", children=[{"name": "b", "children": [{"name": 1}]}])
    assert fault.claim == "children[0].children[0].name"
    tree = {"value": 1, "left": {"value": 2, "left": {"value": 3}}}
    assert auth_of(**tree).claims_as(Tree) == tree
    assert fault_of(Tree, value=1, left={"value": 2, "left": {}}).claim == "left.left.value"


@dataclass
class Left:
    next: Left | Rest | None
    tag: Literal["left"]


@dataclass
class Rest:
    next: Left | Rest | None
    tag: Literal["right"]


@pytest.mark.parametrize("innermost", ["right", "up"])
def test_unions_within_unions_take_no_time(innermost):
    chain: Any = None
    for tag in [innermost, *["right"] * 40]:
        chain = {"next": chain, "tag": tag}
    kind = field_of(Left | Rest)
    if innermost == "up":
        assert fault_of(kind, it=chain).found == "dict"  # two ways to fail: which is meant?
        return
    made = auth_of(it=chain).claims_as(kind).it
    for _ in range(41):
        assert type(made) is Rest
        made = made.next
    assert made is None


def test_generic_types():
    assert auth_of(items=[1]).claims_as(Page[int]).items == [1]
    assert auth_of(items=["a"], first="b").claims_as(Page[str]).first == "b"
    assert auth_of(items=["a", 1]).claims_as(Page).items == ["a", 1]
    assert fault_of(Page[int], items=["a"]).claim == "items[0]"
    assert fault_of(IntPage, items=[1], first="x").expected == "int or None"
    assert auth_of(items=[{"a": 1}]).claims_as(Named[int]).items == [{"a": 1}]
    assert fault_of(Named[int], items=[{"a": "1"}]).claim == "items[0][*]"
    assert fault_of(field_of(Page[Address]), it={"items": [{}]}).claim == "it.items[0].city"


def test_names_in_annotations_are_those_of_the_module():
    assert auth_of(inner={"x": 1}).claims_as(Outer) == Outer(Outer.Inner(1))
    assert auth_of(other="x").claims_as(Shadow) == Shadow("", "x")


def test_local_types_made_of_known_ones():
    @dataclass
    class Local:
        address: Address
        next: Local | None = None

    made = auth_of(address={"city": "R"}, next={"address": {"city": "S"}}).claims_as(Local)
    assert made == Local(Address("R"), Local(Address("S")))


def test_typed_dicts_inherit_what_is_required():
    class More(Profile):
        extra: NotRequired[int]
        must: int

    assert auth_of(sub="u", fullName="A", must=1).claims_as(More) == {
        "sub": "u",
        "name": "A",
        "must": 1,
    }
    assert fault_of(More, sub="u", fullName="A").claim == "must"
    assert fault_of(More, fullName="A", must=1).claim == "sub"
    assert fault_of(More, sub="u", fullName="A", must=1, extra="1").expected == "int"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="generic TypedDicts came with Python 3.11")
def test_generic_typed_dicts():
    class Box(TypedDict, Generic[T]):
        it: list[T]

    class Labelled(Box[int]):
        label: str

    assert auth_of(it=["a"]).claims_as(Box[str]) == {"it": ["a"]}
    assert fault_of(Box[int], it=["a"]).claim == "it[0]"
    assert fault_of(Labelled, it=["a"], label="x").claim == "it[0]"


# --- a programmer's wrong type ------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (int, "got int; give a dataclass, a TypedDict, a pydantic or a msgspec type"),
        (dict[str, Any], "got dict[str, Any]"),
        (Address | None, "Address"),
        (Color, "got Color"),
        (Plain, "got Plain"),
        (Any, "got Any"),
        (Address("Rome"), "got "),
        ({"sub": str}, "got {'sub'"),
        (None, "got None"),
        (field_of(complex), "Holder.it is complex; a claim can be str, int,"),
        (field_of(bytes), "Holder.it is bytes"),
        (field_of(list[Plain]), "Holder.it is Plain"),
        (field_of(dict[int, str]), "Holder.it has int for keys; names in a token are str"),
        (field_of(Enum("Pairs", {"A": (1, 2)})), "Holder.it is Pairs"),
        (Hidden, "Hidden.it: the name 'Decimal' is not known in the module"),
        (OwnInit, "OwnInit.y is asked for by __init__"),
        (TwoNames, "TwoNames.x is read from the claim 'y' and 'z'; name one"),
        (NoName, "NoName.x is read from the claim 3; name one claim, as a string"),
        (field_of("no such("), "claims_as"),
    ],
    ids=str,
)
def test_a_type_that_claims_cannot_be_read_as(kind, said):
    with pytest.raises(ConfigurationError) as caught:
        auth_of(sub="u").claims_as(kind)
    assert said in str(caught.value)
    assert str(caught.value).startswith("claims_as")


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_claims_name_is_a_string(name):
    with pytest.raises(ConfigurationError, match="ClaimName"):
        ClaimName(name)


# --- the function that is kept ------------------------------------------------------------


def test_a_type_is_looked_into_once():
    assert typed.claims_reader(Person) is typed.claims_reader(Person)
    assert typed.claims_reader(Page[int]) is not typed.claims_reader(Page[str])
    assert typed.claims_reader(Page[int]) is typed.claims_reader(Page[int])


def test_types_do_not_pile_up():
    @dataclass
    class Passing:
        sub: str

    watch = weakref.ref(Passing)
    auth_of(sub="u").claims_as(Passing)
    del Passing
    for _ in range(typed._CACHED + 1):
        auth_of(it=1).claims_as(field_of(int))
    gc.collect()
    assert watch() is None


def test_threads_may_meet_a_type_at_once():
    made: list[Any] = []
    gate = threading.Barrier(8)
    kind = dataclasses.make_dataclass("Met", [("node", Node), ("page", Page[int])])
    auth = auth_of(node={"name": "a", "children": [{"name": "b"}]}, page={"items": [1]})

    def meet() -> None:
        gate.wait()
        made.append(auth.claims_as(kind))

    threads = [threading.Thread(target=meet) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert all(one == made[0] for one in made)


# --- where it stands ----------------------------------------------------------------------


def test_a_request_auth_reads_and_notes_it():
    exchange = Exchange(None, typing.cast("Any", None))
    exchange.settled = auth_of(city="Rome")
    assert RequestAuth(exchange).claims_as(Address) == Address("Rome")
    assert exchange.was_read


def test_claims_may_be_any_mapping():
    claims = typing.cast("Any", type("Other", (dict,), {})(city="Rome"))
    for held in (claims, {"city": "Rome"}, parse_object(b'{"city":"Rome"}')):
        auth = Auth(is_authenticated=True, user_id="u", session_claims=held)
        assert auth.claims_as(Address) == Address("Rome")
    auth = Auth(
        is_authenticated=True,
        user_id="u",
        session_claims=types.MappingProxyType({"city": "Rome", "lines": ("a",)}),
    )
    assert auth.claims_as(Address) == Address("Rome", ["a"])
