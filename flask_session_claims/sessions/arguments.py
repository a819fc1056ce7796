"""The arguments of acts on sessions: what they may be, and how a wrong one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..core.errors import ConfigurationError
from . import claims as _claims
from .claims import Claims
from .limits import DATA_BYTES, MAX_LIFETIME, is_number
from .records import storable

MAX_ID: Final = 255
MAX_NOTE: Final = 512  # characters of device and address


def is_id(text: str) -> bool:
    """Whether a user or an organisation may have it for an id."""
    return storable(text) and len(text) <= MAX_ID


def check_id(value: object, name: str) -> str:
    """`value` if it can be a user's or an organisation's id."""
    if not isinstance(value, str) or not is_id(value):
        raise ConfigurationError(
            f"{name} must be text of 1 to {MAX_ID} characters, not {_shown(value)}; convert your"
            " own ids with str()."
        )
    return value


def _shown(value: object) -> str:
    if isinstance(value, str):
        odd = " with some that cannot be stored" if value and not storable(value) else ""
        return f"text of {len(value)} characters{odd}"
    return f"of type {type(value).__name__}"


def note(value: str | None, name: str) -> str | None:
    """What a user may know a session by, cut to MAX_NOTE characters."""
    if value is None:
        return None
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"{name} must be text or None, not {_shown(value)}.")
    # A browser's own words, perhaps: kept as far as they can be.
    return value.encode("utf-8", "replace").decode("utf-8")[:MAX_NOTE]


def flag(value: bool) -> bool:
    """`persistent`, if it is one of the two."""
    if type(value) is not bool:
        raise ConfigurationError(f"persistent must be True or False, not {_shown(value)}.")
    return value


def data_of(given: Mapping[str, Any] | None) -> Claims:
    """Server-only data, if it can be kept."""
    data = _claims.plain_object({} if given is None else given, "data")
    _claims.check_size(data, DATA_BYTES, "data")
    return data


def lifetime_of(lifetime: float | None, usual: float) -> float:
    """Seconds until a session ends in any case."""
    if lifetime is None:
        return usual
    if not is_number(lifetime) or not 1 <= lifetime <= MAX_LIFETIME:
        raise ConfigurationError(
            f"lifetime got {lifetime!r}; give seconds, 1 to {MAX_LIFETIME}, or None."
        )
    return float(lifetime)
