"""What guards each route, as far as gates and the default policy tell.

A check inside a view, or in a hook that is no gate of ours, cannot be seen from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from ...core.gate import Requirement
from ...core.policy import marks_of, plan_for
from ...core.settings import GateSettings

#: "guarded": by a gate; "required": by the default policy; "public": marked so; "open": neither.
Access = Literal["guarded", "required", "public", "open"]


class Placed(NamedTuple):
    """A gate, and where it stands: "view", "hook", "blueprint admin", "app"."""

    requirement: Requirement
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """A gate as it would be written, and where it stands."""

    gate: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReport:
    """One route. `unprotected` names the methods that anybody may call."""

    rule: str
    methods: tuple[str, ...]
    endpoint: str
    policy: str
    access: Access
    gates: tuple[GateReport, ...]
    unprotected: tuple[str, ...]
    #: Whether it was named as one that may stay open.
    allowed: bool = False

    @property
    def is_fault(self) -> bool:
        """Whether it is open, and nobody said that it should be."""
        return self.access == "open" and not self.allowed

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def gate_text(requirement: Requirement) -> str:
    """A requirement as the decorator that makes it; predicates by their name."""
    other: list[str] = []
    asked = [
        f"{name}={value!r}"
        for name in ("role", "permission", "feature", "plan", "reverification")
        if (value := getattr(requirement, name)) is not None
    ]
    if requirement.claims is not None:
        asked.append(f"claims={dict(requirement.claims)!r}")
    if requirement.validators is not None and not callable(requirement.validators):
        asked.append(f"validators=[{', '.join(one.id for one in requirement.validators)}]")
    if requirement.predicate is not None:
        name = getattr(requirement.predicate, "__qualname__", type(requirement.predicate).__name__)
        asked.append(f"predicate={name}")
    if callable(requirement.validators):
        other.append("validators=…")
    gate = "claims_required" if asked else "login_required"
    if not requirement.allow_actor:
        other.append("allow_actor=False")
    said = ", ".join([*asked, *other])
    return f"{gate}({said})" if said else gate


def route_report(
    *,
    rule: str,
    methods: Sequence[str],
    endpoint: str,
    view: object,
    settings: GateSettings,
    around: Sequence[Placed] = (),
    handlers: Mapping[str, object] | None = None,
    allowed: bool = False,
) -> RouteReport:
    """The report on one route.

    Args:
        methods: those that run the view.
        around: gates in hooks that run before the view.
        handlers: method -> its own function, for class-based views.
        allowed: whether it may stay open.
    """
    marks = marks_of(view)
    placed = [
        *around,
        *(Placed(each, "view") for each in marks.enforced),
        *(Placed(each, "hook") for each in marks.pending),
    ]
    by_policy = any(each.signed_in for each in plan_for(view, settings).due)
    bare: tuple[str, ...] = ()
    if not by_policy and not any(each.requirement.signed_in for each in placed):
        bare = tuple(m for m in methods if not marks_of((handlers or {}).get(m)).enforced)
    for method in methods:
        gates = marks_of((handlers or {}).get(method)).enforced
        placed += [Placed(each, f"method {method}") for each in gates]
    access: Access = "guarded" if placed else "required"
    if bare:
        access = "public" if marks.public else "open"
    return RouteReport(
        rule=rule,
        methods=tuple(methods),
        endpoint=endpoint,
        policy=settings.default_policy,
        access=access,
        gates=tuple(GateReport(gate=gate_text(r), where=where) for r, where in placed),
        unprotected=bare,
        allowed=allowed and access == "open",
    )
