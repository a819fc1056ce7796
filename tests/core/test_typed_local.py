"""`claims_as` where annotations are objects, not text: types local to a function may meet."""

import sys
import textwrap
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest

from flask_session_claims import Auth, ClaimError, ConfigurationError


def auth_of(**claims: Any) -> Auth:
    return Auth(is_authenticated=True, user_id="u", reason=None, session_claims=claims)


def test_local_types_name_each_other() -> None:
    @dataclass
    class Address:
        city: str

    class Place(TypedDict):
        address: Address

    @dataclass
    class Claims:
        place: Place
        others: list["Address"]  # text is looked up in the module

    with pytest.raises(ConfigurationError, match="the name 'Address' is not known"):
        auth_of().claims_as(Claims)

    @dataclass
    class Fitting:
        place: Place
        others: list[Address]

    made = auth_of(place={"address": {"city": "R"}}, others=[{"city": "S"}]).claims_as(Fitting)
    assert made == Fitting({"address": Address("R")}, [Address("S")])


@dataclass
class Node:
    name: str
    children: "list[Node] | None" = None
    deep: dict[str, list["Node"]] | None = None


def test_text_inside_an_annotation_is_looked_up() -> None:
    claims: dict[str, Any] = {"name": "a", "children": [{"name": "b"}], "deep": {"x": []}}
    assert auth_of(**claims).claims_as(Node) == Node("a", [Node("b")], {"x": []})
    with pytest.raises(ClaimError, match=r"The claim deep\[\*\]\[0\]\.name is int"):
        auth_of(name="a", deep={"x": [{"name": 1}]}).claims_as(Node)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 695 came with Python 3.12")
def test_type_statements(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "with_type_statements.py"
    module.write_text(
        textwrap.dedent("""\
            from dataclasses import dataclass

            type Json = str | int | list[Json] | dict[str, Json]
            type Pair[A] = tuple[A, A]

            @dataclass
            class Page[T]:
                items: "list[T]"
                json: Json
                pair: Pair[int]
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    import with_type_statements  # type: ignore[import-not-found]  # pyright: ignore

    page = with_type_statements.Page[int]
    claims: dict[str, Any] = {"items": [1], "json": ["a", {"b": [1]}], "pair": [1, 2]}
    made = auth_of(**claims).claims_as(page)
    assert (made.items, made.json, made.pair) == ([1], ["a", {"b": [1]}], (1, 2))
    for wrong, claim in [
        ({"items": ["1"]}, "items[0]"),
        ({"json": [1.5]}, "json"),
        ({"pair": [1, "2"]}, "pair[1]"),
    ]:
        with pytest.raises(ClaimError) as caught:
            auth_of(**{**claims, **wrong}).claims_as(page)
        assert caught.value.claim.startswith(claim)
