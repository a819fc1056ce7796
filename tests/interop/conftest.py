"""Issuers and verifiers. Where some of these are missing the tests skip, and say what."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.issuer import OwnIssuer
from tests.interop.verifiers import Npm, why_not


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = why_not(clerk="clerk" in getattr(item, "fixturenames", ()))
    if missing is not None:
        pytest.skip(missing)  # here, not in a fixture: so it is one line for all


@pytest.fixture(scope="module")
def npm() -> Iterator[Npm]:
    with Npm() as running:
        yield running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., OwnIssuer]]:
    """Starts issuers with such settings; each has its own store and ends with the test."""
    with contextlib.ExitStack() as issuers:
        count = iter(range(100))

        def begin(**settings: Any) -> OwnIssuer:
            return issuers.enter_context(OwnIssuer(tmp_path / f"issuer{next(count)}", **settings))

        yield begin
