"""What the directory gives: users, organisations, memberships, and pages of them.

It loads nothing else: every app that names a type has it. Times are UTC seconds; a version is 1
at first and one more with each change. Metadata is frozen JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar

from ..sessions.claims import Claims, no_claims


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user as the directory has it."""

    user_id: str
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None
    external_id: str | None = None
    primary_email_address: str | None = None
    primary_phone_number: str | None = None
    email_verified: bool = False
    phone_number_verified: bool = False
    image_url: str | None = None
    two_factor_enabled: bool = False
    #: Anybody may see it; it may go into tokens.
    public_metadata: Claims = field(default_factory=no_claims, repr=False)
    #: For the server alone; no template can reach it.
    private_metadata: Claims = field(default_factory=no_claims, repr=False)
    #: Where the app lets the user write; it may go into tokens, so believe nothing it says.
    unsafe_metadata: Claims = field(default_factory=no_claims, repr=False)
    created_at: float
    updated_at: float
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """An organisation as the directory has it."""

    org_id: str
    name: str
    #: Names it in addresses; no two have the same.
    slug: str
    public_metadata: Claims = field(default_factory=no_claims, repr=False)
    private_metadata: Claims = field(default_factory=no_claims, repr=False)
    created_at: float
    updated_at: float
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """What a user is in an organisation."""

    org_id: str
    user_id: str
    role: str
    #: Full keys, `org:feature:name`, in the order given.
    permissions: tuple[str, ...] = ()
    public_metadata: Claims = field(default_factory=no_claims, repr=False)
    private_metadata: Claims = field(default_factory=no_claims, repr=False)
    created_at: float
    updated_at: float
    version: int


V = TypeVar("V", User, Organization, Membership)


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some of the users, and what to go on after (None: those were the last)."""

    users: tuple[User, ...]
    after: str | None = None


@dataclass(frozen=True, slots=True)
class OrganizationPage:
    """Some of the organisations, and what to go on after (None: those were the last)."""

    organizations: tuple[Organization, ...]
    after: str | None = None


@dataclass(frozen=True, slots=True)
class MembershipPage:
    """Some of the memberships, and what to go on after (None: those were the last)."""

    memberships: tuple[Membership, ...]
    after: str | None = None


class Profile(TypedDict, total=False):
    """The fields of a user that can be set: a text is None where there is none."""

    first_name: str | None
    last_name: str | None
    username: str | None
    external_id: str | None
    primary_email_address: str | None
    primary_phone_number: str | None
    email_verified: bool
    phone_number_verified: bool
    image_url: str | None
    two_factor_enabled: bool


class NewUser(Profile, total=False):
    """What a user can be made of."""

    public_metadata: Mapping[str, Any] | None
    private_metadata: Mapping[str, Any] | None
    unsafe_metadata: Mapping[str, Any] | None


class ProfileChange(Profile, total=False):
    """Fields of a user, and the version that was seen."""

    expected_version: int | None


class MetadataChange(TypedDict, total=False):
    """Kinds of metadata, and the version that was seen."""

    public: Mapping[str, Any] | None
    private: Mapping[str, Any] | None
    expected_version: int | None


class UserMetadataChange(MetadataChange, total=False):
    """The same for a user."""

    unsafe: Mapping[str, Any] | None
