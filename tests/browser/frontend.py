"""A single-page app's site: the page with others' packages as they come, and the API it calls."""

from __future__ import annotations

import sys
from typing import Any

from flask import Flask, Response, g, request
from flask_cors import CORS

from flask_session_claims import (
    BooleanClaim,
    SessionClaims,
    claims_required,
    create_session,
    login_required,
    merge_session_claims,
)
from tests.browser.pages import HEADERS, PAGES, REACT, WORK, Behind, page, script

app = Flask(__name__, instance_path=str(WORK))
app.config.from_prefixed_env()
claims = SessionClaims(app)
CORS(app, origins=PAGES, supports_credentials=True, allow_headers=HEADERS)
app.register_blueprint(claims.blueprint(), url_prefix="/auth")
behind = Behind()
verified = BooleanClaim("verified", behind.is_confirmed)
claims.add_claims(verified)


@app.after_request
def note(response: Response) -> Response:
    behind.note(request.method, request.path, response.status_code)
    return response


@app.get("/")
def show() -> str:
    return page(request.args, request.host_url.rstrip("/"))


@app.get("/react")
def react() -> str:
    return REACT


@app.get("/<any(bundle, built):folder>/<name>")
def send(folder: str, name: str) -> Response:
    return Response(script(folder, name), mimetype="text/javascript")


@app.post("/api/sign-in")
def sign_in() -> dict[str, Any]:
    return {"user": create_session("user_ada", claims={"plan": "free"}).user_id}


@app.get("/api/me")
@login_required
def me() -> dict[str, Any]:
    return {"user": g.auth.user_id, "plan": g.auth.session_claims["plan"]}


@app.get("/api/whoever")
def whoever() -> dict[str, Any]:
    return {"user": g.auth.user_id}


@app.post("/api/plan/<plan>")
@login_required
def change_plan(plan: str) -> dict[str, Any]:
    return {"plan": merge_session_claims({"plan": plan}).session_claims["plan"]}


@app.get("/api/confirmed-only")
@claims_required(validators=[verified.is_true(max_age=1)])
def confirmed_only() -> dict[str, Any]:
    return {"user": g.auth.user_id}


# --- for the test alone -------------------------------------------------------------------


@app.get("/told")
def calls() -> list[str]:
    return behind.calls


@app.post("/behind/<act>/<user_id>")
def behind_its_back(act: str, user_id: str) -> dict[str, Any]:
    behind.act(act, user_id)
    if act == "upgrade":
        claims.sessions.merge_claims_for_user(user_id, {"plan": "team"})
    if act == "revoke":
        claims.sessions.revoke_all(user_id)
    return {"live": len(claims.sessions.list_for_user(user_id))}


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), threaded=True)
