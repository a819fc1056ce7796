"""One request on its way down and one response on its way up, without a framework.

An adapter turns its request into `RequestFacts`, keeps an `Exchange` while the request lasts,
puts a `RequestAuth` before the view, and applies the exchange's effects to the response once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar, overload

from .auth import Auth, signed_out
from .credentials import Credentials, credentials_from
from .errors import ConfigurationError, UnavailableError
from .schema import origin_of
from .settings import VerifierSettings

T = TypeVar("T")

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1


class RequestFacts(NamedTuple):
    """What the core may know of a request; header values as they came."""

    method: str = "GET"
    #: http, https, ws or wss.
    scheme: str = "http"
    #: Path and query, as the client should come back to it.
    target: str = "/"
    peer: str | None = None
    authorization: tuple[str, ...] = ()
    cookie: tuple[str, ...] = ()
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


def is_cross_site(facts: RequestFacts, origins: tuple[str, ...] | None) -> bool:
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


def credentials_of(facts: RequestFacts, settings: VerifierSettings) -> Credentials:
    return credentials_from(facts.authorization, facts.cookie, settings)


def admit(facts: RequestFacts, auth: Auth, settings: VerifierSettings) -> Auth:
    """`auth`, unless its cookie must not speak for this request: then nobody is signed in."""
    if auth.source == "cookie" and auth.is_authenticated and is_cross_site(facts, settings.origins):
        return signed_out("request-origin-refused", source="cookie")
    return auth


# --- the way up ---------------------------------------------------------------------------


class Effects:
    """What the response is to carry, queued while the request is handled."""

    __slots__ = ("headers", "no_store")

    def __init__(self) -> None:
        #: Headers to add, Set-Cookie among them.
        self.headers: list[tuple[str, str]] = []
        #: The response must not be stored by anybody.
        self.no_store = False


def response_headers(
    exchange: Exchange, settings: VerifierSettings, vary: str | None, cache_control: str | None
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Headers to set, and headers to add, given what the response says so far.

    Nothing where auth was not read and nothing was queued: such a response is the same for
    everybody and stays cacheable.
    """
    replace: list[tuple[str, str]] = []
    if exchange.was_read:
        varied = vary_with(vary, settings)
        if varied is not None:
            replace.append(("Vary", varied))
        if exchange.effects is None and exchange.is_signed_in and not cache_control:
            replace.append(("Cache-Control", "private"))
    effects = exchange.effects
    if effects is None:
        return replace, []
    if effects.no_store:
        replace.append(("Cache-Control", "no-store"))
    elif exchange.was_read and exchange.is_signed_in and not cache_control:
        replace.append(("Cache-Control", "private"))
    return replace, effects.headers


def vary_with(vary: str | None, settings: VerifierSettings) -> str | None:
    """`vary` with the request headers that identity is read from; None if it has them."""
    if vary == settings.vary:
        return None
    if not vary:
        return settings.vary
    named = {name.strip().lower() for name in vary.split(",")}
    if "*" in named:
        return None
    missing = [name for name in settings.vary.split(", ") if name.lower() not in named]
    return ", ".join([vary, *missing]) if missing else None


class Exchange:
    """A request and what its response is to carry; lives as long as the request.

    Args:
        request: the framework's request, by which an adapter knows its exchange again.
        facts_from: makes the facts of `request` when they are first needed.
        authenticate: gives the `Auth`; None where an async adapter settles it beforehand.
    """

    __slots__ = (
        "_authenticate",
        "_facts",
        "_facts_from",
        "_outcome",
        "effects",
        "request",
        "token",
        "was_read",
    )

    def __init__(
        self,
        request: Any,
        facts_from: Callable[[Any], RequestFacts],
        authenticate: Callable[[Exchange], Auth] | None = None,
    ) -> None:
        self.request = request
        self._facts_from = facts_from
        self._authenticate = authenticate
        self._facts: RequestFacts | None = None
        self._outcome: Auth | UnavailableError | None = None
        self.was_read = False
        self.effects: Effects | None = None
        #: The token that was verified, for `get_token`; no `Auth` ever holds it.
        self.token: str | None = None

    @property
    def facts(self) -> RequestFacts:
        facts = self._facts
        if facts is None:
            facts = self._facts = self._facts_from(self.request)
        return facts

    @property
    def is_signed_in(self) -> bool:
        outcome = self._outcome
        return isinstance(outcome, Auth) and outcome.is_authenticated

    def settle(self, outcome: Auth | UnavailableError) -> None:
        """Say who it is (or that it cannot be told), ahead of the first reading."""
        self._outcome = outcome

    def outcome(self) -> Auth | UnavailableError:
        """Who it is, as settled or found out now. Does not count as reading."""
        outcome = self._outcome
        if outcome is None:
            if self._authenticate is None:
                raise ConfigurationError(
                    "auth was read before it was settled; is the session claims hook or"
                    " middleware installed ahead of this code?"
                )
            try:
                outcome = self._authenticate(self)
            except UnavailableError as error:
                outcome = error
            self._outcome = outcome
        return outcome

    def read(self) -> Auth:
        """Who it is; notes that the response depends on it.

        Raises:
            UnavailableError: it cannot be told now.
        """
        self.was_read = True
        outcome = self.outcome()
        if isinstance(outcome, UnavailableError):
            raise outcome
        return outcome

    def looked_at(self) -> Auth | UnavailableError:
        """The outcome, for a gate: noted as read, nothing raised."""
        self.was_read = True
        return self.outcome()

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
        return self if instance is None else getattr(instance.value, self._name)


class RequestAuth:
    """The `Auth` of the request at hand, resolved when first read.

    It has everything that `Auth` has. `value` is the plain `Auth`, which is also what pickling
    or copying it gives.
    """

    __slots__ = ("_exchange", "_reader")

    is_authenticated = _Read[bool]()
    user_id = _Read["str | None"]()
    session_id = _Read["str | None"]()
    session_claims = _Read["Mapping[str, Any]"]()
    session_status = _Read["str | None"]()
    actor = _Read["Mapping[str, Any] | None"]()
    org_id = _Read["str | None"]()
    org_slug = _Read["str | None"]()
    org_role = _Read["str | None"]()
    org_permissions = _Read["tuple[str, ...]"]()
    scopes = _Read["tuple[str, ...]"]()
    factor_verification_age = _Read["tuple[int, int] | None"]()
    token_type = _Read["TokenType | None"]()
    issuer = _Read["str | None"]()
    source = _Read["Source | None"]()
    issued_at = _Read["int | None"]()
    expires_at = _Read["int | None"]()
    reason = _Read["str | None"]()
    has = _Read["Callable[..., bool]"]()

    def __init__(self, exchange: Exchange, reader: Callable[[], Auth] | None = None) -> None:
        self._exchange = exchange
        #: How an adapter reads, where a failure must be an exception of its framework.
        self._reader = reader or exchange.read

    @property
    def value(self) -> Auth:
        """The plain, immutable `Auth`, free of the request."""
        return self._reader()

    def get_token(self, template: str | None = None) -> str | None:
        """The session token that the request carried; None when nobody is signed in.

        A template's token needs sessions of the app's own.
        """
        return request_token(self._exchange, self.value, template)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, RequestAuth):
            other = other.value
        return self.value == other if isinstance(other, Auth) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        # Looking at it (a debugger, a log) must neither verify nor count as reading.
        outcome = self._exchange._outcome  # pyright: ignore[reportPrivateUsage]
        return f"<RequestAuth {'unresolved' if outcome is None else outcome!r}>"

    def __reduce__(self) -> Any:
        return _same, (self.value,)


class AsyncRequestAuth(RequestAuth):
    """Async form of `RequestAuth`: settled before the view; only `get_token` is awaited."""

    __slots__ = ()

    async def get_token(self, template: str | None = None) -> str | None:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        """Async form of `RequestAuth.get_token`."""
        return request_token(self._exchange, self.value, template)


def request_token(exchange: Exchange, auth: Auth, template: str | None) -> str | None:
    """The token behind `auth`, taken from the request's facts again: nothing else keeps it."""
    if template is not None:
        raise ConfigurationError(
            f"get_token(template={template!r}): named templates need sessions of the app's own;"
            " ask your issuer for such a token."
        )
    if not auth.is_authenticated:
        return None
    return exchange.token


def _same(auth: Auth) -> Auth:
    return auth
