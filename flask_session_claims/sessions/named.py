"""Tokens of named templates, for other services: no session tokens, here or elsewhere."""

from __future__ import annotations

from ..core.errors import ConfigurationError
from ..core.flow import Flow
from .composing import Composer
from .faults import SessionUnknown
from .issuer import Issuer
from .limits import is_number
from .saved import NAMED_BYTES, TemplateFlows, unknown_template
from .templates.options import LIFETIMES, TemplateOptions, check_name


class NamedTokens:
    """Mints tokens of the templates that are saved by name."""

    def __init__(self, issuer: Issuer, templates: TemplateFlows, composer: Composer) -> None:
        self._issuer, self._templates, self._composer = issuer, templates, composer

    def mint(self, session_id: str, name: str, *, lifetime: float | None = None) -> Flow[str]:
        """A token of a live session's user.

        Args:
            lifetime: seconds, 30 to 315,360,000; None: the template's. The token may outlive
                the session.

        Raises:
            SessionError: `session-unknown`; `template-unknown`.
            ClaimsRefused: what the template gives is too large.
            ConfigurationError: no such life-time, or no name.
        """
        _check_lifetime(lifetime)
        saved = yield from self._templates.get(check_name(name))
        if saved is None:
            raise unknown_template(name)
        known = (yield from self._issuer.opened()) is not None
        state = (yield from self._issuer.flows.state(session_id)) if known else None
        composed = None if state is None else (yield from self._composer.compose(state))
        if composed is None:
            raise SessionUnknown
        claims = yield from self._composer.claims(saved.template, composed.state, most=NAMED_BYTES)
        options = saved.options or TemplateOptions()
        return (
            yield from self._issuer.sign(composed.session(), claims, options, lifetime=lifetime)
        )


def _check_lifetime(lifetime: float | None) -> None:
    least, most = LIFETIMES
    if lifetime is not None and not (is_number(lifetime) and least <= lifetime <= most):
        raise ConfigurationError(
            f"lifetime got {lifetime!r}; give seconds, {least} to {most}, or None."
        )
