"""`claims.directory` and `claims.adirectory`: users, organisations and memberships.

One logic, two ways to wait; the twins stand one under the other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..core.flow import Flow
    from ..directory.entries import (
        Membership,
        MembershipPage,
        MetadataChange,
        NewUser,
        Organization,
        OrganizationPage,
        ProfileChange,
        User,
        UserMetadataChange,
        UserPage,
    )
    from ..directory.flows import DirectoryFlows
    from ..sessions.issuer import Issuer
    from .runtime import AsyncRuntime, Runtime


class LocalDirectory:
    """Users, organisations and memberships, kept in the store of the sessions.

    All of it may raise `UnavailableError` (the store cannot be had), `ConfigurationError` (an
    argument of the wrong kind) and `DirectoryError`; nothing is half done then. Ids are 1 to 255
    characters, the app's own or made here. `expected_version` is the version that was seen: if
    there is another one by now, nothing is changed (`version-conflict`).

    Metadata is JSON, 8,192 bytes of each kind. Merging goes to every depth; None removes a name,
    and lists are replaced. A page's `after` asks for the next page; None: that was the last.
    """

    def __init__(self, flows: DirectoryFlows, issuer: Issuer, runtime: Runtime) -> None:
        self._flows, self._issuer, self._run = flows, issuer, runtime.run

    def create_user(self, user_id: str | None = None, **given: Unpack[NewUser]) -> User:
        """A new user with these fields and metadata; None: an id is made. `user-exists`."""
        return self._run(self._flows.create_user(user_id, **given))

    def put_user(self, user_id: str, **given: Unpack[NewUser]) -> User:
        """The user with these fields, created or changed: for apps with tables of their own.

        What is not given stays; metadata is merged.
        """
        return self._run(self._flows.put_user(user_id, **given))

    def update_user(self, user_id: str, **change: Unpack[ProfileChange]) -> User:
        """The user after a change of some fields; None clears one. `user-unknown`."""
        return self._run(self._flows.update_user(user_id, **change))

    def update_user_metadata(self, user_id: str, **change: Unpack[UserMetadataChange]) -> User:
        """The user after `public`, `private` or `unsafe` metadata was merged. `user-unknown`."""
        return self._run(self._flows.update_user_metadata(user_id, **change))

    def replace_user_metadata(self, user_id: str, **change: Unpack[UserMetadataChange]) -> User:
        """The user after `public`, `private` or `unsafe` was replaced whole; {} clears it."""
        return self._run(self._flows.replace_user_metadata(user_id, **change))

    def get_user(self, user_id: str) -> User | None:
        """A user; None if the directory has none of that id."""
        return self._run(self._flows.get_user(user_id))

    def find_users(
        self,
        *,
        primary_email_address: str | None = None,
        username: str | None = None,
        external_id: str | None = None,
    ) -> tuple[User, ...]:
        """The users that have this value, one of the three; an address without regard to case."""
        return self._run(
            self._flows.find_users(
                primary_email_address=primary_email_address,
                username=username,
                external_id=external_id,
            )
        )

    def list_users(self, after: str | None = None) -> UserPage:
        """Some of all users, by id."""
        return self._run(self._flows.list_users(after))

    def delete_user(self, user_id: str) -> bool:
        """Remove a user with all memberships, and end the sessions; whether there was one."""
        return self._run(_delete_user(self._flows, self._issuer, user_id))

    def create_organization(
        self,
        name: str,
        *,
        org_id: str | None = None,
        slug: str | None = None,
        public_metadata: Mapping[str, Any] | None = None,
        private_metadata: Mapping[str, Any] | None = None,
    ) -> Organization:
        """A new organisation. `organization-exists`, `slug-taken`.

        Args:
            slug: names it in addresses; None: one is made of the name.
        """
        return self._run(
            self._flows.create_organization(
                name,
                org_id=org_id,
                slug=slug,
                public_metadata=public_metadata,
                private_metadata=private_metadata,
            )
        )

    def get_organization(self, org_id: str) -> Organization | None:
        """An organisation; None if the directory has none of that id."""
        return self._run(self._flows.get_organization(org_id))

    def find_organization(self, slug: str) -> Organization | None:
        """The organisation that has a slug, or None."""
        return self._run(self._flows.find_organization(slug))

    def list_organizations(self, after: str | None = None) -> OrganizationPage:
        """Some of all organisations, by id."""
        return self._run(self._flows.list_organizations(after))

    def update_organization(
        self,
        org_id: str,
        *,
        name: str | None = None,
        slug: str | None = None,
        expected_version: int | None = None,
    ) -> Organization:
        """The organisation with another name or slug. `organization-unknown`, `slug-taken`."""
        return self._run(
            self._flows.update_organization(
                org_id, name=name, slug=slug, expected_version=expected_version
            )
        )

    def update_organization_metadata(
        self, org_id: str, **change: Unpack[MetadataChange]
    ) -> Organization:
        """The organisation after `public` or `private` metadata was merged."""
        return self._run(self._flows.update_organization_metadata(org_id, **change))

    def replace_organization_metadata(
        self, org_id: str, **change: Unpack[MetadataChange]
    ) -> Organization:
        """The organisation after `public` or `private` was replaced whole; {} clears it."""
        return self._run(self._flows.replace_organization_metadata(org_id, **change))

    def delete_organization(self, org_id: str) -> bool:
        """Remove an organisation with all memberships; whether there was one."""
        return self._run(self._flows.delete_organization(org_id))

    def add_member(
        self,
        org_id: str,
        user_id: str,
        role: str,
        *,
        permissions: Collection[str] = (),
        public_metadata: Mapping[str, Any] | None = None,
        private_metadata: Mapping[str, Any] | None = None,
    ) -> Membership:
        """Make a user a member. `user-unknown`, `organization-unknown`, `membership-exists`.

        Args:
            permissions: full keys, `org:feature:name`.
        """
        return self._run(
            self._flows.add_member(
                org_id,
                user_id,
                role,
                permissions=permissions,
                public_metadata=public_metadata,
                private_metadata=private_metadata,
            )
        )

    def update_member(
        self,
        org_id: str,
        user_id: str,
        *,
        role: str | None = None,
        permissions: Collection[str] | None = None,
        expected_version: int | None = None,
    ) -> Membership:
        """The membership with another role or other permissions. `membership-unknown`."""
        return self._run(
            self._flows.update_member(
                org_id,
                user_id,
                role=role,
                permissions=permissions,
                expected_version=expected_version,
            )
        )

    def update_member_metadata(
        self, org_id: str, user_id: str, **change: Unpack[MetadataChange]
    ) -> Membership:
        """The membership after `public` or `private` metadata was merged."""
        return self._run(self._flows.update_member_metadata(org_id, user_id, **change))

    def replace_member_metadata(
        self, org_id: str, user_id: str, **change: Unpack[MetadataChange]
    ) -> Membership:
        """The membership after `public` or `private` was replaced whole; {} clears it."""
        return self._run(self._flows.replace_member_metadata(org_id, user_id, **change))

    def get_member(self, org_id: str, user_id: str) -> Membership | None:
        """What a user is in an organisation, or None."""
        return self._run(self._flows.get_member(org_id, user_id))

    def remove_member(self, org_id: str, user_id: str) -> bool:
        """End a membership; whether there was one."""
        return self._run(self._flows.remove_member(org_id, user_id))

    def list_members(self, org_id: str, after: str | None = None) -> MembershipPage:
        """Some of an organisation's memberships."""
        return self._run(self._flows.list_members(org_id, after))

    def list_memberships(self, user_id: str) -> tuple[Membership, ...]:
        """All memberships of a user, the oldest first."""
        return self._run(self._flows.list_memberships(user_id))


class AsyncLocalDirectory:
    """Async form of `LocalDirectory`; no event loop waits for a store."""

    def __init__(self, flows: DirectoryFlows, issuer: Issuer, runtime: AsyncRuntime) -> None:
        self._flows, self._issuer, self._run = flows, issuer, runtime.run

    async def create_user(self, user_id: str | None = None, **given: Unpack[NewUser]) -> User:
        """Async form of `LocalDirectory.create_user`."""
        return await self._run(self._flows.create_user(user_id, **given))

    async def put_user(self, user_id: str, **given: Unpack[NewUser]) -> User:
        """Async form of `LocalDirectory.put_user`."""
        return await self._run(self._flows.put_user(user_id, **given))

    async def update_user(self, user_id: str, **change: Unpack[ProfileChange]) -> User:
        """Async form of `LocalDirectory.update_user`."""
        return await self._run(self._flows.update_user(user_id, **change))

    async def update_user_metadata(
        self, user_id: str, **change: Unpack[UserMetadataChange]
    ) -> User:
        """Async form of `LocalDirectory.update_user_metadata`."""
        return await self._run(self._flows.update_user_metadata(user_id, **change))

    async def replace_user_metadata(
        self, user_id: str, **change: Unpack[UserMetadataChange]
    ) -> User:
        """Async form of `LocalDirectory.replace_user_metadata`."""
        return await self._run(self._flows.replace_user_metadata(user_id, **change))

    async def get_user(self, user_id: str) -> User | None:
        """Async form of `LocalDirectory.get_user`."""
        return await self._run(self._flows.get_user(user_id))

    async def find_users(
        self,
        *,
        primary_email_address: str | None = None,
        username: str | None = None,
        external_id: str | None = None,
    ) -> tuple[User, ...]:
        """Async form of `LocalDirectory.find_users`."""
        return await self._run(
            self._flows.find_users(
                primary_email_address=primary_email_address,
                username=username,
                external_id=external_id,
            )
        )

    async def list_users(self, after: str | None = None) -> UserPage:
        """Async form of `LocalDirectory.list_users`."""
        return await self._run(self._flows.list_users(after))

    async def delete_user(self, user_id: str) -> bool:
        """Async form of `LocalDirectory.delete_user`."""
        return await self._run(_delete_user(self._flows, self._issuer, user_id))

    async def create_organization(
        self,
        name: str,
        *,
        org_id: str | None = None,
        slug: str | None = None,
        public_metadata: Mapping[str, Any] | None = None,
        private_metadata: Mapping[str, Any] | None = None,
    ) -> Organization:
        """Async form of `LocalDirectory.create_organization`."""
        return await self._run(
            self._flows.create_organization(
                name,
                org_id=org_id,
                slug=slug,
                public_metadata=public_metadata,
                private_metadata=private_metadata,
            )
        )

    async def get_organization(self, org_id: str) -> Organization | None:
        """Async form of `LocalDirectory.get_organization`."""
        return await self._run(self._flows.get_organization(org_id))

    async def find_organization(self, slug: str) -> Organization | None:
        """Async form of `LocalDirectory.find_organization`."""
        return await self._run(self._flows.find_organization(slug))

    async def list_organizations(self, after: str | None = None) -> OrganizationPage:
        """Async form of `LocalDirectory.list_organizations`."""
        return await self._run(self._flows.list_organizations(after))

    async def update_organization(
        self,
        org_id: str,
        *,
        name: str | None = None,
        slug: str | None = None,
        expected_version: int | None = None,
    ) -> Organization:
        """Async form of `LocalDirectory.update_organization`."""
        return await self._run(
            self._flows.update_organization(
                org_id, name=name, slug=slug, expected_version=expected_version
            )
        )

    async def update_organization_metadata(
        self, org_id: str, **change: Unpack[MetadataChange]
    ) -> Organization:
        """Async form of `LocalDirectory.update_organization_metadata`."""
        return await self._run(self._flows.update_organization_metadata(org_id, **change))

    async def replace_organization_metadata(
        self, org_id: str, **change: Unpack[MetadataChange]
    ) -> Organization:
        """Async form of `LocalDirectory.replace_organization_metadata`."""
        return await self._run(self._flows.replace_organization_metadata(org_id, **change))

    async def delete_organization(self, org_id: str) -> bool:
        """Async form of `LocalDirectory.delete_organization`."""
        return await self._run(self._flows.delete_organization(org_id))

    async def add_member(
        self,
        org_id: str,
        user_id: str,
        role: str,
        *,
        permissions: Collection[str] = (),
        public_metadata: Mapping[str, Any] | None = None,
        private_metadata: Mapping[str, Any] | None = None,
    ) -> Membership:
        """Async form of `LocalDirectory.add_member`."""
        return await self._run(
            self._flows.add_member(
                org_id,
                user_id,
                role,
                permissions=permissions,
                public_metadata=public_metadata,
                private_metadata=private_metadata,
            )
        )

    async def update_member(
        self,
        org_id: str,
        user_id: str,
        *,
        role: str | None = None,
        permissions: Collection[str] | None = None,
        expected_version: int | None = None,
    ) -> Membership:
        """Async form of `LocalDirectory.update_member`."""
        return await self._run(
            self._flows.update_member(
                org_id,
                user_id,
                role=role,
                permissions=permissions,
                expected_version=expected_version,
            )
        )

    async def update_member_metadata(
        self, org_id: str, user_id: str, **change: Unpack[MetadataChange]
    ) -> Membership:
        """Async form of `LocalDirectory.update_member_metadata`."""
        return await self._run(self._flows.update_member_metadata(org_id, user_id, **change))

    async def replace_member_metadata(
        self, org_id: str, user_id: str, **change: Unpack[MetadataChange]
    ) -> Membership:
        """Async form of `LocalDirectory.replace_member_metadata`."""
        return await self._run(self._flows.replace_member_metadata(org_id, user_id, **change))

    async def get_member(self, org_id: str, user_id: str) -> Membership | None:
        """Async form of `LocalDirectory.get_member`."""
        return await self._run(self._flows.get_member(org_id, user_id))

    async def remove_member(self, org_id: str, user_id: str) -> bool:
        """Async form of `LocalDirectory.remove_member`."""
        return await self._run(self._flows.remove_member(org_id, user_id))

    async def list_members(self, org_id: str, after: str | None = None) -> MembershipPage:
        """Async form of `LocalDirectory.list_members`."""
        return await self._run(self._flows.list_members(org_id, after))

    async def list_memberships(self, user_id: str) -> tuple[Membership, ...]:
        """Async form of `LocalDirectory.list_memberships`."""
        return await self._run(self._flows.list_memberships(user_id))


def _delete_user(flows: DirectoryFlows, issuer: Issuer, user_id: str) -> Flow[bool]:
    """Remove a user, then end the sessions; also if only that was left to do."""
    deleted = yield from flows.delete_user(user_id)
    _ = yield from issuer.revoke_all(user_id)
    return deleted
