"""What is particular to Flask: where a live gate may stand, and what may be asked `is_current`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.views import MethodView, View

from flask_session_claims import (
    Auth,
    SessionClaims,
    UnavailableError,
    claims_required,
    get_auth,
    login_required,
    merge_session_claims,
)
from flask_session_claims.io.sessions import Sessions
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock

from ..flask_site import APP
from ..issuing.contract_stores import CALLS
from ..issuing.driver_flask import FlaskDriver, IssuingFlask
from ..issuing.drivers import SECRET_KEY, Client
from ..issuing.sites import FaultyStore, worker

LIVE = login_required(live=True)
LIVE_PRO = claims_required(claims={"plan": "pro"}, live=True)


def who() -> str:
    return flask.g.auth.user_id or "nobody"


def page() -> Callable[[], str]:
    """A view of its own, for a gate leaves its mark on what it is given."""
    return lambda: who()


class Page(View):
    decorators = (LIVE,)

    def dispatch_request(self) -> str:
        return who()


class Methods(MethodView):
    decorators = (LIVE_PRO, LIVE)

    def get(self) -> str:
        return who()


class GatedMethod(MethodView):
    @LIVE
    def get(self) -> str:
        return who()


class Inherited(Methods):
    def post(self) -> str:
        return who()


def by_blueprint(app: flask.Flask, hook: Callable[[flask.Blueprint], Any]) -> None:
    outer, inner = flask.Blueprint("outer", __name__), flask.Blueprint("inner", __name__)
    hook(outer)
    inner.add_url_rule("/page", "page", page())
    outer.register_blueprint(inner)
    app.register_blueprint(outer)


def in_wrong_order(app: flask.Flask, gate: Any) -> None:
    """As where the gate's decorator stands above the route's."""
    view = page()
    app.add_url_rule("/page", "page", view)
    gate(view)


PLACES: dict[str, Callable[[flask.Flask], Any]] = {
    "view": lambda app: app.add_url_rule("/page", "page", LIVE(page())),
    "two gates": lambda app: app.add_url_rule("/page", "page", LIVE(LIVE_PRO(page()))),
    "class": lambda app: app.add_url_rule("/page", view_func=Page.as_view("page")),
    "methods": lambda app: app.add_url_rule("/page", view_func=Methods.as_view("page")),
    "one method": lambda app: app.add_url_rule("/page", view_func=GatedMethod.as_view("page")),
    "inherited": lambda app: app.add_url_rule("/page", view_func=Inherited.as_view("page")),
    "blueprint": lambda app: by_blueprint(app, lambda blue: blue.before_request(LIVE)),
    "blueprint's claims": lambda app: by_blueprint(app, lambda blue: blue.before_request(LIVE_PRO)),
    "wrong order": lambda app: in_wrong_order(app, LIVE),
    "claims in wrong order": lambda app: in_wrong_order(app, LIVE_PRO),
}


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
def app(store: FaultyStore, clock: FrozenClock) -> IssuingFlask:
    return FlaskDriver().build({"ISSUER": "self", "STORE": store, "ORIGINS": [APP]}, clock)


@pytest.fixture
def client(app: IssuingFlask) -> Client:
    return FlaskDriver().client(app)


# --- where a live gate may stand ----------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_wherever_it_stands_it_reads_the_record_once_and_refuses_at_once(
    app: IssuingFlask, client: Client, store: FaultyStore, elsewhere: Sessions, place: str
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


@pytest.mark.parametrize("place", ["methods", "two gates", "blueprint's claims", "inherited"])
def test_wherever_it_stands_it_judges_by_the_record(
    app: IssuingFlask, client: Client, elsewhere: Sessions, place: str
) -> None:
    PLACES[place](app)
    session_id = client.sign_in("ann", claims={"plan": "pro"})
    assert client.get("/page").status == 200
    elsewhere.merge_claims(session_id, {"plan": "free"})
    assert client.get("/page").status == 403


def test_a_request_inside_a_request_reads_for_itself(
    app: IssuingFlask, client: Client, store: FaultyStore
) -> None:
    """Whatever the outer one has confirmed."""
    app.add_url_rule("/outer", view_func=LIVE(lambda: client.get("/live").body), endpoint="outer")
    session_id = client.sign_in("ann")
    assert client.get("/live").status == 200
    store.forget()
    assert client.get("/outer").status == 200
    assert store.loaded == [session_id] * 2


def test_hooks_ahead_of_a_live_view_see_the_token_and_the_view_the_record(
    app: IssuingFlask, client: Client, elsewhere: Sessions
) -> None:
    seen: list[Any] = []
    app.before_request(lambda: seen.append(flask.g.auth.session_claims.get("plan")))
    session_id = client.sign_in("ann", claims={"plan": "free"})
    assert client.user() == "ann"
    elsewhere.merge_claims(session_id, {"plan": "pro"})
    assert client.get("/live").json["claims"]["plan"] == "pro"
    assert seen[-1] == "free"


# --- is_current ---------------------------------------------------------------------------


def kept(app: IssuingFlask, client: Client) -> Auth:
    """Ann's `Auth`, of a request that is over."""
    auths: list[Auth] = []

    def keep() -> str:
        auths.append(get_auth())
        return ""

    app.add_url_rule("/keep", view_func=keep)
    client.sign_in("ann")
    client.get("/keep")
    return auths[0]


def test_it_may_be_asked_outside_of_any_request(
    app: IssuingFlask, client: Client, elsewhere: Sessions, clock: FrozenClock
) -> None:
    auth = kept(app, client)
    said: list[bool] = []
    claims = app.session_claims

    def watch() -> None:
        said.append(claims.is_current(auth))
        elsewhere.revoke(auth.session_id or "")
        clock.advance(1)
        said.append(claims.is_current(auth))

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join(10)
    assert said == [True, False]


def test_a_generator_without_the_request_asks_with_the_plain_auth(
    app: IssuingFlask, client: Client, elsewhere: Sessions, clock: FrozenClock
) -> None:
    def feed() -> flask.Response:
        auth, claims = get_auth(), app.session_claims

        def body() -> Iterator[str]:
            number = 0
            while claims.is_current(auth):
                number += 1
                yield f"{number} "
                if number == 3:
                    elsewhere.merge_claims(auth.session_id or "", {"plan": "pro"})
                    clock.advance(1)

        return flask.Response(body())

    app.add_url_rule("/feed", view_func=feed)
    client.sign_in("ann")
    assert client.get("/feed").body == b"1 2 3 "


def test_the_auth_of_before_a_merge_is_no_longer_current_and_that_of_after_is(
    app: IssuingFlask, client: Client
) -> None:
    def change() -> dict[str, bool]:
        claims, before = app.session_claims, get_auth()
        after = merge_session_claims({"plan": "pro"})
        return {
            "before": claims.is_current(before),
            "after": claims.is_current(after),
            "request's": claims.is_current(flask.g.auth),
        }

    app.add_url_rule("/change", view_func=change, methods=["POST"])
    client.sign_in("ann")
    assert client.post("/change").json == {"before": False, "after": True, "request's": True}


def test_of_another_issuers_session_only_the_time_of_its_token_is_known(
    config: dict[str, Any], clock: FrozenClock
) -> None:
    app = flask.Flask("other")
    app.config.update(config)
    claims = SessionClaims(app, clock=clock)
    auth = Auth(is_authenticated=True, user_id="ada", expires_at=int(clock()) + 60)
    assert claims.is_current(auth) is True
    clock.advance(60)
    assert claims.is_current(auth) is False
    assert claims.is_current(Auth()) is False


def test_each_issuer_of_an_app_reads_its_own_records(
    store: FaultyStore, clock: FrozenClock, tmp_path: Path
) -> None:
    app = flask.Flask("two")
    app.config.update(SECRET_KEY=SECRET_KEY)
    given: dict[str, Any] = {"issuer": "self", "origins": [APP], "clock": clock}
    admins = FaultyStore(MemoryStore())
    select = lambda request: "admin" if request.path.startswith("/admin") else None  # noqa: E731
    SessionClaims(app, store=store, select=select, **given)
    admin = SessionClaims(app, name="admin", store=admins, **given)
    app.add_url_rule("/admin/page", "page", LIVE(page()))
    issued = admin.sessions.create("root")
    headers = {"Authorization": f"Bearer {issued.session_token}"}
    client = app.test_client()
    store.forget()
    admins.forget()
    for _ in range(2):
        assert client.get("/admin/page", headers=headers).text == "root"
    assert (store.loaded, admins.loaded) == ([], [issued.session.session_id] * 2)
    worker(admins.behind, clock, tmp_path).revoke(issued.session.session_id)
    assert client.get("/admin/page", headers=headers).status_code == 401


def test_without_the_store_it_raises_outside_of_requests_too(
    app: IssuingFlask, client: Client, store: FaultyStore, clock: FrozenClock
) -> None:
    auth = kept(app, client)
    store.break_(*CALLS)
    clock.advance(2)
    with pytest.raises(UnavailableError):
        app.session_claims.is_current(auth)
    store.mend()
    assert app.session_claims.is_current(auth) is True
