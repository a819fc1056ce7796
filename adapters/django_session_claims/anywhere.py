"""What needs no request: sessions, users and organisations, templates, and whether an `Auth`
still holds; under the settings of now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.utils.asyncio import async_unsafe

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.request import RequestAuth

from . import conf
from .issuing import issuing_of

if TYPE_CHECKING:
    from flask_session_claims.io.directory import AsyncLocalDirectory, LocalDirectory
    from flask_session_claims.io.sessions import AsyncSessions, Sessions
    from flask_session_claims.io.templates import AsyncTemplates, Templates


class _Now:
    """Looked up for each act, since settings may be overridden."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, act: str) -> Any:
        if act.startswith("_"):  # who inspects a module must not open its store
            raise AttributeError(act)
        return getattr(getattr(issuing_of(conf.reading()), self._name), act)

    def __repr__(self) -> str:
        return f"<{self._name} of settings.{conf.SETTING}>"


class _SyncNow(_Now):
    def __getattr__(self, act: str) -> Any:
        look = super().__getattr__
        if not act.startswith("_"):
            name = self._name
            said = f"{name} waits for the store; in async code write `await a{name}.…`."
            look = async_unsafe(said)(look)
        return look(act)


@async_unsafe("is_current() may wait for the store; in async code write `await ais_current(…)`.")
def is_current(auth: Auth | RequestAuth) -> bool:
    """Whether an `Auth` still holds, in a loop or a stream that goes on for long.

    True while the session lives and its claims are these, also after the token itself has ended.
    Of another issuer's session only the time of its token is known.

    Raises:
        UnavailableError: it cannot be told now.
    """
    return conf.reading().is_current(auth if isinstance(auth, Auth) else auth.value)


async def ais_current(auth: Auth | RequestAuth) -> bool:
    """Async form of `is_current`."""
    plain = auth if isinstance(auth, Auth) else auth.value
    return await conf.async_reading().is_current(plain)


#: The acts on sessions: `sessions.get(session_id)`; see `Sessions`.
sessions = cast("Sessions", _SyncNow("sessions"))
#: Async form of `sessions`.
asessions = cast("AsyncSessions", _Now("asessions"))
#: Users, organisations and memberships, with their metadata; see `LocalDirectory`.
directory = cast("LocalDirectory", _SyncNow("directory"))
#: Async form of `directory`.
adirectory = cast("AsyncLocalDirectory", _Now("adirectory"))
#: The templates of the session token and of others; see `Templates`.
templates = cast("Templates", _SyncNow("templates"))
#: Async form of `templates`.
atemplates = cast("AsyncTemplates", _Now("atemplates"))
