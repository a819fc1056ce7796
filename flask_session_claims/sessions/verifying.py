"""The verifier's two seams, for tokens of our own: the keys, and how a session stands.

What the log tells of a token's session since it was minted is in force, as far as the log was
read: the session's record is loaded once, and then stands over the token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..core.asks import AwaitFlight
from ..core.errors import TokenError
from ..core.flow import Flow
from ..core.freshness import Claims, Standing
from ..core.jose import Key
from ..core.keyset import KeySet
from . import tokens
from .athand import OwnKeys
from .composing import Compose, as_recorded
from .feed import Feed
from .known import Known
from .looks import PATIENCE, late
from .model import SESSION, Session, decode
from .overlay import Held, Overlay, Say
from .records import LoadRecord

_NO_KEYS: Final = KeySet(())
#: Seconds between two looks for a key that is not there: what another process has just made is
#: found, and a flood of invented names costs the store next to nothing.
PAUSE: Final = 0.05


class OwnKeySource:
    """The app's own keys, as the verifier asks for keys."""

    def __init__(self, own: OwnKeys, feed: Feed, clock: Callable[[], float]) -> None:
        self._own, self._feed, self._clock = own, feed, clock
        self._last = _NO_KEYS
        self._looked_at = 0.0

    def trusts(self, key: Key, /) -> bool:
        keys = self._own.at_hand()
        return keys is not None and keys.holds(key)

    def holds(self, key: Key, /) -> bool:
        return self._last.holds(key)

    def known(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        keys = self._own.at_hand()
        return () if keys is None else keys.candidates(kid, algorithm)

    def is_vain(self, kid: str | None, algorithm: str) -> bool:
        return self._own.at_hand() is not None and not self._may_look()

    def attend(self) -> Flow[None]:
        _ = yield from self._feed.catch_up()  # it may tell of a key that was removed
        self._last = yield from self._own.keys()

    def find(self, kid: str | None, algorithm: str) -> Flow[Sequence[Key]]:
        keys = yield from self._own.keys()
        if not keys.candidates(kid, algorithm) and self._may_look():
            self._looked_at = self._clock()
            self._own.look_again()
            keys = yield from self._own.keys()
        self._last = keys
        return keys.candidates(kid, algorithm)

    def _may_look(self) -> bool:
        return not 0 <= self._clock() - self._looked_at < PAUSE


class OwnFreshness:
    """How the session of a token stands, by the log and by what was loaded since.

    Args:
        say: what a token minted at that moment would say beside the custom claims.
        compose: gives a session as it is now.
    """

    def __init__(
        self,
        feed: Feed,
        clock: Callable[[], float],
        *,
        say: Say,
        compose: Compose = as_recorded,
    ) -> None:
        self._feed, self._clock = feed, clock
        self._compose, self._say = compose, say
        self._overlay = Overlay()

    def check(self, claims: Claims) -> Standing:
        known = self._feed.known
        if not self._feed.serves():
            return Standing.UNKNOWN
        found = self._find(claims, known)
        if not isinstance(found, Held):
            return found
        if not found.is_of(claims, self._clock()):
            return Standing.REVOKED
        in_force = found.in_force(claims, self._clock())
        return Standing.FRESH if in_force is claims else Standing.STALE

    def _find(self, claims: Claims, known: Known) -> Standing | Held:
        """That a token is fresh; or what was loaded of its session since; or that it is unknown."""
        rev, session_id = claims.get("rev"), claims.get("sid")
        if type(rev) is not int or type(session_id) is not str:
            return Standing.UNKNOWN
        if self._feed.doubts(claims, rev):
            return Standing.UNKNOWN
        if rev >= known.newest:
            return Standing.FRESH
        latest = known.latest(claims, self._clock())
        if latest <= rev:
            return Standing.FRESH
        return self._held(session_id, known, latest) or Standing.UNKNOWN

    def _held(self, session_id: str, known: Known, latest: int) -> Held | None:
        """What was loaded under this log, if nothing is newer; what another told is worth nothing.

        `latest`: the newest entry that concerns the token.
        """
        held = self._overlay.find(session_id)
        if held is None or held.known is not known:
            return None
        return held if held.position >= max(latest, held.latest()) else None

    def settle(self, claims: Claims) -> Flow[Claims]:
        """The claims in force: the very same object if the token says them.

        Raises:
            TokenError: `session-revoked`: the session has ended, or there is none.
            UnavailableError: neither the log nor the session can be had.
        """
        if not (yield from self._feed.catch_up()):
            return (yield from self.confirm(claims))
        found = self._find(claims, self._feed.known)
        session_id = claims.get("sid")
        if found is Standing.UNKNOWN and isinstance(session_id, str):
            look, is_mine = self._overlay.begin(session_id)
            if is_mine:
                try:
                    return (yield from self.confirm(claims))
                finally:
                    self._overlay.end(session_id, look)
            yield from AwaitFlight(look, PATIENCE)
            if not look.done():
                raise late()
            found = self._find(claims, self._feed.known)
        if found is Standing.FRESH:
            return claims
        if isinstance(found, Held):
            return self._said_by(found, claims)
        return (yield from self.confirm(claims))

    def _said_by(self, held: Held, claims: Claims) -> Claims:
        if not held.is_of(claims, self._clock()):
            raise TokenError("session-revoked")
        return held.in_force(claims, self._clock())

    def confirm(self, claims: Claims) -> Flow[Claims]:
        """The same, from the session's record."""
        session_id = claims.get("sid")
        if not isinstance(session_id, str) or not tokens.is_session_id(session_id):
            raise TokenError("session-revoked")
        now, known = self._clock(), self._feed.known
        position = known.position  # before the record is read
        record = yield from LoadRecord(SESSION, session_id)
        state = decode(record) if record is not None else None
        session: Session | None = None
        if state is not None and state.is_live(now):
            composed = yield from self._compose(state)
            session = None if composed is None else composed.session()
        held = Held(known, position, session, self._overlay.find(session_id), say=self._say)
        self._overlay.keep(session_id, held)
        return self._said_by(held, claims)

    # --- for who has a token's claims already ---------------------------------------------

    def live(self, claims: Claims) -> Flow[Claims]:
        """The claims in force by the record of this moment, whatever the log has told so far.

        Raises:
            TokenError, UnavailableError: as with `settle`.
        """
        was_fresh = self._find(claims, self._feed.known) is Standing.FRESH
        try:
            in_force = yield from self.confirm(claims)
        except TokenError:
            if was_fresh:
                self._feed.look_again()  # what one request has met, the next must not miss
            raise
        if was_fresh and in_force is not claims:
            self._feed.look_again()
        return in_force

    def outdated(self, claims: Mapping[str, Any]) -> Held | None:
        """What is in force by now in place of a token's claims, as far as it was loaded."""
        said, known = claims.get("rev"), self._feed.known
        rev = said if type(said) is int else -1
        if rev >= known.newest:
            return None
        latest = known.latest(claims, self._clock())
        held = self._held(claims["sid"], known, latest)
        return held if held is not None and held.session is not None and latest > rev else None

    def take_changed(self, session_id: str) -> frozenset[str] | None:
        """Names of the claims that a load has shown to have changed, once."""
        held = self._overlay.find(session_id)
        if held is None or held.changed is None:
            return None
        changed, held.changed = held.changed, None
        return changed

    def is_current(self, claims: Claims) -> Flow[bool]:
        """Whether the session lives, and its claims are these.

        Raises:
            UnavailableError: neither the log nor the session can be had.
        """
        ends = claims.get("exp")
        if not isinstance(ends, (int, float)) or type(claims.get("sid")) is not str:
            return False
        try:
            if ends > self._clock():
                in_force = yield from self.settle(claims)
            else:
                in_force = yield from self._outlived(claims)
        except TokenError:
            return False
        return in_force is claims

    def _outlived(self, claims: Claims) -> Flow[Claims]:
        """Of a token that has ended the log may say nothing any more; what was loaded may."""
        caught_up = yield from self._feed.catch_up()
        known = self._feed.known
        held = self._held(claims["sid"], known, known.latest(claims, self._clock()))
        if caught_up and held is not None and held.position >= known.oldest - 1:
            if held.is_of(claims, self._clock()):
                return held.in_force(claims, self._clock())
        return (yield from self.confirm(claims))
