"""A directory of a few people, as the issuer asks for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask_session_claims.core.flow import Flow
from flask_session_claims.sessions.templates.subject import (
    MembershipView,
    OrganizationView,
    UserView,
)

from .people import MARIA, NOBODY

assert MARIA.organization is not None
assert MARIA.membership is not None
USERS = {subject.user.id: subject.user for subject in (MARIA, NOBODY)}
MEMBERS = {(MARIA.user.id, MARIA.organization.id): (MARIA.organization, MARIA.membership)}


class KnownPeople:
    """Knows `user_1`, a member of `org_1`, and `user_0`, of whom nothing is known."""

    def __init__(self, **more: UserView) -> None:
        self._users = {**USERS, **more}
        #: What was asked for, in order.
        self.asked: list[Any] = []

    def user(self, user_id: str, *, organizations: bool) -> Flow[UserView | None]:
        self.asked.append((user_id, organizations))
        found = self._users.get(user_id)
        yield from ()
        return found if found is None or organizations else replace(found, organizations={})

    def membership(
        self, user_id: str, org_id: str
    ) -> Flow[tuple[OrganizationView, MembershipView] | None]:
        self.asked.append((user_id, org_id))
        yield from ()
        return MEMBERS.get((user_id, org_id))
