"""Organisation claims in both published versions, and the answers to `has()`.

Malformed claims cost what they would have granted, never more, and never an exception.
Sources: Clerk's session token reference and its reference JavaScript SDK.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

_DIGITS: Final = re.compile(r"[0-9]{1,400}", re.ASCII)
_ORG_SCOPES: Final = frozenset({"o", "org", "organization"})
_USER_SCOPES: Final = frozenset({"u", "user"})

#: Reverification presets: (level, minutes).
PRESETS: Final[dict[str, tuple[str, int]]] = {
    "strict_mfa": ("multi_factor", 10),
    "strict": ("second_factor", 10),
    "moderate": ("second_factor", 60),
    "lax": ("second_factor", 1440),
}
_LEVELS: Final = frozenset({"first_factor", "second_factor", "multi_factor"})


class Organization(NamedTuple):
    """The active organisation as the token states it."""

    id: str | None = None
    slug: str | None = None
    role: str | None = None
    permissions: tuple[str, ...] = ()


NO_ORGANIZATION: Final = Organization()


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def organization_of(claims: Mapping[str, Any], *, strict: bool) -> Organization:
    """The organisation in version 1 (flat) or version 2 (`o`) claims.

    Under version 2 flat names are somebody's custom claims and decide nothing.
    """
    if _is_version_2(claims):
        if "o" not in claims:
            return NO_ORGANIZATION
        return _compact(claims, strict=strict)
    if "org_id" not in claims:
        return NO_ORGANIZATION
    org_id = _name(claims.get("org_id"))
    if org_id is None:
        return NO_ORGANIZATION
    listed = claims.get("org_permissions")
    permissions: tuple[str, ...] = ()
    if isinstance(listed, list):
        items = cast("list[object]", listed)
        if all(isinstance(item, str) for item in items):
            permissions = tuple(cast("list[str]", items))
    slug, role = _name(claims.get("org_slug")), _name(claims.get("org_role"))
    return Organization(org_id, slug, role, permissions)


def _is_version_2(claims: Mapping[str, Any]) -> bool:
    return claims.get("v") == 2  # True is 1, so no bool passes


def _compact(claims: Mapping[str, Any], *, strict: bool) -> Organization:
    value = claims["o"]
    if not isinstance(value, Mapping):
        return NO_ORGANIZATION
    o = cast("Mapping[str, Any]", value)
    org_id = _name(o.get("id"))
    if org_id is None:
        return NO_ORGANIZATION
    role = _name(o.get("rol"))
    if role is not None:
        role = "org:" + role.removeprefix("org:")
    return Organization(org_id, _name(o.get("slg")), role, _permissions(claims, o, strict=strict))


def _permissions(
    claims: Mapping[str, Any], o: Mapping[str, Any], *, strict: bool
) -> tuple[str, ...]:
    """Bit j of the i-th number of `fpm` grants permission j of feature i.

    Which features are counted differs between the published SDKs: the organisation's only
    (JavaScript, our default) or all of `fea` (Go, Python); and bits beyond the permissions are
    ignored or cost the feature (Go). `strict` grants what both grant.
    """
    features, names, masks = claims.get("fea"), o.get("per"), o.get("fpm")
    if not (isinstance(features, str) and isinstance(names, str) and isinstance(masks, str)):
        return ()
    entries = [entry.strip().split(":", 1) for entry in features.split(",")]
    if any(len(entry) != 2 or not all(entry) for entry in entries):
        return ()
    permissions = [name.strip() for name in names.split(",")]
    if not all(permissions):
        return ()
    numbers = [text.strip() for text in masks.split(",")]
    of_org = [slug for scope, slug in entries if "o" in scope]
    granted = _granted(of_org, permissions, numbers)
    if strict:
        of_all = [slug if "o" in scope else "" for scope, slug in entries]
        whole = [text if _fits(text, len(permissions)) else "" for text in numbers]
        other = set(_granted(of_all, permissions, whole))
        granted = [permission for permission in granted if permission in other]
    return tuple(granted)


def _fits(text: str, bits: int) -> bool:
    return _DIGITS.fullmatch(text) is not None and int(text) >> bits == 0


def _granted(
    features: Sequence[str], permissions: Sequence[str], numbers: Sequence[str]
) -> list[str]:
    granted: list[str] = []
    for feature, text in zip(features, numbers, strict=False):
        if not feature or _DIGITS.fullmatch(text) is None:
            continue
        mask = int(text)
        granted += [f"org:{feature}:{p}" for j, p in enumerate(permissions) if mask >> j & 1]
    return granted


# --- has() --------------------------------------------------------------------------------


def _org_key(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return "org:" + value.removeprefix("org:")


def has_role(org: Organization, role: object) -> bool:
    wanted = _org_key(role)
    return wanted is not None and org.id is not None and _org_key(org.role) == wanted


def has_permission(org: Organization, permission: object) -> bool:
    wanted = _org_key(permission)
    if wanted is None or org.id is None:
        return False
    return any(_org_key(held) == wanted for held in org.permissions)


def has_scoped(claim: object, wanted: object) -> bool:
    """Whether a feature or plan claim (`o:slug`, `u:slug`, comma list) holds what is wanted."""
    if not (isinstance(claim, str) and isinstance(wanted, str) and claim and wanted):
        return False
    scope, colon, slug = wanted.rpartition(":")
    if colon and scope not in _ORG_SCOPES | _USER_SCOPES:
        return False
    letters = {"o", "u"} if not colon else {"o"} if scope in _ORG_SCOPES else {"u"}
    held = [entry.strip().partition(":") for entry in claim.split(",")]
    if not slug or any(not middle for _, middle, _ in held):
        return False
    return any(name == slug and not letters.isdisjoint(owner) for owner, _, name in held)


def factor_ages(value: object) -> tuple[int, int] | None:
    """`fva` as minutes since the first and second factor were verified (-1: never), or None."""
    if not isinstance(value, (list, tuple)):
        return None
    ages = cast("Sequence[object]", value)
    if len(ages) != 2:
        return None
    first, second = ages
    for age in (first, second):
        if not isinstance(age, int) or isinstance(age, bool) or age < -1:
            return None
    return cast("tuple[int, int]", (first, second))


def reverification_rule(value: object) -> tuple[str, int] | None:
    """A preset's name or `{"level": …, "after_minutes": …}` as (level, minutes), or None."""
    if isinstance(value, str):
        return PRESETS.get(value)
    if not isinstance(value, Mapping):
        return None
    rule = cast("Mapping[str, Any]", value)
    level, minutes = rule.get("level"), rule.get("after_minutes", rule.get("afterMinutes"))
    if not isinstance(level, str) or level not in _LEVELS:
        return None
    if not isinstance(minutes, int) or isinstance(minutes, bool) or minutes <= 0:
        return None
    return level, minutes


def reverified(ages: tuple[int, int] | None, wanted: object) -> bool:
    """Whether the factors were verified as recently as `wanted` demands."""
    rule = reverification_rule(wanted)
    if rule is None or ages is None:
        return False
    level, minutes = rule
    first, second = ages
    first_fresh = first != -1 and minutes > first
    second_fresh = second != -1 and minutes > second
    if first == -1 and second == -1:
        return False
    if level == "first_factor":
        return first_fresh
    if level == "second_factor":
        return second_fresh if second != -1 else first_fresh
    if first == -1:
        return False
    return first_fresh if second == -1 else first_fresh and second_fresh
