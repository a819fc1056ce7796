"""What a flow can ask of the outside: frozen data, one atomic act each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from .flow import Ask


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


class Flight(Protocol):
    """A fetch under way, shared by everybody who needs it."""

    def done(self) -> bool:
        """Whether `result()` would answer at once."""
        ...

    def lost(self) -> bool:
        """Whether it can never end, because it belongs to the process this one was forked from."""
        ...

    def wait(self, timeout: float) -> None:
        """Until it is done, or for `timeout` seconds at most."""
        ...

    def result(self) -> KeyDocument:
        """The document, or raises `UnavailableError`; only once `done()`."""
        ...


class Fetch(Protocol):
    """The network as the core sees it."""

    def begin(self, request: KeyRequest) -> Flight:
        """Start fetching, or join the flight that is fetching this already. Never waits."""
        ...


@dataclass(frozen=True, slots=True)
class BeginFetch(Ask[Flight]):
    """Start (or join) a fetch of the key set; answered at once."""

    request: KeyRequest


@dataclass(frozen=True, slots=True)
class AwaitFetch(Ask[None]):
    """Wait until the flight is done or its time is up."""

    flight: Flight
    #: Seconds.
    timeout: float


__all__ = [
    "AwaitFetch",
    "BeginFetch",
    "Fetch",
    "Flight",
    "KeyDocument",
    "KeyRequest",
]
