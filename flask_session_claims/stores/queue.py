"""Writers of one SQLite file, one after the other: first the threads, then the processes.

SQLite's own waiting is a race that the same writer can win again and again. Here threads are
served in the order they came. Of each process one thread goes on to a lock on a file beside the
database; whoever holds that is the next to write, and gives it up as soon as writing begins.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Generator

from .turns import Turns

if sys.platform != "win32":
    import fcntl

_SHORT, _LONG = 0.0005, 0.005  # seconds between two looks at the file lock
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


class Late(Exception):
    """The deadline passed before it was one's turn."""


class WriterQueue:
    """The queue for one database; `path` is the lock's file, made when first needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._threads = Turns()
        self._file: int | None = None
        self._process = 0
        self._mine = threading.local()

    @contextlib.contextmanager
    def turn(self, deadline: float) -> Generator[Turn, None, None]:
        """Wait for one's turn until `deadline` (monotonic seconds), or raise `Late`."""
        first = getattr(self._mine, "lost", False)
        self._mine.lost = False
        if not self._threads.acquire(deadline - time.monotonic(), first=first):
            raise Late
        try:
            if self._process != os.getpid():  # a child would share its parent's lock
                self.close()
            if self._file is None:
                self._file = os.open(self._path, _OPEN, 0o600)
                self._process = os.getpid()
            turn = Turn(self._file)
            turn.wait(deadline)
            try:
                yield turn
            finally:
                turn.pass_on()
        finally:
            self._threads.release()

    def lost(self) -> None:
        """This thread wrote nothing, since what it had read was stale: next time it goes first.

        Else whoever has just won, and so has read the latest, would win for ever.
        """
        self._mine.lost = True

    def close(self) -> None:
        """Close the lock's file; nobody may be in the queue."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Turn:
    """Being the next to write."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._mine = False

    def wait(self, deadline: float) -> None:
        pause = _SHORT
        while not self._take():
            if time.monotonic() >= deadline:
                raise Late
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(_LONG, pause * 1.5)
        self._mine = True

    def pass_on(self) -> None:
        """Let the next one wait at the database itself; does nothing the second time."""
        if self._mine:
            self._mine = False
            if sys.platform != "win32":
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _take(self) -> bool:
        if sys.platform != "win32":  # elsewhere SQLite's lock alone has to do
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True
