"""What operators are told: log events, and counts and times for whoever listens.

Names and units follow OpenTelemetry (dots, UCUM). Attributes are codes from short lists: never a
user, a session, an address, a token or a text from outside. Nothing is measured while nobody
listens, and a token that is known costs nothing at all.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..core.errors import ConfigurationError, SessionClaimsError, UnavailableError
from ..core.flow import Ask
from ..core.locks import ForkSafeLock
from ..sessions.records import Commit, CountRecords, FindDue, FindRecords, LoadRecord, ReadLog
from .logs import Limit, key_event, session_event, store_unavailable, token_refused

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    Handlers: TypeAlias = Mapping[type[Ask[Any]], Callable[[Any], Any]]

PREFIX: Final = "session_claims"
STORE: Final = f"{PREFIX}.store.duration"
REFUSALS: Final = f"{PREFIX}.token.refusals"
FETCH: Final = f"{PREFIX}.keys.fetch.duration"
FETCHES: Final = f"{PREFIX}.keys.fetches"

#: The store's acts, as they are called in the attribute `operation`.
_OPERATIONS: Final[Mapping[type[Ask[Any]], str]] = {
    LoadRecord: "load",
    FindRecords: "find",
    FindDue: "due",
    CountRecords: "count",
    Commit: "commit",
    ReadLog: "log",
}
#: What an issuer tells of -> metric, unit, attributes. Anything else is counted by its own name.
_TOLD: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "session_created": ("session.created", "{session}", ()),
    "session_refreshed": ("session.refreshed", "{session}", ()),
    "refresh_retried": ("session.refresh_retried", "{session}", ()),
    "session_revoked": ("session.revoked", "{session}", ("reason",)),
    "refresh_token_reused": ("refresh_token.reused", "{token}", ()),
    "refresh_token_ahead": ("refresh_token.ahead", "{token}", ()),
    "claims_refreshed": ("claims.refreshed", "{session}", ()),
    "claims_oversize": ("claims.oversize", "{session}", ()),
    "keys_rotated": ("keys.rotated", "{key}", ()),
    "organization_switched": ("organization.switched", "{session}", ()),
    "user_metadata_changed": ("user_metadata.changed", "{user}", ()),
    "impersonation_started": ("impersonation.started", "{session}", ()),
    "impersonation_stopped": ("impersonation.stopped", "{session}", ()),
    "claim_fetch_failed": ("claim_fetch.failed", "{claim}", ()),
}
#: Of other texts, and of values beyond this many, only "other" is told.
_CODE: Final = re.compile(r"[a-z][a-z0-9_-]{0,47}")
_VALUES: Final = 50
_OTHER: Final = "other"
#: Seconds. A store in memory takes microseconds, one that hangs ten seconds.
_BOUNDARIES: Final = (
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measurement:
    """One count, or one time."""

    name: str
    value: float
    #: UCUM: `s` for times; what is counted in braces, such as `{session}`.
    unit: str
    attributes: Mapping[str, str]


Listener: TypeAlias = Callable[[Measurement], object]


class Metrics:
    """What one app's operators are told; any thread may use it."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._listeners: tuple[Listener, ...] = ()
        self._seen: dict[tuple[str, str], set[str]] = {}
        self._limit = Limit()

    # --- who listens ----------------------------------------------------------------------

    def add(self, listener: Listener) -> Listener:
        """Have `listener` told every `Measurement` from now on; itself.

        It is called in passing by threads and event loops alike, so it must not wait. What it
        raises is logged and stops nobody.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)
        return listener

    def remove(self, listener: Listener) -> None:
        """Tell `listener` no more."""
        with self._lock:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

    # --- what is told ---------------------------------------------------------------------

    def count(self, name: str, value: float = 1, *, unit: str = "{event}", **given: str) -> None:
        """Count `value` more of `session_claims.<name>`, with attributes."""
        if self._listeners:
            self._tell(f"{PREFIX}.{name}", value, unit, given)

    def time(self, name: str, seconds: float, **given: str) -> None:
        """Add a time to `session_claims.<name>`, with attributes."""
        if self._listeners:
            self._tell(f"{PREFIX}.{name}", seconds, "s", given)

    def refused(self, reason: str, source: str | None) -> None:
        """A token was refused."""
        token_refused(reason, source, self._limit)
        if self._listeners:
            given = {"reason": reason, "source": source or _OTHER}
            self._tell(REFUSALS, 1, "{token}", given)

    def told(self, event: str, data: Mapping[str, Any]) -> None:
        """The issuer has told of `event`."""
        session_event(event, data)
        if self._listeners:
            name, unit, fields = _TOLD.get(event, (event, "{event}", ()))
            given = {field: str(data.get(field)) for field in fields}
            self._tell(f"{PREFIX}.{name}", 1, unit, given)

    def keys(self, event: str, **data: Any) -> None:
        """Something happened to the keys of another issuer; see `core.keys.Notify`."""
        key_event(event, **data)
        if not self._listeners:
            return
        if event == "keys-skipped":
            self._tell(f"{PREFIX}.keys.skipped", 1, "{key}", {})
            return
        failed = "stale" if data.get("serving_last") else "failed"
        outcome = "ok" if event == "keys-fetched" else failed
        self._tell(FETCHES, 1, "{fetch}", {"outcome": outcome})

    def fetched(self, seconds: float, outcome: str) -> None:
        """A key set was fetched, or was not, in that time."""
        if self._listeners:
            self._tell(FETCH, seconds, "s", {"outcome": outcome})

    def _tell(self, name: str, value: float, unit: str, given: Mapping[str, str]) -> None:
        attributes = {key: self._code(name, key, value) for key, value in given.items()}
        measurement = Measurement(name, value, unit, attributes)
        for listener in self._listeners:
            try:
                _ = listener(measurement)
            except Exception as error:
                self._limit.log("listener-failed", type(error).__name__, exc_info=error)

    def _code(self, name: str, key: str, value: str) -> str:
        seen = self._seen.setdefault((name, key), set())
        if value in seen:
            return value
        if len(seen) >= _VALUES or _CODE.fullmatch(value) is None:
            return _OTHER
        seen.add(value)
        return value

    # --- the store ------------------------------------------------------------------------

    def measured(self, handlers: Handlers) -> dict[type[Ask[Any]], Callable[[Any], Any]]:
        """The handlers of a store's acts, each timed if anybody listens; a failure is logged."""
        return {kind: self._measured(kind, act) for kind, act in handlers.items()}

    def ameasured(
        self, handlers: Handlers
    ) -> dict[type[Ask[Any]], Callable[[Any], Awaitable[Any]]]:
        """Async form of `measured`; the time includes that in the queue for a thread."""
        return {kind: self._ameasured(kind, act) for kind, act in handlers.items()}

    def _measured(self, kind: type[Ask[Any]], act: Callable[[Any], Any]) -> Callable[[Any], Any]:
        operation = _operation(kind)

        def perform(ask: Any) -> Any:
            begun = time.perf_counter() if self._listeners else 0.0
            try:
                result = act(ask)
            except BaseException as error:
                self._failed(operation, begun, error)
                raise
            if begun:
                self._done(operation, begun, result)
            return result

        return perform

    def _ameasured(
        self, kind: type[Ask[Any]], act: Callable[[Any], Awaitable[Any]]
    ) -> Callable[[Any], Awaitable[Any]]:
        operation = _operation(kind)

        async def perform(ask: Any) -> Any:
            begun = time.perf_counter() if self._listeners else 0.0
            try:
                result = await act(ask)
            except BaseException as error:
                self._failed(operation, begun, error)
                raise
            if begun:
                self._done(operation, begun, result)
            return result

        return perform

    def _done(self, operation: str, begun: float, result: object) -> None:
        lost = operation == "commit" and result is False
        self._acted(operation, begun, "lost" if lost else "ok")

    def _failed(self, operation: str, begun: float, error: BaseException) -> None:
        if isinstance(error, UnavailableError):
            store_unavailable(error, self._limit)
        if not begun:
            return
        if isinstance(error, SessionClaimsError):
            self._acted(operation, begun, error.code)
        else:  # the caller has gone, or the store raised what it must not
            self._acted(operation, begun, "error" if isinstance(error, Exception) else "cancelled")

    def _acted(self, operation: str, begun: float, outcome: str) -> None:
        seconds = time.perf_counter() - begun
        self._tell(STORE, seconds, "s", {"operation": operation, "outcome": outcome})


def _operation(kind: type[Ask[Any]]) -> str:
    return _OPERATIONS.get(kind, _OTHER)


def opentelemetry_listener(meter_provider: MeterProvider | None = None) -> Listener:
    """A listener that records into OpenTelemetry: times in histograms, the rest in counters.

    Args:
        meter_provider: if it shall not be the global one.

    Raises:
        ConfigurationError: OpenTelemetry's API is not installed, or older than 1.30.
    """
    try:
        from opentelemetry.metrics import get_meter
    except ImportError:
        raise ConfigurationError(
            'OpenTelemetry\'s API is not installed; write pip install "flask-session-claims[otel]".'
        ) from None
    meter = get_meter("flask_session_claims", meter_provider=meter_provider)
    recorders: dict[str, Callable[[float, dict[str, str]], None]] = {}
    lock = ForkSafeLock()

    def recorder(name: str, unit: str) -> Callable[[float, dict[str, str]], None]:
        if unit != "s":
            return meter.create_counter(name, unit).add
        # The usual boundaries are those of milliseconds.
        return meter.create_histogram(
            name, unit, explicit_bucket_boundaries_advisory=_BOUNDARIES
        ).record

    def record(measurement: Measurement) -> None:
        name, unit = measurement.name, measurement.unit
        known = recorders.get(name)
        if known is None:
            with lock:
                known = recorders.get(name) or recorder(name, unit)
                recorders[name] = known
        known(measurement.value, dict(measurement.attributes))

    try:
        recorders[STORE] = recorder(STORE, "s")
    except TypeError:  # it knows no such argument
        raise ConfigurationError(
            "OpenTelemetry's API is older than 1.30; write"
            ' pip install --upgrade "flask-session-claims[otel]".'
        ) from None
    return record
