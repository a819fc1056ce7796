"""Metadata: what merging gives, what may be given, and the budget to the byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_session_claims import ConfigurationError
from flask_session_claims.core.jsontext import FrozenDict, FrozenList, parse_object
from flask_session_claims.directory.faults import DirectoryError
from flask_session_claims.directory.metadata import METADATA_BYTES, accept, merge, replace_with
from flask_session_claims.sessions.claims import encode

from .hall import furnished


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({}, {}, {}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({}, {"a": None}, {}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 9}}, {"a": {"b": 9, "c": 2}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": None}, {}),
        ({"a": {"b": {"c": {"d": 1, "e": 2}}}}, {"a": {"b": {"c": {"d": None}}}},
         {"a": {"b": {"c": {"e": 2}}}}),
        ({}, {"a": {"b": {"c": None, "d": 1}}}, {"a": {"b": {"d": 1}}}),
        ({}, {"a": {"b": None}}, {"a": {}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1}}, {"a": [3]}, {"a": [3]}),
        ({"a": [1]}, {"a": {"b": 1, "c": None}}, {"a": {"b": 1}}),
        ({"a": "text"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": "text"}, {"a": "text"}),
        ({"a": 1}, {"a": {}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}),
        ({"a": 1}, {"a": [None, {"b": None}]}, {"a": [None, {"b": None}]}),
        ({"a": 1}, {"a": True}, {"a": True}),
        ({"": 1}, {"": None, " ": 2}, {" ": 2}),
        ({"__proto__": {"a": 1}}, {"__proto__": {"b": 2}}, {"__proto__": {"a": 1, "b": 2}}),
    ],
)  # fmt: skip
def test_what_merging_gives(target, patch, result):
    before = encode(accept(target, "target"))
    merged = merge(accept(target, "target"), accept(patch, "patch"))
    assert json.dumps(merged, sort_keys=True) == json.dumps(result, sort_keys=True)
    assert encode(accept(target, "target")) == before


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=4)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.one_of(st.sampled_from("abcd"), texts), values, max_size=4)
relaxed = settings(max_examples=200, deadline=None)


def frozen(value):
    """Whether all of it is frozen."""
    if isinstance(value, dict):
        return type(value) is FrozenDict and all(map(frozen, value.values()))
    if isinstance(value, (list, tuple)):
        return type(value) is FrozenList and all(map(frozen, value))
    return True


def nulls(value):
    """Paths to names with None, outside lists."""
    return [
        (name, *rest)
        for name, member in value.items()
        for rest in ([()] if member is None else nulls(member) if isinstance(member, dict) else [])
    ]


def at(value, path):
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return "nothing"
        value = value[name]
    return value


@relaxed
@given(objects, objects)
def test_merging_keeps_its_laws(one, two):
    target, patch = replace_with(FrozenDict(), accept(one, "a")), accept(two, "b")
    merged = merge(target, patch)
    assert encode(merge(merged, patch)) == encode(merged), "again it changes nothing"
    assert encode(merge(merged, FrozenDict())) == encode(merged)
    assert nulls(merged) == []
    for path in nulls(patch):
        assert at(merged, path) == "nothing", "None removes"
    for name, value in patch.items():
        if value is not None and not isinstance(value, dict):
            assert json.dumps(merged[name]) == json.dumps(value)
        elif isinstance(value, dict):
            inner = target.get(name)
            inner = inner if isinstance(inner, dict) else FrozenDict()
            assert json.dumps(merged[name]) == json.dumps(merge(inner, value))
    for name, value in target.items():
        if name not in patch:
            assert json.dumps(merged[name]) == json.dumps(value), "nobody asked for it"
    assert set(merged) <= {*target, *patch}
    assert encode(parse_object(encode(merged))) == encode(merged), "strict JSON"
    assert frozen(merged)


# --- what may be given --------------------------------------------------------------------


def nested(depth):
    value = "leaf"
    for _ in range(depth):
        value = [value]
    return {"a": value}


circle: dict = {}
circle["me"] = circle


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"a": float("nan")}, "public\\['a'\\] is nan"),
        ({"a": [float("inf")]}, "JSON does not have"),
        ({"a": {1, 2}}, "of type set"),
        ({"a": b"x"}, "of type bytes"),
        ({"a": object()}, "of type object"),
        ({1: "a"}, "of type int"),
        ({"a": {None: 1}}, "of type NoneType"),
        ({"a": 2**64}, "64 bits"),
        ({"a": -(2**63) - 1}, "64 bits"),
        ({"a": "\ud800"}, "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        (nested(17), "nested"),
        (circle, "nested"),
    ],
)
def test_what_is_no_json_is_refused_by_every_act(bad, said):
    hall = furnished()
    hall.add_member("acme", "ada", "org:member")
    hall.entries()
    before = hall.everything()
    calls = [
        *((act, ("ada",)) for act in ("update_user_metadata", "replace_user_metadata")),
        *((act, ("acme",)) for act in (
            "update_organization_metadata", "replace_organization_metadata")),
        *((act, ("acme", "ada")) for act in ("update_member_metadata", "replace_member_metadata")),
    ]  # fmt: skip
    for act, ids in calls:
        with pytest.raises(DirectoryError, match=said) as refused:
            getattr(hall, act)(*ids, public=bad)
        assert (refused.value.code, refused.value.status) == ("metadata-invalid", 400)
    for act, ids in (
        ("create_user", ("eve",)),
        ("put_user", ("ada",)),
        ("create_organization", ("New",)),
        ("add_member", ("acme", "bob", "org:member")),
    ):
        with pytest.raises(DirectoryError, match=said.replace("public", "private_metadata")):
            getattr(hall, act)(*ids, private_metadata=bad)
    assert (hall.everything(), hall.entries(), hall.news()) == (before, [], [])


@pytest.mark.parametrize("bad", ["text", [("a", 1)], 7, b"{}", True])
@pytest.mark.parametrize("kind", ["public", "private", "unsafe"])
def test_what_is_no_mapping_is_the_developers_mistake(bad, kind):
    hall = furnished()
    with pytest.raises(ConfigurationError, match=f"^{kind} must be a mapping"):
        hall.update_user_metadata("ada", **{kind: bad})
    with pytest.raises(ConfigurationError, match=f"^{kind}_metadata must be a mapping"):
        hall.put_user("ada", **{f"{kind}_metadata": bad})


def test_metadata_that_was_given_by_nobody_is_asked_for():
    hall = furnished()
    hall.add_member("acme", "ada", "org:member")
    for act, ids in (
        ("update_user_metadata", ("ada",)),
        ("replace_user_metadata", ("ada",)),
        ("update_organization_metadata", ("acme",)),
        ("replace_member_metadata", ("acme", "ada")),
    ):
        with pytest.raises(ConfigurationError, match="give public"):
            getattr(hall, act)(*ids)


@pytest.mark.parametrize(
    "odd", ["\0", "\x1f\x7f", "\u2028", "e\u0301", "é", "\U0010ffff", "﷽", '"\\']
)
def test_odd_text_comes_back_as_it_was(hall, odd):
    hall.update_user_metadata("ada", public={odd: [odd]}, private={"x" + odd: odd})
    user = hall.get_user("ada")
    assert user.public_metadata == {odd: [odd]}
    assert user.private_metadata == {"x" + odd: odd}


# --- the budget ---------------------------------------------------------------------------


def of_bytes(count, name="a", letter="x"):
    """Metadata of so many bytes."""
    letters, rest = divmod(count - len(encode({name: ""})), len(letter.encode()))
    return {name: letter * letters + "x" * rest}


@pytest.mark.parametrize("letter", ["x", "ü", "😀"])
def test_each_kind_fits_to_the_byte(hall, letter):
    full = of_bytes(METADATA_BYTES, letter=letter, name="abcd")
    assert len(encode(full)) == METADATA_BYTES == 8192
    assert hall.update_user_metadata("ada", public=full, private=full, unsafe=full)
    hall.update_organization_metadata("acme", public=full, private=full)
    hall.add_member("acme", "ada", "org:member", public_metadata=full, private_metadata=full)
    for entry in (
        hall.get_user("ada"), hall.get_organization("acme"), hall.get_member("acme", "ada")
    ):  # fmt: skip
        assert entry.public_metadata == entry.private_metadata == full


def test_one_byte_more_is_refused_and_says_what_is_large():
    hall = furnished()
    hall.add_member("acme", "ada", "org:member")
    hall.entries()
    over = of_bytes(METADATA_BYTES + 1, name="largest")
    assert len(encode(over)) == METADATA_BYTES + 1
    calls = [
        lambda: hall.create_user("eve", unsafe_metadata=over),
        lambda: hall.put_user("eve", unsafe_metadata=over),
        lambda: hall.create_organization("New", org_id="new", public_metadata=over),
        lambda: hall.add_member("acme", "bob", "org:member", private_metadata=over),
    ]
    for act in ("update", "replace"):
        calls += [
            lambda act=act: getattr(hall, f"{act}_user_metadata")("ada", private=over),
            lambda act=act: getattr(hall, f"{act}_organization_metadata")("acme", public=over),
            lambda act=act: getattr(hall, f"{act}_member_metadata")("acme", "ada", private=over),
        ]
    for call in calls:
        with pytest.raises(DirectoryError, match=r"8193 bytes.* 8192.*'largest' \(") as refused:
            call()
        assert (refused.value.code, refused.value.status) == ("metadata-too-large", 400)
        assert "xxx" not in refused.value.message
    assert hall.get_user("eve") is None
    assert hall.get_organization("new") is None
    assert hall.get_member("acme", "bob") is None
    assert hall.get_user("ada").private_metadata == {}
    assert hall.entries() == []


def test_what_counts_is_the_result_of_merging():
    hall = furnished()
    hall.update_user_metadata("ada", public=of_bytes(5000, "a"))
    with pytest.raises(DirectoryError, match="public_metadata would take"):
        hall.update_user_metadata("ada", public=of_bytes(5000, "b"))
    swapped = hall.update_user_metadata("ada", public={**of_bytes(5000, "b"), "a": None})
    assert list(swapped.public_metadata) == ["b"]
    many = {f"gone{number}": None for number in range(2000)}
    assert hall.update_user_metadata("ada", public=many) == swapped
