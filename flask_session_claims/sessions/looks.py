"""Something that one has begun in this process, and others wait for rather than do it too."""

from __future__ import annotations

import os
import threading
from typing import Final

from ..core.errors import UnavailableError

#: Seconds that a request waits for another's look; as long as a store may take.
PATIENCE: Final = 5.0


class Look:
    """One look at the store, that others may wait for; `number` tells it from those before."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self._ended = threading.Event()
        self._process = os.getpid()

    def end(self) -> None:
        self._ended.set()

    def done(self) -> bool:
        return self._ended.is_set()

    def lost(self) -> bool:
        return self._process != os.getpid()

    def is_out(self) -> bool:
        """Whether there is something to wait for."""
        return not self.done() and not self.lost()

    def wait(self, timeout: float) -> None:
        """Until it is done, or for `timeout` seconds at most."""
        _ = self._ended.wait(timeout)


def late() -> UnavailableError:
    """Somebody has waited in vain."""
    return UnavailableError("The session store did not answer in time.", code="store-timeout")
