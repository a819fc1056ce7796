"""The acts on the session of the request at hand: sign-in, change, sign-out.

What the client is to keep travels with the response of this request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.auth import Auth
from ..core.errors import UnavailableError
from ..core.flow import Flow
from ..core.gate import Decision, unavailable
from ..core.request import Exchange
from ..sessions.faults import ActRefused
from .current import exchange_at_hand
from .refusals import refused
from .side import issuing_of

if TYPE_CHECKING:
    from ..io.issuing import Issuing
    from ..sessions.model import Session

T = TypeVar("T")


def create_session(
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
    """
    return _do(
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


def merge_session_claims(patch: Mapping[str, Any]) -> Auth:
    """Merge claims into the session at hand, one level deep; None removes a name.

    This response carries the new token, and `g.auth` is the new one at once.

    Raises:
        ClaimsRefused: the claims cannot be kept; nothing was changed.
        SessionError: `session-missing`: nobody is signed in; `session-revoked`: no longer.
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(lambda issuing, exchange: issuing.visits.merge(exchange, patch))


def revoke_session() -> bool:
    """Sign out: the session ends, and this response takes its tokens away.

    Whether there was a live one.

    Raises:
        ConfigurationError, NotAllowed, IdentityUnavailable: as with `create_session`.
    """
    return _do(lambda issuing, exchange: issuing.visits.sign_out(exchange))


def current_session() -> Session | None:
    """The session at hand, read from the store; None if nobody is signed in.

    Raises:
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(lambda issuing, exchange: issuing.visits.current(exchange))


def switch_organization(org_id: str | None) -> Auth:
    """Make another organisation of the user's the active one; None: none.

    This response carries the new token, and `g.auth` is the new one at once.

    Raises:
        NotAllowed: 403 `membership-missing`: the user is in no such organisation.
        SessionError: `session-missing`, `session-revoked`.
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(lambda issuing, exchange: issuing.visits.switch_organization(exchange, org_id))


def mark_verified(first: bool = False, second: bool = False) -> Auth:
    """Note that the user has just verified factors: a password again, a one-time code.

    From now on `has(reverification=…)` and the gates count from here; this response carries the
    new token. Verifying is the app's affair.

    Raises:
        NotAllowed: 403 `actor-refused`: somebody acts for the user.
        ConfigurationError: neither is named; or as with `create_session`.
        SessionError, IdentityUnavailable: as with `switch_organization`.
    """
    return _do(
        lambda issuing, exchange: issuing.visits.mark_verified(exchange, first=first, second=second)
    )


def impersonate(user_id: str, *, reason: str, minutes: float = 30) -> Auth:
    """Act for a user in a session of its own, where the app's `may_impersonate` says True.

    It ends after so many minutes, with the session of who acts, or by `stop_impersonating`.
    `g.auth` is the user's at once, and its `actor` says who acts.

    Args:
        reason: why, in 1 to 512 characters; for the log, the signal and the journal.
        minutes: 1 to 60.

    Raises:
        NotAllowed: 403 `impersonation-refused`, `actor-refused` (nobody acts for two), or the
            request came from another site.
        SessionError: `session-missing`, `session-revoked`, `headers-sent`.
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(
        lambda issuing, exchange: issuing.impersonations.begin(
            exchange, user_id, reason=reason, minutes=minutes
        )
    )


def stop_impersonating() -> Auth:
    """Be oneself again: this response carries tokens of the session from before.

    Nobody is signed in by it if that has ended meanwhile.

    Raises:
        NotAllowed: the request came from another site.
        SessionError: `not-impersonating`, `session-missing`, `headers-sent`.
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(lambda issuing, exchange: issuing.impersonations.end(exchange))


def _do(act: Callable[[Issuing, Exchange], Flow[T]]) -> T:
    exchange = exchange_at_hand()
    issuing: Issuing = issuing_of(exchange.side)
    exchange.looks_away = False
    try:
        _ = exchange.read()
        result: T = issuing.run(act(issuing, exchange))
    except ActRefused as error:
        decision = Decision("forbid", error.code)
    except UnavailableError as error:
        decision = unavailable(error)
    else:
        return result
    raise refused(decision, exchange.negotiated())
