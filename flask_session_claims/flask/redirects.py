"""Where a sign-in view may send its visitor, by the settings of the app at hand."""

from __future__ import annotations

from flask import has_request_context, request

from ..core import redirects
from ..core.errors import ConfigurationError
from ..core.schema import show
from ..io.reading import Reading
from .current import current_side
from .side import side_of_app


def is_safe_redirect(target: str | None) -> bool:
    """Whether a browser that follows `target` stays on this site or goes to one of `ORIGINS`.

    True for a path that begins with one slash, and for an absolute address that begins with one
    of `SESSION_CLAIMS_ORIGINS` exactly as configured. Everything else is False, None included.
    The Host header decides nothing. Needs an app context.
    """
    return redirects.is_safe_redirect(target, _side().settings.origins or ())


def redirect_target(default: str = "/") -> str:
    """Where to go after signing in: the address that the gate noted, if it is safe.

    Reads `SESSION_CLAIMS_REDIRECT_PARAM` (`redirect_url`) of the query string, else of the form.

    Args:
        default: for a parameter that is missing or leads elsewhere.

    Raises:
        ConfigurationError: `default` itself is not safe, as `request.referrer` is not.
    """
    if not is_safe_redirect(default):
        raise ConfigurationError(
            f"redirect_target: default={show(default)} may lead to another site; write a path"
            ' such as "/", or add its origin to SESSION_CLAIMS_ORIGINS.'
        )
    noted = request.values.get(_side().gates.redirect_param)
    return noted if noted is not None and is_safe_redirect(noted) else default


def _side() -> Reading:
    return current_side() if has_request_context() else side_of_app()
