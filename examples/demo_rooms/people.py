"""Who there is: people, their organisations, what a role may do, and what tokens say of them."""

from __future__ import annotations

import contextlib
from typing import Any

from flask_session_claims import Auth, DirectoryError, SessionClaims

claims = SessionClaims()

PEOPLE: dict[str, dict[str, Any]] = {
    "user_ada": {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "public_metadata": {"plan": "team", "address": {"city": "London"}},
    },
    "user_grace": {
        "first_name": "Grace",
        "last_name": "Hopper",
        "public_metadata": {"plan": "pro", "address": {"city": "New York"}},
    },
    "user_katherine": {
        "first_name": "Katherine",
        "last_name": "Johnson",
        "public_metadata": {"plan": "free"},
    },
}
ORGANIZATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "org_engines": (
        "Analytical Engines",
        {"user_ada": "org:admin", "user_grace": "org:admin", "user_katherine": "org:member"},
    ),
    "org_compilers": (
        "Compilers & Co",
        {"user_grace": "org:admin", "user_ada": "org:member"},
    ),
}
#: The setting ROLES: a role's permissions, in every organisation.
ROLES = {
    "org:admin": ["org:members:read", "org:members:act_for"],
    "org:member": ["org:members:read"],
}
#: What the session token says; saved once, from then on it is the store's.
TEMPLATE = {
    "fullName": "{{user.full_name}}",
    "plan": "{{user.public_metadata.plan || 'free'}}",
    "city": "{{user.public_metadata.address.city}}",
    "organization": "{{org.name}}",
    "role": "{{org.role}}",
}


def move_in() -> None:
    """Put into the store what it does not have yet; what was changed there stays."""
    directory = claims.directory
    with contextlib.suppress(DirectoryError):  # another process was quicker
        for user_id, fields in PEOPLE.items():
            if directory.get_user(user_id) is None:
                directory.create_user(user_id, **fields)
        for org_id, (name, members) in ORGANIZATIONS.items():
            if directory.get_organization(org_id) is None:
                directory.create_organization(name, org_id=org_id)
                for user_id, role in members.items():
                    directory.add_member(org_id, user_id, role)
    if claims.templates.get() is None:
        claims.templates.save(TEMPLATE, author="the demo")


def full_name(user_id: str) -> str:
    """What a person is called."""
    user = claims.directory.get_user(user_id)
    names = () if user is None else (user.first_name, user.last_name)
    return " ".join(filter(None, names)) or user_id


@claims.may_impersonate
def may_act_for(auth: Auth, user_id: str) -> bool:
    """Whoever has that permission, for plain members of the organisation that is active."""
    if auth.org_id is None or not auth.has(permission="org:members:act_for"):
        return False
    member = claims.directory.get_member(auth.org_id, user_id)
    return member is not None and member.role != "org:admin"
