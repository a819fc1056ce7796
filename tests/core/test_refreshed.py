"""What a session's newer token changed: told once, to one, and only by names."""

from __future__ import annotations

import pickle
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import Any

import pytest

from flask_session_claims.core.claims import PROTECTED_NAMES
from flask_session_claims.core.jsontext import freeze, parse_object
from flask_session_claims.core.refreshed import SeenClaims

KEY = bytes(32)


@pytest.fixture
def seen() -> SeenClaims:
    return SeenClaims(100, KEY)


@pytest.mark.parametrize(("before", "after", "changed"), [
    ({}, {}, None),
    ({"plan": "free"}, {"plan": "free"}, None),
    ({"plan": "free"}, {"plan": "pro"}, {"plan"}),
    ({}, {"plan": None}, {"plan"}),
    ({"plan": None}, {}, {"plan"}),
    ({"plan": None}, {"plan": False}, {"plan"}),
    ({"n": 1}, {"n": True}, {"n"}),
    ({"n": 1}, {"n": "1"}, {"n"}),
    ({"n": 0}, {"n": None}, {"n"}),
    ({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": 5}, {"a", "c", "d"}),
    ({"a": {"x": 1, "y": [1, 2]}}, {"a": {"y": [1, 2], "x": 1}}, None),
    ({"a": {"x": 1, "y": [1, 2]}}, {"a": {"x": 1, "y": [2, 1]}}, {"a"}),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, None),
    ({"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a", "b"}),
    ({"name": "Zoë 🐍"}, {"name": "Zoe 🐍"}, {"name"}),
    ({"": 1}, {"": 2}, {""}),
])  # fmt: skip
def test_a_newer_token_tells_which_claims_it_changed(seen, before, after, changed):
    assert seen.note("sess_1", 100, freeze(before)) is None
    assert seen.note("sess_1", 101, freeze(after)) == changed
    assert seen.note("sess_1", 102, freeze(after)) is None


@pytest.mark.parametrize(
    "name", [*sorted(PROTECTED_NAMES), "auth_time", "nonce", "at_hash", "c_hash"]
)
def test_what_the_issuer_alone_writes_is_no_custom_claim(seen, name):
    seen.note("sess_1", 100, {name: 1})
    assert seen.note("sess_1", 101, {name: 2}) is None
    assert seen.note("sess_1", 102, {}) is None


@pytest.mark.parametrize("issued_at", [100, 99, 99.9, 0, -1])
def test_a_token_that_is_not_newer_tells_nothing_and_changes_nothing(seen, issued_at):
    seen.note("sess_1", 100, {"plan": "free"})
    assert seen.note("sess_1", issued_at, {"plan": "pro"}) is None
    assert seen.note("sess_1", 101, {"plan": "free"}) is None
    assert seen.note("sess_1", 101.5, {"plan": "pro"}) == {"plan"}


def test_sessions_are_told_apart(seen):
    seen.note("sess_1", 100, {"plan": "free"})
    assert seen.note("sess_2", 101, {"plan": "pro"}) is None
    assert seen.note("sess_1", 101, {"plan": "free"}) is None


@pytest.mark.parametrize(("session_id", "issued_at"), [(None, 100), ("sess_1", None), (None, None)])
def test_without_a_session_or_a_time_nothing_is_kept(seen, session_id, issued_at):
    for plan in ("free", "pro"):
        assert seen.note(session_id, issued_at, {"plan": plan}) is None
    assert len(seen) == 0


def test_a_size_of_nought_turns_it_off():
    seen = SeenClaims(0, KEY)
    for now in (1, 2):
        assert seen.note("sess_1", now, {"n": now}) is None
    assert len(seen) == 0


def test_the_session_that_was_quiet_longest_leaves_first():
    seen = SeenClaims(2, KEY)
    for session_id, now in [("a", 1), ("b", 1), ("a", 2), ("c", 1)]:
        seen.note(session_id, now, {"n": 0})
    assert len(seen) == 2
    assert seen.note("a", 3, {"n": 1}) == {"n"}
    assert seen.note("b", 3, {"n": 1}) is None  # forgotten, so met as new
    assert seen.note("c", 3, {"n": 1}) is None


def test_any_number_of_sessions_takes_no_more_room_than_the_bound():
    seen = SeenClaims(50, KEY)
    for number in range(20_000):
        seen.note(f"sess_{number}", 1, {})
        assert len(seen) <= 50


def test_values_are_not_kept_and_their_digests_are_of_this_process_alone():
    value = "ada@example.com"
    tables = [SeenClaims(10, bytes([number]) * 32) for number in range(2)]
    for table in tables:
        table.note("sess_1", 1, {"email": value, "admin": True})
    held = [pickle.dumps(table._sessions) for table in tables]
    assert all(value.encode() not in text for text in held)
    assert held[0] != held[1]


class Interrupted(dict[str, Any]):
    """Claims during whose reading another thread runs to its end."""

    def __init__(self, claims: dict[str, Any], other: Any) -> None:
        super().__init__(claims)
        self.other = other

    def items(self) -> Any:
        self.other()
        return super().items()


NOTES = [(100, "free"), (110, "pro"), (110, "pro"), (120, "team"), (130, "team")]


@pytest.mark.parametrize("order", list(permutations(range(5))), ids=str)
def test_interrupted_by_others_each_change_is_told_once_and_in_order(seen, order):
    """Five tokens, each of which is interrupted by all that come after it in the order."""
    told: list[tuple[int, Any]] = []

    def run(rest: tuple[int, ...]) -> None:
        if rest:
            issued_at, plan = NOTES[rest[0]]
            claims = Interrupted({"plan": plan}, lambda: run(rest[1:]))
            changed = seen.note("sess_1", issued_at, claims)
            if changed:
                told.append((issued_at, changed))

    seen.note("sess_1", 90, {"plan": "free"})
    run(order)
    times = [issued_at for issued_at, _ in told]
    assert times == sorted(set(times))
    assert {changed for _, changed in told} <= {frozenset({"plan"})}
    # Whoever is last in time had to get through, or was told before.
    assert seen.note("sess_1", 131, {"plan": "team"}) is None
    assert 1 <= len(told) <= 2


def test_in_many_threads_each_change_is_told_once():
    seen, sessions, steps, threads = SeenClaims(1_000, KEY), 20, 30, 8
    start = threading.Barrier(threads)
    tokens = [(f"sess_{s}", step, {"n": step, "same": "x"})
              for step in range(steps) for s in range(sessions)]  # fmt: skip

    def run(seed: int) -> list[tuple[str, int]]:
        mine = tokens[:]
        random.Random(seed).shuffle(mine)
        if seed % 2:
            mine.sort(key=lambda token: token[1])
        start.wait(10)
        return [(sid, now) for sid, now, claims in mine if seen.note(sid, now, claims)]

    with ThreadPoolExecutor(threads) as pool:
        told = [one for many in pool.map(run, range(threads)) for one in many]
    assert len(told) == len(set(told)) > 0
    for s in range(sessions):
        assert seen.note(f"sess_{s}", steps, {"n": steps - 1, "same": "x"}) is None


def test_claims_as_they_are_parsed_can_be_noted(seen):
    deep = b'{"a":' * 63 + b'{"n":%d}' + b"}" * 63
    for number in (1, 2):
        claims = parse_object(deep % number)
        assert seen.note("sess_1", number, claims) == (None if number == 1 else {"a"})
