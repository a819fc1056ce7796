"""The asks for the app's own code: its hooks, and who listens to its signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.flow import Ask


@dataclass(frozen=True, slots=True)
class Consult(Ask[Any]):
    """Call a hook of the app, sync or async; its result. What it raises, the caller sees."""

    hook: Callable[..., Any]
    arguments: tuple[Any, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tell(Ask[None]):
    """Tell the app of what has happened, by the signal of that name; never raises."""

    event: str
    data: Mapping[str, Any] = field(repr=False)
