"""Small Flask apps for the tests of what is particular to Flask."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, g

from flask_session_claims import SessionClaims

from .sites import APP

NAVIGATE = {"Sec-Fetch-Mode": "navigate"}

__all__ = ["APP", "NAVIGATE", "make_app", "show", "statuses", "with_me"]


def make_app(config: dict[str, Any], **changes: Any) -> Flask:
    app = Flask("site")
    app.config.update(config, **changes)
    SessionClaims(app)
    return app


def with_me(config: dict[str, Any], **changes: Any) -> Flask:
    """The app with an open view at /me."""
    app = make_app(config, **changes)
    show(app, "/me")
    return app


def show(app: Flask | Blueprint, path: str, *gates: Any) -> None:
    """Register a view that tells who is signed in, behind the gates, the innermost first."""

    # A new one each time: a gate leaves its mark on the function too, not only on what it returns.
    def view() -> dict[str, Any]:
        return {"user": g.auth.user_id, "reason": g.auth.reason}

    for gate in gates:
        view = gate(view)
    app.add_url_rule(path, path.strip("/") or "root", view)


def statuses(app: Flask, path: str, *headers: dict[str, str]) -> list[int]:
    client = app.test_client()
    return [client.get(path, headers=each).status_code for each in headers]
