"""Session claims for Quart: the vocabulary of the Flask extension, awaited where Quart awaits.

`g.auth` is an `AsyncRequestAuth` in requests and websockets; only `get_token` is awaited.

PYTEST_DONT_REWRITE: it may have been imported before pytest runs.
"""

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import (
    ConfigurationError,
    SessionClaimsError,
    SessionError,
    TokenError,
    UnavailableError,
)
from flask_session_claims.core.request import AsyncRequestAuth
from flask_session_claims.core.typed import ClaimError
from flask_session_claims.core.typedhints import ClaimName
from flask_session_claims.io.signals import claims_refreshed, token_rejected

from .extension import SessionClaims, get_auth
from .gates import claims_required, login_required, public
from .place import current_auth

__all__ = [
    "AsyncRequestAuth",
    "Auth",
    "ClaimError",
    "ClaimName",
    "ConfigurationError",
    "SessionClaims",
    "SessionClaimsError",
    "SessionError",
    "TokenError",
    "UnavailableError",
    "claims_refreshed",
    "claims_required",
    "current_auth",
    "get_auth",
    "login_required",
    "public",
    "token_rejected",
]
