"""`login_required`, `claims_required`, `public`: what a view asks of who comes.

A gate holds configuration only; the user's view is never called inside our `try`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import isclass
from typing import Any, TypeVar, cast, overload

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.core.gate import SIGNED_IN, Requirement, make_requirement, must_ask
from flask_session_claims.core.policy import mark_gate, mark_public
from flask_session_claims.core.validating import Validators

from .plans import is_async
from .visit import acheck, check

V = TypeVar("V", bound=Callable[..., Any])


class Gate:
    """A requirement as a decorator of sync and async views, and for `method_decorator`."""

    def __init__(self, requirement: Requirement) -> None:
        self.requirement = requirement
        self.__name__ = "session_claims_gate"

    def __call__(self, view: V) -> V:
        return guard(view, self.requirement)


def guard(view: V, requirement: Requirement) -> V:
    """`view`, run only for requests that meet `requirement`."""
    _refuse_class(view)

    if is_async(view):

        @wraps(view)
        async def aguarded(request: Any, *args: Any, **kwargs: Any) -> Any:
            await acheck(request, requirement)
            return await view(request, *args, **kwargs)

        mark_gate(view, aguarded, requirement)
        return cast(V, aguarded)

    @wraps(view)
    def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
        check(request, requirement)
        return view(request, *args, **kwargs)

    mark_gate(view, guarded, requirement)
    return cast(V, guarded)


def _refuse_class(view: object) -> None:
    if isclass(view) or not callable(view):
        raise ConfigurationError(
            f"{view!r} is no view function; for a class-based view derive from"
            " LoginRequiredMixin or ClaimsRequiredMixin, or write"
            ' @method_decorator(login_required, name="dispatch").'
        )


class _LoginRequired(Gate):
    """Somebody must be signed in: `@login_required`, `@login_required(allow_actor=False)`.

    `allow_actor=False` refuses those who act for the user. `live=True` reads the session store.
    `validators=[verified.is_true()]` holds beside the app's own; a function is given those, and
    gives what is to hold instead.
    """

    @overload
    def __call__(self, view: V) -> V: ...
    @overload
    def __call__(
        self,
        *,
        live: bool = False,
        allow_actor: bool = True,
        validators: Validators | None = None,
    ) -> Gate: ...
    def __call__(
        self,
        view: Any = None,
        *,
        live: bool = False,
        allow_actor: bool = True,
        validators: Validators | None = None,
    ) -> Any:
        if view is not None:
            return guard(view, self.requirement)
        return Gate(make_requirement(live=live, allow_actor=allow_actor, validators=validators))


login_required = _LoginRequired(SIGNED_IN)


def claims_required(
    view: None = None,
    /,
    *,
    role: str | None = None,
    permission: str | None = None,
    feature: str | None = None,
    plan: str | None = None,
    reverification: object = None,
    claims: Mapping[str, Any] | None = None,
    validators: Validators | None = None,
    predicate: Callable[[Auth], bool] | None = None,
    live: bool = False,
    allow_actor: bool = True,
) -> Gate:
    """Somebody must be signed in and have everything that is named; else 401 or 403.

    Args:
        role, permission, feature, plan, reverification: as `Auth.has` takes them.
        claims: claim -> value, or a set of allowed values.
        validators: what fetched claims must be, beside what the app asks everywhere; or a
            function of the app's that gives what is to hold instead.
        predicate: a function of the `Auth`; only True lets pass.
        live: read the session store, not only the token.
        allow_actor: False refuses those who act for the user.

    Raises:
        ConfigurationError: nothing is named, or a value that no claim can meet.
    """
    requirement = make_requirement(
        live=live,
        allow_actor=allow_actor,
        role=role,
        permission=permission,
        feature=feature,
        plan=plan,
        reverification=reverification,
        claims=claims,
        validators=validators,
        predicate=predicate,
    )
    return Gate(must_ask(requirement, view))


def public(view: V) -> V:
    """Exempt a view from the default policy "required"; its auth is read if it reads it.

    Django's own `login_not_required` does the same.
    """
    _refuse_class(view)
    mark_public(view)
    return view
