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
    from .flask.acts import create_session as create_session
    from .flask.acts import current_session as current_session
    from .flask.acts import merge_session_claims as merge_session_claims
    from .flask.acts import revoke_session as revoke_session
    from .flask.current import current_auth as current_auth
    from .flask.current import get_auth as get_auth
    from .flask.extension import SessionClaims as SessionClaims
    from .flask.gates import claims_required as claims_required
    from .flask.gates import login_required as login_required
    from .flask.gates import public as public
    from .flask.redirects import is_safe_redirect as is_safe_redirect
    from .flask.redirects import redirect_target as redirect_target
    from .io.sessions import AsyncSessions as AsyncSessions
    from .io.sessions import Sessions as Sessions
    from .io.signals import claims_oversize as claims_oversize
    from .io.signals import claims_refreshed as claims_refreshed
    from .io.signals import keys_rotated as keys_rotated
    from .io.signals import refresh_token_reused as refresh_token_reused
    from .io.signals import session_created as session_created
    from .io.signals import session_refreshed as session_refreshed
    from .io.signals import session_revoked as session_revoked
    from .io.signals import token_rejected as token_rejected
    from .io.verifiers import AsyncVerifier as AsyncVerifier
    from .io.verifiers import Verifier as Verifier
    from .sessions.faults import ClaimsRefused as ClaimsRefused
    from .sessions.faults import RefreshRefused as RefreshRefused
    from .sessions.session import Issued as Issued
    from .sessions.session import Session as Session

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
    "core.settings": ("VerifierSettings",),
    "core.typedhints": ("ClaimName",),
    "core.request": ("AsyncRequestAuth", "RequestAuth"),
    "flask.acts": ("create_session", "current_session", "merge_session_claims", "revoke_session"),
    "flask.current": ("current_auth", "get_auth"),
    "flask.extension": ("SessionClaims",),
    "flask.gates": ("claims_required", "login_required", "public"),
    "flask.redirects": ("is_safe_redirect", "redirect_target"),
    "io.sessions": ("AsyncSessions", "Sessions"),
    "io.signals": (
        "claims_oversize",
        "claims_refreshed",
        "keys_rotated",
        "refresh_token_reused",
        "session_created",
        "session_refreshed",
        "session_revoked",
        "token_rejected",
    ),
    "io.verifiers": ("AsyncVerifier", "Verifier"),
    "sessions.faults": ("ClaimsRefused", "RefreshRefused"),
    "sessions.session": ("Issued", "Session"),
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
