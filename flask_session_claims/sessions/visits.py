"""What one request does with sessions: it carries a token in, and its response carries one out.

Nothing here knows a framework. Each act is a flow over the exchange; what the client is to keep
is queued there, and the `Auth` at hand becomes the new one at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..core.auth import Auth, auth_from_claims, signed_out
from ..core.credentials import credentials_from
from ..core.errors import SessionError, TokenError, UnavailableError
from ..core.flow import Flow
from ..core.jose import ALGORITHMS
from ..core.jsontext import b64url_decode, parse_object
from ..core.keyset import verify_jws
from ..core.request import Exchange, is_cross_site
from . import tokens
from .consult import Tell
from .delivery import Delivery
from .faults import OriginRefused, RefreshRefused
from .issuer import Issuer
from .model import Issued, Session

#: Why a session token is of no use that a refresh replaces: its time, or what the app has changed.
CURABLE: Final = frozenset({
    "session-token-missing", "token-expired", "jwk-kid-mismatch", "token-invalid-issuer",
    "token-invalid-authorized-parties", "token-missing-claim", "token-type-mismatch",
})  # fmt: skip
#: Refusals after which the client's tokens are of no use any more.
OVER: Final = frozenset({
    "refresh-token-invalid", "refresh-token-reused", "session-revoked", "session-expired",
    "session-unknown",
})  # fmt: skip
#: Seconds of life below which no token is made anew: the next refresh brings it.
_WORTH_IT: Final = 5


class Visits:
    """The acts of a request; the current `Auth` has to be settled before."""

    def __init__(self, issuer: Issuer, delivery: Delivery, *, clock: Callable[[], float]) -> None:
        self._issuer, self._delivery, self._clock = issuer, delivery, clock
        self._inline = issuer.settings.refresh_mode == "inline"

    # --- refresh --------------------------------------------------------------------------

    def renew(self, exchange: Exchange, auth: Auth) -> Flow[Auth]:
        """Who it is after an inline refresh, where one is due and may be.

        Args:
            auth: what the session token gave.
        """
        if auth.is_authenticated or not self._inline or auth.source == "header" or exchange.sent:
            return auth
        if "cookie" not in exchange.side.settings.token_sources:
            return auth
        facts = exchange.facts
        if auth.reason not in CURABLE or facts.is_websocket or facts.is_preflight:
            return auth
        refresh_token = self._delivery.refresh_token(exchange)
        if refresh_token is None:
            return auth
        if is_cross_site(facts, exchange.side.settings.origins):
            return signed_out("request-origin-refused", source="cookie")
        try:
            issued = yield from self._issuer.refresh(
                refresh_token,
                expected_session=self._named_session(exchange),
                azp=self._azp(exchange),
            )
        except RefreshRefused as refused:
            if refused.code in OVER:
                self._delivery.clear(exchange)
            return signed_out(_reason(refused, auth), source="cookie")
        self._delivery.send(exchange, issued, by_header=False)
        return self._become(exchange, issued, "cookie")

    def refresh(self, exchange: Exchange, refresh_token: str, *, by_header: bool) -> Flow[Auth]:
        """The same on request, for the refresh endpoint.

        Raises:
            RefreshRefused: the token is not, or no longer, good.
        """
        try:
            issued = yield from self._issuer.refresh(
                refresh_token,
                expected_session=None if by_header else self._named_session(exchange),
                azp=self._azp(exchange),
            )
        except RefreshRefused as refused:
            if refused.code in OVER:
                self._delivery.clear(exchange, by_header=by_header)
            raise
        self._delivery.send(exchange, issued, by_header=by_header)
        return self._become(exchange, issued, "header" if by_header else "cookie")

    def _named_session(self, exchange: Exchange) -> str | None:
        """The session that the request's token names, good or not: it can only cause a refusal."""
        token = self._delivery.session_token(exchange)
        try:
            claims = parse_object(b64url_decode((token or "").split(".")[1].encode("ascii")))
        except (ValueError, IndexError, RecursionError):
            return None
        named = claims.get("sid")
        return named if tokens.is_session_id(named) else None

    # --- sign-in, change, sign-out --------------------------------------------------------

    def sign_in(self, exchange: Exchange, user_id: str, **given: Any) -> Flow[Session]:
        """A new session, in place of the one that the request carried.

        Raises:
            OriginRefused: another site may have caused it.
            ClaimsRefused: claims or data cannot be kept.
            SessionError: `headers-sent`.
        """
        # No form of another site can send that header, and no cookie is set.
        by_header = exchange.facts.st_auth_mode == "header"
        if "cookie" not in exchange.side.settings.token_sources:
            by_header = True
        if not by_header:
            self._refuse_cross_site(exchange)
            self._delivery.check()
        self._refuse_late(exchange)
        replaces = yield from self._carried(exchange)
        issued = yield from self._issuer.create(
            user_id, azp=self._azp(exchange), replaces=replaces, **given
        )
        self._close_with(exchange, issued.session.session_id)
        self._delivery.send(exchange, issued, by_header=by_header)
        _ = self._become(exchange, issued, "header" if by_header else "cookie")
        return issued.session

    def _close_with(self, exchange: Exchange, session_id: str) -> None:
        effects = exchange.queue()

        def close(status: int) -> Flow[None]:
            if status < 400:
                return
            # What failed has signed nobody in.
            self._delivery.withdraw(exchange)
            _ = yield from self._issuer.revoke(session_id, reason="request-failed")

        effects.closing = close

    def merge(self, exchange: Exchange, patch: Mapping[str, Any]) -> Flow[Auth]:
        """Claims merged into the session at hand; this response carries the new token.

        Raises:
            ClaimsRefused: the claims cannot be kept.
            SessionError: `session-missing`, `session-revoked`.
        """
        auth = self._signed_in(exchange)
        issued = yield from self._issuer.merge(
            auth.session_id or "",
            patch,
            expires_at=auth.expires_at,
            azp=auth.session_claims.get("azp"),
        )
        if issued is None:
            raise SessionError("The session has ended.", code="session-revoked")
        by_header = auth.source == "header"
        lasts = issued.expires_at - self._clock() > _WORTH_IT
        told = exchange.facts.is_fdi or not by_header
        if lasts and told and not exchange.sent and not exchange.facts.is_websocket:
            self._delivery.send(exchange, issued, by_header=by_header)
        before = auth.session_claims
        new = self._become(exchange, issued, auth.source)
        after = new.session_claims
        changed = frozenset(
            name
            for name in patch
            if (name in before, before.get(name)) != (name in after, after.get(name))
        )
        if changed:
            yield from Tell("claims_refreshed", {"auth": new, "changed": changed})
        return new

    def sign_out(self, exchange: Exchange) -> Flow[bool]:
        """End the session at hand and take its tokens from the client; whether it was live.

        Raises:
            OriginRefused: another site may have caused it.
        """
        settled = exchange.settled
        by_header = isinstance(settled, Auth) and settled.source == "header"
        if not by_header:
            self._refuse_cross_site(exchange)
        carried = yield from self._carried(exchange)
        ended = False
        if carried is not None:
            ended = yield from self._issuer.revoke(carried, reason="sign-out")
        if not exchange.sent:
            self._delivery.clear(exchange, by_header=by_header)
        exchange.settled, exchange.token = signed_out("session-revoked", source=None), None
        return ended

    def current(self, exchange: Exchange) -> Flow[Session | None]:
        """The session at hand, from the store; None when nobody is signed in."""
        settled = exchange.settled
        if not isinstance(settled, Auth) or not settled.is_authenticated:
            return None
        return (yield from self._issuer.flows.get(settled.session_id or ""))

    # --- parts ----------------------------------------------------------------------------

    def _signed_in(self, exchange: Exchange) -> Auth:
        settled = exchange.settled
        if isinstance(settled, UnavailableError):
            raise settled
        if settled is None or not settled.is_authenticated:
            raise SessionError(
                "Nobody is signed in, so there is no session to change.", code="session-missing"
            )
        return settled

    def _carried(self, exchange: Exchange) -> Flow[str | None]:
        """The id of the session that the request carries, by a token that we have made."""
        settled = exchange.settled
        if isinstance(settled, Auth) and settled.is_authenticated:
            return settled.session_id
        if (yield from self._issuer.opened()) is None:
            return None
        refresh_token = self._delivery.refresh_token(exchange)
        if refresh_token is not None:
            session = yield from self._issuer.flows.peek(refresh_token)
            return None if session is None else session.session_id
        return (yield from self._signed_for(exchange))

    def _signed_for(self, exchange: Exchange) -> Flow[str | None]:
        """The session of a token whose signature is good, though it may have expired."""
        authorization, cookie, _ = exchange.side.transport.look(exchange.request)
        settings = exchange.side.settings
        token = credentials_from(authorization, cookie, settings).token
        if token is None or len(token) > settings.max_token_length:
            return None
        keys = yield from self._issuer.keys.keys()
        try:
            claims = parse_object(verify_jws(token, keys, ALGORITHMS))
        except (TokenError, ValueError, RecursionError):
            return None
        named = claims.get("sid")
        ours = claims.get("iss") == self._issuer.name and isinstance(named, str)
        return named if ours else None

    def _become(self, exchange: Exchange, issued: Issued, source: Any) -> Auth:
        exchange.settled = auth = auth_from_claims(issued.claims, source)
        exchange.token = issued.session_token
        return auth

    def _azp(self, exchange: Exchange) -> str | None:
        """The request's origin, if it is one of the app's."""
        origin = exchange.facts.origin
        return origin if origin in (exchange.side.settings.origins or ()) else None

    def _refuse_cross_site(self, exchange: Exchange) -> None:
        if is_cross_site(exchange.facts, exchange.side.settings.origins):
            raise OriginRefused

    def _refuse_late(self, exchange: Exchange) -> None:
        if exchange.sent:
            raise SessionError(
                "The response has begun, so its client cannot be told of a session any more.",
                code="headers-sent",
            )


def _reason(refused: RefreshRefused, auth: Auth) -> str:
    """Why nobody is signed in, for the app; to the client a refresh that failed is no reason."""
    return "session-revoked" if refused.code in OVER else auth.reason or "session-token-missing"
