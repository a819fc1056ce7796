"""What the parts of the issuing contract share: fixtures, settings, a store that can fail."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from flask_session_claims.core.claims import PROTECTED_NAMES
from flask_session_claims.io.appsettings import settings_from
from flask_session_claims.io.issuing import Issuing, Surroundings
from flask_session_claims.io.sessions import Sessions
from flask_session_claims.sessions.model import SESSION
from flask_session_claims.sessions.records import (
    Delete,
    Identity,
    LogEntry,
    LogPage,
    Page,
    Put,
    Record,
    RecordStore,
)
from flask_session_claims.stores.faults import StoreUnavailable
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock

from ..drivers import Reply
from .drivers import SECRET_KEY, Client, Driver, Provide
from .jar import cookies_of
from .people import Functions

APP = "https://app.example"
EVIL = "https://evil.example"
FROM_APP = (("Origin", APP),)
CROSS_SITE = (("Sec-Fetch-Site", "cross-site"), ("Origin", EVIL))

#: The usual life-times, seconds.
TOKEN, IDLE, ABSOLUTE, GRACE = 300, 7 * 86_400, 30 * 86_400, 30

OpenApp = Callable[..., Any]
T = TypeVar("T")


class Contract:
    """What each part of the contract builds on."""

    @pytest.fixture
    def clock(self) -> FrozenClock:
        return FrozenClock()

    @pytest.fixture
    def store(self) -> FaultyStore:
        """The one store of all apps of a test; it fails only when told to."""
        return FaultyStore(MemoryStore())

    @pytest.fixture
    def open_app(self, driver: Driver, clock: FrozenClock, store: FaultyStore) -> OpenApp:
        """Makes an app of the usual settings with some changed."""

        def opened(
            *,
            provide: Provide | None = None,
            functions: Functions | None = None,
            **changes: Any,
        ) -> Any:
            settings = {"ISSUER": "self", "STORE": store, "ORIGINS": [APP], **changes}
            return driver.build(settings, clock, provide=provide, functions=functions)

        return opened

    @pytest.fixture
    def app(self, open_app: OpenApp) -> Any:
        return open_app()

    @pytest.fixture
    def elsewhere(self, clock: FrozenClock, store: FaultyStore, tmp_path: Path) -> Sessions:
        """The acts of another process over the same store, one that serves no requests.

        What it asks of the store neither fails nor counts.
        """
        return worker(store.behind, clock, tmp_path)

    @pytest.fixture
    def client(self, driver: Driver, app: Any) -> Client:
        return driver.client(app)

    @pytest.fixture
    def late(self, client: Client, clock: FrozenClock) -> Client:
        """Signed in, with a session token that has expired."""
        client.sign_in("ann", claims={"plan": "pro"})
        clock.advance(TOKEN + 10)
        return client


def worker(store: RecordStore, clock: FrozenClock, folder: Path) -> Sessions:
    """The sessions of a process without a framework."""

    async def atell(event: str, data: Any) -> None:
        """Nobody listens."""

    around = Surroundings(
        secret_key=SECRET_KEY,
        fallbacks=None,
        folder=folder,
        is_development=False,
        tell=lambda event, data: None,
        atell=atell,
        refresh_path=lambda: "/",
    )
    found = settings_from({"ISSUER": "self", "STORE": store}, {}, prefix="", environ={})
    return Issuing(found.issuing, found.verifier, around, clock=clock).sessions


def assert_untouched(reply: Reply) -> None:
    """The reply neither gives nor takes tokens."""
    assert cookies_of(reply) == {}
    for name in ("st-access-token", "st-refresh-token", "front-token"):
        assert reply.all(name) == []


def assert_cleared(reply: Reply) -> None:
    """The reply takes both tokens from the browser, and nobody may store it."""
    cookies = cookies_of(reply)
    assert set(cookies) == {"session", "refresh"}
    assert {cookie.value for cookie in cookies.values()} == {""}
    assert {cookie.max_age for cookie in cookies.values()} == {0}
    assert reply.get("Cache-Control") == "no-store"


def assert_given(reply: Reply, *names: str) -> None:
    """The reply carries these tokens, in cookies that nobody may store."""
    cookies = cookies_of(reply)
    assert set(cookies) == set(names)
    assert all(cookie.value for cookie in cookies.values())
    assert reply.get("Cache-Control") == "no-store"
    assert {"cookie", "authorization"} <= reply.names("Vary")


# --- faults ---------------------------------------------------------------------------------


@dataclass
class Fault:
    """How calls of a store fail until it is mended."""

    code: str = "store-gone"
    #: It does what it was asked, and then the answer is lost.
    after: bool = False
    #: Calls that still succeed.
    spared: int = 0
    #: Calls that fail after that; None: all.
    times: int | None = None


@dataclass
class FaultyStore:
    """A store whose calls raise StoreUnavailable when told so, as one does whose disk is gone."""

    behind: RecordStore
    faults: dict[str, Fault] = field(default_factory=dict[str, Fault])
    #: Names of the calls, in order.
    calls: list[str] = field(default_factory=list[str])
    #: Ids of the sessions whose records were loaded, in order.
    loaded: list[str] = field(default_factory=list[str])
    #: Whether the next call succeeds; in place of faults by name.
    gate: Callable[[], bool] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def break_(self, *calls: str, **how: Any) -> None:
        """These calls fail from now on; see `Fault`."""
        self.faults.update((call, Fault(**how)) for call in calls)

    def mend(self) -> None:
        self.faults.clear()

    def forget(self) -> None:
        """Count from here."""
        self.calls.clear()
        self.loaded.clear()

    def load(self, kind: str, key: str) -> Record | None:
        if kind == SESSION:
            self.loaded.append(key)
        return self._do("load", lambda: self.behind.load(kind, key))

    def find(self, kind: str, index: str, value: str, after: str = "") -> Page:
        return self._do("find", lambda: self.behind.find(kind, index, value, after))

    def due(self, kind: str, until: float) -> tuple[Record, ...]:
        return self._do("due", lambda: self.behind.due(kind, until))

    def count(self, kind: str) -> int:
        return self._do("count", lambda: self.behind.count(kind))

    def commit(
        self, puts: Sequence[Put], deletes: Sequence[Delete] = (), log: Sequence[LogEntry] = ()
    ) -> bool:
        return self._do("commit", lambda: self.behind.commit(puts, deletes, log))

    def log_since(self, position: int) -> LogPage:
        return self._do("log_since", lambda: self.behind.log_since(position))

    def identity(self) -> Identity | None:
        return self._do("identity", self.behind.identity)

    def close(self) -> None:
        """Never fails; the memory behind keeps what it has."""

    def _do(self, call: str, act: Callable[[], T]) -> T:
        fault = self._due(call)
        if fault is None:
            return act()
        if fault.after:
            act()
        raise StoreUnavailable(fault.code, "faulty")

    def _due(self, call: str) -> Fault | None:
        with self._lock:
            self.calls.append(call)
            if self.gate is not None and not self.gate():
                return Fault()
            fault = self.faults.get(call)
            if fault is None:
                return None
            if fault.spared:
                fault.spared -= 1
                return None
            if fault.times is not None:
                if not fault.times:
                    return None
                fault.times -= 1
            return fault


# --- tokens ---------------------------------------------------------------------------------


def payload(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    body = token.split(".")[1]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return said


def custom(claims: dict[str, Any]) -> dict[str, Any]:
    """The claims that are not the issuer's own."""
    return {name: value for name, value in claims.items() if name not in PROTECTED_NAMES}


def generation(client: Client) -> int:
    """How often the session has been refreshed, and one."""
    return int(client.jar.value("refresh").split(".")[1])
