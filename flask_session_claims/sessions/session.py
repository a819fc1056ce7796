"""What the outside sees of sessions. It loads nothing else: every app that names a type has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .claims import Claims


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it stands, without its secrets. Times are UTC seconds."""

    session_id: str
    user_id: str
    #: Custom claims in force: template, provided and own layers together.
    claims: Claims
    #: Server-only data; it never goes into a token.
    data: Claims = field(repr=False)
    created_at: float
    #: Sign-in or the last refresh.
    last_seen_at: float
    #: When it ends if it is not refreshed, and when it ends in any case.
    expires_at: float
    absolute_end: float
    #: Whether its cookies outlive the browser's own session.
    persistent: bool
    org_id: str | None
    device: str | None
    address: str | None
    #: The origin of the page that signed in, where the app names its origins.
    azp: str | None = None
    org_slug: str | None = None
    #: The user's role and permissions in the active organisation.
    org_role: str | None = None
    org_permissions: tuple[str, ...] = ()
    #: Who acts for the user, by `sub` and `sid`; None: the user.
    actor: Mapping[str, str] | None = None
    #: When the user was last seen to be who they are, by each factor; None: never.
    first_verified_at: float | None = None
    second_verified_at: float | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A session, and the tokens for its client to keep."""

    session: Session
    #: What goes into a cookie, or after `Authorization: Bearer`.
    session_token: str = field(repr=False)
    #: None: the client has it already.
    refresh_token: str | None = field(repr=False)
    #: What the session token says.
    claims: Claims = field(repr=False)
    #: When the session token ends (UTC seconds).
    expires_at: int


class Act(NamedTuple):
    """One line of a session's journal: an act that was committed."""

    at: float
    act: str
    #: Something to tell it by, without secrets: a generation, a reason, a number of claims.
    detail: str
