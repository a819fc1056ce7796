"""The providers and the sites. Without Node.js or its packages the tests skip, and say how."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.provider.oidc import OidcProvider, why_not
from tests.provider.sites import Site

#: (framework, issuer) -> a running site.
Start = Callable[[str, str], Site]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = why_not()
    if missing is not None:
        pytest.skip(missing)  # here, not in a fixture: so it is one line for all


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    """Whose keys stay."""
    with OidcProvider(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def rotating(tmp_path: Path) -> Iterator[OidcProvider]:
    """One of the test's own, to rotate and to end."""
    with OidcProvider(tmp_path) as running:
        yield running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts sites that end with the test."""
    with contextlib.ExitStack() as sites:
        yield lambda framework, issuer: sites.enter_context(Site(framework, issuer, tmp_path))
