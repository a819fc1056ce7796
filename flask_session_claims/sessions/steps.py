"""Load, decide, commit; and again if the commit loses: the one way a session is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..core.errors import UnavailableError
from ..core.flow import Flow
from .limits import ATTEMPTS
from .model import SESSION, State, decode
from .records import Commit, LoadRecord, LogEntry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """What was decided: a result, and what has to be written for it to be true."""

    result: T
    #: The new state; None: nothing is written.
    state: State | None = None
    log: tuple[LogEntry, ...] = ()


def settle(session_id: str, decide: Callable[[State | None], Step[T]]) -> Flow[T]:
    """The result of `decide` on a state that was still the current one when it was written.

    `decide` is pure; it is given None for an unknown session, and called again when another
    writer was first.
    """

    def by_itself(state: State | None) -> Flow[Step[T]]:
        yield from ()
        return decide(state)

    return settle_by(session_id, by_itself)


def settle_by(session_id: str, decide: Callable[[State | None], Flow[Step[T]]]) -> Flow[T]:
    """The same where `decide` has to ask before it knows."""
    for _ in range(ATTEMPTS):
        record = yield from LoadRecord(SESSION, session_id)
        step = yield from decide(decode(record) if record else None)
        if step.state is None:
            return step.result
        if (yield from Commit((step.state.put(),), (), step.log)):
            return step.result
    raise busy()


def busy() -> UnavailableError:
    """Others were first too many times."""
    return UnavailableError("The session is being changed by others; try again.", code="busy")
