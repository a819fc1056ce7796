"""A set of trusted keys: how it is read, and which keys may answer for a token.

Given sets are read strictly (`given_keys`: one bad entry is a ConfigurationError's text);
fetched sets leniently (`fetched_keys`: a bad entry is skipped, the rest serve).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from .errors import ConfigurationError, TokenError
from .jose import (
    ALGORITHMS,
    Key,
    SecretKeyGiven,
    as_members,
    check_algorithm,
    check_signature,
    decode_payload,
    key_from_jwk,
    keys_from_pem,
    normal_algorithm,
    read_header,
    split_compact,
)
from .jsontext import parse_object

MAX_KEYS: Final = 64


class KeySet:
    """Immutable; `candidates` says which keys may verify a token."""

    __slots__ = ("_anonymous", "_named", "holds", "keys")

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys: tuple[Key, ...] = tuple(keys)
        self._named = {key.kid: key for key in self.keys if key.kid is not None}
        self._anonymous = tuple(key for key in self.keys if key.kid is None)
        #: Whether a key is one of these very objects; asked on every request.
        self.holds: Callable[[object], bool] = frozenset(self.keys).__contains__

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return f"<KeySet of {len(self.keys)}>"

    def candidates(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        """The keys to try; none means that the kid is unknown.

        A named key answers only for its own name. Keys without a name (PEM) answer for any.
        A token without kid may use a named key only if no other could be meant.
        """
        if kid is not None:
            named = self._named.get(kid)
            return (named,) if named is not None else self._anonymous
        if self._anonymous:
            return self._anonymous
        meant = [key for key in self.keys if key.algorithm == algorithm]
        return meant if len(meant) == 1 else ()


def _entries(document: Mapping[str, Any]) -> list[Any]:
    keys = document.get("keys")
    if not isinstance(keys, list):
        raise ValueError("it has no list 'keys'")
    entries = cast("list[Any]", keys)
    if len(entries) > MAX_KEYS:
        raise ValueError(f"it has more than {MAX_KEYS} keys")
    return entries


def fetched_keys(body: bytes) -> tuple[KeySet, list[str]]:
    """The usable keys of a fetched set, and why each other entry was skipped.

    ValueError if the whole is no key set, or has no usable key (RFC 7517 §5).
    """
    document = parse_object(body)
    good: list[Key] = []
    skipped: list[str] = []
    for number, entry in enumerate(_entries(document), 1):
        members = as_members(entry)
        try:
            if members is None:
                raise ValueError("it is no JSON object")
            good.append(key_from_jwk(members))
        except SecretKeyGiven as fault:
            skipped.append(f"entry {number} PUBLISHES A SECRET: {fault}")
        except ValueError as fault:
            skipped.append(f"entry {number}: {fault}")
    # One name for two different keys: neither can be told from the other, so neither serves.
    by_name: dict[str | None, Key] = {}
    clash: set[str] = set()
    unique: list[Key] = []
    for key in good:
        other = by_name.get(key.kid) if key.kid is not None else None
        if other is None:
            by_name[key.kid] = key
            unique.append(key)
        elif other.identity != key.identity and key.kid is not None:
            clash.add(key.kid)
    if clash:
        skipped.append(f"{len(clash)} kid(s) name two different keys")
    usable = [key for key in unique if key.kid not in clash]
    if not usable:
        raise ValueError("it holds no usable key")
    return KeySet(usable), skipped


def given_keys(value: object, setting: str) -> KeySet:
    """The keys of a setting: PEM text, JWK, JWKS (dict or JSON text), or a list of these."""
    keys = _read(value, setting)
    names = [key.kid for key in keys if key.kid is not None]
    if len(names) != len(set(names)):
        raise ConfigurationError(f"{setting}: two keys have the same kid; give each kid once.")
    if len(keys) > MAX_KEYS:
        raise ConfigurationError(f"{setting}: {len(keys)} keys; at most {MAX_KEYS} are taken.")
    return KeySet(keys)


def _read(value: object, setting: str) -> list[Key]:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        text = value.strip()
        if text.startswith(("https://", "http://")):
            raise ConfigurationError(
                f"{setting}: got an address; write it into JWKS_URL, or give the keys themselves."
            )
        if text.startswith("{"):
            try:
                value = parse_object(text.encode("utf-8"))
            except ValueError:
                raise ConfigurationError(
                    f"{setting}: got text that is not valid JSON; give a JWK, a JWKS or a PEM."
                ) from None
        else:
            try:
                return keys_from_pem(text)
            except ValueError as fault:
                raise ConfigurationError(
                    f"{setting}: {fault}. Write the issuer's public key as PEM"
                    " (-----BEGIN PUBLIC KEY----- …) or as a JWK."
                ) from None
    if isinstance(value, Sequence):
        items = cast("Sequence[object]", value)
        if not items:
            raise ConfigurationError(f"{setting}: got an empty list; give at least one key.")
        return [key for item in items for key in _read(item, setting)]
    document = as_members(value)
    if document is None:
        raise ConfigurationError(
            f"{setting}: got {type(value).__name__}; give PEM text, a JWK or a JWKS."
        )
    try:
        entries = _entries(document) if "keys" in document else [document]
        if not entries:
            raise ValueError("it holds no key")
        keys: list[Key] = []
        for number, entry in enumerate(entries, 1):
            members = as_members(entry)
            if members is None:
                raise ValueError(f"entry {number} is no JSON object")
            try:
                keys.append(key_from_jwk(members))
            except ValueError as fault:
                raise ValueError(f"entry {number}: {fault}") from None
    except ValueError as fault:
        raise ConfigurationError(
            f"{setting}: {fault}. Give public RSA (2048 bits or more), P-256 or Ed25519 keys."
        ) from None
    return keys


def verify_jws(compact: str, key_or_set: object, algorithms: Sequence[str]) -> bytes:
    """The payload of a compact JWS whose signature is good; nothing about it is judged.

    This is the seam below the claims: no `typ`, no time, no size rule. An empty payload is legal.

    Args:
        compact: the three parts, joined by dots.
        key_or_set: a PEM, JWK or JWKS, or a `KeySet`.
        algorithms: what is allowed, of RS256, ES256, EdDSA; exact and case-sensitive.

    Raises:
        TokenError: the text, its header or its signature is not good.
        ConfigurationError: the keys or algorithms are not.
    """
    listed = list[Any]() if isinstance(algorithms, str) else list[Any](algorithms or ())
    known = all(isinstance(name, str) and normal_algorithm(name) in ALGORITHMS for name in listed)
    allowed = {normal_algorithm(name) for name in listed} if known else set[str]()
    if not allowed:
        raise ConfigurationError(
            f"algorithms: got {algorithms!r}; give a list of {', '.join(ALGORITHMS)}."
        )
    keys = key_or_set if isinstance(key_or_set, KeySet) else given_keys(key_or_set, "key_or_set")
    if not isinstance(compact, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TokenError("token-invalid")
    head, payload, signature, signed = split_compact(compact)
    header = read_header(head)
    check_algorithm(header, tuple(allowed))
    candidates = keys.candidates(header.kid, header.algorithm)
    if not candidates:
        raise TokenError("jwk-kid-mismatch")
    check_signature(signed, signature, header, candidates)
    return decode_payload(payload)
