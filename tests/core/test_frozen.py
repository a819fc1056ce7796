"""Frozen JSON values, and the strict readers of JSON and base64url that make them."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import time
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_session_claims.core.jsontext import (
    MAX_DEPTH,
    FrozenDict,
    FrozenList,
    b64url_decode,
    freeze,
    parse_object,
)
from flask_session_claims.testing.keys import b64url

PLAIN = {"a": 1, "list": [1, [2, {"deep": [3]}]], "map": {"b": [], "c": {}}, "none": None}
TEXT = json.dumps(PLAIN).encode()

DICT_MUTATORS = {
    "__setitem__": ("a", 2),
    "__delitem__": ("a",),
    "__ior__": ({"a": 2},),
    "clear": (),
    "pop": ("a",),
    "popitem": (),
    "setdefault": ("z", 2),
    "update": ({"a": 2},),
}
LIST_MUTATORS = {
    "__setitem__": (0, 2),
    "__delitem__": (0,),
    "__iadd__": ([2],),
    "__imul__": (2,),
    "append": (2,),
    "clear": (),
    "extend": ([2],),
    "insert": (0, 2),
    "pop": (),
    "remove": (3,),
    "reverse": (),
    "sort": (),
}


def containers(value: object):
    """Every dict and list in a value, itself included."""
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from containers(member)
    elif isinstance(value, list):
        yield value
        for item in value:
            yield from containers(item)


def all_frozen(value: object) -> bool:
    return all(type(each) in (FrozenDict, FrozenList) for each in containers(value))


# Frozen


def test_the_tables_have_every_mutator():
    assert set(DICT_MUTATORS) >= (
        set(dir(dict)) - set(dir(types.MappingProxyType)) - {"fromkeys"}  # makes a new one
    )
    assert set(LIST_MUTATORS) >= set(dir(list)) - set(dir(tuple)) - {"copy", "__reversed__"}


@pytest.mark.parametrize("name", DICT_MUTATORS)
def test_no_dict_mutator_works(name):
    value = FrozenDict(a=1)
    with pytest.raises(TypeError, match="frozen"):
        getattr(value, name)(*DICT_MUTATORS[name])
    assert value == {"a": 1}


@pytest.mark.parametrize("name", LIST_MUTATORS)
def test_no_list_mutator_works(name):
    value = FrozenList([3, 1])
    with pytest.raises(TypeError, match="frozen"):
        getattr(value, name)(*LIST_MUTATORS[name])
    assert value == [3, 1]


def test_statements_do_not_change_them_either():
    members, items = FrozenDict(a=1), FrozenList([1])
    with pytest.raises(TypeError, match="frozen"):
        members["a"] = 2
    with pytest.raises(TypeError, match="frozen"):
        del members["a"]
    with pytest.raises(TypeError, match="frozen"):
        members |= {"b": 2}
    with pytest.raises(TypeError, match="frozen"):
        items[:] = []
    with pytest.raises(TypeError, match="frozen"):
        items += [2]
    with pytest.raises(TypeError, match="frozen"):
        items *= 2
    with pytest.raises(AttributeError):
        members.extra = 1
    with pytest.raises(AttributeError):
        items.extra = 1
    assert (members, items) == ({"a": 1}, [1])


@pytest.mark.parametrize("value", [parse_object(TEXT), freeze(PLAIN)], ids=["parsed", "frozen"])
def test_they_are_like_plain_ones(value):
    assert value == PLAIN
    assert value == PLAIN
    assert isinstance(value, dict)
    assert isinstance(value["list"], list)
    assert list(value) == list(PLAIN)
    assert json.dumps(value) == json.dumps(PLAIN)
    assert json.dumps(value, indent=1, sort_keys=True) == json.dumps(
        PLAIN, indent=1, sort_keys=True
    )
    assert repr(value) == repr(PLAIN)
    assert {**value} == PLAIN
    assert [*value["list"]] == PLAIN["list"]


def test_they_are_frozen_to_the_leaves():
    for text in (TEXT, b'{"a":[[[]],[{"b":[{}]}]]}', b'{"a":[]}', b'{"a":{"b":{"c":[[1]]}}}'):
        value = parse_object(text)
        assert value == json.loads(text)
        assert len(list(containers(value))) > 1
        assert all_frozen(value)
        assert all_frozen(freeze(json.loads(text)))
    with pytest.raises(TypeError, match="frozen"):
        parse_object(TEXT)["list"][1][1]["deep"].append(4)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_comes_back_frozen(protocol):
    value = parse_object(TEXT)
    back = pickle.loads(pickle.dumps(value, protocol))  # noqa: S301 (made here)
    assert back == PLAIN
    assert all_frozen(back)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: value.copy()])
def test_copies_stay_frozen(copied):
    value = parse_object(TEXT)
    for each in (value, value["list"]):
        again = copied(each)
        assert again == each
        assert type(again) is type(each)
        assert all_frozen(again)


def test_plain_copies_can_be_made():
    value = parse_object(TEXT)
    mine = dict(value)
    mine["a"] = 2
    assert value["a"] == 1


def test_equal_ones_have_equal_hashes():
    value, again = parse_object(TEXT), parse_object(json.dumps(PLAIN, indent=2).encode())
    turned = parse_object(json.dumps(dict(reversed(PLAIN.items()))).encode())
    assert hash(value) == hash(again) == hash(turned)
    assert len({value, again, turned}) == 1
    assert hash(value["list"]) == hash(again["list"])
    assert len({value["list"], again["list"], value["map"]["b"]}) == 2


# JSON

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(max_size=6), JSON, max_size=5)


@settings(max_examples=200, deadline=None)
@given(value=OBJECTS, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_json_comes_back(value, ascii_only, indent):
    parsed = parse_object(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode())
    assert parsed == value
    assert all_frozen(parsed)
    assert json.dumps(parsed) == json.dumps(value)
    assert freeze(value) == parsed
    assert hash(parsed) == hash(freeze(value))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text('{}[]",:\\u0dD8e1-.nul tru', max_size=40).map(str.encode))
def test_whatever_is_read_is_what_json_reads(data):
    try:
        parsed = parse_object(data)
    except ValueError:
        return
    assert parsed == json.loads(data)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"[]",
        b"null",
        b'"text"',
        b"1",
        b"{",
        b"{}}",
        b"{}{}",
        b"{} x",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'{"x":{"a":1,"a":2}}',
        b'{"x":[{"a":1,"a":2}]}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":-1e999}',
        b'{"a":01}',
        b'{"a":' + b"1" * 5000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"a":"\\uDFFF x"}',
        b'{"\\ud800":1}',
        b'{"a":["\\udc00\\ud800"]}',
        b'{"a":"\n"}',
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        '{"a":1}'.encode("utf-16"),
        b"\x00{}",
        b"\xc2\xa0{}",
    ],
)
def test_what_is_not_one_strict_object_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_object(text)


def test_a_surrogate_pair_is_one_character():
    assert parse_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}
    assert parse_object(b' \t\r\n{"a":"\\\\ud800"}\n') == {"a": "\\ud800"}


def nested(depth: int, kind: str) -> bytes:
    if kind == "objects":
        text = '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)
    elif kind == "arrays":
        text = '{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"
    else:
        pairs, odd = divmod(depth - 1, 2)
        text = '{"a":' + '[{"a":' * pairs + ("[]" if odd else "1") + "}]" * pairs + "}"
    return text.encode()


@pytest.mark.parametrize("kind", ["objects", "arrays", "both"])
def test_the_depth_is_bounded(kind):
    value = parse_object(nested(MAX_DEPTH, kind))
    assert value == json.loads(nested(64, kind))
    assert all_frozen(value)
    for depth in (65, 66, 200, 5000):
        with pytest.raises(ValueError, match="deep"):
            parse_object(nested(depth, kind))


def test_brackets_that_nest_nothing_do_not_count():
    wide = {"text": "[{" * 500, '"[{': ["}]"] * 500, "list": [[]] * 500, "quoted": '\\"[' * 500}
    assert parse_object(json.dumps(wide).encode()) == wide


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":"' + b"[" * 200_000,
        b"{" * 100 + b'"' + b"\\" * 200_001,
        b"{" * 100 + b'"' + b'\\"' * 100_000,
        b"{" * 100 + b'"' * 200_001,
        b"[" * 100 + b'"x' * 100_001,
        b"{" * 200_000,
        b'{"a":' * 50_000,
    ],
    ids=["brackets", "backslashes", "escaped", "quotes", "pairs", "braces", "members"],
)
def test_unclosed_text_is_refused_at_once(text):
    began = time.perf_counter()
    with pytest.raises(ValueError, match=r"."):
        parse_object(text)
    assert time.perf_counter() - began < 1


# base64url

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_bytes_come_back(data):
    assert b64url_decode(b64url(data).encode()) == data


@settings(max_examples=300, deadline=None)
@given(st.text(ALPHABET, max_size=9) | st.text(ALPHABET + "=+/. \n\x00", max_size=6))
def test_bytes_have_one_spelling(text):
    """What is taken is the one text that these bytes encode to; and that one is taken."""
    padded = text + "=" * (-len(text) % 4)
    if set(text) <= set(ALPHABET) and len(text) % 4 != 1:
        expected = base64.urlsafe_b64decode(padded)
        if b64url(expected) == text:
            assert b64url_decode(text.encode()) == expected
            return
    with pytest.raises(ValueError, match=r"."):
        b64url_decode(text.encode())


@pytest.mark.parametrize("last", ALPHABET)
def test_unused_bits_are_zero(last):
    for head, unused in (("A", 4), ("AA", 2)):
        text = (head + last).encode()
        if ALPHABET.index(last) % 2**unused:
            with pytest.raises(ValueError, match="canonical"):
                b64url_decode(text)
        else:
            assert b64url(b64url_decode(text)).encode() == text


@pytest.mark.parametrize("text", ["A", "AAAAA", "QQ==", "Q Q", "QQ\n", "+A", "/w", "A.A", "Ä"])
def test_what_is_not_base64url_is_refused(text):
    with pytest.raises(ValueError, match="base64url"):
        b64url_decode(text.encode())
