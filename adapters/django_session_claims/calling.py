"""How the project's functions are called, sync or async, by whoever waits or awaits."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async

from .plans import is_async


def call(hook: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives, or a coroutine, which the caller waits for."""
    if _is_async(hook):
        try:
            _ = get_running_loop()
        except RuntimeError:
            return async_to_sync(hook)(*arguments)  # on the server's own loop, if it has one
    return hook(*arguments)


async def acall(hook: Callable[..., Any], *arguments: Any) -> Any:
    """Async form of `call`; a sync function may wait, for the database for instance."""
    return await (hook if _is_async(hook) else sync_to_async(hook))(*arguments)


def _is_async(hook: Callable[..., Any]) -> bool:
    return is_async(hook) or is_async(hook.__call__)  # type: ignore[operator]
