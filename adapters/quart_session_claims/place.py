"""Where the request or websocket at hand is, for each task of its own.

Quart's `g` may outlive a request, and until 0.22 it is shared by all that run *at the same
time* if an app context is pushed around the server. So nothing is kept on `g`: a context
variable holds the exchange that was begun last, which counts only while its own request is the
current one, and `g.auth` is a property that looks there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from operator import attrgetter
from typing import Any, Final, NamedTuple

import quart.globals
from quart import Quart, has_request_context, has_websocket_context

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import UnavailableError
from flask_session_claims.core.gate import unavailable
from flask_session_claims.core.request import AsyncRequestAuth, Exchange
from flask_session_claims.io.contexts import Find, finder, give_g_auth
from flask_session_claims.io.reading import AsyncReading

from .refusals import refuse

_names: Final = vars(quart.globals)
_find_app_context: Final = finder(_names, "_cv_app", quart.globals.app_ctx)


class Kind(NamedTuple):
    """Requests, or websockets: how to find the current context, and the connection in it."""

    #: Given None, gives None where there is no context.
    find_context: Find
    #: Raises RuntimeError where the context has none.
    connection_of: Callable[[Any], Any]
    is_current: Callable[[], bool]


def _kind(name: str, is_current: Callable[[], bool]) -> Kind:
    if f"{name}_ctx" not in _names:  # Quart 0.23 has one context
        return Kind(_find_app_context, attrgetter(name), is_current)
    # Before, requests and websockets have theirs beside the app's.
    find = finder(_names, f"_cv_{name}", _names[f"{name}_ctx"])
    return Kind(find, attrgetter("request_websocket"), is_current)


REQUEST: Final = _kind("request", has_request_context)
WEBSOCKET: Final = _kind("websocket", has_websocket_context)


class QuartExchange(Exchange):
    """The exchange of a request or a websocket."""

    side: AsyncReading
    kind: Kind = REQUEST
    #: Whether ours has not seen the request outside of the app, and so will not see its response.
    is_unwrapped: bool = False

    def __deepcopy__(self, memo: object) -> QuartExchange:
        return self  # it stays this one in a scope that is copied, as by Hypercorn's ProxyFix


def exchange_for(scope: Any, side: AsyncReading) -> QuartExchange:
    """The exchange of a connection, not begun yet."""
    exchange = QuartExchange(scope, side)
    if scope["type"] == "websocket":
        exchange.kind = WEBSOCKET
        exchange.sent = True  # a handshake is answered without cookies
    return exchange


class QuartAuth(AsyncRequestAuth):
    """An `AsyncRequestAuth` for which "it cannot be told" is our 503."""

    __slots__ = ()

    @property
    def value(self) -> Auth:
        exchange = self._exchange
        settled = exchange.settled
        if type(settled) is Auth and not exchange.looks_away:
            exchange.was_read = True
            return settled
        try:
            return exchange.read()
        except UnavailableError as error:
            decision = unavailable(error)
            refuse(decision, exchange.facts)
            raise

    async def get_token(self, template: str | None = None) -> str | None:  # type: ignore[override]
        try:
            return await super().get_token(template)
        except UnavailableError as error:
            refuse(unavailable(error), self._exchange.facts)
            raise


#: An exchange, the context that it was begun in, the `g` there, and its auth. Not kept on the
#: exchange: the request knows its way to the server, and that the exchange, which makes a cycle.
Place = tuple[QuartExchange, Any, Any, QuartAuth]
_place: ContextVar[Place | None] = ContextVar("session_claims_place", default=None)


def enter(exchange: QuartExchange, context: Any) -> None:
    """Make `exchange` the one at hand, in the current context."""
    _place.set((exchange, context, _find_app_context(None).g, QuartAuth(exchange)))


def at_hand() -> QuartExchange | None:
    """The exchange of the request or websocket that this code runs for; None if there is none."""
    place = _place.get()
    if place is None:
        return None
    exchange, begun_in, g, _ = place
    context = exchange.kind.find_context(None)
    if context is begun_in:
        # Before 0.23 a background task inherits the request, but has its own app context.
        return exchange if _find_app_context(None).g is g else None
    return exchange if _is_copy(context, place) else None


def of_context(kind: Kind) -> QuartExchange | None:
    """The exchange of the very context that Quart calls us in; None if it was not begun."""
    place = _place.get()
    if place is None or place[0].kind is not kind or kind.find_context(None) is not place[1]:
        return None
    return place[0]


def _is_copy(context: Any, place: Place) -> bool:
    """Whether a context was copied from that one on purpose, as by stream_with_context."""
    if context is None:
        return False
    connection_of = place[0].kind.connection_of
    try:
        return connection_of(context) is connection_of(place[1])
    except RuntimeError:
        return False


def _is_current(place: Place) -> bool:
    context = place[0].kind.find_context(None)
    return context is place[1] or _is_copy(context, place)


def current_kind() -> Kind | None:
    """Whether a request or a websocket is at hand, begun or not; None outside of one."""
    place = _place.get()
    if place is not None and _is_current(place):
        return None if at_hand() is None else place[0].kind
    return next((kind for kind in (REQUEST, WEBSOCKET) if kind.is_current()), None)


def outside() -> RuntimeError:
    """What to raise where there is no auth, saying what to do."""
    if current_kind() is None:
        return RuntimeError(
            "nobody can be signed in outside a request; pass the Auth along (get_auth() inside"
            " the request) to a background task, in a test use the client of"
            " flask_session_claims.testing, or get_auth(default=None)."
        )
    return RuntimeError(
        "auth was read before it was settled; in a test_request_context await"
        " app.preprocess_request() first, elsewhere let this code run after the hook of"
        " SessionClaims."
    )


# --- g.auth and current_auth --------------------------------------------------------------


class _CurrentAuth(QuartAuth):
    """The auth of whichever request or websocket is at hand when it is read."""

    __slots__ = ()

    def __init__(self) -> None:
        """It has no exchange of its own."""

    @property
    def _exchange(self) -> Exchange:  # type: ignore[override] # pyright: ignore
        exchange = at_hand()
        if exchange is None:
            raise outside()
        return exchange

    def __repr__(self) -> str:
        return "<RequestAuth outside a request>" if at_hand() is None else super().__repr__()


#: The `AsyncRequestAuth` of the request or websocket at hand.
current_auth: AsyncRequestAuth = _CurrentAuth()


class _AuthOnG:
    """`g.auth`: that of the request or websocket at hand, if it is one of this app."""

    def __init__(self, app: Quart) -> None:
        self._app = app

    def __get__(self, here: object, owner: type) -> AsyncRequestAuth:
        place = _place.get()
        if place is None:
            raise AttributeError  # what it says is said below
        exchange, context, g, auth = place
        if g is not here or exchange.kind.find_context(None) is not context:
            if at_hand() is None or context.app is not self._app:
                raise AttributeError
        return auth


def give_auth(app: Quart) -> None:
    """Let the app's `g` have `auth`."""
    give_g_auth(app, _find_app_context, _AuthOnG(app), lambda: f"g.auth: {outside()}")
