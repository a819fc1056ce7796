"""Sessions from sign-in to forgetting: creating, reading, merging, ending, caps, pruning."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from flask_session_claims import ConfigurationError, UnavailableError
from flask_session_claims.core.flow import play, run
from flask_session_claims.sessions import tokens
from flask_session_claims.sessions.faults import ClaimsRefused
from flask_session_claims.sessions.limits import (
    ATTEMPTS,
    DATA_BYTES,
    KEEP_ENDED,
    LOG_LIFETIME,
    Limits,
)
from flask_session_claims.sessions.model import JOURNAL, SESSION, decode
from flask_session_claims.sessions.records import (
    PAGE,
    Commit,
    FindDue,
    FindRecords,
    LoadRecord,
    Page,
    Put,
    Record,
)
from flask_session_claims.sessions.sweeps import USER
from flask_session_claims.stores import open_store
from flask_session_claims.testing.store_contract import in_threads
from tests.stores.places import KINDS, fresh_url, rounds_of

from .stage import NOW, Stage

UNKNOWN = tokens.session_id(b"n" * 24)


@pytest.fixture
def stage():
    return Stage()


# --- creating and reading -----------------------------------------------------------------


def test_a_session_says_all_that_was_given(stage):
    created = stage.do(
        stage.flows.create(
            "user_1",
            claims={"plan": "pro"},
            provided={"fullName": "Ada"},
            data={"cart": [1]},
            org_id="org_1",
            persistent=False,
            lifetime=3600,
            device="Firefox",
            address="192.0.2.1",
            azp="https://app.example.com",
        )
    )
    session = created.session
    assert dataclasses.asdict(session) == {
        "session_id": session.session_id,
        "user_id": "user_1",
        "claims": {"fullName": "Ada", "plan": "pro"},
        "data": {"cart": [1]},
        "created_at": NOW,
        "last_seen_at": NOW,
        "expires_at": NOW + 3600,
        "absolute_end": NOW + 3600,
        "persistent": False,
        "org_id": "org_1",
        "device": "Firefox",
        "address": "192.0.2.1",
        "azp": "https://app.example.com",
        "org_slug": None,
        "org_role": None,
        "org_permissions": (),
        "actor": None,
        "first_verified_at": NOW,
        "second_verified_at": None,
    }
    assert created.ended == ()
    assert stage.get(session.session_id) == session
    assert stage.do(stage.flows.list_for_user("user_1")) == (session,)
    assert tokens.read(created.refresh_token).session_id == session.session_id
    assert stage.log() == []
    assert pickle.loads(pickle.dumps(session)) == session  # noqa: S301
    with pytest.raises(TypeError):
        session.claims["plan"] = "free"
    with pytest.raises(dataclasses.FrozenInstanceError):
        session.user_id = "other"


def test_what_is_not_given_has_defaults(stage):
    session_id, _ = stage.sign_in()
    session = stage.get(session_id)
    assert (session.claims, session.data, session.persistent) == ({}, {}, True)
    assert (session.org_id, session.device, session.address) == (None, None, None)
    assert session.expires_at == NOW + 7 * 86_400
    assert session.absolute_end == NOW + 30 * 86_400


def test_reprs_show_neither_tokens_nor_server_only_data(stage):
    created = stage.do(stage.flows.create("user_1", data={"note": "hidden-note"}))
    answer = stage.refresh(created.refresh_token)
    state = stage.state(created.session.session_id)
    shown = repr((created, answer, state, stage.store.load(SESSION, created.session.session_id)))
    assert "hidden-note" not in repr(created.session)
    for text in (created.refresh_token, answer.refresh_token):
        assert text.split(".")[2] not in shown
    for secret in (state.current, state.previous, state.salt, state.tag_key):
        assert repr(secret)[2:-1] not in shown


def test_ids_and_tokens_are_never_the_same_twice():
    import time

    from flask_session_claims.sessions.lifecycle import SessionFlows

    stage = Stage()
    stage.flows = SessionFlows(Limits(), clock=time.time)
    seen = [stage.sign_in() for _ in range(200)]
    assert len({session_id for session_id, _ in seen}) == 200
    assert len({token.split(".")[2] for _, token in seen}) == 200


def test_the_command_line_texts_of_a_browser_are_cut_not_refused(stage):
    session_id, _ = stage.sign_in(device="x" * 2000, address="\ud800::1")
    session = stage.get(session_id)
    assert (len(session.device), session.address) == (512, "?::1")


@pytest.mark.parametrize("user_id", ["a", "x" * 255, "é😀", " ", "a'b\n", "-1"])
def test_user_ids_of_any_text(stage, user_id):
    session_id, _ = stage.sign_in(user_id)
    assert stage.get(session_id).user_id == user_id
    assert len(stage.do(stage.flows.list_for_user(user_id))) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"user_id": 7}, "user_id must be text of 1 to 255 characters, not of type int"),
        ({"user_id": ""}, "user_id must be text"),
        ({"user_id": None}, "of type NoneType"),
        ({"user_id": "x" * 256}, "text of 256 characters"),
        ({"user_id": "a\0b"}, "cannot be stored"),
        ({"user_id": "\ud800"}, "cannot be stored"),
        ({"org_id": 3}, "org_id must be text"),
        ({"persistent": 1}, "persistent must be True or False"),
        ({"lifetime": 0}, "lifetime got 0"),
        ({"lifetime": True}, "lifetime got True"),
        ({"lifetime": "60"}, "lifetime got '60'"),
        ({"lifetime": float("nan")}, "lifetime got nan"),
        ({"lifetime": 10**9}, "lifetime got"),
        ({"device": 5}, "device must be text or None"),
        ({"address": b"x"}, "address must be text or None"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused(stage, given, said):
    with pytest.raises(ConfigurationError, match=said):
        play(stage.flows.create(**{"user_id": "user_1", **given}), [])


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"claims": {"sub": "x"}}, "claims-protected"),
        ({"claims": {"Sid": "x"}}, "claims-protected"),
        ({"provided": {"exp": 1}}, "claims-protected"),
        ({"claims": {"a": "x" * 1200}}, "claims-too-large"),
        ({"claims": []}, "claims-invalid"),
        ({"claims": {"a": object()}}, "claims-invalid"),
        ({"data": {"a": object()}}, "claims-invalid"),
        ({"data": [1]}, "claims-invalid"),
        ({"data": {"a": "x" * DATA_BYTES}}, "claims-too-large"),
    ],
)
def test_claims_and_data_that_cannot_be_kept_are_refused(stage, given, code):
    with pytest.raises(ClaimsRefused) as caught:
        play(stage.flows.create("user_1", **given), [])
    assert caught.value.code == code


def test_provided_claims_that_do_not_fit_do_not_keep_anybody_from_signing_in(stage):
    created = stage.do(stage.flows.create("u", claims={"a": 1}, provided={"bio": "x" * 1300}))
    assert created.session.claims == {"a": 1}
    assert created.oversize.names == ("bio", "a")
    assert stage.acts(created.session.session_id) == ["create", "oversize"]


@pytest.mark.parametrize("session_id", ["", "x", None, 5, UNKNOWN + "x", "sess_\0", UNKNOWN])
def test_an_id_that_is_nobodys(stage, session_id):
    flows = stage.flows
    assert stage.do(flows.get(session_id)) is None
    assert stage.do(flows.journal(session_id)) is None
    assert stage.do(flows.merge_claims(session_id, {"a": 1})) is None
    assert stage.do(flows.set_data(session_id, {"a": 1})) is None
    assert stage.do(flows.revoke(session_id)) is False


# --- changing -----------------------------------------------------------------------------


def test_a_merge_is_told_to_the_others_and_none_removes(stage):
    session_id, token = stage.sign_in(claims={"plan": "free", "old": 1}, provided={"p": 1})
    session = stage.do(
        stage.flows.merge_claims(session_id, {"plan": "pro", "old": None, "p": None})
    )
    assert session.claims == {"plan": "pro"}
    assert stage.get(session_id) == session
    assert stage.log() == [("session", session_id, "claims")]
    entry = stage.store.log_since(0).entries[0]
    assert (entry.at, entry.until) == (NOW, NOW + LOG_LIFETIME)
    assert stage.refresh(token, provided={"p": 2, "q": 3}).session.claims == {"plan": "pro", "q": 3}


def test_a_merge_that_changes_nothing_writes_nothing(stage):
    session_id, _ = stage.sign_in(claims={"a": 1})
    state = stage.state(session_id)
    assert stage.do(stage.flows.merge_claims(session_id, {"a": 1})).claims == {"a": 1}
    assert stage.do(stage.flows.merge_claims(session_id, {})).claims == {"a": 1}
    assert stage.state(session_id) == state
    assert stage.log() == []


@pytest.mark.parametrize("value", [True, 1.0, "1", [1]])
def test_a_merge_that_changes_only_the_type_is_a_change(stage, value):
    session_id, _ = stage.sign_in(claims={"a": 1})
    stage.do(stage.flows.merge_claims(session_id, {"a": value}))
    kept = stage.get(session_id).claims["a"]
    assert (kept, type(kept).__mro__[-2]) == (value, type(value).__mro__[-2])


@pytest.mark.parametrize("patch", [{"sub": 1}, {"a": object()}, {"a": "x" * 1200}, None])
def test_a_merge_that_is_refused_changes_nothing(stage, patch):
    session_id, _ = stage.sign_in(claims={"a": 1})
    with pytest.raises(ClaimsRefused):
        stage.do(stage.flows.merge_claims(session_id, patch))
    assert stage.get(session_id).claims == {"a": 1}
    assert stage.log() == []


def test_data_is_replaced_and_no_token_is_stale_by_it(stage):
    session_id, _ = stage.sign_in(data={"a": 1, "b": 2})
    assert stage.do(stage.flows.set_data(session_id, {"c": 3})).data == {"c": 3}
    assert stage.get(session_id).data == {"c": 3}
    assert stage.log() == []
    assert stage.acts(session_id) == ["create", "data"]
    with pytest.raises(ClaimsRefused):
        stage.do(stage.flows.set_data(session_id, {"c": b""}))


@pytest.mark.parametrize("ended", ["revoked", "expired"])
def test_a_session_that_has_ended_is_not_changed_any_more(stage, ended):
    session_id, _ = stage.sign_in()
    if ended == "revoked":
        assert stage.do(stage.flows.revoke(session_id)) is True
    else:
        stage.now += 7 * 86_400
    state, log = stage.state(session_id), stage.log()
    flows = stage.flows
    assert stage.get(session_id) is None
    assert stage.do(flows.list_for_user("user_1")) == ()
    assert stage.do(flows.merge_claims(session_id, {"a": 1})) is None
    assert stage.do(flows.set_data(session_id, {})) is None
    assert stage.do(flows.revoke(session_id)) is False
    assert stage.do(flows.revoke_all("user_1")) == ()
    assert stage.do(flows.merge_claims_for_user("user_1", {"a": 1})) == 0
    assert (stage.state(session_id), stage.log()) == (state, log)


# --- ending -------------------------------------------------------------------------------


def test_ending_a_session_is_told_to_the_others_once(stage):
    session_id, _ = stage.sign_in()
    assert stage.do(stage.flows.revoke(session_id, reason="sign-out")) is True
    assert stage.do(stage.flows.revoke(session_id)) is False
    assert stage.log() == [("session", session_id, "revoked")]
    assert stage.do(stage.flows.journal(session_id))[-1] == (NOW, "revoke", "sign-out")
    assert stage.store.find(SESSION, "user", "user_1").records == ()


def test_signing_in_replaces_the_session_that_was_there_whoever_had_it(stage):
    mine, _ = stage.sign_in("user_1")
    theirs, _ = stage.sign_in("user_2")
    for old in (mine, theirs):
        created = stage.do(stage.flows.create("user_1", replaces=old))
        assert created.ended == (old,)
        assert stage.get(old) is None
        assert stage.state(old).reason == "replaced"
    assert stage.log() == [("session", mine, "revoked"), ("session", theirs, "revoked")]


@pytest.mark.parametrize("replaces", [None, "", "nonsense", UNKNOWN])
def test_replacing_nothing_is_just_signing_in(stage, replaces):
    assert stage.do(stage.flows.create("user_1", replaces=replaces)).ended == ()


def test_a_session_that_has_ended_is_not_replaced_again(stage):
    old, _ = stage.sign_in()
    stage.do(stage.flows.revoke(old))
    assert stage.do(stage.flows.create("user_1", replaces=old)).ended == ()
    assert stage.state(old).reason == "revoked"


def test_one_more_than_allowed_ends_the_one_used_least_recently():
    stage = Stage(limits=Limits(per_user=3))
    made = []
    for _ in range(3):
        stage.now += 1
        made.append(stage.sign_in())
    stage.now += 1
    stage.refresh(made[0][1])
    stage.sign_in("user_2")
    stage.now += 1
    created = stage.do(stage.flows.create("user_1"))
    assert created.ended == (made[1][0],)
    assert stage.state(made[1][0]).reason == "cap"
    live = [session.session_id for session in stage.do(stage.flows.list_for_user("user_1"))]
    assert live == [created.session.session_id, made[0][0], made[2][0]]
    assert stage.log() == [("session", made[1][0], "revoked")]


def test_what_is_replaced_needs_no_room():
    stage = Stage(limits=Limits(per_user=2))
    first, _ = stage.sign_in()
    second, _ = stage.sign_in()
    assert stage.do(stage.flows.create("user_1", replaces=second)).ended == (second,)
    assert stage.get(first) is not None


def test_a_lower_cap_ends_all_that_are_too_many():
    stage = Stage()
    for _ in range(5):
        stage.now += 1
        stage.sign_in()
    capped = Stage(limits=Limits(per_user=1)).begin(stage.store)
    assert len(capped.do(capped.flows.create("user_1")).ended) == 5


def test_who_always_loses_while_signing_in_is_told_to_come_again(stage):
    with pytest.raises(UnavailableError) as caught:
        play(stage.flows.create("user_1"), [(Commit, False)] * ATTEMPTS)
    assert caught.value.code == "busy"


# --- many at once -------------------------------------------------------------------------


def many(stage, count):
    return [stage.sign_in()[0] for _ in range(count)]


def test_all_sessions_of_a_user_end_but_the_one_to_keep(stage):
    ids = many(stage, PAGE + 5)
    other, _ = stage.sign_in("user_2")
    ended = stage.do(stage.flows.revoke_all("user_1", keep=ids[3], reason="password"))
    assert set(ended) == set(ids) - {ids[3]}
    live = stage.do(stage.flows.list_for_user("user_1"))
    assert [session.session_id for session in live] == [ids[3]]
    assert stage.get(other) is not None
    assert stage.log() == [("user", "user_1", "revoked")] * 2, "one entry a page, not a session"
    assert stage.state(ids[0]).reason == "password"
    assert set(stage.do(stage.flows.revoke_all("user_1"))) == {ids[3]}


def test_claims_are_merged_into_all_sessions_of_a_user(stage):
    ids = many(stage, PAGE + 5)
    other, _ = stage.sign_in("user_2")
    assert stage.do(stage.flows.merge_claims_for_user("user_1", {"plan": "pro"})) == PAGE + 5
    assert {stage.get(i).claims.get("plan") for i in ids} == {"pro"}
    assert stage.get(other).claims == {}
    assert stage.log() == [("user", "user_1", "claims")] * 2
    assert stage.do(stage.flows.merge_claims_for_user("user_1", {"plan": "pro"})) == 0
    assert len(stage.log()) == 2


def test_claims_that_do_not_fit_one_session_change_none(stage):
    small, _ = stage.sign_in()
    full, _ = stage.sign_in(claims={"big": "x" * 1100})
    with pytest.raises(ClaimsRefused):
        stage.do(stage.flows.merge_claims_for_user("user_1", {"more": "x" * 200}))
    assert stage.get(small).claims == {}
    assert stage.get(full).claims == {"big": "x" * 1100}
    assert stage.log() == []


def test_they_change_none_either_where_the_one_is_on_a_later_page(stage):
    ids = sorted(stage.sign_in()[0] for _ in range(PAGE + 1))
    stage.do(stage.flows.merge_claims(ids[-1], {"big": "x" * 1100}))
    before = stage.log()
    with pytest.raises(ClaimsRefused):
        stage.do(stage.flows.merge_claims_for_user("user_1", {"more": "x" * 200}))
    assert stage.log() == before
    assert "more" not in stage.get(ids[0]).claims


@pytest.mark.parametrize("call", ["list_for_user", "revoke_all", "merge_claims_for_user"])
def test_calls_for_a_user_take_text(stage, call):
    more = ({"a": 1},) if call == "merge_claims_for_user" else ()
    with pytest.raises(ConfigurationError, match="user_id must be text"):
        play(getattr(stage.flows, call)(5, *more), [])


class Meddling:
    """Between the look and the commit somebody else changes these sessions."""

    def __init__(self, stage, acts):
        self.stage, self.acts = stage, list(acts)

    def __call__(self, ask):
        if isinstance(ask, Commit) and self.acts:
            act, self.acts = self.acts[0], self.acts[1:]
            self.stage.do(act())
        return self.stage.perform(ask)


def test_a_sweep_whose_commit_loses_goes_on_one_by_one(stage):
    first, second, third = many(stage, 3)
    meddling = Meddling(
        stage,
        [
            lambda: stage.flows.merge_claims(first, {"a": 1}),
            lambda: stage.flows.revoke(second),
        ],
    )
    ended = run(stage.flows.revoke_all("user_1"), meddling)
    assert set(ended) | {second} == {first, second, third}
    assert stage.do(stage.flows.list_for_user("user_1")) == ()
    assert stage.state(first).layers.own == {"a": 1}
    assert stage.state(second).reason == "revoked"


def test_a_sweep_over_a_session_that_was_forgotten_meanwhile(stage):
    (session_id,) = many(stage, 1)
    found = stage.store.load(SESSION, session_id)
    script = [(FindRecords, Page((found,))), (Commit, False), (LoadRecord, None)]
    assert play(stage.flows.revoke_all("user_1"), script) == ()


# --- forgetting ---------------------------------------------------------------------------


def test_sessions_are_forgotten_a_day_after_their_end():
    stage = Stage(limits=Limits(idle=1000, per_user=9))
    expired, _ = stage.sign_in()
    revoked, _ = stage.sign_in()
    stage.do(stage.flows.revoke(revoked))
    for seconds, left in ((KEEP_ENDED - 1, {expired, revoked}), (1, {expired}), (1000, set())):
        stage.now += seconds
        gone = stage.do(stage.flows.prune())
        assert {i for i in (expired, revoked) if stage.state(i)} == left
        assert gone == (0 if len(left) == 2 else 1)
    assert stage.store.load(USER, "user_1") is not None
    stage.now += 400 * 86_400
    assert stage.do(stage.flows.prune()) == 1
    assert stage.store.load(USER, "user_1") is None
    assert stage.store._records == {}


def test_a_session_is_kept_for_a_day_though_pruning_comes_by_before():
    """It is due earlier, for the salt of a refresh."""
    stage = Stage(limits=Limits(idle=1000))
    session_id, token = stage.sign_in()
    stage.refresh(token)
    for seconds, gone in ((1001, 0), (KEEP_ENDED - 2, 0), (1, 1)):
        stage.now += seconds
        assert stage.do(stage.flows.prune()) == gone
        assert (stage.state(session_id) is None) == bool(gone)


def test_pruning_leaves_live_sessions_alone_but_for_the_salt(stage):
    session_id, token = stage.sign_in()
    second = stage.refresh(token).refresh_token
    state = stage.state(session_id)
    stage.now += 59
    assert stage.do(stage.flows.prune()) == 0
    assert stage.state(session_id) == state
    stage.now += 1
    assert stage.do(stage.flows.prune()) == 0
    after = stage.state(session_id)
    assert after == dataclasses.replace(state, salt=None, version=state.version + 1)
    assert stage.do(stage.flows.prune()) == 0
    assert stage.state(session_id) == after, "there is nothing more to do"
    assert stage.refresh(second).rotated


def test_pruning_goes_on_over_many_pages(stage):
    many(stage, 2 * PAGE + 10)
    stage.now += 10**8
    assert stage.do(stage.flows.prune()) == 2 * PAGE + 10
    assert stage.store._records == {}


def test_pruning_leaves_what_is_being_changed_for_next_time():
    stage = Stage(limits=Limits(idle=1000, absolute=1000))
    first, second = many(stage, 2)
    stage.now += 1000 + KEEP_ENDED

    def touch():
        stage.rewrite(first, device="changed")
        yield from ()

    assert run(stage.flows.prune(), Meddling(stage, [touch])) == 1
    assert stage.state(first) is not None
    assert stage.state(second) is None
    assert stage.do(stage.flows.prune()) == 1


def test_pruning_that_never_gets_through_ends(stage):
    (session_id,) = many(stage, 1)
    found = stage.store.load(SESSION, session_id)
    stage.now += 10**8
    full = (found,) * PAGE
    script = [(FindDue, full), (Commit, False), *[(Commit, False)] * PAGE, (FindDue, ())]
    assert play(stage.flows.prune(), script) == 0


# --- records ------------------------------------------------------------------------------


def test_a_record_of_newer_code_keeps_what_this_code_does_not_know(stage):
    session_id, token = stage.sign_in()
    stage.rewrite(session_id, extra={"colour": {"deep": [1, {"x": None}]}})
    answer = stage.refresh(token)
    stage.do(stage.flows.merge_claims(session_id, {"a": 1}))
    assert stage.state(session_id).extra == {"colour": {"deep": [1, {"x": None}]}}
    assert answer.session.user_id == "user_1"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"format":2}',
        b'{"format":1}',
        b'{"format":1,"current":5}',
        b'{"format":1,"current":"***"}',
    ],
)
def test_a_record_that_cannot_be_read_is_an_error_and_signs_nobody_out(stage, data):
    stage.store.commit([Put(SESSION, UNKNOWN, 0, data, (("user", "user_1"),), NOW)])
    token = tokens.make(UNKNOWN, 1, b"s" * 32, b"k" * 32).text()
    flows = stage.flows
    for flow in (
        flows.get(UNKNOWN),
        flows.refresh(token),
        flows.list_for_user("user_1"),
        flows.revoke(UNKNOWN),
        flows.merge_claims(UNKNOWN, {}),
    ):
        with pytest.raises(UnavailableError) as caught:
            stage.do(flow)
        assert caught.value.code == "session-record-unreadable"
    assert stage.do(flows.prune()) == 0, "perhaps it is newer code's"
    assert stage.store.load(SESSION, UNKNOWN) is not None


def test_every_field_survives_the_record(stage):
    session_id, token = stage.sign_in(data={"é": "\n"}, org_id="o", device="d", address="a")
    stage.refresh(token)
    state = stage.state(session_id)
    found = stage.store.load(SESSION, session_id)
    assert (
        decode(Record(**{f.name: getattr(found, f.name) for f in dataclasses.fields(found)}))
        == state
    )
    assert state.journal[-1] == f"{NOW:.3f} refresh 2"


def test_the_journal_keeps_the_last_fifty_acts_in_order(stage):
    session_id, _ = stage.sign_in()
    for number in range(60):
        stage.now += 1
        stage.do(stage.flows.merge_claims(session_id, {"n": number}))
    stage.do(stage.flows.revoke(session_id, reason="a long\nreason with\ttabs " + "x" * 100))
    acts = stage.do(stage.flows.journal(session_id))
    assert len(acts) == JOURNAL == 50
    assert [act.at for act in acts] == sorted(act.at for act in acts)
    assert (acts[0].act, acts[0].at) == ("merge", NOW + 12)
    assert acts[-1].act == "revoke"
    assert acts[-1].detail.startswith("a long reason with tabs xxx")
    assert len(acts[-1].detail) == 64


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"idle": 0}, "idle got 0"),
        ({"absolute": -1}, "absolute got -1"),
        ({"grace": 61}, "grace got 61; give a number 0 to 60"),
        ({"grace": True}, "grace got True"),
        ({"idle": "5"}, "idle got '5'"),
        ({"idle": float("inf")}, "idle got inf"),
        ({"per_user": 0}, "per_user got 0"),
        ({"per_user": 1.5}, "give a whole number"),
    ],
)
def test_limits_that_make_no_sense_are_refused(given, said):
    with pytest.raises(ConfigurationError, match=said):
        Limits(**given)


# --- on a real store, at once -------------------------------------------------------------


@pytest.fixture
def stage_over(tmp_path):
    stores = []

    def make(kind):
        stores.append(open_store(fresh_url(kind, tmp_path)))
        return Stage(stores[-1])

    yield make
    for store in stores:
        store.close()


@pytest.mark.parametrize(("kind", "rounds"), rounds_of(25, 1_000, KINDS))
def test_sixteen_threads_refresh_one_token_and_all_get_one_successor(stage_over, kind, rounds):
    stage = stage_over(kind)
    session_id, token = stage.sign_in()
    for _ in range(rounds):
        answers = in_threads(16, lambda _: stage.refresh(token))  # noqa: B023
        assert len({answer.refresh_token for answer in answers}) == 1
        assert sum(answer.rotated for answer in answers) == 1
        token = answers[0].refresh_token
    assert stage.state(session_id).generation == rounds + 1
    assert stage.get(session_id) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_merges_of_eight_threads_lose_nothing(stage_over, kind):
    stage = stage_over(kind)
    session_id, _ = stage.sign_in()

    def merge(number):
        for count in range(20):
            stage.do(stage.flows.merge_claims(session_id, {f"n{number}": count}))

    in_threads(8, merge)
    assert stage.get(session_id).claims == {f"n{number}": 19 for number in range(8)}
    assert len(stage.log()) == 160
