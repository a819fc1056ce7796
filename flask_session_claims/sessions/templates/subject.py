"""What a template can look up: a user, the active organisation, the session, as frozen values.

Private metadata has no place here, so that no template can reach it. Whoever loads users fills
these in; strings, numbers and metadata are checked, since they go into tokens.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, cast

from ...core.errors import ConfigurationError
from ...core.jsontext import FrozenDict, FrozenList
from ..claims import no_claims, plain_object

_TEXT: Final = "text or None"
_FLAG: Final = "True or False"
_SECONDS: Final = "UTC seconds or None"


def _check(view: Any, **kinds: str) -> None:
    for name, kind in kinds.items():
        value = getattr(view, name)
        if kind is _FLAG:
            good = isinstance(value, bool)
        elif kind is _TEXT:
            good = value is None or isinstance(value, str)
        else:
            good = value is None or (
                isinstance(value, (int, float))
                and not isinstance(value, bool)
                and math.isfinite(value)
            )
        if not good:
            # The value is somebody's data: only its type is told.
            raise ConfigurationError(
                f"{type(view).__name__}: {name} is of type {type(value).__name__}; give {kind}."
            )


def _all_text(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _set(view: Any, name: str, value: object) -> None:
    object.__setattr__(view, name, value)


def _freeze(view: Any, *names: str) -> None:
    """Metadata as frozen data; what is frozen already was checked when it was made."""
    for name in names:
        value = getattr(view, name)
        if type(value) is not FrozenDict:
            _set(view, name, plain_object(value, f"{type(view).__name__}.{name}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """The user: what `{{user.…}}` gives."""

    id: str
    first_name: str | None = None
    last_name: str | None = None
    #: None: made of the first and the last name.
    full_name: str | None = None
    username: str | None = None
    external_id: str | None = None
    #: UTC seconds; a template gives whole ones.
    created_at: float | None = None
    updated_at: float | None = None
    primary_email_address: str | None = None
    primary_phone_number: str | None = None
    email_verified: bool = False
    phone_number_verified: bool = False
    image_url: str | None = None
    has_image: bool = False
    two_factor_enabled: bool = False
    public_metadata: Mapping[str, Any] = field(default_factory=no_claims, repr=False)
    #: The user can write this.
    unsafe_metadata: Mapping[str, Any] = field(default_factory=no_claims, repr=False)
    #: Role by id of the organisation.
    organizations: Mapping[str, str] = field(default_factory=no_claims, repr=False)

    def __post_init__(self) -> None:
        _check(self, **_OF_USER)
        if not self.id:
            raise ConfigurationError("UserView: id is empty; give the id of the user.")
        names = [name for name in (self.first_name, self.last_name) if name]
        if self.full_name is None and names:
            _set(self, "full_name", " ".join(names))
        for name in ("created_at", "updated_at"):
            value = getattr(self, name)
            _set(self, name, None if value is None else math.floor(value))
        _freeze(self, "public_metadata", "unsafe_metadata", "organizations")
        if not _all_text(chain(self.organizations, self.organizations.values())):
            raise ConfigurationError("UserView: organizations must give roles, as text, by id.")


_OF_USER: Final = {
    entry.name: {"bool": _FLAG, "float | None": _SECONDS}.get(str(entry.type), _TEXT)
    for entry in dataclasses.fields(UserView)
    if not str(entry.type).startswith("Mapping")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationView:
    """The organisation that is active in the session: what `{{org.…}}` gives."""

    id: str
    name: str | None = None
    slug: str | None = None
    public_metadata: Mapping[str, Any] = field(default_factory=no_claims, repr=False)

    def __post_init__(self) -> None:
        _check(self, id=_TEXT, name=_TEXT, slug=_TEXT)
        if not self.id:
            raise ConfigurationError("OrganizationView: id is empty; give its id, or no view.")
        _freeze(self, "public_metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipView:
    """The user's membership of it: what `{{org_membership.…}}` and `{{org.role}}` give."""

    role: str | None = None
    permissions: Sequence[str] = ()
    public_metadata: Mapping[str, Any] = field(default_factory=no_claims, repr=False)

    def __post_init__(self) -> None:
        _check(self, role=_TEXT)
        permissions: object = self.permissions
        if not isinstance(permissions, (list, tuple)) or not _all_text(
            cast("list[object]", permissions)
        ):
            raise ConfigurationError("MembershipView: permissions must be a list of text.")
        _set(self, "permissions", FrozenList(self.permissions))
        _freeze(self, "public_metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """The session: what `{{session.…}}` gives."""

    #: Who acts for the user, as in the `act` claim.
    actor: Mapping[str, Any] | None = None
    reverification_id: str | None = None

    def __post_init__(self) -> None:
        _check(self, reverification_id=_TEXT)
        if self.actor is not None:
            _freeze(self, "actor")


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose claims are rendered. Without an active organisation two parts are None."""

    user: UserView
    organization: OrganizationView | None = None
    membership: MembershipView | None = None
    session: SessionView | None = None
