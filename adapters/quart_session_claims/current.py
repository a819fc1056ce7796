"""What runs around each request and websocket, and the exchange of the one at hand.

Where that is, and why it is not looked for on `g`, is told in `place.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from quart import Quart, current_app

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.core.gate import ALLOW, SIGNED_IN, Requirement, due, judge
from flask_session_claims.core.policy import NOTHING_DUE, Plan, marks_of, plan_for
from flask_session_claims.core.request import Exchange
from flask_session_claims.io.headers import put_on, with_headers_of
from flask_session_claims.io.hooks import Hooks
from flask_session_claims.io.recalling import AsgiReading
from flask_session_claims.io.transports import Asgi

from .place import (
    REQUEST,
    WEBSOCKET,
    Kind,
    QuartAuth,
    QuartExchange,
    at_hand,
    current_kind,
    enter,
    exchange_for,
    give_auth,
    of_context,
    outside,
)
from .refusals import refuse

if TYPE_CHECKING:
    from quart.typing import ResponseReturnValue, ResponseTypes

    from flask_session_claims.io.issuing import Issuing

T = TypeVar("T")

#: A step of Quart's own; what it is given differs from version to version.
Hooked = Callable[..., Awaitable[Any]]

EXTENSION: Final = "session_claims"
#: In a scope, until the app sees the request: its exchange.
_BEGUN: Final = "session_claims.exchange"
_STARTS: Final = ("http.response.start", "websocket.http.response.start")
_UNSET: Final[Any] = object()
_NO_PLAN: Final = (None, None)
#: Of the issuer's own addresses: they look for themselves, and what they answer to refreshes or
#: publishes must not be refreshed ahead of them.
_LOOKS_ITSELF: Final = Plan(False, (), ())


class QuartSide(AsgiReading):
    """An `AsyncReading` as the extension keeps it, in `app.extensions["session_claims"]`."""

    #: The app's functions, its own sessions' or not.
    hooks: Hooks
    #: Whether headers are put on inside of the app too.
    finishes_inside: bool = False


def install(app: Quart, side: QuartSide) -> None:
    """Run around the app's requests and websockets, and give it `g.auth`.

    Down: ours runs ahead of every hook. Up: headers are added where the response meets the
    server, after every hook, error page and session cookie. Quart's own hooks promise neither,
    and cost more.
    """
    own: Any = app
    own.asgi_app = _around(app.asgi_app, side)
    own.preprocess_request = _ahead(REQUEST, app, side, app.preprocess_request)
    own.preprocess_websocket = _ahead(WEBSOCKET, app, side, app.preprocess_websocket)
    if side.issuing is not None:
        own.process_response = _closing(REQUEST, side.issuing, app.process_response)
        own.postprocess_websocket = _closing(WEBSOCKET, side.issuing, app.postprocess_websocket)
        for kind, hooks in (
            (REQUEST, app.teardown_request_funcs),
            (WEBSOCKET, app.teardown_websocket_funcs),
        ):
            hooks.setdefault(None, []).insert(0, _ending(kind, side.issuing))
    give_auth(app)


def _around(asgi_app: Hooked, side: QuartSide) -> Hooked:
    """The app, each of whose requests has an exchange; what it asks for is put on the response."""

    def call(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> Awaitable[Any]:
        if scope["type"] == "lifespan":
            return asgi_app(scope, receive, send)
        exchange = scope[_BEGUN] = exchange_for(scope, side)

        def sending(message: Any) -> Awaitable[None]:
            if message["type"] in _STARTS:
                exchange.sent = True
                if exchange.was_read or exchange.effects:
                    headers = with_headers_of(exchange, message.get("headers", ()))
                    message = {**message, "headers": headers}
            return send(message)

        return asgi_app(scope, receive, sending)

    return call


def _ahead(kind: Kind, app: Quart, side: QuartSide, proceed: Hooked) -> Hooked:
    """`proceed`, Quart's own `preprocess_…`, ahead of which is done what the view's plan says."""
    plans: dict[str, tuple[Any, Plan]] = {}  # by endpoint, as long as it has this view
    views = app.view_functions
    find_context, connection_of, _ = kind

    def preprocess(*given: Any) -> Awaitable[Any]:
        context = find_context(None)
        connection = connection_of(context)
        rule = connection.url_rule
        endpoint = "" if rule is None else rule.endpoint
        view = views.get(endpoint)
        planned, plan = plans.get(endpoint, _NO_PLAN)
        if plan is None or planned is not view:
            own = marks_of(view).own
            plan = _LOOKS_ITSELF if own else plan_for(view, side.gates)
            plans[endpoint] = (view, plan)
        exchange = connection.scope.pop(_BEGUN, None)
        if exchange is None or exchange.side is not side:
            exchange = _unwrapped(connection.scope, side)
        exchange.request = connection.scope  # middleware between may have handed on another
        if plan.looked_at:
            known = side.recall(exchange)
        else:
            exchange.looks_away, known = True, None  # a gate that marks do not show settles it
        if known is not None:
            exchange.settled = known
            if plan is NOTHING_DUE or not _due(plan, exchange):
                enter(exchange, context)
                return proceed(*given)
        return wait(plan, exchange, context, view is not None, given)

    async def wait(
        plan: Plan, exchange: QuartExchange, context: Any, has_view: bool, given: tuple[Any, ...]
    ) -> Any:
        if plan.looked_at and exchange.settled is None:
            await side.settle(exchange)
        enter(exchange, context)
        for requirement in _due(plan, exchange) if has_view else ():
            refusal = await _judge(exchange, requirement, side)
            if refusal is not None:
                return refusal
        return await proceed(*given)

    return preprocess


def _due(plan: Plan, exchange: Exchange) -> Sequence[Requirement]:
    is_fdi = plan.due_for_fdi and Asgi.is_fdi(exchange.request)
    return plan.due_for_fdi if is_fdi else plan.due


def _closing(kind: Kind, issuing: Issuing, proceed: Hooked) -> Hooked:
    """`proceed`, Quart's own way up through its hooks, after which the status is known."""

    async def process(*given: Any) -> ResponseTypes | None:
        response: ResponseTypes | None = await proceed(*given)
        exchange = of_context(kind)
        # No response: the websocket was accepted.
        if exchange is not None and response is not None:
            exchange.sent = True
            await issuing.aclose(exchange, response.status_code, response.headers.get)
        return response

    return process


def _unwrapped(scope: Any, side: QuartSide) -> QuartExchange:
    """The exchange of a connection that has come past `_around`.

    Who kept the app's `asgi_app` before we were around it serves such.
    """
    exchange = exchange_for(scope, side)
    exchange.is_unwrapped = True
    if not side.finishes_inside:
        _finish_inside(current_app, side)
    return exchange


def _finish_inside(app: Any, side: QuartSide) -> None:
    """From now on put headers on inside of the app too.

    Not from the start, for it is a call more in every request.
    """

    def finishing(kind: Kind, proceed: Hooked) -> Hooked:
        async def process(*given: Any) -> ResponseTypes | None:
            response: ResponseTypes | None = await proceed(*given)
            exchange = of_context(kind)
            if exchange is not None and exchange.is_unwrapped and response is not None:
                exchange.is_unwrapped, exchange.sent = False, True  # once
                if exchange.was_read or exchange.effects:
                    put_on(response.headers, exchange)
            return response

        return process

    app.process_response = finishing(REQUEST, app.process_response)
    app.postprocess_websocket = finishing(WEBSOCKET, app.postprocess_websocket)
    side.finishes_inside = True


def _ending(kind: Kind, issuing: Issuing) -> Callable[[BaseException | None], Awaitable[None]]:
    async def end(error: BaseException | None) -> None:
        # None at the end of a copied context, while the request itself may go on.
        exchange = of_context(kind)
        # Raised, cancelled, or answered past us: no response of ours, nobody signed in.
        if exchange is not None and (error or not exchange.sent):
            await issuing.aclose(exchange, 500)

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


def stands(requirement: Requirement) -> bool:
    """Whether the one at hand meets `requirement`, as far as that is plain; False: `check`."""
    exchange = at_hand()
    if exchange is None or exchange.settled is None:
        return False
    if requirement is not SIGNED_IN or exchange.side.validators:
        return False
    return judge(exchange, requirement) is ALLOW


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


def exchange_at_hand() -> QuartExchange:
    """The exchange of the request or websocket at hand, begun here if it is not yet."""
    exchange = at_hand()
    if exchange is not None:
        return exchange
    # Not begun yet: a test's context, say, or an app whose own preprocess_request we are in.
    kind = current_kind()
    if kind is None:
        raise outside()
    context = kind.find_context(None)
    exchange = _unwrapped(kind.connection_of(context).scope, state())
    enter(exchange, context)
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
    exchange = at_hand()
    if exchange is not None:
        return QuartAuth(exchange).value
    if default is not _UNSET and current_kind() is None:
        return default
    raise outside()
