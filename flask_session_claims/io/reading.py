"""One app's reading side, assembled: settings, verifier, and the way from request to `Auth`.

Adapters hold one of these per app; it knows no framework.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from ..core.asks import Fetch
from ..core.auth import Auth
from ..core.credentials import Credentials, credentials_from
from ..core.errors import ConfigurationError, UnavailableError
from ..core.freshness import Freshness
from ..core.refreshed import SeenClaims
from ..core.request import Exchange, Transport, admit
from ..core.schema import PREFIX
from ..core.settings import GateSettings, VerifierSettings
from ..core.verifier import VerifierFlows
from .logs import logger, token_refused
from .verifiers import AsyncVerifier, Verifier

#: Told the reason and the source of each refused token.
Rejected = Callable[[str, str | None], Any]
AsyncRejected = Callable[[str, str | None], Awaitable[Any]]

#: Sessions whose claims are compared, in each process.
_COMPARED: Final = 10_000


class Refreshed(NamedTuple):
    """Who is told that a newer token of a session brought other claims."""

    #: Whether anybody listens; if not, nothing is compared.
    is_heard: Callable[[], object]
    #: Given the new `Auth` and the names of the claims; awaited by an `AsyncReading`.
    tell: Callable[[Auth, frozenset[str]], Any]
    #: What is compared with; given where two readings serve one app.
    seen: SeenClaims | None = None


def seen_claims() -> SeenClaims:
    """An empty memory of the claims of this process's sessions."""
    return SeenClaims(_COMPARED, key=os.urandom(32))


def _seen_by(refreshed: Refreshed | None) -> SeenClaims:
    given = None if refreshed is None else refreshed.seen
    return seen_claims() if given is None else given


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
    gates = GateSettings.from_mapping(given, prefix, also=(VerifierSettings,), keywords=overrides)
    if gates.require_issuer and given.get(prefix + "ISSUER") is None:
        raise ConfigurationError(
            f"{gates.label('issuer')}: is unset, and {gates.label('require_issuer')} is on; write"
            ' your issuer\'s URL, or "clerk".'
        )
    settings = VerifierSettings.from_mapping(
        given, prefix, fallbacks=environment, keywords=overrides
    )
    return gates, settings


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


class _Side:
    """What `Reading` and `AsyncReading` share: all that needs no waiting."""

    gates: GateSettings
    settings: VerifierSettings
    transport: Transport
    wants_page: Callable[[], bool | None] | None = None
    _flows: VerifierFlows
    _refreshed: Refreshed | None
    _seen: SeenClaims

    def recall(self, exchange: Exchange) -> Auth | None:
        """Who it is, if their token is known and all is plain; None: find out."""
        authorization, cookie, acts = self.transport.glance(exchange.request)
        known = self._flows.recall(authorization, cookie)
        if known is None:
            return None
        auth, token = known
        if acts and not admit(exchange, auth, self.settings).is_authenticated:
            return None  # to be refused where that is told
        exchange.token = token
        return auth

    def _admit(self, exchange: Exchange, auth: Auth, credentials: Credentials, acts: bool) -> Auth:
        """`auth` after the cross-site policy; a refusal is logged, and told by the caller."""
        if auth.is_authenticated and acts:
            auth = admit(exchange, auth, self.settings)
        if auth.is_authenticated:
            exchange.token = credentials.token or self._flows.token_of(credentials)
        elif auth.source is not None:
            token_refused(auth.reason or "", auth.source)
        return auth

    def _changes(self, auth: Auth) -> frozenset[str] | None:
        """The claims that a newly verified token changed, if anybody listens.

        Asked ahead of the cross-site policy, which judges a request: its token is known from
        then on, and would not come here again.
        """
        told = self._refreshed
        if told is None or not auth.is_authenticated or not told.is_heard():
            return None
        claims = auth.session_claims
        return self._seen.note(auth.session_id, claims.get("iat"), claims)


class Reading(_Side):
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
        refreshed: Refreshed | None = None,
    ) -> None:
        self.gates = gates
        self.transport = transport
        self.settings = settings
        self.verifier: Verifier = Verifier(settings, clock=clock, fetch=fetch, freshness=freshness)
        self._flows = self.verifier.flows
        self._rejected = rejected
        self._refreshed = refreshed
        self._seen = _seen_by(refreshed)

    def now(self, exchange: Exchange) -> Auth:
        """Token, then cross-site policy; a refusal is logged and told.

        Raises:
            UnavailableError: the keys cannot be had now.
        """
        authorization, cookie, acts = self.transport.look(exchange.request)
        credentials = credentials_from(authorization, cookie, self.settings)
        verified = self.verifier.authenticate(credentials)
        changed = self._changes(verified)
        # Settled before anybody is told: receivers may read it.
        auth = exchange.settled = self._admit(exchange, verified, credentials, acts)
        if not auth.is_authenticated and auth.source is not None:
            self._rejected(auth.reason or "", auth.source)
        if changed is not None and self._refreshed is not None:
            self._refreshed.tell(verified, changed)
        return auth


class AsyncReading(_Side):
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
        refreshed: Refreshed | None = None,
    ) -> None:
        self.gates = gates
        self.transport = transport
        self.settings = settings
        self.verifier: AsyncVerifier = AsyncVerifier(
            settings, clock=clock, fetch=fetch, freshness=freshness
        )
        self._flows = self.verifier.flows
        self._rejected = rejected
        self._refreshed = refreshed
        self._seen = _seen_by(refreshed)

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
        authorization, cookie, acts = self.transport.look(exchange.request)
        credentials = credentials_from(authorization, cookie, self.settings)
        verified = await self.verifier.authenticate(credentials)
        changed = self._changes(verified)
        # Settled before anybody is told: receivers may read it.
        auth = exchange.settled = self._admit(exchange, verified, credentials, acts)
        if not auth.is_authenticated and auth.source is not None:
            await self._rejected(auth.reason or "", auth.source)
        if changed is not None and self._refreshed is not None:
            await self._refreshed.tell(verified, changed)
        return auth
