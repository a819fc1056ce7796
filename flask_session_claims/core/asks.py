"""What a flow can ask of the outside: frozen data, one atomic act each; and who answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from .flow import Ask
from .locks import ForkSafeLock


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """Where a key set is fetched from; every field comes from configuration."""

    url: str
    #: Total seconds for name look-up, connection, TLS and body.
    timeout: float
    #: Secret key sent as a bearer token (Clerk's Backend API), or None.
    bearer: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """The body of a key set answer, and how long it may be kept (seconds), if it said."""

    body: bytes = field(repr=False)
    max_age: float | None = None


class UnderWay(Protocol):
    """Something that one has begun and others may wait for."""

    def done(self) -> bool:
        """Whether it has ended."""
        ...

    def lost(self) -> bool:
        """Whether it can never end, because it belongs to the process this one was forked from."""
        ...

    def wait(self, timeout: float) -> None:
        """Until it is done, or for `timeout` seconds at most."""
        ...


class Flight(UnderWay, Protocol):
    """A fetch under way, shared by everybody who needs it."""

    def result(self) -> KeyDocument:
        """The document, or raises `UnavailableError`; only once `done()`."""
        ...


class Fetch(Protocol):
    """The network as the core sees it."""

    def begin(self, request: KeyRequest) -> Flight:
        """Start fetching. Never waits; raises UnavailableError if it cannot start."""
        ...


class Berth:
    """Room for one flight: whoever needs one takes the flight there, or begins it.

    `landings` counts the flights that have been taken up, so that somebody who decided to
    fetch before an answer came in is told to look again.
    """

    __slots__ = ("_begun", "_flight", "_lock", "landings")

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._flight: Flight | None = None
        self._begun = 0.0
        self.landings: int = 0

    def is_taken(self) -> bool:
        flight = self._flight
        return flight is not None and not flight.lost()

    def take(self, seen: int, now: float, begin: Callable[[], Flight]) -> Flight | None:
        """The flight there, or a new one; None if one has landed since `seen`."""
        with self._lock:
            if self.landings != seen:
                return None
            if not self.is_taken():
                self._flight, self._begun = begin(), now
            return self._flight

    def leave(self) -> tuple[Flight, float] | None:
        """A flight that has ended and when it was begun, once; None if there is none."""
        with self._lock:
            flight = self._flight
            if flight is None or flight.lost() or not flight.done():
                return None
            self._flight = None
            self.landings += 1
            return flight, self._begun


@dataclass(frozen=True, slots=True)
class BeginFetch(Ask["Flight | None"]):
    """Begin a fetch of the key set, or join the one in the berth; answered at once.

    None: an answer has come in since `seen`. Raises UnavailableError if none can be begun.
    """

    request: KeyRequest
    berth: Berth
    seen: int
    now: float


@dataclass(frozen=True, slots=True)
class AwaitFlight(Ask[None]):
    """Wait until what another has begun is done, or the time is up."""

    flight: UnderWay
    #: Seconds.
    timeout: float


__all__ = [
    "AwaitFlight",
    "BeginFetch",
    "Berth",
    "Fetch",
    "Flight",
    "KeyDocument",
    "KeyRequest",
    "UnderWay",
]
