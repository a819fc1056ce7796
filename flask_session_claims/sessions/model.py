"""What a session's record says.

The record is JSON; members that this code does not know are carried along, so that newer code
may work beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..core.access import Organization
from ..core.errors import UnavailableError
from ..core.jsontext import b64url_decode, freeze, parse_object
from .claims import NO_LAYERS, Claims, Layers, no_claims
from .limits import KEEP_ENDED, LOG_LIFETIME, MAX_GRACE
from .records import LogEntry, Put, Record
from .session import Act as Act
from .session import Issued as Issued
from .session import Session as Session
from .tokens import b64url

SESSION: Final = "session"
BY_USER: Final = "user"
JOURNAL: Final = 50
MAX_DETAIL: Final = 64

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that a session's record says, and the version it was loaded at."""

    session_id: str
    version: int = 0
    user_id: str
    created_at: float
    seen_at: float
    idle_end: float
    absolute_end: float
    persistent: bool = True
    org_id: str | None = None
    device: str | None = None
    address: str | None = None
    azp: str | None = None
    data: Claims = field(default_factory=no_claims)
    #: Who acts for the user: `sub`, and `sid` of their own session.
    actor: Mapping[str, str] | None = None
    #: When each factor was last verified, and the id of the last time that was done anew.
    first_at: float | None = None
    second_at: float | None = None
    reverification_id: str | None = None
    layers: Layers = NO_LAYERS
    #: Of the current refresh token.
    generation: int
    current: bytes = field(repr=False)
    #: Of the one before, until the next rotation.
    previous: bytes | None = field(default=None, repr=False)
    #: Makes the current secret out of the previous one.
    salt: bytes | None = field(default=None, repr=False)
    rotated_at: float | None = None
    tag_key: bytes = field(repr=False)
    revoked_at: float | None = None
    reason: str | None = None
    #: A line for each of the last acts; see `acts`.
    journal: tuple[str, ...] = field(default=(), repr=False)
    extra: Mapping[str, Any] = field(default_factory=no_claims, repr=False)

    @property
    def expires_at(self) -> float:
        return min(self.idle_end, self.absolute_end)

    def is_live(self, now: float) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def noted(self, now: float, act: str, detail: object = "") -> State:
        """With one more line in the journal."""
        words = " ".join(str(detail).split())[:MAX_DETAIL]
        line = f"{now:.3f} {act} {words}"
        return replace(self, journal=(*self.journal, line)[-JOURNAL:])

    def acts(self) -> tuple[Act, ...]:
        """The journal, oldest first."""
        lines = (line.split(" ", 2) for line in self.journal)
        return tuple(Act(float(at), act, detail) for at, act, detail in lines)

    def revoked(self, now: float, reason: str) -> State:
        """Ended; what could make a token is gone."""
        ended = replace(self, revoked_at=now, reason=reason, salt=None, previous=None)
        return ended.noted(now, "revoke", reason)

    def entry(self, now: float, what: str) -> LogEntry:
        """What tells the other workers that this session has changed."""
        return log_entry(SESSION, self.session_id, what, now)

    def due_at(self) -> float:
        """When pruning has to look at it: to drop the salt, or the whole record."""
        if self.revoked_at is not None:
            return self.revoked_at + KEEP_ENDED
        gone = self.expires_at + KEEP_ENDED
        if self.salt is None or self.rotated_at is None:
            return gone
        return min(gone, self.rotated_at + MAX_GRACE)

    def put(self) -> Put:
        """What writes it, if nobody else has."""
        indexes = () if self.revoked_at is not None else ((BY_USER, self.user_id),)
        return Put(SESSION, self.session_id, self.version, encode(self), indexes, self.due_at())

    def session(self, organization: Organization | None = None) -> Session:
        """What the outside sees of it.

        Args:
            organization: what the user is in the active one, if more than its id is known.
        """
        known = organization or Organization(self.org_id)
        return Session(
            self.session_id,
            self.user_id,
            self.layers.effective,
            self.data,
            self.created_at,
            self.seen_at,
            self.expires_at,
            self.absolute_end,
            self.persistent,
            known.id,
            self.device,
            self.address,
            self.azp,
            known.slug,
            known.role,
            known.permissions,
            self.actor,
            self.first_at,
            self.second_at,
        )


def log_entry(subject: str, key: str, what: str, now: float) -> LogEntry:
    """An entry that matters for as long as a token can be older than it."""
    return LogEntry(subject, key, what, now, now + LOG_LIFETIME)


# --- the record ---------------------------------------------------------------------------

_PLAIN: Final = (
    "user_id", "created_at", "seen_at", "idle_end", "absolute_end", "persistent", "org_id",
    "device", "address", "azp", "data", "generation", "rotated_at", "revoked_at", "reason",
    "actor", "first_at", "second_at", "reverification_id",
)  # fmt: skip
_BYTES: Final = ("current", "previous", "salt", "tag_key")
_LAYERS: Final = ("template", "provided", "own")
_KNOWN: Final = frozenset({"format", "journal", *_PLAIN, *_BYTES, *_LAYERS})


def encode(state: State) -> bytes:
    """The data of a session's record."""
    members: dict[str, Any] = {**state.extra, "format": _FORMAT}
    members.update((name, getattr(state, name)) for name in _PLAIN)
    for name in _BYTES:
        raw = getattr(state, name)
        members[name] = None if raw is None else b64url(raw)
    members.update((name, getattr(state.layers, name)) for name in _LAYERS)
    members["journal"] = "\n".join(state.journal)  # one text is quicker to read than many
    kept = {name: value for name, value in members.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def decode(record: Record) -> State:
    """What a session's record says.

    Raises UnavailableError if it cannot be read: neither signed in nor signed out.
    """
    try:
        members = parse_object(record.data)
        if members["format"] != _FORMAT:
            raise ValueError("another format")
        known: dict[str, Any] = {name: members[name] for name in _PLAIN if name in members}
        for name in _BYTES:
            if name in members:
                known[name] = b64url_decode(members[name].encode("ascii"))
        return State(
            session_id=record.key,
            version=record.version,
            layers=Layers(*(members[name] for name in _LAYERS)),
            journal=tuple(members["journal"].split("\n")),
            extra=freeze({n: v for n, v in members.items() if n not in _KNOWN}),
            **known,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnavailableError(
            "A session's record cannot be read.", code="session-record-unreadable"
        ) from error
