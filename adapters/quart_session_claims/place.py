"""Where the request or websocket at hand is, for each task of its own.

Quart's `g` may outlive a request, and until 0.22 it is shared by all that run *at the same
time* if an app context is pushed around the server. So nothing is looked up on `g`: a context
variable holds the place, and it counts only while its own request is the current one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from operator import attrgetter
from typing import Any, Final, NamedTuple

import quart.globals
from quart import g, has_request_context, has_websocket_context

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import UnavailableError
from flask_session_claims.core.gate import unavailable
from flask_session_claims.core.request import AsyncRequestAuth, Exchange

from .refusals import refuse

#: On `g`: how many requests use it at the moment.
_OPEN: Final = "_session_claims_open"

_find_g: Any = g._get_current_object  # pyright: ignore


class Kind(NamedTuple):
    """Requests, or websockets: how to find the current context, and the connection in it.

    Both raise RuntimeError where there is none.
    """

    find_context: Callable[[], Any]
    connection_of: Callable[[Any], Any]
    is_current: Callable[[], bool]


def _kind(name: str, is_current: Callable[[], bool]) -> Kind:
    # Quart 0.23 has one context; before, requests and websockets have theirs beside the app's.
    proxy: Any = getattr(quart.globals, f"{name}_ctx", quart.globals.app_ctx)
    return Kind(proxy._get_current_object, attrgetter(name), is_current)


REQUEST: Final = _kind("request", has_request_context)
WEBSOCKET: Final = _kind("websocket", has_websocket_context)


class Place(NamedTuple):
    """A request or websocket that our hook has begun, and where."""

    exchange: Exchange
    auth: AsyncRequestAuth
    kind: Kind
    context: Any
    g: Any


_place: ContextVar[Place | None] = ContextVar("session_claims_place", default=None)


def enter(kind: Kind, context: Any, exchange: Exchange) -> Place:
    """Make `exchange` the one at hand, and put its auth on `g`.

    Where others use the same `g` now, `g.auth` finds each one's own when it is read.
    """
    here = _find_g()
    auth = QuartAuth(exchange)
    place = Place(exchange, auth, kind, context, here)
    _place.set(place)
    own = here.__dict__
    users = own[_OPEN] = own.get(_OPEN, 0) + 1
    own["auth"] = auth if users == 1 else current_auth
    return place


def leave(place: Place) -> None:
    """Take ours off `g` at the end of a request, unless others still use it."""
    own = place.g.__dict__
    users = own.get(_OPEN, 0) - 1
    if users > 0:
        own[_OPEN] = users
        return
    own.pop("auth", None)
    own.pop(_OPEN, None)


def of_context(kind: Kind) -> Place | None:
    """The place of the very context that Quart calls a hook in; None if it was not begun."""
    place = _place.get()
    if place is None or place.kind is not kind or kind.find_context() is not place.context:
        return None
    return place


def at_hand() -> Place | None:
    """The place of the request or websocket that this code runs for; None if there is none."""
    place = _place.get()
    if place is None:
        return None
    kind = place.kind
    try:
        context = kind.find_context()
        if context is place.context:
            # Before 0.23 a background task inherits the request, but has its own app context.
            return place if _find_g() is place.g else None
        # Copied on purpose: stream_with_context and its like.
        copied = kind.connection_of(context) is kind.connection_of(place.context)
        return place if copied else None
    except RuntimeError:
        return None


def _is_current(place: Place) -> bool:
    kind = place.kind
    try:
        context = kind.find_context()
        if context is place.context:
            return True
        return kind.connection_of(context) is kind.connection_of(place.context)
    except RuntimeError:
        return False


def current_kind() -> Kind | None:
    """Whether a request or a websocket is at hand, begun or not; None outside of one."""
    place = _place.get()
    if place is not None and _is_current(place):
        return None if at_hand() is None else place.kind
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


class _CurrentAuth(QuartAuth):
    """The auth of whichever request or websocket is at hand when it is read."""

    __slots__ = ()

    def __init__(self) -> None:
        """It has no exchange of its own."""

    @property
    def _exchange(self) -> Exchange:  # type: ignore[override] # pyright: ignore
        place = at_hand()
        if place is None:
            raise outside()
        return place.exchange

    def __repr__(self) -> str:
        return "<RequestAuth outside a request>" if at_hand() is None else super().__repr__()


#: The `AsyncRequestAuth` of the request or websocket at hand.
current_auth: AsyncRequestAuth = _CurrentAuth()
