"""What holds for every test, and the README's snippets.

Where CI is set, a test that needs a service is never skipped. Long forms of tests run where
FSC_LONG is set. A failure is told in the report even if a second attempt passes.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Generator
from typing import Any

import pytest

try:
    from sybil import Sybil
    from sybil.parsers.myst import PythonCodeBlockParser
except ImportError:  # only the environment of the docs has it
    pass
else:
    environment = pytest.MonkeyPatch()

    def begin(namespace: dict[str, Any]) -> None:
        """A module to be, where the README says that a Clerk key is set."""
        namespace["__name__"] = "__main__"
        instance = base64.b64encode(b"clerk.example.com$").decode()
        environment.setenv("CLERK_PUBLISHABLE_KEY", f"pk_live_{instance}")

    def end(namespace: dict[str, Any]) -> None:
        environment.undo()

    readme = Sybil([PythonCodeBlockParser()], pattern="README.md", setup=begin, teardown=end)
    pytest_collect_file = readme.pytest()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("FSC_LONG"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:  # a second attempt may pass, and shall not hide this one
        crash = getattr(report.longrepr, "reprcrash", None)
        why = getattr(crash, "message", None) or str(report.longrepr)
        item.user_properties.append(("failed", why.strip().partition("\n")[0]))
    if report.skipped and os.environ.get("CI") and item.get_closest_marker("needs_service"):
        report.outcome = "failed"
        report.longrepr = f"skipped though CI is set: {report.longrepr}"
    return report
