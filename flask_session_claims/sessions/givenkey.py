"""A signing key that the developer gives as PEM, in place of a ring in the store.

It signs from the first to the last day; nothing rotates it and nothing is stored of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import ConfigurationError
from ..core.flow import Flow
from ..core.jose import key_from_jwk
from ..core.keyset import KeySet, fetched_keys
from . import vault
from .keyring import Ring, SigningKey
from .published import Document, key_set
from .vault import Signer


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key that was given, and the ring that publishes it."""

    signer: Signer
    ring: Ring


class GivenAtHand:
    """The given key in the place of `KeysAtHand`: always at hand."""

    def __init__(self, given: GivenKey) -> None:
        self._signer = given.signer
        self._document = key_set(given.ring)
        self._keys = KeySet(fetched_keys(self._document.body)[0].keys)

    def look_again(self) -> None:
        """Nothing can have changed."""

    def at_hand(self) -> KeySet | None:
        return self._keys

    def check(self) -> Flow[None]:
        yield from ()

    def signer(self, seconds: float = 0) -> Flow[Signer]:
        yield from ()
        return self._signer

    def document(self) -> Flow[Document]:
        yield from ()
        return self._document

    def keys(self) -> Flow[KeySet]:
        yield from ()
        return self._keys


def given_key(pem: object, setting: str, *, algorithm: str | None = None) -> GivenKey:
    """The key of a setting: one unencrypted private key, RSA, P-256 or Ed25519.

    Args:
        algorithm: what the app has named besides, if it has; the key must be one for it.

    Raises:
        ConfigurationError: it cannot be used; the text names the setting, never its value.
    """
    text = pem.decode("utf-8", "replace") if isinstance(pem, bytes) else pem
    if not isinstance(text, str):
        raise _refused(setting, f"got a value of type {type(pem).__name__}")
    try:
        signer = vault.from_pem(text)
        _ = key_from_jwk(signer.jwk)  # our own verifier has to take it
    except ValueError as fault:
        raise _refused(setting, str(fault)) from None
    if algorithm is not None and algorithm != signer.algorithm:
        raise _refused(setting, f"it signs {signer.algorithm}, and {algorithm!r} is asked for")
    key = SigningKey(
        kid=signer.kid,
        use="session",
        algorithm=signer.algorithm,
        created_at=0.0,
        signs_from=0.0,
        jwk=dict(signer.jwk),
        wrapped="",
        wrapped_by="",
    )
    return GivenKey(signer, Ring((key,)))


def _refused(setting: str, fault: str) -> ConfigurationError:
    return ConfigurationError(
        f"{setting}: {fault}. Give one private key as unencrypted PEM (-----BEGIN PRIVATE KEY-----"
        " …): P-256, Ed25519, or RSA of 2048 to 8192 bits; or leave it unset, and keys are made"
        " and rotated by themselves."
    )
