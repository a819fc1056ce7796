"""Why a token was refused, told to the developer who holds it: what came, what was expected.

It may quote the token's header and claims, so it is for a terminal, never for a log or a client.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ...core.claims import is_time
from ...core.settings import VerifierSettings
from .layout import duration, moment, quoted

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_.-]")
_UNKNOWN_MEMBERS: Final = ("crit", "b64", "zip", "enc", "cty")


class Case:
    """One refused token: what could be read of it, and what it was held against."""

    def __init__(
        self,
        token: str,
        header: Mapping[str, Any] | None,
        claims: Mapping[str, Any] | None,
        settings: VerifierSettings,
        now: float,
    ) -> None:
        self.token = token
        self.header = header
        self.claims = claims
        self.settings = settings
        self.now = now

    def said(self, name: str) -> str:
        """What the payload says, as it came."""
        held = self.claims or {}
        return quoted(held[name]) if name in held else "absent"

    def ago(self, name: str) -> str:
        value = (self.claims or {}).get(name)
        if not is_time(value) or abs(value or 0) > 1e11:
            return f"{name} is {self.said(name)}"
        gap = self.now - (value or 0)
        when = f"{duration(gap)} ago" if gap >= 0 else f"in {duration(gap)}"
        return f"{name} was {when}" if gap >= 0 else f"{name} is {when}"


def _malformed(case: Case) -> str:
    token, header = case.token, case.header
    if _FOREIGN.search(token):
        return "it has characters that no token has"
    parts = token.count(".") + 1
    if parts == 5:
        return "it has 5 parts: it is encrypted (JWE); only signed tokens are taken"
    if parts != 3:
        held = "1 part" if parts == 1 else f"{parts:,} parts"
        return f"it has {held}; a signed token has 3, joined by dots"
    if header is None:
        return "its first part is no base64url of a JSON object; was it cut, or pasted in part?"
    odd = [name for name in _UNKNOWN_MEMBERS if name in header]
    if odd:
        return f"its header has {', '.join(odd)}, which is not understood here"
    if case.claims is None:
        return "its second part is no base64url of a JSON object; was it cut, or pasted in part?"
    return "its header or its signature is not of the right form"


def _algorithm(case: Case) -> str:
    settings = case.settings
    return (
        f"alg is {quoted((case.header or {}).get('alg'))};"
        f" {settings.label('algorithms')} allows {', '.join(settings.algorithms)}"
    )


def _kid(case: Case) -> str:
    if case.settings.is_self:
        return (
            f"no key of this app's own is named {quoted((case.header or {}).get('kid'))}; was it"
            " removed, or is the token another issuer's? (see the command keys)"
        )
    return (
        f"no key of the set is named {quoted((case.header or {}).get('kid'))}; is the token"
        " another issuer's, or of another environment? (see the command keys --fetch)"
    )


def _issuer(case: Case) -> str:
    settings = case.settings
    if settings.is_self:
        own = quoted(settings.issuer) if settings.own else "not made yet: nobody has signed in"
        return f"iss is {case.said('iss')}; this app's own issuer is {own}"
    told = f"iss is {case.said('iss')}; {settings.label('issuer')} is {quoted(settings.issuer)}"
    said = (case.claims or {}).get("iss")
    if isinstance(said, str) and said.rstrip("/") == (settings.issuer or "").rstrip("/"):
        return f"{told}; they differ in the slash at the end, write it as iss has it"
    return told


def _parties(case: Case) -> str:
    settings = case.settings
    allowed = ", ".join(sorted(settings.parties or ()))
    names = f"{settings.label('authorized_parties')} or {settings.label('origins')}"
    if "azp" not in (case.claims or {}):
        return f"it has no azp, and {names} says {allowed}; see ALLOW_MISSING_AZP"
    return f"azp is {case.said('azp')}; {names} says {allowed}"


def _audience(case: Case) -> str:
    settings = case.settings
    if settings.audience is None:
        return f"aud is {case.said('aud')}; {settings.label('audience')} is unset"
    return f"aud is {case.said('aud')}; {settings.label('audience')} is {quoted(settings.audience)}"


def _type(case: Case) -> str:
    header, claims = case.header or {}, case.claims or {}
    use = case.settings.token_use
    if case.header is None:
        return "it is an opaque machine token, not a session token"
    held = [f"{name} is {quoted(header[name])}" for name in ("typ", "cat") if name in header]
    held += [f"{name} is {case.said(name)}" for name in ("sub",) if name in claims]
    held += ["it names no session (sid)"] if "sid" not in claims else []
    label = case.settings.label("token_use")
    return f'{label} is "{use}", and this token is of another kind: {"; ".join(held)}'


def _lacking(case: Case) -> str:
    lacking = [name for name in ("sub", "exp") if name not in (case.claims or {})]
    return f"it lacks {' and '.join(lacking)}"


def _wrong_types(case: Case) -> str:
    text = "a string that is not empty"
    must: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "sub": (text, lambda v: isinstance(v, str) and v != ""),
        "sid": (text, lambda v: isinstance(v, str) and v != ""),
        "jti": ("a string", lambda v: isinstance(v, str)),
        "act": ("an object", lambda v: isinstance(v, dict)),
        "sts": ('"active" or "pending"', lambda v: v in ("active", "pending", None)),
        **dict.fromkeys(("exp", "nbf", "iat"), ("a number", is_time)),
    }
    claims = case.claims or {}
    faults = [
        f"{name} is {case.said(name)}, expected {what}"
        for name, (what, good) in must.items()
        if name in claims and not good(claims[name])
    ]
    return "; ".join(faults) or "one of its claims has the wrong type"


def _clock(name: str) -> Callable[[Case], str]:
    def text(case: Case) -> str:
        leeway = duration(case.settings.leeway)
        return (
            f"{case.ago(name)}, allowed difference {leeway}; here it is {moment(case.now)},"
            " is this machine's clock right?"
        )

    return text


def _too_large(case: Case) -> str:
    settings = case.settings
    label = settings.label("max_token_length")
    return f"it has {len(case.token):,} characters; {label} is {settings.max_token_length:,}"


_REASONS: Final[dict[str, Callable[[Case], str]]] = {
    "token-invalid": _malformed,
    "token-invalid-algorithm": _algorithm,
    "token-invalid-signature": lambda case: (
        "the key named in its header did not sign it: it was altered, or comes from another"
        " issuer that uses the same key name"
    ),
    "jwk-kid-mismatch": _kid,
    "token-invalid-issuer": _issuer,
    "token-invalid-authorized-parties": _parties,
    "token-invalid-audience": _audience,
    "token-type-mismatch": _type,
    "token-missing-claim": _lacking,
    "token-invalid-claim": _wrong_types,
    "token-expired": lambda case: (
        f"{case.ago('exp')}, allowed difference {duration(case.settings.leeway)}"
    ),
    "token-not-active-yet": _clock("nbf"),
    "token-iat-in-the-future": _clock("iat"),
    "token-too-large": _too_large,
    "session-revoked": lambda case: (
        f"the session (sid) {case.said('sid')} has ended, or there never was one; see the command"
        " explain"
    ),
    "session-pending": lambda case: (
        f'sts is "pending": the user has tasks left; see {case.settings.label("accept_pending")}'
    ),
}


def why(code: str, case: Case) -> str | None:
    """What came and what was expected; None where the code says all there is."""
    reason = _REASONS.get(code)
    return None if reason is None else reason(case)
