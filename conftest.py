"""What holds for every test: where CI is set, a test that needs a service is never skipped."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("CI") and item.get_closest_marker("needs_service"):
        report.outcome = "failed"
        report.longrepr = f"skipped though CI is set: {report.longrepr}"
    return report
