"""The settings of an app that is its own issuer: store, keys, life-times, refresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from ..core.schema import (
    ANYTHING,
    FLAG,
    URL,
    Fault,
    Rule,
    SettingsGroup,
    choice,
    json_list,
    json_object,
    number,
    setting,
)
from .limits import MAX_GRACE, MAX_LIFETIME, TOKEN_LIFETIMES, Limits

MAX_ISSUER: Final = 200


def _keys(value: Any) -> Any:
    if not isinstance(value, (str, list, tuple)):
        raise Fault("write base64url text, or a list of such texts of which the first wraps")
    return cast("object", value)


def _roles(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise Fault('write {"org:admin": ["org:invoices:manage"]}')
    given = cast("Mapping[object, object]", value)
    roles: dict[str, tuple[str, ...]] = {}
    for role, permissions in given.items():
        listed = cast("Sequence[object]", permissions)
        if not isinstance(role, str) or not role or not isinstance(permissions, (list, tuple)):
            raise Fault("write each role as text, with a list of its permissions")
        if not all(isinstance(one, str) and one for one in listed):
            raise Fault(f"write the permissions of {role!r} as text")
        roles[role] = tuple(str(one) for one in listed)
    return roles


_SECONDS: Final = number(1, MAX_LIFETIME, "seconds")


@dataclass(frozen=True, kw_only=True)
class IssuingSettings(SettingsGroup):
    """How an app issues sessions of its own; times are seconds."""

    store: Any = setting(
        ANYTHING,
        None,
        'Where sessions are kept: "sqlite:///file.db", "postgresql://…", "redis://…", "memory:",'
        " or a store object; unset: session_claims.db in the instance folder.",
        shown=False,
    )
    key: str | Sequence[str] | None = setting(
        Rule("base64url text or list", _keys, json_list),
        None,
        "What the signing keys are encrypted with, instead of SECRET_KEY.",
        secret=True,
    )
    signing_key: str | None = setting(
        ANYTHING,
        None,
        "A private key as PEM that signs, instead of keys that are made and rotated here.",
        secret=True,
    )
    signing_algorithm: str | None = setting(
        choice("ES256", "RS256", "EdDSA"), None, "What new keys sign with; unset: ES256."
    )
    issuer_url: str | None = setting(
        Rule("https address", URL.check),
        None,
        "The iss of your own tokens; unset: an id made with the store.",
    )
    session_token_lifetime: float = setting(
        number(*TOKEN_LIFETIMES, "seconds"), 300, "Seconds that a session token lives."
    )
    idle_lifetime: float = setting(
        _SECONDS, 7 * 86_400, "Seconds that a session lives without being refreshed."
    )
    absolute_lifetime: float = setting(
        _SECONDS, 30 * 86_400, "Seconds after sign-in at which a session ends in any case."
    )
    refresh_grace: float = setting(
        number(0, MAX_GRACE, "seconds"),
        30,
        "Seconds for which the refresh token before still gives its successor.",
    )
    refresh_mode: str = setting(
        choice("inline", "endpoint"),
        "inline",
        "inline: any request that reads auth refreshes; endpoint: scripts call the endpoint.",
    )
    max_sessions_per_user: int | None = setting(
        number(1, 10_000, "sessions", whole=True),
        None,
        "One more ends the session that was used least recently; unset: no limit.",
    )
    feed_interval: float = setting(
        number(0.05, 60, "seconds"),
        0.5,
        "Seconds after which a process looks at the log again, for what others have changed.",
    )
    feed_max_age: float = setting(
        number(0.05, 60, "seconds"),
        1.0,
        "Seconds after which what a process knows of the log no longer counts.",
    )
    feed_thread: bool = setting(
        FLAG, False, "Look at the log in a thread, so that no request has to."
    )
    organization_claims: str = setting(
        choice("flat", "compact"),
        "flat",
        "How own tokens say the organisation: org_id, org_role, … or Clerk's version 2 (o).",
    )
    roles: Mapping[str, Sequence[str]] | None = setting(
        Rule("mapping of roles to permissions", _roles, json_object),
        None,
        "What each role in an organisation may do, besides a membership's own permissions.",
    )
    dev_cookies: bool = setting(
        FLAG, False, "Development: cookies that plain http keeps, under other names."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.issuer_url is not None and len(self.issuer_url) > MAX_ISSUER:
            self.refuse("issuer_url", f"is longer than {MAX_ISSUER} characters; shorten it.")
        if self.signing_key is not None and self.issuer_url is None:
            self.refuse(
                "issuer_url",
                f"is unset, and {self.label('signing_key')} is set; name the issuer (iss) that"
                " those who verify the tokens expect.",
            )
        if self.feed_max_age < self.feed_interval:
            self.refuse(
                "feed_max_age",
                f"got {self.feed_max_age!r}; write at least {self.label('feed_interval')}"
                f" ({self.feed_interval!r}).",
            )
        if self.idle_lifetime > self.absolute_lifetime:
            self.refuse(
                "idle_lifetime",
                f"got {self.idle_lifetime!r}; write at most"
                f" {self.label('absolute_lifetime')} ({self.absolute_lifetime!r}).",
            )

    @property
    def limits(self) -> Limits:
        """The same, as the flows take it."""
        return Limits(
            idle=self.idle_lifetime,
            absolute=self.absolute_lifetime,
            grace=self.refresh_grace,
            per_user=self.max_sessions_per_user,
        )
