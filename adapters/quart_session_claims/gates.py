"""`login_required`, `claims_required`, `public`: what a view asks of who comes.

A gate holds configuration only; the user's view is never called inside a `try` of ours, and
runs as Quart would run it: sync ones in a thread, generators as streams.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from inspect import isclass, iscoroutinefunction
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from quart import current_app

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.core.gate import SIGNED_IN, Requirement, make_requirement, must_ask
from flask_session_claims.core.policy import mark_gate, mark_public
from flask_session_claims.core.validating import Validators

from .current import check, stands
from .place import current_kind

if TYPE_CHECKING:
    from quart.typing import ResponseReturnValue

P = ParamSpec("P")
V = TypeVar("V", bound=Callable[..., Any])
Checked = Awaitable["ResponseReturnValue | None"]


class Gate:
    """A requirement as a decorator, or as a `before_request` or `before_websocket` function."""

    def __init__(self, requirement: Requirement) -> None:
        self.requirement = requirement
        self.__name__ = "session_claims_gate"
        _mark_coroutine_function(self)

    @overload
    def __call__(self, view: Callable[P, Any]) -> Callable[P, Awaitable[Any]]: ...
    @overload
    def __call__(self) -> Checked: ...
    def __call__(self, view: Callable[..., Any] | None = None) -> Any:
        return check(self.requirement) if view is None else guard(view, self.requirement)


def _mark_coroutine_function(gate: Any) -> None:
    """Let Quart await what `gate()` gives, rather than call it in a thread."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(gate)
    else:
        gate._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined] # pyright: ignore


def guard(view: Callable[P, Any], requirement: Requirement) -> Callable[P, Awaitable[Any]]:
    """`view`, run only for requests and handshakes that meet `requirement`."""
    if isclass(view) or not callable(view):
        raise ConfigurationError(
            f"{view!r} is no view function; for a class-based view write"
            " decorators = [login_required] in the class."
        )

    is_async = iscoroutinefunction(view)

    @wraps(view)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        if not stands(requirement):
            refusal = await check(requirement)
            if refusal is not None:
                return refusal
        if is_async:
            return await cast("Awaitable[Any]", view(*args, **kwargs))
        return await current_app.ensure_async(view)(*args, **kwargs)

    mark_gate(view, guarded, requirement)
    return guarded


class _LoginRequired(Gate):
    """Somebody must be signed in: `@login_required`, `@login_required(allow_actor=False)`,
    `blueprint.before_request(login_required)`.

    `allow_actor=False` refuses those who act for the user. `live=True` reads the session store.
    `validators=[verified.is_true()]` holds beside the app's own; a function is given those, and
    gives what is to hold instead.
    """

    @overload  # type: ignore[override]
    def __call__(self, view: Callable[P, Any]) -> Callable[P, Awaitable[Any]]: ...
    @overload
    def __call__(
        self,
        *,
        live: bool = False,
        allow_actor: bool = True,
        validators: Validators | None = None,
    ) -> Gate: ...
    @overload  # not what a call is read as, but what makes it a before_request function
    def __call__(self) -> Checked: ...  # type: ignore[overload-cannot-match] # pyright: ignore
    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        view: Callable[..., Any] | None = None,
        *,
        live: bool | None = None,
        allow_actor: bool | None = None,
        validators: Validators | None = None,
    ) -> Any:
        if view is not None:
            return guard(view, self.requirement)
        if live is None and allow_actor is None and validators is None:
            # As before_request calls it; outside a request it is "@login_required()".
            return self if current_kind() is None else check(self.requirement)
        return Gate(
            make_requirement(
                live=bool(live), allow_actor=allow_actor is not False, validators=validators
            )
        )


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
        predicate: a plain function of the `Auth`; only True lets pass.
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
    """Exempt a view from the default policy "required"; its auth is read if it reads it."""
    mark_public(view)
    return view
