"""What listeners are told: names, units and attributes; and that nobody else pays for it."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from flask_session_claims import ConfigurationError, UnavailableError
from flask_session_claims.core.asks import BeginFetch
from flask_session_claims.io import metrics as module
from flask_session_claims.io.executor import StoreThreads
from flask_session_claims.io.metrics import Measurement, Metrics, opentelemetry_listener
from flask_session_claims.sessions.records import (
    Commit,
    CountRecords,
    FindDue,
    FindRecords,
    LoadRecord,
    Put,
    ReadLog,
    record_handlers,
)
from flask_session_claims.stores.faults import StoreUnavailable
from flask_session_claims.stores.memory import MemoryStore

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ASKS = {
    "load": LoadRecord("session", "s"),
    "find": FindRecords("session", "user", "ada"),
    "due": FindDue("session", 1.0),
    "count": CountRecords("session"),
    "commit": Commit((Put("session", "s", 0, b"{}"),)),
    "log": ReadLog(0),
}


def heard_by(metrics: Metrics) -> list[Measurement]:
    heard: list[Measurement] = []
    metrics.add(heard.append)
    return heard


class BrokenStore(MemoryStore):
    """A store that fails in the way it is told."""

    error: BaseException = StoreUnavailable("store-locked", "sqlite:///x.db")

    def load(self, kind: str, key: str) -> Any:
        raise self.error


def perform(metrics: Metrics, store: MemoryStore, ask: Any, form: str) -> Any:
    """One act of the store, measured, as sync and as async code has it done."""
    handlers = record_handlers(store)
    if form == "sync":
        return metrics.measured(handlers)[type(ask)](ask)
    handler = metrics.ameasured(StoreThreads().perform(handlers))[type(ask)]

    async def play() -> Any:
        return await handler(ask)

    return asyncio.run(play())


both = pytest.mark.parametrize("form", ["sync", "async"])


# --- the store ----------------------------------------------------------------------------


@both
@pytest.mark.parametrize("operation", ASKS)
def test_each_act_of_the_store_is_timed(operation, form):
    metrics, store = Metrics(), MemoryStore()
    heard = heard_by(metrics)
    expected = dict(record_handlers(MemoryStore()))[type(ASKS[operation])](ASKS[operation])
    result = perform(metrics, store, ASKS[operation], form)
    assert type(result) is type(expected)
    (one,) = heard
    assert (one.name, one.unit) == ("session_claims.store.duration", "s")
    assert one.attributes == {"operation": operation, "outcome": "ok"}
    assert 0 < one.value < 5


@both
def test_a_commit_that_came_second_is_lost(form):
    metrics, store = Metrics(), MemoryStore()
    assert perform(metrics, store, ASKS["commit"], form)
    heard = heard_by(metrics)
    assert not perform(metrics, store, ASKS["commit"], form)
    assert heard[0].attributes == {"operation": "commit", "outcome": "lost"}


@both
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StoreUnavailable("store-locked", "sqlite:///x.db"), "store-locked"),
        (ConfigurationError("no", code="store-foreign"), "store-foreign"),
        (OSError("no"), "error"),
    ],
    ids=["unavailable", "configuration", "other"],
)
def test_an_act_that_fails_is_timed_with_its_code(error, outcome, form):
    metrics, store = Metrics(), BrokenStore()
    store.error = error
    heard = heard_by(metrics)
    with pytest.raises(type(error)):
        perform(metrics, store, ASKS["load"], form)
    assert heard[0].attributes == {"operation": "load", "outcome": outcome}


@both
def test_a_store_that_cannot_be_had_is_logged_even_if_nobody_listens(form, caplog):
    metrics, store = Metrics(), BrokenStore()
    for _ in range(12):
        with pytest.raises(UnavailableError):
            perform(metrics, store, ASKS["load"], form)
    assert [record.event for record in caplog.records] == ["store-unavailable"] * 10
    assert caplog.records[0].levelno == logging.WARNING
    assert caplog.records[0].session_claims["reason"] == "store-locked"


def test_a_caller_that_has_gone_is_told_as_cancelled():
    metrics = Metrics()
    heard = heard_by(metrics)

    async def forever(ask: Any) -> None:
        await asyncio.sleep(60)

    async def play() -> None:
        call = asyncio.ensure_future(metrics.ameasured({LoadRecord: forever})[LoadRecord](None))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])

    asyncio.run(play())
    assert heard[0].attributes == {"operation": "load", "outcome": "cancelled"}


def test_the_time_of_an_async_act_includes_the_queue():
    metrics = Metrics()
    heard = heard_by(metrics)
    threads = StoreThreads(threads=1)
    handlers = {LoadRecord: lambda ask: __import__("time").sleep(0.1)}

    async def play() -> None:
        act = metrics.ameasured(threads.perform(handlers))[LoadRecord]
        await asyncio.gather(act(None), act(None))

    asyncio.run(play())
    assert sorted(one.value for one in heard)[1] > 0.19


def test_an_act_that_is_not_the_stores_has_no_name_of_its_own():
    metrics = Metrics()
    heard = heard_by(metrics)
    metrics.measured({BeginFetch: lambda ask: None})[BeginFetch](None)
    assert heard[0].attributes["operation"] == "other"


# --- events -------------------------------------------------------------------------------


def test_refusals_are_counted_by_reason_and_source_without_limit():
    metrics = Metrics()
    heard = heard_by(metrics)
    for _ in range(100):
        metrics.refused("token-expired", "cookie")
    assert len(heard) == 100
    assert heard[0] == Measurement(
        "session_claims.token.refusals",
        1,
        "{token}",
        {"reason": "token-expired", "source": "cookie"},
    )


@pytest.mark.parametrize(
    ("event", "name", "attributes"),
    [
        ("session_created", "session.created", {}),
        ("session_refreshed", "session.refreshed", {}),
        ("refresh_retried", "session.refresh_retried", {}),
        ("session_revoked", "session.revoked", {"reason": "sign-out"}),
        ("refresh_token_reused", "refresh_token.reused", {}),
        ("refresh_token_ahead", "refresh_token.ahead", {}),
        ("claims_refreshed", "claims.refreshed", {}),
        ("claims_oversize", "claims.oversize", {}),
        ("keys_rotated", "keys.rotated", {}),
        ("something_new", "something_new", {}),
    ],
)
def test_what_an_issuer_tells_is_counted_without_whose_session_it_is(event, name, attributes):
    metrics = Metrics()
    heard = heard_by(metrics)
    metrics.told(
        event, {"session_id": "sess_1", "user_id": "ada", "reason": "sign-out", "kid": "key_1"}
    )
    assert [(one.name, one.value, one.attributes) for one in heard] == [
        (f"session_claims.{name}", 1, attributes)
    ]


@pytest.mark.parametrize(
    ("event", "data", "name", "attributes"),
    [
        ("keys-fetched", {"count": 1}, "keys.fetches", {"outcome": "ok"}),
        (
            "keys-failed",
            {"problem": "no", "serving_last": False},
            "keys.fetches",
            {"outcome": "failed"},
        ),
        (
            "keys-failed",
            {"problem": "no", "serving_last": True},
            "keys.fetches",
            {"outcome": "stale"},
        ),
        ("keys-skipped", {"problem": "no"}, "keys.skipped", {}),
    ],
)
def test_fetches_of_keys_are_counted_by_outcome(event, data, name, attributes):
    metrics = Metrics()
    heard = heard_by(metrics)
    metrics.keys(event, address="https://issuer.example/jwks", **data)
    assert [(one.name, one.attributes) for one in heard] == [(f"session_claims.{name}", attributes)]


def test_whoever_counts_gives_a_name_and_codes():
    metrics = Metrics()
    heard = heard_by(metrics)
    metrics.count("feed.polls", outcome="ok")
    metrics.count("feed.entries", 3, unit="{entry}")
    metrics.time("feed.poll.duration", 0.25, outcome="ok")
    metrics.fetched(0.5, "failed")
    assert heard == [
        Measurement("session_claims.feed.polls", 1, "{event}", {"outcome": "ok"}),
        Measurement("session_claims.feed.entries", 3, "{entry}", {}),
        Measurement("session_claims.feed.poll.duration", 0.25, "s", {"outcome": "ok"}),
        Measurement("session_claims.keys.fetch.duration", 0.5, "s", {"outcome": "failed"}),
    ]


@pytest.mark.parametrize(
    "value",
    ["eyJhbGciOiJub25lIn0.e30.x", "ada@example.com", "", "A", "a" * 49, "a b", "a\n", "1a", "é"],
)
def test_an_attribute_that_is_no_code_is_not_told(value):
    metrics = Metrics()
    heard = heard_by(metrics)
    metrics.count("x", reason=value)
    assert heard[0].attributes == {"reason": "other"}


def test_an_attribute_has_no_more_than_fifty_values():
    metrics = Metrics()
    heard = heard_by(metrics)
    for _ in range(2):
        for number in range(1_000):
            metrics.count("x", reason=f"made-up-{number}")
    told = [one.attributes["reason"] for one in heard]
    assert set(told) == {"other", *(f"made-up-{number}" for number in range(50))}
    assert told[1_000:1_050] == told[:50]


def test_the_page_lists_every_metric_with_its_unit_and_attributes():
    text = PAGE.read_text("utf-8").partition("## The store")[0]
    rows = re.findall(r"^\| `([a-z_.]+)` \| `([^`]+)` \| ([^|]*) ?\|", text, re.MULTILINE)
    listed = {name: (unit, set(re.findall(r"`(\w+)`", given))) for name, unit, given in rows}
    metrics = Metrics()
    heard = heard_by(metrics)
    for event in module._TOLD:
        metrics.told(event, {"session_id": "sess_1", "reason": "cap", "kid": "key_1"})
    metrics.keys("keys-fetched", address="https://issuer.example", count=1)
    metrics.keys("keys-skipped", address="https://issuer.example", problem="no")
    metrics.fetched(1.0, "ok")
    metrics.refused("token-expired", "cookie")
    perform(metrics, MemoryStore(), ASKS["load"], "sync")
    assert listed == {one.name: (one.unit, set(one.attributes)) for one in heard}


# --- who listens --------------------------------------------------------------------------


def test_nothing_is_measured_while_nobody_listens(monkeypatch):
    def measured(*arguments: Any) -> None:
        raise AssertionError("measured for nobody")

    monkeypatch.setattr(module, "Measurement", measured)
    monkeypatch.setattr(module.time, "perf_counter", measured)
    metrics = Metrics()
    for act in ASKS.values():
        perform(metrics, MemoryStore(), act, "sync")
    with pytest.raises(UnavailableError):
        perform(metrics, BrokenStore(), ASKS["load"], "sync")
    metrics.count("x", reason="y")
    metrics.time("x", 1.0)
    metrics.fetched(1.0, "ok")
    metrics.refused("token-expired", "cookie")
    metrics.told("session_revoked", {"session_id": "s", "reason": "cap"})
    metrics.keys("keys-fetched", address="https://issuer.example", count=1)


def test_a_listener_that_fails_is_logged_and_stops_nobody(caplog):
    metrics = Metrics()

    @metrics.add
    def broken(measurement: Measurement) -> None:
        raise LookupError("nobody home")

    heard = heard_by(metrics)
    for _ in range(20):
        metrics.count("x")
    assert len(heard) == 20
    assert [record.event for record in caplog.records] == ["listener-failed"] * 10
    assert caplog.records[0].exc_info[1].args == ("nobody home",)
    metrics.remove(broken)
    caplog.clear()
    metrics.count("x")
    assert len(heard) == 21
    assert caplog.records == []


# --- OpenTelemetry ------------------------------------------------------------------------


def test_opentelemetry_records_times_as_histograms_and_the_rest_as_counters():
    export = pytest.importorskip("opentelemetry.sdk.metrics.export")
    sdk = pytest.importorskip("opentelemetry.sdk.metrics")
    reader = export.InMemoryMetricReader()
    provider = sdk.MeterProvider([reader])
    metrics = Metrics()
    metrics.add(opentelemetry_listener(provider))
    store = MemoryStore()
    for _ in range(3):
        perform(metrics, store, ASKS["commit"], "sync")
    for reason in ("cap", "cap", "sign-out"):
        metrics.told("session_revoked", {"session_id": "s", "reason": reason})
    metrics.time("feed.poll.duration", 0.25)
    (resource,) = reader.get_metrics_data().resource_metrics
    (scope,) = resource.scope_metrics
    assert scope.scope.name == "flask_session_claims"
    found = {metric.name: metric for metric in scope.metrics}
    duration = found["session_claims.store.duration"]
    assert duration.unit == "s"
    points = {point.attributes["outcome"]: point for point in duration.data.data_points}
    assert {outcome: point.count for outcome, point in points.items()} == {"ok": 1, "lost": 2}
    assert points["ok"].explicit_bounds[0] == 0.0001
    revoked = found["session_claims.session.revoked"]
    assert revoked.unit == "{session}"
    assert {p.attributes["reason"]: p.value for p in revoked.data.data_points} == {
        "cap": 2, "sign-out": 1,
    }  # fmt: skip
    (poll,) = found["session_claims.feed.poll.duration"].data.data_points
    assert poll.sum == 0.25
    provider.shutdown()


def test_without_opentelemetry_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    with pytest.raises(ConfigurationError, match=r"flask-session-claims\[otel\]"):
        opentelemetry_listener()
