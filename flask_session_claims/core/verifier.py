"""The verifier's one logic, as flows; `io/verifiers.py` drives them, sync and async.

The order is a requirement: size, alphabet, header, algorithm, key, signature, payload, claims.
Nothing of the payload is parsed or branched on before the signature is good. A token found in
the cache is judged anew by everything that time, keys and revocations can change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from . import clerk
from .auth import NOBODY, Auth, auth_from_claims, signed_out
from .claims import check_header_type, check_times, claim_check, refuse_opaque
from .credentials import Credentials
from .errors import TokenError
from .flow import Flow
from .freshness import AlwaysFresh, Freshness, Standing
from .jose import (
    Compact,
    Header,
    Key,
    check_algorithm,
    check_signature,
    decode_payload,
    read_header,
    split_compact,
)
from .jsontext import FrozenDict, parse_object
from .keys import FetchedKeys, GivenKeys, KeySource, Notify
from .keyset import KeySet
from .recall import Recall, digest_of, make_recall
from .settings import VerifierSettings
from .tokencache import TokenCache, Verified, as_float, estimated_bytes

#: Header texts that once verified; their number is the issuer's doing, not a sender's.
_MAX_HEADERS: Final = 256
_FRESH: Final = Standing.FRESH
_REVOKED: Final = Standing.REVOKED


def key_source_of(
    settings: VerifierSettings, *, monotonic: Callable[[], float], notify: Notify
) -> KeySource:
    """The given keys, or the policy around fetched ones.

    Raises:
        ConfigurationError: the issuer is the app itself, whose keys are not in the settings.
    """
    if settings.is_self:
        settings.refuse(
            "issuer",
            'is unset or "self": such tokens are verified by the SessionClaims of the app that'
            " issues them; write your issuer's URL, or set"
            f" {settings.label('clerk_publishable_key')} (or CLERK_PUBLISHABLE_KEY in the"
            " environment) for Clerk.",
        )
    source = settings.key_source
    if isinstance(source, KeySet):
        return GivenKeys(source)
    stale = settings.jwks_stale_if_error
    return FetchedKeys(source, stale_if_error=stale, monotonic=monotonic, notify=notify)


class VerifierFlows:
    """Judges tokens for one issuer. Re-entrant; the warm path takes no lock and asks nothing."""

    def __init__(
        self,
        settings: VerifierSettings,
        *,
        clock: Callable[[], float],
        keys: KeySource,
        freshness: Freshness | None = None,
    ) -> None:
        self.settings = settings
        self.keys = keys
        self._trusts = keys.trusts
        self.cache: TokenCache = TokenCache(settings.token_cache_size)
        self._find = self.cache.get
        self._clock = clock
        self._freshness: Freshness = freshness or AlwaysFresh()
        self._standing = self._freshness.check
        self._always_fresh = isinstance(self._freshness, AlwaysFresh)
        self._check_claims = claim_check(settings)
        self._headers: dict[bytes, Header] = {}
        self._leeway, self._iat_leeway = settings.leeway, settings.iat_leeway
        self._max_length = settings.max_token_length
        self._caching = settings.token_cache_size > 0
        #: The short way; whoever gets None from it calls `attempt`.
        self.recall: Recall = make_recall(
            settings,
            self.cache,
            trusts=keys.trusts,
            clock=clock,
            freshness=None if self._always_fresh else self._freshness,
        )

    # --- what the shells call: first the plain way, then the flow ---

    def attempt(self, token: Any) -> Verified | None:
        """The verified token as far as it can be told at once; None: ask `verify`.

        Raises:
            TokenError: it is refused, whatever the outside may say.
        """
        key = self._name(token)
        entry = self._find(key)
        if entry is not None and self._trusts(entry.key):
            # The path of nearly every request, so the common outcome is spelt out.
            now = self._clock()
            if not entry.begins <= now < entry.ends:
                check_times(entry.claims, now, self._leeway, self._iat_leeway)
            if self._always_fresh:
                return entry
        else:
            parts, header = self._read(token)
            keys = self.keys.known(header.kid, header.algorithm)
            if not keys:
                if self.keys.is_vain(header.kid, header.algorithm):
                    raise TokenError("jwk-kid-mismatch")
                return None
            entry = self._judge(parts, header, keys, key)
        return entry if self._always_fresh or self._stands(entry.claims) else None

    def verify(self, token: Any) -> Flow[Verified]:
        """The verified token, asking the outside for what is missing.

        Raises:
            TokenError: it is refused.
            UnavailableError: it cannot be judged now.
        """
        key = self._name(token)
        yield from self.keys.attend()
        entry = self._find(key) if self._caching else None
        if entry is not None and self.keys.holds(entry.key):
            check_times(entry.claims, self._clock(), self._leeway, self._iat_leeway)
        else:
            parts, header = self._read(token)
            keys = yield from self.keys.find(header.kid, header.algorithm)
            if not keys:
                raise TokenError("jwk-kid-mismatch")
            entry = self._judge(parts, header, keys, key)
        if self._stands(entry.claims):
            return entry
        claims = yield from self._freshness.settle(entry.claims)
        if claims is entry.claims:
            return entry
        return Verified(claims, entry.key, entry.begins, entry.ends, 0, self._refusal(claims))

    def claims_of(self, entry: Verified) -> FrozenDict[str, Any]:
        """What `verify` returns for a verified token, or the refusal it ends in."""
        if entry.refusal is not None:
            raise TokenError(entry.refusal)
        return entry.claims

    def token_of(self, credentials: Credentials) -> str | None:
        """The one token that a request offers; None where nothing (usable) was sent."""
        choice, instance = credentials.cookies, self.settings.clerk_instance
        if choice is not None and instance is not None:
            return clerk.choose(choice, instance, self._clock())
        return credentials.token

    def auth_of(self, entry: Verified, credentials: Credentials) -> Auth:
        """The `Auth` of a verified token, kept for the requests that carry it the same way."""
        if entry.refusal is not None:
            auth = signed_out(entry.refusal, source=credentials.source, session_status="pending")
        else:
            auth = auth_from_claims(
                entry.claims,
                credentials.source,
                token_use=self.settings.token_use,
                strict_permissions=self.settings.strict_permissions,
            )
        entry.auth = auth
        return auth

    def refused(self, error: TokenError, credentials: Credentials) -> Auth:
        return signed_out(error.code, source=credentials.source)

    # --- judging ---

    def _read(self, token: str) -> tuple[Compact, Header]:
        try:
            parts = split_compact(token)
        except TokenError:
            refuse_opaque(token)
            raise
        if not parts[1]:
            raise TokenError("token-invalid")
        header = self._headers.get(parts[0])
        if header is None:
            header = read_header(parts[0])
            check_algorithm(header, self.settings.algorithms)
            check_header_type(header, self.settings)
        return parts, header

    def _judge(self, parts: Compact, header: Header, keys: Sequence[Key], name: bytes) -> Verified:
        head, body, signature, signed = parts
        key = check_signature(signed, signature, header, keys)
        if len(self._headers) < _MAX_HEADERS:
            self._headers[head] = header
        payload = decode_payload(body)
        try:
            claims = parse_object(payload)
        except (ValueError, RecursionError):
            raise TokenError("token-invalid") from None
        self._check_claims(header, claims, self._clock())
        if not self._caching:
            return Verified(claims, key, 0.0, 0.0, 0, self._refusal(claims))
        leeway, iat_leeway = self._leeway, self._iat_leeway
        # `check_times` in other words.
        nbf, iat = as_float(claims.get("nbf", 0)), as_float(claims.get("iat", 0))
        begins, ends = max(nbf - leeway, iat - iat_leeway), as_float(claims["exp"] // 1) + leeway
        entry = Verified(claims, key, begins, ends, estimated_bytes(payload), self._refusal(claims))
        self.cache.put(name, entry)
        return entry

    def _name(self, token: Any) -> bytes:
        if type(token) is not str:
            raise TokenError("token-invalid")
        if len(token) > self._max_length:
            raise TokenError("token-too-large")
        if not self._caching:
            return b""
        return digest_of(token)

    def _stands(self, claims: FrozenDict[str, Any]) -> bool:
        standing = self._standing(claims)
        if standing is _REVOKED:
            raise TokenError("session-revoked")
        return standing is _FRESH

    def _refusal(self, claims: FrozenDict[str, Any]) -> str | None:
        pending = claims.get("sts") == "pending"
        return "session-pending" if pending and not self.settings.accept_pending else None


def refusal_without_token(credentials: Credentials) -> Auth:
    """The `Auth` of a request from which no token can be taken."""
    if credentials.problem is not None:
        return signed_out(credentials.problem, source=credentials.source)
    return NOBODY
