"""What is to be done for each view, worked out once per view."""

from __future__ import annotations

from typing import Any, NamedTuple

from asgiref.sync import iscoroutinefunction

from flask_session_claims.core.gate import ANYBODY, Requirement
from flask_session_claims.core.policy import marks_of, plan_for
from flask_session_claims.core.settings import GateSettings

#: Django's own test for async views (on 3.10 and 3.11 that of asyncio, which knows their mark).
is_async = iscoroutinefunction  # pyright: ignore[reportDeprecated]

_MOST = 5_000  # views; a URLconf that makes them anew for each request must not fill the memory


class ViewPlan(NamedTuple):
    """The core's plan for a view, and how Django runs it."""

    looked_at: bool
    due: tuple[Requirement, ...]
    due_for_fdi: tuple[Requirement, ...]
    is_async: bool


class Plans(dict[Any, ViewPlan]):
    """View function -> plan, under one set of settings."""

    def __init__(self, gates: GateSettings) -> None:
        super().__init__()
        self.gates = gates

    def __missing__(self, view: Any) -> ViewPlan:
        if len(self) >= _MOST:
            self.clear()
        plan = self[view] = self.make(view)
        return plan

    def make(self, view: Any) -> ViewPlan:
        looked_at, due, due_for_fdi = plan_for(view, self.gates)
        # Django's own login_not_required says what our public says.
        if due and getattr(view, "login_required", True) is False and not marks_of(view).pending:
            due, due_for_fdi = (), (ANYBODY,)
        return ViewPlan(looked_at or _is_gated_inside(view), due, due_for_fdi, is_async(view))


def _is_gated_inside(view: Any) -> bool:
    """Whether a method of a class-based view has a gate, of which its function knows nothing."""
    made_of = getattr(view, "view_class", None)
    if made_of is None:
        return False
    names = ("dispatch", *made_of.http_method_names)
    return any(marks_of(getattr(made_of, name, None)).enforced for name in names)
