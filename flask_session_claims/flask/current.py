"""What runs around each request, and where the current one's `Auth` is.

`g` may outlive a request (a pushed app context) and be shared by two (a request made inside a
view), so nothing is kept there: `g.auth` is a property that looks at the request at hand, and
what decides is kept on the request object itself.

Down: ours runs ahead of every hook. Up: headers are added where the response meets the server,
after every hook, error page and session cookie. Flask's own hooks promise neither, and cost more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

import flask.globals
from flask import Flask, has_request_context, request
from werkzeug.local import LocalProxy

from ..core.auth import Auth
from ..core.errors import UnavailableError
from ..core.gate import ALLOW, Decision, Requirement, judge, unavailable
from ..core.policy import NOTHING_DUE, plan_for
from ..core.request import Exchange, RequestAuth
from ..io.contexts import finder, give_g_auth
from ..io.headers import add_to, header_of, put_on
from ..io.transports import Wsgi
from .refusals import error_of, refuse
from .side import FlaskSide, side_of_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask.typing import ResponseReturnValue
    from flask.wrappers import Request, Response

T = TypeVar("T")

#: On a request: its exchange, and the `RequestAuth` over that.
_EXCHANGE: Final = "_session_claims"
_AUTH: Final = "_session_claims_auth"
#: In an environ, until the app sees the request: its exchange.
_BEGUN: Final = "flask_session_claims.exchange"
_UNSET: Final[Any] = object()
_NO_PLAN: Final = (None, None)

_names: Final = vars(flask.globals)
# Request and app have one context from Flask 3.2 on. A context without a request raises
# RuntimeError when asked for one.
_has_one: Final = "request_ctx" not in _names
_find_app_context: Final = finder(_names, "_cv_app", flask.globals.app_ctx)
_find_context: Final = (
    _find_app_context if _has_one else finder(_names, "_cv_request", _names["request_ctx"])
)


def install(app: Flask, side: FlaskSide) -> None:
    """Run around the app's requests, and give it `g.auth`."""
    app.wsgi_app = _around(app.wsgi_app, side)  # type: ignore[assignment, method-assign]
    app.preprocess_request = _ahead(app, side)  # type: ignore[method-assign]
    give_g_auth(app, _find_app_context, _AuthOnG(app, side), _outside)


class FlaskExchange(Exchange):
    """An exchange whose side is the Flask extension's."""

    side: FlaskSide
    #: Whether ours has not seen the request outside of the app, and so will not see its response.
    is_unwrapped: bool = False


class FlaskAuth(RequestAuth):
    """A `RequestAuth` for which "it cannot be told" is Flask's 503."""

    __slots__ = ()

    @property
    def value(self) -> Auth:
        exchange = self._exchange
        try:
            return exchange.read()
        except UnavailableError as error:
            decision = unavailable(error)
            refuse(decision, exchange.negotiated())
            raise

    def get_token(self, template: str | None = None) -> str | None:
        try:
            return super().get_token(template)
        except UnavailableError as error:
            refuse(unavailable(error), self._exchange.negotiated())
            raise


# --- around each request ------------------------------------------------------------------


def _around(wsgi_app: WSGIApplication, side: FlaskSide) -> WSGIApplication:
    """The app, each of whose requests has an exchange; what it asks for is put on the response."""

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        exchange = environ[_BEGUN] = FlaskExchange(environ, side)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            is_first, exchange.sent = not exchange.sent, True
            concerned = exchange.was_read or exchange.effects
            if concerned and is_first:
                issuing = exchange.side.issuing
                if issuing is not None:
                    issuing.close(exchange, int(status[:3]), partial(header_of, headers))
            if concerned:
                add_to(headers, exchange)
            return start_response(status, headers, *rest)

        try:
            return wsgi_app(environ, start)
        except BaseException:
            issuing = exchange.side.issuing
            if issuing is not None and not exchange.sent:
                issuing.close(exchange, 500)  # no response of ours, nobody signed in
            raise

    return call


def _ahead(app: Flask, home: FlaskSide) -> Callable[..., ResponseReturnValue | None]:
    """The app's `preprocess_request`, ahead of which is done what the view's plan says."""
    views, proceed = app.view_functions, app.preprocess_request

    def preprocess_request(*context: Any) -> ResponseReturnValue | None:  # Flask 3.2 passes it
        here = _find_context(None).request
        exchange = getattr(here, _EXCHANGE, None)
        if exchange is None:
            exchange = here.environ.get(_BEGUN)
            if exchange is None or exchange.side is not home or home.select is not None:
                exchange = _begin(here, home)
            else:  # the rest of `_begin` for nearly all requests
                del here.environ[_BEGUN]
                exchange.request = here.environ
                here._session_claims = exchange
        rule = here.url_rule
        if rule is None:
            return proceed(*context)
        side = exchange.side
        endpoint = rule.endpoint
        view = views.get(endpoint)
        planned, plan = side.plans.get(endpoint, _NO_PLAN)
        if plan is None or planned is not view:
            plan = plan_for(view, side.gates)
            side.plans[endpoint] = view, plan
        if plan is NOTHING_DUE:
            return proceed(*context)
        exchange.looks_away = not plan.looked_at
        due = plan.due
        if plan.due_for_fdi and Wsgi.is_fdi(here.environ):
            due = plan.due_for_fdi
        for requirement in due:
            decision = judge(exchange, requirement)
            if decision is not ALLOW:
                return _refuse(exchange, decision)
        return proceed(*context)

    return preprocess_request


def _begin(here: Request, home: FlaskSide) -> FlaskExchange:
    # Taken out, or environ and exchange would keep each other alive.
    begun: FlaskExchange | None = here.environ.pop(_BEGUN, None)
    if begun is None or begun.side is not home:
        begun = FlaskExchange(here.environ, home)
        begun.is_unwrapped = True
        if not home.finishes_inside:
            _finish_inside(_find_context(None).app, home)
    begun.request = here.environ  # middleware between may have handed on another
    if home.select is not None:
        begun.side = home.side_for(here)
    setattr(here, _EXCHANGE, begun)
    return begun


def _finish_inside(app: Flask, home: FlaskSide) -> None:
    """From now on put headers on inside of the app too, for requests that come past `_around`.

    Who kept the app's `wsgi_app` before we were around it serves such, as Connexion does. Not
    from the start, for it is a call more in every request.
    """
    proceed = app.process_response

    def unsent() -> FlaskExchange | None:
        exchange: FlaskExchange | None = getattr(_request(), _EXCHANGE, None)
        if exchange is None or not exchange.is_unwrapped or exchange.sent:
            return None
        return exchange

    def process_response(*given: Any) -> Response:
        response = proceed(*given)
        exchange = unsent()
        if exchange is not None:
            exchange.sent = True
            if exchange.was_read or exchange.effects:
                issuing = exchange.side.issuing
                if issuing is not None:
                    issuing.close(exchange, response.status_code, response.headers.get)
                put_on(response.headers, exchange)
        return response

    def end(error: BaseException | None) -> None:
        exchange = unsent() if error is not None else None
        if exchange is not None and exchange.side.issuing is not None:
            exchange.side.issuing.close(exchange, 500)  # as in _around

    app.process_response = process_response  # type: ignore[assignment, method-assign]
    app.teardown_request_funcs.setdefault(None, []).append(end)
    home.finishes_inside = True  # only now: another thread may be here too, and twice does no harm


# --- where the current one is -------------------------------------------------------------


class _AuthOnG:
    """`g.auth`: the `RequestAuth` of the request at hand, if it is one of this app.

    It looks at the request each time, for `g` may be of an app context that outlives it.
    """

    def __init__(self, app: Flask, home: FlaskSide) -> None:
        self._app = app
        self._home = home

    def __get__(self, instance: object, owner: type) -> RequestAuth:
        context = _find_context(None)
        try:
            here = context.request
        except (AttributeError, RuntimeError):  # no context, or one without a request
            raise AttributeError from None  # what it says is said by _outside
        exchange = getattr(here, _EXCHANGE, None)
        if exchange is None or exchange.side.home is not self._home:
            if context.app is not self._app:
                raise AttributeError
            exchange = exchange_at_hand()
        bound: RequestAuth | None = getattr(here, _AUTH, None)
        if bound is None:
            bound = here._session_claims_auth = FlaskAuth(exchange)
        return bound


def _outside() -> str:
    return (
        "g.auth: no request of this app is at hand, so nobody can be signed in; in a task pass the"
        " Auth along, in a test use test_request_context()"
    )


def _request() -> Request:
    return request._get_current_object()  # type: ignore[attr-defined,no-any-return] # pyright: ignore


def exchange_at_hand() -> FlaskExchange:
    """The exchange of the request at hand, begun here if our hook has not run for it."""
    here = _request()
    return getattr(here, _EXCHANGE, None) or _begin(here, side_of_app())


def current_side() -> FlaskSide:
    """The side that judges the request at hand."""
    return exchange_at_hand().side


def check(requirement: Requirement) -> ResponseReturnValue | None:
    """None if the request at hand meets `requirement`, or what is to be answered instead.

    Raises:
        NotSignedIn, NotAllowed, IdentityUnavailable: it does not, and no callback answers.
    """
    context = _find_context(None)
    begun = None if context is None else getattr(context.request, _EXCHANGE, None)
    exchange = begun or exchange_at_hand()
    decision = judge(exchange, requirement)
    return None if decision is ALLOW else _refuse(exchange, decision)


def _refuse(exchange: FlaskExchange, decision: Decision) -> ResponseReturnValue:
    facts, callbacks = exchange.facts, exchange.side.callbacks
    if callbacks.answers(decision.act):
        answer = callbacks.answer(decision.act, error_of(decision, facts))
        if answer is not None:
            return cast("ResponseReturnValue", answer)
    return refuse(decision, facts)


@overload
def get_auth() -> Auth: ...
@overload
def get_auth(default: T) -> Auth | T: ...
def get_auth(default: Any = _UNSET) -> Any:
    """The plain `Auth` of the request at hand.

    Args:
        default: what to give outside a request, instead of raising.

    Raises:
        RuntimeError: there is no request.
    """
    if not has_request_context():
        if default is not _UNSET:
            return default
        raise RuntimeError(
            "nobody can be signed in outside a request; in a shell or a task pass the Auth along"
            " (get_auth() inside the request), in a test use the client of"
            " flask_session_claims.testing, or get_auth(default=None)."
        )
    return FlaskAuth(exchange_at_hand()).value


def _current() -> RequestAuth:
    if not has_request_context():
        get_auth()
    exchange = exchange_at_hand()
    here: Any = _request()
    bound: RequestAuth | None = getattr(here, _AUTH, None)
    if bound is None:
        bound = here._session_claims_auth = FlaskAuth(exchange)
    return bound


#: The `RequestAuth` of the request at hand: what `g.auth` is.
current_auth: RequestAuth = LocalProxy(_current)  # type: ignore[assignment]
