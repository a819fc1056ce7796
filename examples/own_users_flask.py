"""An app with users of its own: their rows are in the claims. Then: python own_users_flask.py"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, abort, g, request
from own_users_table import (
    FOLDER,
    TEMPLATE,
    change_role,
    metadata_of,
    profile_of,
    row_of,
    what_to_try,
)

from flask_session_claims import SessionClaims, create_session, login_required

PORT = int(os.environ.get("PORT", "5001"))

app = Flask(__name__, instance_path=str(FOLDER))
app.debug = True  # cookies for plain http, and a key file in place of a SECRET_KEY
app.config["SESSION_CLAIMS_ISSUER"] = "self"
app.config["SESSION_CLAIMS_ORIGINS"] = [f"http://127.0.0.1:{PORT}"]
claims = SessionClaims(app)
claims.templates.save(TEMPLATE)  # nothing is written if it is there already
claims.metadata_for(metadata_of)  # asked at each sign-in, and by sync_user


@app.post("/sign-in")
def sign_in() -> dict[str, str]:
    user_id = request.form.get("user", "")
    if row_of(user_id) is None:  # checking a password is the app's own affair
        abort(400, "user: ada or grace")
    claims.directory.put_user(user_id, **profile_of(user_id))
    create_session(user_id)
    return {"signedIn": user_id}


@app.get("/profile")
@login_required
def profile() -> dict[str, Any]:
    """All of it is in the token: no look into a table, nor into the session store."""
    return {name: g.auth.session_claims[name] for name in TEMPLATE}


@app.post("/role")
@login_required
def role() -> dict[str, bool]:
    change_role(g.auth.user_id, request.form.get("role") or None)
    claims.sync_user(g.auth.user_id)  # the next response says it, on every device
    return {"changed": True}


if __name__ == "__main__":
    print(what_to_try("python own_users_flask.py", PORT), flush=True)
    app.run(port=PORT, use_reloader=False, use_debugger=False)
