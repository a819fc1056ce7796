"""Between those who wait and those who must not.

A store is waited for by threads, so that no event loop does; they are the library's own, since
the loop's usual pool is the app's, and may be full or gone. And what the app has written as async
can be waited for by sync code, whether or not a loop runs around it.
"""

from __future__ import annotations

import contextvars
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..core.flow import Ask
from ..core.locks import ForkSafeLock

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")

THREADS: Final = 8


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives, run to its end here, or by a thread if a loop runs here already."""
    import asyncio  # sync applications never pay for it, nor for the pool
    from concurrent.futures import ThreadPoolExecutor

    try:
        _ = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix="session-claims") as thread:
        return thread.submit(context.run, asyncio.run, coroutine).result()


class StoreThreads:
    """A bounded pool, made when first used, and anew in a forked process."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    def perform(
        self, handlers: Mapping[type[Ask[Any]], Callable[[Any], Any]]
    ) -> dict[type[Ask[Any]], Callable[[Any], Awaitable[Any]]]:
        """The handlers, each run by a thread and awaited."""
        return {kind: partial(self.run, handler) for kind, handler in handlers.items()}

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """What `function(argument)` gives, or raises."""
        import asyncio  # sync applications never pay for it

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads(), function, argument)

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._process != os.getpid():
                from concurrent.futures import ThreadPoolExecutor

                self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="session-claims")
                self._process = os.getpid()
            return self._pool
