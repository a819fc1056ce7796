"""Whose claims the tests render."""

from __future__ import annotations

from typing import Any

from flask_session_claims.core.jsontext import freeze
from flask_session_claims.sessions.templates.compiling import compile_template
from flask_session_claims.sessions.templates.rendering import render
from flask_session_claims.sessions.templates.subject import (
    MembershipView,
    OrganizationView,
    SessionView,
    Subject,
    UserView,
)

MARIA = Subject(
    UserView(
        id="user_1",
        first_name="Maria",
        last_name="Doe",
        username="mdoe",
        external_id="ext_7",
        created_at=1_700_000_000.9,
        updated_at=1_700_000_100,
        primary_email_address="maria@example.com",
        primary_phone_number="+15555550100",
        email_verified=True,
        phone_number_verified=False,
        image_url="https://img.example.com/1.png",
        has_image=True,
        two_factor_enabled=True,
        public_metadata={
            "plan": "pro",
            "level": 0,
            "share": 0.5,
            "beta": False,
            "none": None,
            "empty": "",
            "tags": ["a", "b"],
            "no_tags": [],
            "0": "zero",
            "addresses": {"Home": "2355 Pointe Lane", "work": None},
            "interests": ["hiking", "knitting"],
        },
        unsafe_metadata={"theme": "dark"},
        organizations={"org_1": "org:admin", "org_2": "org:member"},
    ),
    OrganizationView(id="org_1", name="Acme", slug="acme", public_metadata={"seats": 5}),
    MembershipView(
        role="org:admin",
        permissions=["org:team:manage", "org:team:read"],
        public_metadata={"desk": "4B"},
    ),
    SessionView(actor={"sub": "user_2"}, reverification_id="rev_1"),
)
#: Knows nobody's name, and is in no organisation.
NOBODY = Subject(UserView(id="user_0"))


def rendered(template: Any, subject: Subject = MARIA, **more: Any) -> Any:
    return render(compile_template(template), subject, **more)


def with_metadata(**public: Any) -> Subject:
    """A user with this public metadata, which is not looked at before it is rendered."""
    return Subject(UserView(id="user_1", public_metadata=freeze(public)))
