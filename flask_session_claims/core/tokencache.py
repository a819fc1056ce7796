"""Verified tokens, found again by the SHA-256 of their full text, which itself is never kept.

Only fully verified tokens enter. Whoever takes one out must still check time, key and
freshness. Bounded by entries and by (estimated) bytes; the oldest leave first, since session
tokens live for a minute and old ones have expired. Reading takes no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .auth import Auth
from .jose import Key
from .jsontext import FrozenDict
from .locks import ForkSafeLock

#: Bytes that `size` entries may take on average before the byte bound bites.
BYTES_PER_ENTRY: Final = 4_096
_FAR: Final = 2**52


@dataclass(slots=True)
class Verified:
    """A token that was verified."""

    claims: FrozenDict[str, Any]
    key: Key
    #: From when to when it holds, leeway included; floats, which Python compares fastest.
    begins: float
    ends: float
    #: Estimated bytes, for the bound.
    cost: int
    #: Code that `verify` refuses it with, though everything about it is right ("pending").
    refusal: str | None
    #: Made when first asked for; shared by all requests that carry the token.
    auth: Auth | None = None


def as_float(seconds: float) -> float:
    """A NumericDate, which may be any int, as a float; beyond 140 million years all are one."""
    return float(min(max(seconds, -_FAR), _FAR))


def estimated_bytes(payload: bytes) -> int:
    """Roughly what the parsed claims of a payload take in memory."""
    values = payload.count(b",") + payload.count(b"[") + payload.count(b"{")
    return 1_600 + 2 * len(payload) + 100 * values


class TokenCache:
    """At most `size` entries (0: off)."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.bytes: int = 0
        self._max_bytes = size * BYTES_PER_ENTRY
        self._entries: dict[bytes, Verified] = {}
        self._lock = ForkSafeLock()
        self.get: Callable[[bytes], Verified | None] = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: bytes, entry: Verified) -> None:
        if entry.cost > self._max_bytes:
            return
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self.bytes -= old.cost
            self._entries[key] = entry
            self.bytes += entry.cost
            while len(self._entries) > self.size or self.bytes > self._max_bytes:
                self.bytes -= self._entries.pop(next(iter(self._entries))).cost

    def drop(self, key: bytes) -> None:
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self.bytes -= old.cost
