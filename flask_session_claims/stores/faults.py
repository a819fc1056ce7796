"""What goes wrong with a store, in our terms; and the one place where sqlite3's errors end."""

from __future__ import annotations

import sqlite3
from typing import Final

from ..core.errors import UnavailableError

#: What an error's text holds -> our code. Texts, since Python 3.10 has no error numbers.
_CODES: Final = (
    ("locked", "store-locked"),
    ("busy", "store-locked"),
    ("full", "store-full"),
    ("readonly", "store-read-only"),
    ("malformed", "store-corrupt"),
    ("not a database", "store-corrupt"),
    ("unable to open", "store-unreachable"),
)
_MESSAGES: Final = {
    "store-locked": "The session store is busy; try again.",
    "store-full": "The session store has no room left.",
    "store-read-only": "The session store cannot be written to.",
    "store-corrupt": "The session store is damaged.",
    "store-unreachable": "The session store cannot be reached.",
    "store-timeout": "The session store did not answer in time.",
    "store-pool-empty": "All connections to the session store are in use.",
    "store-gone": "The session store has gone away.",
    "store-forked": "The session store was in use while this process was forked off.",
    "store-failed": "The session store failed.",
}


class StoreUnavailable(UnavailableError):
    """A store cannot do now what it was asked; nothing is half done.

    Attributes:
        store: the store's address, for the log.
    """

    def __init__(self, code: str, store: str) -> None:
        super().__init__(_MESSAGES[code], code=code)
        self.store = store


def is_busy(error: sqlite3.Error) -> bool:
    """Whether waiting may help."""
    return _code(error) == "store-locked"


def _code(error: sqlite3.Error) -> str:
    text = str(error).lower()
    return next((code for part, code in _CODES if part in text), "store-failed")


def from_sqlite(error: sqlite3.Error, store: str) -> StoreUnavailable:
    """Our form of an error of SQLite."""
    return StoreUnavailable(_code(error), store)
