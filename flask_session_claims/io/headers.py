"""What an exchange asks of a response, put into headers shaped like Werkzeug's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from ..core.request import Exchange, response_headers


class MutableHeaders(Protocol):
    """A multi-valued header map: pairs when iterated, `add` beside, `[]=` instead."""

    def __iter__(self) -> Iterator[tuple[str, str]]: ...
    def __setitem__(self, key: str, value: str, /) -> None: ...
    def add(self, key: str, value: str, /) -> Any: ...


def apply_headers(exchange: Exchange, headers: MutableHeaders) -> None:
    """What the exchange asks of a response, in Werkzeug's headers."""
    vary, cache_control = _stated(headers)
    replace, add = response_headers(exchange, vary, cache_control)
    plain = vary is None and cache_control is None
    for name, value in replace:
        if plain:
            headers.add(name, value)
        else:
            headers[name] = value
    for name, value in add:
        headers.add(name, value)


def _stated(headers: Iterable[tuple[str, str]]) -> tuple[str | None, str | None]:
    """What a response says so far by Vary (all of it) and by Cache-Control.

    Once through all: a failing look-up costs Werkzeug an exception.
    """
    vary = cache_control = None
    for name, value in headers:
        length = len(name)  # spares nearly all names the rest
        if length == 4 and name.lower() == "vary":
            vary = value if vary is None else f"{vary}, {value}"
        elif length == 13 and name.lower() == "cache-control":
            cache_control = value
    return vary, cache_control


def header_of(headers: list[tuple[str, str]], name: str) -> str | None:
    """A header of a WSGI response; of several the first."""
    wanted = name.lower()
    return next((value for found, value in headers if found.lower() == wanted), None)


def add_to(headers: list[tuple[str, str]], exchange: Exchange) -> None:
    """What the exchange asks of a response, in the header list of a WSGI response."""
    vary, cache_control = _stated(headers)
    replace, add = response_headers(exchange, vary, cache_control)
    if vary is not None or cache_control is not None:
        replaced = {name.lower() for name, _ in replace}
        headers[:] = [field for field in headers if field[0].lower() not in replaced]
    headers += replace
    if add:
        headers += add
