"""What the issuer has to know of a Quart app, and how it is found for the app at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from quart import Quart, url_for
from werkzeug.routing import BuildError

from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.io.appsettings import AppSettings
from flask_session_claims.io.hooks import Hooks
from flask_session_claims.io.issuing import Issuing, Surroundings
from flask_session_claims.io.metrics import Metrics
from flask_session_claims.io.reading import AsyncReading
from flask_session_claims.io.signals import SESSION_SIGNALS, aemit, emit

from .current import call

#: Endpoint of the refresh address.
REFRESH_ENDPOINT = "session_claims.refresh"


def issuing_for(
    app: Quart,
    found: AppSettings,
    *,
    clock: Callable[[], float],
    metrics: Metrics,
    hooks: Hooks,
) -> Issuing:
    """The issuer of an app, its keys tried.

    Raises:
        ConfigurationError: it cannot issue; the text says what to write.
    """

    def tell(event: str, data: Mapping[str, Any]) -> None:
        emit(SESSION_SIGNALS[event], app, **data)

    async def atell(event: str, data: Mapping[str, Any]) -> None:
        await aemit(SESSION_SIGNALS[event], app, wrapper=app.ensure_async, **data)

    around = Surroundings(
        secret_key=app.secret_key,
        fallbacks=cast("dict[str, Any]", app.config).get("SECRET_KEY_FALLBACKS"),
        folder=Path(app.instance_path),
        is_development=app.debug or app.testing,
        acall=partial(call, app),
        tell=tell,
        atell=atell,
        refresh_path=refresh_path,
        metrics=metrics,
        hooks=hooks,
    )
    config = cast("dict[str, Any]", app.config)
    if found.verifier.cookie_name == config["SESSION_COOKIE_NAME"]:
        found.verifier.refuse(
            "cookie_name", "is the name of the framework's own session cookie; write another."
        )
    issuing = Issuing(found.issuing, found.verifier, around, clock=clock)
    issuing.check()
    return issuing


def refresh_path() -> str:
    """Where the browser finds the refresh endpoint."""
    try:
        return url_for(REFRESH_ENDPOINT, _external=False)
    except BuildError:
        raise ConfigurationError(
            'REFRESH_MODE is "endpoint", and there is none; write'
            " app.register_blueprint(claims.blueprint(), url_prefix='/auth')."
        ) from None


def issuing_of(side: AsyncReading) -> Issuing:
    """The issuer of an app.

    Raises:
        ConfigurationError: its sessions are another issuer's.
    """
    if side.issuing is None:
        raise ConfigurationError(
            f"the sessions of this app are those of {side.settings.issuer}, so they are made,"
            " changed and ended there; for sessions of"
            f' your own write {side.settings.label("issuer")} = "self".'
        )
    return side.issuing
