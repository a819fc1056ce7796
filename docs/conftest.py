"""Every python block of the documentation is run, page by page; a page is one namespace."""

from __future__ import annotations

import sys
from doctest import ELLIPSIS
from pathlib import Path
from typing import Any

from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser

sys.path.insert(0, str(Path(__file__).parent))  # what conf.py imports, for test_names.py


def setup(namespace: dict[str, Any]) -> None:
    namespace["__name__"] = "__main__"  # Flask(__name__) looks for a module


pages = Sybil([PythonCodeBlockParser(doctest_optionflags=ELLIPSIS)], pattern="*.md", setup=setup)
pytest_collect_file = pages.pytest()
