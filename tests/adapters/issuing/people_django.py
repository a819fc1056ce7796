"""The views of users, organisations and impersonation in Django, sync and async."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import django_session_claims as claims_of

from .drivers import about, refusal
from .people import acted, asked_act, known, seen_user, synced


def act(request: Any) -> Any:
    name, keywords, status = asked_act(request.GET)
    try:
        returned = getattr(claims_of, name)(request, **keywords)
    except claims_of.ConfigurationError as error:
        return refusal(error)
    return acted(returned, request.auth), status


async def aact(request: Any) -> Any:
    name, keywords, status = asked_act(request.GET)
    try:
        returned = await getattr(claims_of, f"a{name}")(request, **keywords)
    except claims_of.ConfigurationError as error:
        return refusal(error)
    return acted(returned, request.auth), status


def user(request: Any) -> Any:
    try:
        first = claims_of.current_user(request)
        if "then" in request.GET:
            claims_of.create_session(request, request.GET["then"])
        return seen_user(first, claims_of.current_user(request))
    except claims_of.ConfigurationError as error:
        return refusal(error)


async def auser(request: Any) -> Any:
    try:
        first = await claims_of.acurrent_user(request)
        if "then" in request.GET:
            await claims_of.acreate_session(request, request.GET["then"])
        return seen_user(first, await claims_of.acurrent_user(request))
    except claims_of.ConfigurationError as error:
        return refusal(error)


def sync(request: Any) -> Any:
    try:
        return synced(claims_of.sync_user(request.GET["user"]))
    except claims_of.ConfigurationError as error:
        return refusal(error)


async def async_(request: Any) -> Any:
    try:
        return synced(await claims_of.async_user(request.GET["user"]))
    except claims_of.ConfigurationError as error:
        return refusal(error)


def look_up(request: Any) -> Any:
    return known(claims_of.directory.get_user(request.GET["user"]), claims_of.templates.get())


async def alook_up(request: Any) -> Any:
    user = await claims_of.adirectory.get_user(request.GET["user"])
    return known(user, await claims_of.atemplates.get())


def token(request: Any) -> Any:
    try:
        return {"token": request.auth.get_token(request.GET.get("template"))}
    except claims_of.ConfigurationError as error:
        return refusal(error)


async def atoken(request: Any) -> Any:
    try:
        return {"token": await request.auth.get_token(request.GET.get("template"))}
    except claims_of.ConfigurationError as error:
        return refusal(error)


def seen(request: Any) -> Any:
    return about(request.auth)


async def aseen(request: Any) -> Any:
    return about(request.auth)


#: By the name of their route.
GATES: dict[str, Sequence[Callable[[Any], Any]]] = {
    "admin": [claims_of.claims_required(role="org:admin")],
    "invoices": [claims_of.claims_required(permission="org:invoices:manage")],
    "strict": [claims_of.claims_required(reverification="strict")],
    "own": [claims_of.login_required(allow_actor=False)],
}
SYNC_PEOPLE: dict[str, tuple[list[str], Any]] = {
    "act": (["POST"], act),
    "user": (["GET", "POST"], user),
    "sync": (["POST"], sync),
    "known": (["GET"], look_up),
    "token": (["GET"], token),
    **{name: (["GET"], seen) for name in GATES},
}
ASYNC_PEOPLE: dict[str, tuple[list[str], Any]] = {
    "act": (["POST"], aact),
    "user": (["GET", "POST"], auser),
    "sync": (["POST"], async_),
    "known": (["GET"], alook_up),
    "token": (["GET"], atoken),
    **{name: (["GET"], aseen) for name in GATES},
}
