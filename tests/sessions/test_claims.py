"""What a claim may be, the three layers, and the budget to the byte."""

from __future__ import annotations

import datetime
import enum
import json

import pytest

from flask_session_claims.core.claims import PROTECTED_NAMES
from flask_session_claims.core.jsontext import FrozenDict, FrozenList
from flask_session_claims.sessions import claims as c
from flask_session_claims.sessions.faults import ClaimsRefused
from flask_session_claims.sessions.limits import CLAIMS_BYTES, LAYER_BYTES


class Colour(str, enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        ({"fullName": "Ada Löv ☃ 😀"}, {"fullName": "Ada Löv ☃ 😀"}),
        ({"a": 1, "b": 1.5, "c": True, "d": None}, {"a": 1, "b": 1.5, "c": True, "d": None}),
        ({"a": (1, [2, {"b": None}])}, {"a": [1, [2, {"b": None}]]}),
        ({"a": FrozenDict({"b": FrozenList([1])})}, {"a": {"b": [1]}}),
        ({"colour": Colour.RED}, {"colour": "red"}),
        ({"big": 2**64 - 1, "small": -(2**63)}, {"big": 2**64 - 1, "small": -(2**63)}),
        ({"__proto__": 1, "a b": 2, "x" * 128: 3}, {"__proto__": 1, "a b": 2, "x" * 128: 3}),
    ],
)
def test_json_data_is_taken_and_frozen(given, kept):
    taken = c.accept(given)
    assert taken == kept
    assert json.loads(c.encode(taken)) == kept
    assert all(type(value) in (str, int, float, bool, type(None), FrozenDict, FrozenList)
               for value in taken.values())  # fmt: skip
    with pytest.raises(TypeError):
        taken["new"] = 1


def nested(depth):
    value = "leaf"
    for _ in range(depth):
        value = [value]
    return {"a": value}


circle: list = []
circle.append(circle)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "must be a mapping"),
        ([("a", 1)], "must be a mapping"),
        ("text", "must be a mapping"),
        ({1: 2}, "names are text"),
        ({"a": {1: 2}}, r"claims\['a'\] has a name that is of type int"),
        ({"a": {"b": [datetime.date(2020, 1, 1)]}}, r"claims\['a'\]\['b'\]\[0\] is of type date"),
        ({"a": {1, 2}}, "of type set"),
        ({"a": b"bytes"}, "of type bytes"),
        ({"a": object()}, "of type object"),
        ({"a": float("nan")}, "is nan"),
        ({"a": float("inf")}, "is inf"),
        ({"a": 2**64}, "64 bits"),
        ({"a": -(2**63) - 1}, "64 bits"),
        ({"a": "\ud800"}, "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        ({"a": circle}, "nested more than 16"),
        (nested(17), "nested more than 16"),
        ({"": 1}, "1 to 128 characters"),
        ({"x" * 129: 1}, "1 to 128 characters"),
    ],
)
def test_what_is_no_json_is_refused_and_the_place_is_named(given, said):
    with pytest.raises(ClaimsRefused, match=said) as caught:
        c.accept(given)
    assert (caught.value.code, caught.value.status) == ("claims-invalid", 400)


def test_sixteen_levels_are_taken():
    assert c.accept(nested(16)) == nested(16)


def full_width(name):
    return "".join(chr(ord(x) + 0xFEE0) if x.isalnum() else x for x in name)


@pytest.mark.parametrize("name", sorted(PROTECTED_NAMES))
@pytest.mark.parametrize(
    "spell",
    [str, str.upper, str.title, lambda name: f" {name}\t", full_width],
    ids=["as it is", "upper", "title", "with space", "full width"],
)
def test_a_protected_name_is_refused_in_any_spelling(name, spell):
    with pytest.raises(ClaimsRefused, match="for the issuer alone") as caught:
        c.accept({"plan": "pro", spell(name): None})
    assert caught.value.code == "claims-protected"
    assert caught.value.names == (spell(name),)


def test_a_protected_name_inside_a_claim_is_fine():
    assert c.accept({"org": {"sub": 1, "exp": 2}}) == {"org": {"sub": 1, "exp": 2}}


def layers(template=None, provided=None, own=None):
    return c.Layers(*(c.plain_object(given or {}, "x") for given in (template, provided, own)))


@pytest.mark.parametrize(
    ("built", "effective"),
    [
        (layers(), {}),
        (layers({"a": 1}, {"a": 2}, {"a": 3}), {"a": 3}),
        (layers({"a": 1, "b": 1}, {"a": 2}), {"a": 2, "b": 1}),
        (layers({"a": 1}, {"b": 2}, {"c": 3}), {"a": 1, "b": 2, "c": 3}),
        (layers({"a": 1}, {"a": 2}, {"a": None}), {}),
        (layers({"a": 1}, {"a": None}), {}),
        (layers({"a": None}, {"a": 2}), {"a": 2}),
        (layers({"a": {"x": 1}}, {}, {"a": {"y": None}}), {"a": {"y": None}}),
    ],
)
def test_the_later_layer_wins_and_none_removes_at_the_top_level_only(built, effective):
    assert built.effective == effective


def test_a_merge_is_one_level_deep_and_leaves_a_mark_for_what_it_removes():
    before = layers({"t": 1}, {"p": 1}, {"a": {"x": 1}, "b": 2})
    after = before.merged(c.accept({"a": {"y": 2}, "b": None, "p": None, "t": None}))
    assert after.effective == {"a": {"y": 2}}
    assert after.own == {"a": {"y": 2}, "b": None, "p": None, "t": None}
    assert after.with_provided(c.accept({"p": 2, "q": 3})).effective == {"a": {"y": 2}, "q": 3}
    assert after.merged(c.accept({"p": 5})).effective == {"a": {"y": 2}, "p": 5}
    assert before.own == {"a": {"x": 1}, "b": 2}, "layers never change"


def filling(total):
    """Claims of exactly that many bytes."""
    return {"a": "x" * (total - len('{"a":""}'))}


def test_the_budget_is_exact_to_the_byte():
    fits = c.accept(filling(CLAIMS_BYTES))
    assert c.size(fits) == CLAIMS_BYTES
    assert c.NO_LAYERS.merged(fits).effective == fits
    assert c.NO_LAYERS.with_provided(fits).effective == fits
    over = c.accept(filling(CLAIMS_BYTES + 1))
    for act in (c.NO_LAYERS.merged, c.NO_LAYERS.with_provided):
        with pytest.raises(ClaimsRefused, match=r"1201 bytes as JSON, and 1200 are allowed"):
            act(over)


def test_bytes_are_counted_as_utf_8():
    claims = c.accept({"a": "é" * 596})
    assert c.size(claims) == 8 + 2 * 596
    assert c.NO_LAYERS.merged(claims)
    with pytest.raises(ClaimsRefused):
        c.NO_LAYERS.merged(c.accept({"a": "é" * 597}))


def test_the_largest_claims_are_listed_the_biggest_first():
    given = c.accept({"small": 1, "big": "x" * 900, "middle": "x" * 300, "little": "x" * 10})
    with pytest.raises(ClaimsRefused, match=r"'big' \(908 bytes\), 'middle'") as caught:
        c.NO_LAYERS.merged(given)
    assert caught.value.code == "claims-too-large"
    assert caught.value.names == ("big", "middle", "little")
    assert "xxx" not in str(caught.value)


def test_removed_names_have_a_budget_too():
    marks = {f"name{number:04}": None for number in range(LAYER_BYTES // 16 - 1)}
    built = c.NO_LAYERS.merged(c.accept(marks))
    assert built.effective == {}
    with pytest.raises(ClaimsRefused, match="removed names"):
        built.merged(c.accept({f"other{number:04}": None for number in range(20)}))
    with pytest.raises(ClaimsRefused, match="provided claims"):
        c.NO_LAYERS.with_provided(c.accept({f"name{n:05}": None for n in range(400)}))
