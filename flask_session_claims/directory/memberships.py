"""The acts on memberships."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from ..core.flow import Flow
from ..sessions.claims import Claims
from ..sessions.model import log_entry
from ..sessions.records import LogEntry
from . import faults, given, metadata
from .acts import Acts
from .changes import Combine, Draft, all_of, change, current, metadata_after, page_of, settle
from .entries import Membership, MembershipPage
from .keeping import (
    BY_ORGANIZATION,
    BY_USER,
    MEMBERSHIP,
    ORGANIZATION,
    USER,
    membership_key,
    read,
)


class MembershipActs(Acts):
    """Every act on memberships, as flows."""

    def add_member(
        self,
        org_id: str,
        user_id: str,
        role: str,
        *,
        permissions: Collection[str] = (),
        public_metadata: Mapping[str, Any] | None = None,
        private_metadata: Mapping[str, Any] | None = None,
    ) -> Flow[Membership]:
        """A new membership; `membership-exists` if the user is a member already."""
        now, (org_id, user_id, key) = self._clock(), _checked(org_id, user_id)
        patches = given.metadata(public_metadata=public_metadata, private_metadata=private_metadata)
        new = Membership(
            org_id=org_id,
            user_id=user_id,
            role=given.role(role),
            permissions=given.permissions(permissions),
            created_at=now,
            updated_at=now,
            version=0,
        )
        new = replace(new, **metadata_after(new, patches))

        def decide() -> Flow[Draft[Membership]]:
            organization = yield from read(ORGANIZATION, org_id)
            user = yield from read(USER, user_id)
            kept = yield from read(MEMBERSHIP, key)
            # Both are written as they are: who removes one of them must come before or after.
            guards = (
                organization.guard(current(organization, faults.organization_unknown(org_id))),
                user.guard(current(user, faults.user_unknown(user_id))),
            )
            if kept.entry is not None:
                raise faults.membership_exists(org_id, user_id)
            done = change(kept, new, now)
            return Draft(done.entry, (*done.puts, *guards), (), (_entry(user_id, now),))

        return settle(decide)

    def update_member(
        self,
        org_id: str,
        user_id: str,
        *,
        role: str | None = None,
        permissions: Collection[str] | None = None,
        expected_version: int | None = None,
    ) -> Flow[Membership]:
        """A membership with another role or other permissions."""
        fields: dict[str, Any] = {}
        if role is not None:
            fields["role"] = given.role(role)
        if permissions is not None:
            fields["permissions"] = given.permissions(permissions)
        return self._change_member(
            org_id, user_id, expected_version, lambda member: replace(member, **fields)
        )

    def update_member_metadata(
        self,
        org_id: str,
        user_id: str,
        *,
        public: Mapping[str, Any] | None = None,
        private: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
    ) -> Flow[Membership]:
        """A membership after metadata was merged at every depth; None removes a name."""
        patches = given.some_metadata(public=public, private=private)
        return self._set_member_metadata(org_id, user_id, expected_version, patches, metadata.merge)

    def replace_member_metadata(
        self,
        org_id: str,
        user_id: str,
        *,
        public: Mapping[str, Any] | None = None,
        private: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
    ) -> Flow[Membership]:
        """A membership after the given kinds of metadata were replaced; {} clears one."""
        kinds = given.some_metadata(public=public, private=private)
        return self._set_member_metadata(
            org_id, user_id, expected_version, kinds, metadata.replace_with
        )

    def get_member(self, org_id: str, user_id: str) -> Flow[Membership | None]:
        """What a user is in an organisation, or None."""
        _, _, key = _checked(org_id, user_id)
        return (yield from read(MEMBERSHIP, key)).entry

    def remove_member(self, org_id: str, user_id: str) -> Flow[bool]:
        """End a membership; whether there was one."""
        now, (org_id, user_id, key) = self._clock(), _checked(org_id, user_id)

        def decide() -> Flow[Draft[bool]]:
            kept = yield from read(MEMBERSHIP, key)
            if kept.entry is None:
                return Draft(False)
            return Draft(True, (kept.removed(now),), (), (_entry(user_id, now),))

        return settle(decide)

    def list_members(self, org_id: str, after: str | None = None) -> Flow[MembershipPage]:
        """Some of an organisation's memberships, in an order that stays."""
        key, begin = given.identity(org_id, "org_id"), given.position(after)
        members, following = yield from page_of(MEMBERSHIP, BY_ORGANIZATION, key, begin)
        return MembershipPage(members, following)

    def list_memberships(self, user_id: str) -> Flow[tuple[Membership, ...]]:
        """All memberships of a user, the oldest first."""
        members = yield from all_of(MEMBERSHIP, BY_USER, given.identity(user_id, "user_id"))
        return tuple(sorted(members, key=lambda member: (member.created_at, member.org_id)))

    # --- parts ----------------------------------------------------------------------------

    def _set_member_metadata(
        self,
        org_id: str,
        user_id: str,
        expected_version: int | None,
        patches: Mapping[str, Claims],
        combine: Combine,
    ) -> Flow[Membership]:
        def combined(member: Membership) -> Membership:
            return replace(member, **metadata_after(member, patches, combine))

        return self._change_member(org_id, user_id, expected_version, combined)

    def _change_member(
        self,
        org_id: str,
        user_id: str,
        expected_version: int | None,
        changed: Callable[[Membership], Membership],
    ) -> Flow[Membership]:
        now, (org_id, user_id, key) = self._clock(), _checked(org_id, user_id)
        expected = given.version(expected_version)

        def decide() -> Flow[Draft[Membership]]:
            kept = yield from read(MEMBERSHIP, key)
            before = current(kept, faults.membership_unknown(org_id, user_id), expected)
            done = change(kept, changed(before), now)
            return Draft(done.entry, done.puts, (), (_entry(user_id, now),) if done.is_seen else ())

        return settle(decide)


def _checked(org_id: object, user_id: object) -> tuple[str, str, str]:
    """Both ids, and the key of a membership."""
    organization, user = given.identity(org_id, "org_id"), given.identity(user_id, "user_id")
    return organization, user, membership_key(organization, user)


def _entry(user_id: str, now: float) -> LogEntry:
    return log_entry("user", user_id, "membership", now)
