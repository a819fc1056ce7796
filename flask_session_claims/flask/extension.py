"""`SessionClaims`: what runs around each request, and where the current one's `Auth` is.

`g` may outlive a request (a pushed app context) and be shared by two (a request made inside a
view), so only `g.auth` is there, assigned on every request and taken away at its end. What
decides is kept on the request object itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from flask import Flask, current_app, g, has_request_context, request
from werkzeug.local import LocalProxy

from ..core.asks import Fetch
from ..core.auth import Auth
from ..core.errors import ConfigurationError, UnavailableError
from ..core.freshness import Freshness
from ..core.gate import ALLOW, Decision, Requirement, judge
from ..core.policy import Plan, plan_for
from ..core.request import Exchange, RequestAuth
from ..io.headers import apply_headers
from ..io.reading import Reading, announce, settings_from
from ..io.signals import emit, token_rejected
from ..io.transports import Wsgi
from .cli import command_group
from .refusals import refuse

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue
    from flask.wrappers import Request, Response

EXTENSION: Final = "session_claims"
_EXCHANGE: Final = "_session_claims"
_UNSET: Final[Any] = object()
_NO_PLAN: Final = (None, None)


class SessionClaims:
    """Verifies the session token of each request and puts its `Auth` on `g.auth`.

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
        app: Flask | None = None,
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

    def init_app(self, app: Flask) -> None:
        """Read `app.config["SESSION_CLAIMS_*"]` and hook into the app's requests.

        Raises:
            ConfigurationError: a setting is wrong, or the app has a SessionClaims already.
        """
        if EXTENSION in app.extensions:
            raise ConfigurationError(
                "this app has a SessionClaims already; call init_app once for each app."
            )
        gates, settings = settings_from(app.config, self._overrides)

        def rejected(reason: str, source: str | None) -> None:
            emit(token_rejected, app, wrapper=app.ensure_sync, reason=reason, source=source)

        reading = Reading(
            gates,
            settings,
            Wsgi(),
            clock=self._clock,
            fetch=self._fetch,
            freshness=self._freshness,
            rejected=rejected,
        )
        app.extensions[EXTENSION] = reading
        _install(app, reading)
        app.cli.add_command(command_group())
        announce(settings)


class FlaskAuth(RequestAuth):
    """A `RequestAuth` for which "it cannot be told" is Flask's 503."""

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
            decision = Decision("unavailable", error.code, retry_after=error.retry_after)
            refuse(decision, exchange.facts)
            raise

    def is_of(self, exchange: Exchange) -> bool:
        """Whether it reads that exchange."""
        return self._exchange is exchange


def _install(app: Flask, reading: Reading) -> None:
    views = app.view_functions
    plans: dict[str, tuple[Any, Plan]] = {}  # by endpoint, as long as it has this view

    def begin_request() -> ResponseReturnValue | None:
        here = cast("Request", request._get_current_object())  # type: ignore[attr-defined]  # pyright: ignore
        exchange = here.__dict__.get(_EXCHANGE) or _begin(reading, here)
        rule = here.url_rule
        if rule is None:
            return None
        view = views.get(rule.endpoint)
        planned, plan = plans.get(rule.endpoint, _NO_PLAN)
        if plan is None or planned is not view:
            plan = plan_for(view, reading.gates)
            plans[rule.endpoint] = view, plan
        exchange.looks_away = not plan.looked_at
        due = plan.due
        if plan.due_for_fdi and Wsgi.is_fdi(here.environ):
            due = plan.due_for_fdi
        for requirement in due:
            refusal = check(requirement)
            if refusal is not None:
                return refusal
        return None

    def finish_response(response: Response) -> Response:
        exchange = getattr(request, _EXCHANGE, None)
        if exchange is None or not (exchange.was_read or exchange.effects):
            return response
        apply_headers(exchange, reading.settings, response.headers)
        return response

    def end_request(error: BaseException | None) -> None:
        exchange = getattr(request, _EXCHANGE, None)
        here = g._get_current_object().__dict__  # pyright: ignore
        here.pop("auth", None)
        if exchange is not None:
            exchange.is_over = True
            if exchange.outer is not None and not exchange.outer.is_over:
                here["auth"] = FlaskAuth(exchange.outer)

    # First in and last out, so that every other hook sees our auth.
    app.before_request_funcs.setdefault(None, []).insert(0, begin_request)
    app.after_request_funcs.setdefault(None, []).insert(0, finish_response)
    app.teardown_request_funcs.setdefault(None, []).insert(0, end_request)


class FlaskExchange(Exchange):
    """An exchange that knows the one in whose view its request was made, if `g` is shared."""

    outer: FlaskExchange | None = None
    is_over = False


def _begin(reading: Reading, here: Request) -> FlaskExchange:
    exchange = FlaskExchange(here.environ, reading)
    setattr(here, _EXCHANGE, exchange)
    shared = g._get_current_object().__dict__  # pyright: ignore
    before = shared.get("auth")
    if before is not None:
        exchange.outer = before._exchange
    shared["auth"] = FlaskAuth(exchange)
    return exchange


def _state() -> Reading:
    state = current_app.extensions.get(EXTENSION)
    if not isinstance(state, Reading):
        raise ConfigurationError(
            "this app has no SessionClaims; write SessionClaims(app), or init_app(app)."
        )
    return state


def _exchange() -> FlaskExchange:
    """The exchange of the request at hand, begun here if our hook has not run for it."""
    exchange = getattr(request, _EXCHANGE, None)
    return exchange or _begin(_state(), cast("Request", request._get_current_object()))  # type: ignore[attr-defined]  # pyright: ignore


def check(requirement: Requirement) -> ResponseReturnValue | None:
    """None if the request at hand meets `requirement`, or the redirect to sign in.

    Raises:
        NotSignedIn, NotAllowed, IdentityUnavailable: it does not.
    """
    exchange = _exchange()
    decision = judge(exchange, requirement)
    return None if decision is ALLOW else refuse(decision, exchange.facts)


def get_auth(default: Any = _UNSET) -> Auth:
    """The plain `Auth` of the request at hand.

    Args:
        default: what to give outside a request, instead of raising.

    Raises:
        RuntimeError: there is no request.
    """
    if not has_request_context():
        if default is not _UNSET:
            return cast(Auth, default)
        raise RuntimeError(
            "nobody can be signed in outside a request; in a shell or a task pass the Auth along"
            " (get_auth() inside the request), in a test use the client of"
            " flask_session_claims.testing, or get_auth(default=None)."
        )
    return FlaskAuth(_exchange()).value


def _current() -> RequestAuth:
    if not has_request_context():
        get_auth()
    exchange = _exchange()
    bound = getattr(g, "auth", None)
    return bound if type(bound) is FlaskAuth and bound.is_of(exchange) else FlaskAuth(exchange)


#: The `RequestAuth` of the request at hand: what `g.auth` is.
current_auth: RequestAuth = LocalProxy(_current)  # type: ignore[assignment]
