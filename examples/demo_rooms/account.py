"""Signing in, the session with its token and claims, and the devices."""

from __future__ import annotations

import json
import time
from typing import Any

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from flask_session_claims import (
    ClaimsRefused,
    claims_required,
    create_session,
    current_session,
    login_required,
    merge_session_claims,
    redirect_target,
    revoke_session,
)

from .organizations import places_of
from .people import PEOPLE, claims

room = Blueprint("account", __name__)


@room.get("/")
def home() -> str:
    return page()


def page(error: str | None = None, name: str = "", value: str = "") -> str:
    session = current_session()
    if session is None:
        return render_template("sign_in.html", people={it: places_of(it) for it in PEOPLE})
    acts = claims.sessions.journal(session.session_id) or ()
    return render_template(
        "account.html",
        session=session,
        places=places_of(session.user_id),
        devices=claims.sessions.list_for_user(session.user_id),
        acts=acts[-6:][::-1],
        refreshed=next((int(act.detail) - 1 for act in acts[::-1] if act.act == "refresh"), 0),
        now=time.time(),
        lifetime=current_app.config["SESSION_CLAIMS_SESSION_TOKEN_LIFETIME"],
        watching="watch" in request.args,
        error=error,
        name=name,
        value=value,
    )


@room.get("/profile")
@login_required
def profile() -> dict[str, Any]:
    return {"fullName": g.auth.session_claims["fullName"], "userId": g.auth.user_id}


@room.get("/members")
@claims_required(claims={"plan": {"pro", "team"}})
def members() -> str:
    return render_template("members.html")


@room.post("/sign-in")
def sign_in() -> Response:
    user_id = f"user_{request.form.get('user', '')}"
    if user_id not in PEOPLE:
        abort(400, "user: ada, grace or katherine")
    places = places_of(user_id)
    create_session(
        user_id,
        org_id=places[0].org_id if places else None,
        persistent="forget" not in request.form,
        device=device_name(request.user_agent.string),
        address=request.remote_addr,
    )
    return redirect(redirect_target(), 303)  # back to the page that asked for a sign-in


@room.post("/claims")
@login_required
def change_claim() -> Response | tuple[str, int]:
    name, value = request.form["name"].strip(), request.form["value"].strip()
    try:
        merge_session_claims({name: json_or_text(value) if value else None})
    except ClaimsRefused as refused:
        return page(refused.message, name, value), refused.status
    return redirect(url_for(".home", _anchor="claims"), 303)


@room.post("/devices/<session_id>/sign-out")
@login_required
def sign_out_device(session_id: str) -> Response:
    if session_id == g.auth.session_id:
        revoke_session()  # takes the cookies away as well
        return redirect(url_for(".home"), 303)
    session = claims.sessions.get(session_id)
    if session is None or session.user_id != g.auth.user_id:
        abort(404)
    claims.sessions.revoke(session_id)
    return redirect(url_for(".home", _anchor="devices"), 303)


@room.post("/devices/others/sign-out")
@login_required(allow_actor=False)
def sign_out_others() -> Response:
    claims.sessions.revoke_all(g.auth.user_id, keep=g.auth.session_id)
    return redirect(url_for(".home", _anchor="devices"), 303)


# --- words --------------------------------------------------------------------------------


def json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def device_name(agent: str) -> str:
    """Something a person knows the browser by."""
    programs = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
    systems = {
        "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows",
        "Mac OS": "macOS", "Linux": "Linux",
    }  # fmt: skip
    program = next((name for mark, name in programs.items() if mark in agent), None)
    system = next((name for mark, name in systems.items() if mark in agent), None)
    if program is None:
        return agent.split("/")[0][:40] or "Unknown"
    return f"{program} on {system}" if system else program
