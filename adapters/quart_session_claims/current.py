"""What runs around each request and websocket, and the exchange of the one at hand.

Where that is, and why it is not looked for on `g`, is told in `place.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from quart import Quart, current_app

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.core.gate import ALLOW, Requirement, due, judge
from flask_session_claims.core.policy import Plan, marks_of, plan_for
from flask_session_claims.core.request import Exchange
from flask_session_claims.io.headers import apply_headers
from flask_session_claims.io.hooks import Hooks
from flask_session_claims.io.reading import AsyncReading
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
#: Of the issuer's own addresses: they look for themselves, and what they answer to refreshes or
#: publishes must not be refreshed ahead of them.
_LOOKS_ITSELF: Final = Plan(False, (), ())


class QuartSide(AsyncReading):
    """An `AsyncReading` as the extension keeps it, in `app.extensions["session_claims"]`."""

    #: The app's functions, its own sessions' or not.
    hooks: Hooks


def install(app: Quart, side: QuartSide) -> None:
    """Run around the app's requests and websockets."""

    # First in and last out, so that every other hook sees our auth.
    def first(functions: dict[Any, list[Any]], hook: Any) -> None:
        functions.setdefault(None, []).insert(0, hook)

    first(app.before_request_funcs, _beginning(REQUEST, app, side))
    first(app.before_websocket_funcs, _beginning(WEBSOCKET, app, side))
    first(app.after_request_funcs, _finishing(REQUEST, side))
    first(app.after_websocket_funcs, _finishing(WEBSOCKET, side))
    first(app.teardown_request_funcs, _ending(REQUEST, side))
    first(app.teardown_websocket_funcs, _ending(WEBSOCKET, side))


def _beginning(
    kind: Kind, app: Quart, side: QuartSide
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
            plan = _LOOKS_ITSELF if own else plan_for(view, side.gates)
            plans[endpoint] = (view, plan)
        exchange = _exchange(kind, connection, side)
        if plan.looked_at:
            known = side.recall(exchange)
            if known is None:
                await side.settle(exchange)
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
            refusal = await _judge(exchange, requirement, side)
            if refusal is not None:
                return refusal
        return None

    return begin


def _finishing(
    kind: Kind, side: QuartSide
) -> Callable[[ResponseTypes | None], Awaitable[ResponseTypes | None]]:
    async def finish(response: ResponseTypes | None) -> ResponseTypes | None:
        place = of_context(kind)
        # No response: the websocket was accepted.
        if place is not None and response is not None:
            exchange = place.exchange
            exchange.sent = True
            if side.issuing is not None:
                header = response.headers.get
                await side.issuing.aclose(exchange, response.status_code, header)
            if exchange.was_read or exchange.effects:
                apply_headers(exchange, response.headers)
        return response

    return finish


def _ending(kind: Kind, side: QuartSide) -> Callable[[BaseException | None], Awaitable[None]]:
    async def end(error: BaseException | None) -> None:
        place = of_context(kind)
        if place is None:
            return  # the end of a copied context, while the request itself may go on
        # Raised, cancelled, or answered past our hook: no response of ours, nobody signed in.
        issuing = side.issuing
        if issuing is not None and (error or not place.exchange.sent):
            await issuing.aclose(place.exchange, 500)
        leave(place)

    return end


async def _judge(
    exchange: Exchange, requirement: Requirement, side: QuartSide
) -> ResponseReturnValue | None:
    if requirement.live and not exchange.confirmed:
        await side.aconfirm(exchange)
    missing = due(exchange, requirement)
    if missing:
        await side.arefetch(exchange, missing)
    decision = judge(exchange, requirement)
    return None if decision is ALLOW else refuse(decision, exchange.facts)


async def check(requirement: Requirement) -> ResponseReturnValue | None:
    """None if the request or handshake at hand meets `requirement`, or the redirect.

    Raises:
        NotSignedIn, NotAllowed, IdentityUnavailable: it does not.
    """
    exchange = exchange_at_hand()
    side = cast("QuartSide", exchange.side)
    if exchange.settled is None:
        await side.settle(exchange)
    return await _judge(exchange, requirement, side)


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


def _exchange(kind: Kind, connection: Any, side: QuartSide) -> Exchange:
    exchange = Exchange(connection.scope, side)
    exchange.sent = kind is WEBSOCKET  # a handshake is answered without cookies
    return exchange


async def settle(exchange: Exchange) -> None:
    """Find out who it is, unless that has been done."""
    if exchange.settled is None:
        await state().settle(exchange)


def state() -> QuartSide:
    """The side of the app at hand.

    Raises:
        ConfigurationError: it has none.
    """
    side = current_app.extensions.get(EXTENSION)
    if not isinstance(side, QuartSide):
        raise ConfigurationError(
            "this app has no SessionClaims; write SessionClaims(app), or init_app(app)."
        )
    return side


async def call(app: Quart, hook: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of the app gives; a sync one runs in a thread, as Quart's views do."""
    result: Any = await app.ensure_async(hook)(*arguments)
    # An object whose __call__ is async is taken for a sync function.
    return await result if isawaitable(result) else result


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
