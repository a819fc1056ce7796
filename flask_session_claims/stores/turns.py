"""Turns of the threads of one process, in the order they came."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """Room for so many at once; it is handed on in the order of asking, but for those who may go
    first. Without an order some would wait for ever.
    """

    def __init__(self, count: int = 1) -> None:
        self._count = count
        self._free = count
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    def anew(self) -> Turns:
        """The same with nobody in it, as a forked child must have it."""
        return Turns(self._count)

    def acquire(self, timeout: float, *, first: bool = False) -> bool:
        """Whether it became one's turn within so many seconds."""
        with self._mutex:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            _ = turn.acquire()
            if first:
                self._waiting.appendleft(turn)
            else:
                self._waiting.append(turn)
        if turn.acquire(timeout=max(0.0, timeout)):
            return True
        with self._mutex:
            if turn not in self._waiting:  # handed over in this very moment
                return True
            self._waiting.remove(turn)
        return False

    def release(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
