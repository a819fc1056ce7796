"""The short way of WSGI and ASGI requests: through a `Transport` it would be three calls more.

Nearly every request comes here and goes no further.
"""

from __future__ import annotations

from ..core.auth import Auth
from ..core.credentials import plainly_given
from ..core.request import SAFE_METHODS, Exchange
from .reading import AsyncReading, Reading


class WsgiReading(Reading):
    """A `Reading` whose requests are WSGI environs, or Django's ASGI scopes."""

    def recall(self, exchange: Exchange) -> Auth | None:
        environ = exchange.request
        get = environ.get
        if get("REQUEST_METHOD") not in SAFE_METHODS or "HTTP_UPGRADE" in environ:
            return super().recall(exchange)
        found = self._flows.recall(get("HTTP_AUTHORIZATION"), get("HTTP_COOKIE"))
        if found is None:
            return None
        auth, token, source = found
        if auth is None:
            exchange.offered = plainly_given(token, source)
            return None
        exchange.token = token
        return auth


class AsgiReading(AsyncReading):
    """An `AsyncReading` whose requests are ASGI scopes, or Django's WSGI environs."""

    def recall(self, exchange: Exchange) -> Auth | None:
        scope = exchange.request
        if scope.get("type") != "http" or scope["method"] not in SAFE_METHODS:
            return super().recall(exchange)
        headers = scope["headers"]
        fields = dict(headers)
        if len(fields) != len(headers):
            return super().recall(exchange)  # some field comes twice
        authorization, cookie = fields.get(b"authorization"), fields.get(b"cookie")
        found = self._flows.recall(
            None if authorization is None else authorization.decode("latin-1"),
            None if cookie is None else cookie.decode("latin-1"),
        )
        if found is None:
            return None
        auth, token, source = found
        if auth is None:
            exchange.offered = plainly_given(token, source)
            return None
        exchange.token = token
        return auth
