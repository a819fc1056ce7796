"""What goes wrong with PostgreSQL, in our terms: the one place where psycopg's errors end."""

from __future__ import annotations

import re
from typing import Final

import psycopg

from .faults import StoreUnavailable

#: SQLSTATE, or the beginning of one -> our code; the first that fits.
_CODES: Final = (
    ("40001", "store-locked"),
    ("40P01", "store-locked"),
    ("55P03", "store-locked"),
    ("57014", "store-timeout"),
    ("53100", "store-full"),
    ("25006", "store-read-only"),
    ("42P01", "store-gone"),
    ("3F000", "store-gone"),
    ("23502", "store-gone"),  # a position, without the row that counts them
    ("XX00", "store-corrupt"),
    ("08", "store-unreachable"),
    ("28", "store-unreachable"),
    ("3D000", "store-unreachable"),
    ("53300", "store-unreachable"),
    ("57P", "store-unreachable"),
)
#: A commit that ends so has not happened, and may fare better at once.
_COLLISIONS: Final = ("40001", "40P01")
#: After these a connection is as good as before.
_HARMLESS: Final = (*_COLLISIONS, "55P03", "57014")

#: SQLSTATE -> what the developer has to change.
RIGHTS: Final = "its role has not the rights that it needs there"
_FOREIGN: Final = "its tables are not those of this library; name another schema"
_NEVER: Final = {
    "22023": "an option of libpq has a value that it cannot have",
    "28000": "its role may not connect",
    "28P01": "the password is wrong",
    "3D000": "there is no such database",
    "42501": RIGHTS,
    "42703": _FOREIGN,
    "42804": _FOREIGN,
    "42809": _FOREIGN,
}
#: The same where only a text tells: libpq keeps no SQLSTATE of an attempt to connect. A server
#: that speaks another language is taken for one that cannot be reached.
_NEVER_TEXTS: Final = (
    ("password authentication failed|SASL authentication failed|auth failed", "28P01"),
    ("invalid [a-z_]+ value|for connection option", "22023"),
    ("no password supplied", "28P01"),
    ('role ".*" does not exist|no pg_hba.conf entry', "28000"),
    ('database ".*" does not exist|no such database', "3D000"),
)


class Late(Exception):
    """The deadline of a call has passed."""


def _state(error: psycopg.Error) -> str:
    return error.sqlstate or ""


def collided(error: psycopg.Error) -> bool:
    """Whether the transaction only was in the way of another."""
    return _state(error) in _COLLISIONS


def is_harmless(error: BaseException) -> bool:
    """Whether the connection can be used again."""
    return isinstance(error, psycopg.Error) and _state(error) in _HARMLESS


def never(error: psycopg.Error) -> str | None:
    """Why it cannot work before something is changed; None if waiting may help."""
    state = _state(error)
    if not state and isinstance(error, psycopg.OperationalError):
        text = str(error)
        state = next((code for part, code in _NEVER_TEXTS if re.search(part, text)), "")
    return _NEVER.get(state)


def from_psycopg(error: psycopg.Error, store: str) -> StoreUnavailable:
    """Our form of an error of psycopg."""
    state = _state(error)
    if not state and isinstance(error, psycopg.OperationalError):
        return StoreUnavailable("store-unreachable", store)
    code = next((code for begin, code in _CODES if state.startswith(begin)), "store-failed")
    return StoreUnavailable(code, store)
