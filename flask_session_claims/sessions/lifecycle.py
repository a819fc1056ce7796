"""The acts that begin, renew and look for sessions, and those on many, as flows.

`SessionFlows` does nothing by itself: its flows ask, and whoever drives them has a store.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.errors import SessionError
from ..core.flow import Flow
from ..core.jsontext import FrozenDict
from . import claims as _claims
from . import rotation, sweeps, tokens
from .arguments import check_id, data_of, flag, lifetime_of, note
from .changes import SessionChanges, merged
from .claims import NO_CLAIMS, NO_LAYERS
from .composing import Compose, Composed, as_recorded
from .faults import ClaimsRefused, NotAMember
from .limits import ATTEMPTS, MAX_LIFETIME, Limits
from .model import SESSION, Session, State, decode, encode, log_entry
from .records import Commit, LoadRecord, Put, Record
from .rotation import Refreshed, Verdict
from .steps import busy

_DECOY_JOURNAL: Final = 10


@dataclass(frozen=True, slots=True)
class Created:
    """A new session."""

    session: Session
    #: The text of its first refresh token.
    refresh_token: str = field(repr=False)
    #: Ids of the sessions that it replaced, or that had to make room.
    ended: tuple[str, ...] = ()
    #: Why the template's or the provided claims were left out.
    oversize: ClaimsRefused | None = None


class SessionFlows(SessionChanges):
    """All acts on sessions."""

    def __init__(
        self,
        limits: Limits,
        *,
        clock: Callable[[], float],
        random: Callable[[int], bytes] = secrets.token_bytes,
        compose: Compose = as_recorded,
    ) -> None:
        super().__init__(limits, clock=clock, random=random, compose=compose)
        self._decoy = self._make_decoy()

    def create(
        self,
        user_id: str,
        *,
        claims: Mapping[str, Any] | None = None,
        provided: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        org_id: str | None = None,
        persistent: bool = True,
        lifetime: float | None = None,
        device: str | None = None,
        address: str | None = None,
        azp: str | None = None,
        replaces: str | None = None,
        actor: Mapping[str, str] | None = None,
        reason: str = "",
    ) -> Flow[Created]:
        """A new session of a user, whose first factor counts as verified now.

        Args:
            provided: the provided layer. If it does not fit, the session begins without it,
                and the result says so.
            lifetime: seconds until it ends in any case, instead of the usual.
            azp: the origin of the page that signs in, which later tokens name as well.
            replaces: id of the session that ends by this, whoever's it is; one that is
                unknown or has ended does not matter.
            actor: `sub` and `sid` of who acts for the user, for as long as that session lives;
                then no factor counts as verified, and no other session has to make room.
            reason: why they do, for the journal.

        Raises:
            ClaimsRefused: claims or data cannot be kept.
            NotAMember: the user is not in the organisation.
            ConfigurationError: an argument is of the wrong kind.
        """
        now = self._clock()
        layer = None if provided is None else _claims.accept(provided, "provided claims")
        layers = NO_LAYERS.merged(_claims.accept({} if claims is None else claims))
        state, token = self._begin(
            now,
            user_id=check_id(user_id, "user_id"),
            org_id=None if org_id is None else check_id(org_id, "org_id"),
            layers=layers,
            data=data_of(data),
            persistent=flag(persistent),
            absolute_end=now + lifetime_of(lifetime, self._limits.absolute),
            device=note(device, "device"),
            address=note(address, "address"),
            azp=azp,
            actor=None if actor is None else FrozenDict(actor),
            first_at=now if actor is None else None,
        )
        if actor is not None:
            state = state.noted(now, "impersonate", reason)
        composed = yield from self._composed(state)
        state, oversize = rotation.provide(composed.state, layer)
        oversize = oversize or composed.refused
        for _ in range(ATTEMPTS):
            ended, puts = yield from self._make_room(state, replaces, now)
            log = tuple(other.entry(now, "revoked") for other in ended)
            puts += (state.put(), *(other.put() for other in ended))
            if (yield from Commit(puts, (), log)):
                ids = tuple(other.session_id for other in ended)
                session = composed._replace(state=state).session()
                return Created(session, token, ids, oversize)
        raise busy()

    def _composed(self, state: State) -> Flow[Composed]:
        """A new state, composed; the organisation that it names must be one of its user's."""
        composed = yield from self.compose(state)
        if composed is None:
            raise SessionError("The session of who acts has ended.", code="session-revoked")
        if composed.state.org_id != state.org_id:
            raise NotAMember
        return composed

    def _begin(self, now: float, **members: Any) -> tuple[State, str]:
        secret, key = self._random(tokens.SECRET_BYTES), self._random(tokens.SECRET_BYTES)
        state = State(
            session_id=tokens.session_id(self._random(tokens.ID_BYTES)),
            created_at=now,
            seen_at=now,
            idle_end=now + self._limits.idle,
            generation=1,
            current=tokens.fingerprint(secret),
            tag_key=key,
            **members,
        )
        first = tokens.make(state.session_id, 1, secret, key)
        return state.noted(now, "create"), first.text()

    def _make_room(
        self, new: State, replaces: str | None, now: float
    ) -> Flow[tuple[list[State], tuple[Put, ...]]]:
        """The sessions that end for a new one, already ended; and what guards the count."""
        ended: list[State] = []
        if tokens.is_session_id(replaces):
            record = yield from LoadRecord(SESSION, str(replaces))
            state = decode(record) if record else None
            if state is not None and state.is_live(now):
                ended.append(state.revoked(now, "replaced"))
        most, user_id = self._limits.per_user, new.user_id
        if most is None or new.actor is not None:
            return ended, ()
        # Every new session writes this record, so two cannot both take the last place.
        guard = yield from LoadRecord(sweeps.USER, user_id)
        found = yield from sweeps.of_user(user_id, now)
        others = [s for s in found if s.session_id != replaces and s.actor is None]
        others.sort(key=lambda state: (state.seen_at, state.session_id))
        ended += [state.revoked(now, "cap") for state in others[: max(0, len(others) + 1 - most)]]
        version = guard.version if guard else 0
        return ended, (Put(sweeps.USER, user_id, version, b"", (), now + MAX_LIFETIME),)

    # --- refresh --------------------------------------------------------------------------

    def refresh(
        self,
        refresh_token: str,
        *,
        provided: Mapping[str, Any] | None = None,
        expected_session: str | None = None,
    ) -> Flow[Refreshed]:
        """Exchange a refresh token for its successor.

        Args:
            provided: the provided layer from now on; None leaves it as it is. One that does
                not fit is left out, and the result says so.
            expected_session: id of the session that the request's session token names.

        Raises:
            RefreshRefused: the token is not, or no longer, good; `revoked` says whether its
                session was ended by this.
            ClaimsRefused: the provided claims can never be set.
        """
        layer = None if provided is None else _claims.accept(provided, "provided claims")
        return rotation.refresh(
            refresh_token,
            now=self._clock(),
            limits=self._limits,
            random=self._random,
            decoy=self._decoy,
            compose=self.compose,
            provided=layer,
            expected_session=expected_session,
        )

    def peek(self, refresh_token: str) -> Flow[State | None]:
        """What a refresh would rotate, as recorded; None if it would not. Changes nothing."""
        now, token = self._clock(), tokens.read(refresh_token)
        state = (yield from self._load(token.session_id)) if token else None
        if token is None or state is None:
            return None
        verdict = rotation.judge(state, token, now, self._limits.grace)
        return state if verdict is Verdict.ROTATE else None

    # --- many sessions --------------------------------------------------------------------

    def list_for_user(self, user_id: str) -> Flow[tuple[Session, ...]]:
        """The live sessions of a user, the one used last first."""
        now = self._clock()
        found = yield from sweeps.of_user(check_id(user_id, "user_id"), now)
        found.sort(key=lambda state: (-state.seen_at, state.session_id))
        sessions: list[Session] = []
        for state in found:
            composed = yield from self.compose(state)
            if composed is not None:
                sessions.append(composed.session())
        return tuple(sessions)

    def merge_claims_for_user(self, user_id: str, patch: Mapping[str, Any]) -> Flow[int]:
        """Merge claims into every live session of a user; how many were changed by it.

        Nothing is changed if the claims would not fit one of them.
        """
        now, accepted = self._clock(), _claims.accept(patch)
        for state in (yield from sweeps.of_user(check_id(user_id, "user_id"), now)):
            _ = state.layers.merged(accepted)

        def change(state: State) -> State | None:
            new = merged(state, accepted, now) if state.is_live(now) else state
            return None if new is state else new

        entry = log_entry("user", user_id, "claims", now)
        return len((yield from sweeps.change_all(user_id, change, entry)))

    def revoke_all(
        self, user_id: str, *, keep: str | None = None, reason: str = "revoked"
    ) -> Flow[tuple[str, ...]]:
        """End all sessions of a user but `keep`; the ids of those that were live."""
        now = self._clock()

        def change(state: State) -> State | None:
            if not state.is_live(now) or state.session_id == keep:
                return None
            return state.revoked(now, reason)

        entry = log_entry("user", check_id(user_id, "user_id"), "revoked", now)
        return (yield from sweeps.change_all(user_id, change, entry))

    def prune(self) -> Flow[int]:
        """Forget what has been over for a day; the number of records deleted."""
        return sweeps.prune(self._clock())

    # --- parts ----------------------------------------------------------------------------

    def _make_decoy(self) -> Record:
        state, _ = self._begin(
            0.0, user_id="nobody", absolute_end=0.0, layers=NO_LAYERS, data=NO_CLAIMS
        )
        for _ in range(_DECOY_JOURNAL):
            state = state.noted(0.0, "refresh", 1)
        return Record(SESSION, state.session_id, 1, encode(state))
