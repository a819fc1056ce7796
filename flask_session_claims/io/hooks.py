"""The functions that an app gives to its issuer: each once, and in force at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

from ..core.errors import ConfigurationError
from ..core.request import Side
from ..core.validating import checked
from ..core.validators import Claim, Validator


class Hooks:
    """An app's hooks, each sync or async; None: there is none."""

    #: (user id, the session, or None while it is being made) -> claims, or None for no change.
    provide: Callable[..., Any] | None = None
    #: (the Auth of who asks, user id) -> True, if they may act for that user.
    may_impersonate: Callable[..., Any] | None = None
    #: (user id) -> what the app's own tables know for the public metadata, or None.
    metadata_for: Callable[..., Any] | None = None
    #: (user id) -> the app's user object, or None.
    user_loader: Callable[..., Any] | None = None
    #: (claims) -> the same out of claims, or None where they do not hold what it needs.
    user_from_claims: Callable[..., Any] | None = None
    #: Fetched at sign-in, and at a refresh once they are too old.
    fetched: tuple[Claim, ...] = ()

    def give(self, name: str, function: Any) -> None:
        """Have a hook called from now on.

        Raises:
            ConfigurationError: it is no function, or there is another already.
        """
        if not callable(function):
            raise ConfigurationError(f"{name}: got {function!r}; give a function.")
        if getattr(self, name) not in (None, function):
            raise ConfigurationError(f"{name}: there is one already; keep one.")
        setattr(self, name, function)

    def fetch(self, claims: Sequence[object]) -> None:
        """Have claims fetched.

        Raises:
            ConfigurationError: one is no claim, or has the name of another.
        """
        known = {claim.key for claim in self.fetched}
        for claim in claims:
            if not isinstance(claim, Claim):
                raise ConfigurationError(
                    f"fetch: got a {type(claim).__name__}; give Claim, BooleanClaim or ListClaim."
                )
            if claim.key in known:
                raise ConfigurationError(f"fetch: there is a claim {claim.key!r} already.")
            known.add(claim.key)
            self.fetched = (*self.fetched, claim)


#: A hook of two arguments, and of one.
H = TypeVar("H", bound=Callable[[Any, Any], Any])
L = TypeVar("L", bound=Callable[[Any], Any])
S = TypeVar("S", bound=Side)


class TakesFunctions(Generic[S]):
    """What an app's `SessionClaims` takes of it: hooks, claims that are fetched, validators."""

    def __init__(self) -> None:
        #: One for each app.
        self._sides: list[S] = []
        self._hooks: Hooks = Hooks()
        self._validators: tuple[Validator, ...] = ()

    def provide(self, function: H) -> H:
        """Give claims of the app's own to each new session, and anew whenever it is refreshed.

        The function, sync or async, is given the user's id and the `Session` (None while it is
        being made), and gives claims, or None to leave those it gave before.

        Raises:
            ConfigurationError: it is no function, or there is one already.
        """
        self._hooks.give("provide", function)
        return function

    def may_impersonate(self, function: H) -> H:
        """Say who may act for whom; without this nobody may.

        The function, sync or async, is given the `Auth` of who asks and a user's id; only True
        allows it. Errors as with `provide`.
        """
        self._hooks.give("may_impersonate", function)
        return function

    def metadata_for(self, function: L) -> L:
        """Say what the app's own tables know of a user, for the public metadata.

        The function, sync or async, is given the user's id, and gives a mapping, or None if it
        knows nobody of that id. It is called at each sign-in, by `sync_user`, and by
        `current_user` where the claims did not hold what it needs. Errors as with `provide`.
        """
        self._hooks.give("metadata_for", function)
        return function

    @overload
    def user_loader(self, function: L) -> L: ...
    @overload
    def user_loader(self, *, from_claims: Callable[[Any], Any]) -> Callable[[L], L]: ...
    def user_loader(self, function: Any = None, *, from_claims: Any = None) -> Any:
        """Say how `current_user` is loaded: given the user's id, the app's user object, or None.

        Args:
            from_claims: given the claims, the same without a look-up, or None where they do not
                hold what it needs. Errors as with `provide`.
        """
        if from_claims is not None:
            self._hooks.give("user_from_claims", from_claims)
        if function is None:
            return self.user_loader
        self._hooks.give("user_loader", function)
        return function

    def add_claims(self, *claims: Claim) -> None:
        """Have claims fetched at sign-in, and at a refresh once they are too old.

        Raises:
            ConfigurationError: one is no claim, or has the name of another.
        """
        self._hooks.fetch(claims)

    def add_validators(self, *validators: Validator) -> None:
        """Have validators hold at every gate that wants somebody signed in.

        Raises:
            ConfigurationError: one is no validator.
        """
        self._validators += checked(validators)
        for side in self._sides:
            side.validators = self._validators
