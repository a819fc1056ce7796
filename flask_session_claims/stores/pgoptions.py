"""What a PostgreSQL store is opened with: a URL and its options, or an app's own engine."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine

from ..core.errors import ConfigurationError
from . import shown

#: Options of a URL that are not libpq's.
_OPTIONS: Final = ("pool_size", "schema", "timeout")
_PORTS: Final = re.compile(r"[0-9]*(,[0-9]*)*")


def split_options(url: str) -> tuple[str, Mapping[str, str]]:
    """A URL without our own options, and those."""
    parts = _parts(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    others = [(name, value) for name, value in pairs if name not in _OPTIONS]
    query = urlencode(others, quote_via=quote)  # libpq takes a + as it stands
    plain = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
    return plain, {name: value for name, value in pairs if name in _OPTIONS}


def number(
    options: Mapping[str, str], name: str, default: float, least: float, most: float
) -> float:
    text = options.get(name)
    if text is None:
        return default
    try:
        value = float(text) if isinstance(default, float) else int(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise ConfigurationError(
            f"the store's option {name} is a number from {least:g} to {most:g}, not {text!r}.",
            code="store-option-invalid",
        )
    return value


def params(url: str) -> Mapping[str, Any]:
    """What libpq makes of a URL."""
    parts = _parts(url)
    known = {keyword.keyword.decode() for keyword in psycopg.pq.Conninfo.get_defaults()}
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known and name != "ssl":
            raise ConfigurationError(
                f"the store {shown(url)} has the option {name!r}, which is neither one of"
                f" the store's URL ({', '.join(_OPTIONS)}) nor one of libpq (sslmode, …).",
                code="store-option-invalid",
            )
    try:
        found = conninfo_to_dict(urlunsplit(("postgresql", *parts[1:])))
    except psycopg.Error:  # what libpq says may repeat the password
        raise _unreadable(url) from None
    if not _PORTS.fullmatch(str(found.get("port", ""))):
        raise _unreadable(url)
    return found


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise _unreadable(url) from None


def _unreadable(url: str) -> ConfigurationError:
    return ConfigurationError(
        f"the store {shown(url)} is no URL that libpq can read; write"
        ' "postgresql://user:password@host:5432/database?sslmode=require", with what is special'
        " in its parts percent-encoded.",
        code="store-url-invalid",
    )


def checked(engine: object) -> Engine:
    if isinstance(engine, Engine):
        dialect = engine.dialect
        if (dialect.name, dialect.driver, dialect.is_async) == ("postgresql", "psycopg", False):
            return engine
    raise ConfigurationError(
        f"a store takes an engine of postgresql+psycopg, not {engine!r}; name it"
        ' "postgresql+psycopg://…" in create_engine, or give the store a URL.',
        code="store-engine",
    )
