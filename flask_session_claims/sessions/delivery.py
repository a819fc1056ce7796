"""How tokens travel: in cookies, or in the headers of the Front-end Driver Interface (FDI).

Everything is queued on the exchange; the adapter puts it on the response.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

from ..core.credentials import Conflict, cookie_value
from ..core.request import Exchange
from . import claims as _claims
from .cookies import CookieNames, cookie
from .issuer import Issuer
from .model import Issued

_EXPOSE: Final = "Access-Control-Expose-Headers"
_ACCESS, _REFRESH, _FRONT = "st-access-token", "st-refresh-token", "front-token"


class Delivery:
    """Tokens and their removal, put on responses.

    Args:
        refresh_path: gives the path of the refresh endpoint, as a browser sees it; only called
            where the refresh cookie belongs to it.
    """

    def __init__(
        self, issuer: Issuer, *, clock: Callable[[], float], refresh_path: Callable[[], str]
    ) -> None:
        self._issuer, self._clock = issuer, clock
        self._inline = issuer.settings.refresh_mode == "inline"
        self._refresh_path = refresh_path

    def refresh_token(self, exchange: Exchange) -> str | None:
        """What the request carries in the refresh cookie; None also if it came twice."""
        return self._cookie(exchange, "refresh")

    def session_token(self, exchange: Exchange) -> str | None:
        """The same of the session cookie, whatever it is worth."""
        return self._cookie(exchange, "session")

    def _cookie(self, exchange: Exchange, which: str) -> str | None:
        if self._issuer.name is None or "cookie" not in exchange.side.settings.token_sources:
            return None
        _, fields, _ = exchange.side.transport.look(exchange.request)
        name: str = getattr(self._issuer.cookies, which)
        value = cookie_value(fields, name) if fields else None
        return None if isinstance(value, Conflict) else value

    def has_sent(self, exchange: Exchange) -> bool:
        """Whether a refresh token is queued already."""
        effects = exchange.effects
        return effects is not None and self._issuer.cookies.refresh in effects.cookies

    def send(self, exchange: Exchange, issued: Issued, *, by_header: bool) -> None:
        """Queue the tokens, and that nobody may store the response."""
        exchange.was_read = True  # what is sent depends on who asks
        effects = exchange.queue()
        effects.no_store = True
        if by_header:
            effects.fields[_ACCESS] = issued.session_token
            if issued.refresh_token is not None:
                effects.fields[_REFRESH] = issued.refresh_token
        else:
            effects.cookies.update(self._cookies(issued))
        if by_header or exchange.facts.is_fdi:
            effects.fields[_FRONT] = front_token(issued)
        self._expose(exchange)

    def _cookies(self, issued: Issued) -> dict[str, str]:
        session, names = issued.session, self._issuer.cookies
        left = session.expires_at - self._clock() if session.persistent else None
        token = cookie(names.session, issued.session_token, max_age=left, secure=names.secure)
        made = {names.session: token}
        if issued.refresh_token is not None:
            made[names.refresh] = self._refresh_cookie(names, issued.refresh_token, left)
        return made

    def check(self) -> None:
        """Return if cookies can be made.

        Raises:
            ConfigurationError: there is no endpoint for the refresh cookie.
        """
        if not self._inline:
            _ = self._refresh_path()

    def clear(self, exchange: Exchange, *, by_header: bool = False) -> None:
        """Queue the removal of both tokens."""
        exchange.was_read = True  # what is sent depends on who asks
        effects = exchange.queue()
        effects.no_store = True
        if by_header:
            effects.fields[_ACCESS] = effects.fields[_REFRESH] = ""
        elif self._issuer.name is not None:
            names = self._issuer.cookies
            gone = cookie(names.session, "", max_age=0, secure=names.secure)
            effects.cookies[names.session] = gone
            effects.cookies[names.refresh] = self._refresh_cookie(names, "", 0)
        if by_header or exchange.facts.is_fdi:
            effects.fields[_FRONT] = "remove"
        self._expose(exchange)

    def withdraw(self, exchange: Exchange) -> None:
        """Take back what is queued: the tokens are not to be sent."""
        effects = exchange.queue()
        names = self._issuer.cookies
        for name in (names.session, names.refresh):
            _ = effects.cookies.pop(name, None)
        for name in (_ACCESS, _REFRESH, _FRONT, _EXPOSE):
            _ = effects.fields.pop(name, None)

    def _refresh_cookie(self, names: CookieNames, value: str, left: float | None) -> str:
        if self._inline:
            return cookie(names.refresh, value, max_age=left, secure=names.secure)
        path = self._refresh_path()
        return cookie(
            names.refresh, value, max_age=left, secure=names.secure, path=path, same_site="Strict"
        )

    def _expose(self, exchange: Exchange) -> None:
        fields = exchange.queue().fields
        present = [name for name in (_ACCESS, _REFRESH, _FRONT) if name in fields]
        if present:
            fields[_EXPOSE] = ", ".join(present)


def front_token(issued: Issued) -> str:
    """What FDI clients read the claims from: base64 JSON, times in milliseconds."""
    said = {
        "uid": issued.session.user_id,
        "ate": issued.expires_at * 1000,
        "up": issued.claims,
    }
    return base64.b64encode(_claims.encode(said)).decode("ascii")
