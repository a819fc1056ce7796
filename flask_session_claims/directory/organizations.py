"""The acts on organisations, and their slugs.

A slug is a record of its own, made and deleted in one commit with its organisation's: so no two
organisations can have the same. Nobody deletes it without writing the organisation that has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ..core.flow import Flow
from ..sessions.claims import Claims
from ..sessions.model import log_entry
from ..sessions.records import Delete, LogEntry, Put
from . import faults, given, metadata
from .acts import Acts
from .changes import (
    Combine,
    Draft,
    change,
    current,
    metadata_after,
    page_of,
    remove_with_members,
    settle,
)
from .entries import Organization, OrganizationPage
from .keeping import ALL, ORGANIZATION, SLUG, holder, read, slug_data

ID_BYTES: Final = 16
_SUFFIX_BYTES: Final = 4


class OrganizationActs(Acts):
    """Every act on organisations, as flows."""

    def create_organization(
        self,
        name: str,
        *,
        org_id: str | None = None,
        slug: str | None = None,
        public_metadata: Mapping[str, Any] | None = None,
        private_metadata: Mapping[str, Any] | None = None,
    ) -> Flow[Organization]:
        """A new organisation; `organization-exists` or `slug-taken` if it cannot be.

        A slug that is made of the name gets a random end where it is taken.
        """
        now, name = self._clock(), given.text(name, "name")
        key = self._org_id(org_id)
        wanted = None if slug is None else given.slug(slug)
        patches = given.metadata(public_metadata=public_metadata, private_metadata=private_metadata)

        def decide() -> Flow[Draft[Organization]]:
            kept = yield from read(ORGANIZATION, key)
            if kept.entry is not None:
                raise faults.organization_exists(key)
            free = yield from self._free_slug(name, wanted)
            new = Organization(
                org_id=key, name=name, slug=free, created_at=now, updated_at=now, version=0
            )
            done = change(kept, replace(new, **metadata_after(new, patches)), now)
            return Draft(done.entry, (*done.puts, _slug_put(free, key)))

        return settle(decide)

    def get_organization(self, org_id: str) -> Flow[Organization | None]:
        """An organisation, or None."""
        return (yield from read(ORGANIZATION, given.identity(org_id, "org_id"))).entry

    def find_organization(self, slug: str) -> Flow[Organization | None]:
        """The organisation that has a slug, or None."""
        held = (yield from holder(slug)) if given.is_slug(slug) else None
        if held is None:
            return None
        organization = (yield from read(ORGANIZATION, held[0])).entry
        if organization is None or organization.slug != slug:  # changed between the two looks
            return None
        return organization

    def list_organizations(self, after: str | None = None) -> Flow[OrganizationPage]:
        """Some of all organisations, by id."""
        organizations, following = yield from page_of(ORGANIZATION, *ALL, given.position(after))
        return OrganizationPage(organizations, following)

    def update_organization(
        self,
        org_id: str,
        *,
        name: str | None = None,
        slug: str | None = None,
        expected_version: int | None = None,
    ) -> Flow[Organization]:
        """An organisation with another name or slug; `slug-taken` if that is another's."""
        now, key = self._clock(), given.identity(org_id, "org_id")
        new_name = None if name is None else given.text(name, "name")
        new_slug = None if slug is None else given.slug(slug)
        expected = given.version(expected_version)

        def decide() -> Flow[Draft[Organization]]:
            kept = yield from read(ORGANIZATION, key)
            before = current(kept, faults.organization_unknown(key), expected)
            after = replace(before, name=new_name or before.name, slug=new_slug or before.slug)
            done = change(kept, after, now)
            log = (_entry(key, now),) if done.is_seen else ()
            if after.slug == before.slug:
                return Draft(done.entry, done.puts, (), log)
            _ = yield from self._free_slug(after.name, after.slug)
            puts = (*done.puts, _slug_put(after.slug, key))
            return Draft(done.entry, puts, (yield from _without_slug(before)), log)

        return settle(decide)

    def update_organization_metadata(
        self,
        org_id: str,
        *,
        public: Mapping[str, Any] | None = None,
        private: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
    ) -> Flow[Organization]:
        """An organisation after metadata was merged at every depth; None removes a name."""
        patches = given.some_metadata(public=public, private=private)
        return self._set_organization_metadata(org_id, expected_version, patches, metadata.merge)

    def replace_organization_metadata(
        self,
        org_id: str,
        *,
        public: Mapping[str, Any] | None = None,
        private: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
    ) -> Flow[Organization]:
        """An organisation after the given kinds of metadata were replaced; {} clears one."""
        kinds = given.some_metadata(public=public, private=private)
        return self._set_organization_metadata(
            org_id, expected_version, kinds, metadata.replace_with
        )

    def delete_organization(self, org_id: str) -> Flow[bool]:
        """Remove an organisation with all memberships; whether there was one."""
        key = given.identity(org_id, "org_id")
        return remove_with_members(ORGANIZATION, key, self._clock(), _without_slug)

    # --- parts ----------------------------------------------------------------------------

    def _org_id(self, org_id: str | None) -> str:
        if org_id is None:
            return f"org_{self._random(ID_BYTES).hex()}"
        return given.identity(org_id, "org_id")

    def _free_slug(self, name: str, wanted: str | None) -> Flow[str]:
        """The slug that is wanted, or one made of the name; refused if it is taken."""
        slug = wanted or given.slug_of(name)
        if (yield from holder(slug)) is None:
            return slug
        if wanted is None:
            slug = f"{slug}-{self._random(_SUFFIX_BYTES).hex()}"
            if (yield from holder(slug)) is None:
                return slug
        raise faults.slug_taken(slug)

    def _set_organization_metadata(
        self,
        org_id: str,
        expected_version: int | None,
        patches: Mapping[str, Claims],
        combine: Combine,
    ) -> Flow[Organization]:
        now, key = self._clock(), given.identity(org_id, "org_id")
        expected = given.version(expected_version)

        def decide() -> Flow[Draft[Organization]]:
            kept = yield from read(ORGANIZATION, key)
            before = current(kept, faults.organization_unknown(key), expected)
            after = replace(before, **metadata_after(before, patches, combine))
            done = change(kept, after, now)
            return Draft(done.entry, done.puts, (), (_entry(key, now),) if done.is_seen else ())

        return settle(decide)


def _entry(org_id: str, now: float) -> LogEntry:
    return log_entry("organization", org_id, "profile", now)


def _slug_put(slug: str, org_id: str) -> Put:
    return Put(SLUG, slug, 0, slug_data(org_id))


def _without_slug(organization: Organization) -> Flow[tuple[Delete, ...]]:
    """What gives up an organisation's slug."""
    held = yield from holder(organization.slug)
    if held is None or held[0] != organization.org_id:
        return ()
    return (Delete(SLUG, organization.slug, held[1]),)
