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
    from flask_session_claims.io.sessions import AsyncSessions as AsyncSessions
    from flask_session_claims.io.sessions import Sessions as Sessions
    from flask_session_claims.sessions.faults import ClaimsRefused as ClaimsRefused
    from flask_session_claims.sessions.faults import RefreshRefused as RefreshRefused
    from flask_session_claims.sessions.session import Issued as Issued
    from flask_session_claims.sessions.session import Session as Session

    from .acts import acreate_session as acreate_session
    from .acts import acurrent_session as acurrent_session
    from .acts import amerge_session_claims as amerge_session_claims
    from .acts import arevoke_session as arevoke_session
    from .acts import create_session as create_session
    from .acts import current_session as current_session
    from .acts import merge_session_claims as merge_session_claims
    from .acts import revoke_session as revoke_session
    from .anywhere import asessions as asessions
    from .anywhere import sessions as sessions
    from .conf import provide as provide
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
    from .signals import keys_rotated as keys_rotated
    from .signals import refresh_token_reused as refresh_token_reused
    from .signals import session_created as session_created
    from .signals import session_refreshed as session_refreshed
    from .signals import session_revoked as session_revoked
    from .signals import token_rejected as token_rejected
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
    f"{_CORE}.typedhints": ("ClaimName",),
    f"{_CORE}.request": ("AsyncRequestAuth", "RequestAuth"),
    f"{_PRODUCT}.io.sessions": ("AsyncSessions", "Sessions"),
    f"{_PRODUCT}.sessions.faults": ("ClaimsRefused", "RefreshRefused"),
    f"{_PRODUCT}.sessions.session": ("Issued", "Session"),
    f"{__name__}.acts": (
        "acreate_session",
        "acurrent_session",
        "amerge_session_claims",
        "arevoke_session",
        "create_session",
        "current_session",
        "merge_session_claims",
        "revoke_session",
    ),
    f"{__name__}.anywhere": ("asessions", "sessions"),
    f"{__name__}.conf": ("provide",),
    f"{__name__}.gates": ("claims_required", "login_required", "public"),
    f"{__name__}.middleware": ("SessionClaimsMiddleware",),
    f"{__name__}.mixins": ("ClaimsRequiredMixin", "LoginRequiredMixin"),
    f"{__name__}.refusals": ("IdentityUnavailable", "NotAllowed", "NotSignedIn"),
    f"{__name__}.signals": (
        "claims_oversize",
        "claims_refreshed",
        "keys_rotated",
        "refresh_token_reused",
        "session_created",
        "session_refreshed",
        "session_revoked",
        "token_rejected",
    ),
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
