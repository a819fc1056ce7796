"""Memberships: every act over every store, and what the log says of it."""

from __future__ import annotations

import pytest

from flask_session_claims.directory.faults import DirectoryError
from flask_session_claims.directory.keeping import membership_key

from .hall import NOW, Hall, furnished

READ, EDIT = "org:posts:read", "org:posts:edit"


def test_a_membership_comes_back_as_it_was_made(hall):
    made = hall.add_member(
        "acme",
        "ada",
        "org:admin",
        permissions=[READ, EDIT, READ],
        public_metadata={"team": "a"},
        private_metadata={"salary": "9"},
    )
    assert (made.org_id, made.user_id, made.role) == ("acme", "ada", "org:admin")
    assert made.permissions == (READ, EDIT)
    assert (made.public_metadata, made.private_metadata) == ({"team": "a"}, {"salary": "9"})
    assert (made.created_at, made.updated_at, made.version) == (NOW, NOW, 1)
    assert hall.get_member("acme", "ada") == made
    assert hall.list_memberships("ada") == (made,)
    assert hall.list_members("acme").memberships == (made,)
    assert hall.entries() == [("user", "ada")]
    assert "salary" not in repr(made)


def test_a_new_membership_is_no_change_of_user_or_organisation(hall):
    ada, acme = hall.get_user("ada"), hall.get_organization("acme")
    hall.now += 5
    hall.add_member("acme", "ada", "org:admin")
    assert (hall.get_user("ada"), hall.get_organization("acme")) == (ada, acme)
    assert hall.update_user("ada", first_name="A", expected_version=1).version == 2
    assert hall.update_organization("acme", name="A", expected_version=1).version == 2


@pytest.mark.parametrize(
    ("org_id", "user_id", "code", "status"),
    [
        ("nowhere", "ada", "organization-unknown", 404),
        ("acme", "nobody", "user-unknown", 404),
        ("nowhere", "nobody", "organization-unknown", 404),
        ("acme", "bob", "membership-exists", 409),
        ("gone", "ada", "organization-unknown", 404),
        ("acme", "gone", "user-unknown", 404),
    ],
)
def test_who_cannot_be_a_member(org_id, user_id, code, status):
    hall = furnished(users=("ada", "bob", "gone"), organizations=("acme", "gone"))
    hall.add_member("acme", "bob", "org:member")
    hall.delete_user("gone")
    hall.delete_organization("gone")
    hall.entries()
    with pytest.raises(DirectoryError) as refused:
        hall.add_member(org_id, user_id, "org:admin")
    assert (refused.value.code, refused.value.status) == (code, status)
    assert hall.entries() == []
    assert hall.list_memberships("ada") == ()
    assert hall.get_member("acme", "bob").role == "org:member"


USER = [("user", "ada")]


@pytest.mark.parametrize(
    ("act", "given", "entries", "version"),
    [
        ("update_member", {"role": "org:owner"}, USER, 2),
        ("update_member", {"permissions": [READ]}, USER, 2),
        ("update_member", {"permissions": ()}, USER, 2),
        ("update_member", {"role": "org:admin", "permissions": [READ, EDIT]}, [], 1),
        ("update_member", {"permissions": {READ, EDIT}}, USER, 2),  # in another order
        ("update_member", {}, [], 1),
        ("update_member_metadata", {"public": {"a": {"b": 2}}}, USER, 2),
        ("update_member_metadata", {"private": {"a": 2}}, [], 2),
        ("update_member_metadata", {"public": {"a": {"b": 1}}}, [], 1),
        ("replace_member_metadata", {"public": {}}, USER, 2),
        ("replace_member_metadata", {"private": {}}, [], 2),
        ("replace_member_metadata", {"private": {"a": 1}}, [], 1),
    ],
)
def test_what_is_logged_of_a_change(act, given, entries, version):
    hall = furnished()
    hall.add_member(
        "acme",
        "ada",
        "org:admin",
        permissions=[READ, EDIT],
        public_metadata={"a": {"b": 1}},
        private_metadata={"a": 1},
    )
    hall.entries()
    changed = getattr(hall, act)("acme", "ada", **given)
    assert changed == hall.get_member("acme", "ada")
    key = membership_key("acme", "ada")
    assert (changed.version, hall.store.load("membership", key).version) == (version, version)
    assert hall.entries() == entries
    assert hall.news() == []


def test_metadata_is_merged_or_replaced_by_kind(hall):
    hall.add_member("acme", "ada", "org:admin", public_metadata={"a": {"b": 1, "c": 1}})
    merged = hall.update_member_metadata("acme", "ada", public={"a": {"b": None}}, private={"k": 1})
    assert (merged.public_metadata, merged.private_metadata) == ({"a": {"c": 1}}, {"k": 1})
    replaced = hall.replace_member_metadata("acme", "ada", public={"n": 1})
    assert (replaced.public_metadata, replaced.private_metadata) == ({"n": 1}, {"k": 1})


@pytest.mark.parametrize(
    ("act", "given"),
    [
        ("update_member", {"role": "org:owner"}),
        ("update_member_metadata", {"public": {"a": 1}}),
        ("replace_member_metadata", {"private": {"a": 1}}),
    ],
)
def test_a_change_of_none_or_of_another_version_is_refused(act, given):
    hall = furnished()
    with pytest.raises(DirectoryError, match=r"'ada'.*'acme'") as refused:
        getattr(hall, act)("acme", "ada", **given)
    assert (refused.value.code, refused.value.status) == ("membership-unknown", 404)
    hall.add_member("acme", "ada", "org:admin")
    with pytest.raises(DirectoryError) as refused:
        getattr(hall, act)("acme", "ada", **given, expected_version=2)
    assert refused.value.code == "version-conflict"
    assert (refused.value.given_version, refused.value.current_version) == (2, 1)
    assert getattr(hall, act)("acme", "ada", **given, expected_version=1).version == 2


def test_a_membership_ends_once_and_may_begin_again(hall):
    hall.add_member("acme", "ada", "org:admin", private_metadata={"k": 1})
    hall.entries()
    assert hall.remove_member("acme", "ada") is True
    assert hall.entries() == [("user", "ada")]
    assert hall.remove_member("acme", "ada") is False
    assert hall.remove_member("nowhere", "nobody") is False
    assert hall.entries() == []
    assert hall.get_member("acme", "ada") is None
    assert hall.list_memberships("ada") == ()
    again = hall.add_member("acme", "ada", "org:member")
    assert (again.version, again.role, again.private_metadata) == (2, "org:member", {})


def test_memberships_are_listed_by_organisation_and_by_user(hall):
    for number in range(103):
        hall.create_user(f"u{number}")
        hall.add_member("acme", f"u{number}", "org:member")
    first = hall.list_members("acme")
    second = hall.list_members("acme", first.after)
    members = [member.user_id for member in (*first.memberships, *second.memberships)]
    assert len(members) == len(set(members)) == 103
    assert second.after is None
    for number in (3, 1, 2):
        hall.now += 1
        hall.create_organization("O", org_id=f"o{number}")
        hall.add_member(f"o{number}", "ada", "org:member")
    assert [member.org_id for member in hall.list_memberships("ada")] == ["o3", "o1", "o2"]
    assert hall.list_members("nowhere").memberships == ()


def test_two_pairs_of_ids_never_share_a_membership():
    hall = Hall()
    pairs = [("a", "b:c"), ("a:b", "c"), ("1:a", "b"), ("a1:b", "x"), ("a", "1:bx"), ("b", "a")]
    for org_id in {org_id for org_id, _ in pairs}:
        hall.create_organization("O", org_id=org_id)
    for user_id in {user_id for _, user_id in pairs}:
        hall.create_user(user_id)
    for number, (org_id, user_id) in enumerate(pairs):
        hall.add_member(org_id, user_id, f"role{number}")
    for number, (org_id, user_id) in enumerate(pairs):
        assert hall.get_member(org_id, user_id).role == f"role{number}"
    assert len({membership_key(*pair) for pair in pairs}) == len(pairs)


def test_ids_may_be_long_and_odd():
    hall = Hall()
    odd = "ü😀 \n'\"" + "x" * 249
    assert len(odd) == 255
    hall.create_user(odd)
    hall.create_organization("O", org_id=odd)
    made = hall.add_member(odd, odd, "org:member")
    assert hall.list_memberships(odd) == (made,)
    assert hall.delete_user(odd) is True
    assert hall.get_member(odd, odd) is None
