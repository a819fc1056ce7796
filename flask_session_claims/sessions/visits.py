"""What one request does with sessions: it carries a token in, and its response carries one out.

Nothing here knows a framework. Each act is a flow over the exchange; what the client is to keep
is queued there, and the `Auth` at hand becomes the new one at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..core.auth import Auth, auth_from_claims, signed_out
from ..core.credentials import credentials_from
from ..core.errors import ConfigurationError, SessionError, TokenError, UnavailableError
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
from .verifying import OwnFreshness

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
#: Claims that each token has its own of.
OF_ONE_TOKEN: Final = frozenset({"iat", "nbf", "exp", "jti", "rev", "azp"})
#: Seconds of life below which no token is made anew: the next refresh brings it.
_WORTH_IT: Final = 5


class Visits:
    """The acts of a request; the current `Auth` has to be settled before."""

    def __init__(
        self,
        issuer: Issuer,
        delivery: Delivery,
        freshness: OwnFreshness,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._issuer, self._delivery, self._clock = issuer, delivery, clock
        self._freshness = freshness
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

    # --- at the end -----------------------------------------------------------------------

    def is_left(self, exchange: Exchange) -> bool:
        """Whether there may be something to do once the status is known."""
        if exchange.effects is not None and exchange.effects.closing is not None:
            return True
        return self._outdated(exchange) is not None

    def close(
        self, exchange: Exchange, status: int, header: Callable[[str], str | None]
    ) -> Flow[None]:
        """What is left to do, now that the status is known.

        Args:
            header: gives a header of the response.
        """
        effects = exchange.effects
        if effects is not None and effects.closing is not None:
            yield from effects.closing(status)
            return
        found = self._outdated(exchange)
        if found is None:
            return
        auth, session, rev = found
        if self._may_carry(exchange, auth, status, header("Cache-Control")):
            issued = yield from self._issuer.remint(
                session,
                rev,
                expires_at=auth.expires_at or 0,
                azp=auth.session_claims.get("azp"),
            )
            self._delivery.send(exchange, issued, by_header=auth.source == "header")

    def _outdated(self, exchange: Exchange) -> tuple[Auth, Session, int] | None:
        """Who was read by an outdated token; their session, and the position it is known at."""
        auth = exchange.settled
        if not exchange.was_read or type(auth) is not Auth or not auth.is_authenticated:
            return None
        held = self._freshness.outdated(auth.session_claims)
        if held is None or held.session is None:
            return None
        return auth, held.session, held.position

    def _may_carry(
        self, exchange: Exchange, auth: Auth, status: int, cache_control: str | None
    ) -> bool:
        """Whether this response may bring a new token instead of an outdated one."""
        facts, shared = exchange.facts, (cache_control or "").lower()
        if status < 200 or status == 304 or "public" in shared or "s-maxage" in shared:
            return False
        if facts.is_websocket or (auth.expires_at or 0) - self._clock() <= _WORTH_IT:
            return False
        # Nobody takes a token from the headers but an FDI client; and what such a client shows
        # of the claims it learns from answers to its scripts alone.
        return facts.is_fdi or (self._inline and auth.source == "cookie")

    # --- sign-in, change, sign-out --------------------------------------------------------

    def sign_in(self, exchange: Exchange, user_id: str, **given: Any) -> Flow[Session]:
        """A new session, in place of the one that the request carried.

        That one lives on where the new one is of somebody for whom its user acts (`actor`).

        Raises:
            OriginRefused: another site may have caused it.
            ClaimsRefused: claims or data cannot be kept.
            SessionError: `headers-sent`.
        """
        acts = given.get("actor") is not None
        # No form of another site can send that header, and no cookie is set.
        by_header = exchange.facts.st_auth_mode == "header"
        if "cookie" not in exchange.side.settings.token_sources:
            by_header = True
        if acts and self.signed_in(exchange).source == "header":
            by_header = True
        if not by_header:
            self._refuse_cross_site(exchange)
            self._delivery.check()
        self._refuse_late(exchange)
        replaces = None if acts else (yield from self._carried(exchange))
        issued = yield from self._issuer.create(
            user_id, azp=self._azp(exchange), replaces=replaces, **given
        )
        if not acts:
            yield from self._end_actors(exchange, "replaced")
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
        return (
            yield from self._change(
                exchange, lambda session_id: self._issuer.flows.merge_claims(session_id, patch)
            )
        )

    def provide(self, exchange: Exchange, patch: Mapping[str, Any]) -> Flow[Auth]:
        """The same for claims that the app provides."""
        return (
            yield from self._change(
                exchange, lambda session_id: self._issuer.flows.provide(session_id, patch)
            )
        )

    def switch_organization(self, exchange: Exchange, org_id: str | None) -> Flow[Auth]:
        """Another organisation made active, or none; this response carries the new token.

        Raises:
            NotAMember: the user is not in it.
            SessionError: `session-missing`, `session-revoked`.
        """
        before = self.signed_in(exchange).org_id
        auth = yield from self._change(
            exchange, lambda session_id: self._issuer.flows.switch(session_id, org_id)
        )
        if auth.org_id != before:
            yield from Tell("organization_switched", {"auth": auth, "previous": before})
        return auth

    def mark_verified(self, exchange: Exchange, *, first: bool, second: bool) -> Flow[Auth]:
        """Factors that the user has just verified; this response carries the new token.

        Raises:
            ActorRefused: somebody acts for the user.
            ConfigurationError: neither is named.
            SessionError: `session-missing`, `session-revoked`.
        """
        if type(first) is not bool or type(second) is not bool or not (first or second):
            raise ConfigurationError(
                "mark_verified: say first=True, second=True or both, for what was verified."
            )
        return (
            yield from self._change(
                exchange,
                lambda session_id: self._issuer.flows.verify(
                    session_id, first=first, second=second
                ),
            )
        )

    def _change(self, exchange: Exchange, act: Callable[[str], Flow[Session | None]]) -> Flow[Auth]:
        auth = self.signed_in(exchange)
        issued = yield from self._issuer.change(
            auth.session_id or "",
            act,
            expires_at=auth.expires_at,
            azp=auth.session_claims.get("azp"),
            # A script that does not see this response is given the claims with its next one.
            outdated=not self._inline and not exchange.facts.is_fdi,
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
            for name in {*before, *after} - OF_ONE_TOKEN
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
        yield from self._end_actors(exchange, "sign-out")
        _ = self.drop(exchange, by_header=by_header)
        return ended

    # --- for impersonation ----------------------------------------------------------------

    def refuse_untold(self, exchange: Exchange, auth: Auth) -> bool:
        """Whether new tokens go into headers, where this request may change who it is.

        Raises:
            OriginRefused: another site may have caused it.
            SessionError: `headers-sent`.
        """
        by_header = auth.source == "header"
        if not by_header:
            self._refuse_cross_site(exchange)
        self._refuse_late(exchange)
        return by_header

    def take(self, exchange: Exchange, issued: Issued, *, by_header: bool) -> Auth:
        """These tokens, in place of those that the request carried."""
        self._delivery.send(exchange, issued, by_header=by_header)
        return self._become(exchange, issued, "header" if by_header else "cookie")

    def drop(self, exchange: Exchange, *, by_header: bool) -> Auth:
        """Nobody from now on; the client's tokens are taken away."""
        if not exchange.sent:
            self._delivery.clear(exchange, by_header=by_header)
        nobody = signed_out("session-revoked", source=None)
        exchange.settled, exchange.token = nobody, None
        return nobody

    def _end_actors(self, exchange: Exchange, reason: str) -> Flow[None]:
        """End the own session of who acts for a user: no client holds it any more."""
        settled = exchange.settled
        if isinstance(settled, Auth) and settled.actor is not None:
            _ = yield from self._issuer.revoke(str(settled.actor.get("sid")), reason=reason)

    def current(self, exchange: Exchange) -> Flow[Session | None]:
        """The session at hand, from the store; None when nobody is signed in."""
        settled = exchange.settled
        if not isinstance(settled, Auth) or not settled.is_authenticated:
            return None
        return (yield from self._issuer.flows.get(settled.session_id or ""))

    # --- parts ----------------------------------------------------------------------------

    def signed_in(self, exchange: Exchange) -> Auth:
        """Who is signed in; else `session-missing`."""
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
            state = yield from self._issuer.flows.peek(refresh_token)
            return None if state is None else state.session_id
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
        if exchange.sent or exchange.facts.is_websocket:
            raise SessionError(
                "The response has begun, so its client cannot be told of a session any more.",
                code="headers-sent",
            )


def _reason(refused: RefreshRefused, auth: Auth) -> str:
    """Why nobody is signed in, for the app; to the client a refresh that failed is no reason."""
    return "session-revoked" if refused.code in OVER else auth.reason or "session-token-missing"
