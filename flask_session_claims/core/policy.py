"""What a view asks, as marks on the view function, and the default for views that ask nothing.

A gate marks the function it returns (`enforced`: the wrapper itself checks) and the one it was
given (`pending`: whoever finds this one registered, because decorators stand in the wrong
order, must check before it runs).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .gate import ANYBODY, SIGNED_IN, Requirement
from .settings import GateSettings

ATTRIBUTE: Final = "__session_claims__"


class Marks(NamedTuple):
    """What gates have said of one view function."""

    enforced: tuple[Requirement, ...] = ()
    pending: tuple[Requirement, ...] = ()
    public: bool = False


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
    """Note on both functions that `wrapper` guards `view`."""
    marks = marks_of(view)
    mark(wrapper, Marks(enforced=(*marks.enforced, requirement)))
    try:
        mark(view, marks._replace(pending=(*marks.pending, requirement)))
    except AttributeError:  # a bound method, a builtin: the wrapper alone guards it
        pass


def due_before(view: object, settings: GateSettings, *, fdi: bool) -> tuple[Requirement, ...]:
    """The requirements that must hold before a view runs, besides those its gates check."""
    marks = marks_of(view)
    if marks.pending:
        return marks.pending
    if marks.enforced:
        return ()
    if settings.default_policy == "required" and not marks.public:
        return (SIGNED_IN,)
    return (ANYBODY,) if fdi and settings.default_policy != "public" else ()


def is_looked_at(view: object, settings: GateSettings) -> bool:
    """Whether the token may be looked at for a view: not for ungated ones under "public"."""
    if settings.default_policy != "public":
        return True
    marks = marks_of(view)
    return bool(marks.enforced or marks.pending)
