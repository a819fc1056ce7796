"""Tokens that nobody may take, made from good ones."""

from __future__ import annotations

import base64
import json
from typing import Any


def read(token: str, part: int) -> dict[str, Any]:
    """The header (0) or the claims (1) of a token."""
    text = token.split(".")[part]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def changed(token: str, part: int, **members: Any) -> str:
    """With other members in its header (0) or its claims (1), under the old signature."""
    parts = token.split(".")
    text = json.dumps({**read(token, part), **members}, separators=(",", ":"))
    parts[part] = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    return ".".join(parts)


def resigned(token: str) -> str:
    """With one bit of its signature changed."""
    front, signature = token.rsplit(".", 1)
    raw = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    raw[len(raw) // 2] ^= 1
    return f"{front}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def tampered(token: str) -> dict[str, str]:
    """What was done to it -> the token then."""
    unsigned = changed(token, 0, alg="none").rsplit(".", 1)[0] + "."
    return {
        "claims": changed(token, 1, plan="enterprise"),
        "later end": changed(token, 1, exp=read(token, 1)["exp"] + 3600),
        "signature": resigned(token),
        "no signature": token.rsplit(".", 1)[0] + ".",
        "alg none": unsigned,
        "alg HS256": changed(token, 0, alg="HS256"),
    }
