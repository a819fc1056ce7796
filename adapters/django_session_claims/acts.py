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
from flask_session_claims.core.gate import Decision, unavailable
from flask_session_claims.core.request import Exchange
from flask_session_claims.sessions.faults import ActRefused
from flask_session_claims.sessions.session import Session

from .issuing import issuing_of
from .refusals import Refused, refused
from .visit import Visit, aread, read, visit_of

if TYPE_CHECKING:
    from django.http import HttpRequest

    from flask_session_claims.io.issuing import Issuing

T = TypeVar("T")
Act = Callable[["Issuing", Exchange], Flow[T]]

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
        NotAllowed: 403, the request came from another site, or the user is not in `org_id`.
        IdentityUnavailable: 503, the store cannot be had.
    """
    given = {"claims": claims, "data": data, "org_id": org_id, "persistent": persistent,
             "lifetime": lifetime, "device": device, "address": address}  # fmt: skip
    return _do(
        request, lambda issuing, exchange: issuing.visits.sign_in(exchange, user_id, **given)
    )


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
    return await _ado(
        request, lambda issuing, exchange: issuing.visits.sign_in(exchange, user_id, **given)
    )


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
    return _do(request, lambda issuing, exchange: issuing.visits.merge(exchange, patch))


async def amerge_session_claims(request: HttpRequest, patch: Mapping[str, Any]) -> Auth:
    """Async form of `merge_session_claims`."""
    return await _ado(request, lambda issuing, exchange: issuing.visits.merge(exchange, patch))


@async_unsafe(_UNSAFE.format("revoke_session"))
def revoke_session(request: HttpRequest) -> bool:
    """Sign out: the session ends, and this response takes its tokens away.

    Whether there was a live one.

    Raises:
        ConfigurationError, NotAllowed, IdentityUnavailable: as with `create_session`.
    """
    return _do(request, lambda issuing, exchange: issuing.visits.sign_out(exchange))


async def arevoke_session(request: HttpRequest) -> bool:
    """Async form of `revoke_session`."""
    return await _ado(request, lambda issuing, exchange: issuing.visits.sign_out(exchange))


@async_unsafe(_UNSAFE.format("current_session"))
def current_session(request: HttpRequest) -> Session | None:
    """The session at hand, read from the store; None if nobody is signed in.

    Raises:
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(request, lambda issuing, exchange: issuing.visits.current(exchange))


async def acurrent_session(request: HttpRequest) -> Session | None:
    """Async form of `current_session`."""
    return await _ado(request, lambda issuing, exchange: issuing.visits.current(exchange))


@async_unsafe(_UNSAFE.format("switch_organization"))
def switch_organization(request: HttpRequest, org_id: str | None) -> Auth:
    """Make another organisation of the user's the active one; None: none.

    This response carries the new token, and `request.auth` is the new one at once.

    Raises:
        NotAllowed: 403 `membership-missing`: the user is in no such organisation.
        SessionError: `session-missing`, `session-revoked`.
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(request, _switching(org_id))


async def aswitch_organization(request: HttpRequest, org_id: str | None) -> Auth:
    """Async form of `switch_organization`."""
    return await _ado(request, _switching(org_id))


def _switching(org_id: str | None) -> Act[Auth]:
    return lambda issuing, exchange: issuing.visits.switch_organization(exchange, org_id)


@async_unsafe(_UNSAFE.format("mark_verified"))
def mark_verified(request: HttpRequest, first: bool = False, second: bool = False) -> Auth:
    """Note that the user has just verified factors: a password again, a one-time code.

    From now on `has(reverification=…)` and the gates count from here; this response carries the
    new token. Verifying is the project's affair.

    Raises:
        NotAllowed: 403 `actor-refused`: somebody acts for the user.
        ConfigurationError: neither is named; or as with `create_session`.
        SessionError, IdentityUnavailable: as with `switch_organization`.
    """
    return _do(request, _verifying(first, second))


async def amark_verified(request: HttpRequest, first: bool = False, second: bool = False) -> Auth:
    """Async form of `mark_verified`."""
    return await _ado(request, _verifying(first, second))


def _verifying(first: bool, second: bool) -> Act[Auth]:
    return lambda issuing, exchange: issuing.visits.mark_verified(
        exchange, first=first, second=second
    )


@async_unsafe(_UNSAFE.format("impersonate"))
def impersonate(request: HttpRequest, user_id: str, *, reason: str, minutes: float = 30) -> Auth:
    """Act for a user in a session of its own, where the project's `may_impersonate` says True.

    It ends after so many minutes, with the session of who acts, or by `stop_impersonating`.
    `request.auth` is the user's at once, and its `actor` says who acts.

    Args:
        request: one that has passed `SessionClaimsMiddleware`.
        user_id: whom to act for.
        reason: why, in 1 to 512 characters; for the log, the signal and the journal.
        minutes: 1 to 60.

    Raises:
        NotAllowed: 403 `impersonation-refused`, `actor-refused` (nobody acts for two), or the
            request came from another site.
        SessionError: `session-missing`, `session-revoked`, `headers-sent`.
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(request, _acting(user_id, reason, minutes))


async def aimpersonate(
    request: HttpRequest, user_id: str, *, reason: str, minutes: float = 30
) -> Auth:
    """Async form of `impersonate`."""
    return await _ado(request, _acting(user_id, reason, minutes))


def _acting(user_id: str, reason: str, minutes: float) -> Act[Auth]:
    return lambda issuing, exchange: issuing.impersonations.begin(
        exchange, user_id, reason=reason, minutes=minutes
    )


@async_unsafe(_UNSAFE.format("stop_impersonating"))
def stop_impersonating(request: HttpRequest) -> Auth:
    """Be oneself again: this response carries tokens of the session from before.

    Nobody is signed in by it if that has ended meanwhile.

    Raises:
        NotAllowed: the request came from another site.
        SessionError: `not-impersonating`, `session-missing`, `headers-sent`.
        ConfigurationError, IdentityUnavailable: as with `create_session`.
    """
    return _do(request, lambda issuing, exchange: issuing.impersonations.end(exchange))


async def astop_impersonating(request: HttpRequest) -> Auth:
    """Async form of `stop_impersonating`."""
    return await _ado(request, lambda issuing, exchange: issuing.impersonations.end(exchange))


def _do(request: HttpRequest, act: Act[T]) -> T:
    visit = visit_of(request)
    issuing = issuing_of(visit.side)
    _ = read(visit)
    try:
        result: T = issuing.run(act(issuing, visit))
    except (ActRefused, UnavailableError) as error:
        raise _refused(error, visit) from error
    return result


async def _ado(request: HttpRequest, act: Act[T]) -> T:
    visit = visit_of(request)
    issuing = issuing_of(visit.side)
    _ = await aread(visit)
    try:
        result: T = await issuing.arun(act(issuing, visit))
    except (ActRefused, UnavailableError) as error:
        raise _refused(error, visit) from error
    return result


def _refused(error: ActRefused | UnavailableError, visit: Visit) -> Refused:
    if isinstance(error, UnavailableError):
        decision = unavailable(error)
    else:
        decision = Decision("forbid", error.code)
    return refused(decision, visit.facts)
