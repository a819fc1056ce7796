"""Refresh: what a presented token means, and the flow that acts on it.

`judge` is the whole state machine. The current token rotates. The one before it, within the
grace (counted from the rotation, never anew), gives the same successor once more. Any other
token that was truly issued is a sign of theft and ends the session. A token that was never
issued changes nothing, and neither does one from a future that the store does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from ..core.flow import Flow
from . import tokens
from .claims import Claims
from .composing import Compose
from .faults import ClaimsRefused, RefreshRefused
from .limits import Limits
from .model import Session, State, decode
from .records import Record
from .steps import Step, settle_by
from .tokens import RefreshToken


class Verdict(Enum):
    """What a refresh token is to its session."""

    #: The current one of a live session: the next generation is due.
    ROTATE = "rotate"
    #: The one before, within the grace: the same successor again.
    RETRY = "retry"
    #: Issued once, and used up: the session ends.
    REUSED = "reused"
    #: Of a generation that the record has not reached, or of another history of it.
    AHEAD = "ahead"
    #: Of a client that has given its tokens up, and was given others.
    REPLACED = "replaced"
    #: Never issued.
    INVALID = "invalid"
    REVOKED = "revoked"
    EXPIRED = "expired"


def within_grace(state: State, now: float, grace: float) -> bool:
    """Whether the last rotation is recent; a clock that went back counts as no time at all."""
    rotated_at = state.rotated_at
    return rotated_at is not None and max(0.0, now - rotated_at) <= grace


def judge(state: State, token: RefreshToken, now: float, grace: float) -> Verdict:
    """What `token` is to the session in `state`."""
    if not token.is_tagged_with(state.tag_key):
        return Verdict.INVALID
    if state.revoked_at is not None:
        return Verdict.REVOKED
    if now >= state.expires_at:
        return Verdict.EXPIRED
    behind = state.generation - token.generation
    if behind == 0 and tokens.is_of(token.secret, state.current):
        return Verdict.ROTATE
    if behind == 1 and tokens.is_of(token.secret, state.previous):
        if state.salt is not None and within_grace(state, now, grace):
            return Verdict.RETRY
        return Verdict.REUSED
    if behind == 1 and state.previous is None:
        return Verdict.REPLACED
    return Verdict.REUSED if behind > 1 else Verdict.AHEAD


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A refresh that succeeded."""

    session: Session
    #: The text of the refresh token from now on.
    refresh_token: str = field(repr=False)
    #: False: the same successor was given before, and nothing has changed.
    rotated: bool
    #: Why claims were left out, so that the last ones that fitted are in force.
    oversize: ClaimsRefused | None = None


def rotate(
    state: State, token: RefreshToken, now: float, limits: Limits, salt: bytes
) -> tuple[State, RefreshToken]:
    """The next generation of a session whose current token is presented, and its token."""
    secret = tokens.successor(token.secret, salt)
    generation = state.generation + 1
    rotated = replace(
        state,
        generation=generation,
        current=tokens.fingerprint(secret),
        previous=state.current,
        salt=salt,
        rotated_at=now,
        seen_at=now,
        idle_end=now + limits.idle,
    ).noted(now, "refresh", generation)
    return rotated, tokens.make(state.session_id, generation, secret, state.tag_key)


def same_successor(state: State, token: RefreshToken) -> RefreshToken:
    """The current token, from the previous one that is presented."""
    secret = tokens.successor(token.secret, state.salt or b"")
    return tokens.make(state.session_id, state.generation, secret, state.tag_key)


_REFUSALS: Final = {
    Verdict.REUSED: "refresh-token-reused",
    Verdict.AHEAD: "refresh-token-ahead",
    Verdict.REPLACED: "refresh-token-replaced",
    Verdict.INVALID: "refresh-token-invalid",
    Verdict.REVOKED: "session-revoked",
    Verdict.EXPIRED: "session-expired",
}
Outcome = Refreshed | RefreshRefused


def refresh(
    text: str,
    *,
    now: float,
    limits: Limits,
    random: Callable[[int], bytes],
    decoy: Record,
    compose: Compose,
    provided: Claims | None = None,
    expected_session: str | None = None,
) -> Flow[Refreshed]:
    """Exchange a refresh token for its successor; see `SessionFlows.refresh`."""
    token = tokens.read(text)
    if token is None:
        raise RefreshRefused("refresh-token-invalid")
    if expected_session is not None and expected_session != token.session_id:
        raise RefreshRefused("refresh-session-mismatch")

    def decide(state: State | None) -> Flow[Step[Outcome]]:
        if state is None:  # judged all the same, so that it takes the same time
            _ = judge(decode(decoy), token, now, limits.grace)
            return Step(RefreshRefused("session-unknown"))
        verdict = judge(state, token, now, limits.grace)
        if verdict in (Verdict.ROTATE, Verdict.RETRY):
            composed = yield from compose(state)
            if composed is None:
                ended = state.revoked(now, "actor-ended")
                entry = ended.entry(now, "revoked")
                return Step(_refusal(Verdict.REVOKED, state, token), ended, (entry,))
            if verdict is Verdict.RETRY:
                again = same_successor(state, token).text()
                return Step(Refreshed(composed.session(), again, False))
            rotated, successor = rotate(
                composed.state, token, now, limits, random(tokens.SALT_BYTES)
            )
            rotated, oversize = provide(rotated, provided)
            session = composed._replace(state=rotated).session()
            oversize = oversize or composed.refused
            return Step(Refreshed(session, successor.text(), True, oversize), rotated)
        refused = _refusal(verdict, state, token)
        if verdict is not Verdict.REUSED:
            return Step(refused)
        ended = state.noted(now, "reuse", token.generation).revoked(now, "reuse")
        return Step(refused, ended, (ended.entry(now, "revoked"),))

    outcome = yield from settle_by(token.session_id, decide)
    if isinstance(outcome, RefreshRefused):
        raise outcome
    return outcome


def provide(state: State, provided: Claims | None) -> tuple[State, ClaimsRefused | None]:
    """With another provided layer if it fits; else as it was, and why.

    Nobody is locked out by a profile field.
    """
    if provided is None:
        return state, None
    try:
        return replace(state, layers=state.layers.with_provided(provided)), None
    except ClaimsRefused as refused:
        return state.noted(state.seen_at, "oversize"), refused


def _refusal(verdict: Verdict, state: State, token: RefreshToken) -> RefreshRefused:
    if verdict is Verdict.INVALID:
        return RefreshRefused(_REFUSALS[verdict])
    return RefreshRefused(
        _REFUSALS[verdict],
        session_id=state.session_id,
        user_id=state.user_id,
        generation=token.generation,
        revoked=verdict is Verdict.REUSED,
    )
