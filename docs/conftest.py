"""Every python block of the documentation is run, page by page; a page is one namespace."""

from __future__ import annotations

from doctest import ELLIPSIS
from typing import Any

from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser


def setup(namespace: dict[str, Any]) -> None:
    namespace["__name__"] = "__main__"  # Flask(__name__) looks for a module


pages = Sybil([PythonCodeBlockParser(doctest_optionflags=ELLIPSIS)], pattern="*.md", setup=setup)
pytest_collect_file = pages.pytest()
