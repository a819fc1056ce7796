"""Every order in which flows can meet at a store, and every point at which one can die.

One ask is one atomic act, so an execution is a sequence of asks. A run is repeated from the start
for each sequence. Of two neighbouring reads by different flows only one order is run: nobody
could tell them apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from flask_session_claims.sessions.records import Commit

DEAD = "dead"


@dataclass
class Actor:
    """One flow on the stage and what became of it."""

    name: str
    #: stage -> the flow, or None after an act of its own (the clock moves).
    begin: Callable[[Any], Any]
    #: Dies after so many asks, without getting the last reply; None: lives.
    dies_after: int | None = None
    flow: Any = None
    ask: Any = None
    asked: int = 0
    #: What it ended with: a result, an exception, or DEAD; unset while it runs.
    outcome: Any = None
    over: bool = False
    #: When it read the clock, and the ticks (positions in the run) of its acts.
    began_at: float = 0.0
    first: int | None = None
    last: int | None = None
    #: Ticks of its commits that took place.
    commits: list[int] = field(default_factory=list)

    def end(self, outcome):
        self.outcome, self.over, self.ask = outcome, True, None

    def resume(self, act):
        """Run on to the next ask, or to the end."""
        try:
            self.ask = act()
        except StopIteration as end:
            self.end(end.value)
        except Exception as error:
            self.end(error)


class Run:
    """One execution: a stage, its actors, and the order in which they acted."""

    def __init__(self, stage, actors, apart):
        self.stage, self.actors = stage, actors
        #: Whether beginning (reading the clock) is an act of its own.
        self.apart = apart
        self.tick = 0
        self.history: list[str] = []
        self._before: tuple[int, bool] | None = None  # who acted last, and whether it only read
        for actor in actors:
            if actor.dies_after == 0:
                actor.end(DEAD)
            elif not apart:
                self._begin(actor)

    def _begin(self, actor):
        actor.began_at = self.stage.now
        actor.flow = actor.begin(self.stage)
        if actor.flow is None:
            actor.end(None)
        else:
            actor.resume(lambda: next(actor.flow))

    def choices(self):
        """The actors that may act now."""
        if any(a.over and a.dies_after is not None and a.outcome is not DEAD for a in self.actors):
            return []  # it was to die later than it lived: another run has that
        able = [number for number, actor in enumerate(self.actors) if not actor.over]
        if self._before is None:
            return able
        last, read = self._before
        return [n for n in able if not (n < last and read and self._only_reads(n))]

    def is_whole(self):
        """Whether everybody has come to the end that was meant."""
        return all(a.over and (a.dies_after is None or a.outcome is DEAD) for a in self.actors)

    def _only_reads(self, number):
        actor = self.actors[number]
        return actor.ask is not None and not isinstance(actor.ask, Commit)

    def act(self, number):
        actor = self.actors[number]
        self.tick += 1
        if actor.flow is None:
            self.history.append(f"{actor.name} begins")
            self._before = None
            self._begin(actor)
            return
        ask = actor.ask
        self._before = number, self._only_reads(number)
        self.history.append(f"{actor.name} {type(ask).__name__}")
        reply = self.stage.perform(ask)
        actor.first = actor.first or self.tick
        actor.last = self.tick
        if isinstance(ask, Commit):
            if reply:
                actor.commits.append(self.tick)
            else:
                self.history[-1] += " lost"
        actor.asked += 1
        if actor.asked == actor.dies_after:
            actor.flow.close()
            actor.end(DEAD)
        else:
            actor.resume(lambda: actor.flow.send(reply))


def runs(make: Callable[[], Run]) -> Iterator[Run]:
    """Every execution of what `make` sets up."""
    path: list[int] = []
    while True:
        run = make()
        widths: list[int] = []
        stuck = False
        for depth in itertools.count():
            choices = run.choices()
            if not choices:
                stuck = not run.is_whole()
                break
            if depth == len(path):
                path.append(0)
            widths.append(len(choices))
            run.act(choices[path[depth]])
        if not stuck:  # else it would have gone on with a read that belongs before another
            yield run
        del path[len(widths) :]
        while path and path[-1] + 1 == widths[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1


def deaths(count: int, asks: int, at_most: int) -> Iterator[dict[int, int]]:
    """Who dies after how many asks: nobody, then up to `at_most` of `count` actors."""
    for size in range(at_most + 1):
        for who in itertools.combinations(range(count), size):
            for after in itertools.product(range(asks + 1), repeat=size):
                yield dict(zip(who, after, strict=True))


def explore(
    make_stage: Callable[[], Any],
    cast: list[tuple[str, Callable[[Any], Any]]],
    check: Callable[[Run], None],
    *,
    asks: int = 4,
    deaths_at_most: int = 1,
    apart: bool = False,
) -> int:
    """Check every execution; how many there were."""
    total = 0
    for dying in deaths(len(cast), asks, deaths_at_most):

        def make(dying=dying):
            actors = [
                Actor(name, begin, dying.get(number)) for number, (name, begin) in enumerate(cast)
            ]
            return Run(make_stage(), actors, apart)

        for run in runs(make):
            total += 1
            try:
                check(run)
            except AssertionError as error:
                raise AssertionError(f"{error}\nafter: {', '.join(run.history)}") from error
    return total
