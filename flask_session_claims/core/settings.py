"""The settings of the reading side: who is trusted, how strictly, and what requests meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, cast
from urllib.parse import urlsplit

from . import clerk
from .asks import KeyRequest
from .jose import ALGORITHMS
from .keyset import KeySet, given_keys
from .schema import (
    ANYTHING,
    FLAG,
    TEXT,
    URL,
    Fault,
    Rule,
    SettingsGroup,
    as_browsers_send,
    choice,
    is_loopback,
    json_list,
    list_of,
    number,
    origin_of,
    setting,
    show,
    some_of,
    text,
    to_text,
    url,
)

_origin_list = list_of("origin", '"https://app.example.com"')


def _origins(value: Any) -> tuple[str, ...]:
    listed = _origin_list(value)
    for origin in listed:
        if origin_of(origin) != origin:
            good = origin_of(origin)
            hint = f'"{good}"' if good else '"https://app.example.com"'
            raise Fault(
                f"{origin!r} is no origin; write scheme, host and port without a path: {hint}"
            )
        if not origin.isascii():
            hint = as_browsers_send(origin) or "https://xn--…"
            raise Fault(f'{origin!r} is never what a browser sends; write "{hint}"')
    return listed


def _parties(value: Any) -> tuple[str, ...]:
    listed = list_of("party", '"https://app.example.com"')(value)
    for party in listed:
        if party.startswith(("http://", "https://")) and origin_of(party) != party:
            raise Fault(
                f"{party!r} is never what an azp claim says; write the origin without a path"
                f" or slash: {origin_of(party) or 'https://app.example.com'!r}"
            )
    return listed


def _audience(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (text(value),)
    return list_of("audience", '"https://api.example.com"')(value)


def _cookie_name(value: Any) -> str:
    name = text(value)
    if not name.isascii() or any(c in name for c in ' ;,="\\()<>@:/[]?{}\t'):
        raise Fault("write a cookie name (RFC 6265 §4.1.1), such as __session")
    return name


#: The `issuer` of an app that issues its own tokens, until the name in them is known.
SELF: Final = "self"
_OWN_KEYS: Final = KeySet(())
_OWN_IAT_LEEWAY: Final = 60.0
ORIGINS: Final = Rule("list of origins", _origins, json_list)


@dataclass(frozen=True, kw_only=True)
class GateSettings(SettingsGroup):
    """What the app does with requests: policy and redirects."""

    default_policy: str = setting(
        choice("public", "optional", "required"),
        "optional",
        "Views without a gate: token not looked at, looked at if read, or required.",
    )
    sign_in_url: str | None = setting(
        TEXT, None, "Where browsers are sent to sign in; unset: they get 401."
    )
    redirect_param: str = setting(
        TEXT, "redirect_url", "Query parameter that carries the address to come back to."
    )
    require_issuer: bool = setting(
        FLAG, False, "Refuse to start if ISSUER is unset, instead of deriving it."
    )
    step_up_401: bool = setting(
        FLAG,
        False,
        "Answer 401 (RFC 9470) instead of 403 where factors are too old for a reverification"
        " rule, if the token came in the Authorization header and the client is no FDI client.",
    )


@dataclass(frozen=True, kw_only=True)
class VerifierSettings(SettingsGroup):
    """Who is trusted, and how strictly a token is read. Frozen; checked when made.

    Times are seconds. After construction `issuer` is the exact `iss` expected, `key_source` the
    given keys or where they are fetched, `parties` what `azp` may be (None: not checked).
    """

    issuer: str | None = setting(
        TEXT,
        None,
        'The iss of your tokens: a URL; "clerk" to derive it from Clerk\'s key; "self": the app'
        " issues them. Unset: clerk if there is a key of Clerk's, else self.",
    )
    jwks_url: str | None = setting(
        URL, None, "Address of the key set; default: issuer + /.well-known/jwks.json."
    )
    jwks: Any = setting(
        ANYTHING, None, "The key set itself: a dict, one JWK, or JSON text.", shown=False
    )
    jwt_key: Any = setting(
        ANYTHING,
        None,
        "Public key as PEM or JWK, one or several.",
        fallback="CLERK_JWT_KEY",
        shown=False,
    )
    clerk_publishable_key: str | None = setting(
        TEXT,
        None,
        "Clerk's pk_… key: gives issuer, key set and cookie suffix.",
        fallback="CLERK_PUBLISHABLE_KEY",
        secret=True,  # it is not, but a secret key is easily put here
    )
    clerk_secret_key: str | None = setting(
        TEXT,
        None,
        "Clerk's sk_… key: key set from the Backend API.",
        fallback="CLERK_SECRET_KEY",
        secret=True,
    )
    clerk_api_url: str = setting(
        URL,
        "https://api.clerk.com",
        "Address of Clerk's Backend API.",
        fallback="CLERK_API_URL",
    )
    authorized_parties: Sequence[str] | None = setting(
        Rule("list of parties", _parties, json_list),
        None,
        "What azp may be; unset: ORIGINS; neither: azp is not checked.",
    )
    allow_missing_azp: bool = setting(FLAG, False, "Take tokens without azp all the same.")
    audience: str | Sequence[str] | None = setting(
        Rule("audience or list", _audience, lambda v: to_text(json_list(v))),
        None,
        "What aud must contain, one of them; unset: aud is not checked.",
    )
    strict_audience: bool = setting(FLAG, False, "Refuse tokens with aud where AUDIENCE is unset.")
    token_use: str = setting(
        choice("session", "access"), "session", 'Session tokens, or "access": RFC 9068 at+jwt.'
    )
    algorithms: Sequence[str] = setting(
        some_of(*ALGORITHMS), ALGORITHMS, "Signature algorithms that are taken."
    )
    leeway: float = setting(number(0, 60, "seconds"), 5, "Clock difference allowed, in seconds.")
    max_token_length: int = setting(
        number(256, 65_536, "characters", whole=True), 8_192, "Longer tokens are refused unread."
    )
    cookie_name: str = setting(
        Rule("cookie name", _cookie_name), clerk.SESSION_COOKIE, "Cookie that carries the token."
    )
    token_sources: Sequence[str] = setting(
        some_of("header", "cookie"), ("header", "cookie"), "Where a token may come from."
    )
    accept_pending: bool = setting(FLAG, False, "Treat sessions with tasks left as signed in.")
    strict_permissions: bool = setting(
        FLAG, False, "Version 2 permissions: only what both published readings grant."
    )
    token_cache_size: int = setting(
        number(0, 1_000_000, "entries", whole=True), 10_000, "Verified tokens kept; 0: none."
    )
    jwks_timeout: float = setting(
        number(0.1, 60, "seconds"), 5, "Seconds for a whole key set fetch, name look-up to body."
    )
    jwks_stale_if_error: float = setting(
        number(0, 86_400, "seconds"), 3_600, "Seconds the last keys serve while a fetch fails."
    )
    allow_loopback_http: bool = setting(
        FLAG, False, "Development: allow http:// for a key set on this machine."
    )
    origins: Sequence[str] | None = setting(
        ORIGINS, None, "Origins of your pages: for cross-site checks, azp and redirects."
    )

    #: Made by the app's own issuer, whose name `issuer` then is.
    own: bool = field(default=False, repr=False, compare=False)
    key_source: KeySet | KeyRequest = field(init=False, repr=False, compare=False)
    parties: frozenset[str] | None = field(init=False, repr=False, compare=False)
    clerk_instance: clerk.Instance | None = field(init=False, repr=False, compare=False)
    #: The Vary header of a response that depends on who is signed in.
    vary: str = field(init=False, repr=False, compare=False)

    companions: ClassVar[tuple[type[SettingsGroup], ...]] = (GateSettings,)

    @property
    def is_self(self) -> bool:
        """Whether the app is its own issuer: keys and names come with its store."""
        return self.own or self.issuer == SELF

    @property
    def iat_leeway(self) -> float:
        """Seconds that `iat` may lie ahead: our own workers' clocks may differ by more."""
        return max(_OWN_IAT_LEEWAY, self.leeway) if self.own else self.leeway

    @staticmethod
    def fallbacks_apply(given: Mapping[str, Any]) -> bool:
        # Clerk's variables must not leak into an app that names another issuer or key.
        return given.get("issuer") in (None, "clerk") and not given.keys() & {"jwks", "jwks_url"}

    def __post_init__(self) -> None:
        super().__post_init__()
        instance = self._instance()
        object.__setattr__(self, "clerk_instance", instance)
        object.__setattr__(self, "issuer", self._issuer(instance))
        object.__setattr__(self, "key_source", self._key_source(instance))
        parties = self.authorized_parties or self.origins
        object.__setattr__(self, "parties", frozenset(parties) if parties else None)
        headers = {"header": "Authorization", "cookie": "Cookie"}
        named = ", ".join(name for key, name in headers.items() if key in self.token_sources)
        object.__setattr__(self, "vary", named)
        if self.token_use == "access" and self.is_self:
            self.refuse(
                "token_use", 'is "access", but own tokens are session tokens; leave it out.'
            )
        if self.audience is not None and self.is_self:
            self.refuse("audience", "is set, but own tokens name no audience; leave it out.")
        if self.token_use == "access" and self.audience is None:  # RFC 9068 §4
            self.refuse(
                "audience",
                f'is unset, but {self.label("token_use")} is "access"; name the audience (aud)'
                " that your access tokens are made for.",
            )

    def _instance(self) -> clerk.Instance | None:
        instance: clerk.Instance | None = None
        if self.clerk_publishable_key is not None:
            try:
                instance = clerk.instance_of(self.clerk_publishable_key)
            except ValueError as fault:
                problem = f"{fault}; copy it from Clerk's dashboard."
            else:
                problem = ""
            if problem:
                self.refuse("clerk_publishable_key", problem)
        secret = self.clerk_secret_key
        if secret is not None and not secret.startswith("sk_"):
            self.refuse("clerk_secret_key", "it must begin with sk_; the value is not shown here.")
        return instance

    def _issuer(self, instance: clerk.Instance | None) -> str:
        given = {
            name: getattr(self, name)
            for name in ("jwks", "jwt_key", "jwks_url", "clerk_publishable_key", "clerk_secret_key")
        }
        named = [name for name, value in given.items() if value is not None]
        if self.own:
            return cast(str, self.issuer)
        if self.issuer == SELF and named:
            self.refuse(
                named[0], f'is set, but {self.label("issuer")} is "self": own keys; keep one.'
            )
        if self.issuer not in (None, "clerk"):
            return self.issuer
        if instance is not None:
            return instance.issuer
        if self.issuer == "clerk" and not named:
            self.refuse(
                "issuer",
                f"is clerk, without a key; set {self.label('clerk_publishable_key')} (or"
                " CLERK_PUBLISHABLE_KEY in the environment).",
            )
        if named:
            self.refuse(
                "issuer",
                "cannot be told from the other settings; write the iss of your tokens, or set"
                f" {self.label('clerk_publishable_key')}.",
            )
        return SELF

    def _key_source(self, instance: clerk.Instance | None) -> KeySet | KeyRequest:
        if self.is_self:
            return _OWN_KEYS
        if self.jwks is not None and self.jwt_key is not None:
            self.refuse("jwks", f"is set together with {self.label('jwt_key')}; keep one.")
        for name in ("jwks", "jwt_key"):
            value = getattr(self, name)
            if value is not None:
                if self.jwks_url is not None:
                    self.refuse("jwks_url", f"is set together with {self.label(name)}; keep one.")
                keys = given_keys(value, self.label(name))
                kinds = {key.algorithm for key in keys.keys}
                if kinds.isdisjoint(self.algorithms):
                    self.refuse(
                        "algorithms",
                        f"got {list(self.algorithms)}, but the keys in {self.label(name)} are for"
                        f" {sorted(kinds)}; name one of those.",
                    )
                return keys
        if self.jwks_url is not None:
            return self._request("jwks_url", self.jwks_url)
        if instance is None and self.clerk_secret_key is not None:
            address = self.clerk_api_url.rstrip("/") + "/v1/jwks"
            return self._request("clerk_api_url", address, self.clerk_secret_key)
        issuer = cast(str, self.issuer)
        try:
            url(issuer)
        except Fault:
            self.refuse(
                "jwks_url",
                f"is unset, and {self.label('issuer')} is {show(issuer)}, no https:// address to"
                " derive it from; write the issuer as its tokens have it, the address of the key"
                " set, or give the keys.",
            )
        return self._request("issuer", issuer.rstrip("/") + "/.well-known/jwks.json")

    def _request(self, name: str, address: str, bearer: str | None = None) -> KeyRequest:
        parts = urlsplit(address)
        if parts.scheme != "https":
            if not is_loopback(parts.hostname or ""):
                self.refuse(
                    name,
                    f"got {show(getattr(self, name))}; key sets are fetched over https:// only.",
                )
            if not self.allow_loopback_http:
                self.refuse(
                    name,
                    f"got {show(getattr(self, name))}; write an https:// address, or in development"
                    f" set {self.label('allow_loopback_http')} = True for http on this machine.",
                )
        return KeyRequest(address, self.jwks_timeout, bearer)
