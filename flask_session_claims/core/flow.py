"""Flows that ask: one logic for sync and async.

A *flow* is a generator that yields *asks* (one thing that the outside must do) and returns
its result. `run` and `arun` drive it; `play` drives it from a script in tests; `trace`
records. Nothing here knows what an ask does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from typing import Any, Generic, TypeAlias, TypeVar

R = TypeVar("R")
T = TypeVar("T")


class Ask(Generic[R]):
    """One thing the outside must do, answered with an `R`: `r = yield from SomeAsk(...)`."""

    __slots__ = ()

    def __iter__(self) -> Generator[Ask[Any], Any, R]:
        reply: R = yield self
        return reply


Flow: TypeAlias = Generator[Ask[Any], Any, T]
Perform: TypeAlias = Callable[[Ask[Any]], Any]


def run(flow: Flow[T], perform: Perform) -> T:
    """Drive `flow` to its result; `perform(ask)` gives each reply or raises into the flow."""
    try:
        ask = next(flow)
        while True:
            try:
                reply = perform(ask)
            except Exception as error:
                ask = flow.throw(error)
            else:
                ask = flow.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


async def arun(flow: Flow[T], perform: Callable[[Ask[Any]], Awaitable[Any]]) -> T:
    """Async form of `run`."""
    try:
        ask = next(flow)
        while True:
            try:
                reply = await perform(ask)
            except Exception as error:
                ask = flow.throw(error)
            else:
                ask = flow.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


def play(flow: Flow[T], script: Iterable[tuple[type[Ask[Any]], Any]]) -> T:
    """Drive `flow` from (ask type, reply) pairs; an exception as reply is thrown in.

    Raises AssertionError if another ask comes, or if some of the script is left over.
    """
    steps = list(script)
    departures: list[AssertionError] = []  # a flow that catches everything must not hide them

    def perform(ask: Ask[Any]) -> Any:
        if departures or not steps or type(ask) is not steps[0][0]:
            expected = steps[0][0].__name__ if steps else "the end"
            text = f"the flow asked {ask!r} where the script has {expected}"
            departures.append(AssertionError(text))
            raise departures[0]
        reply = steps.pop(0)[1]
        if isinstance(reply, Exception):
            raise reply
        return reply

    result = run(flow, perform)
    if departures:
        raise departures[0]
    if steps:
        raise AssertionError(f"the flow never asked {[kind.__name__ for kind, _ in steps]}")
    return result


def trace(perform: Perform, into: list[tuple[Ask[Any], Any]]) -> Perform:
    """`perform`, noting each ask with its reply (or the exception) in `into`."""

    def traced(ask: Ask[Any]) -> Any:
        try:
            reply = perform(ask)
        except Exception as error:
            into.append((ask, error))
            raise
        into.append((ask, reply))
        return reply

    return traced
