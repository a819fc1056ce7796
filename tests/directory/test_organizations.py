"""Organisations and their slugs: every act over every store, and what the log says of it."""

from __future__ import annotations

import pytest

from flask_session_claims.directory.faults import DirectoryError
from flask_session_claims.directory.flows import DirectoryFlows

from .hall import NOW, Hall, furnished


def test_an_organisation_comes_back_as_it_was_created(hall):
    made = hall.create_organization(
        "Ünïted & Co.", org_id="u", public_metadata={"p": 1}, private_metadata={"secret": "s3"}
    )
    assert (made.org_id, made.name, made.slug) == ("u", "Ünïted & Co.", "united-co")
    assert (made.created_at, made.updated_at, made.version) == (NOW, NOW, 1)
    assert (made.public_metadata, made.private_metadata) == ({"p": 1}, {"secret": "s3"})
    assert hall.get_organization("u") == made
    assert hall.find_organization("united-co") == made
    assert hall.entries() == []
    assert "s3" not in repr(made)


def test_an_organisation_without_an_id_gets_a_new_one():
    hall = Hall()
    first, second = hall.create_organization("One"), hall.create_organization("Two")
    assert first.org_id.startswith("org_")
    assert first.org_id != second.org_id


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme", "acme"),
        ("  Acme,  Inc. ", "acme-inc"),
        ("Œuvre 42", "uvre-42"),
        ("株式会社", "organization"),
        ("--", "organization"),
        ("a" * 255, "a" * 84),
        ("ab " * 85, ("ab-" * 28).rstrip("-")),
    ],
)
def test_a_slug_is_made_of_the_name(name, slug):
    hall = Hall()
    first, second = hall.create_organization(name), hall.create_organization(name)
    assert first.slug == slug
    assert second.slug.startswith(f"{slug}-")
    assert hall.find_organization(first.slug) == first
    assert hall.find_organization(second.slug) == second


def test_randomness_that_repeats_makes_no_slug_twice():
    hall = Hall()
    hall.flows = DirectoryFlows(clock=lambda: NOW, random=bytes)
    hall.create_organization("Same", org_id="one")
    assert hall.create_organization("Same", org_id="two").slug == "same-00000000"
    with pytest.raises(DirectoryError, match="'same-00000000'") as refused:
        hall.create_organization("Same", org_id="three")
    assert refused.value.code == "slug-taken"


def test_a_slug_that_is_given_has_one_holder(hall):
    hall.create_organization("Second", org_id="second")
    for act in (
        lambda: hall.create_organization("Other", org_id="other", slug="acme"),
        lambda: hall.update_organization("second", name="New", slug="acme"),
    ):
        with pytest.raises(DirectoryError, match="'acme'") as refused:
            act()
        assert (refused.value.code, refused.value.status) == ("slug-taken", 409)
    assert hall.get_organization("other") is None
    second = hall.get_organization("second")
    assert (second.name, second.slug, second.version) == ("Second", "second", 1)
    assert hall.find_organization("acme").org_id == "acme"


def test_an_id_is_used_once(hall):
    with pytest.raises(DirectoryError, match="'acme'") as refused:
        hall.create_organization("Another", org_id="acme")
    assert (refused.value.code, refused.value.status) == ("organization-exists", 409)
    assert hall.find_organization("another") is None


def test_a_new_slug_frees_the_old_one(hall):
    changed = hall.update_organization("acme", slug="acme_2", name="Acme 2")
    assert (changed.slug, changed.name, changed.version) == ("acme_2", "Acme 2", 2)
    assert hall.find_organization("acme") is None
    assert hall.find_organization("acme_2") == changed
    other = hall.create_organization("Other", slug="acme")
    assert hall.find_organization("acme") == other
    back = hall.update_organization("acme", slug="acme_3")
    assert hall.find_organization("acme_3") == back
    assert hall.find_organization("acme") == other


ORG = [("organization", "acme")]


@pytest.mark.parametrize(
    ("act", "given", "entries", "version"),
    [
        ("update_organization", {"name": "New"}, ORG, 2),
        ("update_organization", {"slug": "new"}, ORG, 2),
        ("update_organization", {"name": "New", "slug": "new"}, ORG, 2),
        ("update_organization", {"name": "Acme", "slug": "acme"}, [], 1),
        ("update_organization", {}, [], 1),
        ("update_organization_metadata", {"public": {"a": 2}}, ORG, 2),
        ("update_organization_metadata", {"private": {"a": 2}}, [], 2),
        ("update_organization_metadata", {"public": {"a": 1, "b": None}, "private": {}}, [], 1),
        ("replace_organization_metadata", {"public": {}}, ORG, 2),
        ("replace_organization_metadata", {"private": {}}, [], 2),
        ("replace_organization_metadata", {"private": {"a": 1}}, [], 1),
    ],
)
def test_what_is_logged_of_a_change(act, given, entries, version):
    hall = Hall()
    hall.create_organization(
        "Acme", org_id="acme", public_metadata={"a": 1}, private_metadata={"a": 1}
    )
    changed = getattr(hall, act)("acme", **given)
    assert changed == hall.get_organization("acme")
    assert (changed.version, hall.store.load("organization", "acme").version) == (version, version)
    assert hall.entries() == entries
    assert hall.news() == []


def test_metadata_is_merged_or_replaced_by_kind(hall):
    hall.update_organization_metadata("acme", public={"a": {"b": 1, "c": 1}}, private={"k": 1})
    merged = hall.update_organization_metadata("acme", public={"a": {"b": None}})
    assert (merged.public_metadata, merged.private_metadata) == ({"a": {"c": 1}}, {"k": 1})
    replaced = hall.replace_organization_metadata("acme", private={"n": 1})
    assert (replaced.public_metadata, replaced.private_metadata) == ({"a": {"c": 1}}, {"n": 1})


ACTS = [
    ("update_organization", {"name": "A"}),
    ("update_organization_metadata", {"public": {"a": 1}}),
    ("replace_organization_metadata", {"private": {"a": 1}}),
]


@pytest.mark.parametrize(("act", "given"), ACTS)
def test_a_change_of_none_or_of_another_version_is_refused(act, given):
    hall = furnished()
    with pytest.raises(DirectoryError, match="'nowhere'") as refused:
        getattr(hall, act)("nowhere", **given)
    assert (refused.value.code, refused.value.status) == ("organization-unknown", 404)
    with pytest.raises(DirectoryError) as refused:
        getattr(hall, act)("acme", **given, expected_version=4)
    assert refused.value.code == "version-conflict"
    assert (refused.value.given_version, refused.value.current_version) == (4, 1)
    assert getattr(hall, act)("acme", **given, expected_version=1).version == 2


def test_all_organisations_come_page_by_page(hall):
    for number in range(101):
        hall.create_organization("O", org_id=f"o{number:03}")
    page = hall.list_organizations()
    rest = hall.list_organizations(page.after)
    ids = [organization.org_id for organization in (*page.organizations, *rest.organizations)]
    assert ids == ["acme", *(f"o{number:03}" for number in range(101))]
    assert rest.after is None


def test_a_deleted_organisation_is_gone_with_memberships_and_slug(hall):
    hall.add_member("acme", "ada", "org:admin")
    hall.add_member("acme", "bob", "org:member")
    hall.entries()
    assert hall.delete_organization("acme") is True
    assert sorted(hall.entries()) == [("organization", "acme"), ("user", "ada"), ("user", "bob")]
    assert hall.delete_organization("acme") is False
    assert hall.get_organization("acme") is None
    assert hall.find_organization("acme") is None
    assert hall.get_member("acme", "ada") is None
    assert hall.list_memberships("bob") == ()
    assert hall.list_organizations().organizations == ()
    again = hall.create_organization("Acme", org_id="acme")
    assert (again.version, again.slug) == (2, "acme")
    assert hall.list_members("acme").memberships == ()


def test_a_large_organisation_is_deleted_page_by_page(hall):
    for number in range(120):
        hall.create_user(f"u{number}")
        hall.add_member("acme", f"u{number}", "org:member")
    hall.entries()
    assert hall.delete_organization("acme") is True
    entries = hall.entries()
    assert entries[-1] == ("organization", "acme")
    assert sorted(entries[:-1]) == sorted(("user", f"u{number}") for number in range(120))
    assert hall.list_members("acme").memberships == ()


@pytest.mark.parametrize("slug", ["", "Acme", "a--b", "-a", "a b", "é", "a" * 101, "a\0", "\ud800"])
def test_no_organisation_has_what_cannot_be_a_slug(slug):
    hall = furnished()
    assert hall.find_organization(slug) is None
    with pytest.raises(DirectoryError) as refused:
        hall.update_organization("acme", slug=slug)
    assert (refused.value.code, refused.value.status) == ("field-invalid", 400)
    assert hall.get_organization("acme").slug == "acme"


@pytest.mark.parametrize("slug", ["a", "a" * 100, "a-b_c", "0"])
def test_what_can_be_a_slug(slug):
    hall = furnished()
    assert hall.find_organization(slug) is None
    assert hall.update_organization("acme", slug=slug) == hall.find_organization(slug)
