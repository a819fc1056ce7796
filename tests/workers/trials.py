"""Trials of the promise: a change from outside, and what every worker says from then on.

Each worker is asked about each session all the time. The clock starts when the act has been
acknowledged to who asked for it, in this process, which serves nothing; it stops with the first
answer that shows the act, of the last worker to give one. So the requests' way and the pauses
between them are in the figures too. An answer that does not show the act, and was asked for later
than FEED_MAX_AGE after the acknowledgement, breaks the promise however busy the machine is:
nothing that a worker may go by is that old.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from flask import Flask

from flask_session_claims import SessionClaims

from .counted import SECRET_KEY
from .servers import Answer, Gone, Line, Server, until

if TYPE_CHECKING:
    from typing_extensions import Self

#: Trials of one way to serve on one store.
SHORT = 12
TRIALS = int(os.environ.get("FSC_TRIALS", SHORT))
INTERVAL, MAX_AGE = 0.5, 1.0  # seconds: FEED_INTERVAL and FEED_MAX_AGE as they are by themselves
BEFORE, AFTER = "free", "team"
ORGANIZATION = "org_1"
_CROWD = 2  # more who ask, whoever answers
_PAUSE = 0.008  # seconds between two rounds of questions
_SELDOM = 4  # rounds from one look at what should stay as it is to the next
_AT_A_TIME = 4  # trials that not every worker has shown yet
_GAP = 0.12  # seconds between two acts, at most


@dataclass(frozen=True)
class Visitor:
    """Somebody with a session token that is never replaced, whatever responses bring."""

    user_id: str
    session_id: str
    token: str = field(repr=False)


class Outside:
    """Another process that uses the library over the same store: this one."""

    def __init__(self, url: str) -> None:
        app = Flask(__name__)
        app.config.update(SECRET_KEY=SECRET_KEY, SESSION_CLAIMS_ISSUER="self")
        app.config["SESSION_CLAIMS_STORE"] = url
        claims = SessionClaims(app)
        self.sessions, self.directory = claims.sessions, claims.directory
        _ = claims.templates.save({"plan": "{{user.public_metadata.plan}}"})
        _ = self.directory.create_organization("One", org_id=ORGANIZATION)
        self._numbers = itertools.count(1)
        _ = self.sign_in()  # makes the store, whose id is in the cookie's name
        issuing = app.extensions["session_claims"].issuing
        self.cookie: str = issuing.issuer.cookies.session
        self._store = issuing.store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def sign_in(self) -> Visitor:
        """A member of an organisation, who has the plan that their metadata names."""
        user_id = f"user_{next(self._numbers)}"
        _ = self.directory.create_user(user_id, public_metadata={"plan": BEFORE})
        _ = self.directory.add_member(ORGANIZATION, user_id, "org:member")
        issued = self.sessions.create(user_id, org_id=ORGANIZATION)
        return Visitor(user_id, issued.session.session_id, issued.session_token)


#: A plan and an organisation; None: neither that, nor who it is.
Shown = tuple[str | None, str | None]
FIRST: Shown = BEFORE, ORGANIZATION
CHANGED: Shown = AFTER, ORGANIZATION
LEFT: Shown = BEFORE, None
NOBODY: Shown = None, None
#: An act from outside, and what is shown from then on.
Act = tuple[str, Callable[[Any, Visitor], object], Shown]
ACTS: Sequence[Act] = (
    ("revoke", lambda by, one: by.sessions.revoke(one.session_id), NOBODY),
    (
        "merge_claims",
        lambda by, one: by.sessions.merge_claims(one.session_id, {"plan": AFTER}),
        CHANGED,
    ),
    (
        "update_user_metadata",
        lambda by, one: by.directory.update_user_metadata(one.user_id, public={"plan": AFTER}),
        CHANGED,
    ),
    ("revoke_all", lambda by, one: by.sessions.revoke_all(one.user_id), NOBODY),
    (
        "merge_claims_for_user",
        lambda by, one: by.sessions.merge_claims_for_user(one.user_id, {"plan": AFTER}),
        CHANGED,
    ),
    ("remove_member", lambda by, one: by.directory.remove_member(ORGANIZATION, one.user_id), LEFT),
)


class Trial:
    """One act on one session, and what was seen of it."""

    def __init__(self, visitor: Visitor, act: Act) -> None:
        self.visitor = visitor
        self.name, self._act, self._after = act
        #: When it was acknowledged (monotonic seconds).
        self.done_at = math.inf
        #: Workers that have seen the session as it was before.
        self.met: set[int] = set()
        #: When each worker first showed the act.
        self.shown: dict[int, float] = {}
        #: Workers that have shown it when nothing else was allowed any more.
        self.settled: set[int] = set()
        #: When the last answer that did not show it was asked for.
        self.last_old = -math.inf
        #: What no worker may ever say.
        self.wrong: list[str] = []

    def do(self, by: Any) -> None:
        assert self._act(by, self.visitor)
        self.done_at = time.monotonic()

    def note(self, answer: Answer) -> None:
        shown, pid = shown_by(answer), answer.pid
        if shown == self._after:
            _ = self.shown.setdefault(pid, answer.at)
            if answer.sent > self.done_at + MAX_AGE:
                self.settled.add(pid)
        elif shown != FIRST:
            self.wrong.append(f"{self.name}: {answer.said}")
        elif answer.sent > self.shown.get(pid, math.inf):
            self.wrong.append(f"{self.name}: shown by {pid}, and then no more")
        else:
            self.met.add(pid)
            self.last_old = max(self.last_old, answer.sent)

    @property
    def took(self) -> float:
        """Seconds until the last worker showed it."""
        return max(self.shown.values()) - self.done_at

    @property
    def late(self) -> float:
        """Seconds after which somebody who asked was last told of what was before."""
        return self.last_old - self.done_at


class Askers:
    """Threads that ask until the block is over; what any of them meets is raised there."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def begin(self, ask: Callable[[int], object], line: Line) -> None:
        """Call it with 0, 1, 2, … in a thread."""

        def body() -> None:
            try:
                for turn in itertools.count():
                    if self.over.is_set():
                        break
                    _ = ask(turn)
                    time.sleep(_PAUSE)
            except BaseException as error:
                self.errors.append(error)
            line.close()

        thread = threading.Thread(target=body)
        thread.start()
        self._threads.append(thread)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, tb: TracebackType | None) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()
        if error is None and self.errors:
            raise self.errors[0]

    def until(self, done: Callable[[], bool], what: str) -> None:
        until(lambda: bool(self.errors) or done(), what)
        if self.errors:
            raise self.errors[0]


class Watch(Askers):
    """Asks every worker about every trial, and about sessions that never change, while it runs."""

    def __init__(
        self, server: Server, trials: Sequence[Trial], unchanged: Sequence[Visitor]
    ) -> None:
        super().__init__()
        self._server, self._trials, self._unchanged = server, trials, unchanged
        self._workers = server.kind.workers
        self._is_closing = False

    def __enter__(self) -> Self:
        if self._server.kind.keeps:
            for pid, line in self._server.lines().items():
                self.begin(partial(self._watch, line, pid), line)
        else:
            for line in [self._server.line() for _ in range(self._workers)]:
                self.begin(partial(self._watch, line, None), line)
        for line in [self._server.line() for _ in range(_CROWD)]:
            self.begin(partial(self._look_at_unchanged, line), line)
        return self

    def run(self, by: Any) -> None:
        """Every act, one after the other, and until every worker shows each."""
        self._all(lambda trial: trial.met, "every worker to know all")
        for trial in self._trials:
            # More at a time, and it would take longer to ask about all than what is measured.
            self.until(lambda: self._open() < _AT_A_TIME, "every worker to show the last ones")
            time.sleep(random.uniform(0, _GAP))
            trial.do(by)
        self._all(lambda trial: trial.shown, "every worker to show all")
        self._is_closing = True
        self._all(lambda trial: trial.settled, "a last look at all")

    def _open(self) -> int:
        acted = [trial for trial in self._trials if trial.done_at < math.inf]
        return sum(len(trial.shown) < self._workers for trial in acted)

    def _all(self, workers: Callable[[Trial], Collection[int]], what: str) -> None:
        self.until(
            lambda: all(len(workers(trial)) == self._workers for trial in self._trials), what
        )

    def _watch(self, line: Line, pid: int | None, turn: int) -> None:
        """Ask the worker `pid`; None: whoever answers."""
        asked = [trial for trial in self._trials if self._is_due(trial, pid)]
        if turn % _SELDOM == 0:  # whether a worker sticks to what it has shown
            acted = [trial for trial in self._trials if trial.done_at < math.inf]
            asked += random.sample(acted, min(1, len(acted)))
        for trial in asked:
            answer = line.ask(trial.visitor.token)
            trial.note(answer)
            # Some servers end a connection after a thousand answers.
            if pid is not None and answer.pid != pid:
                line.seek(pid)
        if turn % _SELDOM == 0:
            self._look_at_unchanged(line, turn // _SELDOM)

    def _is_due(self, trial: Trial, pid: int | None) -> bool:
        if math.isinf(trial.done_at):
            met: Collection[int] = trial.met
        else:
            met = trial.settled if self._is_closing else trial.shown
        return len(met) < self._workers if pid is None else pid not in met

    def _look_at_unchanged(self, line: Line, turn: int) -> None:
        assert_unchanged(line.ask(self._unchanged[turn % len(self._unchanged)].token))


class Crowd(Askers):
    """Many who ask about all trials and unchanged sessions, each time on a new connection.

    Workers may come and go meanwhile.
    """

    def __init__(
        self, server: Server, trials: Sequence[Trial], unchanged: Sequence[Visitor], size: int = 4
    ) -> None:
        super().__init__()
        self._server, self._trials, self._unchanged = server, trials, unchanged
        self.size = size
        #: When each worker was last met (monotonic seconds).
        self.met: dict[int, float] = {}
        #: Questions that nobody answered.
        self.unanswered = 0

    def __enter__(self) -> Self:
        for line in [self._server.line() for _ in range(self.size)]:
            self.begin(partial(self._ask, line), line)
        return self

    def meet(self, workers: int, since: float = -math.inf) -> None:
        """Wait until so many workers have been met, gone ones too, since that moment."""
        self.until(
            lambda: sum(at > since for at in list(self.met.values())) >= workers,
            f"{workers} workers",
        )

    def _ask(self, line: Line, turn: int) -> None:
        trial = self._trials[turn % len(self._trials)] if turn % 2 else None
        visitor = trial.visitor if trial else self._unchanged[turn % len(self._unchanged)]
        line.close()
        try:
            answer = line.ask(visitor.token)
        except Gone:
            self.unanswered += 1
            return
        if trial is None:
            assert_unchanged(answer)
        else:
            trial.note(answer)
        self.met[answer.pid] = max(answer.at, self.met.get(answer.pid, 0))


def shown_by(answer: Answer) -> Shown:
    return answer.said["plan"], answer.said["org"]


def assert_unchanged(answer: Answer) -> None:
    assert (shown_by(answer), answer.said["reason"]) == (FIRST, None)


def assert_kept(trials: Sequence[Trial]) -> None:
    """What was promised of the trials was kept by every answer."""
    assert not [wrong for trial in trials for wrong in trial.wrong]
    late = [trial for trial in trials if trial.late >= MAX_AGE]
    assert not late, [(trial.name, trial.late) for trial in late]


def percentile(values: Sequence[float], percent: float) -> float:
    """The least of them that so many percent do not exceed."""
    ranked = sorted(values)
    return ranked[math.ceil(len(ranked) * percent / 100) - 1]
