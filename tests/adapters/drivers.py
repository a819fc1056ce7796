"""What a driver of a framework must do for the contract, and the site that tests talk to.

It knows no framework: `driver_flask`, `driver_quart` and `driver_django` do.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, NamedTuple, Protocol

from flask_session_claims.testing import minted_secrets

from .views import BY_NAME, Here, View

#: Signatures and keys are longer than any text of ours without a break.
_LONG_ENOUGH = re.compile(r"[A-Za-z0-9+/_=-]{40,}")

Fields = Sequence[tuple[str, str]]


class Ask(NamedTuple):
    """A request: header fields as they go over the wire, in order, repeated where repeated."""

    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()


class Reply(NamedTuple):
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.headers if field.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The field's value; None if absent. A field of ours is never sent twice."""
        found = self.all(name)
        assert len(found) <= 1, f"{name} is sent {len(found)} times: {found}"
        return found[0] if found else None

    def names(self, name: str) -> set[str]:
        """A comma list, such as Vary, in lower case."""
        value = self.get(name) or ""
        return {part.strip().lower() for part in value.split(",")} - {""}

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["code"])


class Meeting:
    """Where the requests of a test wait for one another inside their views."""

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size)
        self._missing = size
        self._complete = asyncio.Event()

    def meet(self) -> None:
        self._barrier.wait(10)

    async def ameet(self) -> None:
        self._missing -= 1
        if not self._missing:
            self._complete.set()
        await asyncio.wait_for(self._complete.wait(), 10)


class Driver(Protocol):
    """A framework's app and test client, as the contract uses them."""

    #: The adapter's package: login_required and the rest.
    vocabulary: Any

    def build(self, site: Site, settings: Mapping[str, Any], handlers: bool) -> Any:
        """An app with all the views.

        Args:
            site: where the views act.
            settings: upper case, without prefix.
            handlers: answer 401, 403 and 503 by handlers of the app's own, with
                `{"handled": status, "code": what the client is told}`.
        """
        ...

    def play(
        self, app: Any, asks: Sequence[Ask], *, together: bool, held_open: bool
    ) -> list[Reply]:
        """The replies, in order.

        Args:
            together: at the same time, in threads or tasks of their own; else one after the
                other in the same thread and loop.
            held_open: inside whatever the framework allows to outlive requests, on which
                nothing may stay behind.
        """
        ...

    def rejections(self, app: Any) -> AbstractContextManager[list[tuple[str, str | None]]]:
        """The reason and source of each `token_rejected` of this app while it is open."""
        ...


class Site:
    """An app under test: asks it, counts what its views did, and looks for leaks."""

    def __init__(
        self, driver: Driver, settings: Mapping[str, Any], *, handlers: bool = False
    ) -> None:
        self.driver = driver
        #: Names of the views that ran, in order.
        self.ran: list[str] = []
        self.meeting = Meeting(1)
        self.app = driver.build(self, settings, handlers)

    # For tests

    def ask(
        self,
        path: str,
        token: str | None = None,
        *,
        source: str = "header",
        method: str = "GET",
        headers: Fields = (),
        cookies: Mapping[str, str] | None = None,
    ) -> Reply:
        """The reply to one request; `token` goes where `source` says."""
        return self.play([ask(path, token, source=source, method=method, headers=headers,
                              cookies=cookies)])[0]  # fmt: skip

    def play(
        self, asks: Sequence[Ask], *, together: bool = False, held_open: bool = False
    ) -> list[Reply]:
        if together:
            self.meeting = Meeting(len(asks))
        replies = self.driver.play(self.app, asks, together=together, held_open=held_open)
        assert len(replies) == len(asks)
        for asked, reply in zip(asks, replies, strict=True):
            check_for_leaks(asked, reply)
        return replies

    def runs(self, name: str) -> int:
        """How often the view has run."""
        assert name in BY_NAME
        return self.ran.count(name)

    def rejections(self) -> AbstractContextManager[list[tuple[str, str | None]]]:
        return self.driver.rejections(self.app)

    # For drivers

    def act(self, view: View, here: Here) -> dict[str, Any]:
        """What a sync view does."""
        self.ran.append(view.name)
        answer = view.does(here)
        if view.meets:
            self.meeting.meet()
            answer = {"first": answer, "second": view.does(here)}
        return answer

    async def aact(self, view: View, here: Here) -> dict[str, Any]:
        """What an async view does."""
        self.ran.append(view.name)
        answer = await _settled(view.does(here))
        if view.meets:
            await self.meeting.ameet()
            answer = {"first": answer, "second": await _settled(view.does(here))}
        return answer


def ask(
    path: str,
    token: str | None = None,
    *,
    source: str = "header",
    method: str = "GET",
    headers: Fields = (),
    cookies: Mapping[str, str] | None = None,
) -> Ask:
    fields = list(headers)
    jar = dict(cookies or {})
    if token is not None and source == "header":
        fields.append(("Authorization", f"Bearer {token}"))
    elif token is not None:
        jar["__session"] = token
    if jar:
        fields.append(("Cookie", "; ".join(f"{name}={value}" for name, value in jar.items())))
    return Ask(path, method, tuple(fields))


def dressed(view: View, gated: Callable[..., Any], bare: Callable[..., Any]) -> Any:
    """The gated view inside of what somebody else's decorator makes of it.

    Args:
        view: says which decorator.
        gated: the function behind its gates.
        bare: the function without them.
    """
    if not (view.hidden or view.shortcut):
        return gated
    inner = bare if view.shortcut else gated
    if inspect.iscoroutinefunction(inner):

        async def acall(*args: Any, **kwargs: Any) -> Any:
            return await inner(*args, **kwargs)

        return wraps(gated)(acall) if view.shortcut else acall

    def call(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    return wraps(gated)(call) if view.shortcut else call


async def _settled(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        name: await value if inspect.isawaitable(value) else value for name, value in answer.items()
    }


def check_for_leaks(asked: Ask, reply: Reply) -> None:
    """No reply holds a token or sets a cookie; only the views that are there for it give one."""
    assert reply.all("Set-Cookie") == []
    if asked.path.startswith("/token"):
        return
    text = "\n".join((reply.body.decode("utf-8", "replace"), *map(": ".join, reply.headers)))
    for run in _LONG_ENOUGH.findall(text):
        assert not [secret for secret in minted_secrets() if secret in text or run in secret], (
            f"a secret is in the reply to {asked.path}"
        )


def wsgi_fields(headers: Fields) -> dict[str, str]:
    """Header fields as a WSGI server hands them on: repeated ones joined."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        joint = "; " if key == "HTTP_COOKIE" else ","
        joined[key] = f"{joined[key]}{joint}{value}" if key in joined else value
    return joined
