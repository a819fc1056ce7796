"""`SessionClaims`: what runs around each request and websocket, and the app's sessions.

Where the current one's `Auth` is, and why it is not looked for on `g`, is told in `place.py`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from quart import Blueprint, Quart, current_app

from flask_session_claims.core.asks import Fetch
from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import ConfigurationError, UnavailableError
from flask_session_claims.core.freshness import Freshness
from flask_session_claims.core.gate import ALLOW, Requirement, judge
from flask_session_claims.core.policy import Plan, marks_of, plan_for
from flask_session_claims.core.request import Exchange
from flask_session_claims.io.headers import apply_headers
from flask_session_claims.io.logs import logger
from flask_session_claims.io.reading import (
    AppSettings,
    AsyncReading,
    Refreshed,
    announce,
    settings_from,
)
from flask_session_claims.io.signals import aemit, claims_refreshed, token_rejected
from flask_session_claims.io.transports import Asgi

from .place import (
    REQUEST,
    WEBSOCKET,
    Kind,
    at_hand,
    current_kind,
    enter,
    leave,
    of_context,
    outside,
)
from .refusals import refuse

if TYPE_CHECKING:
    from quart.typing import ResponseReturnValue, ResponseTypes

    from flask_session_claims.io.issuing import Issuing
    from flask_session_claims.io.sessions import AsyncSessions, Sessions

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])

EXTENSION: Final = "session_claims"
_UNSET: Final[Any] = object()
_NO_PLAN: Final = (None, None)
#: Of the issuer's own addresses: they look for themselves, and what they answer to refreshes or
#: publishes must not be refreshed ahead of them.
_LOOKS_ITSELF: Final = Plan(False, (), ())


class SessionClaims:
    """Verifies the session token of each request and handshake, and sets `g.auth`.

    Args:
        app: the app, or None to call `init_app` later. One object serves several apps.
        clock: seconds since 1970 UTC, for the times in tokens.
        fetch: the network for key sets, if requests shall not be it.
        freshness: what knows about revocations and changed claims.
        **overrides: settings in lower case (`issuer=…`) that win over `app.config`.

    Raises:
        ConfigurationError: a setting is wrong; it says which, what it got, what to write.
    """

    def __init__(
        self,
        app: Quart | None = None,
        *,
        clock: Callable[[], float] = time.time,
        fetch: Fetch | None = None,
        freshness: Freshness | None = None,
        **overrides: Any,
    ) -> None:
        self._clock = clock
        self._fetch = fetch
        self._freshness = freshness
        self._overrides = overrides
        self._provide: Any = None
        self._sides: list[AsyncReading] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Read `app.config["SESSION_CLAIMS_*"]` and hook into requests and websockets.

        Raises:
            ConfigurationError: a setting is wrong, or the app has a SessionClaims already.
        """
        if EXTENSION in app.extensions:
            raise ConfigurationError(
                "this app has a SessionClaims already; call init_app once for each app."
            )
        found = settings_from(app.config, self._overrides)
        issuing = self._issuing(app, found) if found.verifier.is_self else None

        async def rejected(reason: str, source: str | None) -> None:
            await aemit(token_rejected, app, wrapper=app.ensure_async, reason=reason, source=source)

        async def refreshed(auth: Auth, changed: frozenset[str]) -> None:
            await aemit(claims_refreshed, app, wrapper=app.ensure_async, auth=auth, changed=changed)

        reading = AsyncReading(
            found.gates,
            found.verifier,
            Asgi(),
            clock=self._clock,
            fetch=self._fetch,
            freshness=self._freshness,
            rejected=rejected,
            refreshed=Refreshed(lambda: claims_refreshed.has_receivers_for(app), refreshed),
            issuing=issuing,
        )
        self._sides.append(reading)
        app.extensions[EXTENSION] = reading
        _install(app, reading)
        announce(found.verifier, issuing)

    def _issuing(self, app: Quart, found: AppSettings) -> Issuing:
        from .issuing import issuing_for  # an app that only reads tokens loads none of it

        issuing = issuing_for(app, found, clock=self._clock)
        issuing.provide = self._provide
        return issuing

    @property
    def asessions(self) -> AsyncSessions:
        """The acts on sessions, from anywhere: of the current app, or of the only one.

        Raises:
            ConfigurationError: the sessions are another issuer's.
        """
        return self._own_issuing().asessions

    @property
    def sessions(self) -> Sessions:
        """Sync form of `asessions`, for threads and scripts: whoever calls it waits.

        Async hooks and receivers then run on an event loop of their own.
        """
        return self._own_issuing().sessions

    def _own_issuing(self) -> Issuing:
        from .issuing import issuing_of

        return issuing_of(self._sides[0] if len(self._sides) == 1 else state())

    def provide(self, function: C) -> C:
        """Give claims of the app's own to each new session, and anew whenever it is refreshed.

        The function, sync or async, is given the user's id and the `Session` (None while it is
        being made), and gives claims, or None to leave those it gave before.

        Raises:
            ConfigurationError: it is no function, or there is one already.
        """
        if not callable(function):
            raise ConfigurationError(f"provide: got {function!r}; give a function.")
        if self._provide is not None:
            raise ConfigurationError("provide: there is one already; keep one.")
        self._provide = function
        for side in self._sides:
            if side.issuing is not None:
                side.issuing.provide = self._provide
        return function

    def blueprint(self) -> Blueprint:
        """The issuer's endpoints, to be registered under a prefix of your choice.

        POST `/session/refresh`, POST `/signout` (a form may say by `redirect_url` where to go
        back to, on this site or one of ORIGINS), and GET `/jwt/jwks.json`.
        """
        from .endpoints import session_blueprint

        return session_blueprint()

    def well_known(self) -> Blueprint:
        """What others look for at the root of the host: the key set and the OpenID configuration.

        Register it without a prefix.
        """
        from .endpoints import well_known_blueprint

        return well_known_blueprint()


def _install(app: Quart, reading: AsyncReading) -> None:
    # First in and last out, so that every other hook sees our auth.
    def first(functions: dict[Any, list[Any]], hook: Any) -> None:
        functions.setdefault(None, []).insert(0, hook)

    first(app.before_request_funcs, _beginning(REQUEST, app, reading))
    first(app.before_websocket_funcs, _beginning(WEBSOCKET, app, reading))
    first(app.after_request_funcs, _finishing(REQUEST, reading))
    first(app.after_websocket_funcs, _finishing(WEBSOCKET, reading))
    first(app.teardown_request_funcs, _ending(REQUEST, reading))
    first(app.teardown_websocket_funcs, _ending(WEBSOCKET, reading))


def _beginning(
    kind: Kind, app: Quart, reading: AsyncReading
) -> Callable[[], Awaitable[ResponseReturnValue | None]]:
    plans: dict[str, tuple[Any, Plan]] = {}  # by endpoint, as long as it has this view

    async def begin() -> ResponseReturnValue | None:
        context = kind.find_context()
        connection = kind.connection_of(context)
        rule = connection.url_rule
        endpoint = "" if rule is None else rule.endpoint
        view = app.view_functions.get(endpoint)
        planned, plan = plans.get(endpoint, _NO_PLAN)
        if plan is None or planned is not view:
            own = marks_of(view).own
            plan = _LOOKS_ITSELF if own else plan_for(view, reading.gates)
            plans[endpoint] = (view, plan)
        exchange = _exchange(kind, connection, reading)
        if plan.looked_at:
            known = reading.recall(exchange)
            if known is None:
                await reading.settle(exchange)
            else:
                exchange.settled = known
        else:
            exchange.looks_away = True  # a gate that marks do not show settles it
        enter(kind, context, exchange)
        if view is None:
            return None
        due = plan.due
        if plan.due_for_fdi and Asgi.is_fdi(exchange.request):
            due = plan.due_for_fdi
        for requirement in due:
            refusal = _judge(exchange, requirement)
            if refusal is not None:
                return refusal
        return None

    return begin


def _finishing(
    kind: Kind, reading: AsyncReading
) -> Callable[[ResponseTypes | None], Awaitable[ResponseTypes | None]]:
    async def finish(response: ResponseTypes | None) -> ResponseTypes | None:
        place = of_context(kind)
        # No response: the websocket was accepted.
        if place is not None and response is not None:
            exchange = place.exchange
            exchange.sent = True
            await _close(exchange, reading, response.status_code)
            if exchange.was_read or exchange.effects:
                apply_headers(exchange, response.headers)
        return response

    return finish


def _ending(kind: Kind, reading: AsyncReading) -> Callable[[BaseException | None], Awaitable[None]]:
    async def end(error: BaseException | None) -> None:
        place = of_context(kind)
        # Raised, cancelled, or answered past our hook: no response of ours, nobody signed in.
        if place is not None and (error is not None or not place.exchange.sent):
            await _close(place.exchange, reading, 500)
        leave(kind)

    return end


async def _close(exchange: Exchange, reading: AsyncReading, status: int) -> None:
    """Do what was left to do until the status is known; again, if that was not the last word."""
    effects, issuing = exchange.effects, reading.issuing
    if effects is None or effects.closing is None or issuing is None:
        return
    try:
        await issuing.arun(effects.closing(status))
    except UnavailableError as error:
        # The tokens are withdrawn already, so nobody holds what could not be revoked.
        logger.warning("session claims: %s", error.message)


def _judge(exchange: Exchange, requirement: Requirement) -> ResponseReturnValue | None:
    decision = judge(exchange, requirement)
    return None if decision is ALLOW else refuse(decision, exchange.facts)


async def check(requirement: Requirement) -> ResponseReturnValue | None:
    """None if the request or handshake at hand meets `requirement`, or the redirect.

    Raises:
        NotSignedIn, NotAllowed, IdentityUnavailable: it does not.
    """
    exchange = exchange_at_hand()
    await settle(exchange)
    return _judge(exchange, requirement)


def exchange_at_hand() -> Exchange:
    """The exchange of the request or websocket at hand, begun here if our hook has not run."""
    place = at_hand()
    if place is None:
        # Our hook has not run for it: a test's context, say, or a hook put ahead of ours.
        kind = current_kind()
        if kind is None:
            raise outside()
        context = kind.find_context()
        exchange = _exchange(kind, kind.connection_of(context), state())
        place = enter(kind, context, exchange)
    return place.exchange


def _exchange(kind: Kind, connection: Any, reading: AsyncReading) -> Exchange:
    exchange = Exchange(connection.scope, reading)
    exchange.sent = kind is WEBSOCKET  # a handshake is answered without cookies
    return exchange


async def settle(exchange: Exchange) -> None:
    """Find out who it is, unless that has been done."""
    if exchange.settled is None:
        await state().settle(exchange)


def state() -> AsyncReading:
    """The reading side of the app at hand.

    Raises:
        ConfigurationError: it has none.
    """
    reading = current_app.extensions.get(EXTENSION)
    if not isinstance(reading, AsyncReading):
        raise ConfigurationError(
            "this app has no SessionClaims; write SessionClaims(app), or init_app(app)."
        )
    return reading


@overload
def get_auth() -> Auth: ...
@overload
def get_auth(default: T) -> Auth | T: ...
def get_auth(default: Any = _UNSET) -> Any:
    """The plain `Auth` of the request or websocket at hand.

    Args:
        default: what to give outside a request, instead of raising.

    Raises:
        RuntimeError: there is no request, or this is a background task.
    """
    place = at_hand()
    if place is not None:
        return place.auth.value
    if default is not _UNSET and current_kind() is None:
        return default
    raise outside()
