"""How the core looks into Django's requests: into the WSGI environ, or the ASGI scope."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask_session_claims.core.request import RequestFacts
from flask_session_claims.io.transports import Asgi, Glance, Look, Wsgi


def source_of(request: Any) -> dict[str, Any]:
    """What an exchange keeps of a request. Under ASGI META has repeated fields joined."""
    source: dict[str, Any] | None = getattr(request, "scope", None)
    return request.META if source is None else source


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
