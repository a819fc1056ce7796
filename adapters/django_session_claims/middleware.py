"""`SessionClaimsMiddleware`: puts `request.auth` before the view, and answers refusals.

It runs as sync or async as what stands behind it. No thread-locals: all is on the request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.http import HttpResponse, HttpResponseBase

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.request import PRIVATE, Exchange, response_headers

from . import conf
from .plans import NOTHING_TO_DO, Plans, ViewPlan, is_async, leads_to_ours
from .refusals import Refused, answer, own_handler, response_of
from .visit import AsyncDjangoAuth, DjangoAuth, Visit, begin, keep_uncached, prepare, refusal_for


class SessionClaimsMiddleware:
    """`request.auth` for every request: a `RequestAuth`, in async views an `AsyncRequestAuth`.

    Raises:
        ConfigurationError: a setting is wrong.
    """

    sync_capable = True
    async_capable = True
    #: Called by Django before each view; sync or async as this middleware is.
    process_view: Callable[..., Any]

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response
        self._is_async = is_async(get_response)
        if self._is_async:
            markcoroutinefunction(self)
            self.process_view = self._before_async
            gates = conf.async_reading().gates  # what can be wrong is wrong at start-up
        else:
            self.process_view = self._before
            gates = conf.reading().gates
        self._plans = Plans(gates)

    def __call__(self, request: Any) -> Any:
        if self._is_async:
            return self._call_async(request)
        reading = conf.reading()
        visit = begin(request, reading)
        request.auth = DjangoAuth(visit)
        try:
            response = self.get_response(request)
        except BaseException:
            if reading.issuing is not None:
                reading.issuing.close(visit, 500)  # no response of ours, nobody signed in
            raise
        visit.page = None
        visit.sent = True
        if visit.effects is not None:
            keep_uncached(request)
        if visit.was_read or visit.effects:
            if reading.issuing is not None:
                reading.issuing.close(visit, response.status_code, response.headers.get)
            _apply(visit, response)
        return response

    async def _call_async(self, request: Any) -> Any:
        reading = conf.async_reading()
        visit = begin(request, reading)
        if reading.gates.default_policy == "public":
            visit.looks_away = True  # until a view is found that wants to know
        else:
            known = reading.recall(visit)
            if known is not None:
                visit.settled = known
            elif reading.issuing is not None and leads_to_ours(request):
                visit.looks_away = True  # a refresh here would be one too many
            else:
                await reading.settle(visit)
        request.auth = AsyncDjangoAuth(visit)
        try:
            response = await self.get_response(request)
        except BaseException:
            if reading.issuing is not None:
                await reading.issuing.aclose(visit, 500)  # the same
            raise
        visit.page = None
        visit.sent = True
        if visit.effects is not None:
            keep_uncached(request)
        if visit.was_read or visit.effects:
            if reading.issuing is not None:
                header = response.headers.get
                await reading.issuing.aclose(visit, response.status_code, header)
            _apply(visit, response)
        return response

    def _before(self, request: Any, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        visit: Visit = request._session_claims
        plans = self._plans
        try:
            plan = plans[view] if plans.gates is visit.side.gates else self._plan(view, visit)
        except TypeError:
            plan = plans.make(view)
        if plan is NOTHING_TO_DO:
            return None
        visit.looks_away = not plan.looked_at
        if plan.is_async:
            if plan.looked_at:
                visit.outcome()  # found out here, where it may wait
            if type(request.auth) is DjangoAuth:
                request.auth = AsyncDjangoAuth(visit)
        error = _refusal(request, visit, plan)
        return None if error is None else answer(request, error)

    async def _before_async(
        self, request: Any, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        visit: Visit = request._session_claims
        plan = self._plan(view, visit)
        visit.looks_away = not plan.looked_at
        if plan.looked_at and visit.settled is None:
            await conf.async_reading().settle(visit)
        if not plan.is_async and type(request.auth) is AsyncDjangoAuth:
            request.auth = DjangoAuth(visit)
        for requirement in plan.due:
            await prepare(visit, requirement)
        error = _refusal(request, visit, plan)
        if error is None:
            return None
        if own_handler(error) is None:
            return response_of(error)
        return await sync_to_async(answer, thread_sensitive=False)(request, error)

    def _plan(self, view: Any, visit: Visit) -> ViewPlan:
        plans = self._plans
        if plans.gates is not visit.side.gates:  # override_settings
            plans = self._plans = Plans(visit.side.gates)
        try:
            return plans[view]
        except TypeError:  # a callable object that cannot be hashed
            return plans.make(view)

    def process_exception(self, request: Any, exception: Exception) -> HttpResponse | None:
        """Our refusals, answered."""
        return answer(request, exception) if isinstance(exception, Refused) else None


def _refusal(request: Any, visit: Visit, plan: ViewPlan) -> Refused | None:
    """What stands against running a view, besides what its gates will say."""
    due = plan.due
    if plan.due_for_fdi:
        meta = request.META
        if "HTTP_RID" in meta or "HTTP_ST_AUTH_MODE" in meta:
            due = plan.due_for_fdi
    for requirement in due:
        error = refusal_for(request, visit, requirement)
        if error is not None:
            return error
    return None


def _apply(exchange: Exchange, response: HttpResponseBase) -> None:
    headers = response.headers
    # Our plain headers need no encoding, which is most of what Django's own way takes. Where it
    # keeps them is no public name, so without that all goes its own way.
    auth, kept = exchange.settled, getattr(headers, "_store", None)
    is_plain = exchange.effects is None and type(auth) is Auth and auth.is_authenticated
    if is_plain and type(kept) is dict and "vary" not in kept and "cache-control" not in kept:
        kept["vary"] = ("Vary", exchange.side.settings.vary)
        kept["cache-control"] = PRIVATE
        return
    vary = cache_control = None
    for name in headers:  # a failing look-up would cost Django an exception
        length = len(name)  # spares nearly all names the rest
        if length == 4 and name.lower() == "vary":
            vary = headers[name]
        elif length == 13 and name.lower() == "cache-control":
            cache_control = headers[name]
    replace, add = response_headers(exchange, vary, cache_control)
    for name, value in replace:
        headers[name] = value
    for name, value in add:
        if name.lower() == "set-cookie":  # Django keeps cookies apart
            response.cookies.load(value)
        else:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
