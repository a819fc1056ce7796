"""Whose claims are rendered: what the issuer asks the directory for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from ..core.flow import Flow
from .templates.subject import MembershipView, OrganizationView, UserView


class People(Protocol):
    """Users and what they are in organisations, as flows."""

    def user(self, user_id: str, *, organizations: bool) -> Flow[UserView | None]:
        """A user as templates see them; None: not in the directory.

        Args:
            organizations: whether `UserView.organizations` is wanted.
        """
        ...

    def membership(
        self, user_id: str, org_id: str
    ) -> Flow[tuple[OrganizationView, MembershipView] | None]:
        """What a user is in an organisation; None: no member of it, or it is gone."""
        ...


class Entitled:
    """`people`, whose memberships have the permissions of their role besides their own."""

    def __init__(self, people: People, roles: Mapping[str, Sequence[str]]) -> None:
        self._people = people
        self._roles = {role: tuple(permissions) for role, permissions in roles.items()}

    def user(self, user_id: str, *, organizations: bool) -> Flow[UserView | None]:
        """A user as templates see them; None: not in the directory."""
        return self._people.user(user_id, organizations=organizations)

    def membership(
        self, user_id: str, org_id: str
    ) -> Flow[tuple[OrganizationView, MembershipView] | None]:
        """What a user is in an organisation; None: no member of it, or it is gone."""
        place = yield from self._people.membership(user_id, org_id)
        if place is None:
            return None
        organization, membership = place
        brought = self._roles.get(membership.role or "", ())
        together = tuple(dict.fromkeys((*membership.permissions, *brought)))
        return organization, replace(membership, permissions=together)
