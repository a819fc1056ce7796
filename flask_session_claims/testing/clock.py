"""A clock that stands still until a test moves it.

It is passed where a `clock=` or `monotonic=` callable is asked for and patches nothing, so two
tests, threads or applications may each have their own. It knows nothing of tokens.
"""

from __future__ import annotations

import threading


class FrozenClock:
    """Wall and monotonic time under a test's control; safe to share between threads.

    Calling it gives the wall time in UTC seconds; `monotonic` is the callable for the other kind.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._lock = threading.Lock()
        self._wall = float(now)
        # Not the wall time and not zero: code that mixes the two clocks up shows it at once.
        self._monotonic = 1_000.0

    def __call__(self) -> float:
        with self._lock:
            return self._wall

    def monotonic(self) -> float:
        """Seconds that only ever grow; their start means nothing."""
        with self._lock:
            return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks; a negative value is a ValueError."""
        if seconds < 0:
            raise ValueError("time does not run backwards; step_wall() sets the wall clock back")
        with self._lock:
            self._wall += seconds
            self._monotonic += seconds

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as a time server does; monotonic time stays."""
        with self._lock:
            self._wall += seconds

    def __repr__(self) -> str:
        return f"FrozenClock(now={self()!r})"
