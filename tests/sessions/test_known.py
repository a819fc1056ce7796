"""What the log says of a token: which entries concern it, and what is forgotten."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import pytest

from flask_session_claims.sessions import known as module
from flask_session_claims.sessions.known import MAX_SPREAD, Known, spread_over
from flask_session_claims.sessions.model import log_entry

from .stage import NOW

MINE = {"sid": "sess_1", "sub": "user_1", "org_id": "org_1"}
LONELY = {"sid": "sess_2", "sub": "user_2"}


def entry(position, subject, key="", what="claims", at=NOW):
    return replace(log_entry(subject, key, what, at), position=position)


def knowing(*entries):
    known = Known("store")
    known.enter(entries)
    return known


@pytest.mark.parametrize(
    ("subject", "key", "mine", "theirs"),
    [
        ("session", "sess_1", True, False),
        ("session", "user_1", False, False),
        ("user", "user_1", True, False),
        ("user", "sess_1", False, False),
        ("organization", "org_1", True, False),
        ("organization", "", False, False),
        ("all", "", True, True),
        ("all", "anything", True, True),
        ("template", "plain", True, True),
        ("newer-codes-subject", "sess_9", True, True),
        ("", "", True, True),
        ("keys", "", False, False),
    ],
)
def test_an_entry_concerns_whom_it_names_and_what_is_unknown_concerns_everybody(
    subject, key, mine, theirs
):
    known = knowing(entry(7, subject, key))
    assert known.latest(MINE, NOW) == (7 if mine else 0)
    assert known.latest(LONELY, NOW) == (7 if theirs else 0)
    assert known.newest == (0 if subject == "keys" else 7)
    assert known.position == 7


@pytest.mark.parametrize("last", ["session", "user", "organization", "all", "template"])
def test_of_several_entries_the_newest_counts(last):
    keys = {"session": "sess_1", "user": "user_1", "organization": "org_1"}
    subjects = ["session", "user", "organization", "all", "template"]
    subjects.remove(last)
    entries = [
        entry(number, subject, keys.get(subject, ""))
        for number, subject in enumerate([*subjects, last], start=1)
    ]
    assert knowing(*entries).latest(MINE, NOW) == 5
    assert knowing(*entries, entry(6, "session", "sess_9")).latest(MINE, NOW) == 5


def test_what_tells_of_keys_is_said_and_counts_for_no_session():
    known = knowing(entry(1, "session", "sess_1"))
    assert not known.tells([entry(1, "keys"), entry(2, "session", "sess_1")])
    assert known.tells([entry(2, "keys"), entry(3, "user", "user_1")]) == {"keys"}
    assert known.tells([entry(2, "template"), entry(3, "keys")]) == {"keys", "template"}
    known.enter([entry(2, "keys"), entry(3, "user", "user_1"), entry(4, "keys")])
    assert (known.position, known.newest) == (4, 3)


def test_what_was_read_before_changes_nothing():
    known = knowing(entry(5, "all"))
    news = [entry(4, "keys"), entry(5, "session", "sess_1")]
    assert not known.tells(news)
    known.enter(news)
    assert (known.position, known.latest(MINE, NOW)) == (5, 5)
    assert len(known) == 0


# --- changes that spread ------------------------------------------------------------------


def moment(session_id, seconds):
    return seconds * crc32(session_id.encode()) / 2**32


@pytest.mark.parametrize("seconds", [1, 10, 29.5])
def test_a_change_that_spreads_comes_to_each_session_at_its_moment(seconds):
    known = knowing(entry(3, "template", "plan", spread_over(seconds)))
    moments = []
    for number in range(200):
        claims = {"sid": f"sess_{number}", "sub": "user_1"}
        at = moment(claims["sid"], seconds)
        moments.append(at)
        assert known.latest(claims, NOW + at - 0.001) == 0
        assert known.latest(claims, NOW + at + 0.001) == 3
        assert known.latest(claims, NOW + seconds) == 3
    early = sum(at < seconds / 2 for at in moments)
    assert 60 < early < 140, "half of them in half of the time"


@pytest.mark.parametrize(
    "what", ["spread nan", "spread -5", "spread", "spread x", "spread  ", "save", "", "other 20"]
)
def test_a_change_of_a_template_that_says_nothing_of_time_comes_at_once(what):
    assert knowing(entry(3, "template", "plan", what)).latest(MINE, NOW) == 3


@pytest.mark.parametrize("what", ["spread inf", "spread 1e300", "spread 31"])
def test_no_change_takes_longer_than_the_longest_spread(what):
    known = knowing(entry(3, "template", "plan", what))
    for number in range(50):
        claims = {"sid": f"sess_{number}", "sub": "u"}
        assert known.latest(claims, NOW + moment(claims["sid"], MAX_SPREAD) - 0.001) == 0
        assert known.latest(claims, NOW + MAX_SPREAD) == 3


def test_changes_that_spread_at_the_same_time_are_kept_apart():
    known = knowing(
        entry(1, "template", "a", spread_over(10)), entry(2, "template", "b", spread_over(30))
    )
    sid = next(f"s{n}" for n in range(99) if 0.4 < moment(f"s{n}", 1) < 0.6)
    claims = {"sid": sid, "sub": "u"}
    seen = [known.latest(claims, NOW + second) for second in (0, 8, 30)]
    assert seen == [0, 1, 2]


# --- forgetting ---------------------------------------------------------------------------


def test_what_is_no_longer_in_the_log_is_forgotten_once_there_is_much(monkeypatch):
    monkeypatch.setattr(module, "_FEW", 10)
    known = Known("store")
    known.enter(entry(number, "session", f"sess_{number}") for number in range(1, 101))
    known.clear(oldest=91)
    assert len(known) == 10
    assert known.latest({"sid": "sess_90", "sub": "u"}, NOW) == 0
    assert known.latest({"sid": "sess_91", "sub": "u"}, NOW) == 91
    assert (known.oldest, known.newest, known.position) == (91, 100, 100)


@pytest.mark.parametrize("subject", ["session", "user", "organization"])
def test_all_that_is_remembered_by_name_is_bounded_by_the_live_log(subject):
    known = Known("store")
    most = 0
    for start in range(0, 30_000, 500):
        known.enter(entry(start + n, subject, f"key_{start + n}") for n in range(1, 501))
        known.clear(oldest=max(1, start))
        most = max(most, len(known))
    assert most <= 3 * 1_024


def test_few_are_never_looked_through():
    known = knowing(entry(1, "session", "sess_1"), entry(2, "session", "sess_2"))
    known.clear(oldest=2)
    assert known.latest(MINE, NOW) == 1, "an old token may be loaded once more, no harm"
    assert known.oldest == 2


def test_a_change_that_spread_is_forgotten_with_its_entry():
    first = entry(1, "template", "a", spread_over(30))
    known = knowing(first, entry(2, "template", "b", spread_over(30)))
    known.clear(oldest=2)
    assert known.latest(LONELY, NOW + 60) == 2
    known.clear(oldest=3)
    assert known.latest(LONELY, NOW + 60) == 0
