"""How the app's own functions are called: sync or async, by whoever waits or awaits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable, iscoroutine
from typing import Any

from ..sessions.consult import Consult
from .executor import wait_for

#: Calls a function with arguments; what is awaitable then is waited for.
Call = Callable[..., Any]


def plainly(hook: Callable[..., Any], *arguments: Any) -> Any:
    """A function, called."""
    return hook(*arguments)


def consulting(call: Call) -> Callable[[Consult], Any]:
    """What performs `Consult`."""

    def perform(ask: Consult) -> Any:
        result = call(ask.hook, *ask.arguments)
        return wait_for(result) if iscoroutine(result) else result

    return perform


def aconsulting(call: Call) -> Callable[[Consult], Awaitable[Any]]:
    """Async form of `consulting`."""

    async def perform(ask: Consult) -> Any:
        result = call(ask.hook, *ask.arguments)
        return await result if isawaitable(result) else result

    return perform
