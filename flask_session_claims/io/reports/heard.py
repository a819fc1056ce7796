"""What the key log says meanwhile: it alone is told why a fetch failed."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from ..logs import logger


class Heard(logging.Handler):
    """The warnings of a fetch, each once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._failures: dict[str, None] = {}
        self._notes: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        failed = getattr(record, "event", "") == "keys-failed"
        data = getattr(record, "session_claims", {})
        (self._failures if failed else self._notes)[str(data.get("problem", ""))] = None

    @property
    def failure(self) -> str | None:
        """Why the key set could not be fetched, if it could not."""
        return "; ".join(self._failures) or None

    @property
    def notes(self) -> tuple[str, ...]:
        """Why entries of the key set are not used."""
        return tuple(self._notes)


@contextmanager
def listening() -> Generator[Heard]:
    heard = Heard()
    logger.addHandler(heard)
    try:
        yield heard
    finally:
        logger.removeHandler(heard)
