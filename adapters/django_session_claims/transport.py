"""How the core looks into Django's requests: into the WSGI environ, or the ASGI scope.

Under ASGI not into META: a field that was sent with _ for - cannot be told there from the real
one, and repeated ones are joined.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from flask_session_claims.core.request import RequestFacts
from flask_session_claims.io.transports import Asgi, Glance, Look, Wsgi

#: The credentials' fields, in a scope and in META.
_CREDENTIALS: Final = ((b"authorization", "HTTP_AUTHORIZATION"), (b"cookie", "HTTP_COOKIE"))


def as_it_stands(scope: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """The scope, with other credentials if middleware ahead of ours has changed them in META."""
    headers = sent = scope["headers"]
    for name, key in _CREDENTIALS:
        values = [value for field, value in sent if field == name]
        stated: str | None = meta.get(key)
        if not _is_made_of(stated, values):
            headers = [field for field in headers if field[0] != name]
            if stated is not None:
                headers.append((name, stated.encode("latin-1", "replace")))
    return scope if headers is sent else {**scope, "headers": headers}


def _is_made_of(stated: str | None, values: list[bytes]) -> bool:
    """Whether that is what Django makes of such fields; how it joins several, versions differ."""
    if len(values) == 1:
        return stated == values[0].decode("latin-1")
    if not values:
        return stated is None
    return stated in [joint.join(values).decode("latin-1") for joint in (b",", b"; ")]


class DjangoTransport:
    """Reads either; a sync middleware may stand in an ASGI chain, and the reverse."""

    @staticmethod
    def glance(request: dict[str, Any]) -> Glance:
        return Asgi.glance(request) if "headers" in request else Wsgi.glance(request)

    @staticmethod
    def look(request: dict[str, Any]) -> Look:
        return Asgi.look(request) if "headers" in request else Wsgi.look(request)

    @staticmethod
    def facts(request: dict[str, Any]) -> RequestFacts:
        if "headers" not in request:
            # Django has decoded the path, and knows the prefix better than the server's raw
            # address does (FORCE_SCRIPT_NAME).
            path = request.get("SCRIPT_NAME", "").rstrip("/") + request.get("PATH_INFO", "/")
            target = _target(path, request.get("QUERY_STRING", ""))
            return Wsgi.facts(request)._replace(target=target)
        facts = Asgi.facts(request)
        if request.get("raw_path"):
            return facts
        return facts._replace(target=_target(request["path"], facts.target.partition("?")[2]))


def _target(path: str, query: str) -> str:
    path = quote(path, safe="/:@!$&'()*+,;=~-._")  # RFC 3986 §3.3
    return f"{path}?{query}" if query else path


TRANSPORT = DjangoTransport()
