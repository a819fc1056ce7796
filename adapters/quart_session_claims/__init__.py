"""Session claims for Quart: the vocabulary of the Flask extension, awaited where Quart awaits.

`g.auth` is an `AsyncRequestAuth` in requests and websockets; only `get_token` is awaited.
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
from flask_session_claims.io.signals import token_rejected

from .extension import SessionClaims, get_auth
from .gates import claims_required, login_required, public
from .place import current_auth

__all__ = [
    "AsyncRequestAuth",
    "Auth",
    "ConfigurationError",
    "SessionClaims",
    "SessionClaimsError",
    "SessionError",
    "TokenError",
    "UnavailableError",
    "claims_required",
    "current_auth",
    "get_auth",
    "login_required",
    "public",
    "token_rejected",
]
