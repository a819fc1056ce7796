"""What is to be done for each view, worked out once per view."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from asgiref.sync import iscoroutinefunction
from django.urls import Resolver404, resolve

from flask_session_claims.core.gate import ANYBODY, Requirement
from flask_session_claims.core.policy import marks_of, plan_for
from flask_session_claims.core.settings import GateSettings

#: Django's own test for async views (on 3.10 and 3.11 that of asyncio, which knows their mark).
is_async = iscoroutinefunction  # pyright: ignore[reportDeprecated]

_MOST: Final = 5_000  # a URLconf that makes views anew for each request must not fill the memory


class ViewPlan(NamedTuple):
    """The core's plan for a view, and how Django runs it."""

    looked_at: bool
    due: tuple[Requirement, ...]
    due_for_fdi: tuple[Requirement, ...]
    is_async: bool


#: The plan of most guarded views: their gates do it all.
NOTHING_TO_DO: Final = ViewPlan(True, (), (), is_async=False)


class Plans(dict[Any, ViewPlan]):
    """View function -> plan, under one set of settings."""

    def __init__(self, gates: GateSettings) -> None:
        super().__init__()
        self.gates = gates

    def __missing__(self, view: Any) -> ViewPlan:
        if len(self) >= _MOST:
            self.clear()
        made = self[view] = self.make(view)
        return made

    def make(self, view: Any) -> ViewPlan:
        looked_at, due, due_for_fdi = plan_for(view, self.gates)
        if due and _is_opened(view) and not marks_of(view).pending:
            due, due_for_fdi = (), (ANYBODY,)
        looked_at = (looked_at or _is_gated_inside(view)) and not marks_of(view).own
        plan = ViewPlan(looked_at, due, due_for_fdi, is_async(view))
        return NOTHING_TO_DO if plan == NOTHING_TO_DO else plan


def leads_to_ours(request: Any) -> bool:
    """Whether the address is one of the issuer's own, whose views look for themselves."""
    try:
        found = resolve(request.path_info, getattr(request, "urlconf", None))
    except Resolver404:
        return False
    return marks_of(found.func).own


def _is_opened(view: Any) -> bool:
    """Whether Django's own `login_not_required` says of a view what our `public` says.

    REST framework says it of all its views, in `as_view`: only at their `dispatch` is it the
    project's word.
    """
    made_of = getattr(view, "cls", None)
    if any(base.__module__ == "rest_framework.views" for base in getattr(made_of, "__mro__", ())):
        view = getattr(made_of, "dispatch", None)
    return getattr(view, "login_required", True) is False


def _is_gated_inside(view: Any) -> bool:
    """Whether a method of a class-based view has a gate, of which its function knows nothing."""
    made_of = getattr(view, "view_class", None)
    if made_of is None:
        return False
    names = ("dispatch", *made_of.http_method_names)
    return any(marks_of(getattr(made_of, name, None)).enforced for name in names)
