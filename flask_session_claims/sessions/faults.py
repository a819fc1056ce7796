"""What is refused here: a refresh token, claims that cannot be kept, arguments that make no sense.

No message holds a token or a claim's value; names of claims are the developer's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..core.errors import SessionClaimsError, SessionError, TokenError

#: Why a refresh was refused; to a client all of them look alike.
REFRESH_REFUSALS: Final[dict[str, str]] = {
    "refresh-token-invalid": "The refresh token is malformed or was never issued.",
    "refresh-token-reused": "The refresh token was used before; its session has ended.",
    "refresh-token-ahead": "The refresh token is newer than the store; was a backup restored?",
    "refresh-session-mismatch": "The refresh token belongs to another session.",
    "session-revoked": "The session has ended.",
    "session-expired": "The session has ended.",
    "session-unknown": "The session has ended.",
}


class RefreshRefused(TokenError):
    """A refresh token was refused; nobody is signed in by it.

    Attributes:
        session_id, user_id: of the session, where the token was truly one of its tokens.
        revoked: whether this refusal has ended the session (the token was used before).
        generation: the token's, where it was truly one of the session's tokens.
    """

    def __init__(
        self,
        code: str,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        generation: int | None = None,
        revoked: bool = False,
    ) -> None:
        SessionClaimsError.__init__(self, REFRESH_REFUSALS[code], code=code)
        self.session_id: str | None = session_id
        self.user_id: str | None = user_id
        self.generation: int | None = generation
        self.revoked: bool = revoked


class ClaimsRefused(SessionError):
    """Claims or data cannot be kept as given; nothing was changed.

    Codes: `claims-invalid` (no JSON), `claims-protected`, `claims-too-large`.

    Attributes:
        names: the claims it is about; for `claims-too-large` the largest, biggest first.
    """

    code = "claims-invalid"
    status = 400

    def __init__(self, message: str, *, code: str | None = None, names: Sequence[str] = ()) -> None:
        super().__init__(message, code=code)
        self.names: tuple[str, ...] = tuple(names)


class OriginRefused(SessionError):
    """A sign-in or sign-out that another site may have caused (login CSRF); nothing was done."""

    code = "request-origin-refused"
    status = 403

    def __init__(self) -> None:
        super().__init__("This request did not come from a page of this site.")
