"""`Verifier` and `AsyncVerifier`: the core's flows, bound to clocks and the network."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..core.asks import Fetch
from ..core.auth import Auth
from ..core.credentials import Credentials
from ..core.errors import TokenError, UnavailableError
from ..core.flow import Ask
from ..core.freshness import Freshness
from ..core.keys import KeySource, Notify
from ..core.keyset import KeySet
from ..core.settings import VerifierSettings
from ..core.verifier import VerifierFlows, key_source_of, refusal_without_token
from .logs import key_event, without_secrets
from .runtime import AsyncRuntime, Runtime, async_key_handlers, key_handlers


def _flows(
    settings: VerifierSettings,
    clock: Callable[[], float],
    monotonic: Callable[[], float] | None,
    freshness: Freshness | None,
    notify: Notify,
    keys: KeySource | None,
) -> VerifierFlows:
    if keys is not None:
        return VerifierFlows(settings, clock=clock, keys=keys, freshness=freshness)
    # A clock that can be moved brings its own monotonic one (the test kit's does).
    steady = monotonic if monotonic is not None else getattr(clock, "monotonic", time.monotonic)
    if not isinstance(source := settings.key_source, KeySet):
        notify = partial(notify, address=without_secrets(source.url))
    policy = key_source_of(settings, monotonic=steady, notify=notify)
    return VerifierFlows(settings, clock=clock, keys=policy, freshness=freshness)


class Verifier:
    """Verifies the session tokens of one issuer.

    Thread-safe and fork-safe; make one per process and issuer.

    Args:
        settings: who is trusted, and how strictly.
        clock: seconds since 1970 UTC, for the times in tokens.
        monotonic: seconds, for the age of fetched keys.
        fetch: the network, if requests shall not be it (a proxy, a test).
        freshness: what knows about revocations and changed claims.
        notify: told what happens to the keys; default: the log.
        keys: says which keys are trusted, instead of what the settings name.
        handlers: perform what `keys` and `freshness` ask for, by the kind of ask.
    """

    def __init__(
        self,
        settings: VerifierSettings,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
        fetch: Fetch | None = None,
        freshness: Freshness | None = None,
        notify: Notify = key_event,
        keys: KeySource | None = None,
        handlers: Mapping[type[Ask[Any]], Callable[[Any], Any]] | None = None,
    ) -> None:
        self.settings = settings
        self._flows = _flows(settings, clock, monotonic, freshness, notify, keys)
        self._run = Runtime(handlers or key_handlers(fetch)).run

    @property
    def flows(self) -> VerifierFlows:
        """The logic underneath, for tools that look into the caches."""
        return self._flows

    def try_keys(self) -> str | None:
        """Fetch the keys if they are not at hand; what went wrong, if anything did."""
        try:
            self._run(self._flows.keys.find(None, "RS256"))
        except UnavailableError as error:
            return error.message
        return None

    def verify(self, token: str) -> Mapping[str, Any]:
        """The claims of a token, frozen.

        Raises:
            TokenError: the token is refused; `code` says why.
            UnavailableError: the keys cannot be had now.
        """
        flows = self._flows
        return flows.claims_of(flows.attempt(token) or self._run(flows.verify(token)))

    def authenticate(self, credentials: Credentials) -> Auth:
        """Who is signed in; a bad token gives a signed-out `Auth` with its `reason`.

        Raises:
            UnavailableError: the keys cannot be had now.
        """
        flows = self._flows
        token = credentials.token or flows.token_of(credentials)
        if token is None:
            return refusal_without_token(credentials)
        try:
            entry = flows.attempt(token) or self._run(flows.verify(token))
        except TokenError as error:
            return flows.refused(error, credentials)
        auth = entry.auth
        if auth is not None and auth.source == credentials.source:
            return auth
        return flows.auth_of(entry, credentials)


class AsyncVerifier:
    """Async form of `Verifier`; a token found in the cache is answered without suspending."""

    def __init__(
        self,
        settings: VerifierSettings,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
        fetch: Fetch | None = None,
        freshness: Freshness | None = None,
        notify: Notify = key_event,
        keys: KeySource | None = None,
        handlers: Mapping[type[Ask[Any]], Callable[[Any], Any]] | None = None,
    ) -> None:
        self.settings = settings
        self._flows = _flows(settings, clock, monotonic, freshness, notify, keys)
        self._run = AsyncRuntime(handlers or async_key_handlers(fetch)).run

    @property
    def flows(self) -> VerifierFlows:
        """Async form of `Verifier.flows`: the same logic."""
        return self._flows

    async def try_keys(self) -> str | None:
        """Async form of `Verifier.try_keys`."""
        try:
            await self._run(self._flows.keys.find(None, "RS256"))
        except UnavailableError as error:
            return error.message
        return None

    async def verify(self, token: str) -> Mapping[str, Any]:
        """Async form of `Verifier.verify`."""
        flows = self._flows
        entry = flows.attempt(token)
        if entry is None:
            entry = await self._run(flows.verify(token))
        return flows.claims_of(entry)

    async def authenticate(self, credentials: Credentials) -> Auth:
        """Async form of `Verifier.authenticate`."""
        flows = self._flows
        token = credentials.token or flows.token_of(credentials)
        if token is None:
            return refusal_without_token(credentials)
        try:
            entry = flows.attempt(token)
            if entry is None:
                entry = await self._run(flows.verify(token))
        except TokenError as error:
            return flows.refused(error, credentials)
        auth = entry.auth
        if auth is not None and auth.source == credentials.source:
            return auth
        return flows.auth_of(entry, credentials)
