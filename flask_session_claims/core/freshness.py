"""Is this token's session still as the token says: the seam for revocations and changes.

`check` is called on every verification, also when the token is found in the cache, so it must
be plain and quick; what it cannot settle, `settle` asks the outside for.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol

from .flow import Flow
from .jsontext import FrozenDict

Claims = FrozenDict[str, Any]


class Standing(Enum):
    """What is known of a token's session."""

    FRESH = "fresh"
    #: The session's claims have changed since; `settle` gives those in force.
    STALE = "stale"
    REVOKED = "revoked"
    #: Cannot be told without asking; `settle` does.
    UNKNOWN = "unknown"


class Freshness(Protocol):
    """Who knows about revocations and changed claims."""

    def check(self, claims: Claims) -> Standing:
        """How the session of a verified token stands, from what is at hand."""
        ...

    def settle(self, claims: Claims) -> Flow[Claims]:
        """The claims in force, for a stale or unknown standing.

        Raises:
            TokenError: `session-revoked`.
            UnavailableError: it cannot be told; nobody is let in by that.
        """
        ...


class AlwaysFresh:
    """For issuers that tell us of no change before the token ends."""

    def check(self, claims: Claims) -> Standing:
        return Standing.FRESH

    def settle(self, claims: Claims) -> Flow[Claims]:
        yield from ()
        return claims
