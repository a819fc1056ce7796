"""Who is at hand in Quart: tasks, threads, streams, and contexts that are shared or copied."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from typing import Any

import pytest

pytest.importorskip("quart")

from quart import copy_current_request_context, g, stream_with_context, websocket
from quart.views import MethodView
from quart_session_claims import Auth, current_auth, get_auth, login_required

from .quart_site import bearer, fetch, make, shake, socket


@pytest.mark.parametrize("held_open", [False, True])
def test_sockets_and_requests_at_the_same_time_each_see_their_own(config, alice, bob, held_open):
    """Before Quart 0.23 all of them share one `g` if an app context is pushed around them."""
    app = make(config)
    away = [4]

    async def meet() -> None:
        away[0] -= 1
        while away[0]:
            await asyncio.sleep(0.001)

    @app.websocket("/ws")
    async def ws() -> None:
        before = g.auth.user_id
        await meet()
        await websocket.send_json([before, g.auth.user_id, len(await g.auth.get_token() or "")])

    @app.get("/")
    async def index() -> list[Any]:
        before = g.auth.user_id
        await meet()
        copy = pickle.loads(pickle.dumps(g.auth))  # noqa: S301 (our own bytes)
        return [before, g.auth.user_id, type(copy) is Auth and copy.user_id]

    async def all_of_them() -> list[Any]:
        asked = [
            fetch(app, "/", alice),
            fetch(app, "/"),
            shake(app, "/ws", bearer(bob)),
            shake(app, "/ws"),
        ]
        one, nobody, two, silent = await asyncio.wait_for(asyncio.gather(*asked), 10)
        return [json.loads(one[1]), json.loads(nobody[1]), two.said, silent.said]

    async def play() -> list[Any]:
        if not held_open:
            return await all_of_them()
        async with app.app_context():
            seen = await all_of_them()
            assert "auth" not in g
            return seen

    size = len(bob["Authorization"].removeprefix("Bearer "))
    assert asyncio.run(play()) == [
        ["alice"] * 3,
        [None] * 3,
        ["bob", "bob", size],
        [None, None, 0],
    ]


def test_a_request_or_socket_inside_a_view_leaves_the_outer_one_alone(config, alice, bob):
    app = make(config)
    socket(app, "/ws")

    @app.get("/inner")
    async def inner() -> str:
        return str(g.auth.user_id)

    @app.get("/outer")
    @login_required
    async def outer() -> list[Any]:
        _, asked = await fetch(app, "/inner", bob)
        opened = await shake(app, "/ws")
        return [g.auth.user_id, asked, opened.said["user"], g.auth.user_id, get_auth().user_id]

    status, body = asyncio.run(fetch(app, "/outer", alice))
    assert (status, json.loads(body)) == (200, ["alice", "bob", None, "alice", "alice"])


def test_a_background_task_has_no_auth_but_can_be_given_one(config, alice):
    app = make(config)
    seen: list[Any] = []

    async def task(auth: Auth, bound: Any) -> None:
        seen.append(hasattr(g, "auth"))
        for read in (get_auth, lambda: current_auth.user_id):
            with pytest.raises(RuntimeError, match="pass the Auth along"):
                read()
        seen.append(get_auth(default=None))
        seen.append((auth.user_id, bound.user_id))

    @app.get("/")
    async def index() -> str:
        app.add_background_task(task, get_auth(), g.auth)
        await asyncio.sleep(0.01)  # it runs while the request is still open
        return str(g.auth.user_id)

    async def play() -> tuple[int, str]:
        async with app.test_app():
            answer = await fetch(app, "/", alice)
            await asyncio.gather(*app.background_tasks)
            return answer

    assert asyncio.run(play()) == (200, "alice")
    assert seen == [False, None, ("alice", "alice")]


def test_outside_of_any_request_the_error_says_what_to_do():
    for read in (get_auth, lambda: current_auth.user_id):
        with pytest.raises(RuntimeError, match="outside a request"):
            read()
    assert get_auth(default=None) is None
    assert "outside" in repr(current_auth)


def test_in_a_test_request_context_auth_comes_with_preprocess_request(config, alice):
    app = make(config)

    @app.get("/")
    @login_required
    async def index() -> str:
        return str(get_auth().user_id)

    async def play() -> None:
        async with app.test_request_context("/", headers=alice) as context:
            with pytest.raises(RuntimeError, match="preprocess_request"):
                get_auth(default=None)
            # Quart 0.23 takes the context as an argument.
            assert await app.preprocess_request(context) is None
            assert g.auth.user_id == current_auth.user_id == "alice"
        async with app.test_request_context("/", headers=alice):
            assert await index() == "alice"

    asyncio.run(play())


# --- threads, streams, copies ---------------------------------------------------------------


def test_a_sync_view_sees_its_auth_from_its_thread(config, alice):
    app = make(config)

    @app.get("/")
    @login_required
    def index() -> list[Any]:
        users = [g.auth.user_id, current_auth.user_id, get_auth().user_id]
        return [*users, threading.current_thread() is threading.main_thread()]

    class Page(MethodView):
        decorators = [login_required]  # noqa: RUF012 (as Quart has it)

        def get(self) -> str:
            return str(g.auth.user_id)

    app.add_url_rule("/page", view_func=Page.as_view("page"))
    status, body = asyncio.run(fetch(app, "/", alice))
    assert (status, json.loads(body)) == (200, ["alice", "alice", "alice", False])
    assert asyncio.run(fetch(app, "/page", alice)) == (200, "alice")
    assert asyncio.run(fetch(app, "/page"))[0] == 401


def test_streams_stay_streams_and_do_not_begin_where_refused(config, alice):
    app = make(config)
    begun: list[str] = []

    @app.get("/async")
    @login_required
    async def in_loop() -> Any:
        auth = g.auth

        async def body() -> Any:
            begun.append("async")
            yield auth.user_id  # the request is over by now
            yield "!"

        return body()

    @app.get("/sync")
    @login_required
    def in_thread() -> Any:
        auth = g.auth

        def body() -> Any:
            begun.append("sync")
            yield auth.user_id
            yield "!"

        return body()

    @app.get("/generator")
    @login_required
    def generator() -> Any:
        begun.append("generator")
        yield "alice"
        yield "!"

    @app.get("/context")
    @login_required
    async def in_context() -> Any:
        @stream_with_context
        async def body() -> Any:
            begun.append("context")
            yield get_auth().user_id
            yield "!"

        return body()

    paths = ["/async", "/sync", "/generator", "/context"]

    async def play(*headers: dict[str, str]) -> list[Any]:
        return [await fetch(app, path, *headers) for path in paths]

    assert [status for status, _ in asyncio.run(play())] == [401] * 4
    assert begun == []
    assert asyncio.run(play(alice)) == [(200, "alice!")] * 4
    assert begun == ["async", "sync", "generator", "context"]


def test_the_end_of_a_copied_context_does_not_take_the_auth_away(config, alice):
    app = make(config)

    @app.get("/")
    async def index() -> list[Any]:
        @copy_current_request_context
        async def part() -> str | None:
            return get_auth().user_id

        return [*await asyncio.gather(part(), part()), g.auth.user_id]

    status, body = asyncio.run(fetch(app, "/", alice))
    assert (status, json.loads(body)) == (200, ["alice"] * 3)
