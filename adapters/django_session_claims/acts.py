"""The acts on the session of a request: sign-in, change, sign-out.

What the client is to keep travels with the response of this request. The async forms are for
async views; no event loop waits for the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from django.utils.asyncio import async_unsafe

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import UnavailableError
from flask_session_claims.core.flow import Flow
from flask_session_claims.core.gate import Decision
from flask_session_claims.core.request import Exchange
from flask_session_claims.sessions.faults import OriginRefused
from flask_session_claims.sessions.model import Session
from flask_session_claims.sessions.visits import Visits

from .issuing import issuing_of
from .refusals import Refused, refused
from .visit import Visit, aread, read, visit_of

if TYPE_CHECKING:
    from django.http import HttpRequest

T = TypeVar("T")
Act = Callable[[Visits, Exchange], Flow[T]]

_UNSAFE = "{0}() waits for the session store; in async code write `await a{0}(…)`."


@async_unsafe(_UNSAFE.format("create_session"))
def create_session(
    request: HttpRequest,
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

    The session that the request carried ends. `request.auth` is the new one at once.

    Args:
        request: one that has passed `SessionClaimsMiddleware`.
        user_id: who it is.
        claims: the session's own claims, for the token.
        data: server-only data, in no token.
        org_id: the organisation that the user acts for.
        persistent: False: the browser forgets it when it closes.
        lifetime: seconds until it ends in any case, instead of the usual.
        device, address: what the user may know it by.

    Raises:
        ClaimsRefused: claims or data cannot be kept; it says which.
        ConfigurationError: the sessions are another issuer's, or an argument makes no sense.
        NotAllowed: 403, the request came from another site.
        IdentityUnavailable: 503, the store cannot be had.
    """
    given = {"claims": claims, "data": data, "org_id": org_id, "persistent": persistent,
             "lifetime": lifetime, "device": device, "address": address}  # fmt: skip
    return _do(request, lambda visits, exchange: visits.sign_in(exchange, user_id, **given))


async def acreate_session(
    request: HttpRequest,
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
    """Async form of `create_session`."""
    given = {"claims": claims, "data": data, "org_id": org_id, "persistent": persistent,
             "lifetime": lifetime, "device": device, "address": address}  # fmt: skip
    return await _ado(request, lambda visits, exchange: visits.sign_in(exchange, user_id, **given))


@async_unsafe(_UNSAFE.format("merge_session_claims"))
def merge_session_claims(request: HttpRequest, patch: Mapping[str, Any]) -> Auth:
    """Merge claims into the session at hand, one level deep; None removes a name.

    This response carries the new token, and `request.auth` is the new one at once. No
    transaction of Django's database takes the change back.

    Raises:
        ClaimsRefused: the claims cannot be kept; nothing was changed.
        SessionError: `session-missing`: nobody is signed in; `session-revoked`: no longer.
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(request, lambda visits, exchange: visits.merge(exchange, patch))


async def amerge_session_claims(request: HttpRequest, patch: Mapping[str, Any]) -> Auth:
    """Async form of `merge_session_claims`."""
    return await _ado(request, lambda visits, exchange: visits.merge(exchange, patch))


@async_unsafe(_UNSAFE.format("revoke_session"))
def revoke_session(request: HttpRequest) -> bool:
    """Sign out: the session ends, and this response takes its tokens away.

    Whether there was a live one.

    Raises:
        ConfigurationError, NotAllowed, IdentityUnavailable: as with `create_session`.
    """
    return _do(request, lambda visits, exchange: visits.sign_out(exchange))


async def arevoke_session(request: HttpRequest) -> bool:
    """Async form of `revoke_session`."""
    return await _ado(request, lambda visits, exchange: visits.sign_out(exchange))


@async_unsafe(_UNSAFE.format("current_session"))
def current_session(request: HttpRequest) -> Session | None:
    """The session at hand, read from the store; None if nobody is signed in.

    Raises:
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(request, lambda visits, exchange: visits.current(exchange))


async def acurrent_session(request: HttpRequest) -> Session | None:
    """Async form of `current_session`."""
    return await _ado(request, lambda visits, exchange: visits.current(exchange))


def _do(request: HttpRequest, act: Act[T]) -> T:
    visit = visit_of(request)
    issuing = issuing_of(visit.side)
    _ = read(visit)
    try:
        result: T = issuing.run(act(issuing.visits, visit))
    except (OriginRefused, UnavailableError) as error:
        raise _refused(error, visit) from error
    return result


async def _ado(request: HttpRequest, act: Act[T]) -> T:
    visit = visit_of(request)
    issuing = issuing_of(visit.side)
    _ = await aread(visit)
    try:
        result: T = await issuing.arun(act(issuing.visits, visit))
    except (OriginRefused, UnavailableError) as error:
        raise _refused(error, visit) from error
    return result


def _refused(error: OriginRefused | UnavailableError, visit: Visit) -> Refused:
    if isinstance(error, UnavailableError):
        decision = Decision("unavailable", error.code, retry_after=error.retry_after)
    else:
        decision = Decision("forbid", error.code)
    return refused(decision, visit.facts)
