"""What the issuer has to know of a Flask app, and how it is found for the request at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from flask import Flask, url_for
from werkzeug.routing import BuildError

from ..core.errors import ConfigurationError
from ..io.appsettings import AppSettings
from ..io.hooks import Hooks
from ..io.issuing import Issuing, Surroundings
from ..io.metrics import Metrics
from ..io.signals import SESSION_SIGNALS, aemit, emit

#: Endpoint of the refresh address, below the name of whichever blueprint it is in.
REFRESH_ENDPOINT = "session_claims.refresh"


def issuing_for(
    app: Flask,
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
        await aemit(SESSION_SIGNALS[event], app, **data)

    around = Surroundings(
        secret_key=app.secret_key,
        fallbacks=cast("dict[str, Any]", app.config).get("SECRET_KEY_FALLBACKS"),
        folder=Path(app.instance_path),
        is_development=app.debug or app.testing,
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
    try:
        issuing.check()
    except ConfigurationError as error:
        from .cli.failure import is_for_a_command  # a server loads none of it

        if not is_for_a_command(error):
            raise
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
