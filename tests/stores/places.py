"""Fresh, empty places for a store, by kind: where suites begin that run over every store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from . import postgresql_server, redis_server

#: Stores that several processes can share; each is marked as what it needs.
SHARED = (
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.needs_service),
    pytest.param("redis", marks=pytest.mark.needs_service),
)
KINDS = ("memory", *SHARED)


def rounds_of(few: int, many: int, kinds: Iterable[Any] = SHARED) -> list[Any]:
    """(kind, rounds): a few in each, and the long form with many."""
    found = []
    for kind in kinds:
        name, marks = (kind, ()) if isinstance(kind, str) else (kind.values[0], kind.marks)
        found.append(pytest.param(name, few, marks=marks))
        found.append(pytest.param(name, many, marks=[*marks, pytest.mark.long]))
    return found


def fresh_url(kind: str, folder: Path) -> str:
    """The URL of a store that nothing was ever written to."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/store.db"
    if kind == "postgresql":
        return postgresql_server.fresh_url(timeout=30)
    if kind == "redis":
        return redis_server.fresh_url(timeout=30)
    return "memory:"


def integrity(url: str) -> str:
    """What the database itself says of what it holds; "ok" where it has no such word."""
    if not url.startswith("sqlite:"):
        return "ok"
    raw = sqlite3.connect(urlsplit(url).path)
    try:
        return str(raw.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        raw.close()
