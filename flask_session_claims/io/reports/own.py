"""An app's own issuer, as a command finds it: its name, its verifier, what is missing yet."""

from __future__ import annotations

from pathlib import Path

from ...core.settings import VerifierSettings
from ...stores.memory import MemoryStore
from ...stores.sqlite import SqliteStore
from ..issuing import Issuing
from ..reading import Reading
from ..verifiers import Verifier


def settings_of(reading: Reading) -> VerifierSettings:
    """The settings as they were given: of an own issuer without the name that its store has."""
    issuing = reading.issuing
    return reading.settings if issuing is None else issuing.verifying(None)


def now_of(reading: Reading) -> float:
    """The time by the app's clock."""
    return reading.clock()


def verifier_of(reading: Reading) -> Verifier:
    """What judges tokens now.

    Raises:
        UnavailableError: the app is its own issuer, and its store cannot be had.
    """
    issuing = reading.issuing
    if issuing is None:
        return reading.verifier
    reading.open(issuing)
    return reading.verifier


def file_of(issuing: Issuing) -> Path | None:
    """The file of an SQLite store."""
    store = issuing.store
    return store.path if isinstance(store, SqliteStore) else None


def place_of(issuing: Issuing) -> str:
    """Where sessions are kept, without passwords; a file with its whole path."""
    path = file_of(issuing)
    return issuing.address() if path is None else f"sqlite:///{path}"


def absence(issuing: Issuing) -> str | None:
    """Why a command may find nothing in the store, where that lies in the store itself."""
    if isinstance(issuing.store, MemoryStore):
        return (
            "the store is the memory of this process: what a server has in its own is not seen"
            f" here; set {issuing.settings.label('store')}"
        )
    if issuing.run(issuing.issuer.opened()) is None or issuing.store.identity() is None:
        return f"there is no store yet at {place_of(issuing)}: nobody has signed in"
    return None
