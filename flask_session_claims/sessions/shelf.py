"""The session token's template as one process has it at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ..core.flow import Flow
from .templates.compiling import Template

#: Seconds after which it is read again, though the log has told nothing of it.
LOOK_EVERY: Final = 30.0


class _Held(NamedTuple):
    template: Template | None
    #: What had been told when it was read.
    told: int
    until: float


class TemplateShelf:
    """The session token's template; any thread may use it.

    Args:
        load: the template in the store, or None.
        clock: seconds.
    """

    def __init__(self, load: Callable[[], Flow[Template | None]], clock: Callable[[], float]):
        self._load, self._clock = load, clock
        self._told = 0
        self._held: _Held | None = None

    def look_again(self) -> None:
        """The log has told of templates: what was read before counts no longer."""
        self._told += 1

    def template(self) -> Flow[Template | None]:
        """The template in force; None: there is none.

        Raises:
            UnavailableError: it cannot be had.
        """
        held, told, now = self._held, self._told, self._clock()
        # Compared, not cleared: while one reads, another must not take what is older than told.
        if held is not None and held.told == told:
            if held.until - LOOK_EVERY <= now < held.until:
                return held.template
        template = yield from self._load()
        self._held = _Held(template, told, now + LOOK_EVERY)
        return template
