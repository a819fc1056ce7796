"""Arguments: what may be given, and what is said of the rest.

A wrong type is the developer's mistake (`ConfigurationError`); text that cannot be kept may come
from a form (`field-invalid`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final, cast

from ..core.errors import ConfigurationError
from ..sessions.arguments import check_id
from ..sessions.claims import Claims
from ..sessions.records import MAX_TEXT, storable
from . import metadata as _metadata
from .entries import Profile
from .faults import DirectoryError

MAX_FIELD: Final = 255
MAX_URL: Final = 2_048
MAX_SLUG: Final = 100
MAX_ROLE: Final = 128
MAX_PERMISSIONS: Final = 100
_UNSTORABLE: Final = re.compile("[\\0\ud800-\udfff]")
_SLUG: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.ASCII)
_NO_SLUG: Final = re.compile(r"[^a-z0-9]+", re.ASCII)
_PERMISSION: Final = re.compile(r"org:[^:,\s\0\ud800-\udfff]+:[^:,\s\0\ud800-\udfff]+")
_FLAGS: Final = ("email_verified", "phone_number_verified", "two_factor_enabled")
_FIELDS: Final = tuple(Profile.__annotations__)


def identity(value: object, name: str) -> str:
    """`value` if it can be a user's or an organisation's id."""
    return str.__str__(check_id(value, name))  # of an enumeration's member the value


def _kind(value: object) -> str:
    return f"of type {type(value).__name__}"


def text(value: object, name: str, most: int = MAX_FIELD) -> str:
    """`value` if it is text that can be kept."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text, not {_kind(value)}.")
    if not 0 < len(value) <= most:
        raise DirectoryError(
            f"{name} has {len(value)} characters; give 1 to {most}.", code="field-invalid"
        )
    if _UNSTORABLE.search(value):
        raise DirectoryError(
            f"{name} holds a NUL or half a surrogate pair, which cannot be kept; leave it out.",
            code="field-invalid",
        )
    return str.__str__(value)  # of an enumeration's member the value


def profile(fields: Mapping[str, object]) -> dict[str, Any]:
    """The fields of a user, checked."""
    return {name: _field(name, value) for name, value in fields.items()}


def _field(name: str, value: object) -> object:
    if name not in _FIELDS:
        raise ConfigurationError(
            f"{name} is no field of a user that can be set; there are {', '.join(_FIELDS)}."
        )
    if name in _FLAGS:
        if type(value) is not bool:
            raise ConfigurationError(f"{name} must be True or False, not {_kind(value)}.")
        return value
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text or None, not {_kind(value)}.")
    kept = text(value, name, MAX_URL if name == "image_url" else MAX_FIELD)
    if name == "primary_email_address" and not storable(folded(kept)):
        raise DirectoryError(
            f"{name} has more than {MAX_TEXT} characters without regard to case; give fewer.",
            code="field-invalid",
        )
    return kept


def folded(address: str) -> str:
    """An email address as it is looked up: without regard to case."""
    return address.casefold()


def sought(fields: Mapping[str, object]) -> tuple[str, str] | None:
    """The one (field, value) to look users up by; None: no user can have that value."""
    given = {name: value for name, value in fields.items() if value is not None}
    if len(given) != 1:
        raise ConfigurationError(
            f"find_users got {len(given)} of {', '.join(fields)}; give exactly one."
        )
    ((name, value),) = given.items()
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text, not {_kind(value)}.")
    wanted = folded(value) if name == "primary_email_address" else value
    return (name, wanted) if storable(wanted) else None


def metadata(**kinds: object) -> dict[str, Claims]:
    """Metadata that was given, checked, by the argument's name; None is not given."""
    return {
        name: _metadata.accept(value, name) for name, value in kinds.items() if value is not None
    }


def some_metadata(**kinds: object) -> dict[str, Claims]:
    """The same, and at least one kind."""
    given = metadata(**kinds)
    if not given:
        *others, last = kinds
        raise ConfigurationError(
            f"no metadata was given; give {', '.join(others)} or {last}, as a mapping."
        )
    return given


def version(value: object) -> int | None:
    """An expected version, or None."""
    if value is None:
        return None
    if type(value) is not int or value < 0:
        shown = repr(value) if type(value) is int else _kind(value)
        raise ConfigurationError(
            f"expected_version got {shown}; give the version that you have seen, or None."
        )
    return value


def position(value: object) -> str:
    """Where a page begins, from its `after`."""
    if value is None:
        return ""
    if not isinstance(value, str) or not storable(value):
        raise ConfigurationError(
            f"after must be the `after` of the page before, or None, not {_kind(value)}."
        )
    return value


# --- organisations and memberships --------------------------------------------------------


def slug(value: object) -> str:
    """`value` if it can be a slug."""
    given = text(value, "slug", MAX_SLUG)
    if not is_slug(given):
        raise DirectoryError(
            f"slug got {given!r}; give small letters a to z and digits, with single - or _ between"
            " them.",
            code="field-invalid",
        )
    return given


def is_slug(value: object) -> bool:
    """Whether an organisation can have that slug."""
    if not isinstance(value, str):
        raise ConfigurationError(f"slug must be text, not {_kind(value)}.")
    return len(value) <= MAX_SLUG and _SLUG.fullmatch(value) is not None


def slug_of(name: str) -> str:
    """A slug made of an organisation's name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    # Room is left for a suffix.
    return _NO_SLUG.sub("-", plain).strip("-")[: MAX_SLUG - 16].rstrip("-") or "organization"


def role(value: object) -> str:
    return text(value, "role", MAX_ROLE)


def permissions(value: object) -> tuple[str, ...]:
    """Permissions in the order given, each once."""
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise ConfigurationError(f"permissions must be a list of text, not {_kind(value)}.")
    items = list(cast("tuple[object, ...]", value))
    if len(items) > MAX_PERMISSIONS:
        raise DirectoryError(
            f"permissions has {len(items)} items; give at most {MAX_PERMISSIONS}.",
            code="field-invalid",
        )
    if isinstance(value, (set, frozenset)):
        items.sort(key=str)  # a set has another order in each process
    kept = [text(item, f"permissions[{i}]", MAX_ROLE) for i, item in enumerate(items)]
    for i, item in enumerate(kept):
        if not _PERMISSION.fullmatch(item):
            raise DirectoryError(
                f"permissions[{i}] got {item!r}; give a full key, 'org:feature:name'.",
                code="field-invalid",
            )
    return tuple(dict.fromkeys(kept))
