"""How do I read custom claims? Set CLERK_PUBLISHABLE_KEY, then: flask --app flask_clerk run"""

from flask import Flask, g

from flask_session_claims import SessionClaims, login_required

app = Flask(__name__)
app.config.from_prefixed_env()  # FLASK_SESSION_CLAIMS_ORIGINS='["https://app.example.com"]'
SessionClaims(app)


@app.get("/profile")
@login_required
def profile() -> dict[str, str]:
    claims = g.auth.session_claims
    return {"fullName": claims["fullName"], "primaryEmail": claims["primaryEmail"]}
