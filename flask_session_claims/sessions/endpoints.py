"""What the issuer's own addresses answer: refresh, sign-out, key set, OpenID configuration.

An adapter turns an `Answer` into its framework's response; cookies and FDI headers are queued on
the exchange as for any other response.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import quote

from ..core.auth import Auth
from ..core.errors import ConfigurationError
from ..core.flow import Flow
from ..core.gate import Decision
from ..core.redirects import is_safe_redirect
from ..core.refusal import refusal_of
from ..core.request import Exchange, is_cross_site
from .delivery import Delivery
from .faults import OriginRefused, RefreshRefused
from .issuer import Issuer
from .published import Document, openid_configuration
from .visits import Visits

#: Below where the blueprint is mounted; the names that FDI clients know.
REFRESH_PATH: Final = "/session/refresh"
SIGN_OUT_PATH: Final = "/signout"
#: Below the root of the host (RFC 8615).
KEY_SET_PATH: Final = "/.well-known/jwks.json"
OPENID_PATH: Final = "/.well-known/openid-configuration"

#: What may stand in an address as it is (RFC 3986 §2.2); frameworks differ on all else.
_URI: Final = "%/:?#[]@!$&'()*+,;=-._~"
_NO_STORE: Final = ("Cache-Control", "no-store")
_JSON: Final = ("Content-Type", "application/json")


class Answer(NamedTuple):
    """A complete response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Endpoints:
    """The addresses of one issuer."""

    def __init__(self, issuer: Issuer, visits: Visits, delivery: Delivery) -> None:
        self._issuer, self._visits, self._delivery = issuer, visits, delivery

    def refresh(self, exchange: Exchange) -> Flow[Answer]:
        """POST: the refresh token's successor, in a cookie or in FDI headers; else 401."""
        exchange.was_read = True
        facts = exchange.facts
        _ = yield from self._issuer.opened()  # the store may be younger than this process
        bearer = self._bearer(exchange)
        cookie = self._delivery.refresh_token(exchange)
        by_header = bearer is not None and (cookie is None or facts.st_auth_mode == "header")
        refresh_token = bearer if by_header else cookie
        if not by_header and is_cross_site(facts, exchange.side.settings.origins):
            if cookie is None and facts.st_auth_mode == "header":
                # A header client asks first and has nothing yet; 403 would not stop its asking.
                return _refused(exchange, Decision("challenge", "session-token-missing"))
            return _refused(exchange, Decision("forbid", "request-origin-refused"))
        settled = exchange.settled
        renewed = isinstance(settled, Auth) and settled.is_authenticated
        if not by_header and renewed and self._delivery.has_sent(exchange):
            # Somebody has read auth ahead of us, which has refreshed inline: once is enough.
            return Answer(200, (_JSON, _NO_STORE), b"{}")
        if refresh_token is None:
            self._delivery.clear(exchange)
            return _refused(exchange, Decision("challenge", "session-token-missing"))
        try:
            _ = yield from self._visits.refresh(exchange, refresh_token, by_header=by_header)
        except RefreshRefused:
            refused = Decision("challenge", "session-token-invalid", credential_sent=True)
            return _refused(exchange, refused)
        return Answer(200, (_JSON, _NO_STORE), b"{}")

    def _bearer(self, exchange: Exchange) -> str | None:
        fields, _, _ = exchange.side.transport.look(exchange.request)
        if len(fields) != 1 or fields[0][:7].lower() != "bearer ":
            return None
        return fields[0][7:].strip() or None

    def sign_out(self, exchange: Exchange, back: str | None) -> Flow[Answer]:
        """POST: the session ends; a page goes back to `back` if that is of this site or ORIGINS."""
        exchange.was_read = True
        facts = exchange.facts
        try:
            _ = yield from self._visits.sign_out(exchange)
        except OriginRefused:
            return _refused(exchange, Decision("forbid", "request-origin-refused"))
        if _is_form(facts.sec_fetch_mode, facts.accept) and not facts.is_fdi:
            allowed = exchange.side.settings.origins or ()
            target = back if back is not None and is_safe_redirect(back, allowed) else "/"
            location = quote(target, safe=_URI, errors="replace")
            return Answer(303, (("Location", location), _NO_STORE), b"")
        return Answer(200, (_JSON, _NO_STORE), b'{"status":"OK"}')

    def key_set(self) -> Flow[Document]:
        """GET: the public keys (RFC 7517 §5)."""
        return self._issuer.key_set()

    def openid_configuration(self) -> Flow[Document]:
        """GET: where the key set is.

        Raises:
            ConfigurationError: the issuer has no address.
        """
        address = self._issuer.settings.issuer_url
        if address is None:
            raise ConfigurationError(
                f"{self._issuer.settings.label('issuer_url')}: is unset, so there is no address to"
                " publish; write the https:// address that others know this app by."
            )
        keys = yield from self._issuer.keys.keys()
        algorithms = {key.algorithm for key in keys.keys} or {"ES256"}
        return openid_configuration(address, address.rstrip("/") + KEY_SET_PATH, algorithms)


def _refused(exchange: Exchange, decision: Decision) -> Answer:
    refusal = refusal_of(decision, exchange.negotiated())
    return Answer(refusal.status, refusal.headers, refusal.body)


def _is_form(mode: str | None, accept: str | None) -> bool:
    """Whether a page's form was sent, rather than a script's request."""
    if mode is not None:
        return mode == "navigate"
    return "text/html" in (accept or "")
