"""A thread that looks at the log, so that no request has to."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..core.locks import ForkSafeLock
from .logs import log

if TYPE_CHECKING:
    from ..sessions.feed import Feed


class FeedThread:
    """Started by the first request of a process, so after a fork; it ends with the process.

    Requests look themselves wherever it does not run: in a process that was just woken up, or
    under a server that starts no threads.
    """

    def __init__(self, feed: Feed, run: Callable[[Any], Any], interval: float) -> None:
        self._feed, self._interval = weakref.ref(feed), interval
        self._run = run
        self._lock = ForkSafeLock()
        self._process = 0

    def start(self) -> None:
        """Have it run in this process."""
        if self._process == os.getpid():
            return
        with self._lock:
            if self._process == os.getpid():
                return
            self._process = os.getpid()
            thread = threading.Thread(target=self._look_on, name="session-claims-feed", daemon=True)
            with suppress(RuntimeError):  # the process can start no thread
                thread.start()

    def _look_on(self) -> None:
        failed = False
        while True:
            feed = self._feed()
            if feed is None:
                return
            try:
                self._run(feed.catch_up())
                failed = False
            except Exception as error:  # a request will meet it too, and say so
                if not failed:
                    log("feed-unreadable", problem=str(error))
                failed = True
            pause = min(self._interval, max(0.01, feed.due_in()))
            del feed  # an app that is gone is not kept by its thread
            time.sleep(pause)
