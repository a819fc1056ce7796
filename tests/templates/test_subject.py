"""What can be looked up: views that are checked when they are made."""

from __future__ import annotations

import dataclasses
import enum

import pytest

from flask_session_claims import ConfigurationError
from flask_session_claims.core.jsontext import FrozenDict, FrozenList
from flask_session_claims.sessions.faults import ClaimsRefused
from flask_session_claims.sessions.templates.subject import (
    MembershipView,
    OrganizationView,
    SessionView,
    Subject,
    UserView,
)

from .people import rendered


class Role(str, enum.Enum):
    ADMIN = "admin"


@pytest.mark.parametrize(
    ("first", "last", "given", "full"),
    [
        ("Ada", "Byron", None, "Ada Byron"),
        ("Ada", None, None, "Ada"),
        (None, "Byron", None, "Byron"),
        ("", "Byron", None, "Byron"),
        (None, None, None, None),
        ("", "", None, None),
        ("Ada", "Byron", "Countess", "Countess"),
        ("Ada", "Byron", "", ""),
    ],
)
def test_the_full_name_is_given_or_made_of_the_two(first, last, given, full):
    assert UserView(id="u", first_name=first, last_name=last, full_name=given).full_name == full


def test_times_are_whole_seconds():
    user = UserView(id="u", created_at=5.99, updated_at=-0.5)
    assert (user.created_at, user.updated_at) == (5, -1)
    assert type(user.created_at) is int


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"id": ""}, "UserView: id is empty"),
        ({"id": None}, "UserView: id is empty"),
        ({"id": 7}, "UserView: id is of type int; give text or None"),
        ({"first_name": 7}, "first_name is of type int"),
        ({"image_url": b"x"}, "image_url is of type bytes"),
        ({"created_at": "x"}, "created_at is of type str; give UTC seconds or None"),
        ({"created_at": True}, "created_at is of type bool"),
        ({"updated_at": float("nan")}, "updated_at is of type float"),
        ({"email_verified": 1}, "email_verified is of type int; give True or False"),
        ({"two_factor_enabled": None}, "two_factor_enabled is of type NoneType"),
        ({"organizations": {"org_1": 1}}, "organizations must give roles"),
        ({"organizations": FrozenDict({1: "admin"})}, "organizations must give roles"),
    ],
)
def test_a_user_that_makes_no_sense_is_refused_by_the_field(fields, said):
    with pytest.raises(ConfigurationError, match=said):
        UserView(**{"id": "u", **fields})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: OrganizationView(id=""), "OrganizationView: id is empty"),
        (lambda: OrganizationView(id="o", slug=1), "slug is of type int"),
        (lambda: MembershipView(role=1), "role is of type int"),
        (lambda: MembershipView(permissions="org:read"), "permissions must be a list of text"),
        (lambda: MembershipView(permissions=[1]), "permissions must be a list of text"),
        (lambda: MembershipView(permissions=None), "permissions must be a list of text"),
        (lambda: SessionView(reverification_id=1), "reverification_id is of type int"),
    ],
)
def test_the_other_parts_are_checked_too(make, said):
    with pytest.raises(ConfigurationError, match=said):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda data: UserView(id="u", public_metadata=data),
        lambda data: UserView(id="u", unsafe_metadata=data),
        lambda data: OrganizationView(id="o", public_metadata=data),
        lambda data: MembershipView(public_metadata=data),
        lambda data: SessionView(actor=data),
    ],
)
@pytest.mark.parametrize("data", [[1], "x", {"a": object()}, {"a": float("nan")}, {1: 2}])
def test_metadata_is_json_data(make, data):
    with pytest.raises(ClaimsRefused):
        make(data)


def test_metadata_is_a_frozen_copy():
    given = {"a": [1]}
    user = UserView(id="u", public_metadata=given)
    given["a"].append(2)
    assert user.public_metadata == {"a": [1]}
    assert type(user.public_metadata["a"]) is FrozenList


def test_views_are_frozen_hashable_and_tell_no_metadata():
    user = UserView(id="u", public_metadata={"ssn": "secret"}, organizations={"o": "secret"})
    subject = Subject(user, OrganizationView(id="o", public_metadata={"x": "secret"}))
    with pytest.raises(dataclasses.FrozenInstanceError):
        user.id = "v"
    assert "secret" not in repr(subject)
    assert hash(subject) == hash(dataclasses.replace(subject))


def test_members_of_enumerations_count_as_their_text():
    membership = MembershipView(role=Role.ADMIN, permissions=[Role.ADMIN])
    subject = Subject(UserView(id="u"), OrganizationView(id="o"), membership)
    template = {"a": "{{org.role}}", "b": "{{org_membership.permissions}}", "c": "{{org.role}}!"}
    claims = rendered(template, subject)
    assert claims == {"a": "admin", "b": ["admin"], "c": "admin!"}
    assert type(claims["a"]) is type(claims["b"][0]) is str
