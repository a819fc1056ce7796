"""Class-based views, and the policy for views."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.generic import TemplateView
from django_session_claims import (
    ClaimsRequiredMixin,
    ConfigurationError,
    LoginRequiredMixin,
    claims_required,
    login_required,
    public,
    token_rejected,
)

from .site import ADMIN, BOTH, asking, awho, get, mint, site, who

# --- class-based views --------------------------------------------------------------------

SETUPS: list[str] = []


class Page(View):
    def setup(self, request: Any, *args: Any, **kwargs: Any) -> None:
        SETUPS.append(type(self).__name__)
        super().setup(request, *args, **kwargs)

    def get(self, request: Any) -> HttpResponse:
        return HttpResponse(request.auth.user_id)


class AsyncPage(View):
    async def get(self, request: Any) -> HttpResponse:
        return HttpResponse(request.auth.user_id)


class Mixed(LoginRequiredMixin, Page):
    pass


class MixedLast(Page, LoginRequiredMixin):
    pass


class AsyncMixed(LoginRequiredMixin, AsyncPage):
    pass


class OwnDispatch(LoginRequiredMixin, Page):
    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.get(request)  # as if it did not know of mixins


@method_decorator(login_required, name="dispatch")
class Decorated(Page):
    pass


@method_decorator([login_required, claims_required(predicate=lambda a: True)], name="dispatch")
class AsyncDecorated(AsyncPage):
    pass


class OneMethod(View):
    @method_decorator(login_required)
    def get(self, request: Any) -> HttpResponse:
        return HttpResponse(request.auth.user_id)


class AsyncOneMethod(View):
    @method_decorator(login_required)
    async def get(self, request: Any) -> HttpResponse:
        return HttpResponse(request.auth.user_id)


GUARDED = [
    Mixed, MixedLast, AsyncMixed, OwnDispatch, Decorated, AsyncDecorated, OneMethod, AsyncOneMethod,
]  # fmt: skip


@BOTH
@pytest.mark.parametrize("policy", ["public", "optional", "required"])
@pytest.mark.parametrize("page", GUARDED, ids=lambda page: page.__name__)
def test_a_class_based_view_is_guarded(page: Any, policy: str, ask: Any) -> None:
    with site(path("", page.as_view()), claims={"DEFAULT_POLICY": policy}):
        reply = ask("/", mint())
        assert (reply.status_code, reply.content) == (200, b"user_1")
        assert ask("/").status_code == 401
        assert ask("/", "a.b.c").json()["code"] == "session-token-invalid"


@BOTH
def test_a_guarded_as_view_is_guarded_too(ask: Any) -> None:
    views = (
        path("a", login_required(Page.as_view())),
        path("b", login_required(AsyncPage.as_view())),
    )
    with site(*views):
        for address in ("/a", "/b"):
            assert ask(address, mint()).content == b"user_1"
            assert ask(address).status_code == 401


def test_nothing_of_a_mixed_view_runs_for_who_may_not_come_in() -> None:
    SETUPS.clear()
    with site(path("", Mixed.as_view())):
        assert get("/").status_code == 401
        assert SETUPS == []
        assert get("/", mint()).status_code == 200
        assert SETUPS == ["Mixed"]


@BOTH
def test_a_view_that_names_claims_asks_for_them(ask: Any) -> None:
    class Reports(ClaimsRequiredMixin, Page):
        gate = claims_required(role="admin")

    with site(path("", Reports.as_view())):
        assert ask("/", mint(**ADMIN)).status_code == 200
        assert ask("/", mint()).json()["code"] == "permission-denied"
        assert ask("/").status_code == 401


def test_a_view_that_should_name_claims_and_does_not_cannot_be_routed() -> None:
    class Reports(ClaimsRequiredMixin, Page):
        pass

    with pytest.raises(ConfigurationError, match="Reports names no gate"):
        Reports.as_view()


def test_a_mixin_cannot_stand_behind_the_plain_view() -> None:
    with pytest.raises(TypeError):
        type("Wrong", (View, LoginRequiredMixin), {})
    assert TemplateView in type("Right", (TemplateView, LoginRequiredMixin), {}).__mro__


@pytest.mark.parametrize("gate", [login_required, claims_required(role="admin"), public])
def test_a_class_cannot_be_decorated_directly(gate: Any) -> None:
    with pytest.raises(ConfigurationError, match="method_decorator"):
        gate(Page)


def test_a_method_that_is_decorated_without_method_decorator_lets_nobody_in() -> None:
    class Wrong(View):
        @login_required
        def get(self, request: Any) -> HttpResponse:
            return HttpResponse("let in")

    with site(path("", Wrong.as_view())):
        assert get("/", mint()).status_code == 500


# --- policy -------------------------------------------------------------------------------


def test_djangos_login_not_required_is_as_good_as_public() -> None:
    @method_decorator(login_not_required, name="dispatch")
    class OpenPage(Page):
        def get(self, request: Any) -> HttpResponse:
            return HttpResponse("open")

    @login_not_required
    def open_view(request: Any) -> HttpResponse:
        return who(request)

    @login_not_required
    @login_required
    def both(request: Any) -> HttpResponse:
        return HttpResponse("let in")

    views = {
        "plain": who, "page": Page.as_view(), "open": open_view, "openpage": OpenPage.as_view(),
        "public": public(lambda request: who(request)), "both": both,
        "publicpage": method_decorator(public, name="dispatch")(OpenPage).as_view(),
    }  # fmt: skip
    patterns = [path(name, view) for name, view in views.items()]
    with site(*patterns, claims={"DEFAULT_POLICY": "required"}):
        status = {name: get(f"/{name}").status_code for name in views}
        assert status == {
            "plain": 401, "page": 401, "open": 200, "openpage": 200, "public": 200, "both": 401,
            "publicpage": 200,
        }  # fmt: skip
        assert get("/open", mint()).json()["user"] == "user_1"
        fdi = {"rid": "session", "Authorization": f"Bearer {mint(lifetime=-60)}"}
        assert get("/open", headers=fdi).json()["code"] == "session-token-expired"


@BOTH
def test_a_view_that_was_routed_before_it_was_guarded_is_guarded(ask: Any) -> None:
    def early(request: Any) -> HttpResponse:
        return HttpResponse("in")

    async def aearly(request: Any) -> HttpResponse:
        return HttpResponse("in")

    patterns = path("sync", early), path("async", aearly), path("not", login_not_required(early))
    login_required(early)
    claims_required(role="admin")(aearly)
    with site(*patterns):
        assert [ask(a).status_code for a in ("/sync", "/async", "/not")] == [401, 401, 401]
        assert ask("/sync", mint()).content == b"in"
        assert ask("/async", mint()).status_code == 403
        assert ask("/async", mint(**ADMIN)).content == b"in"


@BOTH
def test_under_public_a_token_is_looked_at_only_for_gates(ask: Any) -> None:
    told: list[str] = []

    def note(sender: Any, reason: str, **extra: Any) -> None:
        told.append(reason)

    token_rejected.connect(note)
    try:
        views = path("open", who), path("aopen", awho), path("gate", asking(login_required))
        with site(*views, claims={"DEFAULT_POLICY": "public"}):
            assert ask("/open", mint()).json()["user"] is None
            assert ask("/aopen", mint()).json()["user"] is None
            assert ask("/open", "a.b.c").json()["reason"] == "session-token-missing"
            assert told == []
            assert ask("/gate", mint()).json()["user"] == "user_1"
            assert ask("/gate", "a.b.c").status_code == 401
            assert told == ["token-invalid"]
    finally:
        token_rejected.disconnect(note)


def test_a_callable_object_that_cannot_be_hashed_can_be_a_view() -> None:
    class Callable(dict):  # type: ignore[type-arg]
        def __call__(self, request: Any) -> HttpResponse:
            return who(request)

    with site(path("", Callable()), claims={"DEFAULT_POLICY": "required"}):
        assert get("/").status_code == 401
        assert get("/", mint()).json()["user"] == "user_1"
