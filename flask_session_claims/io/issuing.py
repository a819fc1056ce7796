"""An app's own issuer in one process, assembled: store, keys, flows, and who performs their asks.

Adapters hold one of these per app; it knows no framework.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..core.asks import AwaitFlight
from ..core.errors import ConfigurationError, UnavailableError
from ..core.flow import Ask, Flow
from ..core.request import Exchange
from ..core.settings import VerifierSettings
from ..sessions.athand import KeysAtHand, OwnKeys
from ..sessions.consult import EVENTS, Consult, Tell
from ..sessions.delivery import Delivery
from ..sessions.endpoints import Endpoints
from ..sessions.feed import Feed
from ..sessions.givenkey import GivenAtHand, given_key
from ..sessions.impersonation import Impersonations
from ..sessions.issuer import Issuer
from ..sessions.keyring import KeyPolicy, KeyringFlows
from ..sessions.lifecycle import SessionFlows
from ..sessions.named import NamedTokens
from ..sessions.records import Commit, ReadLog, RecordStore, record_handlers
from ..sessions.settings import IssuingSettings
from ..sessions.vault import WrappingKey
from ..sessions.verifying import OwnFreshness, OwnKeySource
from ..sessions.visits import Visits
from ..sessions.wrapping import wrapping_keys
from ..stores import open_store, shown
from .consulting import aconsulting, consulting, plainly
from .directory import AsyncLocalDirectory, LocalDirectory
from .executor import StoreThreads
from .feeding import FeedThread
from .hooks import Hooks
from .keyfile import key_file
from .logs import log
from .metrics import Metrics
from .runtime import AsyncRuntime, Runtime, async_key_handlers, key_handlers
from .sessions import AsyncSessions, Sessions
from .sources import Sources
from .templates import AsyncTemplates, Templates
from .users import Users

DEFAULT_STORE: Final = "sqlite:///session_claims.db"
#: Browsers drop a cookie of such a name unless it is Secure (RFC 6265bis §4.1.3).
_PREFIXES: Final = ("__Host-", "__Secure-")
_KEY_FILE: Final = "session_claims.key"


#: Gives a header of the response by its name.
Header = Callable[[str], "str | None"]


def _no_header(name: str) -> str | None:
    return None


class Surroundings(NamedTuple):
    """What an adapter knows of the app around an issuer."""

    #: The framework's SECRET_KEY and its older ones.
    secret_key: str | bytes | None
    fallbacks: Sequence[str | bytes] | None
    #: Where a store without a path of its own is.
    folder: Path
    #: Debugging or testing: cookies for plain http, and a key file if there is no SECRET_KEY.
    is_development: bool
    #: Sends the signal of that name with that data; never raises. `atell` is awaited.
    tell: Callable[[str, Mapping[str, Any]], None]
    atell: Callable[[str, Mapping[str, Any]], Any]
    #: The path of the refresh endpoint, as a browser sees it.
    refresh_path: Callable[[], str]
    #: Calls a hook of the app; what is awaitable then is waited for.
    call: Callable[..., Any] = plainly
    #: The same on an event loop, if it is not the same.
    acall: Callable[..., Any] | None = None
    #: What operators are told.
    metrics: Metrics | None = None
    #: The app's functions.
    hooks: Hooks | None = None


class Issuing:
    """One app's issuer."""

    def __init__(
        self,
        settings: IssuingSettings,
        verifying: VerifierSettings,
        around: Surroundings,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._verifying = verifying
        #: What the adapter has said of the app.
        self.around: Surroundings = around
        self.metrics: Metrics = around.metrics or Metrics()
        self.store: RecordStore = self._open_store()
        self.keyring: KeyringFlows | None = None
        self.keys: OwnKeys = self._keys(clock)
        secure = not (settings.dev_cookies or around.is_development)
        chosen = verifying.cookie_name if "cookie_name" in verifying.provenance else None
        if not secure and chosen is not None and chosen.startswith(_PREFIXES):
            verifying.refuse(
                "cookie_name",
                f"got {chosen!r}, a name that browsers keep over https only, and cookies are for"
                " plain http here (debug, testing or DEV_COOKIES); name it without the prefix.",
            )
        self.hooks: Hooks = around.hooks or Hooks()
        self.sources: Sources = Sources(settings, clock=clock)
        self.feed: Feed = Feed(
            clock=clock,
            # A clock that can be moved brings its own monotonic one (the test kit's does).
            monotonic=getattr(clock, "monotonic", time.monotonic),
            interval=settings.feed_interval,
            max_age=settings.feed_max_age,
            keys_changed=self.keys.look_again,
            templates_changed=self.sources.shelf.look_again,
        )
        self.freshness: OwnFreshness = OwnFreshness(
            self.feed,
            clock,
            say=lambda session, at: self.issuer.say(session, at),
            compose=self.sources.composer.compose,
        )
        self.issuer: Issuer = Issuer(
            settings,
            SessionFlows(settings.limits, clock=clock, compose=self.sources.composer.compose),
            self.keys,
            self.feed,
            clock=clock,
            random=secrets.token_bytes,
            provide=lambda: self.hooks.provide,
            fetched=lambda: self.hooks.fetched,
            prepare=self._prepare,
            secure=secure,
            cookie_name=chosen,
            origins=verifying.origins,
        )
        delivery = Delivery(self.issuer, clock=clock, refresh_path=around.refresh_path)
        self.visits: Visits = Visits(self.issuer, delivery, self.freshness, clock=clock)
        self.impersonations: Impersonations = Impersonations(
            self.issuer, self.visits, clock=clock, may=lambda: self.hooks.may_impersonate
        )
        self.users: Users = Users(self.hooks, self.sources.directory)
        self.named: NamedTokens = NamedTokens(
            self.issuer, self.sources.templates, self.sources.composer
        )
        self.endpoints: Endpoints = Endpoints(self.issuer, self.visits, delivery)
        self.key_source: OwnKeySource = OwnKeySource(self.keys, self.feed, clock)
        performs = dict(record_handlers(self.store))
        performs[Commit] = self._committing(performs[Commit])
        #: What performs asks, by their kind.
        self.handlers: dict[type[Ask[Any]], Callable[[Any], Any]] = {
            **self.metrics.measured(performs),
            AwaitFlight: key_handlers()[AwaitFlight],
            Consult: consulting(around.call),
            Tell: self._tell,
        }
        #: The same, awaited; no event loop waits for the store.
        self.ahandlers: dict[type[Ask[Any]], Callable[[Any], Any]] = {
            **self.metrics.ameasured(StoreThreads().perform(performs)),
            AwaitFlight: async_key_handlers()[AwaitFlight],
            Consult: aconsulting(around.acall or around.call),
            Tell: self._atell,
        }
        runtime, aruntime = Runtime(self.handlers), AsyncRuntime(self.ahandlers)
        self.run: Callable[[Flow[Any]], Any] = runtime.run
        self.arun: Callable[[Flow[Any]], Any] = aruntime.run
        self._thread: FeedThread | None = None
        if settings.feed_thread:
            # Of its own, or the thread would hold the app that it is to end with.
            alone = Runtime(
                {ReadLog: self.handlers[ReadLog], AwaitFlight: self.handlers[AwaitFlight]}
            )
            self._thread = FeedThread(self.feed, alone.run, settings.feed_interval)
        sources, issuer = self.sources, self.issuer
        self.sessions: Sessions = Sessions(issuer, self.named, sources, runtime)
        self.asessions: AsyncSessions = AsyncSessions(issuer, self.named, sources, aruntime)
        self.templates: Templates = Templates(sources.templates, sources.people, runtime)
        self.atemplates: AsyncTemplates = AsyncTemplates(
            sources.templates, sources.people, aruntime
        )
        self.directory: LocalDirectory = LocalDirectory(sources.directory, issuer, runtime)
        self.adirectory: AsyncLocalDirectory = AsyncLocalDirectory(
            sources.directory, issuer, aruntime
        )

    def _committing(self, commit: Callable[[Any], bool]) -> Callable[[Any], bool]:
        """What this process changes itself is in force here at once."""

        def perform(ask: Commit) -> bool:
            try:
                return commit(ask)
            finally:
                if ask.log:
                    self.feed.look_again()
                if any(entry.subject == "template" for entry in ask.log):
                    self.sources.shelf.look_again()

        return perform

    def _prepare(self, user_id: str) -> Flow[None]:
        """Before somebody is signed in: what the app's own tables know of them is in step."""
        if self.hooks.metadata_for is not None:
            _ = yield from self.users.sync(user_id)

    def attend(self) -> None:
        """Have the feed's thread run, where there is to be one."""
        if self._thread is not None:
            self._thread.start()

    # --- at the start ---------------------------------------------------------------------

    def _open_store(self) -> RecordStore:
        given = self.settings.store
        if given is not None and not isinstance(given, str):
            if not callable(getattr(given, "commit", None)):
                self.settings.refuse(
                    "store",
                    f"got a {type(given).__name__}; write an address such as {DEFAULT_STORE!r}, or"
                    " give a store object.",
                )
            return given  # type: ignore[no-any-return]
        if given is None and not self.around.is_development:
            log(
                "store-unset",
                setting=self.settings.label("store"),
                path=str(self.around.folder / "session_claims.db"),
            )
        try:
            return open_store(given or DEFAULT_STORE, folder=self.around.folder, make_folder=True)
        except ConfigurationError as error:
            problem = error.message
        self.settings.refuse("store", problem)

    def _keys(self, clock: Callable[[], float]) -> OwnKeys:
        settings = self.settings
        if settings.signing_key is not None:
            given = given_key(
                settings.signing_key,
                settings.label("signing_key"),
                algorithm=settings.signing_algorithm,
            )
            self._check_algorithm(given.signer.algorithm)
            return GivenAtHand(given)
        wrapping = self._wrapping()
        policy = KeyPolicy(algorithm=settings.signing_algorithm or "ES256")
        self._check_algorithm(policy.algorithm)
        self.keyring = KeyringFlows(policy, wrapping, clock=clock, random=secrets.token_bytes)
        return KeysAtHand(self.keyring, clock=clock)

    def _check_algorithm(self, algorithm: str) -> None:
        taken = self._verifying.algorithms
        if algorithm not in taken:
            self._verifying.refuse(
                "algorithms",
                f"got {list(taken)}, but own tokens are signed with {algorithm}; name it, or leave"
                " the setting out.",
            )

    def _wrapping(self) -> tuple[WrappingKey, ...]:
        settings, around = self.settings, self.around
        try:
            return wrapping_keys(
                secret_key=self._secret(), fallbacks=around.fallbacks, key=settings.key
            )
        except ConfigurationError as error:
            if "issuer" in self._verifying.provenance:
                raise
            problem = error.message
        # Whoever has forgotten an issuer's key is not looking for a secret.
        self._verifying.refuse(
            "issuer", f"is unset, so this app issues its own sessions; and {problem}"
        )

    def _secret(self) -> str | bytes | None:
        around = self.around
        if around.secret_key or self.settings.key is not None or not around.is_development:
            return around.secret_key
        return key_file(around.folder / _KEY_FILE)

    def check(self) -> None:
        """Look into the store, if there is one, whether the signing key can be used.

        Raises:
            ConfigurationError: it cannot; the app must not start and make another.
        """
        try:
            if self.run(self.issuer.opened()) is not None:
                self.run(self.keys.check())
                self._check_ring()
        except UnavailableError as error:
            log("store-unchecked", problem=error.message)
        finally:
            self.store.close()

    def _check_ring(self) -> None:
        """Another algorithm is set for new keys; the one that signs may still be of the old."""
        if self.keyring is None:
            return
        current = self.run(self.keyring.ring()).signing("session", self._clock())
        taken = self._verifying.algorithms
        if current is not None and current.algorithm not in taken:
            self._verifying.refuse(
                "algorithms",
                f"got {list(taken)}, but the key in the store signs {current.algorithm}; name it as"
                " well until `session-claims keys rotate` has brought another.",
            )

    def address(self) -> str:
        """Where sessions are kept, without passwords."""
        given = self.settings.store
        if given is None:
            return f"sqlite:///{self.around.folder / 'session_claims.db'}"
        return shown(given) if isinstance(given, str) else f"a {type(given).__name__}"

    # --- for the verifier -----------------------------------------------------------------

    def verifying(self, name: str | None) -> VerifierSettings:
        """The settings that verify tokens of the issuer `name`; None: of nobody yet."""
        if name is None:
            return self._verifying
        return replace(
            self._verifying,
            issuer=name,
            own=True,
            cookie_name=self.issuer.cookies.session,
            allow_missing_azp=True,  # a page that refreshes says no origin
        )

    # --- at the end of a request ----------------------------------------------------------

    def close(self, exchange: Exchange, status: int, header: Header = _no_header) -> None:
        """Do what was left to do until the status is known; again if that was not the last word.

        Args:
            header: gives a header of the response by its name, or None.
        """
        if not self.visits.is_left(exchange):
            return
        try:
            self.run(self.visits.close(exchange, status, header))
        except UnavailableError as error:
            _left_open(error)

    async def aclose(self, exchange: Exchange, status: int, header: Header = _no_header) -> None:
        """Async form of `close`."""
        if not self.visits.is_left(exchange):
            return
        try:
            await self.arun(self.visits.close(exchange, status, header))
        except UnavailableError as error:
            _left_open(error)

    # --- what the app is told ----------------------------------------------------------

    def _tell(self, ask: Tell) -> None:
        self.metrics.told(ask.event, ask.data)
        if ask.event in EVENTS:
            self.around.tell(ask.event, ask.data)

    async def _atell(self, ask: Tell) -> None:
        self.metrics.told(ask.event, ask.data)
        if ask.event in EVENTS:
            await self.around.atell(ask.event, ask.data)


def _left_open(error: UnavailableError) -> None:
    # The tokens are withdrawn already, so nobody holds what could not be revoked.
    log("session-left-open", problem=error.message)
