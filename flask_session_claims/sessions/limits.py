"""Life-times and sizes: what the settings may change, and what is fixed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from ..core.errors import ConfigurationError

#: Bytes of custom claims as compact UTF-8 JSON, so that the token fits a cookie.
CLAIMS_BYTES: Final = 1200
#: Bytes of a session's own layer, with the names that were removed.
LAYER_BYTES: Final = 4096
#: Bytes of server-only data.
DATA_BYTES: Final = 16_384
MAX_GRACE: Final = 60
#: Seconds, the least and the most, that a session token may live.
TOKEN_LIFETIMES: Final = (5, 3600)
#: Seconds for which an ended session can still be looked at.
KEEP_ENDED: Final = 86_400
#: Seconds that a log entry matters: twice the longest session token, so that clocks may differ.
LOG_LIFETIME: Final = 7_200
#: Browsers keep no cookie for longer.
MAX_LIFETIME: Final = 400 * 86_400
#: Times that an act is tried while others change the same session.
ATTEMPTS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long sessions live (seconds), and how many a user may have."""

    #: Since the last refresh.
    idle: float = 7 * 86_400
    #: Since sign-in, whatever happens.
    absolute: float = 30 * 86_400
    #: For which the token before the last one still gives the last one.
    grace: float = 30
    #: Sessions of one user; one more ends the one that was used least recently.
    per_user: int | None = None

    def __post_init__(self) -> None:
        for name, least, most in (
            ("idle", 1, MAX_LIFETIME),
            ("absolute", 1, MAX_LIFETIME),
            ("grace", 0, MAX_GRACE),
            ("per_user", 1, 10_000),
        ):
            value = getattr(self, name)
            if name == "per_user" and value is None:
                continue
            if not is_number(value) or not least <= value <= most:
                raise ConfigurationError(f"{name} got {value!r}; give a number {least} to {most}.")
        if self.per_user is not None and type(self.per_user) is not int:
            raise ConfigurationError(f"per_user got {self.per_user!r}; give a whole number.")


def is_number(value: object) -> bool:
    """Whether it can be a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) or math.isfinite(value)  # which no integer is too large for
