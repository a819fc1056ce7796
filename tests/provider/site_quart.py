"""The same API in Quart: quart --app site_quart run"""

from __future__ import annotations

import logging

from quart import Quart, g
from quart_session_claims import SessionClaims, claims_required, login_required

logging.basicConfig(level=logging.DEBUG)

app = Quart(__name__)
app.config.from_prefixed_env()
SessionClaims(app)


@app.get("/who")
async def who() -> dict[str, object]:
    return {"user": g.auth.user_id, "reason": g.auth.reason}


@app.get("/me")
@login_required
async def me() -> dict[str, object]:
    auth = g.auth
    claims = {name: auth.session_claims.get(name) for name in ("plan", "team")}
    return {"user": auth.user_id, "type": auth.token_type, "scopes": list(auth.scopes), **claims}


@app.get("/reports")
@claims_required(claims={"plan": "pro"})
async def reports() -> dict[str, object]:
    return {"user": g.auth.user_id}
