"""The acts on the session of the request at hand: sign-in, change, sign-out.

What the client is to keep travels with the response of this request. A websocket can carry no
tokens: there a session can be changed and ended, and not begun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import UnavailableError
from flask_session_claims.core.flow import Flow
from flask_session_claims.core.gate import Decision, unavailable
from flask_session_claims.core.request import Exchange
from flask_session_claims.sessions.faults import ActRefused
from flask_session_claims.sessions.session import Session

from .current import exchange_at_hand, settle, state
from .refusals import refused

if TYPE_CHECKING:
    from flask_session_claims.io.issuing import Issuing

T = TypeVar("T")


async def create_session(
    user_id: str,
    *,
    claims: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    org_id: str | None = None,
    persistent: bool = True,
    lifetime: float | None = None,
    device: str | None = None,
    address: str | None = None,
) -> Session:
    """Sign a user in: this response carries the tokens, unless its status is 400 or more.

    The session that the request carried ends. `g.auth` is the new one at once.

    Args:
        claims: the session's own claims, for the token.
        data: server-only data, in no token.
        persistent: False: the browser forgets it when it closes.
        lifetime: seconds until it ends in any case, instead of the usual.
        device, address: what the user may know it by.

    Raises:
        ClaimsRefused: claims or data cannot be kept; it says which.
        ConfigurationError: the sessions are another issuer's, or an argument makes no sense.
        NotAllowed: 403, the request came from another site, or the user is not in `org_id`.
        IdentityUnavailable: 503, the store cannot be had.
        SessionError: `headers-sent`: this is a websocket, or the response has begun.
        RuntimeError: there is no request, or this is a background task.
    """
    return await _do(
        lambda issuing, exchange: issuing.visits.sign_in(
            exchange,
            user_id,
            claims=claims,
            data=data,
            org_id=org_id,
            persistent=persistent,
            lifetime=lifetime,
            device=device,
            address=address,
        )
    )


async def merge_session_claims(patch: Mapping[str, Any]) -> Auth:
    """Merge claims into the session at hand, one level deep; None removes a name.

    This response carries the new token, and `g.auth` is the new one at once.

    Raises:
        ClaimsRefused: the claims cannot be kept; nothing was changed.
        SessionError: `session-missing`: nobody is signed in; `session-revoked`: no longer.
        ConfigurationError, IdentityUnavailable, RuntimeError: as with `create_session`.
    """
    return await _do(lambda issuing, exchange: issuing.visits.merge(exchange, patch))


async def revoke_session() -> bool:
    """Sign out: the session ends, and this response takes its tokens away.

    Whether there was a live one.

    Raises:
        ConfigurationError, NotAllowed, IdentityUnavailable, RuntimeError: as with
            `create_session`.
    """
    return await _do(lambda issuing, exchange: issuing.visits.sign_out(exchange))


async def current_session() -> Session | None:
    """The session at hand, read from the store; None if nobody is signed in.

    Raises:
        ConfigurationError, IdentityUnavailable, RuntimeError: as with `create_session`.
    """
    return await _do(lambda issuing, exchange: issuing.visits.current(exchange))


async def switch_organization(org_id: str | None) -> Auth:
    """Make another organisation of the user's the active one; None: none.

    This response carries the new token, and `g.auth` is the new one at once.

    Raises:
        NotAllowed: 403 `membership-missing`: the user is in no such organisation.
        SessionError: `session-missing`, `session-revoked`.
        ConfigurationError, IdentityUnavailable, RuntimeError: as with `create_session`.
    """
    return await _do(lambda issuing, exchange: issuing.visits.switch_organization(exchange, org_id))


async def mark_verified(first: bool = False, second: bool = False) -> Auth:
    """Note that the user has just verified factors: a password again, a one-time code.

    From now on `has(reverification=…)` and the gates count from here; this response carries the
    new token. Verifying is the app's affair.

    Raises:
        NotAllowed: 403 `actor-refused`: somebody acts for the user.
        ConfigurationError: neither is named; or as with `create_session`.
        SessionError, IdentityUnavailable, RuntimeError: as with `switch_organization`.
    """
    return await _do(
        lambda issuing, exchange: issuing.visits.mark_verified(exchange, first=first, second=second)
    )


async def impersonate(user_id: str, *, reason: str, minutes: float = 30) -> Auth:
    """Act for a user in a session of its own, where the app's `may_impersonate` says True.

    It ends after so many minutes, with the session of who acts, or by `stop_impersonating`.
    `g.auth` is the user's at once, and its `actor` says who acts.

    Args:
        reason: why, in 1 to 512 characters; for the log, the signal and the journal.
        minutes: 1 to 60.

    Raises:
        NotAllowed: 403 `impersonation-refused`, `actor-refused` (nobody acts for two), or the
            request came from another site.
        SessionError: `session-missing`, `session-revoked`; `headers-sent`, as with
            `create_session`.
        ConfigurationError, IdentityUnavailable, RuntimeError: as with `create_session`.
    """
    return await _do(
        lambda issuing, exchange: issuing.impersonations.begin(
            exchange, user_id, reason=reason, minutes=minutes
        )
    )


async def stop_impersonating() -> Auth:
    """Be oneself again: this response carries tokens of the session from before.

    Nobody is signed in by it if that has ended meanwhile.

    Raises:
        NotAllowed: the request came from another site.
        SessionError: `not-impersonating`, `session-missing`, `headers-sent`.
        ConfigurationError, IdentityUnavailable, RuntimeError: as with `create_session`.
    """
    return await _do(lambda issuing, exchange: issuing.impersonations.end(exchange))


async def _do(act: Callable[[Issuing, Exchange], Flow[T]]) -> T:
    from .issuing import issuing_of  # an app that only reads tokens loads none of it

    exchange = exchange_at_hand()
    issuing = issuing_of(state())
    exchange.looks_away = False
    await settle(exchange)
    try:
        _ = exchange.read()
        return await issuing.arun(act(issuing, exchange))  # type: ignore[no-any-return]
    except ActRefused as error:
        decision = Decision("forbid", error.code)
    except UnavailableError as error:
        decision = unavailable(error)
    raise refused(decision, exchange.facts)
