"""One token looked at: what it says, what the app would make of it, and how large it is.

A report never holds the token or its signature.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from ...core.claims import PROTECTED_NAMES, is_time
from ...core.errors import TokenError, UnavailableError
from ...core.jose import check_signature, read_header, split_compact
from ...core.jsontext import b64url_decode, parse_object
from ...core.settings import VerifierSettings
from ..verifiers import Verifier
from .explain import Case, why
from .heard import listening

#: Bytes of a cookie's name and value together that every browser keeps (RFC 6265 §6.1).
MAX_COOKIE: Final = 4_096
#: Bytes of custom claims, as compact JSON, that leave room for the rest in such a cookie.
MAX_CUSTOM_CLAIMS: Final = 1_200
#: Characters above which a token is not decoded: no MAX_TOKEN_LENGTH can be higher.
LONGEST: Final = 65_536

Signature = Literal["good", "bad", "unchecked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A size against its budget."""

    what: Literal["token", "cookie", "custom claims"]
    used: int
    limit: int
    unit: Literal["characters", "bytes"]
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When, in seconds since 1970 UTC, and how far from now, in seconds; None: not stated."""

    now: float
    issued_at: float | None
    not_before: float | None
    expires_at: float | None
    age: float | None
    expires_in: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReport:
    """What was found out about a token."""

    accepted: bool
    #: Refusal code; None if it was accepted.
    code: str | None
    message: str
    #: What came and what was expected, for the developer.
    why: str | None
    #: Of the token as it came; "unchecked" where no key was at hand or came into question.
    signature: Signature
    #: None where it cannot be read. Not to be trusted unless the signature is good.
    header: Mapping[str, Any] | None
    claims: Mapping[str, Any] | None
    times: Times
    sizes: tuple[Size, ...]
    #: Custom claims and their bytes, the largest first.
    custom: tuple[tuple[str, int], ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "code": self.code,
            "message": self.message,
            "why": self.why,
            "signature": self.signature,
            "header": self.header,
            "claims": self.claims,
            "times": asdict(self.times),
            "sizes": [asdict(size) for size in self.sizes],
            "custom_claims": dict(self.custom),
        }


def clean(text: str) -> str:
    """The token in what people paste: white space, quotes and `Authorization: Bearer` go."""
    text = text.strip().strip("\"'").strip()
    for prefix in ("authorization:", "bearer "):
        if text.lower().startswith(prefix):
            text = text[len(prefix) :].strip()
    return text


def inspect_token(verifier: Verifier, token: str) -> TokenReport:
    """The report; fetches keys if they are needed, as the app would."""
    settings = verifier.settings
    now = verifier.flows._clock()  # pyright: ignore[reportPrivateUsage]
    header, claims = (None, None) if len(token) > LONGEST else _decoded(token)
    code: str | None = None
    message, reason = "The app takes this token.", None
    with listening() as heard:
        try:
            _ = verifier.verify(token)
        except TokenError as error:
            code, message = error.code, error.message
            reason = why(code, Case(token, header, claims, settings, now))
        except UnavailableError as error:
            code, message, reason = error.code, error.message, heard.failure
    custom = _custom(claims)
    return TokenReport(
        accepted=code is None,
        code=code,
        message=message,
        why=reason,
        signature="good" if code is None else _signature(verifier, token),
        header=header,
        claims=claims,
        times=_times(claims or {}, now),
        sizes=_sizes(token, custom, settings),
        custom=custom,
    )


def _decoded(token: str) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    parts = token.split(".", 3)
    found = [_object(part) for part in parts[:2]] if len(parts) == 3 else []
    return (found[0], found[1]) if len(found) == 2 else (None, None)


def _object(part: str) -> Mapping[str, Any] | None:
    try:
        return parse_object(b64url_decode(part.encode("ascii")))
    except (ValueError, RecursionError):
        return None


def _signature(verifier: Verifier, token: str) -> Signature:
    if len(token) > LONGEST:
        return "unchecked"
    try:
        head, _, signature, signed = split_compact(token)
        header = read_header(head)
    except TokenError:
        return "unchecked"
    keys = verifier.flows.keys.known(header.kid, header.algorithm)
    if not keys:
        return "unchecked"
    try:
        check_signature(signed, signature, header, keys)
    except TokenError:
        return "bad"
    return "good"


def _seconds(value: Any) -> float | None:
    if not is_time(value) or abs(value) > 1e11:
        return None
    return float(value)


def _times(claims: Mapping[str, Any], now: float) -> Times:
    issued, begins, ends = (_seconds(claims.get(name)) for name in ("iat", "nbf", "exp"))
    return Times(
        now=now,
        issued_at=issued,
        not_before=begins,
        expires_at=ends,
        age=None if issued is None else now - issued,
        expires_in=None if ends is None else ends - now,
    )


def json_bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8"))


def _custom(claims: Mapping[str, Any] | None) -> tuple[tuple[str, int], ...]:
    custom = {n: v for n, v in (claims or {}).items() if n not in PROTECTED_NAMES}
    # Each with its share of the object: the colon, and a comma or brace.
    sizes = [(name, json_bytes(name) + json_bytes(value) + 2) for name, value in custom.items()]
    return tuple(sorted(sizes, key=lambda pair: -pair[1]))


def _sizes(
    token: str, custom: tuple[tuple[str, int], ...], settings: VerifierSettings
) -> tuple[Size, ...]:
    name, instance = settings.cookie_name, settings.clerk_instance
    suffix = 0 if instance is None else len(instance.cookie_suffix) + 1
    length = len(token)
    claims = sum(size for _, size in custom) + 1 if custom else 0

    def size(what: Any, used: int, limit: int, unit: Any = "bytes") -> Size:
        return Size(what=what, used=used, limit=limit, unit=unit, fits=used <= limit)

    return (
        size("token", length, settings.max_token_length, "characters"),
        size("cookie", len(name) + suffix + len(token.encode("utf-8", "replace")), MAX_COOKIE),
        size("custom claims", claims, MAX_CUSTOM_CLAIMS),
    )
