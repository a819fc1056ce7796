"""Organisation claims, flat and compact: what is written is what is read, never more."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_session_claims import ConfigurationError
from flask_session_claims.core.access import (
    NO_ORGANIZATION,
    Organization,
    has_permission,
    has_role,
    organization_of,
)
from flask_session_claims.core.auth import auth_from_claims
from flask_session_claims.sessions.claims import encode
from flask_session_claims.sessions.organizations import compact, flat
from flask_session_claims.sessions.settings import IssuingSettings

from .office import Office

#: A feature's or a permission's name that the compact form can carry.
NAMES = st.from_regex(r"\A[^:,\s]{1,8}\Z").filter(str.isprintable)
PROPER = st.builds("org:{}:{}".format, NAMES, NAMES)
SHARED = st.builds(
    "org:{}:{}".format, st.sampled_from(["a", "b", "c", "o", "org"]), st.sampled_from("rwxo")
)
#: What a directory of others, or older code, may have kept.
ODD = st.one_of(
    st.text(max_size=12),
    st.builds("{}:{}:{}".format, st.text(max_size=4), st.text(max_size=4), st.text(max_size=4)),
    st.sampled_from([
        "", "org:", "org::", "org:a:", "org::r", "org:a:r:s", "org:a,b:r", "org:a:r,w", "a:r",
        "org:a :r", "org: a:r", "org:a:r\n", " org:a:r", "user:a:r", "ORG:a:r", "org:a\u2003:r",
    ]),
)  # fmt: skip
ROLES = st.one_of(
    st.none(),
    st.builds("org:{}".format, st.text(min_size=1, max_size=8)),
    st.text(max_size=8),
    st.sampled_from(["org:admin", "admin", "org:", "org:org:admin", "org:org:org:admin", "o:x"]),
)
SLUGS = st.one_of(st.none(), st.text(min_size=1, max_size=8))


def organization(role, permissions, slug=None):
    return Organization("org_1", slug, role, tuple(dict.fromkeys(permissions)))


def read(claims):
    """What a verifier reads, leniently and as strictly as it can."""
    assert encode(claims)  # it can go into a token
    return [organization_of(claims, strict=strict) for strict in (False, True)]


def full(role):
    """A role as `has_role` compares it, or None."""
    return f"org:{role.removeprefix('org:')}" if role and role != "org:" else None


@settings(max_examples=300, deadline=None)
@given(ROLES, st.lists(st.one_of(PROPER, SHARED), max_size=12), SLUGS)
@example("org:org:admin", [], None)
@example(None, ["org:o:o", "org:org:o"], "o")
def test_what_is_proper_comes_back_in_both_forms(role, permissions, slug):
    meant = organization(role, permissions, slug)
    for found in (*read(flat(meant)), *read(compact(meant))):
        assert (found.id, found.slug) == (meant.id, meant.slug)
        assert set(found.permissions) == set(meant.permissions)
        assert full(found.role) == full(meant.role)
    for strict in (False, True):
        exact = organization_of(flat(meant), strict=strict)
        assert exact.permissions == meant.permissions
        assert exact.role == (meant.role or None)


@settings(max_examples=500, deadline=None)
@given(ROLES, st.lists(st.one_of(ODD, SHARED, PROPER), max_size=8))
@example(None, ["org:a:r", "org:b,o:c:w", "org:b:w"])
@example(None, ["org:a:r", "org:a:r,w"])
def test_odd_permissions_are_left_out_and_grant_nothing(role, permissions):
    meant = organization(role, permissions)
    for found in read(compact(meant)):
        assert found.id == "org_1"
        assert set(found.permissions) <= set(permissions)
        proper = {one for one in permissions if one in set(compact_ones(permissions))}
        assert set(found.permissions) == proper
        for one in ("org:a:r", "org:a:w", "org:b:r", "org:b:w", "org:c:w"):
            assert has_permission(found, one) <= has_permission(meant, one)
        for one in ("admin", "org:admin", "org:org:admin"):
            assert has_role(found, one) == has_role(meant, one)


def compact_ones(permissions):
    """Those of three parts, the first `org`, of which no other holds what separates them."""
    for one in permissions:
        scope, *names = one.split(":")
        if scope == "org" and len(names) == 2 and all(names):
            if not any(letter == "," or letter.isspace() for letter in "".join(names)):
                yield one


def test_the_masks_count_features_and_permissions_by_name():
    """As Clerk's reference has it: bit j of the i-th number is permission j of feature i."""
    claims = compact(
        Organization(
            "org_1", "acme", "org:admin",
            ("org:teams:read", "org:bills:pay", "org:teams:pay", "org:bills:read", "org:door:open"),
        )
    )  # fmt: skip
    assert claims == {
        "v": 2,
        "o": {"id": "org_1", "slg": "acme", "rol": "admin", "per": "open,pay,read", "fpm": "6,1,6"},
        "fea": "o:bills,o:door,o:teams",
    }


@pytest.mark.parametrize(
    ("role", "written"),
    [
        (None, None),
        ("admin", "admin"),
        ("org:admin", "admin"),
        ("org:org:admin", "org:org:admin"),
        ("org:", ""),
    ],
)
def test_a_role_is_written_so_that_no_reader_takes_it_for_another(role, written):
    assert compact(Organization("org_1", role=role))["o"].get("rol") == written


def test_without_permissions_neither_form_says_any():
    bare = Organization("org_1", "acme", "org:admin")
    assert flat(bare) == {"org_id": "org_1", "org_slug": "acme", "org_role": "org:admin"}
    assert compact(bare) == {"v": 2, "o": {"id": "org_1", "slg": "acme", "rol": "admin"}}
    assert organization_of({}, strict=False) == NO_ORGANIZATION


@pytest.mark.parametrize("count", [1, 64, 100])
def test_as_many_permissions_as_a_membership_has_come_back(count):
    permissions = [f"org:f{number % 7}:p{number}" for number in range(count)]
    for found in read(compact(organization("org:admin", permissions))):
        assert set(found.permissions) == set(permissions)


def test_a_mask_that_no_verifier_would_read_grants_nothing():
    permissions = [f"org:a:{number}" for number in range(2_000)]
    for found in read(compact(organization(None, permissions))):
        assert found.permissions == ()


# --- in tokens ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["flat", "compact"])
def test_a_session_says_it_in_the_form_that_is_set(form):
    here = Office(organization_claims=form, roles={"org:admin": ["org:bills:pay"]})
    here.join("ada", "org_a", "org:admin", permissions=["org:bills:read"])
    issued = here.sign_in("ada", org_id="org_a")
    assert ("o" in issued.claims, "org_id" in issued.claims) == (form == "compact", form == "flat")
    for office in (here, here.beside(organization_claims=form)):
        auth = auth_from_claims(office.verify(issued.session_token), "cookie")
        assert (auth.org_id, auth.org_role) == ("org_a", "org:admin")
        assert set(auth.org_permissions) == {"org:bills:read", "org:bills:pay"}
        assert auth.has(permission="org:bills:pay")
        assert not auth.has(permission="org:bills:write")
    assert here.verify(issued.session_token) is here.verify(issued.session_token)


@pytest.mark.parametrize("form", ["flat", "compact"])
@pytest.mark.parametrize("change", ["switch", "role", "leave", "slug"])
def test_what_stands_over_a_token_says_it_in_the_same_form(form, change):
    here = Office(organization_claims=form)
    here.join("ada", "org_a", "org:admin")
    here.join("ada", "org_b", "org:guest")
    there = here.beside(organization_claims=form)
    issued = here.sign_in("ada", org_id="org_a")
    there.verify(issued.session_token)
    session_id, directory = issued.session.session_id, here.directory
    {
        "switch": lambda: here.run(here.flows.switch(session_id, "org_b")),
        "role": lambda: directory.update_member("org_a", "ada", role="org:guest"),
        "leave": lambda: directory.remove_member("org_a", "ada"),
        "slug": lambda: directory.update_organization("org_a", slug="other"),
    }[change]()
    here.clock.advance(1)
    claims = there.verify(issued.session_token)
    found = auth_from_claims(claims, "cookie")
    assert (found.org_id, found.org_role, found.org_slug) == {
        "switch": ("org_b", "org:guest", "org-b"),
        "role": ("org_a", "org:guest", "org-a"),
        "leave": (None, None, None),
        "slug": ("org_a", "org:admin", "other"),
    }[change]
    if change == "leave":
        assert not {"v", "o", "fea", "org_id", "org_slug", "org_role"} & set(claims)
    else:
        assert ("o" in claims, "org_id" in claims) == (form == "compact", form == "flat")


# --- too large ----------------------------------------------------------------------------


@pytest.fixture(params=["flat", "compact"])
def crowded(request):
    """A member with so many permissions that no token can hold them."""
    here = Office(organization_claims=request.param)
    permissions = [f"org:feature-{number:03}:{'x' * 60}{number:03}" for number in range(60)]
    here.join("ada", "org_a", "org:admin", permissions=permissions)
    return here


def test_a_token_that_permissions_alone_make_too_large_goes_without(crowded):
    issued = crowded.sign_in("ada", org_id="org_a", claims={"own": 1})
    auth = auth_from_claims(crowded.verify(issued.session_token), "cookie")
    assert (auth.org_id, auth.org_role, auth.org_permissions) == ("org_a", "org:admin", ())
    assert not auth.has(permission="org:feature-000:" + "x" * 60 + "000")
    assert len(issued.session.org_permissions) == 60
    told = [names["names"][0] for names in crowded.heard("claims_oversize")]
    assert told == ["org_permissions" if "org_id" in issued.claims else "o"]


def test_such_a_session_refreshes_and_switches_like_any(crowded):
    issued = crowded.sign_in("ada", org_id="org_a")
    again = crowded.refresh(issued)
    assert auth_from_claims(again.claims, "cookie").org_id == "org_a"
    session_id = again.session.session_id
    claims = crowded.change(session_id, lambda one: crowded.flows.switch(one, None))
    assert auth_from_claims(claims, "cookie").org_id is None
    claims = crowded.change(session_id, lambda one: crowded.flows.switch(one, "org_a"))
    assert auth_from_claims(claims, "cookie").org_id == "org_a"


def test_what_a_token_cannot_hold_the_record_still_gives_where_it_is_asked(crowded):
    issued = crowded.sign_in("ada", org_id="org_a")
    crowded.tell("session", issued.session.session_id)
    auth = auth_from_claims(crowded.verify(issued.session_token), "cookie")
    assert len(auth.org_permissions) == 60


# --- the setting --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], 'write {"org:admin": ["org:invoices:manage"]}'),
        ("org:admin", 'write {"org:admin": ["org:invoices:manage"]}'),
        ({5: []}, "write each role as text"),
        ({"": []}, "write each role as text"),
        ({"org:admin": "org:a:b"}, "write each role as text"),
        ({"org:admin": None}, "write each role as text"),
        ({"org:admin": [5]}, "write the permissions of 'org:admin' as text"),
        ({"org:admin": ["org:a:b", ""]}, "write the permissions of 'org:admin' as text"),
    ],
)
def test_roles_that_make_no_sense_are_refused_at_the_start(given, told):
    with pytest.raises(ConfigurationError) as caught:
        IssuingSettings(roles=given)
    assert told in caught.value.message


def test_roles_may_stand_in_the_environment_as_json():
    found = IssuingSettings.from_mapping({"ROLES": '{"org:admin": ["org:a:b"]}'}, prefix="")
    assert found.roles == {"org:admin": ("org:a:b",)}


def test_a_form_of_organisation_that_there_is_not_is_refused():
    with pytest.raises(ConfigurationError, match='"flat" or "compact"'):
        IssuingSettings(organization_claims="v2")
