"""A small site that signs people in with sessions of its own; no JavaScript, nothing to install.

The store and its key are in `instance/` beside this file, so a restart signs nobody out. Passwords
are not the subject: whoever clicks on a name is signed in. The pages are in `demo_rooms/`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
from demo_rooms import account, metadata, organizations
from demo_rooms.people import ROLES, claims, full_name, move_in
from flask import Flask, render_template, request
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response

from flask_session_claims import SessionError, UnavailableError

HERE = Path(__file__).parent
PORT = int(os.environ.get("PORT", "5000"))
SITE = f"http://127.0.0.1:{PORT}"
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
    SESSION_CLAIMS_SESSION_TOKEN_LIFETIME=20,  # short, so that one sees refreshes
    SESSION_CLAIMS_ORIGINS=[SITE, f"http://localhost:{PORT}"],
    SESSION_CLAIMS_SIGN_IN_URL="/",
    SESSION_CLAIMS_ROLES=ROLES,
)
claims.init_app(app)
app.register_blueprint(claims.blueprint(), url_prefix="/auth")
app.register_blueprint(claims.well_known())
for room in (account, organizations, metadata):
    app.register_blueprint(room.room)
move_in()


@app.after_request
def harden(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"  # "back" shows nothing after a sign-out
    return response


@claims.forbidden
def forbidden(error: Any) -> tuple[str, int] | None:
    """What a gate refuses."""
    if not request.accept_mimetypes.accept_html:
        return None  # the usual answer
    return render_template("forbidden.html", code=error.error_code, said=error.description), 403


@app.errorhandler(Forbidden)
def refused(error: Any) -> Any:
    """What an act refuses: switching to an organisation of others, acting for an admin."""
    return (forbidden(error) if hasattr(error, "error_code") else None) or error


@app.errorhandler(SessionError)
@app.errorhandler(UnavailableError)
def trouble(error: SessionError | UnavailableError) -> tuple[str, int]:
    """What came in between: the session was ended just now, the store cannot be had."""
    return render_template("trouble.html", error=error), error.status


@app.cli.command("plan")
@click.argument("user_id")
@click.argument("plan")
def change_plan(user_id: str, plan: str) -> None:
    """Change the plan in a user's metadata, as a webhook of a shop would."""
    try:
        claims.directory.update_user_metadata(user_id, public={"plan": plan})
    except SessionError as error:
        raise click.ClickException(error.message) from None
    click.echo(f"{user_id} has the plan {plan!r} now, and every session of theirs says so.")


# --- words --------------------------------------------------------------------------------


@app.template_filter()
def ago(seconds: float) -> str:
    """A span of time, roughly."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"


@app.template_filter("json")
def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


app.add_template_filter(full_name)


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

From a second terminal, while the browser is signed in as Ada; then reload the page, a second later:

  change her plan     {flask} plan user_ada enterprise
  her sessions        {flask} session-claims sessions list user_ada
  what one did        {flask} session-claims explain SID
  sign one out        {flask} session-claims sessions revoke SID
  a token             {flask} session-claims mint SID
  the template        {flask} session-claims template show
  what it gives       {flask} session-claims template render user_ada --org org_engines
  the signing keys    {flask} session-claims keys list
"""


if __name__ == "__main__":
    print(what_to_try(), flush=True)
    app.run(port=PORT, use_reloader=False, use_debugger=False)
