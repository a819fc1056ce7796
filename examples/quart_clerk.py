"""The same in Quart. Set CLERK_PUBLISHABLE_KEY, then: quart --app quart_clerk run"""

from quart import Quart, g
from quart_session_claims import SessionClaims, login_required

app = Quart(__name__)
app.config.from_prefixed_env()  # QUART_SESSION_CLAIMS_ORIGINS='["https://app.example.com"]'
SessionClaims(app)


@app.get("/profile")
@login_required
async def profile() -> dict[str, str]:
    claims = g.auth.session_claims
    return {"fullName": claims["fullName"], "primaryEmail": claims["primaryEmail"]}
