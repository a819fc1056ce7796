"""What is in force for sessions that have changed since their token was minted.

One load tells it, for all requests until the log has more to say of the session.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..core.claims import PROTECTED_NAMES
from ..core.freshness import Claims
from ..core.jsontext import FrozenDict
from ..core.locks import ForkSafeLock
from .known import Known
from .looks import Look
from .mint import SPOKEN
from .model import Session

#: What a token minted at that moment would say of a session beside the custom claims.
Say = Callable[[Session, float], Mapping[str, Any]]
#: Sessions that are remembered; about 2 KB each.
SIZE: Final = 10_000


class Held:
    """A session as its record told it; None: it has ended."""

    __slots__ = (
        "_before", "_facts", "_said", "_say", "_text", "changed", "known", "position", "session",
    )  # fmt: skip

    def __init__(
        self,
        known: Known,
        position: int,
        session: Session | None,
        before: Held | None = None,
        *,
        say: Say,
    ) -> None:
        #: The record was loaded after the log, this one, had been read up to here.
        self.known: Known = known
        self.position: int = position
        self.session: Session | None = session
        self._say = say
        #: What is in force, but the ages of the factors, which are of a moment.
        self._facts = {} if session is None else self._all(session, session.created_at)
        self._text = _text(self._facts)
        #: What was in force by the load before this one.
        self._before = None if before is None or before.session is None else before._facts
        #: The last token asked for, and what is in force instead of what it says.
        self._said: tuple[Claims, Claims] | None = None
        #: Names of the claims that this load has shown to have changed; whoever tells of it
        #: takes it away.
        self.changed: frozenset[str] | None = None if before is None else before.changed

    def latest(self) -> int:
        """The newest entry about its organisation, which its tokens may not name yet."""
        return 0 if self.session is None else self.known.organization(self.session.org_id)

    def is_of(self, claims: Claims, now: float) -> bool:
        """Whether the token's session lives, and is its user's."""
        session = self.session
        if session is None or now >= session.expires_at:
            return False
        return bool(session.user_id == claims.get("sub"))

    def in_force(self, claims: Claims, now: float) -> Claims:
        """What is in force for a token: the very same object if it says so itself."""
        said = self._said
        if said is None or said[0] is not claims:
            said = self._said = claims, self._compared(claims, now)
        return said[1]

    def _compared(self, claims: Claims, now: float) -> Claims:
        session = self.session
        if session is None:
            return claims
        said = {n: v for n, v in claims.items() if n in SPOKEN or n not in PROTECTED_NAMES}
        issued = claims.get("iat")
        at = issued if isinstance(issued, (int, float)) else now
        if _text(said.get("fva")) == _text(self._say(session, at).get("fva")):
            said["fva"] = self._facts.get("fva")  # the same moments, seen from its own
        said = {n: v for n, v in said.items() if n != "fva" or v is not None}
        if self._said is None:
            before = said if self._before is None else self._before
            names = {*before, *self._facts}
            changed = frozenset(n for n in names if _one(before, n) != _one(self._facts, n))
            self.changed = changed | (self.changed or frozenset()) or None
        if _text(said) == self._text:
            return claims
        fixed = {n: v for n, v in claims.items() if n in PROTECTED_NAMES and n not in SPOKEN}
        return FrozenDict({**fixed, **_custom(session.claims), **self._say(session, now)})

    def _all(self, session: Session, at: float) -> dict[str, Any]:
        facts = {**_custom(session.claims), **self._say(session, at)}
        if "fva" in facts:
            facts["fva"] = [session.first_verified_at, session.second_verified_at]
        return facts


def _custom(claims: Mapping[str, Any]) -> dict[str, Any]:
    return {n: value for n, value in claims.items() if n not in PROTECTED_NAMES}


def _text(claims: object) -> str:
    """As text, since to Python True equals 1; in whatever order the names stood."""
    return json.dumps(claims, sort_keys=True)


def _one(claims: Mapping[str, Any], name: str) -> str | None:
    return _text({name: claims[name]}) if name in claims else None


class Overlay:
    """The sessions of one process that the log has told of; any thread may use it."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._held: dict[str, Held] = {}
        self._loading: dict[str, Look] = {}
        #: What is held of a session, or None.
        self.find: Callable[[str], Held | None] = self._held.get

    def __len__(self) -> int:
        return len(self._held)

    def begin(self, session_id: str) -> tuple[Look, bool]:
        """The loading of a session: one's own, which is to be ended, or another's to wait for."""
        with self._lock:
            look = self._loading.get(session_id)
            if look is not None and look.is_out():
                return look, False
            self._loading[session_id] = look = Look()
            return look, True

    def end(self, session_id: str, look: Look) -> None:
        """It is loaded, or could not be."""
        with self._lock:
            if self._loading.get(session_id) is look:
                del self._loading[session_id]
        look.end()

    def keep(self, session_id: str, held: Held) -> None:
        """Hold what was loaded of a session."""
        with self._lock:
            _ = self._held.pop(session_id, None)
            self._held[session_id] = held
            while len(self._held) > SIZE:
                del self._held[next(iter(self._held))]
