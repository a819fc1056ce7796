"""How the core's facts are read from a WSGI environ and from an ASGI scope.

Every adapter stands on one of the two, so none has to know header names. Raw field values are
taken, repeated ones included: a WSGI server has joined them by a comma (which is refused later),
an ASGI server leaves them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from ..core.request import SAFE_METHODS, RequestFacts

Look = tuple[Sequence[str], Sequence[str], bool]
Glance = tuple["str | None", "str | None", bool]
_NO_FIELD: Sequence[str] = ()


class Wsgi:
    """Reads a WSGI environ (PEP 3333)."""

    @staticmethod
    def glance(request: dict[str, Any]) -> Glance:
        return request.get("HTTP_AUTHORIZATION"), request.get("HTTP_COOKIE"), Wsgi._acts(request)

    @staticmethod
    def look(request: dict[str, Any]) -> Look:
        authorization, cookie = request.get("HTTP_AUTHORIZATION"), request.get("HTTP_COOKIE")
        return (
            _NO_FIELD if authorization is None else (authorization,),
            _NO_FIELD if cookie is None else (cookie,),
            Wsgi._acts(request),
        )

    @staticmethod
    def _acts(request: dict[str, Any]) -> bool:
        return request["REQUEST_METHOD"] not in SAFE_METHODS or Wsgi._is_websocket(request)

    @staticmethod
    def _is_websocket(request: dict[str, Any]) -> bool:
        """A handshake (RFC 6455 §4.1), which servers and extensions serve though WSGI does not."""
        return "HTTP_UPGRADE" in request and "websocket" in request["HTTP_UPGRADE"].lower()

    @staticmethod
    def is_fdi(request: dict[str, Any]) -> bool:
        return "HTTP_RID" in request or "HTTP_ST_AUTH_MODE" in request

    @staticmethod
    def facts(request: dict[str, Any]) -> RequestFacts:
        get = request.get
        path = get("SCRIPT_NAME", "") + get("PATH_INFO", "")
        query = get("QUERY_STRING")
        target = _path(path.encode("latin-1", "replace")) + (f"?{query}" if query else "")
        return RequestFacts(
            request["REQUEST_METHOD"],
            _scheme(request["wsgi.url_scheme"], websocket=Wsgi._is_websocket(request)),
            target,
            get("REMOTE_ADDR"),
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


class Asgi:
    """Reads an ASGI connection scope (http or websocket)."""

    @staticmethod
    def glance(request: dict[str, Any]) -> Glance:
        authorization, cookie, acts = Asgi.look(request)
        if len(authorization) > 1 or len(cookie) > 1:
            return None, None, acts
        return (authorization[0] if authorization else None), (cookie[0] if cookie else None), acts

    @staticmethod
    def look(request: dict[str, Any]) -> Look:
        authorization: list[str] = []
        cookie: list[str] = []
        for name, value in request["headers"]:
            if name == b"cookie":
                cookie.append(value.decode("latin-1"))
            elif name == b"authorization":
                authorization.append(value.decode("latin-1"))
        acts = request["type"] == "websocket" or request["method"] not in SAFE_METHODS
        return authorization, cookie, acts

    @staticmethod
    def is_fdi(request: dict[str, Any]) -> bool:
        return any(name in (b"rid", b"st-auth-mode") for name, _ in request["headers"])

    @staticmethod
    def facts(request: dict[str, Any]) -> RequestFacts:
        headers = _headers(request["headers"])
        get = headers.get
        websocket = request["type"] == "websocket"
        raw = request.get("raw_path")
        # raw_path has no query by the standard, but some servers leave it there.
        path = raw.decode("latin-1").partition("?")[0] if raw else None
        query = request.get("query_string", b"")
        if isinstance(query, bytes):  # Django's test client gives text
            query = query.decode("latin-1")
        peer = request.get("client")
        return RequestFacts(
            "GET" if websocket else request["method"],
            _scheme(request.get("scheme"), websocket=websocket),
            (path or _path(request.get("path", "/").encode())) + (f"?{query}" if query else ""),
            peer[0] if peer else None,
            get("origin"),
            get("referer"),
            get("sec-fetch-site"),
            get("sec-fetch-mode"),
            get("accept"),
            get("content-type"),
            get("x-requested-with"),
            get("access-control-request-method"),
            get("rid"),
            get("st-auth-mode"),
        )


def _scheme(stated: str | None, *, websocket: bool) -> str:
    if websocket and stated not in ("ws", "wss"):  # a proxy header may have made it https
        return "wss" if stated == "https" else "ws"
    return stated or "http"


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _path(path: bytes) -> str:
    return quote(path, safe="/:@!$&'()*+,;=~-._") or "/"
