"""The same in Quart. Then: python own_users_quart.py"""

from __future__ import annotations

import os
from typing import Any

from own_users_table import (
    FOLDER,
    TEMPLATE,
    change_role,
    metadata_of,
    profile_of,
    row_of,
    what_to_try,
)
from quart import Quart, abort, g, request
from quart_session_claims import SessionClaims, create_session, login_required

PORT = int(os.environ.get("PORT", "5002"))

app = Quart(__name__, instance_path=str(FOLDER))
app.debug = True  # cookies for plain http, and a key file in place of a SECRET_KEY
app.config["SESSION_CLAIMS_ISSUER"] = "self"
app.config["SESSION_CLAIMS_ORIGINS"] = [f"http://127.0.0.1:{PORT}"]
claims = SessionClaims(app)
claims.metadata_for(metadata_of)  # a plain function, or async where the driver is


@app.before_serving
async def save_template() -> None:
    await claims.atemplates.save(TEMPLATE)  # nothing is written if it is there already


@app.post("/sign-in")
async def sign_in() -> dict[str, str]:
    user_id = (await request.form).get("user", "")
    if row_of(user_id) is None:  # checking a password is the app's own affair
        abort(400, "user: ada or grace")
    await claims.adirectory.put_user(user_id, **profile_of(user_id))
    await create_session(user_id)
    return {"signedIn": user_id}


@app.get("/profile")
@login_required
async def profile() -> dict[str, Any]:
    """All of it is in the token: no look into a table, nor into the session store."""
    return {name: g.auth.session_claims[name] for name in TEMPLATE}


@app.post("/role")
@login_required
async def role() -> dict[str, bool]:
    change_role(g.auth.user_id, (await request.form).get("role") or None)
    await claims.sync_user(g.auth.user_id)  # the next response says it, on every device
    return {"changed": True}


if __name__ == "__main__":
    print(what_to_try("python own_users_quart.py", PORT), flush=True)
    app.run(port=PORT, use_reloader=False)
