"""A change from outside reaches every worker within a second, and costs no session reads.

FSC_TRIALS=200 is the long form; FSC_FIGURES names a file that the figures are added to.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stores.places import SHARED, fresh_url

from .servers import GEVENT, GTHREAD, KINDS, PRELOAD, SYNC, UVICORN, Kind, Line, Server
from .trials import (
    ACTS,
    AFTER,
    CHANGED,
    INTERVAL,
    MAX_AGE,
    ORGANIZATION,
    SHORT,
    TRIALS,
    Act,
    Outside,
    Trial,
    Visitor,
    Watch,
    assert_kept,
    percentile,
)

pytestmark = pytest.mark.slow
#: Seconds more that a busy machine may need to ask and to answer; twice that where it is chance
#: which worker is met.
SLACK = 0.5
USUAL = (SYNC, GTHREAD, GEVENT, PRELOAD)


def combinations() -> list[Any]:
    """Every way to serve on every store; in the short form only the usual ones on each."""
    return [
        pytest.param(kind, *store.values, id=f"{kind.name}, {store.values[0]}", marks=store.marks)
        for index, kind in enumerate(KINDS)
        for at, store in enumerate(map(parameter, SHARED))
        if TRIALS > SHORT or kind in USUAL or at == index % len(SHARED)
    ]


def parameter(store: Any) -> Any:
    return pytest.param(store) if isinstance(store, str) else store


@pytest.mark.parametrize(("kind", "store"), combinations())
def test_every_worker_shows_a_change_within_a_second(
    kind: Kind, store: str, tmp_path: Path
) -> None:
    url = fresh_url(store, tmp_path)
    with Outside(url) as outside, Server(kind, url, outside.cookie, tmp_path) as server:
        trials = [Trial(outside.sign_in(), ACTS[turn % len(ACTS)]) for turn in range(TRIALS)]
        unchanged = [outside.sign_in() for _ in range(5)]
        with Watch(server, trials, unchanged) as watch:
            begun = time.monotonic()
            watch.run(outside)
            ended = time.monotonic()
        counts = server.meet(kind.workers)

    took = [trial.took for trial in trials]
    changed = {trial.visitor.session_id for trial in trials}
    looks = [looks_within(count, begun, ended) for count in counts.values()]
    figures = {
        "kind": kind.name,
        "workers": kind.workers,
        "store": store,
        "trials": len(trials),
        "p50": round(percentile(took, 50), 3),
        "p99": round(percentile(took, 99), 3),
        "max": round(max(took), 3),
        "last old answer": round(max(trial.late for trial in trials), 3),
        "unchanged read": sum(
            times
            for count in counts.values()
            for session_id, times in count["loaded"].items()
            if session_id not in changed
        ),
        "changed read": max(max(count["loaded"].values()) for count in counts.values()),
        "looks per interval": round(max(looks) / ((ended - begun) / INTERVAL), 2),
    }
    note(figures)
    assert_kept(trials)
    assert figures["p99"] <= MAX_AGE + (SLACK if kind.keeps else 2 * SLACK)
    assert figures["unchanged read"] == 0
    assert figures["changed read"] == 1
    # Two more: a look may have been due just as the time began, and as it ended.
    assert max(looks) <= (ended - begun) / INTERVAL + 2


class Within:
    """Changes sessions by requests, so within the worker that answers."""

    def __init__(self, lines: Mapping[int, Line]) -> None:
        self._lines = list(lines.items())

    def merge(self, one: Visitor) -> bool:
        pid, line = random.choice(self._lines)
        assert line.ask(one.token, f"/plan/{AFTER}", "POST").pid == pid
        shown = line.ask(one.token).said
        assert shown == {"pid": pid, "plan": AFTER, "org": ORGANIZATION, "reason": None}
        return True

    def close(self) -> None:
        for _, line in self._lines:
            line.close()


@pytest.mark.parametrize(
    ("kind", "store"),
    [
        pytest.param(UVICORN, "sqlite", id=UVICORN.name),
        pytest.param(GEVENT, "redis", id=GEVENT.name, marks=pytest.mark.needs_service),
    ],
)
def test_a_change_within_a_worker_is_shown_there_at_once_and_elsewhere_soon(
    kind: Kind, store: str, tmp_path: Path
) -> None:
    url = fresh_url(store, tmp_path)
    with Outside(url) as outside, Server(kind, url, outside.cookie, tmp_path) as server:
        act: Act = ("merge_session_claims", Within.merge, CHANGED)
        trials = [Trial(outside.sign_in(), act) for _ in range(SHORT)]
        within = Within(server.lines())
        with Watch(server, trials, [outside.sign_in()]) as watch:
            watch.run(within)
        within.close()
    assert_kept(trials)


def looks_within(count: Mapping[str, Any], begun: float, ended: float) -> int:
    return sum(begun <= at <= ended for at in count["looks"])


def note(figures: Mapping[str, object]) -> None:
    line = json.dumps(figures)
    print(line)  # noqa: T201
    if "FSC_FIGURES" in os.environ:
        with open(os.environ["FSC_FIGURES"], "a") as file:
            file.write(line + "\n")
