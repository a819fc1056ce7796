"""The signals. A receiver's error is logged by Django and undoes nothing.

Sender is the class `SessionClaimsConfig`; everything else comes by keyword.
"""

from __future__ import annotations

from typing import Any, Final

from django.dispatch import Signal

from .apps import SessionClaimsConfig

#: A token was sent and refused. `reason`: the exact code; `source`: "header" or "cookie".
token_rejected: Final = Signal()

#: A newer token of a session brought other claims of the app's own. `auth`: the new `Auth`;
#: `changed`: a frozenset of claim names.
claims_refreshed: Final = Signal()


def emit(signal: Signal, **data: Any) -> None:
    """Send `signal`; async receivers are run to their end."""
    signal.send_robust(SessionClaimsConfig, **data)


async def aemit(signal: Signal, **data: Any) -> None:
    """Async form of `emit`; sync receivers run in a thread."""
    await signal.asend_robust(SessionClaimsConfig, **data)
