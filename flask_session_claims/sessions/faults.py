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
    "refresh-token-replaced": "The refresh token was replaced by another.",
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


class SessionUnknown(SessionError):
    """There is no such session, or it has ended."""

    code = "session-unknown"

    def __init__(self) -> None:
        super().__init__("There is no such session, or it has ended.")


class ActRefused(SessionError):
    """What who is signed in may not do (403); nothing was done. In a view it is the answer."""

    status = 403


class OriginRefused(ActRefused):
    """A sign-in or sign-out that another site may have caused (login CSRF); nothing was done."""

    code = "request-origin-refused"

    def __init__(self) -> None:
        super().__init__("This request did not come from a page of this site.")


class NotAMember(ActRefused):
    """The user is in no such organisation; whether there is one is not told."""

    code = "membership-missing"

    def __init__(self) -> None:
        super().__init__("The user is no member of such an organisation.")


class ActorRefused(ActRefused):
    """Only the user may do this, not somebody who acts for them."""

    code = "actor-refused"

    def __init__(self) -> None:
        super().__init__("This cannot be done while acting for somebody else.")


class ImpersonationRefused(ActRefused):
    """Who is signed in may not act for that user."""

    code = "impersonation-refused"

    def __init__(self) -> None:
        super().__init__("You may not act for this user.")
