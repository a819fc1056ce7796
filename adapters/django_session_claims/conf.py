"""`settings.SESSION_CLAIMS`, read when first needed, and the reading side built over it.

Nothing is read at import. `override_settings` takes effect at once: a change of the setting
drops what was built.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from flask_session_claims.core.asks import Fetch
from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.core.freshness import Freshness
from flask_session_claims.core.locks import ForkSafeLock
from flask_session_claims.core.settings import GateSettings, VerifierSettings
from flask_session_claims.io.reading import (
    AsyncReading,
    Reading,
    Refreshed,
    announce,
    seen_claims,
    settings_from,
)

from .signals import aemit, claims_refreshed, emit, token_rejected
from .transport import TRANSPORT

SETTING: Final = "SESSION_CLAIMS"
Settings = tuple[GateSettings, VerifierSettings]


def load() -> Settings:
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
        return settings_from(mapping, {}, prefix="")[:2]
    except ConfigurationError as error:
        raise ConfigurationError(f"settings.{SETTING}: {error.message}") from None


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
        self.forget()

    def forget(self) -> None:
        self.settings: Settings | None = None
        self.reading: Reading | None = None
        self.areading: AsyncReading | None = None
        # One for both, or a change would be told by each.
        self.seen = seen_claims()

    def build(self) -> Reading:
        gates, settings = self._read()
        with self._lock:
            if self.reading is None:
                self.reading = Reading(
                    gates,
                    settings,
                    TRANSPORT,
                    rejected=_rejected,
                    refreshed=Refreshed(_is_heard, _refreshed, self.seen),
                    **self.means,
                )
            return self.reading

    def abuild(self) -> AsyncReading:
        gates, settings = self._read()
        with self._lock:
            if self.areading is None:
                self.areading = AsyncReading(
                    gates,
                    settings,
                    TRANSPORT,
                    rejected=_arejected,
                    refreshed=Refreshed(_is_heard, _arefreshed, self.seen),
                    **self.means,
                )
            return self.areading

    def _read(self) -> Settings:
        with self._lock:
            known = self.settings
            pair = known or load()
            self.settings = pair
        if known is None:
            announce(pair[1])
        return pair


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
) -> None:
    """Give the reading side what a settings file cannot hold; `use()` takes it back.

    Args:
        clock: seconds since 1970 UTC, for the times in tokens.
        fetch: the network for key sets, if requests shall not be it.
        freshness: what knows about revocations and changed claims.
    """
    _built.means = {"clock": clock, "fetch": fetch, "freshness": freshness}
    _built.forget()


@receiver(setting_changed)
def _forget(*, setting: str, **extra: Any) -> None:
    if setting.startswith(SETTING):
        _built.forget()
