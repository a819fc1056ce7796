"""A small site to try session claims on, with the test kit's issuer in the place of a real one.

The issuer runs in this process, signs with a key made at the start, and serves its key set on
loopback; the app knows nothing of it but its address.
"""

from __future__ import annotations

import os
import time

from flask import Flask, g, redirect, render_template_string
from werkzeug.wrappers import Response

from flask_session_claims import SessionClaims, claims_required, login_required
from flask_session_claims.testing import LocalIssuer

PORT = int(os.environ.get("PORT", "5000"))
SITE = f"http://127.0.0.1:{PORT}"
USERS = {
    "ada": {"fullName": "Ada Lovelace", "primaryEmail": "ada@example.com", "role": "admin"},
    "grace": {"fullName": "Grace Hopper", "primaryEmail": "grace@example.com", "role": "member"},
}
PAGE = """
<!doctype html><html lang="en"><meta charset="utf-8"><title>Session claims</title>
<meta name="viewport" content="width=device-width">
<style>
 body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem;
        color: #1c2430; background: #f6f7f9 }
 main { background: #fff; border-radius: 12px; padding: 1.5rem 2rem; box-shadow: 0 1px 4px #0002 }
 h1 { font-size: 1.5rem; margin: 0 0 .25rem } p.note { color: #697386; margin-top: 0 }
 td { padding: .2rem 1rem .2rem 0; vertical-align: top; font-size: .95rem }
 td:first-child { color: #697386 }
 code { background: #eef1f5; border-radius: 4px; padding: 0 .3rem }
 a.button { display: inline-block; margin: 1rem .5rem 0 0; padding: .4rem .9rem; border-radius: 8px;
            background: #3b5bdb; color: #fff; text-decoration: none }
 a.plain { background: #e7eaf0; color: #1c2430 }
</style>
<main>
{% if auth.is_authenticated %}
 <h1>Hello, {{ auth.session_claims["fullName"] }}</h1>
 <p class="note">From <code>g.auth.session_claims</code>: verified, no look-up.
  {{ auth.expires_at - now }} seconds left.</p>
 <table>{% for name, value in auth.session_claims.items() %}
  <tr><td>{{ name }}</td><td><code>{{ value | tojson }}</code></td></tr>{% endfor %}</table>
 <a class="button" href="/admin">A page for admins</a>
 <a class="button plain" href="/sign-out">Sign out</a>
{% else %}
 <h1>Nobody is signed in</h1>
 <p class="note"><code>g.auth.reason</code> is <code>{{ auth.reason }}</code>.</p>
 <a class="button" href="/sign-in/ada">Sign in as Ada (admin)</a>
 <a class="button" href="/sign-in/grace">Sign in as Grace</a>
{% endif %}
</main></html>
"""

issuer = LocalIssuer("http://issuer.demo.invalid")
keys = issuer.serve()

app = Flask(__name__)
app.config.update(
    SESSION_CLAIMS_ISSUER=issuer.issuer,
    SESSION_CLAIMS_JWKS_URL=keys.url,
    SESSION_CLAIMS_ALLOW_LOOPBACK_HTTP=True,  # this demo only
    SESSION_CLAIMS_ORIGINS=[SITE],
    SESSION_CLAIMS_SIGN_IN_URL="/",
)
SessionClaims(app)


def token_for(name: str) -> str:
    role = USERS[name]["role"]
    claims = {key: value for key, value in USERS[name].items() if key != "role"}
    org = {"id": "org_demo", "slg": "demo", "rol": role}
    return issuer.mint_v2(f"user_{name}", lifetime=300, azp=SITE, org=org, **claims)


@app.get("/")
def home() -> str:
    return render_template_string(PAGE, auth=g.auth, now=int(time.time()))


@app.get("/profile")
@login_required
def profile() -> dict[str, str]:
    return {"fullName": g.auth.session_claims["fullName"], "userId": g.auth.user_id}


@app.get("/admin")
@claims_required(role="admin")
def admin() -> dict[str, str]:
    return {"message": f"{g.auth.session_claims['fullName']} may see this."}


@app.get("/sign-in/<any(ada, grace):name>")
def sign_in(name: str) -> Response:
    response = redirect("/")
    # A real issuer sets this cookie; over https it would be Secure.
    response.set_cookie("__session", token_for(name), max_age=300, httponly=True, samesite="Lax")
    return response


@app.get("/sign-out")
def sign_out() -> Response:
    response = redirect("/")
    response.delete_cookie("__session")
    return response


if __name__ == "__main__":
    print(
        f"""
Session claims demo. Its tokens come from the test kit's issuer, not from a real one.

  in a browser     {SITE}/
  signed out       curl -i {SITE}/profile
  signed in        curl -i -H "Authorization: Bearer $TOKEN" {SITE}/profile
  not allowed      curl -i -H "Authorization: Bearer $TOKEN" {SITE}/admin

  TOKEN={token_for("grace")}
  (Grace, no admin; good for 300 seconds)
""",
        flush=True,
    )
    app.run(port=PORT)
