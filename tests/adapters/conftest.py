"""For every adapter test: what is minted is remembered, and no log record may hold any of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from flask_session_claims.testing import LocalIssuer, minted_secrets, record_secrets, shared_key

ISSUER = "https://issuer.example"


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # With the traceback, and with what `extra` brought along.
        self.texts.append(f"{self.format(record)} {vars(record)!r}")


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[str]]:
    """Everything that is logged, from DEBUG up; afterwards searched for secrets."""
    records, root = _Records(), logging.getLogger()
    before = root.level
    with record_secrets():
        root.addHandler(records)
        root.setLevel(logging.DEBUG)
        try:
            yield records.texts
        finally:
            root.removeHandler(records)
            root.setLevel(before)
        secrets = minted_secrets()
        leaks = [text for text in records.texts if any(secret in text for secret in secrets)]
        assert not leaks, f"{len(leaks)} log records hold a token"


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(ISSUER, key=shared_key("ES256"))
