"""Own sessions, and what was done to one. No secret is told, and no server-only data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ...sessions.model import Act, Session
from .inspection import json_bytes

#: Why a session ended -> the same in words; others stand for themselves.
_ENDS: Final = {
    "revoked": "revoked",
    "replaced": "another sign-in took its place",
    "cap": "made room: the user had too many sessions",
    "reuse": "its refresh token was used a second time",
    "sign-out": "signed out",
    "request-failed": "the request that signed in failed",
    "actor-ended": "the session of who acted for the user has ended",
    "impersonation-over": "who acted for the user has stopped",
    "oversize": "its claims did not fit a token",
    "expired": "not used for too long, or at the end of its life-time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReport:
    """One live session. Times are UTC seconds."""

    session_id: str
    user_id: str
    created_at: float
    last_seen_at: float
    expires_at: float
    absolute_end: float
    persistent: bool
    org_id: str | None
    device: str | None
    address: str | None
    #: The id of who acts for the user; None: the user.
    actor: str | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FullReport:
    """A live session with its claims, and the names and sizes of its server-only data."""

    session: SessionReport
    claims: Mapping[str, Any]
    #: Name -> bytes as JSON.
    data: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        return {**self.session.as_json(), "claims": dict(self.claims), "data": dict(self.data)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What was done to a session, oldest first, and the session if it is live."""

    session_id: str
    session: FullReport | None
    acts: tuple[Act, ...]
    now: float

    @property
    def ended(self) -> str | None:
        """Why it has ended, as the journal has it; "expired": by itself; None: it is live."""
        if self.session is not None:
            return None
        reasons = (act.detail for act in reversed(self.acts) if act.act == "revoke")
        return next(reasons, "expired")

    def as_json(self) -> dict[str, Any]:
        return {
            "session_id": self.session_id,
            "live": self.session is not None,
            "ended": self.ended,
            "session": None if self.session is None else self.session.as_json(),
            "acts": [act._asdict() for act in self.acts],
        }


def session_report(session: Session) -> SessionReport:
    return SessionReport(
        session_id=session.session_id,
        user_id=session.user_id,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        expires_at=session.expires_at,
        absolute_end=session.absolute_end,
        persistent=session.persistent,
        org_id=session.org_id,
        device=session.device,
        address=session.address,
        actor=None if session.actor is None else session.actor.get("sub"),
    )


def full_report(session: Session) -> FullReport:
    data = {name: json_bytes(value) for name, value in session.data.items()}
    return FullReport(session=session_report(session), claims=session.claims, data=data)


def explanation(
    session_id: str, session: Session | None, acts: Sequence[Act], now: float
) -> Explanation:
    live = None if session is None else full_report(session)
    return Explanation(session_id=session_id, session=live, acts=tuple(acts), now=now)


def end_in_words(reason: str) -> str:
    return _ENDS.get(reason, reason)


def act_in_words(act: Act) -> str:
    """One line of the journal, for people."""
    detail = act.detail
    texts = {
        "create": "signed in",
        "refresh": f"refreshed: generation {detail}",
        "reuse": f"the refresh token of generation {detail} was used a second time",
        "merge": "claims merged: 1 name" if detail == "1" else f"claims merged: {detail} names",
        "data": "server-only data replaced",
        "oversize": "the provided claims did not fit and were left out",
        "provide": "claims provided: 1 name"
        if detail == "1"
        else f"claims provided: {detail} names",
        "organization": f"switched to {detail or 'no organization'}",
        "verify": f"verified anew: {detail}",
        "impersonate": f"made for who acts for the user: {detail}",
        "reissue": f"given back to who acted for another: generation {detail}",
        "revoke": f"ended: {end_in_words(detail)}",
    }
    return texts.get(act.act, f"{act.act} {detail}".rstrip())
