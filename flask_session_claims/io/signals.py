"""The signals, and the one way to send them.

Sender is the app; everything else comes by keyword, so receivers should take `**extra`. A
signal tells of what has happened: a receiver's error is logged and undoes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from blinker import NamedSignal, Namespace

from .logs import logger

_namespace: Final = Namespace()

#: A token was sent and refused. `reason`: the exact code; `source`: "header" or "cookie".
token_rejected: Final = _namespace.signal("token-rejected")

#: A newer token of a session brought other claims of the app's own. `auth`: the new `Auth`;
#: `changed`: a frozenset of claim names.
claims_refreshed: Final = _namespace.signal("claims-refreshed")

SyncWrapper = Callable[[Callable[..., Any]], Callable[..., Any]]


def emit(
    signal: NamedSignal, sender: Any, *, wrapper: SyncWrapper | None = None, **data: Any
) -> None:
    """Send `signal`; `wrapper` makes async receivers callable (Flask's `ensure_sync`)."""
    if not signal.receivers:
        return
    try:
        signal.send(sender, _async_wrapper=wrapper, **data)
    except Exception:
        logger.exception("a receiver of %r failed", signal.name)


async def aemit(
    signal: NamedSignal, sender: Any, *, wrapper: SyncWrapper | None = None, **data: Any
) -> None:
    """Async form of `emit`; `wrapper` makes sync receivers awaitable (Quart's `ensure_async`)."""
    if not signal.receivers:
        return
    try:
        await signal.send_async(sender, _sync_wrapper=wrapper, **data)
    except Exception:
        logger.exception("a receiver of %r failed", signal.name)
