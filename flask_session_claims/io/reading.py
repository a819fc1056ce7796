"""One app's reading side, assembled: settings, verifier, and the way from request to `Auth`.

Adapters hold one of these per app; it knows no framework.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..core.asks import Fetch
from ..core.auth import Auth
from ..core.credentials import credentials_from
from ..core.errors import ConfigurationError, UnavailableError
from ..core.freshness import Freshness
from ..core.request import Exchange, Transport, admit
from ..core.schema import PREFIX
from ..core.settings import GateSettings, VerifierSettings
from .logs import logger, token_refused
from .verifiers import AsyncVerifier, Verifier

#: Told the reason and the source of each refused token.
Rejected = Callable[[str, str | None], Any]
AsyncRejected = Callable[[str, str | None], Awaitable[Any]]


def settings_from(
    mapping: Mapping[str, Any],
    overrides: Mapping[str, Any],
    *,
    prefix: str = PREFIX,
    environ: Mapping[str, str] | None = None,
) -> tuple[GateSettings, VerifierSettings]:
    """The settings of an app, from its configuration and the keywords given in code.

    Raises:
        ConfigurationError: naming the key, what it got and what to write.
    """
    given = {**mapping, **{prefix + name.upper(): value for name, value in overrides.items()}}
    environment = os.environ if environ is None else environ
    gates = GateSettings.from_mapping(given, prefix, also=(VerifierSettings,))
    if gates.require_issuer and given.get(prefix + "ISSUER") is None:
        raise ConfigurationError(
            f"{gates.label('issuer')}: is unset, and {gates.label('require_issuer')} is on; write"
            ' your issuer\'s URL, or "clerk".'
        )
    return gates, VerifierSettings.from_mapping(given, prefix, fallbacks=environment)


def announce(settings: VerifierSettings) -> None:
    """The one line that the start logs, and a warning where `azp` goes unchecked."""
    source = settings.key_source
    where = getattr(source, "url", None) or f"{len(source)} given"  # type: ignore[arg-type]
    logger.info("session claims: issuer %s, keys %s", settings.issuer, where)
    if settings.parties is None:
        logger.warning(
            "session claims: neither %s nor %s is set, so azp is not checked: a token made for"
            " another app of the same issuer signs in here",
            settings.label("authorized_parties"),
            settings.label("origins"),
        )


class Reading:
    """Who makes a request, by one verifier; for adapters that may wait."""

    def __init__(
        self,
        gates: GateSettings,
        settings: VerifierSettings,
        transport: Transport,
        *,
        clock: Callable[[], float] = time.time,
        fetch: Fetch | None = None,
        freshness: Freshness | None = None,
        rejected: Rejected,
    ) -> None:
        self.gates = gates
        self.transport = transport
        self.settings = settings
        self.verifier = Verifier(settings, clock=clock, fetch=fetch, freshness=freshness)
        self._rejected = rejected

    def now(self, exchange: Exchange) -> Auth:
        """Token, then cross-site policy; a refusal is logged and told.

        Raises:
            UnavailableError: the keys cannot be had now.
        """
        settings = self.settings
        credentials = credentials_from(*self.transport.fields(exchange.request), settings)
        auth = self.verifier.authenticate(credentials)
        if auth.is_authenticated and self.transport.acts(exchange.request):
            auth = admit(exchange, auth, settings)
        if auth.is_authenticated:
            exchange.token = credentials.token or self.verifier.flows.token_of(credentials)
        elif auth.source is not None:
            token_refused(auth.reason or "", auth.source)
            self._rejected(auth.reason or "", auth.source)
        return auth


class AsyncReading:
    """Async form of `Reading`."""

    def __init__(
        self,
        gates: GateSettings,
        settings: VerifierSettings,
        transport: Transport,
        *,
        clock: Callable[[], float] = time.time,
        fetch: Fetch | None = None,
        freshness: Freshness | None = None,
        rejected: AsyncRejected,
    ) -> None:
        self.gates = gates
        self.transport = transport
        self.settings = settings
        self.verifier = AsyncVerifier(settings, clock=clock, fetch=fetch, freshness=freshness)
        self._rejected = rejected

    async def settle(self, exchange: Exchange) -> None:
        """Find out who it is before the view runs, since reading it cannot be awaited."""
        try:
            exchange.settled = await self.authenticate(exchange)
        except UnavailableError as error:
            exchange.settled = error

    def now(self, exchange: Exchange) -> Auth:
        """Refuses: who it is must be settled before it is read."""
        raise ConfigurationError(
            "auth was read before it was settled; is the session claims hook or middleware"
            " installed ahead of this code?"
        )

    async def authenticate(self, exchange: Exchange) -> Auth:
        """Async form of `Reading.now`."""
        settings = self.settings
        credentials = credentials_from(*self.transport.fields(exchange.request), settings)
        auth = await self.verifier.authenticate(credentials)
        if auth.is_authenticated and self.transport.acts(exchange.request):
            auth = admit(exchange, auth, settings)
        if auth.is_authenticated:
            exchange.token = credentials.token or self.verifier.flows.token_of(credentials)
        elif auth.source is not None:
            token_refused(auth.reason or "", auth.source)
            await self._rejected(auth.reason or "", auth.source)
        return auth
