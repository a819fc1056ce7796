"""What the apps of the issuing contract are given besides `provide`, and what their views answer.

It knows no framework; `people_flask`, `people_quart` and `people_django` have the views.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_session_claims.core.validators import Claim, Validator

from .drivers import about


@dataclass(frozen=True)
class Functions:
    """An app's functions, as they are given to it."""

    may_impersonate: Callable[[Any, str], Any] | None = None
    metadata_for: Callable[[str], Any] | None = None
    user_loader: Callable[[str], Any] | None = None
    from_claims: Callable[[Any], Any] | None = None
    claims: tuple[Claim, ...] = ()
    validators: tuple[Validator, ...] = ()

    def give(self, to: Any) -> None:
        """To a SessionClaims, or to what stands for it."""
        for name in ("may_impersonate", "metadata_for"):
            function = getattr(self, name)
            if function is not None:
                assert getattr(to, name)(function) is function
        if self.user_loader is not None:
            register = to.user_loader
            if self.from_claims is not None:
                register = register(from_claims=self.from_claims)
            assert register(self.user_loader) is self.user_loader
        to.add_claims(*self.claims)
        to.add_validators(*self.validators)


def asked_act(query: Mapping[str, str]) -> tuple[str, dict[str, Any], int]:
    """The name of an act, its keywords, and the status to answer with."""
    return query["do"], json.loads(query.get("with", "{}")), int(query.get("status", 200))


def acted(returned: Any, auth: Any) -> dict[str, Any]:
    """What an act gave, and the auth of the request by then."""
    return {"returned": about(returned), "auth": about(auth)}


def seen_user(first: Any, second: Any) -> dict[str, Any]:
    """The app's user, looked at twice."""
    return {"user": dict(first) if first else None, "again": dict(second) if second else None}


def synced(user: Any) -> dict[str, Any]:
    """What `sync_user` gave."""
    return {"metadata": None if user is None else user.public_metadata}


def known(user: Any, template: Any) -> dict[str, Any]:
    """What directory and templates give."""
    return {**synced(user), "template": None if template is None else template.text}
