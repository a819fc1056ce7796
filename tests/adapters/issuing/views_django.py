"""The views of the issuing contract in Django, sync and async.

`settings.MEANWHILE` is a list of functions: what happens while /watch streams.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import wraps
from typing import Any

import django_session_claims as claims_of
from django.conf import settings
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.http import require_http_methods

from ..fetched import IN_A, IS_VERIFIED, without_verified
from . import people_django
from .drivers import (
    about,
    line,
    merged,
    refusal,
    session_json,
    sign_in_arguments,
    signed_in,
)


def sign_in(request: Any) -> Any:
    user, keywords = sign_in_arguments(request.GET)
    session = claims_of.create_session(request, user, **keywords)
    return signed_in(session, request.auth)


async def asign_in(request: Any) -> Any:
    user, keywords = sign_in_arguments(request.GET)
    session = await claims_of.acreate_session(request, user, **keywords)
    return signed_in(session, request.auth)


def sign_in_fails(request: Any) -> Any:
    return sign_in(request), int(request.GET["status"])


async def asign_in_fails(request: Any) -> Any:
    return await asign_in(request), int(request.GET["status"])


def sign_in_raises(request: Any) -> Any:
    sign_in(request)
    raise RuntimeError("the view's own mistake")


async def asign_in_raises(request: Any) -> Any:
    await asign_in(request)
    raise RuntimeError("the view's own mistake")


def peek(request: Any) -> Any:
    return about(request.auth)


async def apeek(request: Any) -> Any:
    return about(request.auth)


def cached(request: Any) -> Any:
    return JsonResponse(about(request.auth), headers={"Cache-Control": "public, max-age=60"})


async def acached(request: Any) -> Any:
    return cached(request)


def answer(request: Any) -> Any:
    said = about(request.auth)
    if "raises" in request.GET:
        raise RuntimeError("the view's own mistake")
    response = JsonResponse(said, status=int(request.GET.get("status", 200)))
    if "cache" in request.GET:
        response["Cache-Control"] = request.GET["cache"]
    return response


async def aanswer(request: Any) -> Any:
    return answer(request)


def _watched(request: Any) -> tuple[list[Callable[[], Any]], Any]:
    """What happens meanwhile, and the auth that is asked about."""
    auth = claims_of.get_auth(request) if "plain" in request.GET else request.auth
    return settings.MEANWHILE, auth


def watch(request: Any) -> Any:
    meanwhile, auth = _watched(request)

    def look() -> str:
        try:
            return line(claims_of.is_current(auth))
        except claims_of.UnavailableError as error:
            return line(error)

    def body() -> Iterator[str]:
        yield look()
        for act in meanwhile:
            act()
            yield look()

    return StreamingHttpResponse(body(), content_type="text/plain")


async def awatch(request: Any) -> Any:
    meanwhile, auth = _watched(request)

    async def look() -> str:
        try:
            return line(await claims_of.ais_current(auth))
        except claims_of.UnavailableError as error:
            return line(error)

    async def body() -> AsyncIterator[str]:
        yield await look()
        for act in meanwhile:
            await asyncio.to_thread(act)
            yield await look()

    return StreamingHttpResponse(body(), content_type="text/plain")


async def awatch_by_thread(request: Any) -> Any:
    return watch(request)


def still(request: Any) -> Any:
    return {"still": True}


async def astill(request: Any) -> Any:
    return {"still": True}


def merge(request: Any) -> Any:
    patch = json.loads(request.GET["patch"])
    return merged(claims_of.merge_session_claims(request, patch), request.auth)


async def amerge(request: Any) -> Any:
    patch = json.loads(request.GET["patch"])
    return merged(await claims_of.amerge_session_claims(request, patch), request.auth)


def merge_fails(request: Any) -> Any:
    return merge(request), 500


async def amerge_fails(request: Any) -> Any:
    return await amerge(request), 500


def sign_out(request: Any) -> Any:
    return {"ended": claims_of.revoke_session(request)}


async def asign_out(request: Any) -> Any:
    return {"ended": await claims_of.arevoke_session(request)}


def session(request: Any) -> Any:
    return session_json(claims_of.current_session(request))


async def asession(request: Any) -> Any:
    return session_json(await claims_of.acurrent_session(request))


def stream(request: Any) -> Any:
    def body() -> Iterator[str]:
        yield " "
        yield json.dumps(about(request.auth))

    return StreamingHttpResponse(body(), content_type="application/json")


async def astream(request: Any) -> Any:
    async def body() -> AsyncIterator[str]:
        yield " "
        yield json.dumps(about(request.auth))

    return StreamingHttpResponse(body(), content_type="application/json")


async def astream_by_thread(request: Any) -> Any:
    return stream(request)


def _respond(answer: Any) -> Any:
    if isinstance(answer, (HttpResponse, StreamingHttpResponse)):
        return answer
    body, status = answer if isinstance(answer, tuple) else (answer, 200)
    return JsonResponse(body, status=status, safe=False)


def _responding(does: Any) -> Any:
    """A view that answers with what `does` gives, and refusals of acts as the contract says."""
    if asyncio.iscoroutinefunction(does):

        @wraps(does)
        async def aview(request: Any) -> Any:
            try:
                return _respond(await does(request))
            except claims_of.SessionError as error:
                return _respond(refusal(error))

        return aview

    @wraps(does)
    def view(request: Any) -> Any:
        try:
            return _respond(does(request))
        except claims_of.SessionError as error:
            return _respond(refusal(error))

    return view


login_required, claims_required = claims_of.login_required, claims_of.claims_required
GATES: dict[str, Sequence[Callable[[Any], Any]]] = {
    **people_django.GATES,
    "me": [login_required],
    "merge": [login_required],
    "merge_fails": [login_required],
    "live": [login_required(live=True)],
    "verified": [login_required(validators=[IS_VERIFIED])],
    "verified_teams": [
        claims_required(validators=[IN_A]),
        login_required(validators=[IS_VERIFIED]),
    ],
    "unverified": [login_required(validators=without_verified)],
    "live_pro": [claims_required(claims={"plan": "pro"}, live=True), login_required(live=True)],
}


def _routes(**views: tuple[list[str], Any]) -> list[Any]:
    routes = []
    for name, (methods, does) in views.items():
        view = _responding(does)
        if "GET" in methods:
            methods = [*methods, "HEAD"]
        for gate in GATES.get(name, ()):
            view = gate(view)
        routes.append(path(name.replace("_", "-"), require_http_methods(methods)(view)))
    return routes


SYNC_VIEWS = _routes(
    **people_django.SYNC_PEOPLE,
    sign_in=(["POST"], sign_in),
    sign_in_fails=(["POST"], sign_in_fails),
    sign_in_raises=(["POST"], sign_in_raises),
    sign_in_by_get=(["GET"], sign_in),
    me=(["GET"], peek),
    peek=(["GET", "POST", "OPTIONS"], peek),
    cached=(["GET"], cached),
    still=(["GET", "POST"], still),
    merge=(["POST"], merge),
    merge_fails=(["POST"], merge_fails),
    sign_out=(["POST"], sign_out),
    session=(["GET"], session),
    answer=(["GET", "POST"], answer),
    live=(["GET"], peek),
    live_pro=(["GET"], peek),
    verified=(["GET"], peek),
    verified_teams=(["GET"], peek),
    unverified=(["GET"], peek),
    watch=(["GET"], watch),
    stream=(["GET"], stream),
)
ASYNC_VIEWS = _routes(
    **people_django.ASYNC_PEOPLE,
    sign_in=(["POST"], asign_in),
    sign_in_fails=(["POST"], asign_in_fails),
    sign_in_raises=(["POST"], asign_in_raises),
    sign_in_by_get=(["GET"], asign_in),
    me=(["GET"], apeek),
    peek=(["GET", "POST", "OPTIONS"], apeek),
    cached=(["GET"], acached),
    still=(["GET", "POST"], astill),
    merge=(["POST"], amerge),
    merge_fails=(["POST"], amerge_fails),
    sign_out=(["POST"], asign_out),
    session=(["GET"], asession),
    answer=(["GET", "POST"], aanswer),
    live=(["GET"], apeek),
    live_pro=(["GET"], apeek),
    verified=(["GET"], apeek),
    verified_teams=(["GET"], apeek),
    unverified=(["GET"], apeek),
    watch=(["GET"], awatch),
    stream=(["GET"], astream),
)
#: The streams of async views, as sync iterators.
STREAMS_BY_THREAD = _routes(watch=(["GET"], awatch_by_thread), stream=(["GET"], astream_by_thread))
