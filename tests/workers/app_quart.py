"""The same app in Quart."""

from __future__ import annotations

from typing import Any

from quart import Quart, g
from quart_session_claims import SessionClaims, merge_session_claims

from .counted import SECRET_KEY, counts, seen, settings

app = Quart(__name__)
app.config.update(SECRET_KEY=SECRET_KEY, **settings("SESSION_CLAIMS_"))
SessionClaims(app)


@app.get("/")
async def view() -> dict[str, Any]:
    return seen(g.auth)


@app.post("/plan/<plan>")
async def change(plan: str) -> dict[str, Any]:
    return seen(await merge_session_claims({"plan": plan}))


@app.get("/counts")
async def counted() -> dict[str, Any]:
    return counts()
