"""The outside of the key cache, for tests: a stage over real sockets, flights moved by hand.

Nothing here stands in for code of the library: a `Stage` puts the real verifier, the real fetcher
and a real server together, and the two fetches keep to the published seam.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from flask_session_claims import AsyncVerifier, TokenError, UnavailableError, Verifier
from flask_session_claims.core.asks import KeyDocument, KeyRequest
from flask_session_claims.core.settings import VerifierSettings
from flask_session_claims.io.fetch import KeyFetcher
from flask_session_claims.testing import FrozenClock, KeyServer, LocalIssuer, shared_key

ISSUER = "https://issuer.example"
NOT_FETCHED = "jwk-remote-failed-to-load"
#: What a loaded machine may add to a bound that is about seconds.
MARGIN = 1.5


def another_kid(token: str, issuer: LocalIssuer, kid: str) -> str:
    """A token that names `kid`; nothing about it is good but its form."""
    stranger = issuer.sign({"alg": issuer.algorithm, "typ": "JWT", "kid": kid}, b"{}")
    return stranger.partition(".")[0] + "." + token.partition(".")[2]


def strangers(issuer: LocalIssuer, count: int, name: str = "stranger") -> Iterator[str]:
    """Tokens under `count` kids that nobody published."""
    model = issuer.mint()
    for number in range(count):
        yield another_kid(model, issuer, f"{name}-{number}")


def refusal(call: Callable[..., Any], *args: Any) -> str | None:
    """The code of the refusal that a call ends in; None if it succeeds."""
    try:
        call(*args)
    except (TokenError, UnavailableError) as error:
        return error.code
    return None


class Watched:
    """The real fetcher, with a list of its flights and of the moments they began."""

    def __init__(self, clock: FrozenClock | None = None) -> None:
        self._fetcher = KeyFetcher()
        self._clock = clock or FrozenClock()
        self._lock = threading.Lock()
        self.flights: list[Any] = []
        self.began: list[float] = []

    def begin(self, request: KeyRequest) -> Any:
        flight = self._fetcher.begin(request)
        with self._lock:
            if all(flight is not known for known in self.flights):
                self.flights.append(flight)
                self.began.append(self._clock.monotonic())
        return flight

    def settle(self) -> None:
        """Until every flight has ended; nobody takes up the answers by this."""
        for flight in self.flights:
            flight.wait(10)
            assert flight.done()


class ByHand:
    """A flight that ends when the test says so."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._outcome: KeyDocument | UnavailableError | None = None

    def done(self) -> bool:
        return self._ended.is_set()

    def lost(self) -> bool:
        return False

    def wait(self, timeout: float) -> None:
        self._ended.wait(timeout)

    def result(self) -> KeyDocument:
        assert self._outcome is not None
        if isinstance(self._outcome, UnavailableError):
            raise self._outcome
        return self._outcome

    def answer(self, jwks: Any, max_age: float | None = None) -> None:
        self._outcome = KeyDocument(json.dumps(jwks).encode(), max_age)
        self._ended.set()

    def fail(self) -> None:
        self._outcome = UnavailableError("the key set endpoint answered 500", code=NOT_FETCHED)
        self._ended.set()


class HandFetch:
    """Flights by hand; with `source`, each is answered from it (or fails on None) at once."""

    def __init__(self, source: Callable[[], Any] | None = None) -> None:
        self.source = source
        self.flights: list[ByHand] = []

    def begin(self, request: KeyRequest) -> ByHand:
        if self.flights and not self.flights[-1].done():
            return self.flights[-1]
        flight = ByHand()
        self.flights.append(flight)
        if self.source is not None:
            jwks = self.source()
            if jwks is None:
                flight.fail()
            else:
                flight.answer(jwks)
        return flight


class Stage:
    """Issuer, server, clock and fetcher; verifiers are made with settings as keywords."""

    def __init__(self, server: KeyServer, issuer: LocalIssuer, clock: FrozenClock) -> None:
        self.server, self.issuer, self.clock = server, issuer, clock
        self.fetch = Watched(clock)
        self.events: list[tuple[str, dict[str, Any]]] = []

    def settings(self, **given: Any) -> VerifierSettings:
        base: dict[str, Any] = {
            "issuer": ISSUER,
            "jwks_url": self.server.url,
            "allow_loopback_http": True,
        }
        return VerifierSettings(**{**base, **given})

    def verifier(self, **given: Any) -> Verifier:
        return Verifier(
            self.settings(**given), clock=self.clock, fetch=self.fetch, notify=self._note
        )

    def async_verifier(self, **given: Any) -> AsyncVerifier:
        return AsyncVerifier(
            self.settings(**given), clock=self.clock, fetch=self.fetch, notify=self._note
        )

    def warm(self, **given: Any) -> Verifier:
        """A verifier with the keys at hand."""
        verifier = self.verifier(**given)
        assert verifier.verify(self.issuer.mint())["sub"] == "user_1"
        return verifier

    def thief(self) -> LocalIssuer:
        """Who holds the current key and goes on signing with it, whatever the issuer does."""
        key = self.issuer._key
        return LocalIssuer(ISSUER, clock=self.clock, kid=key.kid, key=key.private)

    def problems(self) -> list[str]:
        """Why fetches failed, oldest first."""
        return [data["problem"] for event, data in self.events if event == "keys-failed"]

    def _note(self, event: str, **data: Any) -> None:
        self.events.append((event, data))


@contextlib.contextmanager
def stage(algorithm: str = "ES256") -> Generator[Stage, None, None]:
    """A stage whose server is up."""
    clock = FrozenClock()
    issuer = LocalIssuer(ISSUER, clock=clock, key=shared_key(algorithm))
    with KeyServer(issuer) as server:
        yield Stage(server, issuer, clock)


def together(count: int, act: Callable[[int], Any]) -> tuple[list[str], float]:
    """`act(number)` in that many threads at once: how each ended, and the slowest one's seconds."""
    barrier = threading.Barrier(count)
    ends: list[str] = []
    times: list[float] = []

    def body(number: int) -> None:
        barrier.wait()
        start = time.monotonic()
        try:
            act(number)
        except Exception as error:
            ends.append(getattr(error, "code", type(error).__name__))
        else:
            ends.append("ok")
        times.append(time.monotonic() - start)

    threads = [threading.Thread(target=body, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ends) == count, "a thread never came back"
    return ends, max(times)


def flying() -> list[threading.Thread]:
    """The threads of fetches under way."""
    return [t for t in threading.enumerate() if t.name == "session-claims-keys"]


def landed(seconds: float = MARGIN) -> bool:
    """Whether no fetch is under way any more, at the latest after `seconds`."""
    deadline = time.monotonic() + seconds
    for thread in flying():
        thread.join(max(0.0, deadline - time.monotonic()))
    return not flying()


@contextlib.contextmanager
def raw_server(
    speak: Callable[[socket.socket, threading.Event], None], tls: ssl.SSLContext | None = None
) -> Generator[str, None, None]:
    """The base address of a server whose every connection is `speak(connection, stopped)`."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = connection.recv(4096)
                    if not piece:
                        return
                    head += piece
                speak(connection, stopped)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    scheme = "http" if tls is None else "https"
    try:
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopped.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(2)
