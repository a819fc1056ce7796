"""The verifier's two seams, for tokens of our own: the keys, and how a session stands.

Every own token is checked against its session's record: what was revoked or changed is in force
with the next request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ..core.claims import PROTECTED_NAMES
from ..core.errors import TokenError
from ..core.flow import Flow
from ..core.freshness import Claims, Standing
from ..core.jose import Key
from ..core.jsontext import FrozenDict
from ..core.keyset import KeySet
from . import claims as _claims
from . import tokens
from .athand import OwnKeys
from .model import SESSION, decode
from .records import LoadRecord

_NO_KEYS: Final = KeySet(())
#: Seconds between two looks for a key that is not there: what another process has just made is
#: found, and a flood of invented names costs the store next to nothing.
PAUSE: Final = 0.05
#: Sessions whose record is remembered; about 2 KB each.
AGREED: Final = 2_000


class OwnKeySource:
    """The app's own keys, as the verifier asks for keys."""

    def __init__(self, own: OwnKeys, clock: Callable[[], float]) -> None:
        self._own, self._clock = own, clock
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
    """One load per request tells how the session of a token stands."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        #: Of sessions seen lately: a token's claims that its record agreed with, and until when.
        self._agreed: dict[str, tuple[bytes, Claims, float]] = {}

    def check(self, claims: Claims) -> Standing:
        return Standing.UNKNOWN

    def settle(self, claims: Claims) -> Flow[Claims]:
        """The claims in force: the very same object if the token says them.

        Raises:
            TokenError: `session-revoked`: the session has ended, or there is none.
            UnavailableError: the store cannot be had.
        """
        session_id = claims.get("sid")
        if not isinstance(session_id, str) or not tokens.is_session_id(session_id):
            raise TokenError("session-revoked")
        record = yield from LoadRecord(SESSION, session_id)
        agreed = self._agreed.get(session_id)
        if record is not None and agreed is not None and claims is agreed[1]:
            if record.data == agreed[0] and self._clock() < agreed[2]:
                return claims  # the very same, so it need not be read again
        state = decode(record) if record is not None else None
        if (
            record is None
            or state is None
            or state.user_id != claims["sub"]
            or not state.is_live(self._clock())
        ):
            raise TokenError("session-revoked")
        custom = {n: value for n, value in claims.items() if n not in PROTECTED_NAMES}
        in_force = state.layers.effective
        # As text, since to Python True equals 1.
        if _claims.encode(custom) == _claims.encode(in_force):
            if len(self._agreed) >= AGREED:
                self._agreed.clear()
            self._agreed[session_id] = record.data, claims, state.expires_at
            return claims
        issuers = {n: value for n, value in claims.items() if n in PROTECTED_NAMES}
        allowed = {n: value for n, value in in_force.items() if n not in PROTECTED_NAMES}
        return FrozenDict({**issuers, **allowed})
