"""The language: every shortcode, what keeps its type, what becomes text, fall-backs, plain data."""

from __future__ import annotations

import pickle

import pytest

from flask_session_claims.core.jsontext import FrozenDict, FrozenList
from flask_session_claims.sessions.claims import accept
from flask_session_claims.sessions.templates.compiling import cached_template, compile_template
from flask_session_claims.sessions.templates.rendering import preview, render
from flask_session_claims.sessions.templates.shortcodes import SHORTCODES

from .people import MARIA, NOBODY, rendered, with_metadata

SHORTCODE_VALUES = [
    ("user.id", "user_1", "user_0"),
    ("user.first_name", "Maria", None),
    ("user.last_name", "Doe", None),
    ("user.full_name", "Maria Doe", None),
    ("user.username", "mdoe", None),
    ("user.external_id", "ext_7", None),
    ("user.created_at", 1_700_000_000, None),
    ("user.updated_at", 1_700_000_100, None),
    ("user.primary_email_address", "maria@example.com", None),
    ("user.primary_phone_number", "+15555550100", None),
    ("user.email_verified", True, False),
    ("user.phone_number_verified", False, False),
    ("user.image_url", "https://img.example.com/1.png", None),
    ("user.has_image", True, False),
    ("user.two_factor_enabled", True, False),
    ("user.public_metadata", dict(MARIA.user.public_metadata), {}),
    ("user.unsafe_metadata", {"theme": "dark"}, {}),
    ("user.organizations", {"org_1": "org:admin", "org_2": "org:member"}, {}),
    ("org.id", "org_1", None),
    ("org.name", "Acme", None),
    ("org.slug", "acme", None),
    ("org.role", "org:admin", None),
    ("org.public_metadata", {"seats": 5}, None),
    ("org_membership.permissions", ["org:team:manage", "org:team:read"], None),
    ("org_membership.public_metadata", {"desk": "4B"}, None),
    ("session.actor", {"sub": "user_2"}, None),
    ("session.reverification_id", "rev_1", None),
]


@pytest.mark.parametrize(("name", "marias", "nobodys"), SHORTCODE_VALUES, ids=lambda v: str(v)[:32])
def test_every_shortcode_gives_its_value_in_its_own_type(name, marias, nobodys):
    template = {"x": f"{{{{{name}}}}}"}
    for subject, value in ((MARIA, marias), (NOBODY, nobodys)):
        found = rendered(template, subject)["x"]
        assert (found, type(found) in (FrozenDict, FrozenList) or type(found)) == (
            value,
            isinstance(value, (dict, list)) or type(value),
        )


def test_no_shortcode_is_without_a_vector():
    assert {name for name, _, _ in SHORTCODE_VALUES} == set(SHORTCODES)


VECTORS = [
    # One shortcode alone keeps its type; white space inside the braces is free.
    ("{{user.public_metadata.level}}", 0),
    ("{{ user.public_metadata.level }}", 0),
    ("{{\t\nuser.public_metadata.level\r\n}}", 0),
    ("{{user.public_metadata.share}}", 0.5),
    ("{{user.public_metadata.beta}}", False),
    ("{{user.public_metadata.none}}", None),
    ("{{user.public_metadata.tags}}", ["a", "b"]),
    ("{{user.public_metadata.addresses}}", {"Home": "2355 Pointe Lane", "work": None}),
    # Paths: keys as they are stored, no index, null where they end.
    ("{{user.public_metadata.addresses.Home}}", "2355 Pointe Lane"),
    ("{{user.public_metadata.addresses.home}}", None),
    ("{{user.public_metadata.addresses.Home.street}}", None),
    ("{{user.public_metadata.addresses.work.street}}", None),
    ("{{user.public_metadata.0}}", "zero"),
    ("{{user.public_metadata.tags.0}}", None),
    ("{{user.organizations.org_2}}", "org:member"),
    ("{{session.actor.sub}}", "user_2"),
    ("{{org.public_metadata.seats}}", 5),
    ("{{org_membership.public_metadata.desk}}", "4B"),
    # Fields that a known root does not have.
    ("{{user.i_dont_exist}}", None),
    ("{{user.primary_phone_address}}", None),
    ("{{session.id}}", None),
    ("{{user.first_name.length}}", None),
    ("{{user.i_dont_exist || 'x'}}", "x"),
    # Within text everything is text.
    ("{{user.last_name}} {{user.first_name}}", "Doe Maria"),
    ("{{user.last_name}} {{user.first_name}} ", "Doe Maria "),
    (" {{user.public_metadata.level}}", " 0"),
    ("{{user.public_metadata.level}}{{user.public_metadata.share}}", "00.5"),
    ("is {{user.email_verified}} {{user.phone_number_verified}}", "is true false"),
    ("{{user.public_metadata.none}}!", "null!"),
    ("{{user.i_dont_exist}}!", "null!"),
    ("tags: {{user.public_metadata.tags}}", 'tags: ["a","b"]'),
    ("at: {{session.actor}}.", 'at: {"sub":"user_2"}.'),
    # Fall-backs pass over null and false, and over nothing else; the last stands in any case.
    ("{{user.public_metadata.plan || 'free'}}", "pro"),
    ("{{user.public_metadata.gone || 'free'}}", "free"),
    ("{{user.public_metadata.gone||user.public_metadata.none||5}}", 5),
    ("{{user.public_metadata.beta || 'x'}}", "x"),
    ("{{user.public_metadata.level || 1}}", 0),
    ("{{user.public_metadata.empty || 'x'}}", ""),
    ("{{user.public_metadata.no_tags || 'x'}}", []),
    ("{{user.phone_number_verified || user.email_verified}}", True),
    ("{{user.email_verified || user.phone_number_verified}}", True),
    ("{{user.public_metadata.gone || user.phone_number_verified}}", False),
    ("{{user.phone_number_verified || user.public_metadata.gone}}", None),
    ("{{false || true}}", True),
    ("{{user.public_metadata.gone || -1.5e2}}", -150.0),
    ("{{user.public_metadata.gone || 7}}", 7),
    ("{{user.public_metadata.gone || ''}}", ""),
    ("Awesome {{user.first_name || user.last_name || 'user'}}", "Awesome Maria"),
    ("Awesome {{user.public_metadata.gone || 'user'}}!", "Awesome user!"),
    ("{{user.public_metadata.gone || 7}} days", "7 days"),
    ("{{user.public_metadata.gone || false}} it", "false it"),
    # Literals, also such as hold what means something elsewhere.
    ("{{'a || b'}}", "a || b"),
    ("{{ '{{' }} is how it begins, {{ '}}' }} how it ends", "{{ is how it begins, }} how it ends"),
    ("{{ '{{user.id}}' }}", "{{user.id}}"),
    ("{{true}}", True),
    ("{{ 10 }}", 10),
    # Braces that are no shortcode.
    ("{user.id}", "{user.id}"),
    ("a } b }} c {", "a } b }} c {"),
    ("{{user.id}}}", "user_1}"),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "given"), VECTORS)
def test_a_text_gives(text, given):
    found = rendered({"x": text})["x"]
    assert found == given
    assert type(found) in (type(given), FrozenDict, FrozenList)


def test_nobody_gives_null_as_text():
    text = {"x": "{{user.last_name}} {{user.first_name}}", "y": "{{user.first_name || 'you'}}"}
    assert rendered(text, NOBODY) == {"x": "null null", "y": "you"}
    assert rendered(text, with_metadata()) == {"x": "null null", "y": "you"}


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"a": "text", "b": 1, "c": 1.5, "d": True, "e": False, "f": None},
        {"a": [1, [2, {"b": None}], {}], "c": {"d": {"e": []}}},
        {"aud_of_mine": "x", "role": "admin", "Ünïcode ☃ 😀": "é"},
        {"https://example.com/claims": {"x-roles": ["user", "editor"], "sub": 1}},
        {"big": 2**64 - 1, "small": -(2**63), "tiny": 5e-324},
    ],
)
def test_plain_data_passes_through(template):
    assert rendered(template) == template


def test_shortcodes_in_objects_and_arrays():
    template = {
        "user": {"id": "{{user.id}}", "names": ["{{user.first_name}}", "Dr {{user.last_name}}"]},
        "list": [["{{user.public_metadata.level}}"], {"plan": "{{user.public_metadata.plan}}"}],
    }
    assert rendered(template) == {
        "user": {"id": "user_1", "names": ["Maria", "Dr Doe"]},
        "list": [[0], {"plan": "pro"}],
    }


def test_the_hosted_issuers_example_and_the_six_claims_of_an_app_with_its_own_ids():
    assert rendered(
        {
            "fullName": "{{user.full_name}}",
            "primaryEmail": "{{user.primary_email_address}}",
        }
    ) == {"fullName": "Maria Doe", "primaryEmail": "maria@example.com"}
    names = [
        "managerOSUserId",
        "organizationId",
        "organizationName",
        "organizationSlug",
        "personId",
        "role",
    ]
    metadata = {name: f"of {name}" for name in names}
    template = {name: f"{{{{user.public_metadata.{name}}}}}" for name in names}
    assert rendered(template, with_metadata(**metadata)) == metadata


def test_claims_are_frozen_to_their_leaves_and_can_be_set_by_an_app():
    claims = rendered({"a": {"b": ["{{user.public_metadata}}"]}, "p": "{{user.organizations}}"})
    for inner in (claims, claims["a"], claims["a"]["b"], claims["a"]["b"][0], claims["p"]):
        assert type(inner) in (FrozenDict, FrozenList)
    assert accept(claims) == claims


def test_the_text_of_a_template_may_be_escaped():
    assert rendered('{"\\u0061": "\\u007b{user.id}}"}') == {"a": "user_1"}


def test_what_is_looked_up_is_not_looked_at_again():
    subject = with_metadata(a="{{user.id}}", b={"{{user.id}}": ["{{user.id}}", "' || '"]})
    template = {"a": "{{user.public_metadata.a}}", "t": "<{{user.public_metadata.a}}>",
                "b": "{{user.public_metadata.b}}"}  # fmt: skip
    assert rendered(template, subject) == {
        "a": "{{user.id}}",
        "t": "<{{user.id}}>",
        "b": {"{{user.id}}": ["{{user.id}}", "' || '"]},
    }


def test_a_template_says_what_it_gives_and_what_it_looks_up():
    template = compile_template(
        {"plan": "{{user.public_metadata.plan || org.slug}}", "me": ["{{user.id}}-{{user.id}}"]}
    )
    assert template.names == ("plan", "me")
    assert template.lookups == ("org.slug", "user.id", "user.public_metadata.plan")


def test_templates_of_the_same_meaning_are_equal_and_others_are_not():
    one, two = compile_template('{"a": "x", "b":1}'), compile_template({"a": "x", "b": 1})
    assert (one, hash(one), one.digest) == (two, hash(two), two.digest)
    assert one != compile_template({"a": "x", "b": 1.0})
    assert one != compile_template({"b": 1, "a": "x"})
    assert len(one.digest) == 64


def test_a_template_survives_pickling_and_is_kept_by_its_text():
    template = cached_template('{"a": "Hi {{user.id}}"}')
    copy = pickle.loads(pickle.dumps(template))  # noqa: S301
    assert (copy, render(copy, MARIA)) == (template, {"a": "Hi user_1"})
    assert cached_template('{"a": "Hi {{user.id}}"}') is template


def test_of_a_mapping_the_text_is_kept_as_json():
    template = compile_template({"é": ["{{user.id}}"]})
    assert template.text == '{\n  "é": [\n    "{{user.id}}"\n  ]\n}'
    assert compile_template(template.text) == template


def test_odd_look_ups_are_noted():
    template = compile_template(
        '{"a": "{{user.primary_phone_address}}",\n "b": "{{user.unsafe_metadata.x}}",\n'
        ' "c": "{{user.first_name.x}} {{ 0 || user.id }}"}'
    )
    assert [(n.code, n.line, n.column, n.name, n.mend) for n in template.notes] == [
        ("unknown-field", 1, 10, "a", "Did you mean user.primary_email_address?"),
        ("user-controlled", 2, 10, "b", None),
        ("unknown-field", 3, 10, "c", "Write user.first_name."),
        ("unreachable", 3, 30, "c", None),
    ]


def test_a_preview_says_what_would_be_given_its_size_and_what_is_missing():
    template = compile_template(
        {"a": "{{user.public_metadata.gone || 'é'}}", "b": "{{user.nope}}", "c": "{{user.id}}"}
    )
    seen = preview(template, MARIA)
    assert seen.claims == {"a": "é", "b": None, "c": "user_1"} == render(template, MARIA)
    assert (seen.size, seen.sizes) == (32, {"a": 4, "b": 4, "c": 8})
    assert (seen.missing, seen.refusal) == (("user.nope", "user.public_metadata.gone"), None)
    tight = preview(template, MARIA, most=31)
    assert (tight.claims, tight.size, tight.most) == (None, 32, 31)
    assert tight.refusal is not None
    assert tight.refusal.names == ("c", "a", "b")
