"""Where trusted keys come from: given ones, or a fetched set kept by a pure policy.

`FetchedKeys` decides when to fetch, what to keep and whom to let wait; it never touches the
network (it yields asks) and never lets a known key wait:

- due (80-90 % of its life): one flight is begun, the set serves on, the answer is taken up
  by whoever looks next;
- expired: the same for as long as that flight is out; if it fails, the last good keys serve
  for `stale_if_error` seconds, and retries are spaced 1 s, doubling to 30 s;
- over that, or cold: callers wait for the flight together, then get `UnavailableError`;
- a kid that is not in the set begins one flight, and that alone starts a cool-down (1 s,
  doubling to 30 s while misses go on) shared by all unknown kids. No attacker-chosen kid is
  remembered, so a flood costs neither fetches nor memory.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from .asks import AwaitFlight, BeginFetch, Berth, KeyRequest
from .errors import UnavailableError
from .flow import Flow
from .jose import Key
from .keyset import KeySet, fetched_keys
from .locks import ForkSafeLock

DEFAULT_LIFETIME: Final = 300.0
LIFETIMES: Final = (60.0, 86_400.0)
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
#: How often somebody else's answer may come in between before a look-up takes what there is.
_ROUNDS: Final = 8

#: (event, data) -> None: told what happened to the keys; must not raise.
Notify = Callable[..., None]


class KeySource(Protocol):
    """Who says which keys are trusted."""

    def trusts(self, key: Key, /) -> bool:
        """Whether `key` is trusted right now; False also where `attend` is due."""
        ...

    def holds(self, key: Key, /) -> bool:
        """Whether `key` is in the set as it stands; to ask after `attend`."""
        ...

    def known(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        """The keys at hand for a token; none where the outside must be asked first."""
        ...

    def is_vain(self, kid: str | None, algorithm: str) -> bool:
        """Whether it is certain at once that `find` would find nothing."""
        ...

    def attend(self) -> Flow[None]:
        """Do what is due. Never waits."""
        ...

    def find(self, kid: str | None, algorithm: str) -> Flow[Sequence[Key]]:
        """The keys to try for a token; none if the kid is unknown.

        Raises:
            UnavailableError: no key set can be had.
        """
        ...


class GivenKeys:
    """Keys from the configuration: nothing is ever fetched."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys
        self.trusts: Callable[[object], bool] = keys.holds
        self.holds: Callable[[object], bool] = keys.holds

    def is_vain(self, kid: str | None, algorithm: str) -> bool:
        return not self._keys.candidates(kid, algorithm)

    def known(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        return self._keys.candidates(kid, algorithm)

    def attend(self) -> Flow[None]:
        yield from ()

    def find(self, kid: str | None, algorithm: str) -> Flow[Sequence[Key]]:
        yield from ()
        return self._keys.candidates(kid, algorithm)


class Pause:
    """A growing pause between attempts: 1 s, doubling to 30 s; quiet for 30 s starts afresh."""

    __slots__ = ("_length", "until")

    def __init__(self) -> None:
        self.until: float = 0.0
        self._length = 0.0

    def start(self, now: float) -> None:
        length = min(2 * self._length, LONGEST_PAUSE) if self._goes_on(now) else FIRST_PAUSE
        self._length = length
        self.until = now + length

    def extend(self, now: float) -> None:
        """Begin the pause anew at its present length, if it still goes on."""
        if self._goes_on(now):
            self.until = now + self._length

    def end(self) -> None:
        self.until = self._length = 0.0

    def _goes_on(self, now: float) -> bool:
        return self._length > 0.0 and now - self.until <= LONGEST_PAUSE


class FetchedKeys:
    """A fetched key set and the policy of the module's docstring.

    Args:
        request: where the set is.
        stale_if_error: seconds.
        monotonic: seconds; only differences count.
        notify: told "keys-fetched", "keys-failed", "keys-skipped".
        spread: gives 0 to 1, spreading the refreshes of many workers.
    """

    def __init__(
        self,
        request: KeyRequest,
        *,
        stale_if_error: float,
        monotonic: Callable[[], float],
        notify: Notify,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._request = request
        self._stale_if_error = stale_if_error
        self._monotonic = monotonic
        self._notify = notify
        self._spread = spread
        self._lock = ForkSafeLock()
        self._berth = Berth()
        self._keys: KeySet | None = None
        self._flight_is_for_miss = False
        self._refresh_at = self._expires_at = 0.0
        #: Before this moment nothing is due: the one comparison of the hot path.
        self._attend_at = 0.0
        self._failures = Pause()
        self._misses = Pause()

    # --- plain look-ups: no ask, no lock ---

    def trusts(self, key: Key) -> bool:
        keys = self._keys
        return keys is not None and self._monotonic() < self._attend_at and keys.holds(key)

    def holds(self, key: Key) -> bool:
        keys = self._keys
        return keys is not None and keys.holds(key)

    def known(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        keys = self._keys
        if keys is None or self._monotonic() >= self._attend_at:
            return ()
        return keys.candidates(kid, algorithm)

    def is_vain(self, kid: str | None, algorithm: str) -> bool:
        # A flood of unknown kids ends here: no lock, no flow.
        keys, now = self._keys, self._monotonic()
        if keys is None or now >= self._attend_at:
            return False
        pausing = now < max(self._misses.until, self._failures.until)
        return pausing and not keys.candidates(kid, algorithm)

    def state(self) -> dict[str, Any]:
        """How the keys stand, for people: count, seconds to refresh and expiry."""
        now, keys = self._monotonic(), self._keys
        return {
            "keys": 0 if keys is None else len(keys),
            "kids": [] if keys is None else [key.kid for key in keys.keys],
            "refresh_in": round(self._refresh_at - now, 3),
            "expires_in": round(self._expires_at - now, 3),
        }

    # --- flows ---

    def attend(self) -> Flow[None]:
        now = self._monotonic()
        if now < self._attend_at:
            return
        self._land()
        with self._lock:
            if self._keys is not None and now >= self._expires_at + self._stale_if_error:
                self._keys = None  # served as long as it may be
            seen = self._berth.landings
            due = (
                self._keys is not None
                and not self._berth.is_taken()
                and now >= max(self._refresh_at, self._failures.until)
            )
        if due:
            try:
                yield from BeginFetch(self._request, self._berth, seen, now)
            except UnavailableError as error:
                self._failed(str(error))  # known kids do not feel it
        self._plan()

    def find(self, kid: str | None, algorithm: str) -> Flow[Sequence[Key]]:
        for _ in range(_ROUNDS):
            yield from self.attend()
            now = self._monotonic()
            with self._lock:
                seen, keys = self._berth.landings, self._keys
                found = keys.candidates(kid, algorithm) if keys is not None else ()
                if found or (keys is not None and not self._may_ask_for_miss(now)):
                    return found
                if keys is None and not self._berth.is_taken() and now < self._failures.until:
                    raise _unavailable(self._failures.until - now)
            try:
                flight = yield from BeginFetch(self._request, self._berth, seen, now)
            except UnavailableError as error:
                self._failed(str(error))
                break
            if flight is None:
                continue  # an answer came in between: look again
            if not flight.done():
                yield from AwaitFlight(flight, self._request.timeout)
            self._land()
            self._plan()
            break
        keys = self._keys
        if keys is None:
            raise _unavailable(self._failures.until - self._monotonic())
        return keys.candidates(kid, algorithm)

    # --- bookkeeping ---

    def _may_ask_for_miss(self, now: float) -> bool:
        # A flight that is out is shared: one answers all. The pause begins when it is back.
        waits = now < max(self._misses.until, self._failures.until)
        if waits and not self._berth.is_taken():
            return False
        self._flight_is_for_miss = True
        return True

    def _failed(self, problem: str) -> None:
        with self._lock:
            self._failures.start(self._monotonic())
            self._misses.extend(self._monotonic())
            serving = self._keys is not None
        self._notify("keys-failed", problem=problem, serving_last=serving)

    def _land(self) -> None:
        """Take up the answer of a flight that has ended; whoever comes first does it."""
        problem: str | None = None
        skipped: list[str] = []
        with self._lock:
            landed = self._berth.leave()
            if landed is None:
                return
            flight, begun = landed
            for_miss, self._flight_is_for_miss = self._flight_is_for_miss, False
            now = self._monotonic()
            try:
                document = flight.result()
                keys, skipped = fetched_keys(document.body)
            except (UnavailableError, ValueError, RecursionError) as error:
                problem = str(error) if isinstance(error, UnavailableError) else _fault(error)
                self._failures.start(now)
            else:
                self._keep(keys, document.max_age, begun)
            if for_miss:
                self._misses.start(now)
            else:
                self._misses.extend(now)
            count = 0 if self._keys is None else len(self._keys)
        if problem is not None:
            self._notify("keys-failed", problem=problem, serving_last=count > 0)
            return
        self._notify("keys-fetched", count=count)
        for text in skipped:
            self._notify("keys-skipped", problem=text)

    def _keep(self, keys: KeySet, max_age: float | None, begun: float) -> None:
        # Its life counts from when it was asked for, however late somebody takes it up.
        # A key that stays keeps its object, so that tokens verified under it stay verified.
        old = {(k.kid, k.algorithm, k.identity): k for k in self._keys.keys} if self._keys else {}
        self._keys = KeySet(old.get((k.kid, k.algorithm, k.identity), k) for k in keys.keys)
        shortest, longest = LIFETIMES
        stated = DEFAULT_LIFETIME if max_age is None else max_age
        lifetime = min(max(stated, shortest), longest)
        self._refresh_at = begun + lifetime * (0.8 + 0.1 * self._spread())
        self._expires_at = begun + lifetime
        self._failures.end()

    def _plan(self) -> None:
        with self._lock:
            if self._berth.is_taken() or self._keys is None:
                self._attend_at = 0.0  # something to look after at every call
            else:
                due = max(self._refresh_at, self._failures.until)
                self._attend_at = min(due, self._expires_at + self._stale_if_error)


def _unavailable(seconds: float) -> UnavailableError:
    return UnavailableError(
        "The keys that verify session tokens cannot be fetched now.",
        code="jwk-remote-failed-to-load",
        retry_after=int(max(seconds, 0.0)) + 1,
    )


def _fault(error: Exception) -> str:
    # A JSON or UnicodeDecodeError carries the document; only its kind is safe to show.
    plain = type(error) is ValueError
    return f"the answer is no key set: {error}" if plain else "the answer is no JSON key set"
