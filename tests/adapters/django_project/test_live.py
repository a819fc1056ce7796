"""What is particular to Django: where a live gate may stand, and both forms of `is_current`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django_session_claims import (
    Auth,
    ClaimsRequiredMixin,
    LoginRequiredMixin,
    UnavailableError,
    ais_current,
    claims_required,
    get_auth,
    is_current,
    login_required,
    sessions,
)

from flask_session_claims.io.sessions import Sessions
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock

from ..issuing.contract_stores import CALLS
from ..issuing.drivers import SECRET_KEY
from ..issuing.sites import FaultyStore, worker
from .own import BOTH, own_site, wsgi

LIVE = login_required(live=True)
LIVE_FREE = claims_required(claims={"plan": "free"}, live=True)


def who(request: Any) -> HttpResponse:
    return HttpResponse(request.auth.user_id)


async def awho(request: Any) -> HttpResponse:
    return HttpResponse(request.auth.user_id)


def page() -> Callable[..., Any]:
    """A view of its own, for a gate leaves its mark on what it is given."""
    return lambda request: who(request)


def apage() -> Callable[..., Any]:
    async def view(request: Any) -> HttpResponse:
        return await awho(request)

    return view


def hidden(gated: Callable[..., Any]) -> Callable[..., Any]:
    """Behind a decorator that shows nothing of it."""
    if inspect.iscoroutinefunction(gated):

        async def aview(request: Any) -> Any:
            return await gated(request)

        return aview
    return lambda request: gated(request)


def left_bare(view: Callable[..., Any]) -> Callable[..., Any]:
    """Gated, and then not what the gate has returned stands in the URLconf."""
    LIVE(view)
    return view


class Page(View):
    def get(self, request: Any) -> HttpResponse:
        return who(request)


class AsyncPage(View):
    async def get(self, request: Any) -> HttpResponse:
        return await awho(request)


class Mixed(LoginRequiredMixin, Page):
    gate = LIVE


class AsyncMixed(LoginRequiredMixin, AsyncPage):
    gate = LIVE


class Claims(ClaimsRequiredMixin, Page):
    gate = LIVE_FREE


class AsyncClaims(ClaimsRequiredMixin, AsyncPage):
    gate = LIVE_FREE


@method_decorator(LIVE, name="dispatch")
class Dispatched(Page):
    pass


@method_decorator(LIVE_FREE, name="get")
class OneMethod(Page):
    pass


@method_decorator(LIVE, name="get")
class AsyncOneMethod(AsyncPage):
    async def get(self, request: Any) -> HttpResponse:
        return await awho(request)


PLACES: dict[str, Callable[[], Any]] = {
    "view": lambda: LIVE(page()),
    "async view": lambda: LIVE(apage()),
    "two gates": lambda: LIVE(LIVE_FREE(page())),
    "two gates, async": lambda: LIVE(LIVE_FREE(apage())),
    "hidden": lambda: hidden(LIVE(page())),
    "hidden, async": lambda: hidden(LIVE(apage())),
    "left bare": lambda: left_bare(page()),
    "left bare, async": lambda: left_bare(apage()),
    "mixin": Mixed.as_view,
    "async mixin": AsyncMixed.as_view,
    "claims mixin": Claims.as_view,
    "async claims mixin": AsyncClaims.as_view,
    "dispatch": Dispatched.as_view,
    "one method": OneMethod.as_view,
    "one async method": AsyncOneMethod.as_view,
}


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(MemoryStore())


@pytest.fixture
def own(store: FaultyStore) -> Iterator[FrozenClock]:
    """A site with all places of a live gate; its clock."""
    urls = [path(f"page{number}", make()) for number, make in enumerate(PLACES.values())]
    claims = {"STORE": store}
    with own_site(*urls, path("keep", keep), claims=claims, SECRET_KEY=SECRET_KEY) as clock:
        KEPT.clear()
        yield clock


@pytest.fixture
def elsewhere(store: FaultyStore, own: FrozenClock, tmp_path: Path) -> Sessions:
    return worker(store.behind, own, tmp_path)


KEPT: list[Auth] = []


def keep(request: Any) -> HttpResponse:
    KEPT.append(get_auth(request))
    return HttpResponse()


# --- where a live gate may stand ----------------------------------------------------------


@BOTH
@pytest.mark.parametrize("place", PLACES)
def test_wherever_it_stands_it_reads_the_record_once_and_refuses_at_once(
    open_browser: Any,
    own: FrozenClock,
    store: FaultyStore,
    elsewhere: Sessions,
    place: str,
) -> None:
    address = f"/page{list(PLACES).index(place)}"
    browser = open_browser()
    session_id = browser.post("/in").json()["sid"]
    assert browser.get(address).content == b"ada"
    store.forget()
    for number in (1, 2):
        assert browser.get(address).content == b"ada"
        assert store.loaded == [session_id] * number
    store.break_(*CALLS)
    assert browser.get(address).status_code == 503
    assert browser.get("/me").json()["user"] == "ada"
    store.mend()
    elsewhere.revoke(session_id)
    assert browser.get(address).status_code == 401


@BOTH
@pytest.mark.parametrize("place", ["claims mixin", "async claims mixin", "one method", "two gates"])
def test_wherever_it_stands_it_judges_by_the_record(
    open_browser: Any, own: FrozenClock, elsewhere: Sessions, place: str
) -> None:
    address = f"/page{list(PLACES).index(place)}"
    browser = open_browser()
    session_id = browser.post("/in").json()["sid"]
    assert browser.get(address).status_code == 200
    elsewhere.merge_claims(session_id, {"plan": "pro"})
    assert browser.get(address).status_code == 403


# --- is_current ---------------------------------------------------------------------------


@pytest.fixture
def kept(own: FrozenClock) -> Auth:
    """An `Auth` whose request is over."""
    browser = wsgi()
    browser.post("/in")
    browser.get("/keep")
    return KEPT[0]


def test_it_may_be_asked_outside_of_any_request_in_both_forms(
    kept: Auth, elsewhere: Sessions, own: FrozenClock
) -> None:
    assert is_current(kept) is True
    assert asyncio.run(ais_current(kept)) is True
    elsewhere.revoke(kept.session_id or "")
    own.advance(1)
    assert asyncio.run(ais_current(kept)) is False
    assert is_current(kept) is False


def test_both_forms_go_by_the_same_log(
    kept: Auth, elsewhere: Sessions, own: FrozenClock, store: FaultyStore
) -> None:
    elsewhere.merge_claims(kept.session_id or "", {"plan": "pro"})
    own.advance(1)
    store.forget()
    assert (is_current(kept), asyncio.run(ais_current(kept))) == (False, False)
    assert store.calls == ["log_since", "load"]


def test_on_a_loop_the_form_that_waits_is_refused_and_the_other_is_named(kept: Auth) -> None:
    async def ask() -> bool:
        return is_current(kept)

    with pytest.raises(SynchronousOnlyOperation, match="ais_current"):
        asyncio.run(ask())


def test_without_the_store_both_forms_raise(
    kept: Auth, own: FrozenClock, store: FaultyStore
) -> None:
    assert is_current(kept) is True
    store.break_(*CALLS)
    own.advance(2)
    with pytest.raises(UnavailableError):
        is_current(kept)
    with pytest.raises(UnavailableError):
        asyncio.run(ais_current(kept))
    store.mend()
    assert is_current(kept) is True


def test_a_change_by_the_acts_from_anywhere_is_known_at_once(kept: Auth) -> None:
    assert is_current(kept) is True
    sessions.merge_claims(kept.session_id or "", {"plan": "pro"})
    assert is_current(kept) is False
    sessions.merge_claims(kept.session_id or "", {"plan": "free"})
    assert is_current(kept) is True
