"""What a view asks, as marks on the view function, and the default for views that ask nothing.

A gate marks the function it returns (`enforced`: the wrapper itself checks) and the one it was
given (`pending`: whoever finds this one registered, because decorators stand in the wrong
order, must check before it runs).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from .errors import ConfigurationError
from .gate import ANYBODY, SIGNED_IN, Requirement, make_requirement
from .settings import GateSettings

V = TypeVar("V", bound=Callable[..., Any])

ATTRIBUTE: Final = "__session_claims__"


class Marks(NamedTuple):
    """What gates have said of one view function."""

    enforced: tuple[Requirement, ...] = ()
    pending: tuple[Requirement, ...] = ()
    public: bool = False
    #: Whether it judges for itself who comes: an address of the issuer's.
    own: bool = False
    #: The wrapper that these marks were made for; others that copied them are not it.
    owner: Any = None


NO_MARKS: Final = Marks()


def marks_of(view: object) -> Marks:
    marks = getattr(view, ATTRIBUTE, NO_MARKS)
    return marks if isinstance(marks, Marks) else NO_MARKS


def mark(view: Callable[..., Any], marks: Marks) -> None:
    """Set the marks of a view; one that takes no attributes cannot be guarded safely."""
    setattr(view, ATTRIBUTE, marks)


def mark_gate(
    view: Callable[..., Any], wrapper: Callable[..., Any], requirement: Requirement
) -> None:
    """Note on `wrapper` that it guards, and on all that it wraps that it ought to be guarded.

    Only wrappers of our own are looked through: what another decorator wraps may be shared by
    many views.
    """
    marks = marks_of(view)
    mark(wrapper, Marks(enforced=(*marks.enforced, requirement), owner=wrapper))
    inner: Any = view
    while True:
        marks = marks_of(inner)
        try:
            mark(inner, marks._replace(pending=(*marks.pending, requirement)))
        except AttributeError:  # a bound method, a builtin: the wrapper alone guards it
            return
        if marks.owner is not inner:
            return
        inner = inner.__wrapped__


def mark_public(view: Callable[..., Any]) -> None:
    """Exempt a view from the default policy "required".

    Raises:
        ConfigurationError: a gate guards it already.
    """
    marks = marks_of(view)
    if marks.enforced or marks.pending:
        raise ConfigurationError("a view cannot be public and guarded; keep one of the two.")
    mark(view, marks._replace(public=True))


def mark_own(view: V) -> V:
    """Exempt a view of ours from every policy: it judges for itself."""
    mark(view, Marks(public=True, own=True))
    return view


class Plan(NamedTuple):
    """What an adapter does for a view besides what the view's own gates do."""

    #: False: readers see nobody, only gates look: not for ungated views under "public".
    looked_at: bool
    #: Must hold before the view runs.
    due: tuple[Requirement, ...]
    #: The same for requests of FDI clients, which refresh on 401.
    due_for_fdi: tuple[Requirement, ...]


#: The plan of most guarded views: they do it all.
NOTHING_DUE: Final = Plan(True, (), ())


def _first_look(gates: tuple[Requirement, ...]) -> Requirement:
    """Somebody signed in; with no more of the app's validators than the gates leave."""
    chosen = [gate.validators for gate in gates if callable(gate.validators)]
    if chosen and len(chosen) == len(gates):
        return make_requirement(validators=chosen[0])
    return SIGNED_IN


def plan_for(view: object, settings: GateSettings) -> Plan:
    """The plan for a registered view; the same for all its requests, so it may be kept."""
    marks, policy = marks_of(view), settings.default_policy
    if marks.own:
        return NOTHING_DUE
    if marks.pending:
        return Plan(True, marks.pending, marks.pending)
    if policy == "required" and not marks.public:
        # Gated ones too: another decorator, with copied marks, may answer before the gate.
        first = _first_look(marks.enforced)
        return Plan(True, (first,), (first,))
    if marks.enforced:
        return NOTHING_DUE
    if policy == "public":
        return Plan(False, (), ())
    return Plan(True, (), (ANYBODY,))
