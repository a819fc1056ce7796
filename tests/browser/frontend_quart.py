"""The same in Quart."""

from __future__ import annotations

import sys
from typing import Any

from quart import Quart, Response, g, request
from quart_cors import cors
from quart_session_claims import (
    BooleanClaim,
    SessionClaims,
    claims_required,
    create_session,
    login_required,
    merge_session_claims,
)

from tests.browser.pages import HEADERS, PAGES, REACT, READS, WORK, Behind, page, script

app = Quart(__name__, instance_path=str(WORK))
app.config.from_prefixed_env("FLASK")
claims = SessionClaims(app)
cors(
    app,
    allow_origin=PAGES,
    allow_credentials=True,
    allow_headers=HEADERS,
    expose_headers=READS,
)
app.register_blueprint(claims.blueprint(), url_prefix="/auth")
behind = Behind()
verified = BooleanClaim("verified", behind.is_confirmed)
claims.add_claims(verified)


@app.after_request
async def note(response: Response) -> Response:
    behind.note(request.method, request.path, response.status_code)
    return response


@app.get("/")
async def show() -> str:
    return page(request.args, request.host_url.rstrip("/"))


@app.get("/react")
async def react() -> str:
    return REACT


@app.get("/<any(bundle, built):folder>/<name>")
async def send(folder: str, name: str) -> Response:
    return Response(script(folder, name), mimetype="text/javascript")


@app.post("/api/sign-in")
async def sign_in() -> dict[str, Any]:
    return {"user": (await create_session("user_ada", claims={"plan": "free"})).user_id}


@app.get("/api/me")
@login_required
async def me() -> dict[str, Any]:
    return {"user": g.auth.user_id, "plan": g.auth.session_claims["plan"]}


@app.get("/api/whoever")
async def whoever() -> dict[str, Any]:
    return {"user": g.auth.user_id}


@app.post("/api/plan/<plan>")
@login_required
async def change_plan(plan: str) -> dict[str, Any]:
    return {"plan": (await merge_session_claims({"plan": plan})).session_claims["plan"]}


@app.get("/api/confirmed-only")
@claims_required(validators=[verified.is_true(max_age=1)])
async def confirmed_only() -> dict[str, Any]:
    return {"user": g.auth.user_id}


@app.get("/told")
async def calls() -> list[str]:
    return behind.calls


@app.post("/behind/<act>/<user_id>")
async def behind_its_back(act: str, user_id: str) -> dict[str, Any]:
    behind.act(act, user_id)
    if act == "upgrade":
        await claims.asessions.merge_claims_for_user(user_id, {"plan": "team"})
    if act == "revoke":
        await claims.asessions.revoke_all(user_id)
    return {"live": len(await claims.asessions.list_for_user(user_id))}


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), use_reloader=False)
