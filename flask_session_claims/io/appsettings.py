"""All settings of one app, read at its start, and what the start says of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import ConfigurationError
from ..core.schema import PREFIX
from ..core.settings import GateSettings, VerifierSettings
from ..sessions.settings import IssuingSettings
from .logs import log

if TYPE_CHECKING:
    from .issuing import Issuing


class AppSettings(NamedTuple):
    """All settings of one app."""

    gates: GateSettings
    verifier: VerifierSettings
    #: Only looked at where the app is its own issuer.
    issuing: IssuingSettings


def settings_from(
    mapping: Mapping[str, Any],
    overrides: Mapping[str, Any],
    *,
    prefix: str = PREFIX,
    environ: Mapping[str, str] | None = None,
) -> AppSettings:
    """The settings of an app, from its configuration and the keywords given in code.

    Raises:
        ConfigurationError: naming the key, what it got and what to write.
    """
    given = {**mapping, **{prefix + name.upper(): value for name, value in overrides.items()}}
    environment = os.environ if environ is None else environ
    also = (VerifierSettings, IssuingSettings)
    gates = GateSettings.from_mapping(given, prefix, also=also, keywords=overrides)
    if gates.require_issuer and given.get(prefix + "ISSUER") is None:
        raise ConfigurationError(
            f"{gates.label('issuer')}: is unset, and {gates.label('require_issuer')} is on; write"
            ' your issuer\'s URL, "clerk" or "self".'
        )
    settings = VerifierSettings.from_mapping(
        given, prefix, also=also, fallbacks=environment, keywords=overrides
    )
    issuing = IssuingSettings.from_mapping(
        given, prefix, also=(*also, GateSettings), keywords=overrides
    )
    if not settings.is_self:
        _refuse_unused(issuing)
    return AppSettings(gates, settings, issuing)


def _refuse_unused(issuing: IssuingSettings) -> None:
    """Settings of an issuer that the app does not have are a misunderstanding."""
    for name in issuing.provenance:
        issuing.refuse(
            name,
            f"is set, but the sessions are another issuer's; leave it out, or write"
            f' {issuing.label("issuer")} = "self" and no key of another issuer.',
        )


def announce(settings: VerifierSettings, issuing: Issuing | None = None) -> None:
    """The one line that the start logs, and a warning where `azp` goes unchecked."""
    if issuing is not None:
        keys = "given" if issuing.keyring is None else "made and rotated in the store"
        log("issuing-started", store=issuing.address(), keys=keys)
        return
    source = settings.key_source
    where = getattr(source, "url", None) or f"{len(source)} given"  # type: ignore[arg-type]
    log("verifying-started", issuer=settings.issuer, keys=where)
    if settings.parties is None:
        log(
            "azp-unchecked",
            setting=settings.label("authorized_parties"),
            other=settings.label("origins"),
        )
