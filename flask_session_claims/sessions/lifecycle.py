"""Every act on sessions, as flows; the owner of clock and randomness.

`SessionFlows` does nothing by itself: its flows ask, and whoever drives them has a store.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..core.errors import ConfigurationError
from ..core.flow import Flow
from . import claims as _claims
from . import rotation, sweeps, tokens
from .claims import NO_CLAIMS, NO_LAYERS, Claims
from .faults import ClaimsRefused
from .limits import ATTEMPTS, DATA_BYTES, MAX_LIFETIME, Limits, is_number
from .model import SESSION, Act, Session, State, decode, encode, log_entry
from .records import Commit, LoadRecord, Put, Record, storable
from .rotation import Refreshed, Verdict
from .steps import Step, busy, settle

MAX_ID: Final = 255
MAX_NOTE: Final = 512  # characters of device and address
_DECOY_JOURNAL: Final = 10


@dataclass(frozen=True, slots=True)
class Created:
    """A new session."""

    session: Session
    #: The text of its first refresh token.
    refresh_token: str = field(repr=False)
    #: Ids of the sessions that it replaced, or that had to make room.
    ended: tuple[str, ...] = ()
    #: Why the provided claims were left out.
    oversize: ClaimsRefused | None = None


class SessionFlows:
    """The acts on sessions; `clock` gives UTC seconds, `random` that many random bytes."""

    def __init__(
        self,
        limits: Limits,
        *,
        clock: Callable[[], float],
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._random = random
        self._decoy = self._make_decoy()

    # --- one session ----------------------------------------------------------------------

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
    ) -> Flow[Created]:
        """A new session of a user.

        Args:
            provided: the provided layer. If it does not fit, the session begins without it,
                and the result says so.
            lifetime: seconds until it ends in any case, instead of the usual.
            azp: the origin of the page that signs in, which later tokens name as well.
            replaces: id of the session that ends by this, whoever's it is; one that is
                unknown or has ended does not matter.

        Raises:
            ClaimsRefused: claims or data cannot be kept.
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
            data=_data(data),
            persistent=_flag(persistent),
            absolute_end=now + self._lifetime(lifetime),
            device=_note(device, "device"),
            address=_note(address, "address"),
            azp=azp,
        )
        state, oversize = rotation.provide(state, layer)
        for _ in range(ATTEMPTS):
            ended, puts = yield from self._make_room(state.user_id, replaces, now)
            log = tuple(other.entry(now, "revoked") for other in ended)
            puts += (state.put(), *(other.put() for other in ended))
            if (yield from Commit(puts, (), log)):
                ids = tuple(other.session_id for other in ended)
                return Created(state.session(), token, ids, oversize)
        raise busy()

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
        self, user_id: str, replaces: str | None, now: float
    ) -> Flow[tuple[list[State], tuple[Put, ...]]]:
        """The sessions that end for a new one, already ended; and what guards the count."""
        ended: list[State] = []
        if tokens.is_session_id(replaces):
            record = yield from LoadRecord(SESSION, str(replaces))
            state = decode(record) if record else None
            if state is not None and state.is_live(now):
                ended.append(state.revoked(now, "replaced"))
        most = self._limits.per_user
        if most is None:
            return ended, ()
        # Every new session writes this record, so two cannot both take the last place.
        guard = yield from LoadRecord(sweeps.USER, user_id)
        found = yield from sweeps.of_user(user_id, now)
        others = [state for state in found if state.session_id != replaces]
        others.sort(key=lambda state: (state.seen_at, state.session_id))
        ended += [state.revoked(now, "cap") for state in others[: max(0, len(others) + 1 - most)]]
        version = guard.version if guard else 0
        return ended, (Put(sweeps.USER, user_id, version, b"", (), now + MAX_LIFETIME),)

    def get(self, session_id: str) -> Flow[Session | None]:
        """A live session, or None."""
        state = yield from self._load(session_id)
        return state.session() if state is not None and state.is_live(self._clock()) else None

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
            yield from self._change(session_id, now, lambda state: _merged(state, accepted, now))
        )

    def set_data(self, session_id: str, data: Mapping[str, Any]) -> Flow[Session | None]:
        """Replace a session's server-only data; no token changes by it."""
        now, kept = self._clock(), _data(data)

        def change(state: State) -> State:
            return replace(state, data=kept).noted(now, "data")

        return (yield from self._change(session_id, now, change, announced=""))

    def revoke(self, session_id: str, *, reason: str = "revoked") -> Flow[bool]:
        """End a session; whether it was live."""
        now = self._clock()
        ended = yield from self._change(
            session_id, now, lambda state: state.revoked(now, reason), "revoked"
        )
        return ended is not None

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

        def decide(state: State | None) -> Step[Session | None]:
            if state is None or not state.is_live(now):
                return Step(None)
            new = change(state)
            if new is state:
                return Step(state.session())
            log = (new.entry(now, announced),) if announced else ()
            return Step(new.session(), new, log)

        return (yield from settle(session_id, decide))

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
            provided=layer,
            expected_session=expected_session,
        )

    def peek(self, refresh_token: str) -> Flow[Session | None]:
        """The session that a refresh would rotate; None if it would not. Changes nothing."""
        now, token = self._clock(), tokens.read(refresh_token)
        state = (yield from self._load(token.session_id)) if token else None
        if token is None or state is None:
            return None
        verdict = rotation.judge(state, token, now, self._limits.grace)
        return state.session() if verdict is Verdict.ROTATE else None

    # --- many sessions --------------------------------------------------------------------

    def list_for_user(self, user_id: str) -> Flow[tuple[Session, ...]]:
        """The live sessions of a user, the one used last first."""
        now = self._clock()
        found = yield from sweeps.of_user(check_id(user_id, "user_id"), now)
        found.sort(key=lambda state: (-state.seen_at, state.session_id))
        return tuple(state.session() for state in found)

    def merge_claims_for_user(self, user_id: str, patch: Mapping[str, Any]) -> Flow[int]:
        """Merge claims into every live session of a user; how many were changed by it.

        Nothing is changed if the claims would not fit one of them.
        """
        now, accepted = self._clock(), _claims.accept(patch)
        for state in (yield from sweeps.of_user(check_id(user_id, "user_id"), now)):
            _ = state.layers.merged(accepted)

        def change(state: State) -> State | None:
            new = _merged(state, accepted, now) if state.is_live(now) else state
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

    # --- arguments ------------------------------------------------------------------------

    def _lifetime(self, lifetime: float | None) -> float:
        if lifetime is None:
            return self._limits.absolute
        if not is_number(lifetime) or not 1 <= lifetime <= MAX_LIFETIME:
            raise ConfigurationError(
                f"lifetime got {lifetime!r}; give seconds, 1 to {MAX_LIFETIME}, or None."
            )
        return float(lifetime)

    def _make_decoy(self) -> Record:
        state, _ = self._begin(
            0.0, user_id="nobody", absolute_end=0.0, layers=NO_LAYERS, data=NO_CLAIMS
        )
        for _ in range(_DECOY_JOURNAL):
            state = state.noted(0.0, "refresh", 1)
        return Record(SESSION, state.session_id, 1, encode(state))


def _merged(state: State, patch: Claims, now: float) -> State:
    layers = state.layers.merged(patch)
    # As text, since to Python True equals 1.
    if _claims.encode(layers.own) == _claims.encode(state.layers.own):
        return state
    return replace(state, layers=layers).noted(now, "merge", len(patch))


def check_id(value: object, name: str) -> str:
    """`value` if it can be a user's or an organisation's id."""
    if not isinstance(value, str) or not storable(value) or len(value) > MAX_ID:
        raise ConfigurationError(
            f"{name} must be text of 1 to {MAX_ID} characters, not {_shown(value)}; convert your"
            " own ids with str()."
        )
    return value


def _shown(value: object) -> str:
    if isinstance(value, str):
        odd = " with some that cannot be stored" if value and not storable(value) else ""
        return f"text of {len(value)} characters{odd}"
    return f"of type {type(value).__name__}"


def _note(value: str | None, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"{name} must be text or None, not {_shown(value)}.")
    # A browser's own words, perhaps: kept as far as they can be.
    return value.encode("utf-8", "replace").decode("utf-8")[:MAX_NOTE]


def _flag(value: bool) -> bool:
    if type(value) is not bool:
        raise ConfigurationError(f"persistent must be True or False, not {_shown(value)}.")
    return value


def _data(given: Mapping[str, Any] | None) -> Claims:
    data = _claims.plain_object({} if given is None else given, "data")
    _claims.check_size(data, DATA_BYTES, "data")
    return data
