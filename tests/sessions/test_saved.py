"""Templates that are kept: versions, conflicts, what the log says, what cannot be read."""

from __future__ import annotations

import json
import pickle

import pytest

from flask_session_claims import ConfigurationError, UnavailableError
from flask_session_claims.sessions.known import Known
from flask_session_claims.sessions.limits import CLAIMS_BYTES, LOG_LIFETIME
from flask_session_claims.sessions.records import (
    PAGE,
    Put,
)
from flask_session_claims.sessions.saved import (
    KEPT,
    NAMED_BYTES,
    TemplateConflict,
)
from flask_session_claims.sessions.savedrecords import OWN, TEMPLATE, VERSION
from flask_session_claims.sessions.templates.faults import TemplateRefused
from flask_session_claims.sessions.templates.options import TemplateOptions
from flask_session_claims.stores.memory import MemoryStore

from .savedstage import A, B, C, TemplateStage
from .stage import NOW

NAMES = pytest.mark.parametrize("name", [None, "reports"])


@pytest.fixture
def stage():
    return TemplateStage()


# --- saving -------------------------------------------------------------------------------


@NAMES
def test_what_is_saved_is_found_again(stage, name):
    assert stage.get(name) is None
    saved = stage.save(A, name=name, author="ada")
    assert stage.get(name) == saved
    assert (saved.name, saved.version, saved.author, saved.saved_at) == (name, 1, "ada", NOW)
    assert (saved.text, saved.template.names) == (A, ("claim",))
    assert saved.options == (None if name is None else TemplateOptions())
    assert stage.do(stage.flows.versions(name)) == (saved,)


def test_a_named_template_keeps_its_options(stage):
    for audience in (None, "https://api.example.com", ["https://a.example", "https://b.example"]):
        saved = stage.save(A, name="api", lifetime=600, skew=0.5, audience=audience)
        assert stage.get("api") == saved
        assert saved.options == TemplateOptions(lifetime=600, skew=0.5, audience=audience)
    assert saved.options.aud == ("https://a.example", "https://b.example")


def test_the_text_is_kept_as_it_was_written(stage):
    text = '\n{ "plan":\t"{{user.public_metadata.plan || \'gratuït 🎈\'}}" }\r\n'
    assert stage.save(text).text == stage.get().text == text
    made = stage.save({"plan": "{{user.username}}"})
    assert made.text == '{\n  "plan": "{{user.username}}"\n}'


@NAMES
def test_each_version_is_kept_with_its_author_and_time(stage, name):
    for number, (source, author) in enumerate([(A, "ada"), (B, None), (A, "bob")], 1):
        stage.now = NOW + number
        assert stage.save(source, name=name, author=author).version == number
    kept = stage.do(stage.flows.versions(name))
    assert [(saved.version, saved.text, saved.author, saved.saved_at) for saved in kept] == [
        (3, A, "bob", NOW + 3),
        (2, B, None, NOW + 2),
        (1, A, "ada", NOW + 1),
    ]  # fmt: skip
    assert stage.get(name).version == 3


@NAMES
def test_the_last_twenty_versions_are_kept(stage, name):
    for number in range(1, 51):
        stage.save({"n": number}, name=name)
    assert stage.versions(name) == list(range(50, 50 - KEPT, -1))
    held = [key for kind, key in stage.store._records if kind == VERSION]
    assert len(held) == KEPT == 20


def test_saving_the_same_again_writes_nothing_and_gives_the_version_there_is(stage):
    for given in ({}, {"name": "api", "lifetime": 90, "audience": ["one"]}):
        saved = stage.save(A, author="ada", **given)
        before, log = dict(stage.store._records), stage.log()
        stage.now += 60
        assert stage.save(A, author="bob", **given) == saved
        assert (stage.store._records, stage.log()) == (before, log)


def test_other_options_are_another_version(stage):
    assert stage.save(A, name="api").version == 1
    assert stage.save(A, name="api", lifetime=61).version == 2
    assert stage.save(A, name="api", lifetime=61, audience="one").version == 3
    assert stage.save(A, name="api", lifetime=61, audience=["one"]).version == 3


def test_all_templates_are_listed_the_session_tokens_own_first(stage):
    assert stage.do(stage.flows.list()) == ()
    for name in ("zeta", None, "alpha", "gone", "session-2"):
        stage.save(A, name=name)
    stage.save(B, name="alpha")
    stage.delete("gone")
    listed = stage.do(stage.flows.list())
    assert [saved.name for saved in listed] == [None, "alpha", "session-2", "zeta"]
    assert [saved.version for saved in listed] == [1, 2, 1, 1]


def test_more_templates_than_a_page_are_listed_once_each(stage):
    names = sorted(f"t{number}" for number in range(PAGE + 5))
    for name in names:
        stage.save(A, name=name)
    stage.save(A)
    assert [saved.name for saved in stage.do(stage.flows.list())] == [None, *names]


def test_templates_of_other_names_are_apart(stage):
    stage.save(A, name="Api")
    stage.save(B, name="api")
    stage.save(C, name="api-2")
    assert (stage.get("Api").text, stage.get("api").text) == (A, B)
    assert stage.versions("api") == [1]
    assert stage.versions() == []
    assert stage.get() is None


@pytest.mark.parametrize(
    ("name", "most", "other"), [(None, CLAIMS_BYTES, "api"), ("api", NAMED_BYTES, None)]
)
def test_the_claims_must_fit_the_token_that_they_are_for(stage, name, most, other):
    value = ["x" * 1000] * (most // 1000 + 1)
    with pytest.raises(TemplateRefused, match=f"{most} are allowed"):
        stage.save({"claims": value}, name=name)
    assert stage.get(name) is None
    assert stage.save({"claims": ["x" * 1000] * (most // 1000 - 1)}, name=name).most == most


def test_a_template_that_is_refused_changes_nothing(stage):
    saved = stage.save(A)
    with pytest.raises(TemplateRefused) as caught:
        stage.save('{"sub": "{{usr.id}}"}')
    assert [problem.code for problem in caught.value.problems] == ["protected-name", "unknown-root"]
    assert stage.get() == saved
    assert stage.versions() == [1]


# --- deleting -----------------------------------------------------------------------------


@NAMES
def test_a_deleted_template_is_gone_and_its_versions_stay(stage, name):
    assert stage.delete(name) is False
    assert stage.store.identity() is None  # nothing was written for it
    stage.save(A, name=name)
    stage.save(B, name=name)
    assert stage.delete(name) is True
    assert stage.get(name) is None
    assert stage.do(stage.flows.list()) == ()
    assert stage.delete(name) is False
    assert stage.versions(name) == [2, 1]


@NAMES
def test_a_name_that_comes_back_goes_on_counting(stage, name):
    stage.save(A, name=name)
    stage.delete(name)
    with pytest.raises(TemplateConflict):
        stage.save(A, name=name, expected_version=1)
    assert stage.save(A, name=name, expected_version=0).version == 2
    assert stage.delete(name, 2) is True
    assert stage.save(B, name=name).version == 3
    assert stage.versions(name) == [3, 2, 1]


def test_what_is_left_of_a_deleted_template_is_never_due(stage):
    stage.save(A)
    stage.delete()
    assert stage.store.load(TEMPLATE, OWN).due_at is None
    for kind in (TEMPLATE, VERSION):
        assert stage.store.due(kind, 1e18) == ()


# --- the version that is expected ---------------------------------------------------------


@NAMES
@pytest.mark.parametrize("act", ["save", "the same", "delete"])
@pytest.mark.parametrize(("given", "there"), [(0, 2), (1, 2), (3, 2), (1, 0), (2**63 - 1, 0)])
def test_another_version_than_expected_is_a_conflict(stage, name, act, given, there):
    for source in (A, B)[:there]:
        stage.save(source, name=name)
    before = dict(stage.store._records)
    acts = {
        "save": lambda: stage.save(C, name=name, expected_version=given),
        "the same": lambda: stage.save(B, name=name, expected_version=given),
        "delete": lambda: stage.delete(name, given),
    }
    with pytest.raises(TemplateConflict) as caught:
        acts[act]()
    error = caught.value
    assert (error.given_version, error.current_version) == (given, there)
    assert (error.code, error.status) == ("version-conflict", 409)
    for number in (given, there):
        assert not number or f"version {number}" in error.message
    assert stage.store._records == before
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    assert (again.given_version, again.current_version, str(again)) == (given, there, str(error))


@NAMES
def test_the_version_that_is_expected_is_replaced(stage, name):
    assert stage.save(A, name=name, expected_version=0).version == 1
    assert stage.save(B, name=name, expected_version=1).version == 2
    assert stage.save(B, name=name, expected_version=2).version == 2
    assert stage.delete(name, 2) is True
    assert stage.delete(name, 0) is False


# --- wrong arguments ----------------------------------------------------------------------

BAD_NAMES = ["", "session", "a b", "-a", "a/1", "ü", "x" * 65, "\0", 7, b"api", ("api",)]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("act", ["save", "get", "versions", "delete"])
def test_a_name_that_no_template_can_have_is_refused(stage, name, act):
    acts = {
        "save": lambda: stage.save(A, name=name),
        "get": lambda: stage.get(name),
        "versions": lambda: stage.versions(name),
        "delete": lambda: stage.delete(name),
    }
    with pytest.raises(ConfigurationError) as caught:
        acts[act]()
    said = "leave the name out" if name == "session" else "1 to 64 letters"
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"author": ""}, "author must be text of 1 to 512"),
        ({"author": 7}, "author must be text"),
        ({"author": "x" * 513}, "author must be text"),
        ({"author": "\ud800"}, "author must be text"),
        ({"expected_version": -1}, "expected_version is no version"),
        ({"expected_version": 2**63}, "expected_version is no version"),
        ({"expected_version": -(10**5000)}, "expected_version is no version"),
        ({"expected_version": True}, "expected_version is of type bool"),
        ({"expected_version": 1.0}, "expected_version is of type float"),
        ({"expected_version": "1"}, "expected_version is of type str"),
        ({"name": "api", "lifetime": 29}, "lifetime got 29"),
        ({"name": "api", "lifetime": "60"}, "lifetime got '60'"),
        ({"name": "api", "lifetime": float("nan")}, "lifetime got nan"),
        ({"name": "api", "skew": -1}, "skew got -1"),
        ({"name": "api", "audience": []}, "audience must be text"),
        ({"name": "api", "audience": [""]}, "audience must be text"),
        ({"lifetime": 120}, "are for named templates"),
        ({"skew": 0}, "are for named templates"),
        ({"audience": "one"}, "are for named templates"),
        ({"lifetime": None}, "lifetime got None"),
    ],
)
def test_a_wrong_argument_says_what_to_give(stage, given, says):
    with pytest.raises(ConfigurationError) as caught:
        stage.save(A, **given)
    assert says in caught.value.message
    assert stage.store.identity() is None


@pytest.mark.parametrize("version", [-1, True, "1", 1.5, 2**63])
def test_a_deletion_expects_a_version(stage, version):
    with pytest.raises(ConfigurationError, match="expected_version"):
        stage.delete(None, version)


@pytest.mark.parametrize("source", ["", "[]", "{", None, 7, b"{}", ["x"], "\ud800", {1: 2}])
def test_what_is_no_template_is_refused(stage, source):
    with pytest.raises(TemplateRefused):
        stage.save(source)
    assert stage.store.identity() is None


# --- what the log says --------------------------------------------------------------------


class Crowded(MemoryStore):
    """Says of itself how many records of a kind there are."""

    sessions = 0

    def count(self, kind):
        assert kind == "session"
        return self.sessions


@pytest.mark.parametrize(
    ("sessions", "spread"),
    [(0, "spread 0"), (1, "spread 0.0005"), (5_000, "spread 2.5"), (60_000, "spread 30"),
     (10**7, "spread 30")],
)  # fmt: skip
def test_live_sessions_take_up_their_template_over_a_time_that_fits_their_number(sessions, spread):
    store = Crowded()
    store.sessions = sessions
    stage = TemplateStage(store)
    stage.save(A)
    stage.now += 1
    stage.delete()
    found = [(e.subject, e.key, e.what, e.at, e.until) for e in stage.log()]
    assert found == [("template", "", spread, at, at + LOG_LIFETIME) for at in (NOW, NOW + 1)]
    known = Known("store")
    known.enter(stage.log())
    seconds = float(spread.partition(" ")[2])
    assert known.latest({"sid": "s", "sub": "u"}, NOW + 1 + seconds) == 2


def test_a_named_template_is_no_matter_of_the_log(stage):
    stage.save(A, name="api")
    stage.delete("api")
    assert stage.log() == []


# --- records that cannot be read ----------------------------------------------------------


def rewrite(stage, kind, key, data):
    found = stage.store.load(kind, key)
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    assert stage.store.commit([Put(kind, key, found.version, raw, found.indexes)])


GOOD = {"format": 1, "version": 1, "author": None, "saved_at": NOW, "text": A}
NAMED = {**GOOD, "options": {"lifetime": 60, "skew": 5, "audience": None}}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff", b"[]", b"{}", {**GOOD, "format": 2},
        *({name: v for name, v in GOOD.items() if name != gone}
          for gone in ("format", "version", "saved_at", "text")),
        {**GOOD, "version": 0}, {**GOOD, "version": True}, {**GOOD, "version": "1"},
        {**GOOD, "author": 7}, {**GOOD, "saved_at": "now"}, {**GOOD, "text": None},
        NAMED, {**GOOD, "options": 7},
        {"format": 1, "version": None, "deleted_at": NOW}, {"format": 1, "deleted_at": NOW},
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_neither_there_nor_not(stage, data):
    stage.save(A)
    rewrite(stage, TEMPLATE, OWN, data)
    for act in (stage.get, stage.delete, lambda: stage.save(B)):
        with pytest.raises(UnavailableError) as caught:
            act()
        assert caught.value.code == "template-record-unreadable"
    if b"deleted_at" not in (data if isinstance(data, bytes) else json.dumps(data).encode()):
        with pytest.raises(UnavailableError):
            stage.do(stage.flows.list())


@pytest.mark.parametrize(
    "options",
    [None, {}, {"lifetime": 1}, {"lifetime": 60, "life": 1}, {"audience": 7}, [1], "60", 60],
)
def test_options_that_cannot_be_read_are_no_others(stage, options):
    stage.save(A, name="api")
    rewrite(stage, TEMPLATE, "api", {**NAMED, "options": options})
    if options == {}:  # as newer code leaves out what is usual
        assert stage.get("api").options == TemplateOptions()
        return
    with pytest.raises(UnavailableError):
        stage.get("api")


def test_a_text_that_this_code_does_not_understand_is_no_empty_template(stage):
    stage.save(A)
    rewrite(stage, TEMPLATE, OWN, {**GOOD, "text": '{"a": "{{new.root}}"}'})
    saved = stage.get()
    with pytest.raises(UnavailableError) as caught:
        _ = saved.template
    assert caught.value.code == "template-record-unreadable"
    assert stage.save(B).version == 2  # so that it can be mended


def test_members_that_newer_code_adds_do_no_harm(stage):
    stage.save(A)
    rewrite(stage, TEMPLATE, OWN, {**GOOD, "colour": "red"})
    assert stage.get().text == A


def test_a_version_that_cannot_be_read_is_told_and_goes_in_its_turn(stage):
    for number in range(KEPT):
        stage.save({"n": number})
    rewrite(stage, VERSION, f"{OWN}/1", b"?")
    with pytest.raises(UnavailableError):
        stage.versions()
    stage.save(A)
    assert stage.versions() == list(range(KEPT + 1, 1, -1))
