"""WSGI middleware that was put around the app before us runs inside ours: what it hands on
counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_session_claims import SessionClaims, login_required

from ..flask_site import show

Called = Callable[[dict[str, Any], Any], Any]


def app_with(config: dict[str, Any], token: str | None) -> Flask:
    """An app inside us hands a copy on whose Authorization is another, or none."""
    app = Flask("site")
    app.config.update(config)
    inner: Called = app.wsgi_app

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        copy = {name: value for name, value in environ.items() if name != "HTTP_AUTHORIZATION"}
        if token is not None:
            copy["HTTP_AUTHORIZATION"] = token
        return inner(copy, start_response)

    app.wsgi_app = call  # type: ignore[method-assign]
    SessionClaims(app)
    show(app, "/me")
    show(app, "/mine", login_required)
    return app


@pytest.mark.parametrize("path", ["/me", "/mine"])
def test_one_that_hands_other_credentials_on(config, alice, bob, path):
    client = app_with(config, bob["Authorization"]).test_client()
    for _ in range(2):  # by the long way, and by the short one
        for given in ({}, alice):
            response = client.get(path, headers=given)
            assert response.json["user"] == "bob"
            assert response.headers["Cache-Control"] == "private"


def test_one_that_takes_credentials_away(config, alice):
    client = app_with(config, None).test_client()
    assert client.get("/me", headers=alice).json["user"] is None
    assert client.get("/mine", headers=alice).status_code == 401
