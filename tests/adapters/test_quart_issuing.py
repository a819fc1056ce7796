"""What is particular to Quart as an issuer: websockets, tasks, the event loop, hooks, failures.

What all adapters share is in the issuing contract.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, cast

import pytest

pytest.importorskip("quart")

import quart
from quart import Quart, copy_current_request_context, g, request, websocket
from quart.sessions import SecureCookieSessionInterface
from quart.testing import WebsocketResponseError
from quart_session_claims import (
    ConfigurationError,
    SessionClaims,
    SessionError,
    create_session,
    current_session,
    get_auth,
    login_required,
    merge_session_claims,
    revoke_session,
    session_created,
    session_revoked,
)
from werkzeug.datastructures import Headers

from flask_session_claims.stores.faults import StoreUnavailable
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock

from .drivers import Reply
from .issuing.drivers import SECRET_KEY, Jar, cookies_of

APP = "https://app.example"
SAME = (("Sec-Fetch-Site", "same-origin"),)
#: A handshake says no Fetch Metadata; its Origin speaks for it.
PAGE = (("Origin", APP),)


class Site:
    """An app that is its own issuer, and one browser."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FrozenClock()
        self.app = Quart("issuing")
        self.app.config["SECRET_KEY"] = SECRET_KEY
        given = {"ISSUER": "self", "STORE": "memory:", "ORIGINS": [APP], **settings}
        self.app.config.update({f"SESSION_CLAIMS_{name}": value for name, value in given.items()})
        self.claims = SessionClaims(self.app, clock=self.clock)
        self.app.register_blueprint(self.claims.blueprint(), url_prefix="/auth")
        self.app.add_url_rule("/sign-in", view_func=sign_in, methods=["POST"])
        self.app.add_url_rule("/peek", view_func=peek)
        self.jar = Jar(self.clock)

    async def send(self, path: str, method: str = "GET", **scope: Any) -> Reply:
        """One request of the browser, which keeps the cookies of the reply."""
        client = self.app.test_client(use_cookies=False)
        headers = self._fields(path, SAME if method == "POST" else ())
        response = await client.open(path, method=method, headers=headers, **scope)
        body = await response.get_data(as_text=False)
        reply = Reply(response.status_code, tuple(response.headers), body)
        self.jar.take(reply)
        return reply

    def _fields(self, path: str, fields: Sequence[tuple[str, str]]) -> Headers:
        cookie = self.jar.header(path)
        return Headers([*fields, *([("Cookie", cookie)] if cookie else [])])

    async def sign_in(self) -> str:
        reply = await self.send("/sign-in", "POST")
        assert reply.status == 200
        return str(reply.json["session"])

    async def user(self) -> str | None:
        return cast("str | None", (await self.send("/peek")).json["user"])

    async def shake(self, path: str) -> tuple[int, Any, Any]:
        """A websocket handshake: the status, and what came first or the refusal; its headers."""
        client = self.app.test_client(use_cookies=False)
        async with client.websocket(path, headers=self._fields(path, PAGE)) as connection:
            try:
                said = await asyncio.wait_for(connection.receive_json(), 10)
            except WebsocketResponseError as refusal:
                response = refusal.response
                return response.status_code, await response.get_data(), response.headers
            return 101, said, connection.headers


async def sign_in() -> Any:
    session = await create_session("ada")
    return {"session": session.session_id}


async def peek() -> Any:
    return {"user": g.auth.user_id, "claims": dict(g.auth.session_claims)}


def view(site: Site, path: str) -> Callable[[Callable[..., Any]], Any]:
    return site.app.route(path, methods=["POST"])


def ended(site: Site) -> list[tuple[str, str]]:
    """The sessions that ended, as the signal tells: id, reason. For as long as it is kept."""
    seen: list[tuple[str, str]] = []

    async def note(sender: Any, *, session_id: str, reason: str, **extra: Any) -> None:
        seen.append((session_id, reason))

    session_revoked.connect(note, sender=site.app, weak=False)
    return seen


async def live(site: Site) -> int:
    return len(await site.claims.asessions.list_for_user("ada"))


async def failing(site: Site, path: str) -> tuple[Reply | None, BaseException | None]:
    """A request that fails: the reply, or what was raised into the server.

    Which of the two, and whether in a group, depends on Quart's release and its settings.
    """
    try:
        return await site.send(path, "POST"), None
    except Exception as caught:
        error: Any = caught
        while hasattr(error, "exceptions"):
            (error,) = error.exceptions
        return None, error


# --- websockets -----------------------------------------------------------------------------


def test_a_websocket_is_opened_by_the_session_and_refreshes_nothing():
    site = Site()

    @site.app.websocket("/ws")
    @login_required
    async def ws() -> None:
        await websocket.send_json({"user": g.auth.user_id})

    async def play() -> None:
        await site.sign_in()
        assert (await site.shake("/ws"))[:2] == (101, {"user": "ada"})
        before = site.jar.value("refresh")
        site.clock.advance(400)
        status, _, headers = await site.shake("/ws")
        assert status == 401
        assert headers.getlist("Set-Cookie") == []
        # The refresh token was not used up: a request goes on with it.
        assert site.jar.value("refresh") == before
        assert await site.user() == "ada"
        assert site.jar.value("refresh") != before
        assert (await site.shake("/ws"))[:2] == (101, {"user": "ada"})

    asyncio.run(play())


def test_nobody_signs_in_over_a_websocket():
    site = Site()

    @site.app.websocket("/ws")
    async def ws() -> None:
        try:
            await create_session("ada")
        except SessionError as error:
            await websocket.send_json({"code": error.code, "user": g.auth.user_id})

    async def play() -> None:
        assert (await site.shake("/ws"))[1] == {"code": "headers-sent", "user": None}
        assert await live(site) == 0

    asyncio.run(play())


def test_a_websocket_changes_and_ends_the_session_without_cookies():
    site = Site()

    @site.app.websocket("/merge")
    async def merge() -> None:
        await websocket.accept()
        auth = await merge_session_claims({"n": 1})
        assert get_auth() == auth
        session = await current_session()
        assert session is not None
        await websocket.send_json({"n": g.auth.session_claims["n"], "kept": session.claims["n"]})

    @site.app.websocket("/end")
    async def end() -> None:
        await websocket.send_json({"ended": await revoke_session(), "user": g.auth.user_id})

    async def play() -> None:
        await site.sign_in()
        assert (await site.shake("/merge"))[1] == {"n": 1, "kept": 1}
        assert (await site.send("/peek")).json["claims"]["n"] == 1
        assert (await site.shake("/end"))[1] == {"ended": True, "user": None}
        assert await site.user() is None

    asyncio.run(play())


def test_a_handshake_that_is_refused_touches_no_cookie():
    site = Site()

    @site.app.websocket("/ws")
    async def ws() -> tuple[str, int]:
        assert await revoke_session()
        return "no more", 403

    async def play() -> None:
        await site.sign_in()
        status, said, headers = await site.shake("/ws")
        assert (status, said, "Set-Cookie" in headers) == (403, b"no more", False)
        assert await live(site) == 0

    asyncio.run(play())


def test_a_websocket_that_outlives_its_token_still_changes_the_session():
    site = Site()

    @site.app.websocket("/ws")
    @login_required
    async def ws() -> None:
        await websocket.accept()
        site.clock.advance(400)
        await merge_session_claims({"n": 1})
        await websocket.send_json({"n": g.auth.session_claims["n"]})

    async def play() -> None:
        await site.sign_in()
        assert (await site.shake("/ws"))[1] == {"n": 1}
        assert (await site.send("/peek")).json["claims"]["n"] == 1

    asyncio.run(play())


# --- tasks ----------------------------------------------------------------------------------


def test_a_background_task_has_no_session_at_hand_but_all_sessions_by_id():
    site = Site()
    said: list[Any] = []

    async def later(session_id: str) -> None:
        for act in (partial(merge_session_claims, {"n": 1}), revoke_session, current_session):
            with pytest.raises(RuntimeError, match="outside a request"):
                await cast("Callable[[], Awaitable[Any]]", act)()
            said.append(act)
        await site.claims.asessions.merge_claims(session_id, {"n": 2})

    @view(site, "/later")
    async def start() -> Any:
        session = await create_session("ada")
        site.app.add_background_task(later, session.session_id)
        return {}

    async def play() -> None:
        async with site.app.test_app():  # waits for background tasks when it ends
            assert (await site.send("/later", "POST")).status == 200
        assert len(said) == 3
        assert (await site.send("/peek")).json["claims"]["n"] == 2

    asyncio.run(play())


def test_a_task_with_the_requests_context_acts_for_the_request():
    site = Site()

    @view(site, "/gather")
    async def gather() -> Any:
        @copy_current_request_context
        async def act() -> Any:
            return (await create_session("ada")).session_id

        session_id = await asyncio.create_task(act())
        return {"session": session_id, "user": g.auth.user_id}

    async def play() -> None:
        assert (await site.send("/gather", "POST")).json["user"] == "ada"
        assert await site.user() == "ada"

    asyncio.run(play())


def test_requests_at_the_same_time_keep_their_own_sessions():
    site = Site()
    users = [f"user_{number}" for number in range(16)]

    @view(site, "/as")
    async def sign_in_as() -> Any:
        user = request.args["user"]
        await create_session(user)
        await asyncio.sleep(0)
        await merge_session_claims({"me": user})
        await asyncio.sleep(0)
        return {"user": g.auth.user_id, "me": g.auth.session_claims["me"]}

    async def one(user: str) -> Reply:
        client = site.app.test_client(use_cookies=False)
        response = await client.post(f"/as?user={user}", headers=Headers(list(SAME)))
        body = await response.get_data(as_text=False)
        return Reply(response.status_code, tuple(response.headers), body)

    async def play() -> None:
        for user, reply in zip(users, await asyncio.gather(*map(one, users)), strict=True):
            assert reply.json == {"user": user, "me": user}
            browser = Site(STORE=site.app.config["SESSION_CLAIMS_STORE"])
            browser.app, browser.jar = site.app, Jar(site.clock)
            browser.jar.take(reply)
            assert (await browser.send("/peek")).json["claims"]["me"] == user

    asyncio.run(play())


# --- the event loop -------------------------------------------------------------------------


class HeldStore(MemoryStore):
    """A store whose calls last until the test lets them go on."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.goes_on.set()
        #: Set while a call lasts.
        self.waits = threading.Event()
        #: Which calls were made, and by which threads.
        self.calls: set[tuple[str, int]] = set()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("load", "find", "due", "count", "commit", "log_since", "identity"):
            return found

        def held(*arguments: Any, **named: Any) -> Any:
            self.calls.add((name, threading.get_ident()))
            self.waits.set()
            assert self.goes_on.wait(10), "the loop stood still"
            return found(*arguments, **named)

        return held


@pytest.fixture
def held() -> tuple[Site, HeldStore]:
    store = HeldStore()
    site = Site(STORE=store)

    @view(site, "/all")
    async def all_acts() -> Any:
        await current_session()
        await merge_session_claims({"n": 1})
        await revoke_session()
        await create_session("ada")
        return {}, 500  # so that the end of the request has to ask the store as well

    return site, store


def test_no_act_asks_the_store_on_the_loop(held):
    site, store = held

    async def play() -> None:
        await site.sign_in()
        site.clock.advance(400)  # so that it is refreshed, and the keys are looked at again
        store.calls.clear()
        assert (await site.send("/all", "POST")).status == 500
        assert (await site.send("/auth/session/refresh", "POST")).status == 401
        assert (await site.send("/auth/jwt/jwks.json")).status == 200
        assert {name for name, _ in store.calls} >= {"load", "commit", "log_since"}
        assert [call for call in store.calls if call[1] == threading.get_ident()] == []

    asyncio.run(play())


def test_a_store_that_makes_one_request_wait_holds_no_other_up(held):
    site, store = held

    async def play() -> None:
        await site.sign_in()
        site.clock.advance(400)
        store.waits.clear()
        store.goes_on.clear()
        waiting = asyncio.create_task(site.send("/all", "POST"))
        while not store.waits.is_set():
            await asyncio.sleep(0.001)
        client = site.app.test_client(use_cookies=False)
        for _ in range(20):
            assert (await client.get("/peek")).status_code == 200
        assert not waiting.done()
        store.goes_on.set()
        assert (await waiting).status == 500

    asyncio.run(play())


# --- hooks and receivers --------------------------------------------------------------------


async def async_hook(user_id: str, session: Any) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"plan": "pro", "loop": threading.current_thread() is threading.main_thread()}


def sync_hook(user_id: str, session: Any) -> dict[str, Any]:
    return {"plan": "pro", "loop": threading.current_thread() is threading.main_thread()}


class AsyncCallable:
    async def __call__(self, user_id: str, session: Any) -> dict[str, Any]:
        return await async_hook(user_id, session)


@pytest.mark.parametrize(
    ("hook", "on_loop"),
    [
        (async_hook, True),
        (partial(async_hook), True),
        (AsyncCallable(), True),
        (sync_hook, False),
    ],
    ids=["async", "partial", "object", "sync"],
)
def test_hooks_are_awaited_and_sync_ones_run_in_a_thread(hook, on_loop):
    site = Site()
    assert site.claims.provide(hook) is hook

    async def play() -> None:
        await site.sign_in()
        claims = (await site.send("/peek")).json["claims"]
        assert (claims["plan"], claims["loop"]) == ("pro", on_loop)
        site.clock.advance(400)
        assert (await site.send("/peek")).json["claims"]["plan"] == "pro"

    asyncio.run(play())


@pytest.mark.parametrize("hook", [async_hook, partial(async_hook), AsyncCallable(), sync_hook],
                         ids=["async", "partial", "object", "sync"])  # fmt: skip
def test_scripts_and_threads_use_the_sync_form_with_any_hook(hook):
    site = Site()
    site.claims.provide(hook)
    made = site.claims.sessions.create("ada")
    assert made.claims["plan"] == "pro"

    async def play() -> Any:
        sessions = site.claims.sessions
        refreshed = await asyncio.to_thread(sessions.refresh, made.refresh_token)
        return refreshed, sessions.create("bob")  # which holds this loop up, and works

    assert [issued.claims["plan"] for issued in asyncio.run(play())] == ["pro", "pro"]


def test_receivers_hear_of_acts_from_requests_scripts_and_tasks():
    site = Site()
    heard: list[str] = []

    async def anote(sender: Any, *, session: Any, **extra: Any) -> None:
        await asyncio.sleep(0)
        heard.append("async")

    def note(sender: Any, *, session: Any, **extra: Any) -> None:
        heard.append("sync")

    with (
        session_created.connected_to(anote, sender=site.app),
        session_created.connected_to(note, sender=site.app),
    ):
        asyncio.run(site.sign_in())
        assert sorted(heard) == ["async", "sync"]
        site.claims.sessions.create("ada")
        assert sorted(heard) == ["async"] * 2 + ["sync"] * 2
        asyncio.run(cast("Any", site.claims.asessions.create("ada")))
        assert sorted(heard) == ["async"] * 3 + ["sync"] * 3


def test_sync_receivers_of_a_request_run_in_a_thread():
    site = Site()
    threads: list[int] = []

    def note(sender: Any, **extra: Any) -> None:
        threads.append(threading.get_ident())

    with session_created.connected_to(note, sender=site.app):
        asyncio.run(site.sign_in())
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_second_hook_and_what_is_none_are_refused():
    claims = Site().claims
    with pytest.raises(ConfigurationError, match="give a function"):
        claims.provide(cast("Any", {"plan": "pro"}))
    claims.provide(sync_hook)
    with pytest.raises(ConfigurationError, match="keep one"):
        claims.provide(async_hook)


# --- requests that fail after a sign-in -----------------------------------------------------


def raising(site: Site) -> None:
    @view(site, "/fails")
    async def fails() -> Any:
        await create_session("ada")
        raise LookupError("the view's own")


def hook_raises_once(site: Site) -> None:
    raise_for = [LookupError("a hook's own")]
    view(site, "/fails")(sign_in)

    @site.app.after_request
    async def hook(response: Any) -> Any:
        if raise_for:
            raise raise_for.pop()
        return response


def hook_raises_always(site: Site) -> None:
    view(site, "/fails")(sign_in)

    @site.app.after_request
    async def hook(response: Any) -> Any:
        if request.path == "/fails":
            raise LookupError("a hook's own")
        return response


def session_cookie_fails(site: Site) -> None:
    @view(site, "/fails")
    async def fails() -> Any:
        await create_session("ada")
        quart.session["cannot"] = "be kept"
        return {}

    class Failing(SecureCookieSessionInterface):
        left = 1

        async def save_session(self, app: Any, session: Any, response: Any) -> None:
            if self.left and "cannot" in session:
                self.left = 0
                raise LookupError("saving the framework's session")

    site.app.session_interface = Failing()


def receiver_raises(site: Site) -> None:
    view(site, "/fails")(sign_in)
    left = [1]

    async def finished(sender: Any, response: Any, **extra: Any) -> None:
        if left:
            left.clear()
            raise LookupError("a receiver's own")

    quart.request_finished.connect(finished, sender=site.app, weak=False)


FAILURES = [
    raising, hook_raises_once, hook_raises_always, session_cookie_fails, receiver_raises,
]  # fmt: skip


@pytest.mark.parametrize("fail", FAILURES)
@pytest.mark.parametrize("changes", [{}, {"TESTING": True}, {"PROPAGATE_EXCEPTIONS": True}],
                         ids=["plain", "testing", "propagate"])  # fmt: skip
def test_a_request_that_fails_anywhere_signs_nobody_in(fail, changes):
    site = Site()
    seen = ended(site)
    fail(site)

    async def play() -> None:
        site.app.config.update(changes)
        reply, error = await failing(site, "/fails")
        if reply is None:
            assert changes
            assert isinstance(error, LookupError)
        else:
            assert (reply.status, cookies_of(reply)) == (500, {})
        assert await live(site) == 0
        assert [reason for _, reason in seen] == ["request-failed"]
        assert await site.user() is None

    asyncio.run(play())


@pytest.mark.parametrize("handled", [LookupError, 500])
def test_an_error_page_that_succeeds_signs_in(handled):
    """The status decides, whoever made the response."""
    site = Site()
    raising(site)

    async def handle(error: Any) -> Any:
        return {"handled": True}, 200

    site.app.register_error_handler(handled, handle)

    async def play() -> None:
        reply = await site.send("/fails", "POST")
        assert (reply.status, set(cookies_of(reply))) == (200, {"session", "refresh"})
        assert await site.user() == "ada"

    asyncio.run(play())


def test_a_request_that_is_cancelled_signs_nobody_in():
    site = Site()
    seen = ended(site)
    began = asyncio.Event()

    @view(site, "/long")
    async def long() -> Any:
        await create_session("ada")
        began.set()
        await asyncio.sleep(60)
        return {}

    async def play() -> None:
        client = site.app.test_client(use_cookies=False)
        headers = Headers(list(SAME))
        async with client.request("/long", method="POST", headers=headers) as connection:
            await connection.send_complete()
            await asyncio.wait_for(began.wait(), 10)
            await connection.disconnect()
        assert await live(site) == 0
        assert [reason for _, reason in seen] == ["request-failed"]

    asyncio.run(play())


def test_a_failed_sign_in_whose_revocation_fails_sends_no_tokens(logged):
    class Gone(MemoryStore):
        is_gone = False

        def commit(self, *arguments: Any, **named: Any) -> bool:
            if self.is_gone:
                raise StoreUnavailable("store-gone", "test")
            return super().commit(*arguments, **named)

    store = Gone()
    site = Site(STORE=store)

    @view(site, "/fails")
    async def fails() -> Any:
        await create_session("ada")
        store.is_gone = True
        return {}, 403

    async def play() -> None:
        reply = await site.send("/fails", "POST")
        assert (reply.status, cookies_of(reply)) == (403, {})

    asyncio.run(play())
    assert any("store" in text for text in logged)


# --- addresses ------------------------------------------------------------------------------


def test_the_endpoint_rotates_by_itself_and_never_twice():
    """Without a grace the token would count as reused if it had been refreshed ahead."""
    site = Site(REFRESH_GRACE=0)

    async def play() -> None:
        await site.sign_in()
        site.clock.advance(400)
        before = site.jar.value("refresh")
        assert (await site.send("/auth/session/refresh", "POST")).status == 200
        assert site.jar.value("refresh") != before
        assert await site.user() == "ada"

    asyncio.run(play())


def test_the_key_set_is_the_same_for_everybody_whatever_cookies_come():
    site = Site()

    async def play() -> None:
        await site.sign_in()
        site.clock.advance(400)
        before = site.jar.value("refresh")
        reply = await site.send("/auth/jwt/jwks.json")
        assert cookies_of(reply) == {}
        assert reply.get("Cache-Control") == "public, max-age=300"
        assert "authorization" not in reply.names("Vary")  # Quart 0.23 itself says Cookie
        assert site.jar.value("refresh") == before

    asyncio.run(play())


def test_the_refresh_cookie_is_bound_to_the_path_that_the_browser_sees():
    site = Site(REFRESH_MODE="endpoint")

    async def play() -> None:
        reply = await site.send("/app/sign-in", "POST", root_path="/app")
        assert cookies_of(reply)["refresh"].path == "/app/auth/session/refresh"
        assert cookies_of(await site.send("/sign-in", "POST"))["refresh"].path == (
            "/auth/session/refresh"
        )

    asyncio.run(play())


def test_endpoint_mode_without_the_blueprint_says_what_to_write():
    site = Site(REFRESH_MODE="endpoint")
    app = Quart("bare")
    app.config.update(site.app.config, PROPAGATE_EXCEPTIONS=True)
    SessionClaims(app)
    app.add_url_rule("/sign-in", view_func=sign_in, methods=["POST"])
    site.app = app

    async def play() -> None:
        reply, error = await failing(site, "/sign-in")
        said = str(error) if reply is None else reply.body.decode()
        assert "claims.blueprint()" in said
        assert reply is None or cookies_of(reply) == {}

    asyncio.run(play())


def test_a_form_says_in_its_body_where_sign_out_leads():
    site = Site()

    async def play() -> None:
        await site.sign_in()
        client = site.app.test_client(use_cookies=False)
        cookie = ("Cookie", site.jar.header("/auth/signout") or "")
        fields = Headers([*SAME, ("Sec-Fetch-Mode", "navigate"), cookie])
        path, form = "/auth/signout?redirect_url=/query", {"redirect_url": "/bye"}
        response = await client.post(path, headers=fields, form=form)
        assert (response.status_code, response.headers["Location"]) == (303, "/bye")
        assert await live(site) == 0

    asyncio.run(play())


def test_acts_look_where_the_policy_makes_readers_look_away():
    site = Site(DEFAULT_POLICY="public")

    @site.app.get("/session")
    async def session() -> Any:
        found = await current_session()
        return {"user": None if found is None else found.user_id, "auth": g.auth.user_id}

    async def play() -> None:
        await site.sign_in()
        assert await site.user() is None
        assert (await site.send("/session")).json == {"user": "ada", "auth": "ada"}
        await site.sign_in()
        assert await live(site) == 1  # the one that it carried has ended

    asyncio.run(play())


# --- apps -----------------------------------------------------------------------------------


def test_the_sessions_of_another_issuer_are_not_ours_to_make(config):
    app = Quart("reader")
    app.config.update(config)
    claims = SessionClaims(app)
    with pytest.raises(ConfigurationError, match='SESSION_CLAIMS_ISSUER = "self"'):
        _ = claims.asessions
    with pytest.raises(ConfigurationError, match='SESSION_CLAIMS_ISSUER = "self"'):
        _ = claims.sessions

    async def play() -> None:
        async with app.test_request_context("/", method="POST", headers=Headers(list(SAME))):
            with pytest.raises(ConfigurationError, match='SESSION_CLAIMS_ISSUER = "self"'):
                await create_session("ada")

    asyncio.run(play())


def test_one_extension_serves_several_issuers():
    claims = SessionClaims()
    claims.provide(sync_hook)
    apps = [Quart(name) for name in ("one", "two")]
    for app in apps:
        app.config.update(SECRET_KEY=SECRET_KEY, SESSION_CLAIMS_ISSUER="self",
                          SESSION_CLAIMS_STORE="memory:")  # fmt: skip
        claims.init_app(app)

    async def play() -> None:
        for app in apps:
            async with app.app_context():
                issued = await claims.asessions.create("ada")
                assert issued.claims["plan"] == "pro"
                assert len(await claims.asessions.list_for_user("ada")) == 1
        with pytest.raises(RuntimeError):
            _ = claims.asessions

    asyncio.run(play())


def test_acts_work_in_a_request_context_of_a_test():
    site = Site()

    async def play() -> None:
        context = site.app.test_request_context("/", method="POST", headers=Headers(list(SAME)))
        async with context:
            session = await create_session("ada")
            assert get_auth().session_id == session.session_id
            assert await current_session() == session
            assert await revoke_session() is True
            assert get_auth().user_id is None
            assert await live(site) == 0

    asyncio.run(play())
