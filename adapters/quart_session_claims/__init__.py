"""Session claims for Quart: the vocabulary of the Flask extension, awaited where Quart awaits.

`g.auth` is an `AsyncRequestAuth` in requests and websockets; of it only `get_token` is awaited.
The acts on sessions are coroutines.

PYTEST_DONT_REWRITE: it may have been imported before pytest runs.
"""

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import (
    ClaimError,
    ConfigurationError,
    SessionClaimsError,
    SessionError,
    TokenError,
    UnavailableError,
)
from flask_session_claims.core.request import AsyncRequestAuth
from flask_session_claims.core.typedhints import ClaimName
from flask_session_claims.io.signals import (
    claims_oversize,
    claims_refreshed,
    keys_rotated,
    refresh_token_reused,
    session_created,
    session_refreshed,
    session_revoked,
    token_rejected,
)
from flask_session_claims.sessions.faults import ClaimsRefused
from flask_session_claims.sessions.session import Session

from .acts import create_session, current_session, merge_session_claims, revoke_session
from .extension import SessionClaims, get_auth
from .gates import claims_required, login_required, public
from .place import current_auth

__all__ = [
    "AsyncRequestAuth",
    "Auth",
    "ClaimError",
    "ClaimName",
    "ClaimsRefused",
    "ConfigurationError",
    "Session",
    "SessionClaims",
    "SessionClaimsError",
    "SessionError",
    "TokenError",
    "UnavailableError",
    "claims_oversize",
    "claims_refreshed",
    "claims_required",
    "create_session",
    "current_auth",
    "current_session",
    "get_auth",
    "keys_rotated",
    "login_required",
    "merge_session_claims",
    "public",
    "refresh_token_reused",
    "revoke_session",
    "session_created",
    "session_refreshed",
    "session_revoked",
    "token_rejected",
]
