"""The browser and the site. Without Chromium or Playwright the tests skip, and say how."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.server import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Playwright

#: Opens a browser of its own, with its own cookies.
Open = Callable[[], "BrowserContext"]
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def why_not() -> str | None:
    """What is missing to run the browser; None: nothing."""
    for name in ("playwright", "flask_cors", "quart_cors", "corsheaders"):
        if importlib.util.find_spec(name) is None:
            return f"the Python package {name} is missing: run `pip install --group browser`"
    if chromium() is None:
        return "Chromium is missing: install it (Debian: `apt-get install chromium`)"
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = why_not()
    if missing is not None:
        pytest.skip(missing)  # here, not in a fixture: so it is one line for all


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = playwright.chromium.launch(executable_path=chromium())
    yield launched
    launched.close()


@pytest.fixture
def people(browser: Browser) -> Iterator[Open]:
    """Opens browsers that run no scripts and close with the test."""
    with ExitStack() as closing:

        def begin() -> BrowserContext:
            context = browser.new_context(java_script_enabled=False)
            closing.callback(context.close)
            context.set_default_timeout(15_000)
            return context

        yield begin


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture
def real_cookies(tmp_path: Path) -> Iterator[Site]:
    """The site with the cookies it has in production."""
    with Site(tmp_path, dev_cookies=False) as running:
        yield running
