"""What a session says now: by its template, by what the app gave, by its organisation."""

from __future__ import annotations

import json

import pytest

from flask_session_claims.sessions.faults import ClaimsRefused, NotAMember
from flask_session_claims.sessions.limits import CLAIMS_BYTES
from flask_session_claims.sessions.templates.faults import TemplateRefused

from .office import OF_NOBODY, TEMPLATE, Office, custom

BIG = "x" * CLAIMS_BYTES
OF_ADA = {
    "plan": "pro", "mail": "ada@example.com", "id": "ada", "where": None, "room": None,
    "desk": None, "none": None, "kind": "person",
}  # fmt: skip


@pytest.fixture
def here():
    office = Office()
    office.directory.create_user(
        "ada",
        primary_email_address="ada@example.com",
        public_metadata={"plan": "pro"},
        private_metadata={"secret": "hidden"},
    )
    office.save(TEMPLATE)
    return office


def layers(office, session_id):
    """The layers in the session's record."""
    found = office.state(session_id).layers
    return dict(found.template), dict(found.provided), dict(found.own)


# --- layers -------------------------------------------------------------------------------


def test_a_template_gives_the_claims_of_a_token_and_nulls_stay(here):
    issued = here.sign_in("ada")
    assert custom(issued.claims) == OF_ADA
    assert here.said(issued.session_token) == OF_ADA
    assert dict(here.session(issued.session.session_id).claims) == OF_ADA


def test_who_is_not_in_the_directory_has_an_id_and_nulls(here):
    assert custom(here.sign_in("cid").claims) == {**OF_NOBODY, "id": "cid"}


#: template, provided, own -> what is in force of `x` and `y`; a name is absent where it is hidden.
LAYERS = [
    ({"x": 1}, {}, {}, {"x": 1}),
    ({"x": None}, {}, {}, {"x": None}),
    ({"x": 1}, {"x": 2}, {}, {"x": 2}),
    ({"x": 1}, {"x": 2}, {"x": 3}, {"x": 3}),
    ({"x": 1}, {}, {"x": 3}, {"x": 3}),
    ({"x": 1}, {"x": None}, {}, {}),
    ({"x": None}, {"x": None}, {}, {}),
    ({"x": 1}, {"x": 2}, {"x": None}, {}),
    ({"x": 1}, {"x": None}, {"x": 3}, {"x": 3}),
    ({"x": None}, {"x": 2}, {}, {"x": 2}),
    ({"x": None}, {}, {"x": None}, {}),
    ({"x": 1, "y": None}, {"y": 1}, {"x": None}, {"y": 1}),
]


@pytest.mark.parametrize(("template", "provided", "own", "stands"), LAYERS)
def test_of_the_layers_the_later_one_wins_and_only_a_templates_null_stays(
    template, provided, own, stands
):
    here = Office()
    here.save(template)
    here.issuing.hooks.provide = lambda user_id, session: provided
    issued = here.sign_in("ada", claims=own)
    assert custom(issued.claims) == stands
    assert custom(here.refresh(issued).claims) == stands


# --- when it is stored --------------------------------------------------------------------


def raise_plan(office, plan):
    office.directory.update_user_metadata("ada", public={"plan": plan})


#: What writes the record: (issued, office) -> the session's claims then.
WRITES = {
    "refresh": lambda here, issued: here.refresh(issued).session.claims,
    "merge": lambda here, issued: here.merge(issued.session.session_id, own=1).claims,
    "provide": lambda here, issued: (
        here.run(here.flows.provide(issued.session.session_id, {"given": 1})).claims
    ),
    "data": lambda here, issued: (
        here.run(here.flows.set_data(issued.session.session_id, {"a": 1})).claims
    ),
    "verify": lambda here, issued: (
        here.run(here.flows.verify(issued.session.session_id, first=True, second=False)).claims
    ),
    "reissue": lambda here, issued: (
        here.run(here.issuing.issuer.reissue(issued.session.session_id)).session.claims
    ),
}


@pytest.mark.parametrize("write", WRITES)
def test_whatever_writes_the_record_stores_what_the_template_gives_then(here, write):
    issued = here.sign_in("ada")
    assert layers(here, issued.session.session_id)[0] == OF_ADA
    raise_plan(here, "top")
    assert layers(here, issued.session.session_id)[0] == OF_ADA
    assert WRITES[write](here, issued)["plan"] == "top"
    assert layers(here, issued.session.session_id)[0] == {**OF_ADA, "plan": "top"}


def test_reading_shows_what_the_template_gives_and_stores_nothing(here):
    issued = here.sign_in("ada")
    raise_plan(here, "top")
    session_id = issued.session.session_id
    before = here.state(session_id)
    assert here.session(session_id).claims["plan"] == "top"
    assert [one.claims["plan"] for one in here.issuing.sessions.list_for_user("ada")] == ["top"]
    assert here.said(issued.session_token)["plan"] == "top"
    assert here.state(session_id) == before


def test_merging_what_is_there_already_writes_nothing(here):
    issued = here.sign_in("ada", claims={"own": 1})
    before = here.state(issued.session.session_id)
    assert here.merge(issued.session.session_id, own=1).claims["own"] == 1
    assert here.state(issued.session.session_id) == before


@pytest.mark.parametrize("write", WRITES)
def test_without_a_template_what_the_last_one_gave_is_dropped(here, write):
    issued = here.sign_in("ada", claims={"own": 0})
    session_id = issued.session.session_id
    assert here.issuing.templates.delete()
    here.clock.advance(1)  # sessions take it up one after the other
    assert here.said(issued.session_token) == {"own": 0}
    assert dict(here.session(session_id).claims) == {"own": 0}
    assert layers(here, session_id)[0] == OF_ADA, "until something is written"
    claims = WRITES[write](here, issued)
    assert not set(claims) & set(OF_ADA)
    assert layers(here, session_id)[0] == {}
    there = here.beside()
    here.clock.advance(1)
    assert not set(there.said(issued.session_token)) & set(OF_ADA)


# --- what does not fit --------------------------------------------------------------------


@pytest.fixture
def outgrown(here):
    """A session whose template gives more than fits by now; and what it gave before."""
    issued = here.sign_in("ada", claims={"own": 0})
    raise_plan(here, BIG)
    here.news.clear()
    return issued


STAND_IN = {**OF_ADA, "own": 0}


@pytest.mark.parametrize("write", [*WRITES, "get", "verify token", "mint"])
def test_what_fitted_last_stands_in_for_what_does_not_and_nobody_is_locked_out(
    here, outgrown, write
):
    session_id = outgrown.session.session_id
    acts = {
        **WRITES,
        "get": lambda here, issued: here.session(session_id).claims,
        "verify token": lambda here, issued: here.verify(issued.session_token),
        "mint": lambda here, issued: here.verify(here.issuing.sessions.mint(session_id)),
    }
    claims = acts[write](here, outgrown)
    assert {name: claims[name] for name in OF_ADA} == OF_ADA
    assert layers(here, session_id)[0] == OF_ADA
    here.clock.advance(1)
    assert here.beside().said(outgrown.session_token).items() >= OF_ADA.items()


def test_a_sign_in_begins_without_what_does_not_fit_and_the_app_is_told_the_largest(here):
    raise_plan(here, BIG)
    issued = here.sign_in("ada", claims={"own": 0})
    assert custom(issued.claims) == {"own": 0}
    assert here.said(issued.session_token) == {"own": 0}
    (told,) = here.heard("claims_oversize")
    assert told["names"][0] == "plan"
    assert 1 < len(told["names"]) <= 3
    raise_plan(here, "pro")
    assert here.session(issued.session.session_id).claims["plan"] == "pro"


def test_a_refresh_tells_the_largest_names_once_each_time(here, outgrown):
    issued = here.refresh(outgrown)
    assert custom(issued.claims) == STAND_IN
    (told,) = here.heard("claims_oversize")
    assert told["names"][0] == "plan"
    assert told["session"] == issued.session
    raise_plan(here, "top")
    assert here.refresh(issued).claims["plan"] == "top"
    assert here.heard("claims_oversize") == []


def test_what_fits_alone_and_not_with_the_other_layers_is_left_out_too(here):
    """The bound is for all claims together."""
    half = "y" * (CLAIMS_BYTES * 2 // 3)
    issued = here.sign_in("ada", claims={"own": half})
    raise_plan(here, half)
    assert here.session(issued.session.session_id).claims["plan"] == "pro"
    merged = here.merge(issued.session.session_id, own=None)
    assert merged.claims["plan"] == "pro", "the layer was composed before the merge"
    assert here.session(issued.session.session_id).claims["plan"] == half


def test_a_merge_that_does_not_fit_is_the_callers_and_changes_nothing(here, outgrown):
    before = here.state(outgrown.session.session_id)
    with pytest.raises(ClaimsRefused) as caught:
        here.merge(outgrown.session.session_id, own=BIG)
    assert (caught.value.code, caught.value.names[0]) == ("claims-too-large", "own")
    assert here.state(outgrown.session.session_id) == before


def test_a_template_that_is_too_large_for_one_is_in_force_for_others(here, outgrown):
    here.directory.create_user("ben", public_metadata={"plan": "free"})
    assert here.sign_in("ben").claims["plan"] == "free"
    assert here.session(outgrown.session.session_id).claims["plan"] == "pro"


# --- organisations ------------------------------------------------------------------------


@pytest.fixture
def member(here):
    """A session of a member of Acme, for whom a role brings a permission."""
    office = here.beside(roles={"org:admin": ["org:bills:pay"], "org:guest": ["org:door:open"]})
    office.directory.create_organization(
        "Acme", org_id="org_a", slug="acme", public_metadata={"room": 7}
    )
    office.directory.add_member(
        "org_a", "ada", "org:admin",
        permissions=["org:bills:read"], public_metadata={"desk": 3},
        private_metadata={"secret": "hidden"},
    )  # fmt: skip
    return office, office.sign_in("ada", org_id="org_a")


IN_ACME = {
    "org_id": "org_a", "org_slug": "acme", "org_role": "org:admin",
    "org_permissions": ["org:bills:read", "org:bills:pay"],
}  # fmt: skip


def org_of(claims):
    return {name: value for name, value in claims.items() if name.startswith("org_")}


def test_a_member_has_the_organisation_with_its_role_and_the_permissions_of_both(member):
    _, issued = member
    assert org_of(issued.claims) == IN_ACME
    assert custom(issued.claims) == {**OF_ADA, "where": "org_a", "room": 7, "desk": 3}
    session = issued.session
    assert (session.org_id, session.org_slug, session.org_role) == ("org_a", "acme", "org:admin")
    assert session.org_permissions == ("org:bills:read", "org:bills:pay")


def test_another_role_brings_its_own_permissions_and_no_others(member):
    office, issued = member
    office.directory.update_member("org_a", "ada", role="org:guest", permissions=[])
    claims = office.verify(issued.session_token)
    assert (claims["org_role"], claims["org_permissions"]) == ("org:guest", ["org:door:open"])
    office.directory.update_member("org_a", "ada", role="org:nobody")
    claims = office.verify(issued.session_token)
    assert (claims["org_role"], claims.get("org_permissions")) == ("org:nobody", None)


def test_who_is_no_member_begins_no_session_there(member):
    office, _ = member
    office.directory.create_user("ben")
    for user_id, org_id in (("ben", "org_a"), ("ada", "org_b")):
        with pytest.raises(NotAMember):
            office.sign_in(user_id, org_id=org_id)
    assert office.issuing.sessions.list_for_user("ben") == ()


LEAVING = {
    "removed": lambda office: office.directory.remove_member("org_a", "ada"),
    "organisation deleted": lambda office: office.directory.delete_organization("org_a"),
    "user deleted": lambda office: office.issuing.run(
        office.issuing.sources.directory.delete_user("ada")
    ),
}


@pytest.mark.parametrize("way", LEAVING)
def test_who_has_left_lives_on_without_the_organisation_everywhere(member, way):
    office, issued = member
    session_id, there = issued.session.session_id, office.beside()
    assert org_of(there.verify(issued.session_token))["org_id"] == "org_a"
    assert LEAVING[way](office)
    assert org_of(office.verify(issued.session_token)) == {}
    office.clock.advance(1)
    claims = there.verify(issued.session_token)
    assert org_of(claims) == {}
    assert custom(claims) == custom({**claims, "where": None, "room": None, "desk": None})
    assert office.session(session_id).org_id is None
    assert office.state(session_id).org_id == "org_a", "until something is written"
    again = office.refresh(issued)
    assert org_of(again.claims) == {}
    assert again.session.org_id is None
    assert office.state(session_id).org_id is None


def test_who_comes_back_before_anything_was_written_is_a_member_again(member):
    office, issued = member
    office.directory.remove_member("org_a", "ada")
    assert org_of(office.verify(issued.session_token)) == {}
    office.directory.add_member("org_a", "ada", "org:guest")
    assert office.verify(issued.session_token)["org_role"] == "org:guest"


# --- what nobody may see ------------------------------------------------------------------


def test_private_metadata_is_in_nothing_that_a_session_says(member):
    office, _ = member
    office.directory.update_organization_metadata("org_a", private={"secret": "hidden"})
    office.save({
        **TEMPLATE,
        "all": "{{user.public_metadata}}",
        "unsafe": "{{user.unsafe_metadata}}",
        "org": "{{org.public_metadata}}",
        "mine": "{{org_membership.public_metadata}}",
        "where": "{{user.organizations}}",
        "try": "{{user.public_metadata.secret || 'no'}}",
    })  # fmt: skip
    issued = office.sign_in("ada", org_id="org_a")
    assert issued.claims["mine"] == {"desk": 3}
    for text in (
        json.dumps(issued.claims),
        json.dumps(office.session(issued.session.session_id).claims),
        office.store.behind.load("session", issued.session.session_id).data.decode(),
    ):
        assert "hidden" not in text


@pytest.mark.parametrize("owner", ["user", "org", "org_membership"])
def test_a_template_cannot_name_private_metadata(here, owner):
    with pytest.raises(TemplateRefused, match="Private metadata never goes into a token"):
        here.save({"x": "{{%s.private_metadata.secret}}" % owner})  # noqa: UP031 (braces)


# --- what it costs ------------------------------------------------------------------------


def reads(cost):
    return {call: count for call, count in cost.items() if call.startswith(("load", "find"))}


def test_a_token_that_nobody_has_told_of_costs_no_read_whatever_the_template(member):
    office, issued = member
    there = office.beside()
    there.verify(issued.session_token)
    assert there.cost(lambda: [there.verify(issued.session_token) for _ in range(5)]) == {}


#: template -> reads of one look at a session, besides its record, with the template at hand.
COSTS = [
    (None, False, {}),
    ({"x": 1}, False, {}),
    ({"x": "{{user.id}} in {{org.id}}"}, False, {}),
    ({"x": "{{session.reverification_id}}"}, False, {}),
    ({"x": "{{user.username}}"}, False, {"load profile": 1}),
    ({"x": "{{org.id || user.public_metadata.x}}"}, False, {"load profile": 1}),
    ({"x": ["{{user.unsafe_metadata}}"]}, False, {"load profile": 1}),
    ({"x": "{{user.organizations}}"}, False, {"load profile": 1, "find": 1}),
    (None, True, {"load membership": 1, "load organization": 1}),
    ({"x": "{{org.name}}"}, True, {"load membership": 1, "load organization": 1}),
    (
        {"x": "{{org.name}} {{user.first_name}}"},
        True,
        {"load profile": 1, "load membership": 1, "load organization": 1},
    ),
]


@pytest.mark.parametrize(("template", "in_org", "expected"), COSTS)
def test_a_look_at_a_session_reads_what_the_template_and_the_organisation_need(
    template, in_org, expected
):
    here = Office()
    here.join("ada", "org_a")
    if template is not None:
        here.save(template)
    issued = here.sign_in("ada", org_id="org_a" if in_org else None)
    session_id = issued.session.session_id
    here.verify(issued.session_token)  # what the log tells of templates is known then
    here.session(session_id)
    expected = {"load session": 1, **expected}
    assert reads(here.cost(lambda: here.session(session_id))) == expected
    here.tell("session", session_id)
    here.run(here.feed.catch_up())
    assert reads(here.cost(lambda: here.verify(issued.session_token))) == expected
    assert reads(here.cost(lambda: here.verify(issued.session_token))) == {}


#: Everything that a template can look up, with something to find.
LOOKUPS = [
    "user.first_name", "user.full_name", "user.username", "user.external_id", "user.created_at",
    "user.primary_email_address", "user.primary_phone_number", "user.image_url",
    "user.email_verified", "user.phone_number_verified", "user.has_image",
    "user.two_factor_enabled", "user.public_metadata", "user.public_metadata.plan",
    "user.unsafe_metadata", "user.organizations",
]  # fmt: skip


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_what_a_template_looks_up_of_the_user_is_there(here, lookup):
    here.directory.put_user(
        "ada", first_name="Ada", username="al", external_id="7", primary_phone_number="1",
        image_url="https://cdn.example/a", email_verified=True, phone_number_verified=True,
        two_factor_enabled=True, unsafe_metadata={"a": 1},
    )  # fmt: skip
    here.join("ada", "org_a")
    here.save({"x": "{{%s}}" % lookup})  # noqa: UP031 (braces)
    assert here.sign_in("ada").claims["x"]
