"""How a token says which organisation is active: the flat claims, or the compact ones.

Flat: `org_id`, `org_slug`, `org_role`, `org_permissions`, as full names. Compact, version 2 of
Clerk's session token: `o` with one bit mask for each feature; `core/access.py` reads both.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ..core.access import Organization
from ..core.jsontext import FrozenDict, FrozenList

_PERMISSION: Final = re.compile(r"org:([^:,\s]+):([^:,\s]+)")


def flat(organization: Organization) -> dict[str, Any]:
    """The claims of the first version."""
    named = {
        "org_id": organization.id,
        "org_slug": organization.slug,
        "org_role": organization.role,
        "org_permissions": FrozenList(organization.permissions) or None,
    }
    return {name: value for name, value in named.items() if value is not None}


def compact(organization: Organization) -> dict[str, Any]:
    """The claims of the second version.

    A permission that is not `org:feature:name` has no place there, and is left out.
    """
    held: dict[str, set[str]] = {}
    for permission in organization.permissions:
        found = _PERMISSION.fullmatch(permission)
        if found is not None:
            held.setdefault(found[1], set()).add(found[2])
    members = {"id": organization.id, "slg": organization.slug, "rol": _short(organization.role)}
    said: dict[str, Any] = {name: value for name, value in members.items() if value is not None}
    if not held:
        return {"v": 2, "o": FrozenDict(said)}
    names = sorted({name for given in held.values() for name in given})
    masks = [sum(1 << names.index(name) for name in held[feature]) for feature in sorted(held)]
    said["per"] = ",".join(names)
    said["fpm"] = ",".join(map(str, masks))
    features = ",".join(f"o:{feature}" for feature in sorted(held))
    return {"v": 2, "o": FrozenDict(said), "fea": features}


def _short(role: str | None) -> str | None:
    short = None if role is None else role.removeprefix("org:")
    # Readers put the prefix before what has none, and would take this role for another.
    return role if short is not None and short.startswith("org:") else short
