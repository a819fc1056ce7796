"""Where records are kept: in memory, SQLite, PostgreSQL or Redis. Each store is one class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from ..core.errors import ConfigurationError

if TYPE_CHECKING:
    from ..sessions.records import RecordStore

_ALLOWED: Final = (
    'write "sqlite:///session_claims.db" (sqlite:////… for an absolute path),'
    ' "postgresql://user@host/database", "redis://host:6379/0", or "memory:" for tests.'
)
#: What SQLAlchemy, libpq and redis-py call them.
_POSTGRESQL: Final = ("postgresql", "postgres", "postgresql+psycopg")
_REDIS: Final = ("redis", "rediss", "unix")


def open_store(url: str, *, folder: Path | None = None, make_folder: bool = False) -> RecordStore:
    """The store that a URL names; nothing is opened or written yet.

    Args:
        folder: what a relative path is relative to; default: the current folder.
        make_folder: make the folder of the file when the store is first written to; of a
            relative path all that is missing.

    Raises:
        ConfigurationError: it names no store, or the file can never work where it is.
    """
    scheme, colon, rest = url.partition(":")
    if url == "memory:":
        from .memory import MemoryStore

        return MemoryStore()
    if scheme in _POSTGRESQL:
        from .postgresql import open_postgresql

        return open_postgresql(url)
    if scheme in _REDIS:
        from .redis import open_redis

        return open_redis(url)
    if scheme != "sqlite" or not colon:
        raise ConfigurationError(
            f"{shown(url)!r} names no kind of store that is known; {_ALLOWED}",
            code="store-url-invalid",
        )
    name = unquote(rest.removeprefix("///"))
    if not rest.startswith("///") or not name or name == ":memory:" or "\0" in name:
        raise ConfigurationError(
            f"{shown(url)!r} names no file; {_ALLOWED}", code="store-url-invalid"
        )
    if "?" in rest or "#" in rest:
        raise ConfigurationError(
            f"{shown(url)!r} has options, and there are none; write ? and # in a file's name as"
            " %3F and %23.",
            code="store-url-invalid",
        )
    from .sqlite import SqliteStore

    parents = make_folder and not Path(name).is_absolute()
    path = (folder or Path()) / name
    return SqliteStore(path, make_folder=make_folder, make_parents=parents)


def shown(url: str) -> str:
    """A store's URL without the password and the options, as a message may show it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return url.partition(":")[0] + ":…"
    if not parts.netloc:  # put together again, it would have lost the slashes
        return url.partition("?")[0]
    if "@" in parts.netloc:
        host = f"{parts.username or ''}@{host}"
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))
