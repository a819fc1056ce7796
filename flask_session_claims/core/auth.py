"""`Auth`: who is signed in and what their token says; and the one way from claims to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, Protocol, TypeVar, cast

from .access import (
    NO_ORGANIZATION,
    Organization,
    factor_ages,
    has_permission,
    has_role,
    has_scoped,
    organization_of,
    reverified,
)
from .errors import REFUSALS, TokenError
from .jsontext import FrozenDict

T = TypeVar("T")

Source = Literal["header", "cookie"]
TokenType = Literal["session_token", "oauth_token"]


class Has(Protocol):
    """What `Auth.has` is, for what stands in for an `Auth`."""

    def __call__(
        self,
        *,
        role: str | None = None,
        permission: str | None = None,
        feature: str | None = None,
        plan: str | None = None,
        reverification: object = None,
    ) -> bool: ...


class NoClaims(FrozenDict[str, Any]):
    """The claims of nobody: empty, and a missing key says why."""

    __slots__ = ()

    def __missing__(self, name: str) -> Any:
        raise KeyError(
            f"{name!s} cannot be read: nobody is signed in (test is_authenticated first,"
            " or guard the view with login_required)"
        )


NO_CLAIMS: Final = NoClaims()


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """Who makes a request. Plain, immutable, picklable data; it does not hold the token.

    Test `is_authenticated`; `reason` is None then, and otherwise the code that says why
    nobody is signed in. Times are integer seconds since 1970 UTC.
    """

    is_authenticated: bool = False
    user_id: str | None = None
    session_id: str | None = None
    session_claims: Mapping[str, Any] = field(default_factory=lambda: NO_CLAIMS, repr=False)
    #: "active", "pending" or None (`sts`); "pending" also where that is why nobody is signed in.
    session_status: str | None = None
    #: Who really acts, under impersonation: the `act` claim (RFC 8693 §4.1).
    actor: Mapping[str, Any] | None = None
    org_id: str | None = None
    org_slug: str | None = None
    org_role: str | None = None
    org_permissions: tuple[str, ...] = ()
    #: OAuth scopes of an access token (RFC 9068 §2.2.3).
    scopes: tuple[str, ...] = ()
    #: Minutes since the first and the second factor were verified; -1: never; None: unknown.
    factor_verification_age: tuple[int, int] | None = None
    token_type: TokenType | None = None
    issuer: str | None = None
    #: Where the token was: "header", "cookie" or None.
    source: Source | None = None
    issued_at: int | None = None
    expires_at: int | None = None
    reason: str | None = "session-token-missing"

    def has(
        self,
        *,
        role: str | None = None,
        permission: str | None = None,
        feature: str | None = None,
        plan: str | None = None,
        reverification: object = None,
    ) -> bool:
        """Whether the signed-in user has everything that is named. Never raises.

        False if nothing is named, if nobody is signed in, or if the claims do not say.

        Args:
            role: in the active organisation, with or without `org:`.
            permission: in the active organisation: `org:feature:name`.
            feature: a slug, or `org:slug` / `user:slug`.
            plan: the same for plans.
            reverification: `strict_mfa`, `strict`, `moderate`, `lax`, or
                `{"level": …, "after_minutes": …}`.
        """
        if not self.is_authenticated or self.user_id is None:
            return False
        org = Organization(self.org_id, self.org_slug, self.org_role, self.org_permissions)
        asked: list[Callable[[], bool]] = []
        if role is not None:
            asked.append(lambda: has_role(org, role))
        if permission is not None:
            asked.append(lambda: has_permission(org, permission))
        if feature is not None:
            asked.append(lambda: has_scoped(self.session_claims.get("fea"), feature))
        if plan is not None:
            asked.append(lambda: has_scoped(self.session_claims.get("pla"), plan))
        if reverification is not None:
            asked.append(lambda: reverified(self.factor_verification_age, reverification))
        return bool(asked) and all(answer() for answer in asked)

    def claims_as(self, kind: type[T]) -> T:
        """The claims as an instance of your type; claims that it does not name are left out.

        Types are strict ("1" is not 1), and what comes is the caller's own: changing it changes
        no claim.

        Args:
            kind: a dataclass, a TypedDict, a pydantic or a msgspec type.

        Raises:
            ClaimError: a claim is missing or has another type (403).
            TokenError: nobody is signed in; `code` is the reason (401 or 403).
            ConfigurationError: claims cannot be read as `kind`.
        """
        from .typed import claims_reader  # 3 ms that most imports of this need not take

        read = claims_reader(kind)
        if not self.is_authenticated:
            reason = self.reason
            raise TokenError(reason if reason in REFUSALS else "session-token-missing")
        made: T = read(self.session_claims)
        return made


def signed_out(
    reason: str = "session-token-missing",
    *,
    source: Source | None = None,
    session_status: str | None = None,
) -> Auth:
    """The `Auth` of a request that nobody is signed in for, and why."""
    return Auth(reason=reason, source=source, session_status=session_status)


class _Draft:
    """An `Auth` while it is written: every new token needs one, and the frozen class takes four
    times as long to fill in. Python lets two classes with the same slots stand for each other.
    """

    __slots__ = tuple(one.name for one in fields(Auth))


#: Where no credential was sent, or none was looked at.
NOBODY: Final = signed_out()


def auth_from_claims(
    claims: FrozenDict[str, Any],
    source: Source | None,
    *,
    token_use: str = "session",  # noqa: S107 (a kind of token, not a secret)
    strict_permissions: bool = False,
) -> Auth:
    """The `Auth` of verified claims: the only place where claims become one."""
    get = claims.get
    access = token_use == "access"
    org = NO_ORGANIZATION
    if "o" in claims or "org_id" in claims:
        org = organization_of(claims, strict=strict_permissions)
    issued, scope = get("iat"), get("scope")
    made: Any = _Draft()
    made.is_authenticated = True
    made.user_id = claims["sub"]
    made.session_id = None if access else get("sid")
    made.session_claims = claims
    made.session_status = get("sts")
    made.actor = get("act")
    made.org_id = org.id
    made.org_slug = org.slug
    made.org_role = org.role
    made.org_permissions = org.permissions
    made.scopes = tuple(scope.split()) if access and isinstance(scope, str) else ()
    made.factor_verification_age = factor_ages(get("fva"))
    made.token_type = "oauth_token" if access else "session_token"
    made.issuer = claims["iss"]
    made.source = source
    made.issued_at = None if issued is None else int(issued)
    made.expires_at = int(claims["exp"])
    made.reason = None
    made.__class__ = Auth
    return cast(Auth, made)
