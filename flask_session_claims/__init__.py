"""Read, issue and change the claims of a session token.

Importing this imports no framework: each name is loaded when it is first used (PEP 562).

PYTEST_DONT_REWRITE: it may have been imported before pytest runs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.auth import Auth as Auth
    from .core.credentials import Credentials as Credentials
    from .core.credentials import credentials_from as credentials_from
    from .core.errors import ClaimError as ClaimError
    from .core.errors import ConfigurationError as ConfigurationError
    from .core.errors import SessionClaimsError as SessionClaimsError
    from .core.errors import SessionError as SessionError
    from .core.errors import TokenError as TokenError
    from .core.errors import UnavailableError as UnavailableError
    from .core.keyset import verify_jws as verify_jws
    from .core.request import AsyncRequestAuth as AsyncRequestAuth
    from .core.request import RequestAuth as RequestAuth
    from .core.settings import VerifierSettings as VerifierSettings
    from .core.typedhints import ClaimName as ClaimName
    from .core.validators import BooleanClaim as BooleanClaim
    from .core.validators import Claim as Claim
    from .core.validators import ListClaim as ListClaim
    from .core.validators import Validator as Validator
    from .directory.entries import Membership as Membership
    from .directory.entries import Organization as Organization
    from .directory.entries import User as User
    from .directory.faults import DirectoryError as DirectoryError
    from .flask.acts import create_session as create_session
    from .flask.acts import current_session as current_session
    from .flask.acts import impersonate as impersonate
    from .flask.acts import mark_verified as mark_verified
    from .flask.acts import merge_session_claims as merge_session_claims
    from .flask.acts import revoke_session as revoke_session
    from .flask.acts import stop_impersonating as stop_impersonating
    from .flask.acts import switch_organization as switch_organization
    from .flask.current import current_auth as current_auth
    from .flask.current import get_auth as get_auth
    from .flask.extension import SessionClaims as SessionClaims
    from .flask.gates import claims_required as claims_required
    from .flask.gates import login_required as login_required
    from .flask.gates import public as public
    from .flask.redirects import is_safe_redirect as is_safe_redirect
    from .flask.redirects import redirect_target as redirect_target
    from .flask.users import current_user as current_user
    from .io.directory import AsyncLocalDirectory as AsyncLocalDirectory
    from .io.directory import LocalDirectory as LocalDirectory
    from .io.metrics import Measurement as Measurement
    from .io.metrics import opentelemetry_listener as opentelemetry_listener
    from .io.sessions import AsyncSessions as AsyncSessions
    from .io.sessions import Sessions as Sessions
    from .io.signals import claims_oversize as claims_oversize
    from .io.signals import claims_refreshed as claims_refreshed
    from .io.signals import impersonation_started as impersonation_started
    from .io.signals import impersonation_stopped as impersonation_stopped
    from .io.signals import keys_rotated as keys_rotated
    from .io.signals import organization_switched as organization_switched
    from .io.signals import refresh_token_reused as refresh_token_reused
    from .io.signals import session_created as session_created
    from .io.signals import session_refreshed as session_refreshed
    from .io.signals import session_revoked as session_revoked
    from .io.signals import token_rejected as token_rejected
    from .io.signals import user_metadata_changed as user_metadata_changed
    from .io.templates import AsyncTemplates as AsyncTemplates
    from .io.templates import Templates as Templates
    from .io.verifiers import AsyncVerifier as AsyncVerifier
    from .io.verifiers import Verifier as Verifier
    from .sessions.faults import ClaimsRefused as ClaimsRefused
    from .sessions.faults import RefreshRefused as RefreshRefused
    from .sessions.saved import SavedTemplate as SavedTemplate
    from .sessions.saved import TemplateConflict as TemplateConflict
    from .sessions.session import Issued as Issued
    from .sessions.session import Session as Session
    from .sessions.templates.faults import TemplateRefused as TemplateRefused

_HOMES = {
    "core.auth": ("Auth",),
    "core.credentials": ("Credentials", "credentials_from"),
    "core.errors": (
        "ClaimError",
        "ConfigurationError",
        "SessionClaimsError",
        "SessionError",
        "TokenError",
        "UnavailableError",
    ),
    "core.keyset": ("verify_jws",),
    "core.request": ("AsyncRequestAuth", "RequestAuth"),
    "core.settings": ("VerifierSettings",),
    "core.typedhints": ("ClaimName",),
    "core.validators": ("BooleanClaim", "Claim", "ListClaim", "Validator"),
    "directory.entries": ("Membership", "Organization", "User"),
    "directory.faults": ("DirectoryError",),
    "flask.acts": (
        "create_session",
        "current_session",
        "impersonate",
        "mark_verified",
        "merge_session_claims",
        "revoke_session",
        "stop_impersonating",
        "switch_organization",
    ),
    "flask.current": ("current_auth", "get_auth"),
    "flask.extension": ("SessionClaims",),
    "flask.gates": ("claims_required", "login_required", "public"),
    "flask.redirects": ("is_safe_redirect", "redirect_target"),
    "flask.users": ("current_user",),
    "io.directory": ("AsyncLocalDirectory", "LocalDirectory"),
    "io.metrics": ("Measurement", "opentelemetry_listener"),
    "io.sessions": ("AsyncSessions", "Sessions"),
    "io.signals": (
        "claims_oversize",
        "claims_refreshed",
        "impersonation_started",
        "impersonation_stopped",
        "keys_rotated",
        "organization_switched",
        "refresh_token_reused",
        "session_created",
        "session_refreshed",
        "session_revoked",
        "token_rejected",
        "user_metadata_changed",
    ),
    "io.templates": ("AsyncTemplates", "Templates"),
    "io.verifiers": ("AsyncVerifier", "Verifier"),
    "sessions.faults": ("ClaimsRefused", "RefreshRefused"),
    "sessions.saved": ("SavedTemplate", "TemplateConflict"),
    "sessions.session": ("Issued", "Session"),
    "sessions.templates.faults": ("TemplateRefused",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
