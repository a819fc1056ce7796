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
from flask_session_claims.core.validators import BooleanClaim, Claim, ListClaim, Validator
from flask_session_claims.directory.entries import Membership, Organization, User
from flask_session_claims.directory.faults import DirectoryError
from flask_session_claims.io.directory import AsyncLocalDirectory, LocalDirectory
from flask_session_claims.io.signals import (
    claims_oversize,
    claims_refreshed,
    impersonation_started,
    impersonation_stopped,
    keys_rotated,
    organization_switched,
    refresh_token_reused,
    session_created,
    session_refreshed,
    session_revoked,
    token_rejected,
    user_metadata_changed,
)
from flask_session_claims.io.templates import AsyncTemplates, Templates
from flask_session_claims.sessions.faults import ClaimsRefused
from flask_session_claims.sessions.saved import SavedTemplate, TemplateConflict
from flask_session_claims.sessions.session import Session
from flask_session_claims.sessions.templates.faults import TemplateRefused

from .acts import (
    create_session,
    current_session,
    impersonate,
    mark_verified,
    merge_session_claims,
    revoke_session,
    stop_impersonating,
    switch_organization,
)
from .current import get_auth
from .extension import SessionClaims
from .gates import claims_required, login_required, public
from .place import current_auth
from .users import current_user

__all__ = [
    "AsyncLocalDirectory",
    "AsyncRequestAuth",
    "AsyncTemplates",
    "Auth",
    "BooleanClaim",
    "Claim",
    "ClaimError",
    "ClaimName",
    "ClaimsRefused",
    "ConfigurationError",
    "DirectoryError",
    "ListClaim",
    "LocalDirectory",
    "Membership",
    "Organization",
    "SavedTemplate",
    "Session",
    "SessionClaims",
    "SessionClaimsError",
    "SessionError",
    "TemplateConflict",
    "TemplateRefused",
    "Templates",
    "TokenError",
    "UnavailableError",
    "User",
    "Validator",
    "claims_oversize",
    "claims_refreshed",
    "claims_required",
    "create_session",
    "current_auth",
    "current_session",
    "current_user",
    "get_auth",
    "impersonate",
    "impersonation_started",
    "impersonation_stopped",
    "keys_rotated",
    "login_required",
    "mark_verified",
    "merge_session_claims",
    "organization_switched",
    "public",
    "refresh_token_reused",
    "revoke_session",
    "session_created",
    "session_refreshed",
    "session_revoked",
    "stop_impersonating",
    "switch_organization",
    "token_rejected",
    "user_metadata_changed",
]
