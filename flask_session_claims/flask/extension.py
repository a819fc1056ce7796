"""`SessionClaims`: what runs around each request, and where the current one's `Auth` is.

`g` may outlive a request (a pushed app context), so ours is assigned on every request, popped
at its end, known again by its request, and never merely tested for presence.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from flask import Flask, current_app, g, has_request_context, request
from werkzeug.local import LocalProxy

from ..core.asks import Fetch
from ..core.auth import Auth, signed_out
from ..core.errors import ConfigurationError, UnavailableError
from ..core.freshness import Freshness
from ..core.gate import Decision, Requirement, decide
from ..core.policy import due_before, is_looked_at
from ..core.request import Exchange, RequestAuth, RequestFacts, response_headers
from ..io.reading import Reading, announce, settings_from
from ..io.signals import emit, token_rejected
from .cli import command_group
from .refusals import refuse

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask.typing import ResponseReturnValue
    from flask.wrappers import Response

EXTENSION: Final = "session_claims"
_EXCHANGE: Final = "_session_claims"
_UNSET: Final[Any] = object()


def facts_of(environ: WSGIEnvironment) -> RequestFacts:
    """The facts of a WSGI request; servers join repeated fields by a comma."""
    get = environ.get
    authorization, cookie = get("HTTP_AUTHORIZATION"), get("HTTP_COOKIE")
    target = get("RAW_URI") or get("REQUEST_URI")
    if not target or not target.startswith("/"):
        target = (get("SCRIPT_NAME", "") + get("PATH_INFO", "")) or "/"
        if query := get("QUERY_STRING"):
            target += "?" + query
    return RequestFacts(
        environ["REQUEST_METHOD"],
        environ["wsgi.url_scheme"],
        target,
        get("REMOTE_ADDR"),
        () if authorization is None else (authorization,),
        () if cookie is None else (cookie,),
        get("HTTP_ORIGIN"),
        get("HTTP_REFERER"),
        get("HTTP_SEC_FETCH_SITE"),
        get("HTTP_SEC_FETCH_MODE"),
        get("HTTP_ACCEPT"),
        get("CONTENT_TYPE"),
        get("HTTP_X_REQUESTED_WITH"),
        get("HTTP_ACCESS_CONTROL_REQUEST_METHOD"),
        get("HTTP_RID"),
        get("HTTP_ST_AUTH_MODE"),
    )


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
            clock=self._clock,
            fetch=self._fetch,
            freshness=self._freshness,
            rejected=rejected,
        )
        app.extensions[EXTENSION] = reading
        _install(app, reading)
        app.cli.add_command(command_group())
        announce(settings)


def _install(app: Flask, reading: Reading) -> None:
    def begin_request() -> ResponseReturnValue | None:
        exchange = _begin(reading, request.environ)
        rule = request.url_rule
        view = app.view_functions.get(rule.endpoint) if rule is not None else None
        if view is None:
            return None
        if not is_looked_at(view, reading.gates):
            exchange.settle(signed_out())
            return None
        environ = exchange.request
        fdi = "HTTP_RID" in environ or "HTTP_ST_AUTH_MODE" in environ
        for requirement in due_before(view, reading.gates, fdi=fdi):
            refusal = check(requirement)
            if refusal is not None:
                return refusal
        return None

    def finish_response(response: Response) -> Response:
        exchange = getattr(g, _EXCHANGE, None)
        if exchange is None or not (exchange.was_read or exchange.effects):
            return response
        headers = response.headers
        replace, add = response_headers(
            exchange, reading.settings, headers.get("Vary"), headers.get("Cache-Control")
        )
        for name, value in replace:
            headers[name] = value
        for name, value in add:
            headers.add(name, value)
        return response

    def end_request(error: BaseException | None) -> None:
        g.pop("auth", None)
        g.pop(_EXCHANGE, None)

    # First in and last out, so that every other hook sees our auth.
    app.before_request_funcs.setdefault(None, []).insert(0, begin_request)
    app.after_request_funcs.setdefault(None, []).insert(0, finish_response)
    app.teardown_request_funcs.setdefault(None, []).insert(0, end_request)


def _begin(reading: Reading, environ: WSGIEnvironment) -> Exchange:
    exchange = reading.exchange(environ, facts_of)
    here = g._get_current_object()  # pyright: ignore
    setattr(here, _EXCHANGE, exchange)
    here.auth = RequestAuth(exchange, _Reader(exchange))
    return exchange


class _Reader:
    """Reads an exchange; that it cannot be told who it is becomes Flask's 503."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __call__(self) -> Auth:
        exchange = self._exchange
        try:
            return exchange.read()
        except UnavailableError as error:
            decision = Decision("unavailable", error.code, retry_after=error.retry_after)
            refuse(decision, exchange.facts)
            raise


def _state() -> Reading:
    state = current_app.extensions.get(EXTENSION)
    if not isinstance(state, Reading):
        raise ConfigurationError(
            "this app has no SessionClaims; write SessionClaims(app), or init_app(app)."
        )
    return state


def _exchange() -> Exchange:
    """The exchange of the request at hand, begun here if our hook has not run for it."""
    exchange = getattr(g, _EXCHANGE, None)
    environ = request.environ
    if isinstance(exchange, Exchange) and exchange.request is environ:
        return exchange
    return _begin(_state(), environ)


def check(requirement: Requirement) -> ResponseReturnValue | None:
    """None if the request at hand meets `requirement`, or the redirect to sign in.

    Raises:
        NotSignedIn, NotAllowed, IdentityUnavailable: it does not.
    """
    exchange = _exchange()
    decision = decide(exchange.facts, exchange.looked_at(), requirement, _state().gates)
    return refuse(decision, exchange.facts)


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
    _exchange()
    return cast(RequestAuth, g.auth).value


def _current() -> RequestAuth:
    if not has_request_context():
        get_auth()
    _exchange()
    return cast(RequestAuth, g.auth)


#: The `RequestAuth` of the request at hand: what `g.auth` is.
current_auth: RequestAuth = LocalProxy(_current)  # type: ignore[assignment]
