"""An app with templates and people, for the tests of `flask session-claims template`."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from flask_session_claims.io.runtime import Runtime
from flask_session_claims.io.templates import Templates
from flask_session_claims.sessions.saved import TemplateFlows
from flask_session_claims.testing import FrozenClock
from tests.templates.known_people import KnownPeople

from .cli import own_app

NAME = '{"name": "{{user.full_name}}"}'
#: Two problems and a look-up that gives null for good.
WRONG = (
    '{\n  "sub": "{{user.id}}",\n  "team": "{{organization.slug}}",\n  "nick": "{{user.nick}}"\n}'
)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def own(tmp_path: Path, clock: FrozenClock) -> tuple[Flask, Templates]:
    app, _ = own_app(tmp_path, clock=clock)
    return app, with_people(app, clock)


def with_people(app: Flask, clock: FrozenClock) -> Templates:
    """The app's templates, with a directory that knows somebody."""
    issuing = app.extensions["session_claims"].issuing
    flows = TemplateFlows(clock=clock)
    issuing.templates = Templates(flows, KnownPeople(), Runtime(issuing.handlers))
    return issuing.templates  # type: ignore[no-any-return]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "claims.json"
    path.write_text(NAME)
    return path
