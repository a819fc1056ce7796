"""What the store holds: the format, what newer code left, what cannot be read, what was removed."""

from __future__ import annotations

import json

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.directory.faults import DirectoryError
from flask_session_claims.directory.keeping import membership_key
from flask_session_claims.sessions.limits import KEEP_ENDED
from flask_session_claims.sessions.records import Put

from .hall import NOW, Hall, furnished

KEY = membership_key("acme", "ada")
RECORDS = [("profile", "ada"), ("organization", "acme"), ("membership", KEY)]


def peopled():
    hall = furnished()
    hall.update_user("ada", first_name="Ada", primary_email_address="Ada@X.example")
    hall.add_member("acme", "ada", "org:admin", permissions=["org:a:b"])
    hall.entries()
    return hall


def rewrite(hall, kind, key, change):
    """Change a record behind the library's back."""
    found = hall.store.load(kind, key)
    data = change(json.loads(found.data)) if callable(change) else change
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    put = Put(kind, key, found.version, data, found.indexes, found.due_at)
    assert hall.store.commit([put])


def members(hall, kind, key):
    return json.loads(hall.store.load(kind, key).data)


def test_the_format_of_the_records():
    hall = peopled()
    blank = {"public_metadata": {}, "private_metadata": {}}
    dates = {"created_at": NOW, "updated_at": NOW}
    flags = ("email_verified", "phone_number_verified", "two_factor_enabled")
    assert members(hall, "profile", "ada") == {
        "format": 1, "user_id": "ada", "version": 2, "first_name": "Ada",
        "primary_email_address": "Ada@X.example", **dict.fromkeys(flags, False), **blank,
        "unsafe_metadata": {}, **dates,
    }  # fmt: skip
    assert members(hall, "organization", "acme") == {
        "format": 1, "org_id": "acme", "version": 1, "name": "Acme", "slug": "acme", **blank,
        **dates,
    }  # fmt: skip
    assert members(hall, "membership", KEY) == {
        "format": 1, "org_id": "acme", "user_id": "ada", "version": 1, "role": "org:admin",
        "permissions": ["org:a:b"], **blank, **dates,
    }  # fmt: skip
    assert members(hall, "slug", "acme") == {"format": 1, "org_id": "acme"}
    everywhere = ("in", "directory")
    indexes = {kind: hall.store.load(kind, key).indexes for kind, key in RECORDS}
    assert indexes == {
        "profile": (everywhere, ("email", "ada@x.example")),
        "organization": (everywhere,),
        "membership": (("user", "ada"), ("organization", "acme")),
    }


def change_each(hall):
    hall.update_user("ada", last_name="L")
    hall.update_organization_metadata("acme", public={"a": 1})
    hall.update_member("acme", "ada", role="org:owner")


def test_what_newer_code_has_written_is_carried_along():
    hall = peopled()
    for kind, key in RECORDS:
        rewrite(hall, kind, key, lambda found: {**found, "newer": {"a": [1]}})
    change_each(hall)
    hall.create_organization("Two", org_id="two")
    hall.add_member("two", "ada", "org:member")  # writes the user as it is
    for kind, key in RECORDS:
        assert members(hall, kind, key)["newer"] == {"a": [1]}
    assert hall.get_user("ada").last_name == "L"


def test_what_older_code_has_not_written_is_as_if_it_was_never_set():
    hall = peopled()
    for name in ("first_name", "two_factor_enabled", "unsafe_metadata"):
        rewrite(hall, "profile", "ada", lambda found, name=name: {
            n: value for n, value in found.items() if n != name})  # fmt: skip
    user = hall.get_user("ada")
    assert (user.first_name, user.two_factor_enabled, user.unsafe_metadata) == (None, False, {})


@pytest.mark.parametrize(("kind", "key"), RECORDS)
@pytest.mark.parametrize(
    "change",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"format":1',
        {},
        {"format": 1},
        lambda found: {**found, "format": 2},
        lambda found: {n: v for n, v in found.items() if n != "format"},
        lambda found: {**found, "version": 0},
        lambda found: {**found, "version": True},
        lambda found: {**found, "version": "1"},
        lambda found: {**found, "created_at": None},
        lambda found: {**found, "updated_at": "now"},
        lambda found: {n: v for n, v in found.items() if n != "created_at"},
        lambda found: {**found, "public_metadata": []},
        lambda found: {**found, "private_metadata": None},
        lambda found: {**found, "email_verified": 1, "slug": 1, "role": 1},
        lambda found: {**found, "user_id": "eve", "org_id": "other"},
    ],
)
def test_what_cannot_be_read_is_neither_there_nor_gone(kind, key, change):
    hall = peopled()
    rewrite(hall, kind, key, change)
    number = hall.store.load(kind, key).version
    calls = {
        "profile": [
            lambda: hall.get_user("ada"),
            lambda: hall.list_users(),
            lambda: hall.find_users(primary_email_address="ada@x.example"),
            lambda: hall.create_user("ada"),
            lambda: hall.put_user("ada", first_name="A"),
            lambda: hall.update_user("ada", first_name="A"),
            lambda: hall.add_member("acme", "ada", "org:member"),
            lambda: hall.delete_user("ada"),
            lambda: hall.user("ada", organizations=False),
        ],
        "organization": [
            lambda: hall.get_organization("acme"),
            lambda: hall.find_organization("acme"),
            lambda: hall.list_organizations(),
            lambda: hall.create_organization("A", org_id="acme"),
            lambda: hall.update_organization("acme", name="A"),
            lambda: hall.add_member("acme", "bob", "org:member"),
            lambda: hall.delete_organization("acme"),
            lambda: hall.membership("ada", "acme"),
        ],
        "membership": [
            lambda: hall.get_member("acme", "ada"),
            lambda: hall.list_members("acme"),
            lambda: hall.list_memberships("ada"),
            lambda: hall.add_member("acme", "ada", "org:member"),
            lambda: hall.update_member("acme", "ada", role="org:x"),
            lambda: hall.remove_member("acme", "ada"),
            lambda: hall.delete_user("ada"),
            lambda: hall.membership("ada", "acme"),
            lambda: hall.user("ada", organizations=True),
        ],
    }
    for call in calls[kind]:
        with pytest.raises(UnavailableError) as refused:
            call()
        assert refused.value.code == "directory-record-unreadable"
    hall.now += 2 * KEEP_ENDED
    assert hall.prune() == 0
    assert hall.store.load(kind, key).version == number
    assert hall.entries() == []


def test_a_slug_that_cannot_be_read_is_not_free():
    hall = peopled()
    rewrite(hall, "slug", "acme", b"{}")
    for call in (
        lambda: hall.find_organization("acme"),
        lambda: hall.create_organization("Acme"),
        lambda: hall.update_organization("acme", slug="new"),
    ):
        with pytest.raises(UnavailableError):
            call()


# --- what was removed ---------------------------------------------------------------------


def remove_each(hall):
    hall.remove_member("acme", "ada")
    hall.delete_user("ada")
    hall.delete_organization("acme")


def test_only_the_version_is_left_of_what_was_removed_and_for_a_day(hall):
    hall.update_user("ada", first_name="Ada", username="ada")
    hall.add_member("acme", "ada", "org:admin")
    remove_each(hall)
    versions = {"profile": 2, "organization": 1, "membership": 1}
    for kind, key in RECORDS:
        found = hall.store.load(kind, key)
        assert json.loads(found.data) == {
            "format": 1, "removed_at": NOW, "version": versions[kind]
        }  # fmt: skip
        assert (found.indexes, found.due_at) == ((), NOW + KEEP_ENDED)
    assert hall.store.load("slug", "acme") is None
    hall.now = NOW + KEEP_ENDED - 1
    assert hall.prune() == 0
    hall.now = NOW + KEEP_ENDED
    assert hall.prune() == 3
    assert [hall.store.load(kind, key) for kind, key in RECORDS] == [None] * 3
    assert hall.prune() == 0
    assert hall.get_user("bob") is not None
    assert hall.create_user("ada").version == 1


def test_what_was_made_again_is_not_pruned():
    hall = furnished()
    hall.add_member("acme", "ada", "org:admin")
    remove_each(hall)
    hall.create_user("ada")
    hall.put_user("eve")
    hall.create_organization("Acme", org_id="acme")
    hall.add_member("acme", "ada", "org:member")
    hall.now += 10 * KEEP_ENDED
    assert hall.prune() == 0
    assert hall.get_member("acme", "ada").version == 2


def test_put_makes_a_removed_user_again():
    hall = furnished()
    hall.update_user_metadata("ada", private={"k": 1})
    hall.delete_user("ada")
    with pytest.raises(DirectoryError):
        hall.update_user("ada", first_name="A")
    again = hall.put_user("ada", first_name="A")
    assert (again.version, again.first_name, again.private_metadata) == (3, "A", {})


def test_many_are_pruned_at_once():
    hall = Hall()
    for number in range(230):
        hall.create_user(f"u{number}")
        hall.delete_user(f"u{number}")
    hall.now += KEEP_ENDED
    assert hall.prune() == 230


def test_what_is_left_of_a_removed_user_and_cannot_be_read_stays():
    hall = furnished()
    hall.delete_user("ada")
    rewrite(hall, "profile", "ada", b'{"format":9,"removed_at":0}')
    hall.now += 10 * KEEP_ENDED
    assert hall.prune() == 0
    assert hall.store.load("profile", "ada") is not None


def test_what_was_removed_and_is_still_found_is_not_given():
    hall = furnished()
    rewrite(hall, "profile", "ada", {"format": 1, "removed_at": NOW, "version": 1})
    assert hall.get_user("ada") is None
    with pytest.raises(UnavailableError):
        hall.list_users()
