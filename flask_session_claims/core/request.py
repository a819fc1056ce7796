"""One request on its way down and one response on its way up, without a framework.

An adapter turns its request into `RequestFacts`, keeps an `Exchange` while the request lasts,
puts a `RequestAuth` before the view, and applies the exchange's effects to the response once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar, overload

from .auth import NOBODY, Auth, Has, Source, TokenType, signed_out
from .credentials import Credentials
from .errors import UnavailableError
from .flow import Flow
from .schema import origin_of
from .settings import GateSettings, VerifierSettings
from .validators import Validator

T = TypeVar("T")

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1


class RequestFacts(NamedTuple):
    """What the core may know of a request besides its credentials; values as they came."""

    method: str = "GET"
    #: http, https, ws or wss.
    scheme: str = "http"
    #: Path and query, as the client should come back to it.
    target: str = "/"
    peer: str | None = None
    origin: str | None = None
    referer: str | None = None
    sec_fetch_site: str | None = None
    sec_fetch_mode: str | None = None
    accept: str | None = None
    content_type: str | None = None
    requested_with: str | None = None
    #: Access-Control-Request-Method: only a CORS preflight has it.
    preflight_for: str | None = None
    #: Sent by FDI clients, which refresh on 401.
    rid: str | None = None
    st_auth_mode: str | None = None
    #: Whether a page is wanted, where the app says so itself; None: negotiate.
    page: bool | None = None

    @property
    def is_websocket(self) -> bool:
        return self.scheme in ("ws", "wss")

    @property
    def is_fdi(self) -> bool:
        return self.rid is not None or self.st_auth_mode is not None

    @property
    def is_preflight(self) -> bool:
        return self.method == "OPTIONS" and self.preflight_for is not None


# --- cross-site policy --------------------------------------------------------------------


def is_cross_site(facts: RequestFacts, origins: Sequence[str] | None) -> bool:
    """Whether a cookie must not speak for this request (CSRF).

    Unsafe methods need Fetch Metadata or Origin to agree with the configured origins, and a
    WebSocket handshake needs an allowed Origin. Host and X-Forwarded-* decide nothing.
    """
    allowed = origins or ()
    if facts.is_websocket:
        return facts.origin not in allowed
    if facts.method in SAFE_METHODS:
        return False
    site = facts.sec_fetch_site
    if site == "same-origin":
        return False
    if site == "none":  # typed, bookmarked: only a navigation can be
        return facts.sec_fetch_mode not in (None, "navigate")
    if site not in (None, "same-site", "cross-site"):
        return True
    if facts.origin is not None:
        return facts.origin not in allowed
    if site is not None or facts.referer is None:
        return True
    return origin_of(facts.referer) not in allowed


def admit(exchange: Exchange, auth: Auth, settings: VerifierSettings) -> Auth:
    """`auth`, unless its cookie must not speak for this request: then nobody is signed in.

    For requests that may change something.
    """
    if auth.source == "cookie" and is_cross_site(exchange.facts, settings.origins):
        return signed_out("request-origin-refused", source="cookie")
    return auth


# --- the way up ---------------------------------------------------------------------------


class Effects:
    """What the response is to carry, queued while the request is handled."""

    __slots__ = ("closing", "cookies", "fields", "no_store")

    def __init__(self) -> None:
        #: Headers to add, by name: what is queued later stands instead.
        self.fields: dict[str, str] = {}
        #: Values of Set-Cookie, by the cookie's name; the same.
        self.cookies: dict[str, str] = {}
        #: What is left to do when the status is known, before the headers are sent.
        self.closing: Callable[[int], Flow[None]] | None = None
        #: The response must not be stored by anybody.
        self.no_store: bool = False


PRIVATE: Final = ("Cache-Control", "private")
_NO_STORE: Final = ("Cache-Control", "no-store")
_NO_HEADERS: Final[Sequence[tuple[str, str]]] = ()


def response_headers(
    exchange: Exchange, vary: str | None, cache_control: str | None
) -> tuple[list[tuple[str, str]], Sequence[tuple[str, str]]]:
    """Headers to set, and headers to add, given what the response says so far.

    Nothing where auth was not read and nothing was queued: such a response is the same for
    everybody and stays cacheable. Callers spare themselves the way here where nothing is stated or
    queued and somebody is signed in, as with nearly every request: then it is Vary and PRIVATE.
    """
    replace: list[tuple[str, str]] = []
    effects, outcome = exchange.effects, exchange.settled
    no_store = effects is not None and effects.no_store
    if exchange.was_read:
        settings = exchange.side.settings
        varied = vary_with(vary, settings) if vary else settings.vary
        if varied is not None:
            replace.append(("Vary", varied))
        signed_in = type(outcome) is Auth and outcome.is_authenticated
        if not cache_control and signed_in and not no_store:
            replace.append(PRIVATE)
    if effects is None:
        return replace, _NO_HEADERS
    if no_store:
        replace.append(_NO_STORE)
    cookies = (("Set-Cookie", value) for value in effects.cookies.values())
    return replace, [*effects.fields.items(), *cookies]


def vary_with(vary: str, settings: VerifierSettings) -> str | None:
    """`vary` with the request headers that identity is read from; None if it has them."""
    named = {name.strip().lower() for name in vary.split(",")}
    if "*" in named:
        return None
    missing = [name for name in settings.vary.split(", ") if name.lower() not in named]
    return ", ".join([vary, *missing]) if missing else None


class Transport(Protocol):
    """How to look into a framework's requests; `request` is whatever an adapter hands in."""

    def glance(self, request: Any) -> tuple[str | None, str | None, bool]:
        """The same three where each field came at most once; else None for both."""
        ...

    def look(self, request: Any) -> tuple[Sequence[str], Sequence[str], bool]:
        """The values of all Authorization and of all Cookie fields, as they came; and whether
        the request may change something: an unsafe method, or a WebSocket.
        """
        ...

    def facts(self, request: Any) -> RequestFacts:
        """Everything else; only looked at where it matters."""
        ...


class Side(Protocol):
    """One app's policy and its way to find out who makes a request."""

    gates: GateSettings
    settings: VerifierSettings
    transport: Transport
    #: The app's own answer to whether this request wants a page; None, or its None: negotiate.
    wants_page: Callable[[], bool | None] | None
    #: What holds wherever somebody has to be signed in.
    validators: tuple[Validator, ...]
    #: UTC seconds.
    clock: Callable[[], float]

    def recall(self, exchange: Exchange) -> Auth | None:
        """Who it is, if their token is known and all is plain; None: find out."""
        ...

    def confirm(self, exchange: Exchange) -> None:
        """Have the session's record read, and settle what it says.

        Raises ConfigurationError if it cannot be, or if that needs awaiting.
        """
        ...

    def refetch(self, exchange: Exchange, validators: Sequence[Validator]) -> None:
        """Have the claims of these validators fetched, and settle what the session says then.

        Raises ConfigurationError if that needs awaiting.
        """
        ...

    def mint(self, auth: Auth, template: str) -> str:
        """A token of a named template; `amint` is awaited.

        Raises ConfigurationError if the sessions are another issuer's.
        """
        ...

    async def amint(self, auth: Auth, template: str) -> str:
        """Async form of `mint`."""
        ...

    def now(self, exchange: Exchange) -> Auth:
        """Who it is. Raises UnavailableError, and ConfigurationError if that needs awaiting."""
        ...


class Exchange:
    """A request and what its response is to carry; lives as long as the request.

    Args:
        request: what the side's transport reads, and by which an adapter knows its own again.
        side: the app's.
    """

    # What each request asks for is set with it: Python finds a class's default much later.

    #: Who it is, once that has been found out; reading this does not count as reading.
    settled: Auth | UnavailableError | None
    #: Whether the session's record was read for this request, as `live=True` asks for.
    confirmed: bool = False
    #: Names of the claims that were fetched for this request, or could not be.
    refetched: frozenset[str] = frozenset()
    #: The default policy "public" for a view without gates: readers see nobody, gates look.
    looks_away: bool = False
    #: Whether the response depends on who it is.
    was_read: bool
    effects: Effects | None
    #: Whether the headers are on their way, so that nothing can be queued any more.
    sent: bool
    #: What a request that changes nothing offers, where that was plain at the first glance.
    offered: Credentials | None = None
    #: The token that was verified, for `get_token`; no `Auth` ever holds it.
    token: str | None = None
    _facts: RequestFacts | None = None
    _now: float | None = None

    def __init__(self, request: Any, side: Side) -> None:
        self.request = request
        self.side = side
        self.settled = None
        self.was_read = self.sent = False
        self.effects = None

    @property
    def facts(self) -> RequestFacts:
        facts = self._facts
        if facts is None:
            facts = self._facts = self.side.transport.facts(self.request)
        return facts

    def negotiated(self) -> RequestFacts:
        """The facts, once the app has been asked whether a page is wanted."""
        facts, ask = self.facts, self.side.wants_page
        if ask is not None and facts.page is None:
            facts = self._facts = facts._replace(page=ask())
        return facts

    def now(self) -> float:
        """UTC seconds, the same for all that is judged: what was just fetched is not too old."""
        if self._now is None:
            self._now = self.side.clock()
        return self._now

    def outcome(self) -> Auth | UnavailableError:
        """Who it is, as settled or found out now. Does not count as reading."""
        outcome = self.settled or self.side.recall(self) or self.found_out()
        self.settled = outcome
        return outcome

    def found_out(self) -> Auth | UnavailableError:
        """Who it is, found out now."""
        try:
            return self.side.now(self)
        except UnavailableError as error:
            return error

    def read(self) -> Auth:
        """Who it is; notes that the response depends on it.

        Raises:
            UnavailableError: it cannot be told now.
        """
        if self.looks_away:
            return NOBODY
        self.was_read = True
        outcome = self.outcome()
        if isinstance(outcome, UnavailableError):
            raise outcome
        return outcome

    def queue(self) -> Effects:
        """The effects of this exchange, to add to."""
        if self.effects is None:
            self.effects = Effects()
        return self.effects


# --- what stands before the view ----------------------------------------------------------


class _Read(Generic[T]):
    """An attribute of the `Auth` behind a `RequestAuth`; reading it is noted."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> _Read[T]: ...
    @overload
    def __get__(self, instance: RequestAuth, owner: type) -> T: ...
    def __get__(self, instance: RequestAuth | None, owner: type) -> Any:
        if instance is None:
            return self
        if instance.notes_each_reading:
            return getattr(instance.value, self._name)
        exchange = instance._exchange  # pyright: ignore[reportPrivateUsage]
        outcome = exchange.settled
        if exchange.was_read and type(outcome) is Auth and not exchange.looks_away:
            return getattr(outcome, self._name)  # read before, by a gate for instance
        return getattr(instance.value, self._name)


class RequestAuth:
    """The `Auth` of the request at hand, resolved when first read.

    It has everything that `Auth` has. `value` is the plain `Auth`, which is also what pickling
    or copying it gives. An adapter may override `value`, where a failure must be an exception
    of its framework.
    """

    __slots__ = ("_exchange",)

    #: Whether `value` has to run for each reading, not only until the first has succeeded.
    notes_each_reading: ClassVar[bool] = False

    is_authenticated: _Read[bool] = _Read()
    user_id: _Read[str | None] = _Read()
    session_id: _Read[str | None] = _Read()
    session_claims: _Read[Mapping[str, Any]] = _Read()
    session_status: _Read[str | None] = _Read()
    actor: _Read[Mapping[str, Any] | None] = _Read()
    org_id: _Read[str | None] = _Read()
    org_slug: _Read[str | None] = _Read()
    org_role: _Read[str | None] = _Read()
    org_permissions: _Read[tuple[str, ...]] = _Read()
    scopes: _Read[tuple[str, ...]] = _Read()
    factor_verification_age: _Read[tuple[int, int] | None] = _Read()
    token_type: _Read[TokenType | None] = _Read()
    issuer: _Read[str | None] = _Read()
    source: _Read[Source | None] = _Read()
    issued_at: _Read[int | None] = _Read()
    expires_at: _Read[int | None] = _Read()
    reason: _Read[str | None] = _Read()
    has: _Read[Has] = _Read()

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def value(self) -> Auth:
        """The plain, immutable `Auth`, free of the request."""
        return self._exchange.read()

    def claims_as(self, kind: type[T]) -> T:
        """The claims as an instance of your type: see `Auth.claims_as`."""
        return self.value.claims_as(kind)

    def get_token(self, template: str | None = None) -> str | None:
        """The session token that the request carried; None when nobody is signed in.

        Args:
            template: the name of a template: a token of that for the user, made now. It is for
                another service, and signs nobody in here.

        Raises:
            SessionError: `template-unknown`, `session-unknown`.
            ClaimsRefused: what the template gives is too large.
            UnavailableError: the store cannot be had.
            ConfigurationError: the sessions are another issuer's.
        """
        auth = self.value
        if template is None or not auth.is_authenticated:
            return self._exchange.token if auth.is_authenticated else None
        return self._exchange.side.mint(auth, template)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, RequestAuth):
            other = other.value
        return self.value == other if isinstance(other, Auth) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        # Looking at it (a debugger, a log) must neither verify nor count as reading.
        outcome = self._exchange.settled
        return f"<RequestAuth {'unresolved' if outcome is None else repr(outcome)}>"

    def __reduce__(self) -> Any:
        return _same, (self.value,)


class AsyncRequestAuth(RequestAuth):
    """Async form of `RequestAuth`: settled before the view; only `get_token` is awaited."""

    __slots__ = ()

    async def get_token(self, template: str | None = None) -> str | None:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        """Async form of `RequestAuth.get_token`."""
        auth = self.value
        if template is None or not auth.is_authenticated:
            return self._exchange.token if auth.is_authenticated else None
        return await self._exchange.side.amint(auth, template)


def _same(auth: Auth) -> Auth:
    return auth
