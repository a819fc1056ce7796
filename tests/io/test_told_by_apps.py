"""What an app's operators are told, by whole apps: metrics, and no log record without a name."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_session_claims
from flask_session_claims import Measurement, SessionClaims, create_session, login_required
from flask_session_claims.testing import KeyServer, LocalIssuer, shared_key

PACKAGE = Path(flask_session_claims.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def app_with(**settings: Any) -> tuple[Flask, list[Measurement]]:
    app = Flask("told")
    app.testing = True
    app.secret_key = "a secret key of a test, long enough"
    claims = SessionClaims(app, **settings)
    heard: list[Measurement] = []
    claims.metrics.add(heard.append)

    @app.post("/sign-in")
    def sign_in() -> str:
        return create_session("ada").session_id

    @app.get("/mine")
    @login_required
    def mine() -> str:
        return "mine"

    return app, heard


def told(heard: list[Measurement], name: str) -> list[dict[str, str]]:
    return [dict(one.attributes) for one in heard if one.name == f"session_claims.{name}"]


def test_an_issuer_tells_of_its_sessions_and_of_its_store():
    app, heard = app_with(issuer="self", store="memory:")
    client = app.test_client()
    for _ in range(2):
        assert client.post("/sign-in", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert told(heard, "session.created") == [{}, {}]
    assert told(heard, "session.revoked") == [{"reason": "replaced"}]
    assert {"operation": "commit", "outcome": "ok"} in told(heard, "store.duration")


@pytest.mark.parametrize(
    ("mode", "outcome", "status"), [("ok", "ok", 200), ("status", "failed", 503)]
)
def test_a_verifier_tells_of_its_keys(mode, outcome, status):
    issuer = LocalIssuer(key=shared_key("ES256"))
    with KeyServer(issuer) as server:
        server.mode = mode
        app, heard = app_with(issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True)
        headers = {"Authorization": f"Bearer {issuer.mint()}"}
        assert app.test_client().get("/mine", headers=headers).status_code == status
    assert told(heard, "keys.fetches") == [{"outcome": outcome}]
    assert told(heard, "keys.fetch.duration") == [{"outcome": outcome}]


def test_refusals_are_told_and_counted_though_few_are_logged(caplog):
    caplog.set_level("DEBUG", logger="flask_session_claims")
    issuer = LocalIssuer(key=shared_key("ES256"))
    app, heard = app_with(issuer=issuer.issuer, jwks=issuer.jwks())
    headers = {"Authorization": f"Bearer {issuer.mint(lifetime=-100)}"}
    for _ in range(30):
        assert app.test_client().get("/mine", headers=headers).status_code == 401
    assert told(heard, "token.refusals") == [{"reason": "token-expired", "source": "header"}] * 30
    logged = [record for record in caplog.records if record.event == "token-refused"]
    assert len(logged) == 10


def test_nothing_is_logged_but_by_name():
    """All records are made in io/logs.py, so that none is without its event."""
    found: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                of = node.func.value
                if isinstance(of, ast.Name) and of.id == "logger" and node.func.attr in LEVELS:
                    found.append(path.relative_to(PACKAGE).as_posix())
    assert found == ["io/logs.py"]
