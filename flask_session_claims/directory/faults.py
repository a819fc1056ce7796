"""What the directory refuses.

A message names ids, slugs and arguments, which are the developer's own; never what a field or
metadata holds.
"""

from __future__ import annotations

from typing import Final

from ..core.errors import SessionError

#: Code -> HTTP status.
REFUSALS: Final[dict[str, int]] = {
    "user-unknown": 404,
    "organization-unknown": 404,
    "membership-unknown": 404,
    "user-exists": 409,
    "organization-exists": 409,
    "membership-exists": 409,
    "slug-taken": 409,
    "version-conflict": 409,
    "field-invalid": 400,
    "metadata-invalid": 400,
    "metadata-too-large": 400,
}


class DirectoryError(SessionError):
    """The directory cannot do that as it stands, or with what was given; nothing was changed.

    Codes: `user-unknown`, `organization-unknown`, `membership-unknown` (404); `user-exists`,
    `organization-exists`, `membership-exists`, `slug-taken`, `version-conflict` (409);
    `field-invalid`, `metadata-invalid`, `metadata-too-large` (400).

    Attributes:
        given_version, current_version: for `version-conflict` what was expected and what there
            is; else None.
    """

    code = "directory-error"

    def __init__(
        self,
        message: str,
        *,
        code: str,
        given_version: int | None = None,
        current_version: int | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.status: int = REFUSALS[code]
        self.given_version: int | None = given_version
        self.current_version: int | None = current_version


def user_unknown(user_id: str) -> DirectoryError:
    return DirectoryError(f"There is no user {user_id!r} in the directory.", code="user-unknown")


def user_exists(user_id: str) -> DirectoryError:
    return DirectoryError(
        f"There is a user {user_id!r} already; put_user() changes or creates, whichever it takes.",
        code="user-exists",
    )


def organization_unknown(org_id: str) -> DirectoryError:
    return DirectoryError(
        f"There is no organization {org_id!r} in the directory.", code="organization-unknown"
    )


def organization_exists(org_id: str) -> DirectoryError:
    return DirectoryError(
        f"There is an organization {org_id!r} already; update_organization() changes it.",
        code="organization-exists",
    )


def membership_unknown(org_id: str, user_id: str) -> DirectoryError:
    return DirectoryError(
        f"The user {user_id!r} is no member of the organization {org_id!r}.",
        code="membership-unknown",
    )


def membership_exists(org_id: str, user_id: str) -> DirectoryError:
    return DirectoryError(
        f"The user {user_id!r} is a member of the organization {org_id!r} already;"
        " update_member() changes the role.",
        code="membership-exists",
    )


def slug_taken(slug: str) -> DirectoryError:
    return DirectoryError(
        f"Another organization has the slug {slug!r}; choose another one.", code="slug-taken"
    )


def version_conflict(given: int, current: int) -> DirectoryError:
    return DirectoryError(
        f"expected_version got {given}, and the version is {current}: somebody has changed it"
        " since; look at it again, then decide.",
        code="version-conflict",
        given_version=given,
        current_version=current,
    )
