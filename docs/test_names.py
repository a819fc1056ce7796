"""Every public name has an example: it stands in a python block of some page."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from supertokens_calls import CLAIMS, CONTAINER, FUNCTIONS, RECIPES, SETUP, Row

HERE = Path(__file__).parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shown(*pages: str) -> set[str]:
    """The words in the visible python blocks of some pages; of all, if none is named."""
    paths = [HERE / page for page in pages] or [*HERE.glob("*.md")]
    blocks = [block for path in paths for block in BLOCK.findall(path.read_text("utf-8"))]
    return set(re.findall(r"\w+", "\n".join(blocks)))


@pytest.mark.parametrize(
    "package",
    [
        "flask_session_claims",
        "flask_session_claims.testing",
        "quart_session_claims",
        "django_session_claims",
    ],
)
def test_every_public_name_has_an_example(package: str) -> None:
    assert set(import_module(package).__all__) - shown() == set()


@pytest.mark.parametrize("package", ["quart_session_claims", "django_session_claims"])
def test_an_adapters_own_page_shows_its_vocabulary(package: str) -> None:
    module = import_module(package)
    shared = set(import_module("flask_session_claims.core.errors").__dict__) | {"RequestAuth"}
    page = f"{package.partition('_')[0]}.md"
    assert set(module.__all__) - shared - shown(page) == set()


def test_every_page_is_reached_from_the_index() -> None:
    index = (HERE / "index.md").read_text("utf-8")
    listed = set(index.partition("```{toctree}")[2].split())
    assert {page.stem for page in HERE.glob("*.md")} - {"index"} <= listed


@pytest.mark.parametrize(
    "row",
    [*FUNCTIONS, *CONTAINER, *CLAIMS, *RECIPES, *SETUP],
    ids=lambda row: row.theirs[:40],
)
def test_the_test_that_a_row_names_exists(row: Row) -> None:
    flow = HERE.parent / "tests" / "adapters" / "flask" / "test_supertokens_flow.py"
    assert not row.test or f"def test_{row.test}(" in flow.read_text("utf-8")
