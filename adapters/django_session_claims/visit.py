"""What one request holds of ours: its exchange, and the `RequestAuth` on `request.auth`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from flask_session_claims.core.auth import NOBODY, Auth
from flask_session_claims.core.errors import ConfigurationError, UnavailableError
from flask_session_claims.core.gate import ALLOW, Requirement, due, judge, unavailable
from flask_session_claims.core.request import AsyncRequestAuth, Exchange, RequestAuth
from flask_session_claims.io.reading import AsyncReading, Reading

from . import conf
from .refusals import Refused, refused
from .transport import as_it_stands

if TYPE_CHECKING:
    from django.http import HttpRequest

T = TypeVar("T")

_ATTRIBUTE: Final = "_session_claims"
#: On a request that has passed Django's page cache: whether to store the response.
_STORES_PAGE: Final = "_cache_update_cache"
_UNSET: Final[Any] = object()


class Visit(Exchange):
    """The exchange of a Django request."""

    side: Reading | AsyncReading
    #: The request, until its response is made: no longer, or the two would be a cycle, which
    #: leaves every request to the garbage collector.
    page: Any = None

    def __reduce__(self) -> Any:
        return _gone, ()  # Django's requests can be pickled; what is ours stays behind


def _gone() -> None:
    return None


def begin(request: Any, reading: Reading | AsyncReading) -> Visit:
    """The visit of a request; unsettled."""
    scope, meta = getattr(request, "scope", None), request.META
    carried = meta if scope is None else as_it_stands(scope, meta)
    visit = request._session_claims = Visit(carried, reading)
    visit.page = request
    return visit


def visit_of(request: Any) -> Visit:
    visit: Visit | None = getattr(request, _ATTRIBUTE, None)
    if visit is None:
        raise ConfigurationError(
            f"no session claims are known for this {type(request).__name__}: add"
            ' "django_session_claims.middleware.SessionClaimsMiddleware" to MIDDLEWARE (in a test'
            " without it: SessionClaimsMiddleware(view)(request)); a gate on a method of a class"
            " needs method_decorator."
        )
    return visit


def keep_uncached(request: Any) -> None:
    """Tell Django's page cache that this response depends on who asks.

    `cache_page` stores a response before any middleware can make it private.
    """
    if hasattr(request, _STORES_PAGE):
        setattr(request, _STORES_PAGE, False)


def _keep_uncached_here(request: Any, visit: Visit) -> None:
    """The same where a gate was given a request: that may be a copy, or stand in front of ours."""
    keep_uncached(request)
    if request is not visit.page:
        keep_uncached(visit.page)


def read(visit: Visit) -> Auth:
    """Who it is, for what needs to know, whatever the view's policy is.

    Raises:
        IdentityUnavailable: it cannot be told now.
    """
    _wait_here(visit)
    visit.looks_away = False
    return DjangoAuth(visit).value


async def aread(visit: Visit) -> Auth:
    """Async form of `read`."""
    if visit.settled is None:
        await conf.async_reading().settle(visit)
    visit.looks_away = False
    return DjangoAuth(visit).value


def _wait_here(visit: Visit) -> None:
    """For sync code in an async chain, which the middleware has not settled: it may wait."""
    if visit.settled is None and isinstance(visit.side, AsyncReading):
        visit.side = conf.reading()


class _NotedAuth(RequestAuth):
    """A `RequestAuth` for which "it cannot be told" is answered with 503."""

    __slots__ = ()
    notes_each_reading = True  # the page cache may have been told otherwise since

    @property
    def value(self) -> Auth:
        exchange: Any = self._exchange
        if exchange.looks_away:
            return NOBODY
        page = exchange.page
        if hasattr(page, _STORES_PAGE):
            keep_uncached(page)
        exchange.was_read = True
        outcome: Auth | UnavailableError = exchange.settled
        if type(outcome) is Auth:
            return outcome
        outcome = exchange.outcome()
        if isinstance(outcome, UnavailableError):
            decision = unavailable(outcome)
            raise refused(decision, exchange.facts) from outcome
        return outcome


class DjangoAuth(_NotedAuth):
    """What sync views see on `request.auth`."""

    __slots__ = ()

    def get_token(self, template: str | None = None) -> str | None:
        try:
            return super().get_token(template)
        except UnavailableError as error:
            raise refused(unavailable(error), self._exchange.facts) from error


class AsyncDjangoAuth(_NotedAuth, AsyncRequestAuth):
    """Async form of `DjangoAuth`."""

    __slots__ = ()

    async def get_token(self, template: str | None = None) -> str | None:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            return await super().get_token(template)
        except UnavailableError as error:
            raise refused(unavailable(error), self._exchange.facts) from error


@overload
def get_auth(request: HttpRequest) -> Auth: ...
@overload
def get_auth(request: HttpRequest, default: T) -> Auth | T: ...
def get_auth(request: HttpRequest, default: Any = _UNSET) -> Any:
    """The plain `Auth` of a request.

    Args:
        request: a request that has passed `SessionClaimsMiddleware`.
        default: what to give if it has not, instead of raising.

    Raises:
        ConfigurationError: the middleware has not seen this request.
        IdentityUnavailable: it cannot be told now who it is.
    """
    if default is not _UNSET and getattr(request, _ATTRIBUTE, None) is None:
        return default
    return DjangoAuth(visit_of(request)).value


def refusal_for(request: Any, visit: Visit, requirement: Requirement) -> Refused | None:
    """What stands against a request; noted as read."""
    _keep_uncached_here(request, visit)
    decision = judge(visit, requirement)
    return None if decision is ALLOW else refused(decision, visit.facts)


async def prepare(visit: Visit, requirement: Requirement) -> None:
    """Await what a gate has to know; who it is must be settled."""
    if requirement.live and not visit.confirmed:
        await conf.async_reading().aconfirm(visit)
    missing = due(visit, requirement)
    if missing:
        await conf.async_reading().arefetch(visit, missing)


async def acheck(request: Any, requirement: Requirement) -> None:
    """Async form of `check`."""
    visit = visit_of(request)
    if visit.settled is None:  # a gate hidden from the middleware
        await conf.async_reading().settle(visit)
    await prepare(visit, requirement)
    refusal = refusal_for(request, visit, requirement)
    if refusal is not None:
        raise refusal


def check(request: Any, requirement: Requirement) -> None:
    """Return if the request meets `requirement`.

    Raises:
        NotSignedIn, NotAllowed, IdentityUnavailable, Preflight: it does not.
    """
    visit = getattr(request, _ATTRIBUTE, None) or visit_of(request)
    if isinstance(visit.side, AsyncReading):  # a gate hidden from the middleware, in a sync view
        if visit.settled is None or requirement.live or due(visit, requirement):
            visit.side = conf.reading()  # which may wait
    if request is not visit.page or hasattr(request, _STORES_PAGE):
        _keep_uncached_here(request, visit)
    decision = judge(visit, requirement)
    if decision is not ALLOW:
        raise refused(decision, visit.facts)
