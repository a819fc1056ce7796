"""The threads that wait for the store: bounded in number, in queue and in time.

No event loop waits, and every call ends in a result or in a declared error.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.io.executor import DEADLINE, QUEUE, THREADS, StoreThreads
from flask_session_claims.sessions.records import LoadRecord, record_handlers
from flask_session_claims.stores.memory import MemoryStore

#: Seconds that a slow machine may add.
SLACK = 2.0


class SlowStore(MemoryStore):
    """A store that takes its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def load(self, kind: str, key: str) -> Any:
        time.sleep(self._seconds)
        return super().load(kind, key)


class Held:
    """Acts that last until the test lets them go on."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.begun: list[Any] = []
        self.done: list[Any] = []

    def act(self, what: Any) -> Any:
        self.begun.append(what)
        assert self.goes_on.wait(60), "the test never let it go on"
        self.done.append(what)
        if isinstance(what, Exception):
            raise what
        return what

    async def until_begun(self, count: int) -> None:
        await until(lambda: len(self.begun) >= count)


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.goes_on.set()


async def until(is_so: Any, seconds: float = 10) -> None:
    over_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < over_at, "it never came to that"
        await asyncio.sleep(0.002)


def store_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "session-claims-store"]


async def outcome(call: Any) -> tuple[str, float]:
    """How a call ended, and after how many seconds."""
    begun = time.monotonic()
    try:
        await call
    except UnavailableError as error:
        return error.code, time.monotonic() - begun
    return "ok", time.monotonic() - begun


async def most_late(seconds: float, into: list[float]) -> None:
    """By how much the loop is late, again and again."""
    while True:
        due = time.monotonic() + seconds
        await asyncio.sleep(seconds)
        into.append(time.monotonic() - due)


# --- results ------------------------------------------------------------------------------


def test_a_call_gives_what_the_function_gives_or_raises():
    threads = StoreThreads()

    def refuse(argument: str) -> None:
        raise LookupError(argument)

    async def play() -> None:
        assert await threads.run(str.upper, "ada") == "ADA"
        with pytest.raises(LookupError, match="ada"):
            await threads.run(refuse, "ada")
        assert await threads.run(lambda _: threading.current_thread().daemon, None)

    asyncio.run(play())


def test_the_loops_own_executor_is_not_used():
    async def play() -> None:
        await asyncio.get_running_loop().shutdown_default_executor()
        assert await StoreThreads().run(str.upper, "ada") == "ADA"

    asyncio.run(play())


# --- what nobody waits for ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "deadline"),
    [(0.2, 1.0), pytest.param(2.0, DEADLINE, marks=pytest.mark.slow)],
)
def test_the_loop_goes_on_while_every_act_of_the_store_is_slow(seconds, deadline):
    store = SlowStore(seconds)
    handlers = StoreThreads(deadline=deadline).perform(record_handlers(store))
    ask = LoadRecord("session", "s")

    async def play() -> tuple[list[tuple[str, float]], list[float]]:
        late: list[float] = []
        watch = asyncio.create_task(most_late(0.005, late))
        ends = await asyncio.gather(*(outcome(handlers[LoadRecord](ask)) for _ in range(200)))
        watch.cancel()
        return ends, late

    ends, late = asyncio.run(play())
    codes = [code for code, _ in ends]
    assert set(codes) <= {"ok", "store-queue-full", "store-timeout"}
    assert codes.count("ok") >= THREADS
    assert codes.count("store-queue-full") > 200 - 2 * (THREADS + QUEUE)
    assert max(took for _, took in ends) < deadline + SLACK
    assert max(took for code, took in ends if code == "store-queue-full") < SLACK
    assert len(late) > 20
    assert max(late) < 0.5  # a few milliseconds on an idle machine


# --- bounds -------------------------------------------------------------------------------


def test_where_the_queue_is_full_a_call_is_refused_at_once(held):
    threads = StoreThreads(threads=2, queue=3)

    async def play() -> None:
        calls = [asyncio.create_task(threads.run(held.act, n)) for n in range(5)]
        await held.until_begun(2)
        code, took = await outcome(threads.run(held.act, "one more"))
        assert code == "store-queue-full"
        assert took < SLACK
        held.goes_on.set()
        assert await asyncio.gather(*calls) == [0, 1, 2, 3, 4]
        assert sorted(held.done) == [0, 1, 2, 3, 4]
        assert await threads.run(held.act, "again") == "again"

    asyncio.run(play())


def test_calls_of_one_moment_are_refused_only_beyond_threads_and_queue(held):
    threads = StoreThreads(threads=2, queue=3)

    async def play() -> None:
        calls = [asyncio.create_task(outcome(threads.run(held.act, n))) for n in range(6)]
        await asyncio.sleep(0)  # all of them ask before any thread has taken one
        held.goes_on.set()
        codes = [code for code, _ in await asyncio.gather(*calls)]
        assert codes == ["ok"] * 5 + ["store-queue-full"]

    asyncio.run(play())


def test_a_call_ends_at_its_deadline_though_the_store_hangs(held):
    threads = StoreThreads(threads=2, queue=8, deadline=0.3)
    before = set(store_threads())

    async def play() -> None:
        ends = await asyncio.gather(*(outcome(threads.run(held.act, n)) for n in range(8)))
        assert {code for code, _ in ends} == {"store-timeout"}
        assert all(0.2 < took < 0.3 + SLACK for _, took in ends)
        assert len(set(store_threads()) - before) == 2
        # Every thread is overdue: nobody need wait to hear it.
        code, took = await outcome(threads.run(held.act, "late"))
        assert code == "store-timeout"
        assert took < 0.2

    asyncio.run(play())
    assert len(held.begun) == 2


def test_once_the_store_answers_again_calls_are_served_again(held):
    threads = StoreThreads(threads=2, queue=8, deadline=0.3)

    async def play() -> None:
        await asyncio.gather(*(outcome(threads.run(held.act, n)) for n in range(4)))
        held.goes_on.set()
        await until(lambda: len(held.done) == 2)
        assert await threads.run(str.upper, "ada") == "ADA"

    asyncio.run(play())


def test_what_has_not_begun_by_its_deadline_is_never_done(held):
    threads = StoreThreads(threads=1, queue=8, deadline=0.2)

    async def play() -> None:
        await asyncio.gather(*(outcome(threads.run(held.act, n)) for n in range(4)))
        held.goes_on.set()
        await until(lambda: held.done == [0])
        assert await threads.run(held.act, "new") == "new"
        assert held.done == [0, "new"]

    asyncio.run(play())


def test_calls_that_are_over_make_room_in_the_queue(held):
    threads = StoreThreads(threads=2, queue=2, deadline=0.2)

    async def play() -> None:
        begun = [asyncio.create_task(outcome(threads.run(held.act, n))) for n in range(2)]
        await held.until_begun(2)
        queued = [asyncio.create_task(outcome(threads.run(held.act, n))) for n in range(2)]
        assert [code for code, _ in await asyncio.gather(*begun, *queued)] == ["store-timeout"] * 4
        held.goes_on.set()
        await until(lambda: len(held.done) == 2)
        held.goes_on.clear()
        anew = [asyncio.create_task(threads.run(held.act, n)) for n in range(4)]
        await held.until_begun(4)
        held.goes_on.set()
        assert await asyncio.gather(*anew) == [0, 1, 2, 3]

    asyncio.run(play())


def test_a_process_that_can_start_no_thread_says_so(monkeypatch):
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads = StoreThreads()

    async def play() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            assert (await outcome(threads.run(str.upper, "ada")))[0] == "store-queue-full"
        assert await threads.run(str.upper, "ada") == "ADA"

    asyncio.run(play())


def test_the_threads_end_with_what_they_worked_for():
    before = set(store_threads())

    async def play() -> set[threading.Thread]:
        threads = StoreThreads()
        assert await asyncio.gather(*(threads.run(abs, -n) for n in range(4))) == [0, 1, 2, 3]
        return set(store_threads()) - before

    ours = asyncio.run(play())
    assert ours
    gc.collect()
    for thread in ours:
        thread.join(5)
    assert [thread for thread in ours if thread.is_alive()] == []


def test_an_idle_thread_keeps_nothing_of_the_last_call():
    class Argument:
        pass

    threads = StoreThreads(threads=1)
    argument = Argument()
    gone = weakref.ref(argument)

    async def play(argument: Argument) -> None:
        await threads.run(lambda given: None, argument)

    asyncio.run(play(argument))
    del argument
    for _ in range(100):
        gc.collect()
        if gone() is None:
            break
        time.sleep(0.02)
    assert gone() is None


# --- clients that have gone ---------------------------------------------------------------


@pytest.mark.parametrize("what", ["a result", OSError("an error")], ids=["result", "error"])
@pytest.mark.parametrize("queued", [False, True], ids=["begun", "queued"])
def test_an_act_goes_on_without_a_word_when_its_caller_is_cancelled(queued, what, held):
    threads = StoreThreads(threads=1)
    noise: list[Any] = []

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, data: noise.append(data))
        first = asyncio.create_task(threads.run(held.act, 0)) if queued else None
        call = asyncio.create_task(threads.run(held.act, what))
        await held.until_begun(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        held.goes_on.set()
        await until(lambda: what in held.done)
        if first is not None:
            await first
        assert await threads.run(str.upper, "ada") == "ADA"

    asyncio.run(play())
    gc.collect()
    assert noise == []


def test_a_caller_cancelled_as_its_error_arrives_leaves_no_unretrieved_exception():
    threads = StoreThreads(threads=1)
    noise: list[Any] = []
    done = threading.Event()

    def fail(argument: None) -> None:
        done.set()
        raise OSError("too late")

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, data: noise.append(data))
        call = asyncio.create_task(threads.run(fail, None))
        await asyncio.sleep(0)
        assert done.wait(5)
        time.sleep(0.05)  # noqa: ASYNC251 - the answer arrives while the loop cannot look
        asyncio.get_running_loop().call_soon(call.cancel)
        await asyncio.wait([call])

    asyncio.run(play())
    gc.collect()
    assert noise == []


# --- loops, processes, the end --------------------------------------------------------------


def test_several_loops_share_the_threads():
    threads = StoreThreads(threads=2, queue=80)
    said: dict[int, list[int]] = {}

    async def ask(start: int) -> list[int]:
        return await asyncio.gather(*(threads.run(abs, -n) for n in range(start, start + 20)))

    def play(start: int) -> None:
        said[start] = asyncio.run(ask(start))

    loops = [threading.Thread(target=play, args=(100 * n,)) for n in range(1, 5)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join(20)
    assert said == {100 * n: list(range(100 * n, 100 * n + 20)) for n in range(1, 5)}


def test_a_loop_that_closes_leaves_the_threads_to_the_next(held):
    threads = StoreThreads(threads=1)

    async def leave() -> None:
        call = asyncio.create_task(threads.run(held.act, "left"))
        await held.until_begun(1)
        call.cancel()

    asyncio.run(leave())
    held.goes_on.set()

    async def play() -> None:
        await until(lambda: held.done == ["left"])
        assert await threads.run(str.upper, "ada") == "ADA"

    asyncio.run(play())


def run_script(script: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return done.returncode, (done.stdout + done.stderr).strip()


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")


@forks
def test_a_forked_child_has_threads_of_its_own_though_those_of_its_parent_hang():
    script = """
import asyncio, os, signal, threading
from flask_session_claims.io.executor import StoreThreads

threads = StoreThreads(threads=1, queue=1, deadline=20)
goes_on = threading.Event()

async def parent():
    calls = [asyncio.create_task(threads.run(lambda _: goes_on.wait(20), None)) for _ in range(2)]
    await asyncio.sleep(0.2)

    def fork():
        pid = os.fork()
        if pid == 0:
            signal.alarm(10)
            print(asyncio.run(threads.run(str.upper, "child")), flush=True)
            os._exit(0)
        return os.waitpid(pid, 0)[1]

    status = await asyncio.to_thread(fork)
    goes_on.set()
    await asyncio.gather(*calls)
    print("parent", status, await threads.run(str.upper, "still"), flush=True)

asyncio.run(parent())
"""
    assert run_script(script) == (0, "CHILD\nparent 0 STILL")


@forks
def test_a_child_that_drops_its_parents_threads_waits_for_no_lock_of_theirs():
    script = """
import asyncio, gc, os, signal, threading
from flask_session_claims.io.executor import StoreThreads

threads = StoreThreads()
print(asyncio.run(threads.run(str.upper, "parent")), flush=True)
is_held, goes_on = threading.Event(), threading.Event()

def hold(changed):
    with changed:  # as a thread of the pool does for an instant
        is_held.set()
        goes_on.wait(20)

holder = threading.Thread(target=hold, args=(threads._pool._changed,), daemon=True)
holder.start()
is_held.wait(10)
pid = os.fork()
if pid == 0:
    signal.alarm(5)
    del threads
    gc.collect()
    os._exit(0)
print(os.waitpid(pid, 0)[1], flush=True)
goes_on.set()
holder.join()
"""
    assert run_script(script) == (0, "PARENT\n0")


def test_a_store_that_hangs_does_not_keep_the_process_from_ending():
    script = """
import asyncio, threading
from flask_session_claims import UnavailableError
from flask_session_claims.io.executor import StoreThreads

async def main():
    threads = StoreThreads(deadline=0.2)
    try:
        await threads.run(lambda _: threading.Event().wait(), None)
    except UnavailableError as error:
        print(error.code, flush=True)

asyncio.run(main())
"""
    assert run_script(script) == (0, "store-timeout")
