"""The language's page says of every shortcode what it gives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from flask_session_claims.sessions.savedrecords import NAMED_BYTES
from flask_session_claims.sessions.templates import compiling
from flask_session_claims.sessions.templates.compiling import compile_template
from flask_session_claims.sessions.templates.located import MAX_DEPTH
from flask_session_claims.sessions.templates.options import LIFETIMES, MAX_SKEW
from flask_session_claims.sessions.templates.rendering import render
from flask_session_claims.sessions.templates.shortcodes import SHORTCODES

PAGE = Path(__file__).parents[2].joinpath("docs", "template-language.md").read_text("utf-8")
ROWS = re.findall(r"^\| `(\{\{(.+?)\}\})` \| (.+?) \| `(.+)` \|$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def maria():
    """The page's own subject, out of its hidden block."""
    block = re.search(r"<!--- invisible-code-block: python\n(.*?)--->", PAGE, re.DOTALL)
    assert block is not None
    space: dict = {}
    exec(block[1], space)  # noqa: S102
    return space["maria"]


@pytest.mark.parametrize(("text", "name", "kind", "given"), ROWS, ids=[row[1] for row in ROWS])
def test_each_row_is_true(text, name, kind, given, maria):
    claim = render(compile_template({"x": text}), maria)["x"]
    assert claim == json.loads(given)
    if claim is None:
        assert "null" in kind or kind == "anything"


def test_no_shortcode_is_left_out():
    assert set(SHORTCODES) <= {name for _, name, _, _ in ROWS}


@pytest.mark.parametrize(
    "bound",
    [
        f"| text of a template | {compiling.TEMPLATE_BYTES:,} bytes |",
        f"| one text in it | {compiling.TEXT_BYTES:,} bytes |",
        f"| objects and arrays in one another | {MAX_DEPTH} |",
        f"| members of an object, items of an array | {compiling.MAX_MEMBERS} |",
        f"| look-ups, each operand of `\\|\\|` counted | {compiling.MAX_LOOKUPS} |",
        f"| the rendered claims | {compiling.CLAIMS_BYTES:,} bytes as compact JSON |",
        f"| … of a named template | {NAMED_BYTES:,} bytes |",
        f"lives, {LIFETIMES[0]} to {LIFETIMES[1]:,} | 60 |",
        f"for slow clocks, 0 to {MAX_SKEW} | 5 |",
    ],
)
def test_the_bounds_are_those_of_the_code(bound):
    assert bound in PAGE
