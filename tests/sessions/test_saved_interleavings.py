"""Who saves and deletes one template at once: every order, with a death at every point.

What must hold: each commit is one version and one entry of the log, no number comes twice, and
of those who expect a version exactly one wins. One test breaks the store; the checker finds it.
"""

from __future__ import annotations

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.core.flow import play
from flask_session_claims.sessions.limits import ATTEMPTS
from flask_session_claims.sessions.records import (
    Commit,
    CountRecords,
    FindRecords,
    LoadRecord,
    Page,
    Put,
)
from flask_session_claims.sessions.saved import KEPT, TemplateConflict, TemplateFlows
from flask_session_claims.sessions.savedrecords import OWN, TEMPLATE
from flask_session_claims.stores import open_store
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing.store_contract import in_threads
from tests.stores.places import KINDS, fresh_url

from .interleave import DEAD, explore
from .savedstage import A, B, TemplateStage
from .stage import NOW, copied

NAMES = pytest.mark.parametrize("name", [None, "reports"])


def opening(*sources, name=None, store=MemoryStore):
    """Makes stages on which these were saved."""
    first = TemplateStage()
    for source in sources:
        first.save(source, name=name)

    def make():
        return TemplateStage(copied(first.store, store()))

    return make


def saving(source, name=None, expected=None):
    return lambda stage: stage.flows.save(source, name=name, expected_version=expected)


def deleting(name=None, expected=None):
    return lambda stage: stage.flows.delete(name, expected)


def check(run, name, before):
    """What holds whatever has happened: each commit is one act, and no number comes twice."""
    stage = run.stage
    commits = [tick for actor in run.actors for tick in actor.commits]
    assert len(stage.log()) == (len(commits) if name is None else 0), "log"
    saves = [a for a in run.actors if a.name.startswith("save") and a.commits]
    versions = stage.versions(name)
    assert versions == list(range(before + len(saves), 0, -1)), "versions"
    for actor in run.actors:
        assert len(actor.commits) <= 1
        if isinstance(actor.outcome, Exception):
            assert isinstance(actor.outcome, TemplateConflict), actor.outcome
            assert not actor.commits
        elif actor in saves and actor.outcome is not DEAD:
            assert actor.outcome.version in versions
    last = max((a for a in run.actors if a.commits), key=lambda a: a.commits, default=None)
    if last is not None and last in saves:
        assert stage.get(name).version == versions[0]
        assert last.outcome is DEAD or stage.get(name) == last.outcome, "the last one wins"
    elif last is not None:
        assert stage.get(name) is None, "the last one deletes"
    told = [a.outcome.version for a in saves if a.outcome is not DEAD]
    assert len(set(told)) == len(told), "two saves of one version"


@NAMES
@pytest.mark.parametrize("before", [0, 1])
def test_of_two_that_expect_a_version_exactly_one_wins(name, before):
    make = opening(*(A, B)[:before], name=name)

    def holds(run):
        check(run, name, before)
        won = [actor for actor in run.actors if actor.commits]
        lost = [a for a in run.actors if isinstance(a.outcome, TemplateConflict)]
        assert len(won) <= 1
        if any(actor.outcome is not DEAD for actor in run.actors):
            assert len(won) == 1
        for actor in lost:
            error = actor.outcome
            assert (error.given_version, error.current_version) == (before, before + 1)

    cast = [(f"save{n}", saving({"n": n}, name, before)) for n in range(2)]
    assert explore(make, cast, holds, deaths_at_most=2) > 50


@NAMES
def test_of_several_that_expect_nothing_the_last_one_wins_and_all_are_in_the_versions(name):
    make = opening(A, name=name)

    def holds(run):
        check(run, name, 1)
        assert all(not isinstance(actor.outcome, Exception) for actor in run.actors)
        texts = [saved.text for saved in run.stage.do(run.stage.flows.versions(name))]
        for actor in run.actors:
            if actor.outcome is not DEAD:
                assert actor.outcome.text in texts

    cast = [(f"save{n}", saving({"n": n}, name)) for n in range(2)]
    assert explore(make, cast, holds, deaths_at_most=2) > 50


def test_three_named_ones_at_once():
    make = opening(name="api")

    def holds(run):
        check(run, "api", 0)

    cast = [(f"save{n}", saving({"n": n}, "api")) for n in range(3)]
    assert explore(make, cast, holds, deaths_at_most=1) > 100


@NAMES
@pytest.mark.parametrize("expected", [None, 1])
def test_saving_and_deleting_meet(name, expected):
    make = opening(A, name=name)

    def holds(run):
        check(run, name, 1)

    cast = [("save", saving(B, name, expected)), ("delete", deleting(name, expected))]
    assert explore(make, cast, holds, deaths_at_most=2) > 30


def test_of_two_that_save_the_same_one_writes():
    make = opening(A)

    def holds(run):
        check(run, None, 1)
        assert sum(len(actor.commits) for actor in run.actors) <= 1
        assert {a.outcome.version for a in run.actors if a.outcome is not DEAD} <= {2}

    cast = [(f"save{n}", saving(B)) for n in range(2)]
    assert explore(make, cast, holds, deaths_at_most=1) > 20


def test_the_oldest_version_goes_once_whoever_saves():
    make = opening(*({"n": number} for number in range(KEPT)), name="api")

    def holds(run):
        versions = run.stage.versions("api")
        saves = sum(len(actor.commits) for actor in run.actors)
        assert versions == list(range(KEPT + saves, saves, -1))

    cast = [(f"save{n}", saving({"new": n}, "api")) for n in range(2)]
    assert explore(make, cast, holds) > 20


class Careless(MemoryStore):
    """Takes a change whatever version it was made from."""

    def commit(self, puts, deletes=(), log=()):
        fitting = []
        for put in puts:
            found = self.load(put.kind, put.key)
            version = found.version if found else 0
            fitting.append(Put(put.kind, put.key, version, put.data, put.indexes, put.due_at))
        return super().commit(fitting, deletes, log)


def test_without_the_version_check_the_checker_complains():
    make = opening(A, store=Careless)
    cast = [(f"save{n}", saving({"n": n})) for n in range(2)]
    with pytest.raises(AssertionError, match="after:"):
        explore(make, cast, lambda run: check(run, None, 1))


def test_who_always_loses_gives_up():
    asks = [(LoadRecord, None), (FindRecords, Page(())), (CountRecords, 0), (Commit, False)]
    with pytest.raises(UnavailableError) as caught:
        play(TemplateFlows(clock=lambda: NOW).save(A), asks * ATTEMPTS)
    assert caught.value.code == "busy"
    stage = TemplateStage()
    stage.save(A)
    there = stage.store.load(TEMPLATE, OWN)
    asks = [(LoadRecord, there), (CountRecords, 0), (Commit, False)]
    with pytest.raises(UnavailableError, match="being changed"):
        play(stage.flows.delete(), asks * ATTEMPTS)


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_real_store_exactly_one_of_eight_threads_wins_each_version(kind, tmp_path):
    store = open_store(fresh_url(kind, tmp_path))
    stage = TemplateStage(store)

    def save(number, expected):
        try:
            return stage.save({f"after{expected}": number}, name="api", expected_version=expected)
        except TemplateConflict as conflict:
            return conflict

    try:
        for expected in range(3):
            answers = in_threads(8, lambda number: save(number, expected))  # noqa: B023
            lost = [each for each in answers if isinstance(each, TemplateConflict)]
            (won,) = (each for each in answers if each not in lost)
            assert len(lost) == 7
            assert {each.given_version for each in lost} == {expected}
            assert {each.current_version for each in lost} == {expected + 1}
            assert stage.get("api") == won
        assert stage.versions("api") == [3, 2, 1]
        assert stage.delete("api") is True
        assert stage.do(stage.flows.list()) == ()
        assert stage.save(A).version == 1
        assert [entry.subject for entry in stage.log()] == ["template"]
        assert stage.save(A, name="api").version == 4
    finally:
        store.close()
