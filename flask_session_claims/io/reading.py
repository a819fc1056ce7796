"""One app's reading side, assembled: verifier, and the way from request to `Auth`.

Adapters hold one of these per app; it knows no framework.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ..core.asks import Fetch
from ..core.auth import Auth, auth_from_claims, signed_out
from ..core.credentials import Credentials, credentials_from
from ..core.errors import ConfigurationError, TokenError, UnavailableError
from ..core.flow import Flow
from ..core.freshness import Claims, Freshness
from ..core.refreshed import SeenClaims
from ..core.request import Exchange, Transport, admit
from ..core.settings import GateSettings, VerifierSettings
from ..core.validating import keys_of
from ..core.validators import Validator
from ..core.verifier import VerifierFlows
from .fetch import KeyFetcher
from .metrics import Metrics
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


class _Side:
    """What `Reading` and `AsyncReading` share: all that needs no waiting."""

    gates: GateSettings
    settings: VerifierSettings
    transport: Transport
    wants_page: Callable[[], bool | None] | None = None
    #: What holds wherever somebody has to be signed in.
    validators: tuple[Validator, ...] = ()
    _flows: VerifierFlows
    _refreshed: Refreshed | None
    _seen: SeenClaims
    #: UTC seconds.
    clock: Callable[[], float]
    #: What operators are told.
    metrics: Metrics
    #: The app's own issuer, if it is one; and its name when the verifier was made.
    issuing: Issuing | None
    _named: str | None = None

    def recall(self, exchange: Exchange) -> Auth | None:
        """Who it is, if their token is known and all is plain; None: find out."""
        authorization, cookie, acts = self.transport.glance(exchange.request)
        found = self._flows.recall(authorization, cookie)
        if found is None:
            return None
        auth, token, _ = found
        if auth is None:
            return None
        if acts and not admit(exchange, auth, self.settings).is_authenticated:
            return None  # to be refused where that is told
        exchange.token = token
        return auth

    def _offered(self, exchange: Exchange) -> tuple[Credentials, bool]:
        """What a request offers, and whether it may change something."""
        # The name of its own cookie is known to an issuer only once it is open.
        if exchange.offered is not None and self.issuing is None:
            return exchange.offered, False
        authorization, cookie, acts = self.transport.look(exchange.request)
        return credentials_from(authorization, cookie, self.settings), acts

    def _admit(self, exchange: Exchange, auth: Auth, credentials: Credentials, acts: bool) -> Auth:
        """`auth` after the cross-site policy."""
        if auth.is_authenticated and acts:
            auth = admit(exchange, auth, self.settings)
        if auth.is_authenticated:
            exchange.token = credentials.token or self._flows.token_of(credentials)
        return auth

    def _is_refused(self, auth: Auth) -> bool:
        """Whether a token was refused, which operators hear here and the app from the caller."""
        if auth.is_authenticated or auth.source is None:
            return False
        self.metrics.refused(auth.reason or "", auth.source)
        return True

    def _is_in_time(self, auth: Auth) -> bool:
        return auth.is_authenticated and self.clock() < (auth.expires_at or 0)

    def _changes(self, auth: Auth) -> frozenset[str] | None:
        """The claims that a newly verified token changed, if anybody listens.

        Asked ahead of the cross-site policy, which judges a request: its token is known from
        then on, and would not come here again.
        """
        told, issuing = self._refreshed, self.issuing
        if told is None or not auth.is_authenticated or not told.is_heard():
            return None
        if issuing is not None:  # a change is told where it is made, and where it is met
            return issuing.freshness.take_changed(auth.session_id or "")
        claims = auth.session_claims
        return self._seen.note(auth.session_id, claims.get("iat"), claims)

    def _own(self) -> Issuing:
        if self.issuing is None:
            raise ConfigurationError(
                "live=True: the sessions of this app are another issuer's, whose store cannot be"
                " read; leave it out."
            )
        return self.issuing

    def mint(self, auth: Auth, template: str) -> str:
        """A token of a named template for who is signed in.

        Raises:
            ConfigurationError: the sessions are another issuer's.
        """
        issuing = self._of_templates(template)
        return str(issuing.run(issuing.named.mint(auth.session_id or "", template)))

    async def amint(self, auth: Auth, template: str) -> str:
        """Async form of `mint`."""
        issuing = self._of_templates(template)
        return str(await issuing.arun(issuing.named.mint(auth.session_id or "", template)))

    def _of_templates(self, template: str) -> Issuing:
        if self.issuing is None:
            raise ConfigurationError(
                f"get_token(template={template!r}): the sessions are those of"
                f" {self.settings.issuer}; ask there for such a token, or leave template out."
            )
        return self.issuing

    def _bring(
        self, issuing: Issuing, exchange: Exchange, validators: Sequence[Validator]
    ) -> Flow[Auth | None]:
        """Fetch the claims of these validators; who is refused, if the session has ended."""
        from ..sessions.refetching import bring  # an app that only reads tokens loads none of it

        yield from bring(issuing.visits, exchange, validators)
        auth = exchange.settled
        return auth if isinstance(auth, Auth) and self._is_refused(auth) else None

    def _confirmed(self, exchange: Exchange, auth: Auth, claims: Claims) -> Auth:
        """Let the claims that the record gave stand for the rest of the request."""
        if claims is not auth.session_claims:
            exchange.settled = auth = auth_from_claims(claims, auth.source)
        return auth


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
        metrics: Metrics | None = None,
    ) -> None:
        self.gates = gates
        self.metrics: Metrics = metrics or Metrics()
        self.transport = transport
        self.settings: VerifierSettings = settings
        self.issuing = issuing
        self.clock = clock
        self._rejected = rejected
        self._refreshed = refreshed
        self._seen = _seen_by(refreshed)
        self.verifier: Verifier
        if issuing is None:
            self.verifier = Verifier(
                settings,
                clock=clock,
                fetch=fetch or KeyFetcher(self.metrics.fetched),
                freshness=freshness,
                notify=self.metrics.keys,
            )
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
        issuing.attend()
        name = issuing.issuer.name or issuing.run(issuing.issuer.opened())
        if name != self._named:
            self._be(issuing, name)

    def confirm(self, exchange: Exchange) -> None:
        """Have the session's record read, whatever its token says.

        Raises:
            ConfigurationError: the sessions are another issuer's.
        """
        issuing, auth = self._own(), exchange.outcome()
        exchange.confirmed = True
        if not isinstance(auth, Auth) or not auth.is_authenticated:
            return
        try:
            claims = issuing.run(issuing.freshness.live(cast("Claims", auth.session_claims)))
        except TokenError as error:
            exchange.settled = refused = signed_out(error.code, source=auth.source)
            if self._is_refused(refused):
                self._rejected(error.code, auth.source)
        except UnavailableError as error:
            exchange.settled = error
        else:
            new = self._confirmed(exchange, auth, claims)
            changed = self._changes(new)
            if changed is not None and self._refreshed is not None:
                self._refreshed.tell(new, changed)

    def refetch(self, exchange: Exchange, validators: Sequence[Validator]) -> None:
        """Have the claims of these validators fetched and put into the session.

        Those of another issuer's session stay as they are.
        """
        exchange.refetched |= keys_of(validators)
        if self.issuing is not None:
            ended = self.issuing.run(self._bring(self.issuing, exchange, validators))
            if ended is not None:
                self._rejected(ended.reason or "", ended.source)

    def is_current(self, auth: Auth) -> bool:
        """Whether an `Auth` still holds: the session lives, and its claims are these.

        Of another issuer's session only the token's time is known.

        Raises:
            UnavailableError: it cannot be told now.
        """
        if not auth.is_authenticated or self.issuing is None:
            return self._is_in_time(auth)
        claims = cast("Claims", auth.session_claims)
        return bool(self.issuing.run(self.issuing.freshness.is_current(claims)))

    def now(self, exchange: Exchange) -> Auth:
        """Token, then cross-site policy; a refusal is logged and told.

        Raises:
            UnavailableError: the keys cannot be had now.
        """
        issuing = self.issuing
        if issuing is not None:
            self.open(issuing)
        credentials, acts = self._offered(exchange)
        verified = self.verifier.authenticate(credentials)
        changed = self._changes(verified)
        # Settled before hooks and receivers are called: they may read it.
        auth = exchange.settled = self._admit(exchange, verified, credentials, acts)
        if issuing is not None and not auth.is_authenticated:
            auth = exchange.settled = issuing.run(issuing.visits.renew(exchange, auth))
        if not auth.is_authenticated and self._is_refused(auth):
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
        metrics: Metrics | None = None,
    ) -> None:
        self.gates = gates
        self.metrics: Metrics = metrics or Metrics()
        self.transport = transport
        self.settings: VerifierSettings = settings
        self.issuing = issuing
        self.clock = clock
        self._rejected = rejected
        self._refreshed = refreshed
        self._seen = _seen_by(refreshed)
        self.verifier: AsyncVerifier
        if issuing is None:
            self.verifier = AsyncVerifier(
                settings,
                clock=clock,
                fetch=fetch or KeyFetcher(self.metrics.fetched),
                freshness=freshness,
                notify=self.metrics.keys,
            )
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
        issuing.attend()
        name = issuing.issuer.name or await issuing.arun(issuing.issuer.opened())
        if name != self._named:
            self._be(issuing, name)

    async def settle(self, exchange: Exchange) -> None:
        """Find out who it is before the view runs, since reading it cannot be awaited."""
        try:
            exchange.settled = await self.authenticate(exchange)
        except UnavailableError as error:
            exchange.settled = error

    def confirm(self, exchange: Exchange) -> None:
        """Refuses: it must be awaited, before the view."""
        raise ConfigurationError(
            "live=True: the session was not read before this gate; is the session claims hook or"
            " middleware installed ahead of this code?"
        )

    async def aconfirm(self, exchange: Exchange) -> None:
        """Async form of `Reading.confirm`."""
        issuing = self._own()
        if exchange.settled is None:
            await self.settle(exchange)
        auth = exchange.settled
        exchange.confirmed = True
        if not isinstance(auth, Auth) or not auth.is_authenticated:
            return
        freshness = issuing.freshness
        try:
            claims = await issuing.arun(freshness.live(cast("Claims", auth.session_claims)))
        except TokenError as error:
            exchange.settled = refused = signed_out(error.code, source=auth.source)
            if self._is_refused(refused):
                await self._rejected(error.code, auth.source)
        except UnavailableError as error:
            exchange.settled = error
        else:
            new = self._confirmed(exchange, auth, claims)
            changed = self._changes(new)
            if changed is not None and self._refreshed is not None:
                await self._refreshed.tell(new, changed)

    def refetch(self, exchange: Exchange, validators: Sequence[Validator]) -> None:
        """Refuses: it must be awaited, before the view."""
        raise ConfigurationError(
            "validators: claims were not fetched before this gate; is the session claims hook or"
            " middleware installed ahead of this code?"
        )

    async def arefetch(self, exchange: Exchange, validators: Sequence[Validator]) -> None:
        """Async form of `Reading.refetch`."""
        exchange.refetched |= keys_of(validators)
        if self.issuing is not None:
            ended = await self.issuing.arun(self._bring(self.issuing, exchange, validators))
            if ended is not None:
                await self._rejected(ended.reason or "", ended.source)

    async def is_current(self, auth: Auth) -> bool:
        """Async form of `Reading.is_current`."""
        if not auth.is_authenticated or self.issuing is None:
            return self._is_in_time(auth)
        claims = cast("Claims", auth.session_claims)
        return bool(await self.issuing.arun(self.issuing.freshness.is_current(claims)))

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
        credentials, acts = self._offered(exchange)
        verified = await self.verifier.authenticate(credentials)
        changed = self._changes(verified)
        # Settled before hooks and receivers are called: they may read it.
        auth = exchange.settled = self._admit(exchange, verified, credentials, acts)
        if issuing is not None and not auth.is_authenticated:
            auth = exchange.settled = await issuing.arun(issuing.visits.renew(exchange, auth))
        if not auth.is_authenticated and self._is_refused(auth):
            await self._rejected(auth.reason or "", auth.source)
        if changed is not None and self._refreshed is not None:
            await self._refreshed.tell(verified, changed)
        return auth
