"""An app's own issuer in one process, assembled: store, keys, flows, and who performs their asks.

Adapters hold one of these per app; it knows no framework.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from inspect import isawaitable, iscoroutine
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..core.errors import ConfigurationError, UnavailableError
from ..core.flow import Ask, Flow
from ..core.settings import VerifierSettings
from ..sessions.athand import KeysAtHand, OwnKeys
from ..sessions.consult import EVENTS, Consult, Tell
from ..sessions.delivery import Delivery
from ..sessions.endpoints import Endpoints
from ..sessions.givenkey import GivenAtHand, given_key
from ..sessions.issuer import Issuer, Provide
from ..sessions.keyring import KeyPolicy, KeyringFlows
from ..sessions.lifecycle import SessionFlows
from ..sessions.records import RecordStore, record_handlers
from ..sessions.settings import IssuingSettings
from ..sessions.vault import WrappingKey
from ..sessions.verifying import OwnFreshness, OwnKeySource
from ..sessions.visits import Visits
from ..sessions.wrapping import wrapping_keys
from ..stores import open_store, shown
from .executor import StoreThreads, wait_for
from .logs import logger, session_event
from .runtime import AsyncRuntime, Runtime
from .sessions import AsyncSessions, Sessions

DEFAULT_STORE: Final = "sqlite:///session_claims.db"
#: Browsers drop a cookie of such a name unless it is Secure (RFC 6265bis §4.1.3).
_PREFIXES: Final = ("__Host-", "__Secure-")
_KEY_FILE: Final = "session_claims.key"


def plainly(hook: Callable[..., Any], *arguments: Any) -> Any:
    """A hook, called."""
    return hook(*arguments)


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


class Issuing:
    """One app's issuer."""

    #: The app's hook for provided claims.
    provide: Provide | None = None

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
        self.issuer: Issuer = Issuer(
            settings,
            SessionFlows(settings.limits, clock=clock),
            self.keys,
            clock=clock,
            random=secrets.token_bytes,
            provide=lambda: self.provide,
            secure=secure,
            cookie_name=chosen,
            origins=verifying.origins,
        )
        delivery = Delivery(self.issuer, clock=clock, refresh_path=around.refresh_path)
        self.visits: Visits = Visits(self.issuer, delivery, clock=clock)
        self.endpoints: Endpoints = Endpoints(self.issuer, self.visits, delivery)
        self.key_source: OwnKeySource = OwnKeySource(self.keys, clock)
        self.freshness: OwnFreshness = OwnFreshness(clock)
        performs = record_handlers(self.store)
        #: What performs asks, by their kind.
        self.handlers: dict[type[Ask[Any]], Callable[[Any], Any]] = {
            **performs,
            Consult: self._consult,
            Tell: self._tell,
        }
        #: The same, awaited; no event loop waits for the store.
        self.ahandlers: dict[type[Ask[Any]], Callable[[Any], Any]] = {
            **StoreThreads().perform(performs),
            Consult: self._aconsult,
            Tell: self._atell,
        }
        runtime, aruntime = Runtime(self.handlers), AsyncRuntime(self.ahandlers)
        self.run: Callable[[Flow[Any]], Any] = runtime.run
        self.arun: Callable[[Flow[Any]], Any] = aruntime.run
        self.sessions: Sessions = Sessions(self.issuer, runtime)
        self.asessions: AsyncSessions = AsyncSessions(self.issuer, aruntime)

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
            logger.warning(
                "session claims: %s is unset, so sessions are kept in %s",
                self.settings.label("store"),
                self.around.folder / "session_claims.db",
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
            logger.warning("session claims: %s", error.message)
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

    # --- asks for the app's code ----------------------------------------------------------

    def _consult(self, ask: Consult) -> Any:
        result = self.around.call(ask.hook, *ask.arguments)
        return wait_for(result) if iscoroutine(result) else result

    async def _aconsult(self, ask: Consult) -> Any:
        call = self.around.acall or self.around.call
        result = call(ask.hook, *ask.arguments)
        return await result if isawaitable(result) else result

    def _tell(self, ask: Tell) -> None:
        session_event(ask.event, ask.data)
        if ask.event in EVENTS:
            self.around.tell(ask.event, ask.data)

    async def _atell(self, ask: Tell) -> None:
        session_event(ask.event, ask.data)
        if ask.event in EVENTS:
            await self.around.atell(ask.event, ask.data)


def key_file(path: Path) -> str:
    """The secret in a file that only its owner can read, made if it is not there.

    Raises:
        ConfigurationError: others can read it, or it cannot be made.
    """
    if not path.exists():
        try:
            _make_key_file(path)
        except OSError as error:
            raise ConfigurationError(
                f"there is no SECRET_KEY, and {path} cannot be made ({error.strerror}); set"
                " SECRET_KEY."
            ) from None
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ConfigurationError(
                f"{path} can be read by others; chmod 600 it, or set SECRET_KEY."
            )
        return path.read_text("ascii").strip()
    except (OSError, UnicodeError):
        raise ConfigurationError(f"{path} cannot be read; delete it, or set SECRET_KEY.") from None


def _make_key_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        _ = file.write(secrets.token_urlsafe(32))
    try:
        os.link(draft, path)  # of two processes one is first, and none sees half a file
    except FileExistsError:
        return
    finally:
        draft.unlink()
    logger.warning(
        "session claims: there is no SECRET_KEY, so one was made in %s for development", path
    )
