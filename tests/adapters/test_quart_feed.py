"""The change feed where it is particular to Quart: websockets, tasks, places of a live gate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("quart")

import quart
from quart.testing import WebsocketResponseError
from quart.views import MethodView, View
from quart_session_claims import (
    ConfigurationError,
    SessionClaims,
    UnavailableError,
    claims_required,
    get_auth,
    login_required,
    merge_session_claims,
)
from werkzeug.datastructures import Headers

from flask_session_claims.io.sessions import Sessions
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock, LocalIssuer

from .issuing.contract_stores import CALLS
from .issuing.driver_quart import IssuingQuart, QuartDriver
from .issuing.drivers import Client
from .issuing.sites import FaultyStore, assert_given, worker

APP = "https://app.example"
LIVE = login_required(live=True)
LIVE_PRO = claims_required(claims={"plan": "pro"}, live=True)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(MemoryStore())


@pytest.fixture
def elsewhere(store: FaultyStore, clock: FrozenClock, tmp_path: Path) -> Sessions:
    return worker(store.behind, clock, tmp_path)


@pytest.fixture
def app(store: FaultyStore, clock: FrozenClock) -> IssuingQuart:
    return QuartDriver().build({"ISSUER": "self", "STORE": store, "ORIGINS": [APP]}, clock)


@pytest.fixture
def client(app: IssuingQuart) -> Client:
    return QuartDriver().client(app)


async def who() -> str:
    return quart.g.auth.user_id or "nobody"


def page() -> Callable[[], Awaitable[str]]:
    """A view of its own, for a gate leaves its mark on what it is given."""

    async def view() -> str:
        return await who()

    return view


def sync_page() -> Callable[[], str]:
    return lambda: quart.g.auth.user_id or "nobody"


# --- where a live gate may stand ----------------------------------------------------------


class Page(View):
    decorators = [LIVE]  # noqa: RUF012

    async def dispatch_request(self) -> str:
        return await who()


class Methods(MethodView):
    decorators = [LIVE_PRO, LIVE]  # noqa: RUF012

    async def get(self) -> str:
        return await who()


class GatedMethod(MethodView):
    @LIVE
    async def get(self) -> str:
        return await who()


def by_blueprint(app: quart.Quart, gate: Any) -> None:
    outer, inner = quart.Blueprint("outer", __name__), quart.Blueprint("inner", __name__)
    outer.before_request(gate)
    inner.add_url_rule("/page", "page", page())
    outer.register_blueprint(inner)
    app.register_blueprint(outer)


def in_wrong_order(app: quart.Quart, gate: Any, view: Any) -> None:
    """As where the gate's decorator stands above the route's."""
    app.add_url_rule("/page", "page", view)
    gate(view)


PLACES: dict[str, Callable[[quart.Quart], Any]] = {
    "view": lambda app: app.add_url_rule("/page", "page", LIVE(page())),
    "sync view": lambda app: app.add_url_rule("/page", "page", LIVE(sync_page())),
    "two gates": lambda app: app.add_url_rule("/page", "page", LIVE(LIVE_PRO(page()))),
    "class": lambda app: app.add_url_rule("/page", view_func=Page.as_view("page")),
    "methods": lambda app: app.add_url_rule("/page", view_func=Methods.as_view("page")),
    "one method": lambda app: app.add_url_rule("/page", view_func=GatedMethod.as_view("page")),
    "blueprint": lambda app: by_blueprint(app, LIVE),
    "blueprint's claims": lambda app: by_blueprint(app, LIVE_PRO),
    "wrong order": lambda app: in_wrong_order(app, LIVE, page()),
    "wrong order, sync": lambda app: in_wrong_order(app, LIVE_PRO, sync_page()),
}


@pytest.mark.parametrize("place", PLACES)
def test_wherever_it_stands_it_reads_the_record_once_and_refuses_at_once(
    app: IssuingQuart, client: Client, store: FaultyStore, elsewhere: Sessions, place: str
) -> None:
    PLACES[place](app)
    session_id = client.sign_in("ann", claims={"plan": "pro"})
    assert client.get("/page").body == b"ann"
    store.forget()
    for number in (1, 2):
        assert client.get("/page").body == b"ann"
        assert store.loaded == [session_id] * number
    store.break_(*CALLS)
    assert client.get("/page").status == 503
    assert client.get("/me").status == 200
    store.mend()
    elsewhere.revoke(session_id)
    assert client.get("/page").status == 401


@pytest.mark.parametrize("place", ["methods", "two gates", "blueprint's claims"])
def test_wherever_it_stands_it_judges_by_the_record(
    app: IssuingQuart, client: Client, elsewhere: Sessions, place: str
) -> None:
    PLACES[place](app)
    session_id = client.sign_in("ann", claims={"plan": "pro"})
    assert client.get("/page").status == 200
    elsewhere.merge_claims(session_id, {"plan": "free"})
    assert client.get("/page").status == 403


# --- websockets ---------------------------------------------------------------------------


@pytest.fixture
def shake(app: IssuingQuart, client: Client) -> Callable[..., Any]:
    """A handshake of the browser: the status, what is said, and the fields that came with it."""

    def shaken(path: str, *answers: Callable[[], Any]) -> tuple[int, list[str], Headers]:
        """After each thing that happens the socket is asked again."""

        async def talk() -> tuple[int, list[str], Headers]:
            fields = [("Origin", APP), ("Cookie", client.jar.header(path) or "")]
            test_client = app.test_client(use_cookies=False)
            async with test_client.websocket(path, headers=Headers(fields)) as socket:
                try:
                    said = [await asyncio.wait_for(socket.receive(), 10)]
                except WebsocketResponseError as refusal:
                    return refusal.response.status_code, [], refusal.response.headers
                for act in answers:
                    await asyncio.to_thread(act)
                    await socket.send("again")
                    said.append(await asyncio.wait_for(socket.receive(), 10))
                return 101, [str(each) for each in said], socket.headers or Headers()

        return asyncio.run(talk())

    return shaken


def converse(app: IssuingQuart, path: str, says: Callable[[], Awaitable[str]]) -> Any:
    async def socket() -> None:
        while True:
            await quart.websocket.send(await says())
            await quart.websocket.receive()

    app.add_websocket(path, path, socket)
    return socket


async def plan() -> str:
    return str(quart.g.auth.session_claims.get("plan"))


def test_a_handshake_sees_the_change_and_carries_no_token(
    app: IssuingQuart, client: Client, elsewhere: Sessions, clock: FrozenClock, shake: Any
) -> None:
    converse(app, "/socket", plan)
    session_id = client.sign_in("ann", claims={"plan": "free"})
    assert shake("/socket")[:2] == (101, ["free"])
    elsewhere.merge_claims(session_id, {"plan": "pro"})
    clock.advance(1)
    status, said, fields = shake("/socket")
    assert (status, said) == (101, ["pro"])
    assert fields.getlist("Set-Cookie") == []
    assert_given(client.get("/me"), "session")  # it is left to a request


def test_a_refused_handshake_carries_none_either(
    app: IssuingQuart, client: Client, elsewhere: Sessions, clock: FrozenClock, shake: Any
) -> None:
    app.add_websocket("/socket", "socket", LIVE_PRO(page()))
    session_id = client.sign_in("ann", claims={"plan": "pro"})
    assert client.user() == "ann"
    elsewhere.merge_claims(session_id, {"plan": "free"})
    clock.advance(1)
    status, _, fields = shake("/socket")
    assert status == 403
    assert fields.getlist("Set-Cookie") == []


@pytest.mark.parametrize("place", ["decorator", "blueprint", "wrong order"])
def test_a_live_handshake_reads_the_record(
    app: IssuingQuart,
    client: Client,
    store: FaultyStore,
    elsewhere: Sessions,
    shake: Any,
    place: str,
) -> None:
    async def socket() -> None:
        await quart.websocket.send(await who())

    if place == "decorator":
        app.add_websocket("/socket", "socket", LIVE(socket))
    elif place == "blueprint":
        blueprint = quart.Blueprint("sockets", __name__)
        blueprint.before_websocket(LIVE)
        blueprint.add_websocket("/socket", "socket", socket)
        app.register_blueprint(blueprint)
    else:
        app.add_websocket("/socket", "socket", socket)
        LIVE(socket)
    session_id = client.sign_in("ann")
    assert shake("/socket")[:2] == (101, ["ann"])
    store.forget()
    assert shake("/socket")[:2] == (101, ["ann"])
    assert store.loaded == [session_id]
    store.break_(*CALLS)
    assert shake("/socket")[0] == 503
    store.mend()
    elsewhere.revoke(session_id)
    assert shake("/socket")[0] == 401


@pytest.mark.parametrize("plain", [True, False])
def test_a_socket_asks_whether_its_auth_is_current(
    app: IssuingQuart,
    client: Client,
    store: FaultyStore,
    elsewhere: Sessions,
    clock: FrozenClock,
    shake: Any,
    plain: bool,
) -> None:
    async def current() -> str:
        auth = get_auth() if plain else quart.g.auth
        try:
            return str(await app.session_claims.is_current(auth))
        except UnavailableError as error:
            return error.code

    converse(app, "/socket", current)
    session_id = client.sign_in("ann", claims={"plan": "pro"})

    def gone() -> None:
        store.break_(*CALLS)
        clock.advance(2)

    def revoke() -> None:
        elsewhere.revoke(session_id)
        clock.advance(1)

    beyond = lambda: clock.advance(400)  # noqa: E731 - the token has ended, the session lives
    said = shake("/socket", lambda: None, gone, store.mend, beyond, revoke)[1]
    assert said == ["True", "True", "store-gone", "True", "True", "False"]


def test_a_socket_s_own_merge_leaves_it_current(
    app: IssuingQuart, client: Client, shake: Any
) -> None:
    async def change() -> str:
        before = get_auth()
        after = await merge_session_claims({"number": id(before)})
        asks = (before, after, quart.g.auth)
        return " ".join([str(await app.session_claims.is_current(auth)) for auth in asks])

    converse(app, "/socket", change)
    client.sign_in("ann")
    assert shake("/socket", lambda: None)[1] == ["False True True"] * 2


# --- tasks and others' sessions -----------------------------------------------------------


def test_a_background_task_asks_with_the_auth_that_it_was_given(
    app: IssuingQuart, client: Client, elsewhere: Sessions, clock: FrozenClock
) -> None:
    said: list[bool] = []

    async def begin() -> str:
        auth, ended = get_auth(), asyncio.Event()

        async def work() -> None:
            said.append(await app.session_claims.is_current(auth))
            await asyncio.to_thread(elsewhere.revoke, auth.session_id or "")
            clock.advance(1)
            said.append(await app.session_claims.is_current(auth))
            ended.set()

        app.add_background_task(work)
        await asyncio.wait_for(ended.wait(), 10)
        return ""

    app.add_url_rule("/begin", "begin", begin, methods=["POST"])
    client.sign_in("ann")
    assert client.post("/begin").status == 200
    assert said == [True, False]


def test_of_another_issuers_session_only_the_time_of_its_token_is_known(
    config: dict[str, Any], issuer: LocalIssuer
) -> None:
    clock = FrozenClock()
    app = quart.Quart("other")
    app.config.update(config)
    claims = SessionClaims(app, clock=clock)
    said: list[Any] = []

    @app.get("/ask")
    async def ask() -> str:
        said.append(await claims.is_current(quart.g.auth))
        clock.advance(60)
        said.append(await claims.is_current(get_auth()))
        return ""

    @app.websocket("/socket")
    @LIVE
    async def socket() -> None:
        await quart.websocket.send("never")

    async def play() -> None:
        now = int(clock())
        token = issuer.mint("ada", azp=APP, iat=now, nbf=now, exp=now + 60)
        headers = Headers([("Authorization", f"Bearer {token}"), ("Origin", APP)])
        client = app.test_client(use_cookies=False)
        with pytest.raises(Exception) as caught:  # noqa: PT011 (Quart's versions differ)
            async with client.websocket("/socket", headers=headers) as connection:
                await asyncio.wait_for(connection.receive(), 2)  # nothing comes
        raised = [caught.value, *getattr(caught.value, "exceptions", ())]
        answer = getattr(caught.value, "response", None)
        refused = any(isinstance(error, ConfigurationError) for error in raised)
        assert refused or answer.status_code == 500, raised
        assert (await client.get("/ask", headers=headers)).status_code == 200

    app.config["PROPAGATE_EXCEPTIONS"] = True
    asyncio.run(play())
    assert said == [True, False]
