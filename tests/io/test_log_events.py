"""The names of the log events, which operators rely on; and that a flood does not fill the log."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import flask_session_claims
from flask_session_claims import UnavailableError
from flask_session_claims.io.logs import (
    EVENTS,
    LONGEST,
    Limit,
    log,
    session_event,
    store_unavailable,
    token_refused,
)
from flask_session_claims.testing import FrozenClock

PACKAGE = Path(flask_session_claims.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
#: A row of a table on that page: `name` | LEVEL | `field` `field`.
ROW = re.compile(r"^\| `([a-z-]+)` \| (\w+)[^|]* \| ([^|]*) \|", re.MULTILINE)


class Kept(logging.Handler):
    """Keeps the records that come."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def said(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept, ours = Kept(), logging.getLogger("flask_session_claims")
    before = ours.level
    ours.addHandler(kept)
    ours.setLevel(logging.DEBUG)
    yield kept
    ours.setLevel(before)
    ours.removeHandler(kept)


# --- names --------------------------------------------------------------------------------


def test_the_page_lists_every_event_with_its_level_and_fields():
    text = PAGE.read_text("utf-8").partition("## Log events")[2]
    listed = {
        name: (level, set(re.findall(r"`(\w+)`", fields)))
        for name, level, fields in ROW.findall(text)
    }
    assert listed == {
        name: (logging.getLevelName(event.level), set(re.findall(r"%\((\w+)\)", event.text)))
        for name, event in EVENTS.items()
    }


def logged() -> Iterator[tuple[str, str]]:
    """The first arguments of all calls of `log`, with the file that has them."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = node.func
                name = called.attr if isinstance(called, ast.Attribute) else None
                name = called.id if isinstance(called, ast.Name) else name
                if name == "log" and isinstance(node.args[0].value, str):
                    yield path.name, node.args[0].value


def test_no_event_is_logged_that_is_not_listed():
    found = list(logged())
    assert found
    assert [one for one in found if one[1] not in EVENTS] == []


def test_each_record_has_its_event_and_its_fields(kept):
    for name, event in EVENTS.items():
        log(name, **dict.fromkeys(re.findall(r"%\((\w+)\)", event.text), "x"))
        record = kept.records[-1]
        assert record.event == name
        assert record.levelno == event.level
        text = re.sub(r"%\(\w+\)[sr]", "x", event.text)
        assert record.getMessage().replace("'x'", "x") == text
        assert set(record.session_claims.values()) <= {"x"}


def test_what_an_issuer_tells_is_logged_without_whose_session_it_is(kept):
    data = {"session_id": "sess_1", "user_id": "ada", "reason": "cap", "claims": {"a": 1}}
    session_event("session_revoked", data)
    session_event("nothing_known", data)
    (record,) = kept.records
    assert (record.event, record.levelno) == ("session-revoked", logging.INFO)
    assert record.session_claims == {"session_id": "sess_1", "reason": "cap"}


# --- values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("k\r\nERROR root: forged", r"k\r\nERROR root: forged"),
        ("k\x1b[2J", r"k\x1b[2J"),
        ("k\u202egnp.exe", r"k\u202egnp.exe"),
        ("k\u2028forged", r"k\u2028forged"),
        ("k\ud800", r"k\ud800"),
        ("größer ✓", "größer ✓"),
        ("k" * 5_000, "k" * LONGEST + "…"),
        ("\n" * 5_000, "\\n" * (LONGEST // 2) + "…"),
    ],
    ids=["CR LF", "ESC", "bidi", "separator", "surrogate", "letters", "long", "long and odd"],
)
def test_a_value_stays_on_its_line_and_short(value, written, kept):
    log("keys-rotated", kid=value)
    (record,) = kept.records
    assert record.getMessage() == f"key {written} signs from now on"
    assert record.session_claims == {"kid": written}


# --- floods -------------------------------------------------------------------------------


def limited() -> tuple[Limit, FrozenClock]:
    clock = FrozenClock()
    return Limit(monotonic=clock.monotonic), clock


def test_of_a_flood_of_refusals_ten_are_logged_and_then_their_number(kept):
    limit, clock = limited()
    for _ in range(1_000):
        token_refused("token-invalid", "cookie", limit)
    assert [record.event for record in kept.records] == ["token-refused"] * 10
    clock.advance(10)
    token_refused("token-invalid", "cookie", limit)
    summary, refusal = kept.records[10:]
    assert summary.event == "records-left-out"
    assert summary.levelno == logging.DEBUG
    assert summary.session_claims == {
        "of": "token-refused", "reason": "token-invalid", "count": 990,
    }  # fmt: skip
    assert refusal.event == "token-refused"


def test_each_reason_has_a_limit_of_its_own(kept):
    limit, _ = limited()
    for reason in ["token-invalid"] * 20 + ["token-expired"] * 3:
        token_refused(reason, "header", limit)
    reasons = [record.reason for record in kept.records]
    assert (reasons.count("token-invalid"), reasons.count("token-expired")) == (10, 3)


def test_the_number_is_told_with_whatever_is_limited_next(kept):
    limit, clock = limited()
    for _ in range(12):
        store_unavailable(UnavailableError("The session store is busy.", code="busy"), limit)
    clock.advance(11)
    token_refused("token-expired", "header", limit)
    assert [record.event for record in kept.records[10:]] == ["records-left-out", "token-refused"]
    assert kept.records[10].levelno == logging.WARNING
    assert kept.records[10].session_claims["count"] == 2


def test_few_refusals_are_all_logged_and_none_is_said_to_be_left_out(kept):
    limit, clock = limited()
    for _ in range(10):
        for _ in range(10):
            token_refused("token-invalid", "header", limit)
        clock.advance(10)
    assert len(kept.records) == 100
    assert {record.event for record in kept.records} == {"token-refused"}


def test_what_is_not_logged_is_not_even_counted(kept):
    limit, clock = limited()
    logging.getLogger("flask_session_claims").setLevel(logging.ERROR)
    for _ in range(20):
        token_refused("token-invalid", "header", limit)
        store_unavailable(UnavailableError("The session store is busy.", code="busy"), limit)
    logging.getLogger("flask_session_claims").setLevel(logging.DEBUG)
    clock.advance(11)
    token_refused("token-invalid", "header", limit)
    assert len(kept.records) == 1
