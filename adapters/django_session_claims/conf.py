"""`settings.SESSION_CLAIMS`, read when first needed, and the reading side built over it.

Nothing is read at import. `override_settings` takes effect at once: a change of the setting
drops what was built.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from flask_session_claims.core.asks import Fetch
from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.core.freshness import Freshness
from flask_session_claims.core.locks import ForkSafeLock
from flask_session_claims.io.reading import (
    AppSettings,
    AsyncReading,
    Reading,
    Refreshed,
    announce,
    seen_claims,
    settings_from,
)

from .signals import aemit, claims_refreshed, emit, token_rejected
from .transport import TRANSPORT

if TYPE_CHECKING:
    from flask_session_claims.io.issuing import Issuing
    from flask_session_claims.sessions.issuer import Provide

P = TypeVar("P", bound="Provide")

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
        #: The project's hook, and another instead of it.
        self.provide: Provide | None = None
        self.provide_instead: Provide | None = None
        self._clear()

    def _clear(self) -> None:
        self.settings: AppSettings | None = None
        self.issuing: Issuing | None = None
        self.reading: Reading | None = None
        self.areading: AsyncReading | None = None
        # One for both, or a change would be told by each.
        self.seen = seen_claims()

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
                self.reading = Reading(
                    found.gates,
                    found.verifier,
                    TRANSPORT,
                    rejected=_rejected,
                    refreshed=Refreshed(_is_heard, _refreshed, self.seen),
                    issuing=issuing,
                    **self.means,
                )
            return self.reading

    def abuild(self) -> AsyncReading:
        found, issuing = self._read()
        with self._lock:
            if self.areading is None:
                self.areading = AsyncReading(
                    found.gates,
                    found.verifier,
                    TRANSPORT,
                    rejected=_arejected,
                    refreshed=Refreshed(_is_heard, _arefreshed, self.seen),
                    issuing=issuing,
                    **self.means,
                )
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
            issuing = issuing_for(found, clock=self.means.get("clock", time.time))
        except ConfigurationError as error:
            raise _about_ours(error) from None
        issuing.provide = self.provide_instead or self.provide
        return issuing


_built: Final = _Built()


def reading() -> Reading:
    """The reading side for sync requests.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    return _built.reading or _built.build()


def async_reading() -> AsyncReading:
    """Async form of `reading`; only its work is awaited."""
    return _built.areading or _built.abuild()


def use(
    *,
    clock: Callable[[], float] = time.time,
    fetch: Fetch | None = None,
    freshness: Freshness | None = None,
    provide: Provide | None = None,
) -> None:
    """Give what a settings file cannot hold; `use()` takes it back.

    Args:
        clock: seconds since 1970 UTC, for the times in tokens and of sessions.
        fetch: the network for key sets, if requests shall not be it.
        freshness: what knows about revocations and changed claims.
        provide: a hook that stands, in a test perhaps, instead of the `provide` of the project.
    """
    _built.means = {"clock": clock, "fetch": fetch, "freshness": freshness}
    _built.provide_instead = provide
    _built.forget()


def provide(function: P) -> P:
    """Give claims of the project's own to each new session, and anew whenever it is refreshed.

    The function, sync or async, is given the user's id and the `Session` (None while it is being
    made), and gives claims, or None to leave those it gave before. To be said once, in
    `AppConfig.ready()` or in a module that is imported there.

    Raises:
        ConfigurationError: it is no function, or there is another already.
    """
    if not callable(function):
        raise ConfigurationError(f"provide: got {function!r}; give a function.")
    if _built.provide not in (None, function):
        raise ConfigurationError("provide: there is one already; keep one.")
    _built.provide = function
    if _built.issuing is not None:
        _built.issuing.provide = _built.provide_instead or function
    return function


@receiver(setting_changed)
def _forget(*, setting: str, **extra: Any) -> None:
    if setting.startswith(SETTING) or (_built.issuing is not None and setting in _ALSO):
        _built.forget()
