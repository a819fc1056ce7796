"""A slow reading of a signed token, written from the rules and not from the code.

It says yes or no about a header, a payload and who really signed; never why.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from tests.corpus.forge import ISSUER, NEUTRAL_CAT, NOW, PARTY, SESSION_CAT

LEEWAY = 5
DEEPEST = 64
#: kid -> the algorithm of the trusted key of that name.
TRUSTED = {"rsa-1": "RS256", "ec-1": "ES256", "ed-1": "EdDSA"}


def _refuse(text: str) -> NoReturn:
    raise ValueError("not JSON")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _measure(value: object, depth: int) -> None:
    """Refuses what is nested too deeply, overflows, or cannot be written again."""
    if isinstance(value, (dict, list)):
        if depth > DEEPEST:
            raise ValueError("too deep")
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            _measure(inner, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("overflow")
    elif isinstance(value, str):
        value.encode("utf-8")


def strict_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object that `data` is, or None."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_members, parse_constant=_refuse)
        _measure(value, 1)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def header_names(head: dict[str, Any], *, access: bool) -> str | None:
    """The kid of the trusted key that the header stands for, if it may stand at all."""
    alg = head.get("alg")
    alg = "EdDSA" if alg == "Ed25519" else alg
    if alg not in [*TRUSTED.values()]:
        return None
    if {"crit", "b64", "zip", "enc", "cty"} & set(head):
        return None
    typ = head.get("typ", None if access else "jwt")
    if not isinstance(typ, str):
        return None
    kinds = ("at+jwt", "application/at+jwt") if access else ("jwt", "application/jwt")
    if typ.lower() not in kinds:
        return None
    if "cat" in head and head["cat"] not in (
        [NEUTRAL_CAT] if access else [NEUTRAL_CAT, SESSION_CAT]
    ):
        return None
    if "kid" not in head:
        return next(kid for kid, algorithm in TRUSTED.items() if algorithm == alg)
    kid = head["kid"]
    return kid if isinstance(kid, str) and TRUSTED.get(kid) == alg else None


def claims_hold(claims: dict[str, Any], cat: object, *, access: bool, audience: bool) -> bool:
    """Whether the claims are good at `NOW` under the corpus' settings."""
    if not _is_text(claims.get("sub")) or claims["sub"].startswith("mch_"):
        return False
    if claims.get("iss") != ISSUER or claims.get("azp") != PARTY:
        return False
    if audience:
        stated = claims.get("aud")
        names = stated if isinstance(stated, list) else [stated]
        if not all(isinstance(name, str) for name in names) or "api" not in names:
            return False
    if not access and "sid" not in claims and cat != SESSION_CAT:
        return False
    if "sid" in claims and not _is_text(claims["sid"]):
        return False
    if not isinstance(claims.get("jti", ""), str) or not isinstance(claims.get("act", {}), dict):
        return False
    status = claims.get("sts")
    if status is not None and status != "active":  # pending is signed out
        return False
    times = [claims.get("exp"), claims.get("nbf", NOW), claims.get("iat", NOW)]
    if not all(_is_number(time) for time in times):
        return False
    exp, nbf, iat = times
    return bool(math.floor(exp) > NOW - LEEWAY and nbf <= NOW + LEEWAY and iat <= NOW + LEEWAY)
