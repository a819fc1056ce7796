"""Users: every act over every store, what the log says of it, and who is told."""

from __future__ import annotations

import pytest

from flask_session_claims.directory.faults import DirectoryError
from flask_session_claims.sessions.limits import LOG_LIFETIME

from .hall import NOW, Hall, furnished

PROFILE = {
    "first_name": "Zoë",
    "last_name": "de la Œuvre 😀",
    "username": "zoe",
    "external_id": "crm-7",
    "primary_email_address": "Zoe@Straße.example",
    "primary_phone_number": "+49 30 1",
    "email_verified": True,
    "phone_number_verified": True,
    "image_url": "https://img.example/" + "z" * 2000,
    "two_factor_enabled": True,
}


def test_a_user_comes_back_as_it_was_created(hall):
    made = hall.create_user(
        "zoe",
        **PROFILE,
        public_metadata={"plan": "pro"},
        private_metadata={"stripe": "cus_1"},
        unsafe_metadata={"theme": ["dark", None]},
    )
    assert hall.get_user("zoe") == made
    assert {name: getattr(made, name) for name in PROFILE} == PROFILE
    assert made.public_metadata == {"plan": "pro"}
    assert made.private_metadata == {"stripe": "cus_1"}
    assert made.unsafe_metadata == {"theme": ["dark", None]}
    assert (made.created_at, made.updated_at, made.version) == (NOW, NOW, 1)
    assert hall.entries() == [("user", "zoe")]
    assert hall.news() == [("zoe", {"public", "private", "unsafe"})]
    assert "cus_1" not in repr(made)
    with pytest.raises(TypeError, match="frozen"):
        made.public_metadata["plan"] = "free"


def test_a_user_without_an_id_gets_a_new_one(hall):
    first, second = hall.create_user(), hall.create_user()
    assert first.user_id.startswith("user_")
    assert first.user_id != second.user_id
    assert hall.get_user(first.user_id) == first
    assert hall.news() == []


def test_an_id_is_used_once(hall):
    with pytest.raises(DirectoryError, match="'ada'") as refused:
        hall.create_user("ada", first_name="Eve")
    assert (refused.value.code, refused.value.status) == ("user-exists", 409)
    assert hall.get_user("ada").first_name is None
    assert hall.entries() == []


def test_put_creates_and_then_changes(hall):
    made = hall.put_user("zoe", first_name="Zoë", username="z", public_metadata={"a": {"b": 1}})
    hall.now += 5
    changed = hall.put_user("zoe", username=None, public_metadata={"a": {"c": 2}})
    assert (made.version, made.first_name, made.username) == (1, "Zoë", "z")
    assert (changed.version, changed.first_name, changed.username) == (2, "Zoë", None)
    assert changed.public_metadata == {"a": {"b": 1, "c": 2}}
    assert (changed.created_at, changed.updated_at) == (NOW, NOW + 5)
    assert hall.entries() == [("user", "zoe")] * 2
    assert hall.news() == [("zoe", {"public"})] * 2


def test_an_update_sets_what_is_given_and_clears_with_none(hall):
    hall.update_user("ada", first_name="Ada", last_name="L")
    changed = hall.update_user("ada", last_name=None, email_verified=True)
    assert (changed.first_name, changed.last_name, changed.email_verified) == ("Ada", None, True)
    assert changed.version == 3
    assert hall.get_user("ada") == changed
    assert hall.entries() == [("user", "ada")] * 2
    assert hall.news() == []


def test_metadata_is_merged_or_replaced_by_kind(hall):
    hall.update_user_metadata("ada", public={"a": {"b": 1, "c": [1]}}, private={"k": 1})
    merged = hall.update_user_metadata("ada", public={"a": {"b": None, "c": [2]}}, unsafe={"u": 1})
    assert merged.public_metadata == {"a": {"c": [2]}}
    assert merged.private_metadata == {"k": 1}
    assert merged.unsafe_metadata == {"u": 1}
    replaced = hall.replace_user_metadata("ada", public={"new": True, "none": None}, private={})
    assert replaced.public_metadata == {"new": True}
    assert replaced.private_metadata == {}
    assert replaced.unsafe_metadata == {"u": 1}
    assert hall.get_user("ada") == replaced
    kinds = [{"public", "private"}, {"public", "unsafe"}, {"public", "private"}]
    assert hall.news() == [("ada", kind) for kind in kinds]


USER = [("user", "ada")]


@pytest.mark.parametrize(
    ("act", "given", "entries", "kinds"),
    [
        ("update_user", {"first_name": "Ada"}, USER, set()),
        ("update_user", {"two_factor_enabled": True}, USER, set()),
        ("update_user", {"image_url": None}, USER, set()),
        ("update_user_metadata", {"public": {"a": 2}}, USER, {"public"}),
        ("update_user_metadata", {"unsafe": {"a": 2}}, USER, {"unsafe"}),
        ("update_user_metadata", {"private": {"a": 2}}, [], {"private"}),
        ("update_user_metadata", {"private": {"a": 2}, "public": {"a": 2}}, USER,
         {"private", "public"}),
        ("update_user_metadata", {"private": {"a": 2}, "public": {"a": 1}}, [], {"private"}),
        ("update_user_metadata", {"public": {"a": True}}, USER, {"public"}),  # 1 == True
        ("replace_user_metadata", {"private": {}}, [], {"private"}),
        ("replace_user_metadata", {"unsafe": {}}, USER, {"unsafe"}),
        ("put_user", {"private_metadata": {"a": None}}, [], {"private"}),
        ("put_user", {"username": "ada"}, USER, set()),
        ("delete_user", {}, USER, set()),
    ],
)  # fmt: skip
def test_what_is_logged_and_told_of_a_change(act, given, entries, kinds):
    hall = Hall()
    data = {"a": 1, "o": {"x": 1, "y": 2}}
    hall.create_user("ada", image_url="https://i", **dict.fromkeys(
        ("public_metadata", "private_metadata", "unsafe_metadata"), data))  # fmt: skip
    hall.entries(), hall.news()
    getattr(hall, act)("ada", **given)
    assert hall.entries() == entries
    assert hall.news() == ([("ada", kinds)] if kinds else [])


@pytest.mark.parametrize(
    ("act", "given"),
    [
        ("update_user", {}),
        ("update_user", {"first_name": "Ada", "email_verified": False, "last_name": None}),
        ("put_user", {"first_name": "Ada", "public_metadata": {"o": {"x": 1}, "gone": None}}),
        ("put_user", {}),
        ("update_user_metadata", {"public": {"a": 1}, "private": {}, "unsafe": {"n": None}}),
        ("update_user_metadata", {"public": {"o": {"y": 2, "z": None}}}),
        ("replace_user_metadata", {"public": {"o": {"y": 2, "x": 1}, "a": 1}}),
        ("replace_user_metadata", {"unsafe": {}, "expected_version": 1}),
    ],
)
def test_a_change_that_changes_nothing_writes_nothing(act, given):
    hall = Hall()
    before = hall.create_user(
        "ada", first_name="Ada", public_metadata={"a": 1, "o": {"x": 1, "y": 2}}
    )
    hall.entries(), hall.news()
    number = hall.store.load("profile", "ada").version
    hall.now += 60
    assert getattr(hall, act)("ada", **given) == before
    assert hall.store.load("profile", "ada").version == number
    assert (hall.entries(), hall.news()) == ([], [])


def test_a_log_entry_matters_for_as_long_as_a_token_can_be_older(hall):
    hall.update_user("ada", first_name="Ada")
    entry = hall.store.log_since(0).entries[-1]
    assert (entry.at, entry.until) == (NOW, NOW + LOG_LIFETIME)


ACTS = [
    ("update_user", {"first_name": "A"}),
    ("update_user_metadata", {"public": {"a": 1}}),
    ("replace_user_metadata", {"private": {"a": 1}}),
]


@pytest.mark.parametrize(("act", "given"), ACTS)
def test_a_change_of_nobody_is_refused(act, given):
    hall = furnished()
    with pytest.raises(DirectoryError, match="'eve'") as refused:
        getattr(hall, act)("eve", **given)
    assert (refused.value.code, refused.value.status) == ("user-unknown", 404)
    assert hall.get_user("eve") is None


@pytest.mark.parametrize(("act", "given"), ACTS)
@pytest.mark.parametrize("expected", [0, 1, 3, 2**70])
def test_a_version_that_is_not_the_current_one_is_a_conflict(act, given, expected):
    hall = furnished()
    before = hall.update_user("ada", last_name="L")
    with pytest.raises(DirectoryError) as refused:
        getattr(hall, act)("ada", **given, expected_version=expected)
    error = refused.value
    assert (error.code, error.status) == ("version-conflict", 409)
    assert (error.given_version, error.current_version) == (expected, 2)
    assert str(expected) in error.message
    assert hall.get_user("ada") == before
    assert getattr(hall, act)("ada", **given, expected_version=2).version == 3


def test_users_are_found_by_what_they_have(hall):
    ada = hall.update_user("ada", primary_email_address="Ada@Straße.example", username="Ada")
    hall.update_user("bob", primary_email_address="ADA@STRASSE.EXAMPLE", external_id="7")
    bob = hall.get_user("bob")
    assert hall.find_users(primary_email_address="ada@strasse.example") == (ada, bob)
    assert hall.find_users(username="Ada") == (ada,)
    assert hall.find_users(username="ada") == ()
    assert hall.find_users(external_id="7") == (bob,)
    hall.update_user("bob", external_id=None, primary_email_address="bob@example")
    assert hall.find_users(external_id="7") == ()
    assert hall.find_users(primary_email_address="ada@strasse.example") == (ada,)


@pytest.mark.parametrize("value", ["", "x" * 600, "a\0b", "\ud800"])
def test_nobody_has_what_cannot_be_kept(value):
    assert furnished().find_users(username=value) == ()


def test_all_users_come_page_by_page(hall):
    for number in range(203):
        hall.put_user(f"u{number:03}", username="same")
    seen, after = [], None
    while True:
        page = hall.list_users(after)
        seen += [user.user_id for user in page.users]
        after = page.after
        if after is None:
            break
    assert seen == ["ada", "bob", *(f"u{number:03}" for number in range(203))]
    assert len(hall.find_users(username="same")) == 203


def test_a_deleted_user_is_gone_with_the_memberships(hall):
    hall.update_user("ada", username="ada")
    hall.add_member("acme", "ada", "org:admin")
    hall.add_member("acme", "bob", "org:member")
    hall.entries()
    assert hall.delete_user("ada") is True
    assert hall.entries() == [("user", "ada")]
    assert hall.delete_user("ada") is False
    assert hall.delete_user("never") is False
    assert hall.get_user("ada") is None
    assert hall.find_users(username="ada") == ()
    assert [user.user_id for user in hall.list_users().users] == ["bob"]
    assert hall.list_memberships("ada") == ()
    assert [member.user_id for member in hall.list_members("acme").memberships] == ["bob"]
    assert hall.entries() == []


def test_a_user_of_many_organisations_is_deleted_with_all_of_them(hall):
    for number in range(150):
        hall.create_organization("O", org_id=f"o{number}")
        hall.add_member(f"o{number}", "ada", "org:member")
    hall.entries()
    assert hall.delete_user("ada") is True
    assert set(hall.entries()) == {("user", "ada")}
    assert hall.list_memberships("ada") == ()
    hall.create_user("ada")
    assert hall.list_memberships("ada") == ()


def test_who_is_created_again_goes_on_counting_and_inherits_nothing(hall):
    hall.update_user_metadata("ada", public={"plan": "pro"}, private={"k": 1})
    hall.add_member("acme", "ada", "org:admin")
    hall.delete_user("ada")
    hall.now += 10
    again = hall.create_user("ada")
    assert again.version == 3
    assert (again.public_metadata, again.private_metadata) == ({}, {})
    assert again.created_at == NOW + 10
    assert hall.list_memberships("ada") == ()
    with pytest.raises(DirectoryError) as refused:
        hall.update_user("ada", first_name="A", expected_version=2)
    assert (refused.value.given_version, refused.value.current_version) == (2, 3)
