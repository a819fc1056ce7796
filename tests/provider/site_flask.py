"""An API in Flask: flask --app site_flask run"""

from __future__ import annotations

import logging

from flask import Flask, g

from flask_session_claims import SessionClaims, claims_required, login_required

logging.basicConfig(level=logging.DEBUG)

app = Flask(__name__)
app.config.from_prefixed_env()
SessionClaims(app)


@app.get("/who")
def who() -> dict[str, object]:
    return {"user": g.auth.user_id, "reason": g.auth.reason}


@app.get("/me")
@login_required
def me() -> dict[str, object]:
    auth = g.auth
    claims = {name: auth.session_claims.get(name) for name in ("plan", "team")}
    return {"user": auth.user_id, "type": auth.token_type, "scopes": list(auth.scopes), **claims}


@app.get("/reports")
@claims_required(claims={"plan": "pro"})
def reports() -> dict[str, object]:
    return {"user": g.auth.user_id}
