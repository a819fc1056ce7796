"""Fixtures of all adapter tests. Secrets in the log are looked for by the conftest above."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from flask_session_claims.testing import LocalIssuer, shared_key

from .sites import APP, usual_settings

ISSUER = "https://issuer.example"


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What this library logs from INFO up, tracebacks included."""
    records, ours = _Records(), logging.getLogger("flask_session_claims")
    ours.addHandler(records)
    yield records.texts
    ours.removeHandler(records)


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(ISSUER, key=shared_key("ES256"))


@pytest.fixture
def config(issuer: LocalIssuer) -> dict[str, Any]:
    """The usual settings, as Flask and Quart have them."""
    return {f"SESSION_CLAIMS_{name}": value for name, value in usual_settings(issuer).items()}


@pytest.fixture
def alice(issuer: LocalIssuer) -> dict[str, str]:
    """Her request headers."""
    return {"Authorization": f"Bearer {issuer.mint('alice', azp=APP)}"}


@pytest.fixture
def bob(issuer: LocalIssuer) -> dict[str, str]:
    """Those of an administrator."""
    return {"Authorization": f"Bearer {issuer.mint('bob', azp=APP, org_id='o', org_role='admin')}"}
