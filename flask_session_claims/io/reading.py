"""One app's reading side, assembled: settings, verifier, and the way from request to `Auth`.

Adapters hold one of these per app; it knows no framework.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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
from ..sessions.settings import IssuingSettings
from .logs import logger, token_refused
from .verifiers import AsyncVerifier, Verifier

if TYPE_CHECKING:
    from .issuing import Issuing

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
        logger.info("session claims: issuer self, store %s, keys %s", issuing.address(), keys)
        return
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
    #: UTC seconds.
    clock: Callable[[], float]
    #: The app's own issuer, if it is one; and its name when the verifier was made.
    issuing: Issuing | None
    _named: str | None = None

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
        """`auth` after the cross-site policy."""
        if auth.is_authenticated and acts:
            auth = admit(exchange, auth, self.settings)
        if auth.is_authenticated:
            exchange.token = credentials.token or self._flows.token_of(credentials)
        return auth

    def _is_refused(self, auth: Auth) -> bool:
        """Whether a token was refused, which is logged here and told by the caller."""
        if auth.is_authenticated or auth.source is None:
            return False
        token_refused(auth.reason or "", auth.source)
        return True

    def _changes(self, auth: Auth) -> frozenset[str] | None:
        """The claims that a newly verified token changed, if anybody listens.

        Asked ahead of the cross-site policy, which judges a request: its token is known from
        then on, and would not come here again.
        """
        told = self._refreshed
        if self.issuing is not None:
            return None  # told where they are changed
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
        issuing: Issuing | None = None,
    ) -> None:
        self.gates = gates
        self.transport = transport
        self.settings: VerifierSettings = settings
        self.issuing = issuing
        self.clock = clock
        self._rejected = rejected
        self._refreshed = refreshed
        self._seen = _seen_by(refreshed)
        self.verifier: Verifier
        if issuing is None:
            self.verifier = Verifier(settings, clock=clock, fetch=fetch, freshness=freshness)
            self._flows = self.verifier.flows
        else:
            self._be(issuing, issuing.issuer.name)

    def _be(self, issuing: Issuing, name: str | None) -> None:
        """Verify own tokens, now that the issuer's name is `name`."""
        settings = issuing.verifying(name)
        self.settings = settings
        self.verifier = Verifier(
            settings,
            clock=self.clock,
            keys=issuing.key_source,
            freshness=issuing.freshness,
            handlers=issuing.handlers,
        )
        self._flows = self.verifier.flows
        self._named = name

    def open(self, issuing: Issuing) -> None:
        """Have the verifier of own tokens ready, if their issuer has a name by now."""
        name = issuing.issuer.name or issuing.run(issuing.issuer.opened())
        if name != self._named:
            self._be(issuing, name)

    def now(self, exchange: Exchange) -> Auth:
        """Token, then cross-site policy; a refusal is logged and told.

        Raises:
            UnavailableError: the keys cannot be had now.
        """
        issuing = self.issuing
        if issuing is not None:
            self.open(issuing)
        authorization, cookie, acts = self.transport.look(exchange.request)
        credentials = credentials_from(authorization, cookie, self.settings)
        verified = self.verifier.authenticate(credentials)
        changed = self._changes(verified)
        # Settled before hooks and receivers are called: they may read it.
        auth = exchange.settled = self._admit(exchange, verified, credentials, acts)
        if issuing is not None and not auth.is_authenticated:
            auth = exchange.settled = issuing.run(issuing.visits.renew(exchange, auth))
        if self._is_refused(auth):
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
        issuing: Issuing | None = None,
    ) -> None:
        self.gates = gates
        self.transport = transport
        self.settings: VerifierSettings = settings
        self.issuing = issuing
        self.clock = clock
        self._rejected = rejected
        self._refreshed = refreshed
        self._seen = _seen_by(refreshed)
        self.verifier: AsyncVerifier
        if issuing is None:
            self.verifier = AsyncVerifier(settings, clock=clock, fetch=fetch, freshness=freshness)
            self._flows = self.verifier.flows
        else:
            self._be(issuing, issuing.issuer.name)

    def _be(self, issuing: Issuing, name: str | None) -> None:
        """Verify own tokens, now that the issuer's name is `name`."""
        settings = issuing.verifying(name)
        self.settings = settings
        self.verifier = AsyncVerifier(
            settings,
            clock=self.clock,
            keys=issuing.key_source,
            freshness=issuing.freshness,
            handlers=issuing.ahandlers,
        )
        self._flows = self.verifier.flows
        self._named = name

    async def open(self, issuing: Issuing) -> None:
        """Async form of `Reading.open`."""
        name = issuing.issuer.name or await issuing.arun(issuing.issuer.opened())
        if name != self._named:
            self._be(issuing, name)

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
        issuing = self.issuing
        if issuing is not None:
            await self.open(issuing)
        authorization, cookie, acts = self.transport.look(exchange.request)
        credentials = credentials_from(authorization, cookie, self.settings)
        verified = await self.verifier.authenticate(credentials)
        changed = self._changes(verified)
        # Settled before hooks and receivers are called: they may read it.
        auth = exchange.settled = self._admit(exchange, verified, credentials, acts)
        if issuing is not None and not auth.is_authenticated:
            auth = exchange.settled = await issuing.arun(issuing.visits.renew(exchange, auth))
        if self._is_refused(auth):
            await self._rejected(auth.reason or "", auth.source)
        if changed is not None and self._refreshed is not None:
            await self._refreshed.tell(verified, changed)
        return auth
