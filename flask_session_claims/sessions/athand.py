"""The keys as one process has them at hand: what signs, what is published, what verifies.

They are read again when the log tells of keys, and every half minute. A process goes on with
what it has while the store cannot be had, and while the app is moved to another secret: then a
newer process has wrapped the keys anew, and this one can no longer open them. Who only verifies
makes no keys: before the first sign-in there is no store, and no token to verify.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from ..core.errors import ConfigurationError, UnavailableError
from ..core.flow import Flow
from ..core.keyset import KeySet, fetched_keys
from .keyring import KEYRING, RING, KeyringFlows, Ring, SigningKey, decode
from .published import Document, key_set
from .records import LoadRecord
from .vault import Signer

#: Seconds after which the keys are read again, though the log has told nothing of them.
LOOK_EVERY: Final = 30.0
#: Seconds for which keys serve that cannot be read again, and the pause between attempts.
STALE_FOR: Final = 3_600.0
#: Seconds for which a token may live that is signed by a key which rotates.
ROTATING: Final = 86_400.0
PAUSE: Final = 1.0


class OwnKeys(Protocol):
    """An issuer's keys, whoever keeps them."""

    def look_again(self) -> None:
        """What is held may be wrong from now on."""
        ...

    def at_hand(self) -> KeySet | None:
        """What verifies own tokens, if that is known without asking."""
        ...

    def check(self) -> Flow[None]:
        """Return if the key that signs can be opened, or if there is none yet."""
        ...

    def signer(self, seconds: float = 0) -> Flow[Signer]:
        """What signs tokens now that live for so long."""
        ...

    def document(self) -> Flow[Document]:
        """The published key set."""
        ...

    def keys(self) -> Flow[KeySet]:
        """What verifies own tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """What was read, and what follows from it."""

    ring: Ring = field(repr=False)
    #: Private keys by kid: of the ring alone, so that one that was revoked is gone here too.
    signers: Mapping[str, Signer] = field(repr=False)
    document: Document
    keys: KeySet
    read_at: float
    look_at: float
    #: Whether what is due was done; who only verifies leaves that to others.
    attended: bool


class KeysAtHand:
    """An issuer's keys for one process; any thread may use it.

    What is held is replaced as a whole, so the worst of a race is that the keys are read twice.
    """

    def __init__(self, flows: KeyringFlows, *, clock: Callable[[], float]) -> None:
        self._flows, self._clock = flows, clock
        self._held: Held | None = None
        self._told = False

    def look_again(self) -> None:
        """The log has told of keys: what is held may be wrong from now on."""
        self._told = True

    def at_hand(self) -> KeySet | None:
        """What verifies own tokens, if that is known without asking."""
        held = self._held
        if held is None or self._told or not held.read_at <= self._clock() < held.look_at:
            return None
        return held.keys

    def signer(self, seconds: float = 0) -> Flow[Signer]:
        """What signs tokens now that live for so long; beyond a day a key that stays.

        Raises:
            ConfigurationError: the keys cannot be opened.
            UnavailableError: the keys cannot be had.
        """
        if seconds > ROTATING:
            return (yield from self._static())
        held, now = (yield from self._attend()), self._clock()
        current = held.ring.signing("session", now)
        if current is not None and current.kid in held.signers:
            return held.signers[current.kid]
        # Moved to another secret, and rotated since: an older key is still published.
        for key in reversed(held.ring.of("session")):
            if key.kid in held.signers and key.signs_from <= now:
                return held.signers[key.kid]
        if current is None:
            raise UnavailableError("There is no signing key.", code="keyring-empty")
        return self._flows.signer(current)

    def _static(self) -> Flow[Signer]:
        ring = yield from self._flows.static()
        current = ring.signing("static", self._clock())
        if current is None:
            raise UnavailableError("There is no signing key.", code="keyring-empty")
        return self._flows.signer(current)

    def document(self) -> Flow[Document]:
        """The published key set."""
        return (yield from self._attend()).document

    def keys(self) -> Flow[KeySet]:
        """What verifies own tokens, none if no key was ever made; nothing is written.

        The same object until a key comes or goes.
        """
        return (yield from self._attend(only_verifies=True)).keys

    def check(self) -> Flow[None]:
        """Return if the key that signs can be opened, or if there is none yet.

        Raises:
            ConfigurationError: it cannot.
        """
        ring = decode((yield from LoadRecord(KEYRING, RING)))
        current = ring.signing("session", self._clock())
        if current is not None:
            _ = self._flows.signer(current)

    def _attend(self, *, only_verifies: bool = False) -> Flow[Held]:
        now, held = self._clock(), self._held
        serves = held is not None and (only_verifies or held.attended)
        if held and serves and not self._told and held.read_at <= now < held.look_at:
            return held
        self._told = False  # before reading: what is told while we read counts again
        try:
            ring = yield from self._read(held, only_verifies=only_verifies)
        except UnavailableError:
            if held is None or max(0.0, now - held.read_at) >= STALE_FOR:
                raise
            self._held = held = replace(held, look_at=now + PAUSE)
            return held
        self._held = held = self._made(ring, held, now, attended=not only_verifies)
        return held

    def _read(self, held: Held | None, *, only_verifies: bool) -> Flow[Ring]:
        if not only_verifies:
            try:
                return (yield from self._flows.ensure())
            except ConfigurationError:
                if held is None:  # at the start, a wrong secret is an error
                    raise
        return decode((yield from LoadRecord(KEYRING, RING)))

    def _made(self, ring: Ring, held: Held | None, now: float, *, attended: bool) -> Held:
        before: Mapping[str, Signer] = held.signers if held is not None else {}
        signers: dict[str, Signer] = {}
        for key in ring.of("session"):
            signer = before.get(key.kid) or self._opened(key)
            if signer is not None:
                signers[key.kid] = signer
        document = key_set(ring)
        if held is not None and document.etag == held.document.etag:
            keys = held.keys
        else:
            # Verified tokens are remembered with the very key object that verified them.
            known = {key.identity: key for key in held.keys.keys} if held is not None else {}
            read = fetched_keys(document.body)[0].keys if ring.keys else ()
            keys = KeySet(known.get(key.identity, key) for key in read)
        return Held(ring, signers, document, keys, now, now + LOOK_EVERY, attended)

    def _opened(self, key: SigningKey) -> Signer | None:
        try:
            return self._flows.signer(key)
        except ConfigurationError:
            return None
