"""What performs the asks: a table from ask type to handler, in a sync and an async form.

A later part adds its asks to the tables; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from ..core.asks import AwaitFlight, BeginFetch, Fetch, Flight
from ..core.flow import Ask, Flow, arun, run
from .fetch import KeyFetcher

T = TypeVar("T")
Handler = Callable[[Any], Any]
AsyncHandler = Callable[[Any], Awaitable[Any]]
_POLL = 0.005  # seconds between looks at a flight; its thread knows no event loop


class Runtime:
    """Performs asks where a caller may wait."""

    def __init__(self, handlers: Mapping[type[Ask[Any]], Handler]) -> None:
        self._handlers = dict(handlers)

    def perform(self, ask: Ask[Any]) -> Any:
        return self._handlers[type(ask)](ask)

    def run(self, flow: Flow[T]) -> T:
        return run(flow, self.perform)


class AsyncRuntime:
    """Performs asks on an event loop, which nothing here may block."""

    def __init__(self, handlers: Mapping[type[Ask[Any]], AsyncHandler]) -> None:
        self._handlers = dict(handlers)

    async def perform(self, ask: Ask[Any]) -> Any:
        return await self._handlers[type(ask)](ask)

    async def run(self, flow: Flow[T]) -> T:
        return await arun(flow, self.perform)


def key_handlers(fetch: Fetch | None = None) -> dict[type[Ask[Any]], Handler]:
    """The asks of the key cache, performed by waiting."""
    fetcher: Fetch = fetch or KeyFetcher()
    return {
        BeginFetch: lambda ask: _begin(fetcher, ask),
        AwaitFlight: lambda ask: ask.flight.wait(ask.timeout),
    }


def _begin(fetcher: Fetch, ask: BeginFetch) -> Flight | None:
    return ask.berth.take(ask.seen, ask.now, lambda: fetcher.begin(ask.request))


def async_key_handlers(fetch: Fetch | None = None) -> dict[type[Ask[Any]], AsyncHandler]:
    """The same, without blocking the loop."""
    fetcher: Fetch = fetch or KeyFetcher()

    async def begin(ask: BeginFetch) -> Any:
        return _begin(fetcher, ask)

    async def wait(ask: AwaitFlight) -> None:
        import asyncio  # sync applications never pay for it

        loop = asyncio.get_running_loop()
        deadline = loop.time() + ask.timeout
        while not ask.flight.done() and loop.time() < deadline:
            await asyncio.sleep(_POLL)

    return {BeginFetch: begin, AwaitFlight: wait}
