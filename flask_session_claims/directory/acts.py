"""What the owners of acts have in common: clock and randomness."""

from __future__ import annotations

import secrets
from collections.abc import Callable


class Acts:
    """`clock` gives UTC seconds, `random` that many random bytes."""

    def __init__(
        self, *, clock: Callable[[], float], random: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._clock = clock
        self._random = random
