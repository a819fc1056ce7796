"""The acts on the session of the request at hand: sign-in, change, sign-out.

What the client is to keep travels with the response of this request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.auth import Auth
from ..core.errors import UnavailableError
from ..core.flow import Flow
from ..core.gate import Decision
from ..core.request import Exchange
from ..sessions.faults import OriginRefused
from .current import exchange_at_hand
from .refusals import refused
from .side import issuing_of

if TYPE_CHECKING:
    from ..io.issuing import Issuing
    from ..sessions.model import Session
    from ..sessions.visits import Visits

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
        NotAllowed: 403, the request came from another site.
        IdentityUnavailable: 503, the store cannot be had.
    """
    return _do(
        lambda visits, exchange: visits.sign_in(
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
    return _do(lambda visits, exchange: visits.merge(exchange, patch))


def revoke_session() -> bool:
    """Sign out: the session ends, and this response takes its tokens away.

    Whether there was a live one.

    Raises:
        ConfigurationError, NotAllowed, IdentityUnavailable: as with `create_session`.
    """
    return _do(lambda visits, exchange: visits.sign_out(exchange))


def current_session() -> Session | None:
    """The session at hand, read from the store; None if nobody is signed in.

    Raises:
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(lambda visits, exchange: visits.current(exchange))


def _do(act: Callable[[Visits, Exchange], Flow[T]]) -> T:
    exchange = exchange_at_hand()
    issuing: Issuing = issuing_of(exchange.side)
    exchange.looks_away = False
    try:
        _ = exchange.read()
        result: T = issuing.run(act(issuing.visits, exchange))
    except OriginRefused as error:
        decision = Decision("forbid", error.code)
    except UnavailableError as error:
        decision = Decision("unavailable", error.code, retry_after=error.retry_after)
    else:
        return result
    raise refused(decision, exchange.negotiated())
