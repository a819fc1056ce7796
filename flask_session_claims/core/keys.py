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

from .asks import AwaitFetch, BeginFetch, Flight, KeyRequest
from .errors import UnavailableError
from .flow import Flow
from .jose import Key
from .keyset import KeySet, fetched_keys
from .locks import ForkSafeLock

DEFAULT_LIFETIME: Final = 300.0
LIFETIMES: Final = (60.0, 86_400.0)
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0

#: (event, data) -> None: told what happened to the keys; must not raise.
Notify = Callable[..., None]


class KeySource(Protocol):
    """Who says which keys are trusted."""

    def trusts(self, key: Key) -> bool:
        """Whether `key` is trusted right now; False also where `attend` is due."""
        ...

    def known(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        """The keys at hand for a token; none where the outside must be asked first."""
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

    def trusts(self, key: Key) -> bool:
        return self._keys.holds(key)

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
        self.until = 0.0
        self._length = 0.0

    def start(self, now: float) -> None:
        quiet = self._length == 0.0 or now - self.until > LONGEST_PAUSE
        self._length = FIRST_PAUSE if quiet else min(2 * self._length, LONGEST_PAUSE)
        self.until = now + self._length

    def end(self) -> None:
        self.until = self._length = 0.0


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
        self._keys: KeySet | None = None
        self._flight: Flight | None = None
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

    def known(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        keys = self._keys
        if keys is None or self._monotonic() >= self._attend_at:
            return ()
        return keys.candidates(kid, algorithm)

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
            due = (
                self._keys is not None
                and self._flight is None
                and now >= max(self._refresh_at, self._failures.until)
            )
        if due:
            yield from self._begin()
        self._plan()

    def find(self, kid: str | None, algorithm: str) -> Flow[Sequence[Key]]:
        yield from self.attend()
        keys = self._keys
        if keys is None:
            keys = yield from self._first()
            return keys.candidates(kid, algorithm)
        found = keys.candidates(kid, algorithm)
        if found or not self._may_ask_for_miss():
            return found
        yield from self._wait()
        keys = self._keys
        return () if keys is None else keys.candidates(kid, algorithm)

    def _may_ask_for_miss(self) -> bool:
        with self._lock:
            if self._flight is not None:
                # A flight that somebody began is shared; one fetch answers all.
                self._flight_is_for_miss = True
                return True
            if self._monotonic() < self._misses.until:
                return False
            self._flight_is_for_miss = True
            # Held from now on, so that no second one begins before this one is back.
            self._misses.start(self._monotonic())
            return True

    def _first(self) -> Flow[KeySet]:
        now = self._monotonic()
        if self._flight is None and now < self._failures.until:
            raise self._unavailable(self._failures.until - now)
        yield from self._wait()
        if self._keys is None:
            raise self._unavailable(self._failures.until - self._monotonic())
        return self._keys

    def _wait(self) -> Flow[None]:
        flight = yield from self._begin()
        if not flight.done():
            yield from AwaitFetch(flight, self._request.timeout)
        self._land()
        self._plan()

    def _begin(self) -> Flow[Flight]:
        flight = self._flight
        if flight is None or flight.lost():
            # Two who come here at once get the same flight: the fetcher sees to that.
            flight = yield from BeginFetch(self._request)
            with self._lock:
                self._flight = flight
        return flight

    # --- bookkeeping ---

    def _land(self) -> None:
        """Take up the answer of a flight that has ended; whoever comes first does it."""
        notices: list[tuple[str, dict[str, Any]]] = []
        with self._lock:
            flight = self._flight
            if flight is None or not (flight.lost() or flight.done()):
                return
            self._flight = None
            for_miss, self._flight_is_for_miss = self._flight_is_for_miss, False
            now = self._monotonic()
            if not flight.lost():
                try:
                    document = flight.result()
                    keys, skipped = fetched_keys(document.body)
                except (UnavailableError, ValueError, RecursionError) as error:
                    self._failures.start(now)
                    problem = str(error) if isinstance(error, UnavailableError) else _fault(error)
                    serving = self._keys is not None
                    notices.append(("keys-failed", {"problem": problem, "serving_last": serving}))
                else:
                    self._keep(keys, document.max_age, now)
                    notices.append(("keys-fetched", {"count": len(keys)}))
                    notices += [("keys-skipped", {"problem": text}) for text in skipped]
            if for_miss and now >= self._misses.until:
                self._misses.start(now)
        for event, data in notices:
            self._notify(event, **data)

    def _keep(self, keys: KeySet, max_age: float | None, now: float) -> None:
        # A key that stays keeps its object, so that tokens verified under it stay verified.
        old = {(k.kid, k.algorithm, k.identity): k for k in self._keys.keys} if self._keys else {}
        self._keys = KeySet(old.get((k.kid, k.algorithm, k.identity), k) for k in keys.keys)
        shortest, longest = LIFETIMES
        stated = DEFAULT_LIFETIME if max_age is None else max_age
        lifetime = min(max(stated, shortest), longest)
        self._refresh_at = now + lifetime * (0.8 + 0.1 * self._spread())
        self._expires_at = now + lifetime
        self._failures.end()

    def _plan(self) -> None:
        with self._lock:
            if self._flight is not None or self._keys is None:
                self._attend_at = 0.0  # something to look after at every call
            else:
                due = max(self._refresh_at, self._failures.until)
                self._attend_at = min(due, self._expires_at + self._stale_if_error)

    def _unavailable(self, seconds: float) -> UnavailableError:
        return UnavailableError(
            "The keys that verify session tokens cannot be fetched now.",
            code="jwk-remote-failed-to-load",
            retry_after=int(seconds) + 1,
        )


def _fault(error: Exception) -> str:
    # A JSON or UnicodeDecodeError carries the document; only its kind is safe to show.
    plain = type(error) is ValueError
    return f"the answer is no key set: {error}" if plain else "the answer is no JSON key set"
