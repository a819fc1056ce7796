"""`sessions` and `asessions`: the acts on sessions, from anywhere, under the settings of now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.utils.asyncio import async_unsafe

from . import conf
from .issuing import issuing_of

if TYPE_CHECKING:
    from flask_session_claims.io.sessions import AsyncSessions, Sessions


class _Now:
    """Looked up for each act, since settings may be overridden."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, act: str) -> Any:
        if act.startswith("__"):  # who inspects a module must not open its store
            raise AttributeError(act)
        return getattr(getattr(issuing_of(conf.reading()), self._name), act)

    def __repr__(self) -> str:
        return f"<{self._name} of settings.{conf.SETTING}>"


class _SyncNow(_Now):
    @async_unsafe("sessions wait for their store; in async code write `await asessions.…`.")
    def __getattr__(self, act: str) -> Any:
        return super().__getattr__(act)


#: The acts on sessions: `sessions.get(session_id)`; see `Sessions`.
sessions = cast("Sessions", _SyncNow("sessions"))
#: Async form of `sessions`.
asessions = cast("AsyncSessions", _Now("asessions"))
