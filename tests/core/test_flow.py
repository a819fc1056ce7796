"""Flows that ask: both drivers, the script player and the recorder.

The flows here are toys; nothing of keys, tokens or networks.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from flask_session_claims.core.flow import Ask, Flow, arun, play, run, trace


@dataclass(frozen=True, slots=True)
class Fetch(Ask[int]):
    """Asks for a number by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Store(Ask[None]):
    """Asks to keep a number."""

    number: int


class Fault(Exception):
    """What the outside raises."""


def total(*names: str) -> Flow[int]:
    """Fetch each, store the sum, return it."""
    result = 0
    for name in names:
        result += yield from Fetch(name)
    yield from Store(result)
    return result


def careful(notes: list[str]) -> Flow[str]:
    """Turns a fault into a result, and says when it is left."""
    try:
        number = yield from Fetch("a")
    except Fault as fault:
        return f"caught {fault}"
    finally:
        notes.append("left")
    return f"got {number}"


def silent() -> Flow[str]:
    """Asks for nothing."""
    yield from ()
    return "done"


def driven_sync(flow, perform):
    return run(flow, perform)


def driven_async(flow, perform):
    async def aperform(ask):
        await asyncio.sleep(0)
        return perform(ask)

    return asyncio.run(arun(flow, aperform))


drivers = pytest.mark.parametrize("drive", [driven_sync, driven_async])


@drivers
def test_replies_reach_the_flow_in_order_and_its_result_comes_back(drive):
    asked = []

    def perform(ask):
        asked.append(ask)
        return {"a": 1, "b": 20}.get(getattr(ask, "name", ""))

    assert drive(total("a", "b"), perform) == 21
    assert asked == [Fetch("a"), Fetch("b"), Store(21)]


@drivers
def test_a_flow_that_asks_nothing_performs_nothing(drive):
    def perform(ask):
        raise AssertionError(f"{ask} was asked")

    assert drive(silent(), perform) == "done"


@drivers
def test_an_error_is_thrown_in_where_it_was_asked_and_can_be_caught_there(drive):
    notes = []

    def perform(ask):
        raise Fault("no network")

    assert drive(careful(notes), perform) == "caught no network"
    assert notes == ["left"]


@drivers
def test_an_error_that_the_flow_does_not_catch_comes_out_as_it_is(drive):
    fault = Fault("no network")

    def perform(ask):
        raise fault

    with pytest.raises(Fault) as caught:
        drive(total("a"), perform)
    assert caught.value is fault


@drivers
def test_a_flow_may_ask_again_after_an_error(drive):
    def stubborn():
        for _ in range(3):
            try:
                return (yield from Fetch("a"))
            except Fault:
                pass
        return -1

    left = [Fault("one"), Fault("two"), 7]

    def perform(ask):
        step = left.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    assert drive(stubborn(), perform) == 7


@drivers
def test_a_flow_inside_a_flow_is_driven_along(drive):
    def outer():
        first = yield from total("a")
        second = yield from total("b")
        return first, second

    assert drive(outer(), lambda ask: 5) == (5, 5)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_finally_blocks_run_when_the_process_is_interrupted(kind):
    notes = []

    def perform(ask):
        raise kind

    with pytest.raises(kind) as caught:
        run(careful(notes), perform)
    # The traceback keeps the flow alive, so it is the driver that has closed it.
    assert caught.tb is not None
    assert notes == ["left"]


def test_finally_blocks_run_when_the_task_is_cancelled():
    notes = []

    async def main():
        waiting = asyncio.Event()

        async def perform(ask):
            waiting.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(arun(careful(notes), perform))
        await waiting.wait()
        assert notes == []
        assert task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.tb is not None
        assert notes == ["left"]

    asyncio.run(main())


def test_play_answers_from_the_script():
    assert play(total("a", "b"), [(Fetch, 1), (Fetch, 2), (Store, None)]) == 3


def test_play_throws_an_exception_of_the_script_into_the_flow():
    assert play(careful([]), [(Fetch, Fault("x"))]) == "caught x"


def test_play_complains_about_what_was_never_asked():
    with pytest.raises(AssertionError, match=r"never asked \['Fetch', 'Store'\]"):
        play(silent(), [(Fetch, 1), (Store, None)])


def test_play_complains_about_another_kind_of_ask():
    with pytest.raises(AssertionError, match="where the script has Store"):
        play(total("a"), [(Store, None), (Fetch, 1)])


def test_play_complains_about_an_ask_beyond_the_script():
    with pytest.raises(AssertionError, match="where the script has the end"):
        play(total("a"), [(Fetch, 1)])


def test_play_complains_even_if_the_flow_catches_everything():
    def forgiving():
        try:
            yield from Fetch("a")
        except Exception:
            return "shrugged"
        return "fetched"

    with pytest.raises(AssertionError, match="where the script has the end"):
        play(forgiving(), [])


def test_trace_notes_each_ask_with_its_reply():
    steps = []
    assert run(total("a"), trace(lambda ask: 4, steps)) == 4
    assert steps == [(Fetch("a"), 4), (Store(4), 4)]


def test_trace_notes_an_error_and_lets_it_through():
    steps = []
    fault = Fault("x")

    def perform(ask):
        raise fault

    assert run(careful([]), trace(perform, steps)) == "caught x"
    assert steps == [(Fetch("a"), fault)]
