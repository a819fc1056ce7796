"""The asks for the app's own code: its hooks, and who listens to its signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.flow import Ask


@dataclass(frozen=True, slots=True)
class Consult(Ask[Any]):
    """Call a hook of the app, sync or async; its result. What it raises, the caller sees."""

    hook: Callable[..., Any]
    arguments: tuple[Any, ...] = field(repr=False)


#: What adapters have a signal for.
EVENTS: Final = frozenset({
    "claims_refreshed", "session_created", "session_refreshed", "session_revoked",
    "refresh_token_reused", "claims_oversize", "keys_rotated", "organization_switched",
    "user_metadata_changed", "impersonation_started", "impersonation_stopped",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tell(Ask[None]):
    """Tell of what has happened: the log, and by the signal of that name the app. Never raises."""

    event: str
    data: Mapping[str, Any] = field(repr=False)
