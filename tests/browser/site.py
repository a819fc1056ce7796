"""The site that the browser visits: pages of plain HTML, and what a test asks behind its back."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from flask import Flask, abort, g, redirect, render_template_string, request
from werkzeug.wrappers import Response

from flask_session_claims import (
    SessionClaims,
    create_session,
    login_required,
    merge_session_claims,
    refresh_token_reused,
    session_created,
    session_refreshed,
    session_revoked,
)

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Site</title>
<noscript><p id="scripts">off</p></noscript>
<p id="user">{{ auth.user_id or "nobody" }}</p>
<p id="session">{{ auth.session_id }}</p>
<p id="reason">{{ auth.reason }}</p>
<p id="plan">{{ auth.session_claims.get("plan") }}</p>
<form method="post" action="/sign-in"><button name="user" value="user_ada">Ada</button></form>
<form method="post" action="/sign-in?forget=1"><button name="user" value="user_ada">Ada, briefly</button></form>
<form method="post" action="/sign-in-fails"><button name="how" value="answer">Fail</button></form>
<form method="post" action="/sign-in-fails"><button name="how" value="raise">Crash</button></form>
<form method="post" action="/plan"><button name="plan" value="pro">Upgrade</button></form>
<form method="post" action="/auth/signout">
 <input type="hidden" name="redirect_url" value="/"><button>Sign out</button></form>
"""  # noqa: E501
FRAMES = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Frames</title>
{% for i in range(4) %}<iframe src="/meet/page?{{ i }}"></iframe>{% endfor %}
{% for i in range(2) %}<img src="/meet/image?{{ i }}" alt="">{% endfor %}
"""
DOOR = '<!doctype html><title>Door</title><a href="/meet/page?{{ tab }}">In</a>'
STRANGER = """<!doctype html><title>Another site</title>
<form method="post" action="{{ site }}/sign-in"><button name="user" value="user_eve">Win</button></form>
<form method="post" action="{{ site }}/auth/signout"><button>Lose</button></form>
"""  # noqa: E501
IMAGE = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'

app = Flask(__name__, instance_path=os.environ["SITE_FOLDER"])
app.config.from_prefixed_env()
claims = SessionClaims(app)
app.register_blueprint(claims.blueprint(), url_prefix="/auth")
told: list[dict[str, Any]] = []
#: Whoever is here waits for the others, so that all of them look at auth at the same moment.
meeting = threading.Barrier(6)


def tell(name: str) -> Any:
    def receive(sender: Flask, **data: Any) -> None:
        session = data.get("session")
        found = data.get("session_id") if session is None else session.session_id
        told.append({"signal": name, "session": found, "reason": data.get("reason")})

    return receive


#: Held here, for a signal does not hold those who listen.
receivers = {
    signal: tell(signal.name)
    for signal in (session_created, session_refreshed, session_revoked, refresh_token_reused)
}
for signal, receiver in receivers.items():
    signal.connect(receiver, app)


@app.get("/")
def page() -> str:
    return render_template_string(PAGE, auth=g.auth)


@app.get("/frames")
def frames() -> str:
    return render_template_string(FRAMES)


@app.get("/door/<int:tab>")
def door(tab: int) -> str:
    return render_template_string(DOOR, tab=tab)


@app.get("/stranger")
def stranger() -> str:
    return render_template_string(STRANGER, site=request.args["site"])


@app.get("/meet/page")
def meet() -> str:
    meeting.wait(timeout=10)
    return render_template_string(PAGE, auth=g.auth)


@app.get("/meet/image")
def meet_image() -> Response:
    meeting.wait(timeout=10)
    if not g.auth.is_authenticated:
        abort(401)
    return Response(IMAGE, mimetype="image/svg+xml")


@app.post("/sign-in")
def sign_in() -> Response:
    create_session(request.form["user"], persistent="forget" not in request.args)
    return redirect("/", 303)


@app.post("/sign-in-fails")
def sign_in_fails() -> tuple[str, int]:
    create_session("user_ada")
    if request.form["how"] == "raise":
        raise RuntimeError("as asked for")
    return "not today", 500


@app.post("/plan")
@login_required
def change_plan() -> Response:
    merge_session_claims({"plan": request.form["plan"]})
    return redirect("/", 303)


# --- for the test alone -------------------------------------------------------------------


@app.get("/told")
def what_was_told() -> list[dict[str, Any]]:
    return told


@app.get("/acts/<session_id>")
def acts(session_id: str) -> list[str]:
    return [f"{act.act} {act.detail}".strip() for act in claims.sessions.journal(session_id) or ()]


@app.get("/live/<user_id>")
def live(user_id: str) -> list[str]:
    return [session.session_id for session in claims.sessions.list_for_user(user_id)]


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), threaded=True)
