"""The signing keys of an issuer: which one signs, which are published, and when that changes.

A key is published, then signs, then is retired but still published, then deleted; all of that
follows from the times in one record, so every process sees the same. `plan` is pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple

from ..core.errors import ConfigurationError, SessionError, UnavailableError
from ..core.flow import Flow
from ..core.jsontext import b64url_decode, parse_object
from . import vault
from .limits import ATTEMPTS, is_number
from .model import log_entry
from .records import Commit, LoadRecord, Put, Record
from .steps import busy
from .tokens import b64url
from .vault import Signer, WrappingKey

KEYRING: Final = "keyring"
RING: Final = "ring"
#: Seconds that others may keep the key set.
MAX_AGE: Final = 300
#: Verifiers take no set of more than 64 keys; ours does not.
MAX_RING: Final = 32
#: Members of a published key, by type (RFC 7518 §6, RFC 8037 §2); all others stay here.
_PUBLIC: Final = {
    "EC": ("kty", "crv", "x", "y", "kid", "use", "alg"),
    "OKP": ("kty", "crv", "x", "kid", "use", "alg"),
    "RSA": ("kty", "n", "e", "kid", "use", "alg"),
}
Use = Literal["session", "static"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """How keys come and go (seconds)."""

    algorithm: str = "ES256"
    #: How long a key signs.
    rotate_every: float = 30 * 86_400
    #: How long it is published before: what others may keep the key set, and room for clocks.
    publish_ahead: float = 2 * MAX_AGE + 60
    #: How long it stays published after: a day, beyond which the static key signs, and an hour.
    keep_after: float = 90_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One key of the ring."""

    kid: str
    use: Use
    algorithm: str
    created_at: float
    signs_from: float
    #: The public JWK.
    jwk: dict[str, str]
    #: The private half, wrapped (base64url); "": thrown away, so it only verifies.
    wrapped: str = field(repr=False)
    #: Name of the wrapping key.
    wrapped_by: str


@dataclass(frozen=True, slots=True)
class Ring:
    """All keys, in the order in which they sign; and the version of their record."""

    keys: tuple[SigningKey, ...] = ()
    version: int = 0

    def of(self, use: Use) -> list[SigningKey]:
        """The keys of one use that can sign."""
        return [key for key in self.keys if key.use == use and key.wrapped]

    def signing(self, use: Use, now: float) -> SigningKey | None:
        """The key that signs now; while the clock is before all of them, the first."""
        able = self.of(use)
        begun = [key for key in able if key.signs_from <= now]
        return begun[-1] if begun else able[0] if able else None

    def brings(self, current: SigningKey, until: float) -> bool:
        """Whether another session key takes over by then; one made by a wrong clock may not."""
        return any(current.signs_from < key.signs_from <= until for key in self.of("session"))

    def with_key(self, key: SigningKey) -> Ring:
        return replace(self, keys=tuple(sorted((*self.keys, key), key=lambda k: k.signs_from)))

    def without(self, kid: str) -> Ring:
        return replace(self, keys=tuple(key for key in self.keys if key.kid != kid))


#: (use, signs from) -> a new key.
NewKey = Callable[[Use, float], SigningKey]


def plan(ring: Ring, now: float, policy: KeyPolicy, new_key: NewKey) -> Ring:
    """The ring as it should be at `now`; the same object if nothing is to be done."""
    current = ring.signing("session", now)
    if current is None:
        ring = ring.with_key(new_key("session", now))  # nobody can know an older one
    else:
        ends = current.signs_from + policy.rotate_every
        due = max(ends, now + policy.publish_ahead)
        if now >= ends - policy.publish_ahead and not ring.brings(current, due):
            ring = ring.with_key(new_key("session", due))
    for key in ring.keys:
        end = last_needed(ring, key, policy)
        if end is not None and end <= now:
            ring = ring.without(key.kid)
    return ring


def last_needed(ring: Ring, key: SigningKey, policy: KeyPolicy) -> float | None:
    """When a key can go, its last tokens having ended; None: not foreseen."""
    if key.use == "static":
        return None
    after = ring.keys[ring.keys.index(key) + 1 :]
    later = [k.signs_from for k in after if k.use == "session" and k.wrapped]
    if not later and key.wrapped:
        return None
    return (later or [key.signs_from])[0] + policy.keep_after  # thrown away before it signed


class KeySetDocument(NamedTuple):
    """What the key set's address answers."""

    body: bytes
    etag: str
    #: Seconds.
    max_age: int


def key_set(ring: Ring) -> KeySetDocument:
    """The published keys (RFC 7517 §5): public members only."""
    keys = [{name: key.jwk[name] for name in _PUBLIC[key.jwk["kty"]]} for key in ring.keys]
    body = json.dumps({"keys": keys}, separators=(",", ":")).encode("ascii")
    return KeySetDocument(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', MAX_AGE)


# --- the record ---------------------------------------------------------------------------


def encode(ring: Ring) -> bytes:
    """The data of the ring's record."""
    members = {"format": 1, "keys": [asdict(key) for key in ring.keys]}
    return json.dumps(members, separators=(",", ":")).encode("ascii")


def decode(record: Record | None) -> Ring:
    """What the ring's record says; no record is an empty ring."""
    if record is None:
        return Ring()
    try:
        members = parse_object(record.data)
        if members["format"] != 1:
            raise ValueError("another format")
        keys = tuple(_key(key) for key in members["keys"])
    except (KeyError, TypeError, ValueError) as error:
        raise UnavailableError(
            "The record of the signing keys cannot be read.", code="keyring-unreadable"
        ) from error
    return Ring(keys, record.version)


def _key(members: Any) -> SigningKey:
    given: dict[str, Any] = {**members, "jwk": dict(members["jwk"])}
    key = SigningKey(**given)
    public = [key.jwk[name] for name in _PUBLIC[key.jwk["kty"]]]
    texts: list[object] = [key.kid, key.algorithm, key.wrapped, key.wrapped_by, *public]
    if not all(isinstance(text, str) for text in texts) or key.use not in ("session", "static"):
        raise ValueError("no such key")
    if not (is_number(key.created_at) and is_number(key.signs_from)):
        raise ValueError("no such times")
    _ = b64url_decode(key.wrapped.encode("ascii"))
    return key


# --- flows --------------------------------------------------------------------------------


class KeyringFlows:
    """The acts on an issuer's keys.

    `wrapping` is the wrapping key in force and those before it, which still open.
    """

    def __init__(
        self,
        policy: KeyPolicy,
        wrapping: Sequence[WrappingKey],
        *,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        if policy.algorithm not in vault.ALGORITHMS:
            raise ConfigurationError(
                f"the signing algorithm got {policy.algorithm!r}; write one of"
                f" {', '.join(vault.ALGORITHMS)}."
            )
        if not wrapping:
            raise ConfigurationError("the keyring needs a wrapping key; see SECRET_KEY.")
        self._policy, self._wrapping = policy, tuple(wrapping)
        self._clock, self._random = clock, random

    def ensure(self) -> Flow[Ring]:
        """The ring as it should be now: made, rotated and cleared as its times say.

        Keys under an older wrapping key come under the present one.

        Raises:
            ConfigurationError: no wrapping key opens the signing key.
        """
        now = self._clock()
        return (
            yield from self._change(now, lambda ring: self._rewrapped(self._planned(ring, now)))
        )

    def static(self) -> Flow[Ring]:
        """The ring with a static key, which signs what outlives the rotation."""
        now = self._clock()

        def change(ring: Ring) -> Ring:
            if ring.signing("static", now):
                return ring
            self._check(ring, now)
            return ring.with_key(self._new("static", now))

        return (yield from self._change(now, change))

    def rotate(self, *, at_once: bool = False) -> Flow[Ring]:
        """Bring the next session key: published now, signing when others can know it.

        `at_once` lets it sign now; others then meet a key that they do not know yet.
        """
        now = self._clock()

        def change(ring: Ring) -> Ring:
            self._check(ring, now)
            current = ring.signing("session", now)
            ahead = 0 if at_once else self._policy.publish_ahead
            if current is not None and not at_once and ring.brings(current, now + ahead):
                return ring
            if len(ring.keys) >= MAX_RING:
                raise SessionError(
                    f"{len(ring.keys)} keys are published already; wait until some have gone, or"
                    " revoke those that must not be used.",
                    code="keyring-full",
                )
            return ring.with_key(self._new("session", now + ahead))

        return (yield from self._change(now, change))

    def revoke(self, kid: str) -> Flow[bool]:
        """Remove a key at once, with all tokens under it; whether there was one."""
        now = self._clock()
        known: list[bool] = []

        def change(ring: Ring) -> Ring:
            left = ring.without(kid)
            known.append(len(left.keys) < len(ring.keys))
            return self._planned(left, now) if known[-1] else ring

        _ = yield from self._change(now, change)
        return known[-1]

    def rewrap(self) -> Flow[Ring]:
        """Bring every private key under the present wrapping key."""

        def change(ring: Ring) -> Ring:
            for key in ring.keys:
                if key.wrapped:
                    _ = self.signer(key)
            return self._rewrapped(ring)

        return (yield from self._change(self._clock(), change))

    def discard(self) -> Flow[Ring]:
        """Throw the private keys away that no wrapping key opens, and go on with a new one.

        Sessions survive, and tokens already signed stay good until they end.
        """
        now = self._clock()

        def change(ring: Ring) -> Ring:
            kept = tuple(k if self._open(k) else replace(k, wrapped="") for k in ring.keys)
            return self._planned(ring if kept == ring.keys else replace(ring, keys=kept), now)

        return (yield from self._change(now, change))

    @property
    def policy(self) -> KeyPolicy:
        """How keys come and go here."""
        return self._policy

    @property
    def wrapping_name(self) -> str:
        """Name of the wrapping key in force."""
        return self._wrapping[0].name

    def ring(self) -> Flow[Ring]:
        """The ring as it stands; nothing is changed."""
        return decode((yield from LoadRecord(KEYRING, RING)))

    def opens(self, key: SigningKey) -> bool:
        """Whether a wrapping key opens it."""
        return self._open(key) is not None

    def signer(self, key: SigningKey) -> Signer:
        """What signs with a key of the ring.

        Raises:
            ConfigurationError: no wrapping key opens it.
        """
        der = self._open(key)
        if der is None:
            raise ConfigurationError(
                "the signing keys in the store cannot be opened with this SECRET_KEY (or the"
                " setting KEY); put the one before into SECRET_KEY_FALLBACKS and run"
                " `session-claims keys rewrap`, or if it is lost `session-claims keys discard`"
                " (sessions survive). In Flask these are `flask session-claims …`, in Django"
                " `manage.py session_claims …`.",
                code="keyring-locked",
            )
        return vault.from_der(der)

    def _change(self, now: float, change: Callable[[Ring], Ring]) -> Flow[Ring]:
        for _ in range(ATTEMPTS):
            ring = decode((yield from LoadRecord(KEYRING, RING)))
            new = change(ring)
            if new is ring:
                return ring
            put = Put(KEYRING, RING, ring.version, encode(new))
            entry = log_entry("keys", "", "changed", now)
            if (yield from Commit((put,), (), (entry,))):
                return replace(new, version=ring.version + 1)
        raise busy()

    def _planned(self, ring: Ring, now: float) -> Ring:
        self._check(ring, now)
        return plan(ring, now, self._policy, self._new)

    def _check(self, ring: Ring, now: float) -> None:
        """With a wrong wrapping key, rather nothing than a new key."""
        current = ring.signing("session", now)
        if current is not None:
            _ = self.signer(current)

    def _rewrapped(self, ring: Ring) -> Ring:
        name = self._wrapping[0].name
        keys = tuple(
            self._wrapped(key, der) if key.wrapped_by != name and (der := self._open(key)) else key
            for key in ring.keys
        )
        return ring if keys == ring.keys else replace(ring, keys=keys)

    def _new(self, use: Use, signs_from: float) -> SigningKey:
        made = vault.generate(self._policy.algorithm)
        bare = SigningKey(
            kid=made.kid,
            use=use,
            algorithm=made.algorithm,
            created_at=self._clock(),
            signs_from=signs_from,
            jwk=dict(made.jwk),
            wrapped="",
            wrapped_by="",
        )
        return self._wrapped(bare, made.der)

    def _wrapped(self, key: SigningKey, der: bytes) -> SigningKey:
        under = self._wrapping[0]
        nonce = self._random(vault.NONCE_BYTES)
        wrapped = vault.wrap(der, under, nonce, f"{key.use} {key.kid}")
        return replace(key, wrapped=b64url(wrapped), wrapped_by=under.name)

    def _open(self, key: SigningKey) -> bytes | None:
        for under in self._wrapping:
            if key.wrapped and under.name == key.wrapped_by:
                raw = b64url_decode(key.wrapped.encode("ascii"))
                return vault.unwrap(raw, under, f"{key.use} {key.kid}")
        return None
