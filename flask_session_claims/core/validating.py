"""What gates do with validators: which of them hold, what they want fetched, whether they let pass.

One that cannot tell lets nobody pass: it is the developer's mistake, and raised as such.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from inspect import iscoroutine, iscoroutinefunction
from typing import Any, Final, NamedTuple, TypeAlias, cast

from .errors import ConfigurationError
from .validators import Claim, Validator

#: What holds besides the app-wide ones; or a function of those that gives what holds instead.
Validators: TypeAlias = Sequence[Validator] | Callable[[tuple[Validator, ...]], Sequence[Validator]]


class Failure(NamedTuple):
    """A validator that did not let pass, and why; the client sees both."""

    id: str
    reason: Mapping[str, Any]


def checked(given: object, what: str = "validators") -> tuple[Validator, ...]:
    """`given` as validators; `what` is how a message calls it.

    Raises:
        ConfigurationError: it is no list or tuple of them.
    """
    if not isinstance(given, (list, tuple)):
        raise ConfigurationError(
            f"{what}: got a {type(given).__name__}; give a list of validators, such as"
            " [verified.is_true()]."
        )
    listed = cast("Sequence[Any]", given)
    for one in listed:
        named, claim = getattr(one, "id", None), getattr(one, "claim", _NONE_GIVEN)
        if not isinstance(named, str) or not named or isinstance(one, type):
            raise ConfigurationError(
                f"{what}: a {type(one).__name__} is no validator, it has no id."
            )
        if claim is not None and not isinstance(claim, Claim):
            raise ConfigurationError(f"{what}: the claim of {named!r} is neither a Claim nor None.")
        for act in ("should_refetch", "validate"):
            method = getattr(one, act, None)
            if not callable(method) or iscoroutinefunction(method):
                raise ConfigurationError(f"{what}: {named!r} has no plain method {act}.")
    return tuple(listed)


_NONE_GIVEN: Final = object()


def in_force(own: Validators | None, app_wide: tuple[Validator, ...]) -> tuple[Validator, ...]:
    """What holds at a gate that names `own` in an app with `app_wide` ones."""
    if own is None:
        return app_wide
    if callable(own):
        return checked(own(app_wide), "what the function of validators gave")
    return (*app_wide, *own)


def keys_of(validators: Sequence[Validator]) -> frozenset[str]:
    """The names of the claims that they have fetched."""
    return frozenset(one.claim.key for one in validators if one.claim is not None)


def wants_fetch(validator: Validator, claims: Mapping[str, Any], now: float) -> bool:
    """Whether a validator has a claim that is to be fetched first.

    Raises:
        ConfigurationError: `validator-failed`: it cannot tell.
    """
    if validator.claim is None:
        return False
    said = _said(validator, validator.should_refetch, claims, now)
    if not isinstance(said, bool):
        raise _failed(validator, f"should_refetch gave a {type(said).__name__}, not True or False")
    return said


def failures(
    validators: Sequence[Validator], claims: Mapping[str, Any], now: float
) -> tuple[Failure, ...]:
    """Those that do not let pass, with their reasons.

    Raises:
        ConfigurationError: `validator-failed`: one could not tell.
    """
    found: list[Failure] = []
    for validator in validators:
        reason = _said(validator, validator.validate, claims, now)
        if reason is None:
            continue
        if not isinstance(reason, Mapping):
            raise _failed(validator, f"validate gave a {type(reason).__name__}, no reason or None")
        members = dict(cast("Mapping[str, Any]", reason))
        try:
            _ = json.dumps(members, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise _failed(validator, "its reason is no JSON") from None
        found.append(Failure(validator.id, members))
    return tuple(found)


def _said(
    validator: Validator,
    ask: Callable[[Mapping[str, Any], float], object],
    claims: Mapping[str, Any],
    now: float,
) -> object:
    try:
        said = ask(claims, now)
    except Exception as error:
        raise _failed(validator, f"it raised {type(error).__name__}") from error
    if iscoroutine(said):
        said.close()
        raise _failed(validator, "it is async; let the claim's fetch be, which is awaited")
    return said


def _failed(validator: Validator, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"the validator {validator.id!r} failed: {problem}; nobody is let in until it is mended.",
        code="validator-failed",
    )
