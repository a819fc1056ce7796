"""The refresh state machine: every row, the grace to the moment, theft, restored stores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flask_session_claims import TokenError, UnavailableError
from flask_session_claims.core.flow import play
from flask_session_claims.sessions import tokens
from flask_session_claims.sessions.faults import ClaimsRefused, RefreshRefused
from flask_session_claims.sessions.limits import ATTEMPTS, KEEP_ENDED, MAX_GRACE, Limits
from flask_session_claims.sessions.records import Commit, LoadRecord
from flask_session_claims.sessions.rotation import Verdict, judge
from flask_session_claims.stores.memory import MemoryStore

from .stage import NOW, Stage, copied


@pytest.fixture
def stage():
    return Stage()


def refused(stage, token, **given):
    with pytest.raises(RefreshRefused) as caught:
        stage.refresh(token, **given)
    error = caught.value
    assert isinstance(error, TokenError)
    assert (error.status, error.client_code) == (401, "session-token-invalid")
    return error


def chain(stage, count, **given):
    """A session refreshed so often, a minute apart: its id and all its tokens."""
    session_id, token = stage.sign_in(**given)
    texts = [token]
    for _ in range(count):
        stage.now += 60
        texts.append(stage.refresh(texts[-1]).refresh_token)
    return session_id, texts


# --- the rows -----------------------------------------------------------------------------


def test_the_current_token_rotates(stage):
    session_id, first = stage.sign_in(claims={"plan": "pro"})
    before = stage.state(session_id)
    stage.now += 100
    answer = stage.refresh(first)
    assert answer.rotated
    assert answer.refresh_token != first
    assert answer.session == stage.get(session_id)
    state = stage.state(session_id)
    assert (state.generation, state.version) == (2, 2)
    assert state.previous == before.current
    assert state.current == tokens.fingerprint(tokens.read(answer.refresh_token).secret)
    assert state.rotated_at == state.seen_at == NOW + 100
    assert answer.session.claims == {"plan": "pro"}
    assert stage.log() == [], "a refresh is nobody else's business"


def test_the_token_before_gives_the_same_successor_and_writes_nothing(stage):
    session_id, first = stage.sign_in()
    answer = stage.refresh(first)
    state = stage.state(session_id)
    for seconds in (0, 1, 14, 15):
        stage.now += seconds
        again = stage.refresh(first)
        assert not again.rotated
        assert again.refresh_token == answer.refresh_token
    assert stage.state(session_id) == state


def test_the_one_who_repeats_goes_on_from_there(stage):
    _, first = stage.sign_in()
    answer = stage.refresh(first)
    following = stage.refresh(answer.refresh_token)
    assert stage.refresh(answer.refresh_token).refresh_token == following.refresh_token


@pytest.mark.parametrize("grace", [0, 10, 30, 60])
def test_the_grace_ends_to_the_moment_and_does_not_slide(grace):
    for late in (False, True):
        stage = Stage(limits=Limits(grace=grace))
        session_id, first = stage.sign_in()
        answer = stage.refresh(first)
        stage.now += grace / 2
        assert stage.refresh(first).refresh_token == answer.refresh_token if grace else True
        stage.now = NOW + grace + (0.001 if late else 0)
        if late:
            assert refused(stage, first).revoked
            assert stage.get(session_id) is None
        else:
            assert stage.refresh(first).refresh_token == answer.refresh_token


def test_a_late_token_ends_the_session_and_everybody_learns_of_it(stage):
    session_id, first = stage.sign_in()
    answer = stage.refresh(first)
    stage.now += 31
    error = refused(stage, first)
    assert (error.code, error.revoked) == ("refresh-token-reused", True)
    assert (error.session_id, error.user_id, error.generation) == (session_id, "user_1", 1)
    assert stage.log() == [("session", session_id, "revoked")]
    state = stage.state(session_id)
    assert (state.revoked_at, state.reason) == (NOW + 31, "reuse")
    assert state.salt is None
    assert stage.acts(session_id) == ["create", "refresh", "reuse", "revoke"]
    again = refused(stage, answer.refresh_token)
    assert (again.code, again.revoked) == ("session-revoked", False)
    assert stage.log() == [("session", session_id, "revoked")], "one write per theft"


@pytest.mark.parametrize("age", [2, 3, 10])
def test_an_older_token_ends_the_session_even_at_once(stage, age):
    session_id, first = stage.sign_in()
    texts = [first]
    for _ in range(age):
        texts.append(stage.refresh(texts[-1]).refresh_token)
    error = refused(stage, first)
    assert (error.code, error.revoked, error.generation) == ("refresh-token-reused", True, 1)
    assert refused(stage, texts[-1]).code == "session-revoked"
    assert stage.get(session_id) is None


def forged(text, **members):
    """The token with other parts, as somebody without the key would make it."""
    return replace(tokens.read(text), **members).text()


@pytest.mark.parametrize(
    "forge",
    [
        lambda text: forged(text, secret=b"x" * 32),
        lambda text: forged(text, tag=bytes(16)),
        lambda text: forged(text, generation=1),
        lambda text: forged(text, generation=2),
        lambda text: forged(text, generation=4),
        lambda text: forged(text, generation=10**9),
    ],
)
def test_a_token_that_was_never_issued_changes_nothing(stage, forge):
    session_id, texts = chain(stage, 2)
    state = stage.state(session_id)
    text = forge(texts[-1])
    error = refused(stage, text)
    assert (error.code, error.revoked) == ("refresh-token-invalid", False)
    assert error.session_id is error.user_id is error.generation is None
    assert stage.state(session_id) == state
    assert stage.refresh(texts[-1]).rotated


@pytest.mark.parametrize("text", ["", "x", None, "sess_.1.x.y", "x" * 10_000])
def test_what_is_no_token_never_reaches_the_store(stage, text):
    with pytest.raises(RefreshRefused) as caught:
        play(stage.flows.refresh(text), [])
    assert caught.value.code == "refresh-token-invalid"


def test_an_unknown_session_is_asked_for_once_and_nothing_is_written(stage):
    text = tokens.make(tokens.session_id(b"n" * 24), 1, b"s" * 32, b"k" * 32).text()
    with pytest.raises(RefreshRefused) as caught:
        play(stage.flows.refresh(text), [(LoadRecord, None)])
    assert caught.value.code == "session-unknown"


@pytest.mark.parametrize("which", ["idle", "absolute"])
def test_an_expired_session_is_refused_and_left_as_it_is(which):
    stage = Stage(limits=Limits(idle=1000, absolute=1500))
    session_id, token = stage.sign_in()
    end = 1000
    if which == "absolute":
        stage.now += 900
        token = stage.refresh(token).refresh_token
        end = 1500
    stage.now = NOW + end - 0.001
    assert stage.get(session_id) is not None
    stage.now = NOW + end
    state = stage.state(session_id)
    error = refused(stage, token)
    assert (error.code, error.revoked) == ("session-expired", False)
    assert stage.state(session_id) == state
    assert stage.get(session_id) is None


def test_idle_time_slides_but_never_past_the_absolute_end():
    stage = Stage(limits=Limits(idle=100, absolute=250))
    session_id, token = stage.sign_in()
    for now, end in ((0, 100), (90, 190), (180, 250), (240, 250)):
        stage.now = NOW + now
        if now:
            answer = stage.refresh(token)
            token = answer.refresh_token
        assert stage.get(session_id).expires_at == NOW + end
        assert stage.get(session_id).absolute_end == NOW + 250


# --- restored and older stores ------------------------------------------------------------


def test_a_store_that_was_rolled_back_refuses_without_ending_the_session(stage):
    session_id, texts = chain(stage, 1)
    backup = copied(stage.store, MemoryStore())
    stage.now += 60
    ahead = [stage.refresh(texts[-1]).refresh_token]
    stage.now += 60
    ahead.append(stage.refresh(ahead[-1]).refresh_token)
    stage.begin(backup)
    stage.now = NOW + 200
    for token in ahead:
        error = refused(stage, token)
        assert (error.code, error.revoked) == ("refresh-token-ahead", False)
    assert stage.get(session_id) is not None
    # Another history begins; tokens of the old one are strangers to it, at each distance.
    going_on = stage.refresh(texts[-1]).refresh_token
    assert refused(stage, ahead[0]).code == "refresh-token-ahead"
    stage.refresh(going_on)
    assert refused(stage, ahead[0]).code == "refresh-token-ahead"
    assert stage.get(session_id) is not None


def test_the_clock_may_go_back(stage):
    _, first = stage.sign_in()
    stage.now += 100
    answer = stage.refresh(first)
    for back in (1, 3600, 365 * 86_400):
        stage.now = NOW + 100 - back
        assert stage.refresh(first).refresh_token == answer.refresh_token
    stage.now = NOW + 131
    assert refused(stage, first).revoked


def test_revoked_stays_revoked_whatever_the_clock_says(stage):
    session_id, token = stage.sign_in()
    assert stage.do(stage.flows.revoke(session_id))
    for shift in (-(10**9), -3600, 0, 3600, 10**9):
        stage.now = NOW + shift
        assert refused(stage, token).code == "session-revoked"
        assert stage.get(session_id) is None


def test_a_retry_after_the_salt_was_dropped_is_late(stage):
    session_id, first = stage.sign_in()
    stage.refresh(first)
    stage.now += MAX_GRACE
    stage.do(stage.flows.prune())
    assert stage.state(session_id).salt is None
    stage.now = NOW + 5  # the clock went back
    assert refused(stage, first).code == "refresh-token-reused"


@pytest.mark.parametrize(
    ("members", "shift", "secret", "verdict"),
    [
        ({}, 0, "current", Verdict.ROTATE),
        ({}, 0, "previous", Verdict.RETRY),
        ({}, 0, "older", Verdict.REUSED),
        ({"revoked_at": NOW}, 0, "current", Verdict.REVOKED),
        ({"idle_end": NOW}, 0, "current", Verdict.EXPIRED),
        ({"absolute_end": NOW}, 0, "current", Verdict.EXPIRED),
        ({"idle_end": NOW}, 0, "older", Verdict.EXPIRED),
        ({"generation": 2}, 0, "current", Verdict.AHEAD),
        ({"tag_key": b"x" * 32}, 0, "current", Verdict.INVALID),
        ({"rotated_at": None}, 0, "previous", Verdict.REUSED),
    ],
)
def test_the_table(members, shift, secret, verdict):
    stage = Stage()
    session_id, first = stage.sign_in()
    second = stage.refresh(first).refresh_token
    third = stage.refresh(second).refresh_token
    state = replace(stage.state(session_id), **members)
    text = {"current": third, "previous": second, "older": first}[secret]
    assert judge(state, tokens.read(text), NOW + shift, 30) is verdict


# --- what comes with it -------------------------------------------------------------------


def test_a_session_token_of_another_session_is_noticed_before_the_store_is(stage):
    session_id, token = stage.sign_in()
    other, _ = stage.sign_in()
    state = stage.state(session_id)
    with pytest.raises(RefreshRefused) as caught:
        play(stage.flows.refresh(token, expected_session=other), [])
    assert (caught.value.code, caught.value.revoked) == ("refresh-session-mismatch", False)
    assert stage.state(session_id) == state
    assert stage.refresh(token, expected_session=session_id).rotated


def test_provided_claims_are_replaced_at_a_rotation_and_only_there(stage):
    session_id, token = stage.sign_in(claims={"own": 1}, provided={"plan": "free", "old": True})
    assert stage.get(session_id).claims == {"plan": "free", "old": True, "own": 1}
    answer = stage.refresh(token, provided={"plan": "pro", "own": 2})
    assert answer.session.claims == {"plan": "pro", "own": 1}
    assert answer.oversize is None
    again = stage.refresh(token, provided={"plan": "other"})
    assert again.session.claims == {"plan": "pro", "own": 1}
    last = stage.refresh(answer.refresh_token)
    assert last.session.claims == {"plan": "pro", "own": 1}, "None leaves it as it is"
    assert stage.refresh(last.refresh_token, provided={}).session.claims == {"own": 1}


def test_provided_claims_that_no_longer_fit_lock_nobody_out(stage):
    session_id, token = stage.sign_in(claims={"own": "x" * 600}, provided={"plan": "free"})
    answer = stage.refresh(token, provided={"bio": "x" * 700})
    assert answer.rotated
    assert answer.session.claims == {"plan": "free", "own": "x" * 600}
    assert answer.oversize.code == "claims-too-large"
    assert answer.oversize.names[0] == "bio"
    assert stage.acts(session_id) == ["create", "refresh", "oversize"]


def test_provided_claims_that_can_never_be_set_are_an_error(stage):
    _, token = stage.sign_in()
    with pytest.raises(ClaimsRefused, match="provided claims: 'sub'"):
        stage.refresh(token, provided={"sub": "x"})
    assert stage.refresh(token).rotated


def test_a_look_ahead_says_whom_a_refresh_would_rotate_and_changes_nothing(stage):
    session_id, first = stage.sign_in()
    assert stage.do(stage.flows.peek(first)) == stage.state(session_id)
    second = stage.refresh(first).refresh_token
    state = stage.state(session_id)
    stage.now += 31
    for text in (first, "nonsense", forged(second, tag=bytes(16))):
        assert stage.do(stage.flows.peek(text)) is None
    unknown = tokens.make(tokens.session_id(b"n" * 24), 1, b"s" * 32, b"k" * 32).text()
    assert stage.do(stage.flows.peek(unknown)) is None
    assert stage.state(session_id) == state


def test_a_store_that_fails_is_an_error_and_nobody_is_signed_out(stage):
    session_id, token = stage.sign_in()
    found = stage.store.load("session", session_id)
    fault = UnavailableError("The store is down.", code="store-failed")
    for script in ([(LoadRecord, fault)], [(LoadRecord, found), (Commit, fault)]):
        with pytest.raises(UnavailableError) as caught:
            play(stage.flows.refresh(token), script)
        assert caught.value is fault
    assert stage.refresh(token).rotated


def test_a_commit_that_loses_is_decided_anew(stage):
    session_id, token = stage.sign_in()
    before = stage.store.load("session", session_id)
    answer = stage.refresh(token)
    after = stage.store.load("session", session_id)
    script = [(LoadRecord, before), (Commit, False), (LoadRecord, after)]
    second = play(stage.flows.refresh(token), script)
    assert (second.rotated, second.refresh_token) == (False, answer.refresh_token)


def test_who_always_loses_is_told_to_come_again(stage):
    session_id, token = stage.sign_in()
    found = stage.store.load("session", session_id)
    with pytest.raises(UnavailableError) as caught:
        play(stage.flows.refresh(token), [(LoadRecord, found), (Commit, False)] * ATTEMPTS)
    assert (caught.value.code, caught.value.status) == ("busy", 503)


def test_the_record_holds_no_secret_of_any_token(stage):
    session_id, texts = chain(stage, 3)
    stage.refresh(texts[-1])
    data = stage.store.load("session", session_id).data
    for text in texts:
        token = tokens.read(text)
        for raw in (token.secret, token.tag):
            assert raw not in data
            assert raw.hex().encode() not in data
        assert text.split(".")[2].encode() not in data
        assert text.split(".")[3].encode() not in data


def test_the_size_of_a_record_does_not_grow_with_its_age(stage):
    session_id, token = stage.sign_in()
    sizes = []
    for _ in range(200):
        token = stage.refresh(token).refresh_token
        sizes.append(len(stage.store.load("session", session_id).data))
    assert max(sizes[60:]) - min(sizes[60:]) < 60
    assert len(stage.do(stage.flows.journal(session_id))) == 50


# --- thieves ------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["thief", "victim"])
def test_a_stolen_token_is_found_out_in_both_orders(stage, first):
    """RFC 9700 §4.14.2: both hold the same token; whoever comes second, past the grace, tells."""
    session_id, stolen = stage.sign_in()
    mine = stage.refresh(stolen).refresh_token
    stage.now += 31
    assert refused(stage, stolen).revoked
    assert refused(stage, mine).code == "session-revoked"
    assert stage.get(session_id) is None


def test_a_thief_who_stays_one_step_behind_is_found_out(stage):
    """S6: following each rotation by one must not work for ever."""
    _, current = stage.sign_in()
    caught = None
    for step in range(4):
        behind = current
        current = stage.refresh(current).refresh_token
        stage.now += 40
        try:
            stage.refresh(behind)
        except RefreshRefused as error:
            caught = step, error.code
            break
    assert caught == (0, "refresh-token-reused")


def test_tabs_that_get_their_answers_in_any_order_stay_signed_in(stage):
    """S7: five tabs refresh with one token; all answers carry the same successor."""
    _, token = stage.sign_in()
    answers = [stage.refresh(token).refresh_token for _ in range(5)]
    assert len(set(answers)) == 1
    stage.now += 31
    assert stage.refresh(answers[0]).rotated


def test_an_ended_session_is_remembered_for_a_day(stage):
    session_id, token = stage.sign_in()
    stage.do(stage.flows.revoke(session_id, reason="sign-out"))
    stage.now += KEEP_ENDED - 1
    stage.do(stage.flows.prune())
    assert refused(stage, token).code == "session-revoked"
    stage.now += 1
    assert stage.do(stage.flows.prune()) == 1
    assert refused(stage, token).code == "session-unknown"
