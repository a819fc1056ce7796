"""Users, organisations and impersonation in Django: twins, the event loop, the project's functions.

What all adapters share is in the issuing contract.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import django_session_claims as ours
import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.utils.asyncio import async_unsafe
from django_session_claims import (
    BooleanClaim,
    ConfigurationError,
    acurrent_user,
    conf,
    current_user,
)

from flask_session_claims.io.hooks import Hooks

from .own import own_site
from .site import BOTH, aget, get, mint, site


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is registered is forgotten afterwards."""
    monkeypatch.setattr(conf._built, "hooks", Hooks())
    monkeypatch.setattr(conf._built, "validators", ())
    conf.use()
    yield
    monkeypatch.undo()
    conf.use()


ACTS = ["switch_organization", "mark_verified", "impersonate", "stop_impersonating",
        "current_user", "sync_user"]  # fmt: skip


@pytest.mark.parametrize("name", ACTS)
def test_the_twins_take_the_same_arguments(name: str) -> None:
    sync, twin = getattr(ours, name), getattr(ours, f"a{name}")
    assert inspect.signature(sync) == inspect.signature(twin)
    assert inspect.iscoroutinefunction(twin)
    assert twin.__doc__ == f"Async form of `{name}`."


@BOTH
@pytest.mark.parametrize(
    ("act", "twin"),
    [
        (lambda request: ours.switch_organization(request, None), "await aswitch_organization"),
        (lambda request: ours.mark_verified(request, True), "await amark_verified"),
        (lambda request: ours.impersonate(request, "b", reason="x"), "await aimpersonate"),
        (ours.stop_impersonating, "await astop_impersonating"),
        (current_user, "await acurrent_user"),
        (lambda request: ours.sync_user("ann"), "await async_user"),
        (lambda request: ours.directory.get_user("ann"), "await adirectory"),
        (lambda request: ours.templates.get(), "await atemplates"),
    ],
)
def test_what_would_block_the_loop_is_refused_and_the_async_form_named(
    ask: Any, act: Any, twin: str
) -> None:
    async def view(request: Any) -> HttpResponse:
        try:
            act(request)
        except SynchronousOnlyOperation as error:
            return HttpResponse(str(error))
        raise AssertionError("it was done")

    with own_site(path("view", view)):
        assert twin in ask("/view").content.decode()


def show(request: Any) -> HttpResponse:
    return JsonResponse({"user": [current_user(request), current_user(request)]})


async def ashow(request: Any) -> HttpResponse:
    user = await acurrent_user(request)
    return JsonResponse({"user": [user, await acurrent_user(request)]})


@BOTH
@pytest.mark.parametrize("view", [show, ashow])
@pytest.mark.parametrize("is_async", [False, True])
def test_users_of_another_issuers_sessions_are_loaded_once(
    ask: Any, view: Any, is_async: bool
) -> None:
    loads: list[str] = []

    def load(user_id: str) -> Any:
        loads.append(user_id)
        return {"id": user_id}

    async def aload(user_id: str) -> Any:
        return load(user_id)

    ours.user_loader(aload if is_async else load)
    with site(path("", view)):
        user = {"id": "user_1"}
        assert ask("/", mint()).json() == {"user": [user, user]}
        assert ask("/").json() == {"user": [None, None]}
    assert loads == ["user_1"]


@BOTH
@pytest.mark.parametrize("view", [show, ashow])
def test_a_loader_may_wait_as_those_do_that_look_into_the_database(ask: Any, view: Any) -> None:
    @ours.user_loader
    @async_unsafe
    def load(user_id: str) -> Any:
        return "Ann"

    with site(path("", view)):
        assert ask("/", mint()).json() == {"user": ["Ann", "Ann"]}


@pytest.mark.parametrize("name", ["sessions", "directory", "templates"])
def test_what_another_issuer_keeps_is_not_here(name: str) -> None:
    with site():
        for attribute in (name, f"a{name}"):
            with pytest.raises(ConfigurationError, match=r'\["ISSUER"\] = "self"'):
                _ = getattr(ours, attribute).get
        with pytest.raises(ConfigurationError, match=r'\["ISSUER"\] = "self"'):
            ours.sync_user("ann")


@pytest.mark.parametrize("name", ["provide", "may_impersonate", "metadata_for", "user_loader"])
def test_a_function_is_given_once(name: str) -> None:
    register = getattr(ours, name)

    def function(*given: Any) -> Any:
        """Never called."""

    assert register(function) is function
    assert register(function) is function
    assert getattr(conf.hooks(), name) is function
    with pytest.raises(ConfigurationError, match=f"{name}: there is one already"):
        register(lambda *given: None)
    with pytest.raises(ConfigurationError, match=f"{name}: got 5; give a function"):
        register(5)


def test_functions_given_after_the_start_are_in_force_and_outlive_settings() -> None:
    verified = BooleanClaim("verified", lambda user_id, session: True)
    with own_site():
        assert ours.sessions.create("ann").session.claims == {}
        ours.add_claims(verified)
        ours.metadata_for(lambda user_id: {"name": user_id})
        ours.provide(lambda user_id, session: {"mine": 1})
        claims = ours.sessions.create("ann").session.claims
        assert (claims["verified"]["v"], claims["mine"]) == (True, 1)
    with own_site():
        assert ours.sessions.create("ben").session.claims.keys() == {"verified", "mine"}
        user = ours.directory.get_user("ben")
        assert user is not None
        assert user.public_metadata == {"name": "ben"}


def test_another_provide_stands_beside_the_other_functions() -> None:
    ours.provide(lambda user_id, session: {"mine": 1})
    ours.metadata_for(lambda user_id: {"name": user_id})
    with own_site(provide=lambda user_id, session: {"other": 1}):
        assert ours.sessions.create("ann").session.claims == {"other": 1}
        assert ours.directory.get_user("ann") is not None
        ours.add_claims(BooleanClaim("verified", lambda user_id, session: True))
        assert ours.sessions.create("ben").session.claims.keys() == {"other", "verified"}
    with own_site():
        assert ours.sessions.create("ann").session.claims["mine"] == 1


def test_validators_hold_at_once_in_both_kinds_of_views() -> None:
    def me(request: Any) -> HttpResponse:
        return HttpResponse("in")

    async def ame(request: Any) -> HttpResponse:
        return HttpResponse("in")

    gate = ours.login_required
    with site(path("sync", gate(me)), path("async", gate(ame))):
        answers = [(ask, address) for ask in (get, aget) for address in ("/sync", "/async")]
        assert [ask(address, mint()).status_code for ask, address in answers] == [200] * 4
        ours.add_validators(BooleanClaim("verified", lambda user_id, session: True).is_true())
        assert [ask(address, mint()).status_code for ask, address in answers] == [403] * 4
    with site(path("sync", gate(me))):
        assert get("/sync", mint()).status_code == 403


@pytest.mark.parametrize("wrong", ["verified", 5, None])
def test_claims_and_validators_are_what_they_must_be(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="give Claim, BooleanClaim or ListClaim"):
        ours.add_claims(wrong)
    with pytest.raises(ConfigurationError, match="no validator"):
        ours.add_validators(wrong)
