"""Signing a framework's test client in with a token, as a browser or a script would send it.

Clients are told apart by where their class comes from; no framework is imported unless its own
client was passed in.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeVar

ClientT = TypeVar("ClientT")
Source = Literal["cookie", "header"]


def signed_in(
    client: ClientT,
    token: str,
    *,
    source: Source = "cookie",
    cookie_name: str = "__session",
) -> ClientT:
    """The same client, each of whose following requests carries the token.

    A second call replaces the token of that source; a token in the other source stays. A request
    with an Authorization header of its own sends that one instead. Cookies are set for the
    client's default host: `localhost` or the application's SERVER_NAME, and its subdomains in
    Flask.

    Args:
        client: a test client of Flask, Werkzeug, Quart or Django (Client or AsyncClient).
        source: send it as a cookie or as `Authorization: Bearer`.
        cookie_name: name of the cookie.

    Raises:
        TypeError: the client is of another kind.
        ValueError: the source is neither `cookie` nor `header`.
    """
    if source not in ("cookie", "header"):
        raise ValueError("source must be 'cookie' or 'header'")
    if hasattr(client, "test_client"):
        raise TypeError("signed_in: got an app; give its test client: app.test_client()")
    for ancestor in type(client).__mro__:
        package = ancestor.__module__.partition(".")[0]
        if package in _SIGN_IN:
            _SIGN_IN[package](client, token, source, cookie_name)
            return client
    raise TypeError(
        f"cannot sign in a {type(client).__qualname__}: "
        "expected a test client of Flask, Werkzeug, Quart or Django"
    )


def _flask(client: Any, token: str, source: Source, cookie_name: str) -> None:
    if source == "header":
        # Headers of a call are put over this, so an explicit Authorization wins.
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        return
    host = _host(client.application)
    client.set_cookie(cookie_name, token, domain=host, origin_only=False)


def _werkzeug(client: Any, token: str, source: Source, cookie_name: str) -> None:
    if source == "cookie":
        client.set_cookie(cookie_name, token)
        return
    plain_open = client.open

    def open(*args: Any, **kwargs: Any) -> Any:
        if args and not isinstance(args[0], str):
            raise TypeError("a client signed in by header takes a path, not a prepared request")
        environ: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
        environ.update(kwargs.pop("environ_base", None) or {})
        return plain_open(*args, environ_base=environ, **kwargs)

    client.open = open


def _quart(client: Any, token: str, source: Source, cookie_name: str) -> None:
    if source == "cookie":
        client.set_cookie(_host(client.app), cookie_name, token)
        return
    # The client has no default headers. open() serves get(), post() and the like.
    for name in ("open", "request", "websocket"):
        setattr(client, name, _with_bearer(getattr(client, name), token))


def _with_bearer(call: Callable[..., Any], token: str) -> Callable[..., Any]:
    from werkzeug.datastructures import Headers

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        headers = Headers(kwargs.pop("headers", None))
        if "Authorization" not in headers and kwargs.get("auth") is None:
            headers["Authorization"] = f"Bearer {token}"
        return call(*args, headers=headers, **kwargs)

    return wrapped


def _django(client: Any, token: str, source: Source, cookie_name: str) -> None:
    if source == "cookie":
        client.cookies[cookie_name] = token
    elif inspect.iscoroutinefunction(client.request):
        # The asynchronous client takes header names without the WSGI prefix.
        client.defaults["AUTHORIZATION"] = f"Bearer {token}"
    else:
        client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {token}"


def _host(app: Any) -> str:
    server_name: str = app.config.get("SERVER_NAME") or "localhost"
    return server_name.partition(":")[0]


_SIGN_IN: dict[str, Callable[[Any, str, Source, str], None]] = {
    "flask": _flask,
    "werkzeug": _werkzeug,
    "quart": _quart,
    "django": _django,
}
