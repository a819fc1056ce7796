"""The simulated hour of `simulation.py`: time, visitors, the store's log, and who looks at it.

Feeds, checks and overlays are the library's own, one set a worker. A request that cannot meet a
change, because its session has none, does nothing but look at the log when it is its turn; only a
sample of those is played. The same seed gives the same hour.
"""

from __future__ import annotations

import heapq
import json
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import common

from flask_session_claims import TokenError
from flask_session_claims.core.flow import run
from flask_session_claims.core.freshness import Standing
from flask_session_claims.core.jsontext import FrozenDict
from flask_session_claims.sessions.claims import NO_LAYERS
from flask_session_claims.sessions.feed import Feed
from flask_session_claims.sessions.known import MAX_SPREAD, spread_over
from flask_session_claims.sessions.limits import LOG_LIFETIME
from flask_session_claims.sessions.model import SESSION, Session, State, encode, log_entry
from flask_session_claims.sessions.records import (
    LOG_PAGE,
    LoadRecord,
    LogEntry,
    LogPage,
    ReadLog,
    Record,
)
from flask_session_claims.sessions.settings import IssuingSettings
from flask_session_claims.sessions.tokens import ID_BYTES, session_id
from flask_session_claims.sessions.verifying import OwnFreshness

SEED = 20_261_121
SESSIONS = 1_000_000
#: Sessions with somebody in front of them at any one time, and seconds that a visit lasts.
IN_USE, VISIT = 10_000, 600.0
#: Seconds between two pages of a visit, and requests that a page makes at once.
PAGE, PARALLEL = 10.0, 3
REQUESTS = IN_USE * PARALLEL / PAGE  # a second
#: Changes a second from outside: 1 % of the sessions a day, and while something runs over many.
USUAL, PEAK = SESSIONS * 0.01 / 86_400, 10.0
PEAK_FROM, PEAK_TO = 900.0, 1_200.0
#: How many of the changes are about a session in use; how many of them end it.
ABOUT_USED, ENDING = 0.5, 0.5
TEMPLATE_AT, HOUR = 2_400.0, 3_600.0
SPREAD = min(MAX_SPREAD, SESSIONS / 2_000)
#: Requests a second of sessions without any change that are played too.
SAMPLE = 3
START = 1_800_000_000.0
_BASIC = State(
    session_id="",
    user_id="user_1",
    created_at=START - 90_000,
    seen_at=START - 60,
    idle_end=START + 600_000,
    absolute_end=START + 2_000_000,
    generation=9,
    current=b"c" * 32,
    tag_key=b"t" * 32,
)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Log:
    """The store: its log, and a record of any session, made when it is loaded."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []  # the one at index i has position i + 1
        self.times: list[float] = []
        self.dropped = 0
        self.sizes: list[int] = []  # of each entry, as compact JSON
        #: Positions of what has changed a session; of the template's, for all.
        self.changes: dict[str, list[int]] = {}
        self.template: list[int] = []
        self.ended: set[str] = set()

    def append(self, subject: str, key: str, what: str, now: float) -> LogEntry:
        entry = replace(log_entry(subject, key, what, now), position=len(self.entries) + 1)
        self.entries.append(entry)
        self.times.append(now)
        told = [entry.position, subject, key, what, now, entry.until]
        self.sizes.append(len(json.dumps(told, separators=(",", ":"))))
        while self.entries[self.dropped].until < now:
            self.dropped += 1
        if subject == SESSION:
            self.changes.setdefault(key, []).append(entry.position)
        else:
            self.template.append(entry.position)
        if what == "revoked":
            self.ended.add(key)
        return entry

    def live(self) -> int:
        return len(self.entries) - self.dropped

    def newest(self, sid: str) -> tuple[int, int]:
        """The positions of the last change of a session, and of all sessions; 0: none."""
        own, for_all = self.changes.get(sid), self.template
        return own[-1] if own else 0, for_all[-1] if for_all else 0

    def since(self, position: int) -> LogPage:
        first = max(position, self.dropped)
        page = tuple(self.entries[first : first + LOG_PAGE])
        return LogPage("simulated", self.dropped + 1, len(self.entries), page)

    def custom(self, sid: str, position: int) -> dict[str, object]:
        """A session's claims as of a position."""
        of_session = bisect_right(self.changes.get(sid, ()), position)
        template = bisect_right(self.template, position)
        return {"fullName": common.NAME, "plan": f"plan {of_session}", "layout": template}

    def load(self, sid: str) -> Record | None:
        if sid in self.ended:
            return None
        own = FrozenDict(self.custom(sid, len(self.entries)))
        state = replace(_BASIC, session_id=sid, layers=replace(NO_LAYERS, own=own))
        return Record(SESSION, sid, 1, encode(state))

    def token(self, sid: str, minted: float, life: float) -> FrozenDict[str, Any]:
        """The claims of a token minted at a refresh."""
        rev = bisect_right(self.times, minted)
        issuers = {"sid": sid, "sub": "user_1", "iat": int(minted), "exp": minted + life}
        return FrozenDict({**issuers, "rev": rev, **self.custom(sid, rev)})


@dataclass
class Tally:
    """What has happened, by the second."""

    looks: Counter[int] = field(default_factory=Counter)
    loads: Counter[int] = field(default_factory=Counter)
    reminted: Counter[int] = field(default_factory=Counter)
    live: dict[int, int] = field(default_factory=dict)
    entries: int = 0  # brought by looks
    size: int = 0  # bytes of those, as compact JSON
    delays: dict[int, float] = field(default_factory=dict)  # until the last worker knew


def _say(session: Session, at: float) -> Mapping[str, Any]:
    return {}


class Worker:
    """One process: a feed, and the check that goes by it."""

    def __init__(self, clock: Clock, log: Log, tally: Tally, settings: IssuingSettings) -> None:
        self.feed = Feed(
            clock=clock,
            monotonic=clock,
            interval=settings.feed_interval,
            max_age=settings.feed_max_age,
            keys_changed=lambda: None,
        )
        self.freshness = OwnFreshness(self.feed, clock, say=_say)
        self.clock, self.log, self.tally = clock, log, tally

    def perform(self, ask: Any) -> Any:
        second = int(self.clock.now - START)
        if type(ask) is LoadRecord:
            self.tally.loads[second] += 1
            return self.log.load(ask.key)
        assert type(ask) is ReadLog, "nobody else is there to be waited for"
        self.tally.looks[second] += 1
        page = self.log.since(ask.position)
        if self.feed.known.store_id is not None:  # the first look is told apart
            for entry in page.entries:
                self.tally.entries += 1
                self.tally.size += self.log.sizes[entry.position - 1]
                self.tally.delays[entry.position] = self.clock.now - entry.at
        return page

    def look(self) -> None:
        assert run(self.feed.catch_up(), self.perform)

    def request(self, claims: FrozenDict[str, Any]) -> FrozenDict[str, Any] | None:
        """The token after the request: the same, a new one, or None, for its session has ended."""
        if self.freshness.check(claims) is Standing.FRESH:
            return claims
        try:
            in_force = run(self.freshness.settle(claims), self.perform)
        except TokenError:
            return None
        held = self.freshness.outdated(claims)
        if held is None or in_force is claims:
            return claims
        self.tally.reminted[int(self.clock.now - START)] += 1
        return FrozenDict({**in_force, "rev": held.position, "iat": int(self.clock.now)})


@dataclass(eq=False)
class Visit:
    """A session in use."""

    sid: str
    start: float
    end: float
    claims: FrozenDict[str, Any] | None = None
    is_due: bool = False  # its next page is in the queue


class Hour:
    """The whole of it for one number of workers, from `begin` to `end` seconds."""

    def __init__(self, workers: int, *, spread: float, begin: float = 0, end: float = HOUR) -> None:
        self.random = random.Random(SEED)
        self.settings = IssuingSettings()
        self.clock, self.log, self.tally = Clock(), Log(), Tally()
        self.workers = [
            Worker(self.clock, self.log, self.tally, self.settings) for _ in range(workers)
        ]
        self.spread, self.begin, self.end = spread, begin, end
        self.queue: list[tuple[float, int, Any, Any]] = []
        self.turn = count()
        self.visits: list[Visit] = []
        self.place: dict[Visit, int] = {}
        self.refreshes = self.played = self.changes = 0

    def at(self, when: float, act: Any, what: Any = None) -> None:
        heapq.heappush(self.queue, (when, next(self.turn), act, what))

    def wait(self, mean: float) -> float:
        return self.random.expovariate(1 / mean)

    def run(self) -> Tally:
        for when in self.moments(self.begin - LOG_LIFETIME, self.begin, USUAL):
            self.log.append(SESSION, self.new_id(), "revoked", START + when)
        for _ in range(IN_USE):
            self.enter(START + self.begin - self.wait(VISIT), START + self.begin)
        self.at(START + self.begin + self.wait(VISIT / IN_USE), self.arrive)
        for when in self.moments(self.begin, self.end, USUAL):
            self.at(START + when, self.change)
        for when in self.moments(max(PEAK_FROM, self.begin), min(PEAK_TO, self.end), PEAK):
            self.at(START + when, self.change)
        self.at(START + TEMPLATE_AT, self.change_template)
        for worker in self.workers:
            self.at(START + self.begin + self.random.random(), self.look, worker)
        self.at(START + self.begin + 2, self.sample)
        while self.queue[0][0] < START + self.end:
            self.clock.now, _, act, what = heapq.heappop(self.queue)
            act(what)
        return self.tally

    def moments(self, begin: float, end: float, rate: float) -> Iterator[float]:
        while (begin := begin + self.wait(1 / rate)) < end:
            yield begin

    def new_id(self) -> str:
        return session_id(self.random.randbytes(ID_BYTES))

    # --- visitors -------------------------------------------------------------------------

    def arrive(self, _: Any) -> None:
        self.enter(self.clock.now, self.clock.now)
        self.at(self.clock.now + self.wait(VISIT / IN_USE), self.arrive)

    def enter(self, start: float, now: float) -> None:
        # An exponential stay has no memory: what is left of it is as long as a new one.
        visit = Visit(self.new_id(), start, now + self.wait(VISIT))
        self.place[visit] = len(self.visits)
        self.visits.append(visit)
        self.at(visit.end, self.leave, visit)
        life = self.settings.session_token_lifetime
        self.refreshes += 1 + int((min(visit.end, START + self.end) - now) / (life + PAGE))

    def leave(self, visit: Visit) -> None:
        index = self.place.pop(visit, None)
        if index is None:
            return
        last = self.visits.pop()
        if last is not visit:
            self.visits[index], self.place[last] = last, index

    def token(self, visit: Visit) -> FrozenDict[str, Any]:
        """What the browser holds now; refreshed since, perhaps."""
        life, now = self.settings.session_token_lifetime, self.clock.now
        if visit.claims is None or visit.claims["exp"] <= now:
            minted = now - (now - visit.start) % (life + PAGE)
            if visit.claims is not None:
                minted = max(minted, visit.claims["exp"])
            if minted + life <= now:
                minted = now
            visit.claims = self.log.token(visit.sid, minted, life)
        return visit.claims

    def page(self, visit: Visit) -> None:
        """The next page of a visit that has met a change not yet in its token."""
        visit.is_due = False
        if visit not in self.place:
            return
        token = new = self.token(visit)
        own, for_all = self.log.newest(visit.sid)
        for _ in range(PARALLEL):
            self.played += 1
            worker = self.random.choice(self.workers)
            told = worker.request(token)
            if told is token:
                unknown = worker.feed.known.position < own
                assert unknown or token["rev"] >= own, "a change that is known is not in force"
            if told is None:
                self.leave(visit)
                visit.claims = None
            elif told is not token:
                new = told
        visit.claims = new
        if visit in self.place and new["rev"] < max(own, for_all):
            self.expect(visit)

    def expect(self, visit: Visit) -> None:
        if not visit.is_due:
            visit.is_due = True
            self.at(self.clock.now + self.wait(PAGE), self.page, visit)

    # --- what happens ---------------------------------------------------------------------

    def change(self, _: Any) -> None:
        self.changes += 1
        visit = self.random.choice(self.visits) if self.random.random() < ABOUT_USED else None
        what = "revoked" if self.random.random() < ENDING else "claims"
        if visit is not None:
            _ = self.token(visit)  # as it was before
        self.log.append(SESSION, visit.sid if visit else self.new_id(), what, self.clock.now)
        if visit is not None:
            self.expect(visit)

    def change_template(self, _: Any) -> None:
        for visit in self.visits:
            _ = self.token(visit)
            self.expect(visit)
        self.log.append("template", "session", spread_over(self.spread), self.clock.now)

    def look(self, worker: Worker) -> None:
        """Some request, of whom it does not matter, finds that it is time."""
        if worker.feed.due_in() <= 0:
            worker.look()
        soonest = self.clock.now + max(0.0, worker.feed.due_in())
        self.at(soonest + self.wait(len(self.workers) / REQUESTS), self.look, worker)
        self.tally.live[int(self.clock.now - START)] = self.log.live()

    def sample(self, _: Any) -> None:
        for _ in range(SAMPLE):
            visit = self.random.choice(self.visits)
            token, worker = self.token(visit), self.random.choice(self.workers)
            if token["rev"] < max(self.log.newest(visit.sid)):
                continue
            before = self.tally.loads.total()
            assert worker.request(token) is token, "a token without a change is not fresh"
            assert before == self.tally.loads.total(), "a session without a change was read"
            self.played += 1
        self.at(self.clock.now + 1, self.sample)
