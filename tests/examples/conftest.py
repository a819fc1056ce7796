"""The demo, running, for every file that clicks through it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.examples.demo import DEMO, TOKEN, Demo, Person
from tests.examples.servers import browser, free_port, serving


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    work, port = tmp_path_factory.mktemp("demo"), free_port()
    environment = {"PORT": str(port), "DEMO_FOLDER": str(work / "instance")}
    made = Demo(f"http://127.0.0.1:{port}", environment, work / "output.txt", work / "instance")
    with serving([DEMO], environment, port, made.output, work):
        yield made
    assert not TOKEN.search(made.said())


@pytest.fixture
def person(demo: Demo) -> Iterator[Callable[[], Person]]:
    """Makes people, each with a browser of their own."""
    made: list[Person] = []
    with contextlib.ExitStack() as browsers:

        def make() -> Person:
            made.append(Person(browsers.enter_context(browser()), demo.url))
            return made[-1]

        yield make
        for someone in made:
            _ = someone.send("/devices/others/sign-out")
            _ = someone.send("/auth/signout")
