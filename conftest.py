"""What holds for every test, and the README's snippets.

Where CI is set, a test that needs a service is never skipped.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

try:
    from sybil import Sybil
    from sybil.parsers.myst import PythonCodeBlockParser, SkipParser
except ImportError:  # only the environment of the docs has it
    pass
else:
    readme = Sybil([PythonCodeBlockParser(), SkipParser()], pattern="README.md")
    pytest_collect_file = readme.pytest()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("CI") and item.get_closest_marker("needs_service"):
        report.outcome = "failed"
        report.longrepr = f"skipped though CI is set: {report.longrepr}"
    return report
