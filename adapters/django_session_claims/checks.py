"""System checks: what `manage.py check` says about our settings."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import isclass
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.module_loading import import_string

from flask_session_claims.core.errors import ConfigurationError

from . import conf
from .middleware import SessionClaimsMiddleware

MIDDLEWARE = "django_session_claims.middleware.SessionClaimsMiddleware"


def register_checks() -> None:
    register(Tags.security)(check_settings)
    register(Tags.security)(check_middleware)
    register(Tags.urls)(check_endpoint)


def check_settings(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: a setting is wrong. W001: any app's token of the same issuer signs in here."""
    try:
        side = conf.reading()  # all that a start would try, the keys in the store too
    except ConfigurationError as error:
        return [Error(error.message, id="session_claims.E001")]
    if side.issuing is None and side.settings.parties is None:
        return [
            Warning(
                "azp is not checked: a token made for another app of the same issuer signs in"
                " here.",
                hint='Set SESSION_CLAIMS["AUTHORIZED_PARTIES"] or SESSION_CLAIMS["ORIGINS"].',
                id="session_claims.W001",
            )
        ]
    return []


def check_middleware(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """W002: nothing reads the tokens."""
    if any(map(_is_ours, django_settings.MIDDLEWARE)):
        return []
    return [
        Warning(
            "SessionClaimsMiddleware is not in MIDDLEWARE: requests have no auth, and gates"
            " cannot judge them.",
            hint=f'Add "{MIDDLEWARE}".',
            id="session_claims.W002",
        )
    ]


def check_endpoint(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """E002: sessions are refreshed at an address that there is not."""
    try:
        issuing = conf.reading().issuing
    except ConfigurationError:
        return []  # E001
    if issuing is None or issuing.settings.refresh_mode != "endpoint":
        return []
    from .issuing import refresh_path  # loaded by the issuer

    try:
        _ = refresh_path()
    except ConfigurationError as error:
        return [Error(error.message, id="session_claims.E002")]
    return []


def _is_ours(path: str) -> bool:
    if path == MIDDLEWARE:
        return True
    try:
        found = import_string(path)
    except ImportError:  # Django itself will say so
        return False
    return isclass(found) and issubclass(found, SessionClaimsMiddleware)
