"""A small site that signs people in with sessions of its own; no JavaScript, nothing to install.

The store and its key are in `instance/` beside this file, so a restart signs nobody out. Passwords
are not the subject: whoever clicks on a name is signed in.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import click
from flask import Flask, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from flask_session_claims import (
    ClaimsRefused,
    Session,
    SessionClaims,
    claims_required,
    create_session,
    current_session,
    login_required,
    merge_session_claims,
    redirect_target,
    revoke_session,
)

HERE = Path(__file__).parent
PORT = int(os.environ.get("PORT", "5000"))
SITE = f"http://127.0.0.1:{PORT}"
TOKEN_LIFETIME = 20  # short, so that one sees refreshes
USERS = {
    "ada": {"fullName": "Ada Lovelace", "role": "admin", "plan": "team"},
    "grace": {"fullName": "Grace Hopper", "role": "editor", "plan": "pro"},
    "katherine": {"fullName": "Katherine Johnson", "role": "reader", "plan": "free"},
}
CSP = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"  # noqa: E501

app = Flask(
    __name__,
    template_folder="demo/templates",
    static_folder="demo/static",
    instance_path=os.environ.get("DEMO_FOLDER", str(HERE / "instance")),
)
app.debug = True  # cookies for plain http, and a secret of its own in instance/; no debugger
app.config.from_mapping(
    SESSION_CLAIMS_ISSUER="self",
    SESSION_CLAIMS_SESSION_TOKEN_LIFETIME=TOKEN_LIFETIME,
    SESSION_CLAIMS_ORIGINS=[SITE, f"http://localhost:{PORT}"],
    SESSION_CLAIMS_SIGN_IN_URL="/",
)
claims = SessionClaims(app)
app.register_blueprint(claims.blueprint(), url_prefix="/auth")
app.register_blueprint(claims.well_known())


@claims.provide
def from_the_directory(user_id: str, session: Session | None) -> dict[str, str]:
    """What every session says of its user; looked up at sign-in and at each refresh."""
    return USERS[user_id.removeprefix("user_")]


@app.after_request
def harden(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"  # "back" shows nothing after a sign-out
    return response


# --- pages --------------------------------------------------------------------------------


@app.get("/")
def home() -> str:
    return page()


def page(error: str | None = None, name: str = "", value: str = "") -> str:
    session = current_session()
    if session is None:
        return render_template("sign_in.html", users=USERS)
    acts = claims.sessions.journal(session.session_id) or ()
    return render_template(
        "account.html",
        session=session,
        devices=claims.sessions.list_for_user(session.user_id),
        acts=acts[-6:][::-1],
        refreshed=next((int(act.detail) - 1 for act in acts[::-1] if act.act == "refresh"), 0),
        now=time.time(),
        lifetime=TOKEN_LIFETIME,
        watching="watch" in request.args,
        error=error,
        name=name,
        value=value,
    )


@app.get("/profile")
@login_required
def profile() -> dict[str, Any]:
    return {"fullName": g.auth.session_claims["fullName"], "userId": g.auth.user_id}


@app.get("/members")
@claims_required(claims={"plan": {"pro", "team"}})
def members() -> str:
    return render_template("members.html")


@claims.forbidden
def forbidden(error: Any) -> tuple[str, int] | None:
    if not request.accept_mimetypes.accept_html or error.error_code != "permission-denied":
        return None  # the usual answer
    return render_template("forbidden.html"), 403


# --- acts ---------------------------------------------------------------------------------


@app.post("/sign-in")
def sign_in() -> Response:
    name = request.form.get("user", "")
    if name not in USERS:
        abort(400, "user: ada, grace or katherine")
    create_session(
        f"user_{name}",
        persistent="forget" not in request.form,
        device=device_name(request.user_agent.string),
        address=request.remote_addr,
    )
    return redirect(redirect_target(), 303)  # back to the page that asked for a sign-in


@app.post("/claims")
@login_required
def change_claim() -> Response | tuple[str, int]:
    name, value = request.form["name"].strip(), request.form["value"].strip()
    try:
        merge_session_claims({name: json_or_text(value) if value else None})
    except ClaimsRefused as refused:
        return page(refused.message, name, value), refused.status
    return redirect(url_for("home", _anchor="claims"), 303)


@app.post("/devices/<session_id>/sign-out")
@login_required
def sign_out_device(session_id: str) -> Response:
    if session_id == g.auth.session_id:
        revoke_session()  # takes the cookies away as well
        return redirect(url_for("home"), 303)
    session = claims.sessions.get(session_id)
    if session is None or session.user_id != g.auth.user_id:
        abort(404)
    claims.sessions.revoke(session_id)
    return redirect(url_for("home", _anchor="devices"), 303)


@app.post("/devices/others/sign-out")
@login_required
def sign_out_others() -> Response:
    claims.sessions.revoke_all(g.auth.user_id, keep=g.auth.session_id)
    return redirect(url_for("home", _anchor="devices"), 303)


@app.cli.command("plan")
@click.argument("user_id")
@click.argument("plan")
def change_plan(user_id: str, plan: str) -> None:
    """Change the plan in all sessions of a user, as a webhook of a shop would."""
    changed = claims.sessions.merge_claims_for_user(user_id, {"plan": plan})
    click.echo(f"Sessions of {user_id} that have the plan {plan!r} now: {changed}")


# --- words --------------------------------------------------------------------------------


def json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
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


@app.template_filter()
def ago(seconds: float) -> str:
    """A span of time, roughly."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"


def as_seen_here(path: str) -> Path:
    here, there = Path.cwd(), Path(path).absolute()
    return there.relative_to(here) if there.is_relative_to(here) else there


def what_to_try() -> str:
    flask = f"{as_seen_here(sys.executable)} -m flask --app {as_seen_here(__file__)}"
    return f"""
Session claims demo, its own issuer; store and key are in {app.instance_path}
Set PORT in the environment for another port than {PORT}.

  in a browser        {SITE}/
  signed out          curl -i {SITE}/profile
  sign in             curl -c jar -H 'Origin: {SITE}' -d user=ada {SITE}/sign-in
  signed in           curl -b jar -c jar {SITE}/profile

From a second terminal, while the browser is signed in as Ada; then reload the page:

  change a claim      {flask} plan user_ada enterprise
  her sessions        {flask} session-claims sessions list user_ada
  what one did        {flask} session-claims explain SID
  sign one out        {flask} session-claims sessions revoke SID
  a token             {flask} session-claims mint SID
  the signing keys    {flask} session-claims keys list
"""


if __name__ == "__main__":
    print(what_to_try(), flush=True)
    app.run(port=PORT, use_reloader=False, use_debugger=False)
