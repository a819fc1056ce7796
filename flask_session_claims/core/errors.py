"""The four error families, and what each refusal code means.

A message never holds a token, a key, a configured value or text taken from a token
(except a ConfigurationError, which speaks to the developer and names the setting).
"""

from __future__ import annotations

from typing import Any, Final

#: Refusal code -> a message that is safe to show. The first block follows the published
#: reason codes of Clerk's SDKs, the second is ours.
REFUSALS: Final[dict[str, str]] = {
    "token-expired": "The session token has expired.",
    "token-not-active-yet": "The session token is not active yet.",
    "token-iat-in-the-future": "The session token was issued in the future.",
    "token-invalid": "The session token is malformed.",
    "token-invalid-algorithm": "The session token is signed with an algorithm that is not allowed.",
    "token-invalid-signature": "The session token's signature does not match.",
    "token-invalid-issuer": "The session token comes from another issuer.",
    "token-invalid-authorized-parties": "The session token was made for another party.",
    "token-type-mismatch": "The token is not a session token.",
    "jwk-kid-mismatch": "No trusted key matches the session token.",
    "session-token-missing": "No session token was sent.",
    # ours
    "token-too-large": "The session token is too large.",
    "token-missing-claim": "The session token lacks a required claim.",
    "token-invalid-claim": "A claim of the session token has the wrong type.",
    "token-invalid-audience": "The session token was made for another audience.",
    "session-pending": "The session still has tasks to complete.",
    "session-revoked": "The session has ended.",
    "request-origin-refused": "The request comes from an origin that is not allowed.",
}

#: Reasons that are about a *valid* session: a new token would not cure them, so they are 403.
VALID_SESSION_REASONS: Final = frozenset({"session-pending", "request-origin-refused"})


def client_code(reason: str) -> str:
    """The code that a client may see for a refusal code.

    All bad tokens look alike; an expired one may be told apart, since the client must
    know that a refresh helps (its signature was good).
    """
    if reason in ("session-token-missing", *VALID_SESSION_REASONS):
        return reason
    return "session-token-expired" if reason == "token-expired" else "session-token-invalid"


class SessionClaimsError(Exception):
    """What every error of this library is.

    Attributes:
        code: stable, kebab-case.
        status: the HTTP status that fits.
        message: safe to show.
    """

    code: str = "session-claims-error"
    status: int = 500

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.args, dict(self.__dict__))


class TokenError(SessionClaimsError):
    """The caller's token was refused; `code` says why, for the log and the developer.

    Attributes:
        client_code: what the client may be told: `session-token-missing`,
            `session-token-expired` or `session-token-invalid`; a reason that concerns a
            valid session (`session-pending`) stands for itself.
    """

    status: int = 401

    def __init__(self, code: str) -> None:
        super().__init__(REFUSALS[code], code=code)
        if code in VALID_SESSION_REASONS:
            self.status = 403

    @property
    def client_code(self) -> str:
        return client_code(self.code)


class ClaimError(TokenError):
    """A claim of a good token is not what the app's type asks for.

    The status is 403, as for everything that is wrong with a valid session: a fresh token would
    say the same. What a validator in the type itself had to say is the `__cause__`.

    Attributes:
        code: `token-missing-claim` or `token-invalid-claim`.
        claim: which, as a path: `plan`, `address.city`, `tags[2]`; `[*]` for a name that only
            the token knows; empty for all claims together.
        expected: what the type asks for.
        found: the kind of value that came, never the value; None: nothing came.
    """

    def __init__(self, claim: str, expected: str, found: str | None = None) -> None:
        code = "token-missing-claim" if found is None else "token-invalid-claim"
        came = "is missing" if found is None else f"is {found}"
        message = f"The claim {claim or 'set'} {came}; expected {expected}."
        SessionClaimsError.__init__(self, message, code=code)
        self.status = 403
        self.claim = claim
        self.expected = expected
        self.found = found

    @property
    def client_code(self) -> str:
        return self.code


class SessionError(SessionClaimsError):
    """A session is not in the state that the call needs."""

    code = "session-error"
    status = 409


class UnavailableError(SessionClaimsError):
    """Keys, store or network cannot be had now: neither signed in nor signed out.

    Attributes:
        retry_after: whole seconds after which trying again makes sense.
    """

    code = "unavailable"
    status = 503

    def __init__(self, message: str, *, code: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message, code=code)
        self.retry_after: int = max(1, retry_after)


class ConfigurationError(SessionClaimsError):
    """The developer's settings or calls are wrong; raised at start-up where possible."""

    code = "configuration-error"


def _rebuild(
    kind: type[SessionClaimsError], args: tuple[Any, ...], state: dict[str, Any]
) -> SessionClaimsError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error
