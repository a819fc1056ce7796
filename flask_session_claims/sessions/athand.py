"""The keys as one process has them at hand: what signs, what is published, what verifies.

They are read again every minute, and at once when the log tells of keys. A process goes on with
what it has while the store cannot be had, and while the app is moved to another secret: then a
newer process has wrapped the keys anew, and this one can no longer open them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ..core.errors import ConfigurationError, UnavailableError
from ..core.flow import Flow
from ..core.keyset import KeySet, fetched_keys
from .keyring import KEYRING, RING, KeyringFlows, Ring, SigningKey, decode
from .published import Document, key_set
from .records import LoadRecord
from .vault import Signer

#: Seconds: far less than a new key is published before it signs.
LOOK_EVERY: Final = 60.0
#: Seconds for which keys serve that cannot be read again, and the pause between attempts.
STALE_FOR: Final = 3_600.0
PAUSE: Final = 1.0


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

    def signer(self) -> Flow[Signer]:
        """What signs session tokens now.

        Raises:
            ConfigurationError: the keys cannot be opened.
            UnavailableError: the keys cannot be had.
        """
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

    def document(self) -> Flow[Document]:
        """The published key set."""
        return (yield from self._attend()).document

    def keys(self) -> Flow[KeySet]:
        """What verifies own tokens; the same object until a key comes or goes."""
        return (yield from self._attend()).keys

    def _attend(self) -> Flow[Held]:
        now, held = self._clock(), self._held
        if held is not None and not self._told and held.read_at <= now < held.look_at:
            return held
        self._told = False  # before reading: what is told while we read counts again
        try:
            ring = yield from self._read(held)
        except UnavailableError:
            if held is None or max(0.0, now - held.read_at) >= STALE_FOR:
                raise
            self._held = held = replace(held, look_at=now + PAUSE)
            return held
        self._held = held = self._made(ring, held, now)
        return held

    def _read(self, held: Held | None) -> Flow[Ring]:
        try:
            return (yield from self._flows.ensure())
        except ConfigurationError:
            if held is None:  # at the start, a wrong secret is an error
                raise
        return decode((yield from LoadRecord(KEYRING, RING)))

    def _made(self, ring: Ring, held: Held | None, now: float) -> Held:
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
            read = fetched_keys(document.body)[0].keys
            keys = KeySet(known.get(key.identity, key) for key in read)
        return Held(ring, signers, document, keys, now, now + LOOK_EVERY)

    def _opened(self, key: SigningKey) -> Signer | None:
        try:
            return self._flows.signer(key)
        except ConfigurationError:
            return None
