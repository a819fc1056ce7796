"""What an exchange asks of a response, put where the response meets a WSGI or an ASGI server."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ..core.auth import Auth
from ..core.request import PRIVATE, Exchange, response_headers


def header_of(headers: list[tuple[str, str]], name: str) -> str | None:
    """A header of a WSGI response; of several the first."""
    wanted = name.lower()
    return next((value for found, value in headers if found.lower() == wanted), None)


def add_to(headers: list[tuple[str, str]], exchange: Exchange) -> None:
    """What the exchange asks of a response, in the header list of a WSGI response."""
    vary = cache_control = None  # all of Vary, and what Cache-Control says
    for name, value in headers:
        length = len(name)  # spares nearly all names the rest
        if length == 4 and name.lower() == "vary":
            vary = value if vary is None else f"{vary}, {value}"
        elif length == 13 and name.lower() == "cache-control":
            cache_control = value
    auth, is_plain = exchange.settled, vary is None and cache_control is None
    if is_plain and exchange.effects is None and exchange.was_read:
        if type(auth) is Auth and auth.is_authenticated:
            headers.append(("Vary", exchange.side.settings.vary))
            headers.append(PRIVATE)
            return
    replace, add = response_headers(exchange, vary, cache_control)
    if not is_plain:
        replaced = {name.lower() for name, _ in replace}
        headers[:] = [field for field in headers if field[0].lower() not in replaced]
    headers += replace
    if add:
        headers += add


def put_on(headers: Any, exchange: Exchange) -> None:
    """The same, in the headers of a response of Werkzeug's kind."""
    fields: list[tuple[str, str]] = headers.to_wsgi_list()
    add_to(fields, exchange)
    headers.clear()
    headers.extend(fields)


def with_headers_of(
    exchange: Exchange, headers: Iterable[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """The headers of an ASGI response, with what the exchange asks of it."""
    fields = list(headers)
    vary = cache_control = None
    for name, value in fields:
        length = len(name)
        if length == 4 and name.lower() == b"vary":
            text = value.decode("latin-1")
            vary = text if vary is None else f"{vary}, {text}"
        elif length == 13 and name.lower() == b"cache-control":
            cache_control = value.decode("latin-1")
    auth, is_plain = exchange.settled, vary is None and cache_control is None
    if is_plain and exchange.effects is None and exchange.was_read:
        if type(auth) is Auth and auth.is_authenticated:
            fields += _plain_fields(exchange.side.settings.vary)
            return fields
    replace, add = response_headers(exchange, vary, cache_control)
    if not is_plain:
        replaced = {name.lower().encode("latin-1") for name, _ in replace}
        fields = [field for field in fields if field[0].lower() not in replaced]
    fields += map(_encoded, (*replace, *add))
    return fields


def _encoded(field: tuple[str, str]) -> tuple[bytes, bytes]:
    return field[0].lower().encode("latin-1"), field[1].encode("latin-1")


@lru_cache(maxsize=64)
def _plain_fields(vary: str) -> tuple[tuple[bytes, bytes], ...]:
    return _encoded(("Vary", vary)), _encoded(PRIVATE)
