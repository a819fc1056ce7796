"""Claims that the app fetches, and validators: every reason, every bad input; no framework."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from types import SimpleNamespace
from typing import Any

import pytest

from flask_session_claims import ConfigurationError
from flask_session_claims.core.claims import PROTECTED_NAMES
from flask_session_claims.core.jsontext import FrozenDict, FrozenList, parse_object
from flask_session_claims.core.validating import (
    Failure,
    checked,
    failures,
    in_force,
    keys_of,
    wants_fetch,
)
from flask_session_claims.core.validators import BooleanClaim, Claim, ListClaim, same

NOW = 1_700_000_000.0
MS = int(NOW * 1000)


def fetch(user_id: str, session: Any) -> Any:
    raise AssertionError("nothing here fetches")


PLAN = Claim("plan", fetch)
AGED = Claim("plan", fetch, max_age=60)
MAIL = BooleanClaim("mail", fetch)
TEAMS = ListClaim("teams", fetch)


def kept(value: Any, age: float = 0) -> dict[str, Any]:
    return {"v": value, "t": MS - round(age * 1000)}


# --- what is kept -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        (PLAN, "pro"), (PLAN, 3), (PLAN, 1.5), (PLAN, False), (PLAN, {"a": 1}), (PLAN, []),
        (MAIL, True), (MAIL, False), (TEAMS, ["a", 1]), (TEAMS, []),
    ],
)  # fmt: skip
def test_what_is_built_is_read_again(claim: Claim, value: Any) -> None:
    built = claim.build(value, NOW)
    assert built == {claim.key: {"v": value, "t": MS}}
    for claims in (built, FrozenDict(built), {"other": 1, **built}):
        assert same(claim.value(claims), value)
        assert claim.fetched_at(claims) == NOW
        assert claim.age(claims, NOW + 5) == 5
        assert not claim.is_due(claims, NOW)


def test_a_tuple_is_kept_as_a_list() -> None:
    assert TEAMS.build(("a",), NOW) == {"teams": {"v": ["a"], "t": MS}}


@pytest.mark.parametrize("claim", [PLAN, MAIL, TEAMS])
def test_none_as_value_removes(claim: Claim) -> None:
    assert claim.build(None, NOW) == {claim.key: None}


@pytest.mark.parametrize(
    ("claim", "value", "said"),
    [
        (MAIL, 1, "BooleanClaim 'mail': got a int; give True, False, or None."),
        (MAIL, "secret", "BooleanClaim 'mail': got a str; give True, False, or None."),
        (TEAMS, "secret", "ListClaim 'teams': got a str; give a list, or None."),
        (TEAMS, {"secret"}, "ListClaim 'teams': got a set; give a list, or None."),
    ],
)
def test_a_value_of_another_kind_is_a_mistake_and_not_repeated(
    claim: Claim, value: Any, said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        claim.build(value, NOW)
    assert caught.value.message == said


MALFORMED: list[Any] = [
    None, True, "pro", 3, [], {}, {"v": "pro"}, {"t": MS}, {"v": None, "t": MS},
    {"v": "pro", "t": None}, {"v": "pro", "t": str(MS)}, {"v": "pro", "t": True},
    {"v": "pro", "t": math.nan}, {"v": "pro", "t": math.inf}, {"v": "pro", "t": -1},
    {"v": "pro", "t": 10**400}, {"v": "pro", "t": -(10**400)}, {"v": "pro", "t": [MS]},
]  # fmt: skip


@pytest.mark.parametrize("entry", MALFORMED)
def test_what_is_malformed_counts_as_missing(entry: Any) -> None:
    for claims in ({"plan": entry}, {}):
        assert PLAN.value(claims) is None
        assert PLAN.fetched_at(claims) is None
        assert PLAN.age(claims, NOW) is None
        assert PLAN.is_due(claims, NOW)
        assert PLAN.has_value("pro").validate(claims, NOW) == {
            "message": "value does not exist", "expectedValue": "pro", "actualValue": None,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "value"), [(MAIL, 1), (MAIL, "yes"), (MAIL, []), (TEAMS, "a"), (TEAMS, {"a": 1})]
)
def test_a_kept_value_of_another_kind_counts_as_missing(claim: Claim, value: Any) -> None:
    claims = {claim.key: kept(value)}
    assert claim.value(claims) is None
    assert claim.is_due(claims, NOW)


@pytest.mark.parametrize(("ahead", "missing"), [(0, False), (60, False), (60.5, True), (9e9, True)])
def test_a_fetch_of_the_future_counts_as_missing_beyond_a_minute(
    ahead: float, missing: bool
) -> None:
    claims = {"plan": kept("pro", -ahead)}
    assert PLAN.is_due(claims, NOW) is missing
    reason = PLAN.has_value("pro").validate(claims, NOW)
    assert (reason is not None and reason["message"] == "value does not exist") is missing
    assert PLAN.age(claims, NOW) == (None if missing else 0)


def test_claims_are_compared_and_shown_without_their_function() -> None:
    assert Claim("plan", fetch, max_age=60) == AGED
    assert Claim("plan", print) != PLAN
    assert BooleanClaim("plan", fetch) != PLAN
    assert "fetch" not in repr(PLAN)
    assert pickle.loads(pickle.dumps(AGED)) == AGED  # noqa: S301 (our own bytes)
    with pytest.raises(FrozenInstanceError):
        PLAN.key = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        PLAN.has_value(1).id = "other"  # type: ignore[misc]


BAD_KEYS: list[Any] = ["", "x" * 129, None, 3, b"plan", ["plan"], "pl\ud800an"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_is_a_claim_s_name(key: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^key: got .*1 to 128 characters\."):
        Claim(key, fetch)


@pytest.mark.parametrize("key", [*sorted(PROTECTED_NAMES), "SUB", " iss ", "ｓｕｂ"])
@pytest.mark.parametrize("kind", [Claim, BooleanClaim, ListClaim])
def test_a_key_is_no_name_of_the_issuer_s_however_spelt(kind: type[Claim], key: str) -> None:
    with pytest.raises(ConfigurationError, match="for the issuer alone"):
        kind(key, fetch)


@pytest.mark.parametrize("key", ["x", "x" * 128, "https://app.example/plan", "Größe", "st-ev"])
def test_other_names_are_keys(key: str) -> None:
    assert Claim(key, fetch).build(1, NOW) == {key: {"v": 1, "t": MS}}


@pytest.mark.parametrize("given", [None, "fetch", 3, {}])
def test_fetch_is_a_function(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"fetch: got a {type(given).__name__}"):
        Claim("plan", given)


BAD_AGES: list[Any] = [0, -1, 0.9, True, "60", math.nan, math.inf, -math.inf, [60]]


@pytest.mark.parametrize("age", BAD_AGES)
def test_max_age_is_seconds(age: Any) -> None:
    for mistake in (
        lambda: Claim("plan", fetch, max_age=age),
        lambda: PLAN.has_value(1, age),
        lambda: MAIL.is_true(age),
        lambda: MAIL.is_false(max_age=age),
        lambda: TEAMS.includes("a", age),
        lambda: TEAMS.excludes_all(["a"], age),
    ):
        with pytest.raises(
            ConfigurationError, match=r"^max_age: got .*seconds, 1 or more, or None"
        ):
            mistake()


# --- validators of ours -------------------------------------------------------------------

NONE = "value does not exist"
WRONG = "wrong value"


def reason(message: str, member: str, expected: Any, actual: Any) -> dict[str, Any]:
    return {"message": message, member: expected, "actualValue": actual}


VALUE, IN, OUT, SOME = (
    "expectedValue", "expectedToInclude", "expectedToNotInclude", "expectedToIncludeAtLeastOneOf",
)  # fmt: skip
#: (validator, value; absent: the claim is missing, reason)
JUDGED: list[tuple[Any, tuple[Any, ...], dict[str, Any] | None]] = [
    (PLAN.has_value("pro"), ("pro",), None),
    (PLAN.has_value("pro"), ("free",), reason(WRONG, VALUE, "pro", "free")),
    (PLAN.has_value("pro"), (["pro"],), reason(WRONG, VALUE, "pro", ["pro"])),
    (PLAN.has_value("pro"), (), reason(NONE, VALUE, "pro", None)),
    (PLAN.has_value(1), (1,), None),
    (PLAN.has_value(1), (1.0,), None),
    (PLAN.has_value(1), (True,), reason(WRONG, VALUE, 1, True)),
    (PLAN.has_value(True), (1,), reason(WRONG, VALUE, True, 1)),
    (PLAN.has_value(0), (False,), reason(WRONG, VALUE, 0, False)),
    (PLAN.has_value(0), ("",), reason(WRONG, VALUE, 0, "")),
    (PLAN.has_value(1.5), (1.5,), None),
    (MAIL.is_true(), (True,), None),
    (MAIL.is_true(), (False,), reason(WRONG, VALUE, True, False)),
    (MAIL.is_true(), (), reason(NONE, VALUE, True, None)),
    (MAIL.is_true(), (1,), reason(NONE, VALUE, True, None)),
    (MAIL.is_false(), (False,), None),
    (MAIL.is_false(), (True,), reason(WRONG, VALUE, False, True)),
    (MAIL.is_false(), (), reason(NONE, VALUE, False, None)),
    (TEAMS.includes("a"), (["a", "b"],), None),
    (TEAMS.includes("a"), (["b"],), reason(WRONG, IN, "a", ["b"])),
    (TEAMS.includes("a"), ([],), reason(WRONG, IN, "a", [])),
    (TEAMS.includes("a"), (), reason(NONE, IN, "a", None)),
    (TEAMS.includes("a"), ("a",), reason(NONE, IN, "a", None)),
    (TEAMS.includes(1), ([True],), reason(WRONG, IN, 1, [True])),
    (TEAMS.includes(1), ([[1]],), reason(WRONG, IN, 1, [[1]])),
    (TEAMS.excludes("a"), (["b"],), None),
    (TEAMS.excludes("a"), ([],), None),
    (TEAMS.excludes(1), ([True],), None),
    (TEAMS.excludes("a"), (["b", "a"],), reason(WRONG, OUT, "a", ["b", "a"])),
    (TEAMS.excludes("a"), (), reason(NONE, OUT, "a", None)),
    (TEAMS.includes_all(["a", "b"]), (["b", "c", "a"],), None),
    (TEAMS.includes_all(["a", "b"]), (["a"],), reason(WRONG, IN, ["a", "b"], ["a"])),
    (TEAMS.includes_all(("a", "b")), (), reason(NONE, IN, ["a", "b"], None)),
    (TEAMS.includes_any(["a", "b"]), (["b"],), None),
    (TEAMS.includes_any(["a", "b"]), (["c"],), reason(WRONG, SOME, ["a", "b"], ["c"])),
    (TEAMS.includes_any(["a"]), (), reason(NONE, SOME, ["a"], None)),
    (TEAMS.excludes_all(["a", "b"]), (["c"],), None),
    (TEAMS.excludes_all(["a", "b"]), ([],), None),
    (TEAMS.excludes_all(["a", "b"]), (["b"],), reason(WRONG, OUT, ["a", "b"], ["b"])),
    (TEAMS.excludes_all(["a"]), (), reason(NONE, OUT, ["a"], None)),
]


@pytest.mark.parametrize(("validator", "value", "expected"), JUDGED)
def test_what_passes_and_the_reason_why_not(
    validator: Any, value: tuple[Any, ...], expected: Any
) -> None:
    key = validator.claim.key
    claims = {"other": 1, **({key: kept(value[0])} if value else {})}
    found = validator.validate(claims, NOW)
    assert json.dumps(found) == json.dumps(expected)  # in JSON true is not 1
    assert failures([validator], claims, NOW) == (() if found is None else (Failure(key, found),))


def test_the_claims_of_a_token_are_judged_like_plain_ones() -> None:
    claims = parse_object(b'{"teams": {"v": ["a", "b"], "t": %d}}' % MS)
    assert TEAMS.includes_all(["b", "a"]).validate(claims, NOW) is None
    (failed,) = failures([TEAMS.includes("c")], claims, NOW)
    assert failed.reason == reason(WRONG, IN, "c", ["a", "b"])


@pytest.mark.parametrize(
    ("validator", "age", "most"),
    [
        (AGED.has_value("pro"), 60, None),
        (AGED.has_value("pro"), 60.5, 60),
        (AGED.has_value("pro", 30), 31, 30),
        (AGED.has_value("pro", max_age=90), 61, None),
        (PLAN.has_value("pro"), 9e8, None),
        (PLAN.has_value("pro", 1), 1.001, 1),
        (PLAN.has_value("pro", 1.5), 2, 1.5),
    ],
)
def test_what_is_too_old_has_expired_whatever_its_value(
    validator: Any, age: float, most: float | None
) -> None:
    claims = {"plan": kept("pro", age)}
    expected = {"message": "expired", "ageInSeconds": age, "maxAgeInSeconds": most}
    assert validator.validate(claims, NOW) == (None if most is None else expected)
    assert validator.should_refetch(claims, NOW) is (most is not None)
    wrong = {"plan": kept("free", age)}
    found = validator.validate(wrong, NOW)
    assert found == (reason(WRONG, VALUE, "pro", "free") if most is None else expected)


def test_a_wrong_value_is_not_fetched_again() -> None:
    assert not PLAN.has_value("pro").should_refetch({"plan": kept("free")}, NOW)
    assert PLAN.has_value("pro").should_refetch({}, NOW)


def test_a_validator_is_called_as_its_claim_unless_it_has_an_id() -> None:
    for validator in (PLAN.has_value(1), MAIL.is_true(), TEAMS.includes_all([1], 60)):
        assert validator.id == validator.claim.key
    for validator in (
        PLAN.has_value(1, id="mine"), MAIL.is_true(id="mine"), MAIL.is_false(id="mine"),
        TEAMS.includes(1, id="mine"), TEAMS.excludes(1, id="mine"),
        TEAMS.includes_all([1], id="mine"), TEAMS.includes_any([1], id="mine"),
        TEAMS.excludes_all([1], 60, "mine"),
    ):  # fmt: skip
        assert validator.id == "mine"
    bad: Any
    for bad in ("", 3, True, b"mine"):
        with pytest.raises(ConfigurationError, match=r"^id: got "):
            PLAN.has_value(1, id=bad)


@pytest.mark.parametrize("value", [None, [], ["a"], {}, b"a", math.nan, math.inf, object()])
def test_what_is_expected_is_one_plain_value(value: Any) -> None:
    for mistake in (PLAN.has_value, TEAMS.includes, TEAMS.excludes):
        with pytest.raises(ConfigurationError, match=f"value: got a {type(value).__name__}"):
            mistake(value)
    for several in (TEAMS.includes_all, TEAMS.includes_any, TEAMS.excludes_all):
        with pytest.raises(ConfigurationError, match=f"value: got a {type(value).__name__}"):
            several(["a", value])


@pytest.mark.parametrize("values", ["ab", [], (), {"a"}, {"a": 1}, None, 3, iter("ab")])
def test_several_are_a_list_of_at_least_one(values: Any) -> None:
    for mistake in (TEAMS.includes_all, TEAMS.includes_any, TEAMS.excludes_all):
        with pytest.raises(ConfigurationError, match=r"^values: got .*list of at least one"):
            mistake(values)


def test_what_is_expected_does_not_change_with_the_list_it_came_from() -> None:
    wanted = ["a"]
    validator = TEAMS.includes_all(wanted)
    wanted.append("b")
    assert validator.validate({"teams": kept(["a"])}, NOW) is None


# --- validators of an app's own -----------------------------------------------------------


class Own:
    """One that an app wrote."""

    def __init__(
        self, says: Any = None, *, id: Any = "own", claim: Any = None, due: Any = False
    ) -> None:
        self.id, self.claim, self._says, self._due = id, claim, says, due

    def should_refetch(self, claims: Mapping[str, Any], now: float) -> Any:
        return self._answer(self._due)

    def validate(self, claims: Mapping[str, Any], now: float) -> Any:
        return self._answer(self._says)

    @staticmethod
    def _answer(says: Any) -> Any:
        if isinstance(says, Exception):
            raise says
        return says() if callable(says) else says


async def nothing() -> None:
    """What an async method gives."""


def test_an_app_s_own_validator_says_its_own_reason() -> None:
    found = failures([Own(), Own({"message": "too young", "years": 12}), Own({})], {}, NOW)
    assert found == (Failure("own", {"message": "too young", "years": 12}), Failure("own", {}))


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        (True, "validate gave a bool, no reason or None"),
        (False, "validate gave a bool, no reason or None"),
        ("secret", "validate gave a str, no reason or None"),
        ([], "validate gave a list, no reason or None"),
        (LookupError("secret"), "it raised LookupError"),
        (ConfigurationError("secret"), "it raised ConfigurationError"),
        (nothing, "it is async; let the claim's fetch be, which is awaited"),
        ({"message": object()}, "its reason is no JSON"),
        ({"age": math.nan}, "its reason is no JSON"),
        ({"names": {"secret"}}, "its reason is no JSON"),
    ],
)
def test_one_that_cannot_tell_lets_nobody_pass_and_is_named(says: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        failures([Own(says, id="age-check")], {}, NOW)
    assert caught.value.code == "validator-failed"
    assert caught.value.message.startswith(f"the validator 'age-check' failed: {problem};")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("due", "problem"),
    [
        (None, "should_refetch gave a NoneType, not True or False"),
        (1, "should_refetch gave a int, not True or False"),
        (ZeroDivisionError(), "it raised ZeroDivisionError"),
        (nothing, "it is async"),
    ],
)
def test_one_that_cannot_tell_what_is_due_is_named(due: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        wants_fetch(Own(claim=PLAN, due=due), {}, NOW)
    assert caught.value.code == "validator-failed"
    assert problem in caught.value.message


def test_only_one_with_a_claim_is_asked_what_is_due() -> None:
    assert wants_fetch(Own(claim=PLAN, due=True), {}, NOW)
    assert not wants_fetch(Own(claim=PLAN, due=False), {}, NOW)
    assert not wants_fetch(Own(due=ZeroDivisionError()), {}, NOW)
    assert keys_of([Own(), Own(claim=PLAN), MAIL.is_true(), PLAN.has_value(1)]) == {"plan", "mail"}


METHODS: dict[str, Any] = {"should_refetch": fetch, "validate": fetch}


class AsyncOwn(Own):
    async def validate(self, claims: Mapping[str, Any], now: float) -> Any:
        """Nothing can wait for it."""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (MAIL.is_true(), "got a ClaimValidator; give a list"),
        ("mail", "got a str; give a list"),
        ({"mail"}, "got a set; give a list"),
        (3, "got a int; give a list"),
        ([MAIL], "a BooleanClaim is no validator, it has no id"),
        ([None], "a NoneType is no validator"),
        (["mail"], "a str is no validator"),
        ([Own], "a type is no validator"),
        ([MAIL.is_true], "a method is no validator"),
        ([Own(id="")], "a Own is no validator, it has no id"),
        ([Own(id=3)], "a Own is no validator, it has no id"),
        ([Own(claim="mail")], "the claim of 'own' is neither a Claim nor None"),
        ([SimpleNamespace(id="x", **METHODS)], "the claim of 'x' is neither a Claim nor None"),
        ([SimpleNamespace(id="x", claim=None, validate=fetch)], "'x' has no plain method should"),
        ([SimpleNamespace(id="x", claim=None, should_refetch=fetch)], "'x' has no plain method va"),
        ([MAIL.is_true(), AsyncOwn()], "'own' has no plain method validate"),
    ],
)
def test_what_is_no_list_of_validators_is_a_mistake(given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked(given)
    assert caught.value.message.startswith("validators: ")
    assert said in caught.value.message


def test_what_holds_at_a_gate() -> None:
    first, second, third = Own(id="first"), Own(id="second"), Own(id="third")
    usual: Any = (first, second)
    assert in_force(None, usual) == usual
    assert in_force((third,), usual) == (first, second, third)  # type: ignore[arg-type]
    assert in_force(lambda given: given[1:], usual) == (second,)  # type: ignore[comparison-overlap]
    assert in_force(lambda given: [*given, third], usual) == (first, second, third)  # type: ignore[comparison-overlap]
    assert in_force(lambda given: [], usual) == ()
    bad: Any
    for bad in (None, True, third, [None], "first"):
        with pytest.raises(ConfigurationError, match="what the function of validators gave"):
            in_force(lambda given, bad=bad: bad, usual)


def test_two_values_are_the_same_by_kind_too() -> None:
    for have, wanted, expected in [
        (1, 1, True), (1, True, False), (False, 0, False), (True, True, True), ("1", 1, False),
        (FrozenList(["a"]), "a", False), (None, False, False),
    ]:  # fmt: skip
        assert same(have, wanted) is expected
