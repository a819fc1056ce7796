"""`DirectoryFlows`: every act of the directory, and what templates may see of it.

It does nothing by itself: its flows ask, and whoever drives them has a store.
"""

from __future__ import annotations

from ..core.flow import Flow
from ..core.jsontext import FrozenDict
from ..sessions.claims import NO_CLAIMS
from ..sessions.templates.subject import MembershipView, OrganizationView, UserView
from . import given
from .changes import all_of, prune
from .keeping import BY_USER, MEMBERSHIP, ORGANIZATION, USER, membership_key, read
from .memberships import MembershipActs
from .organizations import OrganizationActs
from .users import UserActs


class DirectoryFlows(UserActs, OrganizationActs, MembershipActs):
    """The acts on users, organisations and memberships; `sessions.people.People` too."""

    def user(self, user_id: str, *, organizations: bool) -> Flow[UserView | None]:
        """A user as templates see them, without private metadata."""
        user_id = given.identity(user_id, "user_id")
        user = (yield from read(USER, user_id)).entry
        if user is None:
            return None
        roles = NO_CLAIMS
        if organizations:
            members = yield from all_of(MEMBERSHIP, BY_USER, user_id)
            roles = FrozenDict({member.org_id: member.role for member in members})
        return UserView(
            id=user.user_id,
            first_name=user.first_name,
            last_name=user.last_name,
            username=user.username,
            external_id=user.external_id,
            created_at=user.created_at,
            updated_at=user.updated_at,
            primary_email_address=user.primary_email_address,
            primary_phone_number=user.primary_phone_number,
            email_verified=user.email_verified,
            phone_number_verified=user.phone_number_verified,
            image_url=user.image_url,
            has_image=user.image_url is not None,
            two_factor_enabled=user.two_factor_enabled,
            public_metadata=user.public_metadata,
            unsafe_metadata=user.unsafe_metadata,
            organizations=roles,
        )

    def membership(
        self, user_id: str, org_id: str
    ) -> Flow[tuple[OrganizationView, MembershipView] | None]:
        """What a user is in an organisation, as templates see it, without private metadata."""
        user_id, org_id = given.identity(user_id, "user_id"), given.identity(org_id, "org_id")
        member = (yield from read(MEMBERSHIP, membership_key(org_id, user_id))).entry
        organization = (yield from read(ORGANIZATION, org_id)).entry
        if member is None or organization is None:
            return None
        view = OrganizationView(
            id=organization.org_id,
            name=organization.name,
            slug=organization.slug,
            public_metadata=organization.public_metadata,
        )
        return view, MembershipView(
            role=member.role,
            permissions=member.permissions,
            public_metadata=member.public_metadata,
        )

    def prune(self) -> Flow[int]:
        """Forget what was removed a day ago; the number of records deleted."""
        return prune(self._clock())
