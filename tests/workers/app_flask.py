"""A Flask app to be served by several workers: who it is, changes from within, and the counts."""

from __future__ import annotations

from typing import Any

from flask import Flask, g

from flask_session_claims import SessionClaims, merge_session_claims

from .counted import SECRET_KEY, counts, seen, settings

app = Flask(__name__)
app.config.update(SECRET_KEY=SECRET_KEY, **settings("SESSION_CLAIMS_"))
SessionClaims(app)


@app.get("/")
def view() -> dict[str, Any]:
    return seen(g.auth)


@app.post("/plan/<plan>")
def change(plan: str) -> dict[str, Any]:
    return seen(merge_session_claims({"plan": plan}))


@app.get("/counts")
def counted() -> dict[str, Any]:
    return counts()
