"""Small Quart apps and clients for the tests of what is particular to Quart."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from quart import Blueprint, Quart, g, websocket
from quart.testing import WebsocketResponseError
from quart_session_claims import SessionClaims, current_auth, get_auth
from werkzeug.datastructures import Headers


class Shaken(NamedTuple):
    """How a websocket handshake went: a status, and what came first, or the refusal."""

    status: int
    said: Any
    headers: Any = None


def make(config: dict[str, Any], **changes: Any) -> Quart:
    app = Quart("site")
    app.config.update(config, **changes)
    SessionClaims(app)
    return app


def socket(app: Quart | Blueprint, path: str, *gates: Any) -> list[str]:
    """A websocket that tells who is signed in, behind the gates; gives the list of its runs."""
    ran: list[str] = []

    async def view() -> None:
        ran.append(path)
        user = (g.auth.user_id, current_auth.user_id, get_auth().user_id)
        assert len(set(user)) == 1
        await websocket.send_json({"user": g.auth.user_id, "reason": g.auth.reason})

    gated = view
    for gate in gates:
        gated = gate(gated)
    app.add_websocket(path, path, view_func=gated)
    return ran


async def shake(app: Quart, path: str, *headers: tuple[str, str]) -> Shaken:
    client = app.test_client(use_cookies=False)
    async with client.websocket(path, headers=Headers(list(headers))) as connection:
        try:
            said = await asyncio.wait_for(connection.receive_json(), 10)
        except WebsocketResponseError as refusal:
            assert not connection.accepted
            body = await refusal.response.get_data(as_text=False)
            return Shaken(refusal.response.status_code, body, refusal.response.headers)
        assert connection.accepted
        return Shaken(101, said)


def shaken(app: Quart, path: str, *headers: tuple[str, str]) -> Shaken:
    return asyncio.run(shake(app, path, *headers))


async def fetch(app: Quart, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    response = await app.test_client(use_cookies=False).get(path, headers=headers)
    return response.status_code, await response.get_data(as_text=True)


def bearer(of: dict[str, str]) -> tuple[str, str]:
    return "Authorization", of["Authorization"]


def cookie(of: dict[str, str]) -> tuple[str, str]:
    return "Cookie", "__session=" + of["Authorization"].removeprefix("Bearer ")
