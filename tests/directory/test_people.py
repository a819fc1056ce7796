"""What templates may see of the directory: everything but private metadata."""

from __future__ import annotations

import dataclasses

import pytest

from flask_session_claims.directory.flows import DirectoryFlows
from flask_session_claims.sessions.people import People
from flask_session_claims.sessions.templates.compiling import compile_template
from flask_session_claims.sessions.templates.rendering import render
from flask_session_claims.sessions.templates.subject import Subject

from .hall import DAY, NOW, Hall, furnished

SECRET = "for the server alone"


def peopled():
    hall = furnished()
    private = {"private_metadata": {"secret": SECRET, "deep": {"secret": SECRET}}}
    hall.put_user(
        "ada",
        first_name="Ada",
        last_name="Lovelace",
        username="ada",
        external_id="7",
        primary_email_address="ada@x.example",
        primary_phone_number="+1",
        email_verified=True,
        image_url="https://i",
        two_factor_enabled=True,
        public_metadata={"plan": "pro"},
        unsafe_metadata={"theme": "dark"},
        **private,
    )
    hall.create_organization("Two", org_id="two", public_metadata={"tier": 1}, **private)
    hall.add_member("acme", "ada", "org:admin")
    hall.add_member(
        "two",
        "ada",
        "org:member",
        permissions=["org:a:b"],
        public_metadata={"team": "x"},
        **private,
    )
    return hall


def test_the_flows_are_what_the_issuer_asks():
    people: People = DirectoryFlows(clock=lambda: NOW)
    assert people.user is not None


def test_a_user_as_templates_see_it(hall):
    hall.update_user("ada", first_name="Ada", last_name="L", image_url="https://i")
    hall.add_member("acme", "ada", "org:admin")
    view = hall.user("ada", organizations=True)
    assert (view.id, view.full_name, view.has_image) == ("ada", "Ada L", True)
    assert (view.created_at, view.updated_at) == (int(NOW), int(NOW))
    assert view.organizations == {"acme": "org:admin"}
    assert hall.user("ada", organizations=False).organizations == {}
    assert hall.user("bob", organizations=True).has_image is False
    assert hall.user("nobody", organizations=True) is None


def test_every_field_of_a_user_is_in_the_view():
    hall = peopled()
    user, view = hall.get_user("ada"), hall.user("ada", organizations=False)
    for field in dataclasses.fields(user):
        if field.name not in ("user_id", "private_metadata", "version"):
            assert getattr(view, field.name) == getattr(user, field.name), field.name


def test_a_membership_as_templates_see_it(hall):
    assert hall.membership("ada", "acme") is None
    hall.update_organization_metadata("acme", public={"tier": 1})
    hall.add_member(
        "acme", "ada", "org:admin", permissions=["org:a:b"], public_metadata={"team": "x"}
    )
    organization, membership = hall.membership("ada", "acme")
    assert (organization.id, organization.name, organization.slug) == ("acme", "Acme", "acme")
    assert organization.public_metadata == {"tier": 1}
    assert (membership.role, membership.permissions) == ("org:admin", ["org:a:b"])
    assert membership.public_metadata == {"team": "x"}
    assert hall.membership("bob", "acme") is None
    assert hall.membership("ada", "nowhere") is None
    hall.remove_member("acme", "ada")
    assert hall.membership("ada", "acme") is None


def test_an_organisation_that_is_gone_has_no_members(hall):
    hall.add_member("acme", "ada", "org:admin")
    hall.delete_organization("acme")
    assert hall.membership("ada", "acme") is None
    assert hall.user("ada", organizations=True).organizations == {}


def reachable(value, seen=None):
    """The texts that can be got at from an object by its attributes and members."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    yield str(value)
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from reachable(getattr(value, field.name), seen)
    elif isinstance(value, dict):
        for name, member in value.items():
            yield str(name)
            yield from reachable(member, seen)
    elif isinstance(value, (list, tuple)):
        for member in value:
            yield from reachable(member, seen)


def test_no_template_can_reach_private_metadata():
    hall = peopled()
    view = hall.user("ada", organizations=True)
    organization, membership = hall.membership("ada", "two")
    subject = Subject(view, organization, membership)
    texts = set(reachable(subject))
    assert {"pro", "dark", "org:member", "x"} <= texts
    assert not any(SECRET in text for text in texts)
    template = compile_template(
        {
            "all": "{{user.public_metadata}}",
            "role": "{{org.role}}",
            "team": "{{org_membership.public_metadata.team}}",
        }
    )
    claims = render(template, subject)
    assert claims == {"all": {"plan": "pro"}, "role": "org:member", "team": "x"}


@pytest.mark.parametrize("days", [0, 3])
def test_views_are_of_the_moment(days):
    hall = Hall()
    hall.create_user("ada")
    hall.now += days * DAY
    hall.update_user("ada", first_name="A")
    assert hall.user("ada", organizations=False).updated_at == NOW + days * DAY
