"""Between those who wait and those who must not.

A store is waited for by threads, so that no event loop does; they are the library's own, since
the loop's usual pool is the app's, and may be full or gone. And what the app has written as async
can be waited for by sync code, whether or not a loop runs around it.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..core.errors import UnavailableError
from ..core.flow import Ask
from ..core.locks import ForkSafeLock
from ..sessions.looks import late

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

T = TypeVar("T")

#: Acts at a time: as many connections to the store. A healthy store takes milliseconds, so these
#: are thousands of acts a second; more would only queue inside the store.
THREADS: Final = 8
#: Acts that wait for a thread. A healthy store is through with them in an instant, and behind
#: a slow one those in the back would not be in time.
QUEUE: Final = 64
#: Seconds. Stores give up by themselves after five and then say why, which must come first; it
#: leaves as long for the queue.
DEADLINE: Final = 10.0

_NAME: Final = "session-claims"


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives, run to its end here, or by a thread if a loop runs here already."""
    import asyncio  # sync applications never pay for it, nor for the pool
    from concurrent.futures import ThreadPoolExecutor

    try:
        _ = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix=_NAME) as thread:
        return thread.submit(context.run, asyncio.run, coroutine).result()


class StoreThreads:
    """A bounded pool with a bounded queue, made when first used, and anew in a forked process.

    What is asked of it ends within `deadline` seconds. An act that has begun goes on even if
    nobody waits for it any more, and keeps its thread until it returns. One that has not begun
    by its deadline is not done at all. A process that ends waits for none of them: every act of
    a store is all or nothing.

    Args:
        threads: how many acts at a time.
        queue: how many more may wait.
        deadline: seconds from asking to the answer.
    """

    def __init__(
        self, *, threads: int = THREADS, queue: int = QUEUE, deadline: float = DEADLINE
    ) -> None:
        self._lock = ForkSafeLock()
        self._sizes = threads, queue
        self._deadline = deadline
        self._pool: _Pool | None = None

    def perform(
        self, handlers: Mapping[type[Ask[Any]], Callable[[Any], Any]]
    ) -> dict[type[Ask[Any]], Callable[[Any], Awaitable[Any]]]:
        """The handlers, each run by a thread and awaited."""
        return {kind: partial(self.run, handler) for kind, handler in handlers.items()}

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """What `function(argument)` gives, or raises.

        Raises:
            UnavailableError: `store-queue-full`: at once; `store-timeout`: no answer in time, or
                at once if every thread waits for one that is overdue.
        """
        import asyncio  # sync applications never pay for it

        loop = asyncio.get_running_loop()
        future: Future[_Outcome] = loop.create_future()
        act = _Act(partial(function, argument), loop, future, time.monotonic() + self._deadline)
        self._threads().take(act)
        timer = loop.call_later(self._deadline, _expire, future)
        try:
            outcome = await future
        finally:
            timer.cancel()
        return outcome.take()

    def _threads(self) -> _Pool:
        with self._lock:
            if self._pool is None or not self._pool.is_ours():
                self._pool = _Pool(*self._sizes)
                # The threads know the pool only, so they end when nobody can use it any more.
                weakref.finalize(self, self._pool.close).atexit = False
            return self._pool


class _Outcome:
    """What an act came to. Never set as a future's exception: nobody may be there to take it."""

    __slots__ = ("_error", "_value")

    def __init__(self, value: Any = None, error: BaseException | None = None) -> None:
        self._value, self._error = value, error

    def take(self) -> Any:
        error, self._error = self._error, None
        if error is None:
            return self._value
        try:
            raise error
        finally:
            del error  # or its traceback holds this frame, and this frame it


class _Act:
    """One act and who waits for it."""

    __slots__ = ("_call", "_future", "_loop", "over_at")

    def __init__(
        self,
        call: Callable[[], Any],
        loop: AbstractEventLoop,
        future: Future[_Outcome],
        over_at: float,
    ) -> None:
        self._call, self._loop, self._future = call, loop, future
        #: Monotonic seconds.
        self.over_at = over_at

    def do(self) -> None:
        try:
            outcome = _Outcome(self._call())
        except BaseException as error:
            outcome = _Outcome(error=error)
        try:
            self._loop.call_soon_threadsafe(_deliver, self._future, outcome)
        except RuntimeError:
            pass  # the loop is closed, so nobody waits


def _deliver(future: Future[_Outcome], outcome: _Outcome) -> None:
    if not future.done():
        future.set_result(outcome)


def _expire(future: Future[_Outcome]) -> None:
    _deliver(future, _Outcome(error=late()))


class _Pool:
    """Threads of one process. They are daemons: a store that hangs must not keep it from ending."""

    def __init__(self, size: int, room: int) -> None:
        self._size, self._room = size, room
        self._process = os.getpid()
        # Its lock is reentrant, since the collector may call `close` while it is held.
        self._changed = threading.Condition()
        self._waiting: deque[_Act] = deque()
        self._under_way: set[_Act] = set()
        self._threads = self._idle = 0
        self._is_closed = False

    def is_ours(self) -> bool:
        """Whether its threads are in this process, and not in the one it was forked from."""
        return self._process == os.getpid()

    def take(self, act: _Act) -> None:
        """Have it done by a thread. Never waits; raises UnavailableError if there is no room."""
        with self._changed:
            now = time.monotonic()
            if len(self._under_way) == self._size and all(
                other.over_at <= now for other in self._under_way
            ):
                raise late()
            free = self._size - len(self._under_way)
            if len(self._waiting) >= self._room + free:
                raise _full()
            self._waiting.append(act)
            if len(self._waiting) > self._idle and self._threads < self._size:
                self._begin(act)
            self._changed.notify()

    def close(self) -> None:
        """Let the threads end when they have done what is there."""
        if self.is_ours():  # another process has no such threads, and may find the lock held
            with self._changed:
                self._is_closed = True
                self._changed.notify_all()

    def _begin(self, act: _Act) -> None:
        try:
            threading.Thread(target=self._work, name=f"{_NAME}-store", daemon=True).start()
        except RuntimeError:  # the process can start no thread
            if self._threads == 0:
                self._waiting.remove(act)
                raise _full() from None
        else:
            self._threads += 1

    def _work(self) -> None:
        while (act := self._next()) is not None:
            try:
                act.do()
            finally:
                with self._changed:
                    self._under_way.discard(act)
            del act  # what it holds would stay as long as the thread is idle

    def _next(self) -> _Act | None:
        with self._changed:
            while True:
                while self._waiting:
                    act = self._waiting.popleft()
                    if act.over_at > time.monotonic():
                        self._under_way.add(act)
                        return act
                if self._is_closed:
                    return None
                self._idle += 1
                _ = self._changed.wait()
                self._idle -= 1


def _full() -> UnavailableError:
    return UnavailableError(
        "More is asked of the session store than it can do now; try again.",
        code="store-queue-full",
    )
