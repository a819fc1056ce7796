"""`settings.SESSION_CLAIMS`, read when first needed, and the reading side built over it.

Nothing is read at import. `override_settings` takes effect at once: a change of the setting
drops what was built.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from flask_session_claims.core.asks import Fetch
from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.core.freshness import Freshness
from flask_session_claims.core.locks import ForkSafeLock
from flask_session_claims.core.validating import checked
from flask_session_claims.core.validators import Claim, Validator
from flask_session_claims.io.appsettings import AppSettings, announce, settings_from
from flask_session_claims.io.hooks import Hooks
from flask_session_claims.io.metrics import Metrics
from flask_session_claims.io.reading import (
    AsyncReading,
    Reading,
    Refreshed,
    seen_claims,
)
from flask_session_claims.io.recalling import AsgiReading, WsgiReading

from .signals import aemit, claims_refreshed, emit, token_rejected
from .transport import TRANSPORT

if TYPE_CHECKING:
    from flask_session_claims.io.issuing import Issuing

#: A hook of two arguments, and of one.
H = TypeVar("H", bound=Callable[[Any, Any], Any])
L = TypeVar("L", bound=Callable[[Any], Any])

SETTING: Final = "SESSION_CLAIMS"
#: Django's own settings that an issuer depends on.
_ALSO: Final = frozenset({"BASE_DIR", "DEBUG", "SECRET_KEY", "SECRET_KEY_FALLBACKS"})


def load() -> AppSettings:
    """The settings as they are now.

    Raises:
        ConfigurationError: naming the key, what it got and what to write.
    """
    given = getattr(django_settings, SETTING, None)
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f'{SETTING}: got a {type(given).__name__}; write {SETTING} = {{"ISSUER": …}}.'
        )
    mapping = cast("Mapping[Any, Any]", given)
    for name in (*dir(django_settings), *mapping):
        if not isinstance(name, str):
            raise ConfigurationError(f"{SETTING}: the key {name!r} is no string.")
        if name.startswith(f"{SETTING}_"):
            key = name.removeprefix(f"{SETTING}_")
            raise ConfigurationError(
                f'{name}: in Django this is a key of one dict; write {SETTING} = {{"{key}": …}}.'
            )
    try:
        return settings_from(mapping, {}, prefix="")
    except ConfigurationError as error:
        raise _about_ours(error) from None


def _about_ours(error: ConfigurationError) -> ConfigurationError:
    return ConfigurationError(f"settings.{SETTING}: {error.message}", code=error.code)


def _rejected(reason: str, source: str | None) -> None:
    emit(token_rejected, reason=reason, source=source)


async def _arejected(reason: str, source: str | None) -> None:
    await aemit(token_rejected, reason=reason, source=source)


def _refreshed(auth: Auth, changed: frozenset[str]) -> None:
    emit(claims_refreshed, auth=auth, changed=changed)


async def _arefreshed(auth: Auth, changed: frozenset[str]) -> None:
    await aemit(claims_refreshed, auth=auth, changed=changed)


def _is_heard() -> bool:
    return bool(claims_refreshed.receivers)


class _Built:
    """What stands over the settings of this process, as far as it was needed."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self.means: dict[str, Any] = {}
        self.metrics = Metrics()
        #: The project's functions; another `provide`; and the two together, as an issuer has them.
        self.hooks = Hooks()
        self.provide_instead: Callable[..., Any] | None = None
        self.in_force = Hooks()
        self.validators: tuple[Validator, ...] = ()
        self._clear()

    def _clear(self) -> None:
        self.settings: AppSettings | None = None
        self.issuing: Issuing | None = None
        self.reading: Reading | None = None
        self.areading: AsyncReading | None = None
        # One for both, or a change would be told by each.
        self.seen = seen_claims()

    def give(self, name: str, function: Any) -> None:
        self.hooks.give(name, function)
        self.combine()

    def combine(self) -> None:
        """Put the project's functions in force, but for the one that another stands instead of."""
        for name, function in vars(self.hooks).items():
            setattr(self.in_force, name, function)
        if self.provide_instead is not None:
            self.in_force.provide = self.provide_instead

    def hold(self, validators: tuple[Validator, ...]) -> None:
        self.validators = validators
        for side in (self.reading, self.areading):
            if side is not None:
                side.validators = validators

    def forget(self) -> None:
        with self._lock:
            issuing = self.issuing
            self._clear()
        if issuing is not None and issuing.store is not issuing.settings.store:
            issuing.store.close()  # one that was given may be another's too

    def build(self) -> Reading:
        found, issuing = self._read()
        with self._lock:
            if self.reading is None:
                self.reading = WsgiReading(
                    found.gates,
                    found.verifier,
                    TRANSPORT,
                    rejected=_rejected,
                    refreshed=Refreshed(_is_heard, _refreshed, self.seen),
                    issuing=issuing,
                    metrics=self.metrics,
                    **self.means,
                )
                self.reading.validators = self.validators
            return self.reading

    def abuild(self) -> AsyncReading:
        found, issuing = self._read()
        with self._lock:
            if self.areading is None:
                self.areading = AsgiReading(
                    found.gates,
                    found.verifier,
                    TRANSPORT,
                    rejected=_arejected,
                    refreshed=Refreshed(_is_heard, _arefreshed, self.seen),
                    issuing=issuing,
                    metrics=self.metrics,
                    **self.means,
                )
                self.areading.validators = self.validators
            return self.areading

    def _read(self) -> tuple[AppSettings, Issuing | None]:
        with self._lock:
            known = self.settings
            found = known or load()
            if known is None:
                self.issuing = self._issuing(found) if found.verifier.is_self else None
                self.settings = found
            issuing = self.issuing
        if known is None:
            announce(found.verifier, issuing)
        return found, issuing

    def _issuing(self, found: AppSettings) -> Issuing:
        from .issuing import issuing_for  # a project that only reads tokens loads none of it

        try:
            return issuing_for(
                found,
                clock=self.means.get("clock", time.time),
                metrics=self.metrics,
                hooks=self.in_force,
            )
        except ConfigurationError as error:
            raise _about_ours(error) from None


_built: Final = _Built()

#: What operators are told; `metrics.add(listener)`, in an `AppConfig.ready` for instance.
metrics: Final = _built.metrics


def reading() -> Reading:
    """The reading side for sync requests.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    return _built.reading or _built.build()


def async_reading() -> AsyncReading:
    """Async form of `reading`; only its work is awaited."""
    return _built.areading or _built.abuild()


def hooks() -> Hooks:
    """The project's functions, as they are in force."""
    return _built.in_force


def use(
    *,
    clock: Callable[[], float] = time.time,
    fetch: Fetch | None = None,
    freshness: Freshness | None = None,
    provide: Callable[..., Any] | None = None,
) -> None:
    """Give what a settings file cannot hold; `use()` takes it back.

    Args:
        clock: seconds since 1970 UTC, for the times in tokens and of sessions.
        fetch: the network for key sets, if requests shall not be it.
        freshness: what knows about revocations and changed claims.
        provide: a hook that stands, in a test perhaps, instead of the `provide` of the project.
    """
    _built.means = {"clock": clock, "fetch": fetch, "freshness": freshness}
    _built.provide_instead, _built.in_force = provide, Hooks()
    _built.combine()
    _built.forget()


# --- the project's functions: each once, in `AppConfig.ready()` or a module imported there --


def provide(function: H) -> H:
    """Give claims of the project's own to each new session, and anew whenever it is refreshed.

    The function, sync or async, is given the user's id and the `Session` (None while it is being
    made), and gives claims, or None to leave those it gave before.

    Raises:
        ConfigurationError: it is no function, or there is another already.
    """
    _built.give("provide", function)
    return function


def may_impersonate(function: H) -> H:
    """Say who may act for whom; without this nobody may.

    The function, sync or async, is given the `Auth` of who asks and a user's id; only True
    allows it. Errors as with `provide`.
    """
    _built.give("may_impersonate", function)
    return function


def metadata_for(function: L) -> L:
    """Say what the project's own tables know of a user, for the public metadata.

    The function, sync or async, is given the user's id, and gives a mapping, or None if it knows
    nobody of that id. It is called at each sign-in, by `sync_user`, and by `current_user` where
    the claims did not hold what it needs. Errors as with `provide`.
    """
    _built.give("metadata_for", function)
    return function


@overload
def user_loader(function: L) -> L: ...
@overload
def user_loader(*, from_claims: Callable[[Any], Any]) -> Callable[[L], L]: ...
def user_loader(function: Any = None, *, from_claims: Any = None) -> Any:
    """Say how `current_user` is loaded: given the user's id, the project's user object, or None.

    Args:
        from_claims: given the claims, the same without a look-up, or None where they do not
            hold what it needs. Errors as with `provide`.
    """
    if from_claims is not None:
        _built.give("user_from_claims", from_claims)
    if function is None:
        return user_loader
    _built.give("user_loader", function)
    return function


def add_claims(*claims: Claim) -> None:
    """Have claims fetched at sign-in, and at a refresh once they are too old.

    Raises:
        ConfigurationError: one is no claim, or has the name of another.
    """
    _built.hooks.fetch(claims)
    _built.combine()


def add_validators(*validators: Validator) -> None:
    """Have validators hold at every gate that wants somebody signed in.

    Raises:
        ConfigurationError: one is no validator.
    """
    _built.hold(_built.validators + checked(validators))


@receiver(setting_changed)
def _forget(*, setting: str, **extra: Any) -> None:
    if setting.startswith(SETTING) or (_built.issuing is not None and setting in _ALSO):
        _built.forget()
