"""The change feed of one process: the log, looked at again before what is known is too old.

No thread is needed: whoever finds the last look older than the interval looks again, and nobody
else meanwhile. A request waits for that only if what is known is too old to go by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from ..core.asks import AwaitFlight
from ..core.errors import UnavailableError
from ..core.flow import Flow
from ..core.freshness import Claims
from ..core.locks import ForkSafeLock
from .known import AT_HAND, Known
from .limits import LOG_LIFETIME
from .looks import PATIENCE, Look, late
from .records import LOG_PAGE, LogPage, ReadLog

#: Beyond every position there is, so that only the newest is told.
_END: Final = 2**62
#: Seconds after which a request that has waited in vain does not ask the store once more.
_LONG: Final = 1.0
#: Seconds by which the clocks of two machines may differ.
_SKEW: Final = 5.0


class Feed:
    """The log as one process knows it; any thread may use it.

    Args:
        clock: UTC seconds.
        monotonic: seconds that only grow. What is known is as old as the clock says that says
            more: while a process is suspended either may stand still.
        interval: seconds after which somebody looks again.
        max_age: seconds after which what is known no longer counts.
        keys_changed: told when the log tells of keys.
        templates_changed: told when it tells of the session token's template.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        interval: float,
        max_age: float,
        keys_changed: Callable[[], None],
        templates_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._interval, self._max_age = interval, max_age
        self._changed = {"keys": keys_changed, "template": templates_changed}
        self._lock = ForkSafeLock()
        self._look: Look | None = None
        self._failed_at = -math.inf
        #: Looks that were begun; and the last one of them that has told all there was.
        self._begun = self._through = 0
        #: Times that this process has changed something itself.
        self._told = 0
        #: What the log says, as far as it was read; another object once that has turned out wrong.
        self.known: Known = Known()
        #: Whose log, and up to where it was read, where only tokens are made.
        self._end: tuple[str | None, int] = None, _END
        #: Tokens with a higher `rev` that were minted until then are not to be believed.
        self._doubt: tuple[int, float] | None = None
        self._learned(-math.inf, -math.inf)

    def _learned(self, wall: float, steady: float) -> None:
        """All is known as of that moment."""
        self._known_wall, self._known_steady = wall, steady
        self._due, self._due_wall = steady + self._interval, wall + self._interval
        self._over, self._over_wall = steady + self._max_age, wall + self._max_age

    # --- without asking -------------------------------------------------------------------

    def serves(self) -> bool:
        """Whether what is known may be used as it is, and it is nobody's turn to look.

        To be asked after `known` was taken: what is replaced later was right until now.
        """
        steady, wall = self._monotonic(), self._clock()
        if steady < self._due and self._known_wall <= wall < self._due_wall:
            return True
        look = self._look
        if look is None or look.done():
            return False
        return steady < self._over and self._known_wall <= wall < self._over_wall

    def due_in(self) -> float:
        """Seconds until it is time to look again; not above 0 if it is."""
        return self._due - self._monotonic()

    def doubts(self, claims: Claims, rev: int) -> bool:
        """Whether a token claims to know what cannot be known: then the store was set back.

        One that another process has minted since we last looked is not meant.
        """
        doubt, issued = self._doubt, claims.get("iat", 0)
        if doubt is not None and rev > doubt[0] and issued <= doubt[1]:
            return True
        return bool(rev > self.known.position and issued < self._known_wall - _SKEW)

    def look_again(self) -> None:
        """This process has added to the log: what it knows is too old from now on."""
        with self._lock:
            self._told += 1
            self._learned(-math.inf, -math.inf)

    # --- flows ----------------------------------------------------------------------------

    def catch_up(self) -> Flow[bool]:
        """Look at the log if it is time; whether what is known then may be used.

        It may if it is young enough, or of a moment after this was called.

        Raises:
            UnavailableError: `store-timeout`: it took too long, and was in vain.
        """
        arrived, begun = self._monotonic(), self._begun
        for _ in range(2):
            if self.serves() or self._through > begun:
                return True
            look, is_mine = self._begin(arrived)
            if look is None:
                break
            if is_mine:
                yield from self._take(look)
                continue
            yield from AwaitFlight(look, PATIENCE)
            if not look.done():
                break
        steady, wall = self._monotonic(), self._clock()
        if self._through > begun:
            return True
        if steady < self._over and self._known_wall <= wall < self._over_wall:
            return True
        if steady - arrived > _LONG and (self._through or self._failed_at >= arrived):
            # A store that hangs would take as long once more for the session. The first look of
            # a process may take long without failing, because there is much to read.
            raise late()
        return False

    def newest(self) -> Flow[LogPage]:
        """The log's end as it is now, for a token that is about to be minted."""
        known = self.known
        if known.store_id is not None:
            page = yield from ReadLog(known.position)
            _ = self._take_in(page, known, known.position)
        else:
            # Nobody verifies here, so nobody needs what was before.
            store_id, end = self._end
            page = yield from ReadLog(end)
            is_another = page.store_id != store_id or page.newest < end
            is_whole = len(page.entries) < LOG_PAGE and _first(page) <= end + 1
            told = {entry.subject for entry in page.entries}
            self._tell(AT_HAND & told if is_whole and not is_another else AT_HAND)
            self._end = page.store_id, page.newest
        return page

    # --- parts ----------------------------------------------------------------------------

    def _tell(self, subjects: Iterable[str]) -> None:
        for subject in subjects:
            self._changed[subject]()

    def _begin(self, arrived: float) -> tuple[Look | None, bool]:
        """The look to take, or to wait for; None: one has just failed."""
        with self._lock:
            look = self._look
            if look is not None and look.is_out():
                return look, False
            if arrived - self._failed_at < self._interval:
                return None, False
            self._begun += 1
            self._look = look = Look(self._begun)
            return look, True

    def _take(self, look: Look) -> Flow[None]:
        wall, steady, told = self._clock(), self._monotonic(), self._told
        try:
            more = True
            while more:
                known = self.known
                asked = known.position
                page = yield from ReadLog(asked)
                more = self._take_in(page, known, asked)
            with self._lock:
                self._through = max(self._through, look.number)
                if told == self._told:
                    self._learned(wall, steady)
        except UnavailableError:
            self._failed_at = self._monotonic()
        finally:
            look.end()

    def _take_in(self, page: LogPage, known: Known, asked: int) -> bool:
        """Enter a page that was read beyond `asked`; whether there is more."""
        with self._lock:
            if known is not self.known:
                self._tell(AT_HAND)  # of whichever log the page is
                return True
            is_another = known.store_id not in (None, page.store_id)
            if is_another or page.newest < asked:
                # Another store, or this one as it was: what we knew may never have been.
                self._learned(-math.inf, -math.inf)
                self._doubt = -1 if is_another else page.newest, self._clock() + _SKEW
                self._tell(AT_HAND)
                self.known = Known(page.store_id)
                return True
            known.store_id = page.store_id
            first = _first(page)
            # Before it is known: who has a position must not go by what was read before it.
            self._tell(known.tells(page.entries))
            if first > asked + 1:
                # Nobody's, if it was their age that they were dropped for: no token is that old.
                self._tell(AT_HAND)
                known.miss(first - 1)
            known.enter(page.entries)
            known.clear(page.oldest)
            is_full = len(page.entries) >= LOG_PAGE
            if not is_full:
                known.position = max(known.position, page.newest)
            if self._doubt is not None and self._clock() > self._doubt[1] + LOG_LIFETIME:
                self._doubt = None
            return is_full and known.position < page.newest


def _first(page: LogPage) -> int:
    """The position of the oldest entry that is left; of the next one, if none is."""
    return page.oldest or page.newest + 1
