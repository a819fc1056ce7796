"""Which custom claims of a session a newer token changed, for issuers that tell us of no change.

Bounded by sessions, the one that was quiet longest leaves first; what has left is met as new.
Of claims only keyed digests are kept, never a value. A token that is not newer than the last
one of its session costs one look-up and takes no lock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from .claims import PROTECTED_NAMES
from .locks import ForkSafeLock

#: About one sign-in or one token (OpenID Connect Core §2, §3.3.2.11): new without any change.
_OF_ONE_TOKEN: Final = frozenset({"auth_time", "nonce", "at_hash", "c_hash"})
_NOT_CUSTOM: Final = PROTECTED_NAMES | _OF_ONE_TOKEN


class _Seen(NamedTuple):
    issued_at: float
    #: Claim -> digest of its value.
    digests: dict[str, bytes]


class SeenClaims:
    """The custom claims of at most `size` sessions (0: off), as their newest tokens had them.

    Args:
        size: sessions.
        key: random bytes of this process, at most 64: digests of short values tell nothing.
    """

    def __init__(self, size: int, key: bytes) -> None:
        self.size = size
        self._key = key
        self._sessions: dict[str, _Seen] = {}
        self._lock = ForkSafeLock()

    def __len__(self) -> int:
        return len(self._sessions)

    def note(
        self, session_id: str | None, issued_at: float | None, claims: Mapping[str, Any]
    ) -> frozenset[str] | None:
        """The claims that came, went or have another value since; None where nothing changed.

        Each change is told once, to one caller, and only by a token with a newer `iat`.

        Args:
            session_id: `sid`; without one nothing is compared.
            issued_at: `iat`; likewise.
            claims: those of a token that was verified.
        """
        if session_id is None or issued_at is None or not self.size:
            return None
        before = self._sessions.get(session_id)
        if before is not None and issued_at <= before.issued_at:
            return None
        now = _Seen(issued_at, self._digests(claims))
        with self._lock:
            # Another thread may have been here since, with this token or a newer one.
            before = self._sessions.get(session_id)
            if before is not None and issued_at <= before.issued_at:
                return None
            self._sessions.pop(session_id, None)
            self._sessions[session_id] = now
            while len(self._sessions) > self.size:
                del self._sessions[next(iter(self._sessions))]
        if before is None or before.digests == now.digests:
            return None
        was, has = before.digests, now.digests
        return frozenset(name for name in was.keys() | has.keys() if was.get(name) != has.get(name))

    def _digests(self, claims: Mapping[str, Any]) -> dict[str, bytes]:
        return {
            name: self._digest(value) for name, value in claims.items() if name not in _NOT_CUSTOM
        }

    def _digest(self, value: object) -> bytes:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
        return blake2b(text.encode(), digest_size=16, key=self._key).digest()
