"""The claims of somebody whom a test describes: role, permissions, plan, claims of its own.

A token and an `Auth` made from one description say the same. It knows no keys and no times.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ..core.access import factor_ages
from ..core.claims import PROTECTED_NAMES

_SCOPES = {"o": "o", "org": "o", "organization": "o", "u": "u", "user": "u"}


def described(
    user_id: str,
    custom: Mapping[str, object],
    *,
    session_id: str = "sess_1",
    role: str | None = None,
    permissions: Iterable[str] = (),
    org_id: str | None = None,
    org_slug: str | None = None,
    features: Iterable[str] = (),
    plan: str | None = None,
    factor_verification_age: tuple[int, int] | None = None,
    actor: Mapping[str, object] | None = None,
    claims: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Claims in the flat format: who, in which organisation, and what is custom.

    Raises:
        TypeError: something is of another type than its name says, or is no JSON.
        ValueError: something is empty, or a custom claim has a name that the issuer writes.
    """
    held = [_with_org(_text("permissions", p)) for p in _several("permissions", permissions)]
    if org_id is None and (role is not None or org_slug is not None or held):
        org_id = "org_1"  # roles and permissions count in an organisation only
    scope = "u" if org_id is None else "o"
    has = [_scoped("features", feature, scope) for feature in _several("features", features)]
    said: dict[str, object | None] = {
        "sub": _text("user_id", user_id),
        "sid": _text("session_id", session_id),
        "org_id": None if org_id is None else _text("org_id", org_id),
        "org_slug": None if org_slug is None else _text("org_slug", org_slug),
        "org_role": None if role is None else _with_org(_text("role", role)),
        "org_permissions": held or None,
        "fea": ",".join(has) or None,
        "pla": None if plan is None else _scoped("plan", plan, scope),
        "fva": _ages(factor_verification_age),
        "act": None if actor is None else _json("actor", dict(actor)),
    }
    return {
        **{name: value for name, value in said.items() if value is not None},
        **_own(claims or {}),
        **_own(custom),
    }


def _own(custom: Mapping[str, object]) -> Mapping[str, object]:
    for name, value in custom.items():
        if name in PROTECTED_NAMES:
            raise ValueError(
                f"{name} is no claim of your own: the issuer writes it. Describe the user by"
                " user_id, session_id, role, permissions, org_id, org_slug, features, plan,"
                " factor_verification_age or actor; LocalIssuer.mint() takes any claim"
            )
        _json(name, value)
    return custom


def _json(name: str, value: object) -> object:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{name} cannot stand in a token: {error}") from None
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: got a {type(value).__name__}; write a string")
    if not value:
        raise ValueError(f"{name} is empty; write a name, or leave it out")
    _json(name, value)
    return value


def _several(name: str, values: Iterable[str]) -> list[str]:
    if isinstance(values, str):
        raise TypeError(f"{name}: got one string; write a list: [{values!r}]")
    return list(values)


def _with_org(name: str) -> str:
    return "org:" + name.removeprefix("org:")


def _scoped(what: str, name: str, scope: str) -> str:
    """`teams` or `org:teams` as a token has it: `o:teams`, `u:teams`."""
    given, colon, slug = _text(what, name).rpartition(":")
    if not slug or "," in slug or (colon and given not in _SCOPES):
        raise ValueError(f"{what}: got {name!r}; write a slug, org:slug or user:slug")
    return f"{_SCOPES[given] if colon else scope}:{slug}"


def _ages(ages: tuple[int, int] | None) -> list[int] | None:
    if ages is None:
        return None
    if factor_ages(ages) is None:
        raise ValueError(
            f"factor_verification_age: got {ages!r}; write the minutes since the first and the"
            " second factor were verified, -1 for never: (3, -1)"
        )
    return list(ages)
