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
from flask_session_claims.core.keys import FetchedKeys
from flask_session_claims.core.settings import VerifierSettings
from flask_session_claims.io.fetch import KeyFetcher
from flask_session_claims.io.runtime import key_handlers
from flask_session_claims.testing import FrozenClock, KeyServer, LocalIssuer, shared_key

ISSUER = "https://issuer.example"
URL = "https://issuer.example/.well-known/jwks.json"
NOT_FETCHED = "jwk-remote-failed-to-load"
#: What a loaded machine may add to a bound that is about seconds.
MARGIN = 1.5
WELL = {"keys": [LocalIssuer(key=shared_key("ES256")).public_jwk()]}
BODY = json.dumps(WELL).encode()


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
        self.max_age: float | None = None
        self.flights: list[ByHand] = []

    def begin(self, request: KeyRequest) -> ByHand:
        flight = ByHand()
        self.flights.append(flight)
        if self.source is not None:
            jwks = self.source()
            if jwks is None:
                flight.fail()
            else:
                flight.answer(jwks, self.max_age)
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


def get(url: str, timeout: float = 3, bearer: str | None = None) -> KeyDocument:
    flight = KeyFetcher().begin(KeyRequest(url, timeout, bearer))
    flight.wait(timeout)
    return flight.result()


def answer(head: str, body: bytes = BODY, status: str = "200 OK"):
    """A raw server's whole answer; `head` has header lines joined by CRLF."""

    def speak(connection: socket.socket, stopped: threading.Event) -> None:
        lines = f"HTTP/1.1 {status}\r\n{head}\r\n" if head else f"HTTP/1.1 {status}\r\n"
        connection.sendall(f"{lines}Connection: close\r\n\r\n".encode() + body)

    return raw_server(speak)


def break_down(scene: Stage, how: str) -> None:
    if how == "refused":
        scene.server.refuse()
    else:
        scene.server.mode = how  # type: ignore[assignment]


class HandScene:
    """A verifier whose fetches end when, and as, the test says."""

    def __init__(self, *, instant: bool = False, **settings: Any) -> None:
        self.clock = FrozenClock()
        self.issuer = LocalIssuer(ISSUER, clock=self.clock, key=shared_key("ES256"))
        self.healthy = True
        self.fetch = HandFetch(self._answer if instant else None)
        self.events: list[str] = []
        self.verifier = Verifier(
            VerifierSettings(issuer=ISSUER, **settings),
            clock=self.clock,
            fetch=self.fetch,
            notify=lambda event, **_: self.events.append(event),
        )

    def _answer(self) -> Any:
        return self.issuer.jwks() if self.healthy else None

    def warm(self, max_age: float | None = None) -> None:
        """The keys at hand, from one fetch."""
        source, self.fetch.source = self.fetch.source, self.issuer.jwks
        self.fetch.max_age = max_age
        assert self.verifier.verify(self.issuer.mint())
        self.fetch.source, self.fetch.max_age = source, None

    def thief(self) -> LocalIssuer:
        """Who holds the current key and goes on signing with it."""
        return LocalIssuer(ISSUER, clock=self.clock, key=shared_key("ES256"))

    def state(self) -> dict[str, Any]:
        return self.verifier.flows.keys.state()  # type: ignore[attr-defined,no-any-return]

    @property
    def fetches(self) -> int:
        return len(self.fetch.flights)


def policy(clock: FrozenClock, spread: Callable[[], float]) -> FetchedKeys:
    return FetchedKeys(
        KeyRequest(URL, 5),
        stale_if_error=3600,
        monotonic=clock.monotonic,
        notify=lambda event, **_: None,
        spread=spread,
    )


def drive(flow: Generator[Any, Any, Any], fetch: HandFetch) -> Any:
    handlers = key_handlers(fetch)
    reply = None
    try:
        while True:
            ask = flow.send(reply)
            reply = handlers[type(ask)](ask)
    except StopIteration as end:
        return end.value
