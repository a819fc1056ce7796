"""Session claims in Django: who is signed in, and what their token says, as `request.auth`; and
sessions of the project's own.

Importing this imports neither Django nor the core: each name is loaded when it is first used
(PEP 562), so it may stand in a settings file.

PYTEST_DONT_REWRITE: it may have been imported before pytest runs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask_session_claims.core.auth import Auth as Auth
    from flask_session_claims.core.errors import ClaimError as ClaimError
    from flask_session_claims.core.errors import ConfigurationError as ConfigurationError
    from flask_session_claims.core.errors import SessionClaimsError as SessionClaimsError
    from flask_session_claims.core.errors import SessionError as SessionError
    from flask_session_claims.core.errors import TokenError as TokenError
    from flask_session_claims.core.errors import UnavailableError as UnavailableError
    from flask_session_claims.core.request import AsyncRequestAuth as AsyncRequestAuth
    from flask_session_claims.core.request import RequestAuth as RequestAuth
    from flask_session_claims.core.typedhints import ClaimName as ClaimName
    from flask_session_claims.core.validators import BooleanClaim as BooleanClaim
    from flask_session_claims.core.validators import Claim as Claim
    from flask_session_claims.core.validators import ListClaim as ListClaim
    from flask_session_claims.core.validators import Validator as Validator
    from flask_session_claims.directory.entries import Membership as Membership
    from flask_session_claims.directory.entries import Organization as Organization
    from flask_session_claims.directory.entries import User as User
    from flask_session_claims.directory.faults import DirectoryError as DirectoryError
    from flask_session_claims.io.directory import AsyncLocalDirectory as AsyncLocalDirectory
    from flask_session_claims.io.directory import LocalDirectory as LocalDirectory
    from flask_session_claims.io.sessions import AsyncSessions as AsyncSessions
    from flask_session_claims.io.sessions import Sessions as Sessions
    from flask_session_claims.io.templates import AsyncTemplates as AsyncTemplates
    from flask_session_claims.io.templates import Templates as Templates
    from flask_session_claims.sessions.faults import ClaimsRefused as ClaimsRefused
    from flask_session_claims.sessions.faults import RefreshRefused as RefreshRefused
    from flask_session_claims.sessions.saved import SavedTemplate as SavedTemplate
    from flask_session_claims.sessions.saved import TemplateConflict as TemplateConflict
    from flask_session_claims.sessions.session import Issued as Issued
    from flask_session_claims.sessions.session import Session as Session
    from flask_session_claims.sessions.templates.faults import TemplateRefused as TemplateRefused

    from .acts import acreate_session as acreate_session
    from .acts import acurrent_session as acurrent_session
    from .acts import aimpersonate as aimpersonate
    from .acts import amark_verified as amark_verified
    from .acts import amerge_session_claims as amerge_session_claims
    from .acts import arevoke_session as arevoke_session
    from .acts import astop_impersonating as astop_impersonating
    from .acts import aswitch_organization as aswitch_organization
    from .acts import create_session as create_session
    from .acts import current_session as current_session
    from .acts import impersonate as impersonate
    from .acts import mark_verified as mark_verified
    from .acts import merge_session_claims as merge_session_claims
    from .acts import revoke_session as revoke_session
    from .acts import stop_impersonating as stop_impersonating
    from .acts import switch_organization as switch_organization
    from .anywhere import adirectory as adirectory
    from .anywhere import ais_current as ais_current
    from .anywhere import asessions as asessions
    from .anywhere import atemplates as atemplates
    from .anywhere import directory as directory
    from .anywhere import is_current as is_current
    from .anywhere import sessions as sessions
    from .anywhere import templates as templates
    from .conf import add_claims as add_claims
    from .conf import add_validators as add_validators
    from .conf import may_impersonate as may_impersonate
    from .conf import metadata_for as metadata_for
    from .conf import provide as provide
    from .conf import user_loader as user_loader
    from .gates import claims_required as claims_required
    from .gates import login_required as login_required
    from .gates import public as public
    from .middleware import SessionClaimsMiddleware as SessionClaimsMiddleware
    from .mixins import ClaimsRequiredMixin as ClaimsRequiredMixin
    from .mixins import LoginRequiredMixin as LoginRequiredMixin
    from .refusals import IdentityUnavailable as IdentityUnavailable
    from .refusals import NotAllowed as NotAllowed
    from .refusals import NotSignedIn as NotSignedIn
    from .signals import claims_oversize as claims_oversize
    from .signals import claims_refreshed as claims_refreshed
    from .signals import impersonation_started as impersonation_started
    from .signals import impersonation_stopped as impersonation_stopped
    from .signals import keys_rotated as keys_rotated
    from .signals import organization_switched as organization_switched
    from .signals import refresh_token_reused as refresh_token_reused
    from .signals import session_created as session_created
    from .signals import session_refreshed as session_refreshed
    from .signals import session_revoked as session_revoked
    from .signals import token_rejected as token_rejected
    from .signals import user_metadata_changed as user_metadata_changed
    from .users import acurrent_user as acurrent_user
    from .users import async_user as async_user
    from .users import current_user as current_user
    from .users import sync_user as sync_user
    from .visit import get_auth as get_auth

_PRODUCT = "flask_session_claims"
_CORE = f"{_PRODUCT}.core"
_HOMES = {
    f"{_CORE}.auth": ("Auth",),
    f"{_CORE}.errors": (
        "ClaimError",
        "ConfigurationError",
        "SessionClaimsError",
        "SessionError",
        "TokenError",
        "UnavailableError",
    ),
    f"{_CORE}.request": ("AsyncRequestAuth", "RequestAuth"),
    f"{_CORE}.typedhints": ("ClaimName",),
    f"{_CORE}.validators": ("BooleanClaim", "Claim", "ListClaim", "Validator"),
    f"{_PRODUCT}.directory.entries": ("Membership", "Organization", "User"),
    f"{_PRODUCT}.directory.faults": ("DirectoryError",),
    f"{_PRODUCT}.io.directory": ("AsyncLocalDirectory", "LocalDirectory"),
    f"{_PRODUCT}.io.sessions": ("AsyncSessions", "Sessions"),
    f"{_PRODUCT}.io.templates": ("AsyncTemplates", "Templates"),
    f"{_PRODUCT}.sessions.faults": ("ClaimsRefused", "RefreshRefused"),
    f"{_PRODUCT}.sessions.saved": ("SavedTemplate", "TemplateConflict"),
    f"{_PRODUCT}.sessions.session": ("Issued", "Session"),
    f"{_PRODUCT}.sessions.templates.faults": ("TemplateRefused",),
    f"{__name__}.acts": (
        "acreate_session",
        "acurrent_session",
        "aimpersonate",
        "amark_verified",
        "amerge_session_claims",
        "arevoke_session",
        "astop_impersonating",
        "aswitch_organization",
        "create_session",
        "current_session",
        "impersonate",
        "mark_verified",
        "merge_session_claims",
        "revoke_session",
        "stop_impersonating",
        "switch_organization",
    ),
    f"{__name__}.anywhere": (
        "adirectory",
        "ais_current",
        "asessions",
        "atemplates",
        "directory",
        "is_current",
        "sessions",
        "templates",
    ),
    f"{__name__}.conf": (
        "add_claims",
        "add_validators",
        "may_impersonate",
        "metadata_for",
        "provide",
        "user_loader",
    ),
    f"{__name__}.gates": ("claims_required", "login_required", "public"),
    f"{__name__}.middleware": ("SessionClaimsMiddleware",),
    f"{__name__}.mixins": ("ClaimsRequiredMixin", "LoginRequiredMixin"),
    f"{__name__}.refusals": ("IdentityUnavailable", "NotAllowed", "NotSignedIn"),
    f"{__name__}.signals": (
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
    f"{__name__}.users": ("acurrent_user", "async_user", "current_user", "sync_user"),
    f"{__name__}.visit": ("get_auth",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
