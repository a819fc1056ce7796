"""`SessionClaims`: what runs around each request and websocket.

Where the current one's `Auth` is, and why it is not looked for on `g`, is told in `place.py`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from quart import Quart, current_app

from flask_session_claims.core.asks import Fetch
from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.core.freshness import Freshness
from flask_session_claims.core.gate import ALLOW, Requirement, judge
from flask_session_claims.core.policy import Plan, plan_for
from flask_session_claims.core.request import Exchange
from flask_session_claims.io.headers import apply_headers
from flask_session_claims.io.reading import AsyncReading, Refreshed, announce, settings_from
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

T = TypeVar("T")

EXTENSION: Final = "session_claims"
_UNSET: Final[Any] = object()
_NO_PLAN: Final = (None, None)


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
        gates, settings, _ = settings_from(app.config, self._overrides)

        async def rejected(reason: str, source: str | None) -> None:
            await aemit(token_rejected, app, wrapper=app.ensure_async, reason=reason, source=source)

        async def refreshed(auth: Auth, changed: frozenset[str]) -> None:
            await aemit(claims_refreshed, app, wrapper=app.ensure_async, auth=auth, changed=changed)

        reading = AsyncReading(
            gates,
            settings,
            Asgi(),
            clock=self._clock,
            fetch=self._fetch,
            freshness=self._freshness,
            rejected=rejected,
            refreshed=Refreshed(lambda: claims_refreshed.has_receivers_for(app), refreshed),
        )
        app.extensions[EXTENSION] = reading
        _install(app, reading)
        announce(settings)


def _install(app: Quart, reading: AsyncReading) -> None:
    # First in and last out, so that every other hook sees our auth.
    def first(functions: dict[Any, list[Any]], hook: Any) -> None:
        functions.setdefault(None, []).insert(0, hook)

    first(app.before_request_funcs, _beginning(REQUEST, app, reading))
    first(app.before_websocket_funcs, _beginning(WEBSOCKET, app, reading))
    first(app.after_request_funcs, _finishing(REQUEST, reading))
    first(app.after_websocket_funcs, _finishing(WEBSOCKET, reading))
    first(app.teardown_request_funcs, _ending(REQUEST))
    first(app.teardown_websocket_funcs, _ending(WEBSOCKET))


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
            plan = plan_for(view, reading.gates)
            plans[endpoint] = (view, plan)
        exchange = Exchange(connection.scope, reading)
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
            if exchange.was_read or exchange.effects:
                apply_headers(exchange, response.headers)
        return response

    return finish


def _ending(kind: Kind) -> Callable[[BaseException | None], Awaitable[None]]:
    async def end(error: BaseException | None) -> None:
        leave(kind)

    return end


def _judge(exchange: Exchange, requirement: Requirement) -> ResponseReturnValue | None:
    decision = judge(exchange, requirement)
    return None if decision is ALLOW else refuse(decision, exchange.facts)


async def check(requirement: Requirement) -> ResponseReturnValue | None:
    """None if the request or handshake at hand meets `requirement`, or the redirect.

    Raises:
        NotSignedIn, NotAllowed, IdentityUnavailable: it does not.
    """
    place = at_hand()
    if place is None:
        # Our hook has not run for it: a test's context, say, or a hook put ahead of ours.
        kind = current_kind()
        if kind is None:
            raise outside()
        context = kind.find_context()
        exchange = Exchange(kind.connection_of(context).scope, _state())
        place = enter(kind, context, exchange)
    exchange = place.exchange
    if exchange.settled is None:
        await _state().settle(exchange)
    return _judge(exchange, requirement)


def _state() -> AsyncReading:
    state = current_app.extensions.get(EXTENSION)
    if not isinstance(state, AsyncReading):
        raise ConfigurationError(
            "this app has no SessionClaims; write SessionClaims(app), or init_app(app)."
        )
    return state


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
