"""Workers that are killed, stopped or replaced in the middle: nobody is signed out, and nobody
whose session was ended is let in."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.stores.places import fresh_url

from .servers import GEVENT, GTHREAD, PRELOAD, SYNC, UVICORN, Kind, Server
from .trials import ACTS, MAX_AGE, Crowd, Outside, Trial, assert_kept

pytestmark = pytest.mark.slow
STOPPED = 3.0  # seconds
name_of = lambda kind: kind.name  # noqa: E731


def on(kind: Kind, store: str) -> Any:
    marks = () if store == "sqlite" else pytest.mark.needs_service
    return pytest.param(kind, store, id=f"{kind.name}, {store}", marks=marks)


@contextmanager
def crowded(
    kind: Kind, url: str, folder: Path
) -> Generator[tuple[Server, Outside, Crowd, Sequence[Trial]], None, None]:
    """A server, with a crowd that asks for sessions of which some have been changed already."""
    with Outside(url) as outside, Server(kind, url, outside.cookie, folder) as server:
        trials = [Trial(outside.sign_in(), ACTS[turn % len(ACTS)]) for turn in range(12)]
        unchanged = [outside.sign_in() for _ in range(5)]
        for trial in trials[:4]:
            trial.do(outside)
        with Crowd(server, trials, unchanged) as crowd:
            crowd.meet(kind.workers)
            yield server, outside, crowd, trials
            # Whatever workers there are now, they show everything that was done.
            time.sleep(MAX_AGE)
            crowd.meet(kind.workers, since=time.monotonic())
            for trial in trials:
                line = server.line()
                trial.note(line.ask(trial.visitor.token))
                line.close()
        assert_kept(trials)


@pytest.mark.parametrize("kind", [PRELOAD, UVICORN], ids=name_of)
def test_a_worker_in_place_of_a_killed_one_knows_all_at_once(kind: Kind, tmp_path: Path) -> None:
    with crowded(kind, fresh_url("sqlite", tmp_path), tmp_path) as (_, outside, crowd, trials):
        for killed, part in zip(list(crowd.met)[:2], (trials[4:8], trials[8:]), strict=True):
            known = len(crowd.met)
            part[0].do(outside)
            os.kill(killed, signal.SIGKILL)
            for trial in part[1:]:
                trial.do(outside)
            crowd.meet(known + 1)
        # Those whom the killed were about to answer; nobody else.
        assert crowd.unanswered <= 2 * crowd.size


@pytest.mark.parametrize("kind", [SYNC, GTHREAD, UVICORN], ids=name_of)
def test_a_graceful_reload_signs_nobody_out_and_lets_nobody_in(kind: Kind, tmp_path: Path) -> None:
    with crowded(kind, fresh_url("sqlite", tmp_path), tmp_path) as (server, outside, crowd, trials):
        server.reload()
        for trial in trials[4:]:
            time.sleep(random.uniform(0, 0.1))
            trial.do(outside)
        crowd.meet(2 * kind.workers)


@pytest.mark.parametrize(
    ("kind", "store"),
    [
        on(SYNC, "sqlite"),
        on(UVICORN, "sqlite"),
        on(GTHREAD, "postgresql"),
        on(GEVENT, "redis"),
    ],
)
def test_the_first_answer_of_a_worker_that_was_stopped_is_not_of_before(
    kind: Kind, store: str, tmp_path: Path
) -> None:
    url = fresh_url(store, tmp_path)
    with crowded(replace(kind, workers=2), url, tmp_path) as (server, outside, _, trials):
        for part, seconds in ((trials[4:8], STOPPED), (trials[8:], 1.2)):
            workers = list(server.meet(2))
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
            try:
                for trial in part:
                    trial.do(outside)
                time.sleep(seconds)
                lines = [server.line() for _ in range(len(part) * 3)]
                for turn, line in enumerate(lines):
                    line.send(part[turn % len(part)].visitor.token)
            finally:
                for pid in workers:
                    os.kill(pid, signal.SIGCONT)
            for turn, line in enumerate(lines):
                part[turn % len(part)].note(line.take())
                line.close()
