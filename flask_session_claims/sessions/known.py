"""What the entries of the log say: up to where it is known, and what concerns a token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, cast
from zlib import crc32

from .records import LogEntry

#: Subjects below which nothing is cleared away.
_FEW: Final = 1_024
#: Subjects that every process has at hand, and reads again when it is told of them.
AT_HAND: Final = frozenset({"keys", "template"})
#: Seconds over which the sessions take up a change for all of them, at most.
MAX_SPREAD: Final = 30.0


class Spread(NamedTuple):
    """A change for all sessions, which each takes up at a moment of its own."""

    position: int
    at: float
    seconds: float

    def has_come(self, session_id: str, now: float) -> bool:
        """Whether it is the session's turn."""
        return now >= self.at + self.seconds * crc32(session_id.encode()) / 2**32


class Known:
    """The live entries of one store's log, by what they are about.

    One thread writes at a time; others may read meanwhile, and see an entry or do not yet.
    """

    __slots__ = (
        "_clear_at", "_everybody", "_organizations", "_sessions", "_spreads", "_users", "newest",
        "oldest", "position", "store_id",
    )  # fmt: skip

    def __init__(self, store_id: str | None = None) -> None:
        #: Of the store whose log it is; None: not known yet.
        self.store_id: str | None = store_id
        #: All entries up to here are known.
        self.position: int = 0
        #: Of entries about sessions: the last one, and the first that is still in the log.
        self.newest: int = 0
        self.oldest: int = 0
        self._sessions: dict[str, int] = {}
        self._users: dict[str, int] = {}
        self._organizations: dict[str, int] = {}
        self._everybody = 0
        self._spreads: tuple[Spread, ...] = ()
        self._clear_at = _FEW

    def __len__(self) -> int:
        return len(self._sessions) + len(self._users) + len(self._organizations)

    def latest(self, claims: Mapping[str, Any], now: float) -> int:
        """The position of the newest entry that concerns a token's session; 0: of none."""
        session_id = claims["sid"]
        newest = self._sessions.get(session_id, 0)
        of_user = self._users.get(claims["sub"], 0)
        if of_user > newest:
            newest = of_user
        if self._everybody > newest:
            newest = self._everybody
        organization = claims.get("org_id") or _member(claims.get("o"), "id")
        if organization is not None:
            newest = max(newest, self._organizations.get(organization, 0))
        actor = claims.get("act")
        if actor is not None:  # what is done for a user ends with who does it
            newest = max(
                newest,
                self._sessions.get(_member(actor, "sid") or "", 0),
                self._users.get(_member(actor, "sub") or "", 0),
            )
        for spread in self._spreads:
            if spread.position > newest and spread.has_come(session_id, now):
                newest = spread.position
        return newest

    def organization(self, org_id: str | None) -> int:
        """The position of the newest entry about an organisation; 0: of none."""
        return 0 if org_id is None else self._organizations.get(org_id, 0)

    def tells(self, entries: Iterable[LogEntry]) -> frozenset[str]:
        """Which of `keys` and `template` the new ones are about."""
        return AT_HAND & {entry.subject for entry in entries if entry.position > self.position}

    def enter(self, entries: Iterable[LogEntry]) -> None:
        """Take in what is new."""
        places = {"session": self._sessions, "user": self._users,
                  "organization": self._organizations}  # fmt: skip
        for entry in entries:
            if entry.position <= self.position:
                continue
            place = places.get(entry.subject)
            if entry.subject != "keys":
                if place is not None:
                    place[entry.key] = entry.position
                elif entry.subject == "template":
                    spread = Spread(entry.position, entry.at, _seconds(entry.what))
                    self._spreads = (*self._spreads, spread)
                else:  # all, and whatever newer code writes
                    self._everybody = entry.position
                self.newest = entry.position
            self.position = entry.position  # last: until then it is not known

    def miss(self, position: int) -> None:
        """Entries up to there are gone unread: they may have been about anybody."""
        self._everybody = max(self._everybody, position)
        self.newest = max(self.newest, position)
        self.position = max(self.position, position)

    def clear(self, oldest: int) -> None:
        """Let go of what no live token can be older than."""
        self.oldest = oldest
        if self._spreads and self._spreads[0].position < oldest:
            self._spreads = tuple(one for one in self._spreads if one.position >= oldest)
        if len(self) < self._clear_at:
            return
        for place in (self._sessions, self._users, self._organizations):
            for key in [key for key, position in place.items() if position < oldest]:
                del place[key]
        self._clear_at = max(_FEW, 2 * len(self))


def _member(claim: object, name: str) -> str | None:
    """A text in a claim that is an object."""
    value: object = cast("Mapping[str, Any]", claim).get(name) if isinstance(claim, Mapping) else ""
    return value if isinstance(value, str) and value else None


def spread_over(seconds: float) -> str:
    """What the log says of a change that sessions take up within so many seconds."""
    return f"spread {seconds:g}"


def _seconds(what: str) -> float:
    kind, _, seconds = what.partition(" ")
    try:
        return min(MAX_SPREAD, max(0.0, float(seconds))) if kind == "spread" else 0.0
    except ValueError:
        return 0.0
