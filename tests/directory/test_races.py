"""Acts that meet, in every order and with a death at every point.

What must hold is checked by what a bystander saw: who was answered what, and in which order the
commits took place. The tests at the end break the library on purpose; each break is found.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from flask_session_claims.directory import changes, keeping, organizations
from flask_session_claims.directory.entries import Membership, Organization, User
from flask_session_claims.directory.faults import DirectoryError
from flask_session_claims.directory.keeping import (
    MEMBERSHIP,
    ORGANIZATION,
    SLUG,
    USER,
    Kept,
    decode,
)
from flask_session_claims.sessions.limits import KEEP_ENDED
from flask_session_claims.sessions.records import Put
from flask_session_claims.stores import memory
from flask_session_claims.stores.memory import MemoryStore
from tests.sessions.interleave import DEAD, explore
from tests.sessions.stage import copied

from .hall import NOW, Hall, furnished


def scene(prepare=lambda hall: None):
    """What makes a hall in which all is as after `prepare`."""
    opening = furnished()
    prepare(opening)

    def make():
        return Hall(copied(opening.store, MemoryStore()), now=opening.now)

    return make


def act(name, /, *args, **given):
    """A flow to begin: `act("delete_user", "ada")`."""
    return lambda hall: getattr(hall.flows, name)(*args, **given)


# --- what always holds --------------------------------------------------------------------


def entries(hall, kind):
    records = [record for record in hall.store._records.values() if record.kind == kind.name]
    return {record.key: entry for record in records if (entry := decode(kind, record).entry)}


def check_whole(run):
    """Nobody failed but with a refusal; no membership and no slug hangs in the air."""
    for actor in run.actors:
        if isinstance(actor.outcome, Exception):
            assert isinstance(actor.outcome, DirectoryError), f"{actor.name}: {actor.outcome!r}"
            assert not actor.commits, "refused, and yet something was done"
    hall = run.stage
    users, there = entries(hall, USER), entries(hall, ORGANIZATION)
    for member in entries(hall, MEMBERSHIP).values():
        assert member.user_id in users, "a member who is nobody"
        assert member.org_id in there, "a member of nothing"
    slugs = {
        record.key: json.loads(record.data)["org_id"]
        for record in hall.store._records.values()
        if record.kind == SLUG
    }
    assert slugs == {it.slug: it.org_id for it in there.values()}, "slugs and holders differ"


def by(run, name):
    return [actor for actor in run.actors if actor.name == name]


def ticks(run, *names):
    """When acts of these names were committed, in order."""
    return sorted(tick for name in names for actor in by(run, name) for tick in actor.commits)


def code(actor):
    return getattr(actor.outcome, "code", None)


def meet(make, cast, check, least=10, **given):
    def check_all(run):
        check_whole(run)
        check(run)

    assert explore(make, cast, check_all, **given) >= least


# --- joining and leaving ------------------------------------------------------------------

ADD = ("add", act("add_member", "acme", "ada", "org:admin"))
#: What is deleted: (its act, how it is made again, what `add` says where it is gone).
GONE = {
    "user": (act("delete_user", "ada"), act("create_user", "ada"), "user-unknown"),
    "organization": (
        act("delete_organization", "acme"),
        act("create_organization", "Acme", org_id="acme"),
        "organization-unknown",
    ),
}


def check_joining(unknown):
    def check(run):
        (add,) = by(run, "add")
        deletes, adds = ticks(run, "delete"), ticks(run, "add")
        member = entries(run.stage, MEMBERSHIP)
        assert len(adds) <= 1
        stays = bool(adds) and not any(tick > adds[0] for tick in deletes)
        assert bool(member) is stays, "it was inherited, or lost"
        if isinstance(add.outcome, DirectoryError):
            assert code(add) == unknown
            assert deletes
            assert deletes[0] < add.last
        elif add.outcome is not DEAD:
            assert isinstance(add.outcome, Membership)
            assert adds

    return check


@pytest.mark.parametrize("what", GONE)
@pytest.mark.parametrize("page", [1, 100])
def test_nobody_inherits_a_membership(what, page, monkeypatch):
    monkeypatch.setattr(memory, "PAGE", page)
    delete, create, unknown = GONE[what]
    check = check_joining(unknown)
    meet(scene(), [ADD, ("delete", delete)], check, least=20, deaths_at_most=2, asks=5)
    cast = [ADD, ("delete", delete), ("create", create)]
    meet(scene(), cast, check, least=200, asks=5)


def two_pages(hall):
    for name in ("one", "two"):
        hall.create_user(name)
        hall.create_organization(name, org_id=name)
        hall.add_member("acme", name, "org:member")
        hall.add_member(name, "ada", "org:member")


@pytest.mark.parametrize("what", GONE)
def test_a_removal_of_many_pages_misses_nobody_who_joins(what, monkeypatch):
    monkeypatch.setattr(memory, "PAGE", 1)
    delete, _, unknown = GONE[what]

    def check(run):
        kind, key = (USER, "ada") if what == "user" else (ORGANIZATION, "acme")
        if key in entries(run.stage, kind):
            return  # it was cut off: some pages are done, and doing it again does the rest
        hall = run.stage
        left = hall.list_memberships("ada") if what == "user" else hall.list_members("acme")
        assert not (left if what == "user" else left.memberships)
        (add,) = by(run, "add")
        if not add.commits and add.outcome is not DEAD:
            assert code(add) == unknown

    meet(scene(two_pages), [ADD, ("delete", delete)], check, least=20, asks=8)


def test_two_who_delete_the_same(monkeypatch):
    monkeypatch.setattr(memory, "PAGE", 1)

    def check(run):
        done = [actor.outcome for actor in by(run, "delete")]
        if DEAD not in done:
            assert sorted(done) == [False, True]
            assert "ada" not in entries(run.stage, USER)

    delete = ("delete", act("delete_user", "ada"))
    meet(scene(two_pages), [delete, delete], check, asks=8)


def test_a_membership_that_ended_does_not_come_back():
    def check(run):
        (update,), removals, adds = by(run, "update"), ticks(run, "remove"), ticks(run, "add")
        member = entries(run.stage, MEMBERSHIP)
        last = max([(tick, "remove") for tick in removals] + [(tick, "add") for tick in adds]
                   + [(0, "add")])  # fmt: skip
        assert bool(member) is (last[1] == "add"), "it came back, or was lost"
        for found in member.values():
            joined_after = adds and adds[-1] > max(removals, default=0)
            done = [tick for tick in update.commits if tick > (adds[-1] if joined_after else 0)]
            assert found.public_metadata == ({"by": "update"} if done else {})
        if isinstance(update.outcome, DirectoryError):
            assert code(update) == "membership-unknown"
            assert removals
            assert removals[0] < update.last

    def joined(hall):
        hall.add_member("acme", "ada", "org:member")

    update = act("update_member_metadata", "acme", "ada", public={"by": "update"})
    cast = [("update", update), ("remove", act("remove_member", "acme", "ada")), ADD]
    meet(scene(joined), cast[:2], check, deaths_at_most=2)
    meet(scene(joined), cast, check, least=300, asks=5)


# --- one name, one holder -----------------------------------------------------------------


def check_one(name, refusal):
    """One of those who did it was first, and the others were refused for it."""

    def check(run):
        done = [actor for actor in by(run, name) if actor.commits]
        assert len(done) <= 1
        for actor in by(run, name):
            if isinstance(actor.outcome, DirectoryError):
                assert code(actor) == refusal
                assert done
                assert done[0].commits[0] < actor.last
            elif actor.outcome is not DEAD:
                assert actor.commits

    return check


@pytest.mark.parametrize("again", [False, True])
def test_two_users_of_one_id(again):
    def gone(hall):
        if again:
            hall.create_user("new")
            hall.delete_user("new")

    cast = [("create", act("create_user", "new", first_name=name)) for name in ("One", "Two")]
    meet(scene(gone), cast, check_one("create", "user-exists"), deaths_at_most=2)


def test_two_organisations_of_one_id():
    cast = [("create", act("create_organization", name, org_id="new")) for name in ("One", "Two")]
    check = check_one("create", "organization-exists")
    meet(scene(), cast, check, deaths_at_most=2)


def test_two_memberships_of_one_user():
    check = check_one("add", "membership-exists")
    meet(scene(), [ADD, ADD], check, deaths_at_most=2)


def test_two_organisations_of_one_slug():
    def others(hall):
        hall.create_organization("Second", org_id="second")

    cast = [
        ("take", act("create_organization", "New", org_id="new", slug="wanted")),
        ("take", act("update_organization", "acme", slug="wanted")),
        ("take", act("update_organization", "second", slug="wanted")),
    ]
    check = check_one("take", "slug-taken")
    meet(scene(others), cast[:2], check, deaths_at_most=2)
    meet(scene(others), cast[1:], check, deaths_at_most=2)
    meet(scene(others), cast, check, least=300)


def test_a_slug_that_is_left_and_taken():
    """Who leaves, who takes, and who deletes: the slug is always its holder's."""
    cast = [
        ("leave", act("update_organization", "acme", slug="left")),
        ("take", act("create_organization", "New", org_id="new", slug="acme")),
        ("delete", act("delete_organization", "acme")),
    ]

    def check(run):
        (take,) = by(run, "take")
        freed = ticks(run, "leave", "delete")
        if take.commits:
            assert freed
            assert freed[0] < take.commits[0]
        elif isinstance(take.outcome, DirectoryError):
            assert code(take) == "slug-taken"

    meet(scene(), cast[:2], check, deaths_at_most=2)
    meet(scene(), cast, check, least=300)


def test_whoever_is_found_by_a_slug_has_it():
    cast = [
        ("find", act("find_organization", "acme")),
        ("leave", act("update_organization", "acme", slug="left")),
        ("delete", act("delete_organization", "acme")),
    ]

    def check(run):
        (find,) = by(run, "find")
        freed = ticks(run, "leave", "delete")
        if isinstance(find.outcome, Organization):
            assert find.outcome.slug == "acme"
            assert not freed or find.first < freed[0]
        elif find.outcome is None:
            assert freed
            assert freed[0] < find.last

    meet(scene(), cast[:2], check, deaths_at_most=2)
    meet(scene(), cast, check, least=50)


def test_two_who_take_each_others_slug():
    def others(hall):
        hall.create_organization("Second", org_id="second")

    def check(run):
        outcomes = {code(actor) for actor in run.actors if isinstance(actor.outcome, Exception)}
        assert outcomes <= {"slug-taken"}

    cast = [
        ("swap", act("update_organization", "acme", slug="second")),
        ("swap", act("update_organization", "second", slug="acme")),
    ]
    meet(scene(others), cast, check, deaths_at_most=2)


def test_slugs_that_are_made_of_the_same_name():
    def check(run):
        for actor in run.actors:
            assert actor.outcome is DEAD or isinstance(actor.outcome, Organization)

    cast = [("create", act("create_organization", "Same", org_id=it)) for it in ("one", "two")]
    meet(scene(), cast, check, deaths_at_most=2)


# --- nothing is lost ----------------------------------------------------------------------


def check_all_kept(run):
    user = entries(run.stage, USER)["ada"]
    done = [actor for actor in run.actors if actor.commits]
    assert set(user.public_metadata) == {actor.name for actor in done}, "a change was lost"
    assert user.version == 1 + len(done)
    order = sorted(done, key=lambda actor: actor.commits[0])
    for number, actor in enumerate(order):
        if isinstance(actor.outcome, User):
            assert actor.outcome.version == 2 + number
            assert set(actor.outcome.public_metadata) >= {it.name for it in order[: number + 1]}
    log = run.stage.store.log_since(0).entries
    assert [(entry.subject, entry.key) for entry in log] == [("user", "ada")] * len(done)


@pytest.mark.parametrize("name", ["update_user_metadata", "put_user"])
@pytest.mark.parametrize(
    ("count", "deaths", "least"), [(2, 2, 20), pytest.param(3, 0, 1000, marks=pytest.mark.slow)]
)
def test_changes_of_one_user_are_all_kept(name, count, deaths, least):
    kind = "public" if name == "update_user_metadata" else "public_metadata"
    cast = [(it, act(name, "ada", **{kind: {it: 1}})) for it in "abc"[:count]]
    meet(scene(), cast, check_all_kept, least=least, deaths_at_most=deaths, asks=3)


def test_a_user_that_two_put_at_once_has_the_fields_of_both():
    def check(run):
        user = entries(run.stage, USER).get("new")
        done = {actor.name for actor in run.actors if actor.commits}
        assert done == {name for name in ("username", "external_id") if getattr(user, name, None)}

    cast = [(name, act("put_user", "new", **{name: "x"})) for name in ("username", "external_id")]
    meet(scene(), cast, check, deaths_at_most=2)


def test_a_change_meets_a_removal():
    def check(run):
        (update,), deletes = by(run, "update"), ticks(run, "delete")
        assert ("ada" in entries(run.stage, USER)) is not bool(deletes), "it came back"
        if isinstance(update.outcome, DirectoryError):
            assert code(update) == "user-unknown"
            assert deletes

    cast = [
        ("update", act("update_user", "ada", first_name="A")),
        ("delete", act("delete_user", "ada")),
    ]
    meet(scene(), cast, check, deaths_at_most=2)


def test_of_two_who_expect_the_same_version_one_is_told_both_versions():
    def check(run):
        done = [actor for actor in run.actors if actor.commits]
        assert len(done) <= 1
        for actor in run.actors:
            if isinstance(actor.outcome, DirectoryError):
                assert done
                assert (actor.outcome.given_version, actor.outcome.current_version) == (1, 2)

    for name, ids, given in (
        ("update_user", ["ada"], {"first_name": "A"}),
        ("update_user_metadata", ["ada"], {"private": {"a": 1}}),
        ("update_organization", ["acme"], {"name": "A"}),
    ):
        flow = act(name, *ids, **given, expected_version=1)
        meet(scene(), [("update", flow), ("update", flow)], check, deaths_at_most=2)


def test_an_addition_is_no_change_to_those_who_expect_a_version():
    def check(run):
        (update,) = by(run, "update")
        assert update.outcome is DEAD or isinstance(update.outcome, User)

    cast = [ADD, ("update", act("update_user", "ada", first_name="A", expected_version=1))]
    meet(scene(), cast, check, deaths_at_most=2, asks=5)


def test_pruning_meets_a_return():
    def gone(hall):
        hall.update_user("ada", first_name="A")
        hall.delete_user("ada")
        hall.now = NOW + KEEP_ENDED

    def check(run):
        (create,) = by(run, "create")
        user = entries(run.stage, USER).get("ada")
        assert (user is not None) is bool(create.commits)
        if user is not None:
            pruned = any(tick < create.commits[0] for tick in ticks(run, "prune"))
            assert user.version == (1 if pruned else 3)

    cast = [("prune", act("prune")), ("create", act("create_user", "ada"))]
    meet(scene(gone), cast, check, deaths_at_most=2, asks=6)


def test_threads_lose_nothing_and_leave_nothing_behind(hall):
    """The same without a script, over every store."""

    def change(number):
        for turn in range(5):
            hall.update_user_metadata("ada", public={f"{number}-{turn}": 1})
            hall.put_user("new", unsafe_metadata={f"{number}-{turn}": 1})

    def join_and_go(number):
        for _ in range(5):
            with suppress(DirectoryError):
                hall.add_member("acme", "bob", f"role{number}")
            hall.delete_user("bob") if number else hall.put_user("bob")

    acts = [change, change, join_and_go, join_and_go]
    with ThreadPoolExecutor(len(acts)) as pool:
        for done in [pool.submit(act, number % 2) for number, act in enumerate(acts)]:
            done.result()
    names = {f"{number}-{turn}" for number in range(2) for turn in range(5)}
    ada, new = hall.get_user("ada"), hall.get_user("new")
    assert (set(ada.public_metadata), ada.version) == (names, 11)
    assert (set(new.unsafe_metadata), new.version) == (names, 10)
    hall.delete_user("bob")
    hall.create_user("bob")
    assert hall.list_members("acme").memberships == hall.list_memberships("bob") == ()


# --- breaks on purpose --------------------------------------------------------------------


def unguarded(patch):
    def guard(kept, entry):
        return Put("nothing", f"{kept.key}{kept.number}{id(kept)}", 0, b"")

    patch.setattr(Kept, "guard", guard)


def unversioned(patch):
    """What is removed leaves nothing that tells it from what comes after."""
    plain = keeping.Kept.removed

    def removed(kept, now):
        return plain(replace(kept, version=0), now)

    patch.setattr(Kept, "removed", removed)


def one_try(patch):
    patch.setattr(changes, "ATTEMPTS", 1)


def slugs_unclaimed(patch):
    patch.setattr(
        organizations,
        "_slug_put",
        lambda slug, org_id: Put("slug", f"{slug}-{org_id}", 0, keeping.slug_data(org_id)),
    )


@pytest.mark.parametrize(
    ("break_it", "found_by"),
    [
        (unguarded, lambda: meet(scene(), [ADD, ("delete", GONE["user"][0])],
                                 check_joining("user-unknown"), asks=5)),
        (unguarded, lambda: meet(scene(), [ADD, ("delete", GONE["organization"][0])],
                                 check_joining("organization-unknown"), asks=5)),
        (unversioned, test_pruning_meets_a_return),
        (one_try, lambda: test_changes_of_one_user_are_all_kept("put_user", 2, 0, 1)),
        (slugs_unclaimed, test_two_organisations_of_one_slug),
    ],
)  # fmt: skip
def test_each_break_is_found(break_it, found_by, monkeypatch):
    found_by()
    break_it(monkeypatch)
    with pytest.raises((AssertionError, ValueError)):
        found_by()
