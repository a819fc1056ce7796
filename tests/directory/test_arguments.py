"""What may be given as an id, a field, a role, a version; and what is said of the rest."""

from __future__ import annotations

import enum
import pickle

import pytest

from flask_session_claims import ConfigurationError
from flask_session_claims.directory.faults import DirectoryError
from flask_session_claims.directory.given import MAX_PERMISSIONS

from .hall import Hall, furnished

BAD_IDS = [None, 7, b"ada", "", "x" * 256, "a\0b", "\ud800", ["ada"]]
#: act -> how it is called with an id of a user; and with one of an organisation.
OF_USER = {
    "put_user": lambda hall, it: hall.put_user(it),
    "update_user": lambda hall, it: hall.update_user(it, first_name="A"),
    "update_user_metadata": lambda hall, it: hall.update_user_metadata(it, public={}),
    "replace_user_metadata": lambda hall, it: hall.replace_user_metadata(it, public={}),
    "get_user": lambda hall, it: hall.get_user(it),
    "delete_user": lambda hall, it: hall.delete_user(it),
    "add_member": lambda hall, it: hall.add_member("acme", it, "org:member"),
    "update_member": lambda hall, it: hall.update_member("acme", it, role="org:x"),
    "update_member_metadata": lambda hall, it: hall.update_member_metadata("acme", it, public={}),
    "replace_member_metadata": lambda hall, it: hall.replace_member_metadata("acme", it, public={}),
    "get_member": lambda hall, it: hall.get_member("acme", it),
    "remove_member": lambda hall, it: hall.remove_member("acme", it),
    "list_memberships": lambda hall, it: hall.list_memberships(it),
    "user": lambda hall, it: hall.user(it, organizations=True),
    "membership": lambda hall, it: hall.membership(it, "acme"),
}
OF_ORGANIZATION = {
    "get_organization": lambda hall, it: hall.get_organization(it),
    "update_organization": lambda hall, it: hall.update_organization(it, name="A"),
    "update_organization_metadata": lambda hall, it: hall.update_organization_metadata(
        it, public={}
    ),
    "replace_organization_metadata": lambda hall, it: hall.replace_organization_metadata(
        it, public={}
    ),
    "delete_organization": lambda hall, it: hall.delete_organization(it),
    "add_member": lambda hall, it: hall.add_member(it, "ada", "org:member"),
    "update_member": lambda hall, it: hall.update_member(it, "ada", role="org:x"),
    "get_member": lambda hall, it: hall.get_member(it, "ada"),
    "remove_member": lambda hall, it: hall.remove_member(it, "ada"),
    "list_members": lambda hall, it: hall.list_members(it),
    "membership": lambda hall, it: hall.membership("ada", it),
}


@pytest.mark.parametrize("act", OF_USER)
@pytest.mark.parametrize("bad", BAD_IDS, ids=repr)
def test_what_is_no_users_id(act, bad):
    hall = furnished()
    with pytest.raises(ConfigurationError, match=r"^user_id must be text of 1 to 255"):
        OF_USER[act](hall, bad)
    assert hall.entries() == []


@pytest.mark.parametrize("act", OF_ORGANIZATION)
@pytest.mark.parametrize("bad", BAD_IDS, ids=repr)
def test_what_is_no_organisations_id(act, bad):
    hall = furnished()
    with pytest.raises(ConfigurationError, match=r"^org_id must be text of 1 to 255"):
        OF_ORGANIZATION[act](hall, bad)
    assert hall.entries() == []


@pytest.mark.parametrize("bad", BAD_IDS[1:], ids=repr)
def test_an_id_that_is_given_to_create_must_be_one(bad):
    hall = Hall()
    with pytest.raises(ConfigurationError, match=r"^user_id must be"):
        hall.create_user(bad)
    with pytest.raises(ConfigurationError, match=r"^org_id must be"):
        hall.create_organization("O", org_id=bad)
    assert hall.everything() == []


TEXTS = ("first_name", "last_name", "username", "external_id", "primary_email_address",
         "primary_phone_number", "image_url")  # fmt: skip
FLAGS = ("email_verified", "phone_number_verified", "two_factor_enabled")


@pytest.mark.parametrize("act", ["create_user", "put_user", "update_user"])
@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        *(({name: 7}, ConfigurationError, f"^{name} must be text or None, not of type int")
          for name in TEXTS),
        *(({name: bad}, ConfigurationError, f"^{name} must be True or False")
          for name in FLAGS for bad in (1, None, "true")),
        *(({name: bad}, DirectoryError, f"^{name} ") for name in TEXTS
          for bad in ("", "x" * 2049, "a\0", "\udc00")),
        ({"first_name": "x" * 256}, DirectoryError, "256 characters; give 1 to 255"),
        ({"primary_email_address": "\u0390" * 200}, DirectoryError, "more than 512"),
        ({"nickname": "A"}, ConfigurationError, "nickname is no field of a user.*first_name"),
        ({"user": "A"}, ConfigurationError, "no field"),
        ({"version": 3}, ConfigurationError, "no field"),
        ({"created_at": 3}, ConfigurationError, "no field"),
    ],
)  # fmt: skip
def test_what_is_no_field_of_a_user(act, fields, error, said):
    hall = furnished()
    user_id = "eve" if act == "create_user" else "ada"
    before = hall.everything()
    with pytest.raises(error, match=said) as refused:
        getattr(hall, act)(user_id, **{"last_name": "L", **fields})
    if error is DirectoryError:
        assert (refused.value.code, refused.value.status) == ("field-invalid", 400)
    assert "xxx" not in refused.value.message
    assert (hall.everything(), hall.entries()) == (before, [])


def test_the_longest_fields_fit(hall):
    fields = dict.fromkeys(TEXTS, "\u0390" * 170)
    fields["first_name"] = "😀" * 255
    made = hall.update_user("ada", **fields)
    assert hall.find_users(primary_email_address=fields["primary_email_address"]) == (made,)


class Kind(str, enum.Enum):
    ADA = "ada"
    ACME = "acme"
    ADMIN = "org:admin"


def test_an_enumerations_member_stands_for_its_value(hall):
    made = hall.add_member(Kind.ACME, Kind.ADA, Kind.ADMIN)
    assert hall.get_member("acme", "ada") == made
    assert [type(value) for value in (made.org_id, made.user_id, made.role)] == [str] * 3
    assert hall.update_user(Kind.ADA, username=Kind.ADA) == hall.find_users(username="ada")[0]
    assert hall.entries() == [("user", "ada")] * 2


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        (None, ConfigurationError, "^name must be text, not of type NoneType"),
        (7, ConfigurationError, "^name must be text"),
        ("", DirectoryError, "^name has 0 characters"),
        ("x" * 256, DirectoryError, "^name has 256 characters"),
        ("\0", DirectoryError, "^name holds a NUL"),
    ],
)
def test_what_is_no_name_of_an_organisation(name, error, said):
    hall = furnished()
    with pytest.raises(error, match=said):
        hall.create_organization(name, org_id="new")
    if name is not None:
        with pytest.raises(error, match=said):
            hall.update_organization("acme", name=name)
    assert hall.get_organization("new") is None
    assert hall.get_organization("acme").name == "Acme"


@pytest.mark.parametrize("slug", [7, b"a", ["a"]])
def test_a_slug_is_text(slug):
    hall = furnished()
    for act in (
        lambda: hall.find_organization(slug),
        lambda: hall.create_organization("O", slug=slug),
        lambda: hall.update_organization("acme", slug=slug),
    ):
        with pytest.raises(ConfigurationError, match=r"^slug must be text"):
            act()


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"role": 7}, ConfigurationError, "^role must be text"),
        ({"role": ""}, DirectoryError, "^role has 0"),
        ({"role": "x" * 129}, DirectoryError, "^role has 129"),
        ({"permissions": "org:a:b"}, ConfigurationError, "^permissions must be a list of text"),
        ({"permissions": 7}, ConfigurationError, "^permissions must be"),
        ({"permissions": {"org:a:b": True}}, ConfigurationError, "^permissions must be"),
        ({"permissions": ["org:a:b", 7]}, ConfigurationError, r"^permissions\[1\] must be text"),
        ({"permissions": ["posts:read"]}, DirectoryError, r"^permissions\[0\] got 'posts:read'"),
        ({"permissions": ["org:a:b:c"]}, DirectoryError, "org:feature:name"),
        ({"permissions": ["org:a:"]}, DirectoryError, "org:feature:name"),
        ({"permissions": ["org:a,b:c"]}, DirectoryError, "org:feature:name"),
        ({"permissions": ["user:a:b"]}, DirectoryError, "org:feature:name"),
        ({"permissions": ["org:a:b\n"]}, DirectoryError, "org:feature:name"),
        ({"permissions": ["org:a:" + "x" * 123]}, DirectoryError, "129 characters"),
        ({"permissions": ["org:a:\ud800"]}, DirectoryError, "surrogate"),
        ({"permissions": [f"org:a:{n}" for n in range(101)]}, DirectoryError, "101 items"),
    ],
)
def test_what_is_no_role_and_no_permission(given, error, said):
    hall = furnished()
    hall.add_member("acme", "ada", "org:admin")
    hall.entries()
    with pytest.raises(error, match=said) as refused:
        hall.update_member("acme", "ada", **given)
    if error is DirectoryError:
        assert (refused.value.code, refused.value.status) == ("field-invalid", 400)
    with pytest.raises(error, match=said):
        hall.add_member("acme", "bob", **{"role": "org:x", **given})
    assert hall.get_member("acme", "ada").version == 1
    assert hall.get_member("acme", "bob") is None
    assert hall.entries() == []


def test_the_most_permissions_fit(hall):
    many = [f"org:feature-{n}:{'é' * 100}" for n in range(MAX_PERMISSIONS)]
    hall.add_member("acme", "ada", "x" * 128, permissions=many)
    assert hall.get_member("acme", "ada").permissions == tuple(many)
    assert hall.update_member("acme", "ada", permissions=frozenset(many)).permissions == tuple(
        sorted(many)
    )


@pytest.mark.parametrize("bad", [-1, True, "1", 1.0, [1]])
def test_what_is_no_version(bad):
    hall = furnished()
    hall.add_member("acme", "ada", "org:admin")
    for call in (
        lambda: hall.update_user("ada", expected_version=bad),
        lambda: hall.update_user_metadata("ada", public={}, expected_version=bad),
        lambda: hall.replace_organization_metadata("acme", public={}, expected_version=bad),
        lambda: hall.update_organization("acme", expected_version=bad),
        lambda: hall.update_member("acme", "ada", expected_version=bad),
    ):
        with pytest.raises(ConfigurationError, match=r"^expected_version got"):
            call()


@pytest.mark.parametrize("bad", [7, "", "\0", "x" * 600, b"a", True])
def test_what_is_no_place_to_go_on_after(bad):
    hall = furnished()
    for call in (
        lambda: hall.list_users(bad),
        lambda: hall.list_organizations(bad),
        lambda: hall.list_members("acme", bad),
    ):
        with pytest.raises(ConfigurationError, match=r"^after must be"):
            call()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "got 0 of primary_email_address, username, external_id; give exactly one"),
        ({"username": "a", "external_id": "b"}, "got 2 of"),
        ({"username": 7}, "^username must be text"),
        ({"primary_email_address": b"a"}, "^primary_email_address must be text"),
    ],
)
def test_users_are_looked_for_by_one_text(given, said):
    with pytest.raises(ConfigurationError, match=said):
        furnished().find_users(**given)


def test_a_refusal_can_be_sent_to_another_process():
    with pytest.raises(DirectoryError) as refused:
        furnished().update_user("ada", first_name="A", expected_version=7)
    error = pickle.loads(pickle.dumps(refused.value))  # noqa: S301
    assert type(error) is DirectoryError
    assert vars(error) == vars(refused.value)
    assert (error.status, error.given_version, error.current_version) == (409, 7, 1)
