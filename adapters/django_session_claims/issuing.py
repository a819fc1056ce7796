"""What the issuer has to know of a Django project, and how it is found for a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.io.appsettings import AppSettings
from flask_session_claims.io.hooks import Hooks
from flask_session_claims.io.issuing import Issuing, Surroundings
from flask_session_claims.io.metrics import Metrics
from flask_session_claims.io.reading import AsyncReading, Reading

from .calling import acall, call
from .signals import SESSION_SIGNALS, aemit, emit

#: The name of the refresh address, as `reverse` takes it.
REFRESH_NAME = "session_claims:refresh"


def issuing_for(
    found: AppSettings, *, clock: Callable[[], float], metrics: Metrics, hooks: Hooks
) -> Issuing:
    """The issuer of this project, its keys tried.

    Raises:
        ConfigurationError: it cannot issue; the text says what to write.
    """
    around = Surroundings(
        secret_key=_secret_key(),
        fallbacks=django_settings.SECRET_KEY_FALLBACKS,
        folder=Path(getattr(django_settings, "BASE_DIR", None) or Path.cwd()),
        is_development=django_settings.DEBUG,
        call=call,
        acall=acall,
        tell=_tell,
        atell=_atell,
        refresh_path=refresh_path,
        metrics=metrics,
        hooks=hooks,
    )
    issuing = Issuing(found.issuing, found.verifier, around, clock=clock)
    issuing.check()
    return issuing


def _secret_key() -> str | bytes | None:
    try:
        return cast("str | bytes", django_settings.SECRET_KEY)
    except ImproperlyConfigured:  # it is empty
        return None


def _tell(event: str, data: Mapping[str, Any]) -> None:
    emit(SESSION_SIGNALS[event], **data)


async def _atell(event: str, data: Mapping[str, Any]) -> None:
    await aemit(SESSION_SIGNALS[event], **data)


def refresh_path() -> str:
    """Where the browser finds the refresh endpoint.

    Raises:
        ConfigurationError: nowhere.
    """
    try:
        return reverse(REFRESH_NAME)
    except NoReverseMatch:
        raise ConfigurationError(
            'REFRESH_MODE is "endpoint", and there is none; add'
            ' path("auth/", include("django_session_claims.urls")) to the urlpatterns.'
        ) from None


def issuing_of(side: Reading | AsyncReading) -> Issuing:
    """The issuer of a side.

    Raises:
        ConfigurationError: its sessions are another issuer's.
    """
    if side.issuing is None:
        raise ConfigurationError(
            f"the sessions of this app are those of {side.settings.issuer}, so they are made,"
            " changed and ended there; for sessions of your own write"
            f' settings.SESSION_CLAIMS["{side.settings.label("issuer")}"] = "self".'
        )
    return side.issuing
