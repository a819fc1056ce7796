"""The acts on one session: reading, changing, ending it; the owner of clock and randomness."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..core.flow import Flow
from ..core.jsontext import FrozenDict
from . import claims as _claims
from . import tokens
from .arguments import check_id, data_of, is_id
from .claims import Claims
from .composing import Compose, as_recorded
from .faults import ActorRefused, NotAMember
from .limits import Limits
from .model import SESSION, Act, Session, State, decode
from .records import LoadRecord
from .steps import Step, settle, settle_by


class SessionChanges:
    """The acts on one session; `clock` gives UTC seconds, `random` that many random bytes.

    Args:
        compose: gives a session as it is now, where there are templates or organisations.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        clock: Callable[[], float],
        random: Callable[[int], bytes] = secrets.token_bytes,
        compose: Compose = as_recorded,
    ) -> None:
        self._limits, self._clock, self._random = limits, clock, random
        #: A session as it is now.
        self.compose: Compose = compose

    def get(self, session_id: str) -> Flow[Session | None]:
        """A live session, or None."""
        state = yield from self.state(session_id)
        composed = None if state is None else (yield from self.compose(state))
        return None if composed is None else composed.session()

    def state(self, session_id: str) -> Flow[State | None]:
        """What the record of a live session says, or None."""
        state = yield from self._load(session_id)
        return state if state is not None and state.is_live(self._clock()) else None

    def journal(self, session_id: str) -> Flow[tuple[Act, ...] | None]:
        """The last acts on a session, oldest first, also for a day after its end."""
        state = yield from self._load(session_id)
        return state.acts() if state is not None else None

    def _load(self, session_id: str) -> Flow[State | None]:
        if not tokens.is_session_id(session_id):
            return None
        record = yield from LoadRecord(SESSION, session_id)
        return decode(record) if record else None

    def merge_claims(self, session_id: str, patch: Mapping[str, Any]) -> Flow[Session | None]:
        """Merge claims into a session's own, one level deep; None removes a name.

        Gives the session as it is then, or None if there is no live one.
        """
        now, accepted = self._clock(), _claims.accept(patch)
        return (
            yield from self._change(session_id, now, lambda state: merged(state, accepted, now))
        )

    def provide(self, session_id: str, patch: Mapping[str, Any]) -> Flow[Session | None]:
        """The same for the provided claims.

        Raises:
            ClaimsRefused: they do not fit.
        """
        now, accepted = self._clock(), _claims.accept(patch, "provided claims")

        def change(state: State) -> State:
            layer = FrozenDict({**state.layers.provided, **accepted})
            # One that was merged before would hide it for ever.
            own = {n: value for n, value in state.layers.own.items() if n not in accepted}
            layers = replace(state.layers, own=FrozenDict(own)).with_provided(layer)
            return replace(state, layers=layers).noted(now, "provide", len(accepted))

        return (yield from self._change(session_id, now, change))

    def switch(self, session_id: str, org_id: str | None) -> Flow[Session | None]:
        """Make another organisation the active one; None: none. None if there is no session.

        Raises:
            NotAMember: the user is not in it.
        """
        now = self._clock()
        if isinstance(org_id, str) and not is_id(org_id):  # a form's field, perhaps
            raise NotAMember
        wanted = None if org_id is None else check_id(org_id, "org_id")

        def decide(state: State | None) -> Flow[Step[Session | None]]:
            if state is None or not state.is_live(now):
                return Step(None)
            before = state.org_id
            composed = yield from self.compose(replace(state, org_id=wanted))
            if composed is None:
                return Step(None)
            if composed.state.org_id != wanted:
                raise NotAMember
            if wanted == before:
                return Step(composed.session())
            new = composed.state.noted(now, "organization", wanted or "")
            session = composed._replace(state=new).session()
            return Step(session, new, (new.entry(now, "organization"),))

        if not tokens.is_session_id(session_id):
            return None
        return (yield from settle_by(session_id, decide))

    def verify(self, session_id: str, *, first: bool, second: bool) -> Flow[Session | None]:
        """Note that the user has just verified factors; None if there is no live session.

        Raises:
            SessionError: `actor-refused`: somebody acts for the user.
        """
        now, made = self._clock(), f"rvf_{tokens.b64url(self._random(tokens.ID_BYTES))}"

        def change(state: State) -> State:
            if state.actor is not None:
                raise ActorRefused
            named = " ".join(n for n, is_it in (("first", first), ("second", second)) if is_it)
            return replace(
                state,
                first_at=now if first else state.first_at,
                second_at=now if second else state.second_at,
                reverification_id=made,
            ).noted(now, "verify", named)

        return (yield from self._change(session_id, now, change, "verified"))

    def reissue(self, session_id: str) -> Flow[tuple[Session, str] | None]:
        """A session with a refresh token that takes the place of the one before.

        Not even the one before is good any more: its client has given it away, and is given this.
        """
        now = self._clock()
        if not tokens.is_session_id(session_id):
            return None

        def decide(state: State | None) -> Flow[Step[tuple[Session, str] | None]]:
            if state is None or not state.is_live(now):
                return Step(None)
            composed = yield from self.compose(state)
            if composed is None:
                return Step(None)
            secret = self._random(tokens.SECRET_BYTES)
            generation = state.generation + 1
            new = replace(
                composed.state,
                generation=generation,
                current=tokens.fingerprint(secret),
                previous=None,
                salt=None,
                rotated_at=now,
                seen_at=now,
                idle_end=now + self._limits.idle,
            ).noted(now, "reissue", generation)
            token = tokens.make(state.session_id, generation, secret, state.tag_key)
            session = composed._replace(state=new).session()
            return Step((session, token.text()), new)

        return (yield from settle_by(session_id, decide))

    def set_data(self, session_id: str, data: Mapping[str, Any]) -> Flow[Session | None]:
        """Replace a session's server-only data; no token changes by it."""
        now, kept = self._clock(), data_of(data)

        def change(state: State) -> State:
            return replace(state, data=kept).noted(now, "data")

        return (yield from self._change(session_id, now, change, announced=""))

    def revoke(self, session_id: str, *, reason: str = "revoked") -> Flow[bool]:
        """End a session; whether it was live."""
        now = self._clock()
        if not tokens.is_session_id(session_id):
            return False

        def decide(state: State | None) -> Step[bool]:
            if state is None or not state.is_live(now):
                return Step(False)
            ended = state.revoked(now, reason)
            return Step(True, ended, (ended.entry(now, "revoked"),))

        return (yield from settle(session_id, decide))

    def _change(
        self,
        session_id: str,
        now: float,
        change: Callable[[State], State],
        announced: str = "claims",
    ) -> Flow[Session | None]:
        """A live session after a change, which is announced in the log unless that is ""."""
        if not tokens.is_session_id(session_id):
            return None

        def decide(state: State | None) -> Flow[Step[Session | None]]:
            composed = None
            if state is not None and state.is_live(now):
                composed = yield from self.compose(state)
            if composed is None:
                return Step(None)
            new = change(composed.state)
            if new is composed.state:
                return Step(composed.session())
            log = (new.entry(now, announced),) if announced else ()
            return Step(composed._replace(state=new).session(), new, log)

        return (yield from settle_by(session_id, decide))


def merged(state: State, patch: Claims, now: float) -> State:
    layers = state.layers.merged(patch)
    # As text, since to Python True equals 1.
    if _claims.encode(layers.own) == _claims.encode(state.layers.own):
        return state
    return replace(state, layers=layers).noted(now, "merge", len(patch))
