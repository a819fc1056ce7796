"""What Flask adds to a `Reading`: the app's callbacks, and its other issuers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, Final, Literal

from flask import Blueprint, current_app, request

from ..core.errors import ConfigurationError
from ..core.policy import Plan
from ..io.hooks import Hooks
from ..io.reading import Reading
from ..io.recalling import WsgiReading
from .refusals import NotAllowed, NotSignedIn

if TYPE_CHECKING:
    from flask.wrappers import Request

    from ..io.issuing import Issuing

EXTENSION: Final = "session_claims"
#: On a request while `select` looks at it.
_SELECTING: Final = "_session_claims_selecting"

Occasion = Literal["unauthenticated", "forbidden"]
#: Given the refusal, gives what a view may return; None: the refusal as it is.
Callback = Callable[[Any], Any]
Select = Callable[["Request"], "str | None"]

_OCCASIONS: Final[dict[str, Occasion]] = {
    "challenge": "unauthenticated",
    "redirect": "unauthenticated",
    "forbid": "forbidden",
}


class Callbacks:
    """What the app answers instead of a refusal; a blueprint's come before the app's."""

    def __init__(self) -> None:
        self._given: dict[tuple[Occasion, Any], Callback] = {}
        self.wants_page: Callable[[Any], bool | None] | None = None

    def add(self, occasion: Occasion, callback: Callback, place: Blueprint | str | None) -> None:
        """Call it for refusals in that blueprint (None: in the app).

        Raises:
            ConfigurationError: it is no function, or there is one already.
        """
        if not callable(callback):
            raise ConfigurationError(f"{occasion}: got {callback!r}; give a function.")
        if (occasion, place) in self._given:
            where = "this app" if place is None else f"blueprint {getattr(place, 'name', place)!r}"
            raise ConfigurationError(f"{occasion}: {where} has a callback already; keep one.")
        self._given[occasion, place] = callback

    def answer(self, act: str, error: NotSignedIn | NotAllowed) -> Any:
        """What the app answers at the request at hand; None: nothing of its own."""
        occasion = _OCCASIONS[act]
        callback = self._find(occasion, request.blueprints)
        return None if callback is None else current_app.ensure_sync(callback)(error)

    def answers(self, act: str) -> bool:
        """Whether there is a callback for that at all."""
        occasion = _OCCASIONS.get(act)
        return any(given == occasion for given, _ in self._given)

    def _find(self, occasion: Occasion, blueprints: Sequence[str]) -> Callback | None:
        for name in blueprints:  # the innermost first
            place: Any = current_app.blueprints.get(name)
            # The name first: one blueprint may be registered under several.
            callback = self._given.get((occasion, name)) or self._given.get((occasion, place))
            if callback is not None:
                return callback
        return self._given.get((occasion, None))


class FlaskSide(WsgiReading):
    """A `Reading` as the Flask extension keeps it, in `app.extensions["session_claims"]`."""

    callbacks: Callbacks
    #: The app's functions, its own sessions' or not.
    hooks: Hooks
    #: The app's side without a name, which decides between this and the others.
    home: FlaskSide
    #: On that one: the others by name, and which of them a request is for.
    named: dict[str, FlaskSide]
    select: Select | None = None
    #: By endpoint, as long as it has this view.
    plans: dict[str, tuple[Any, Plan]]
    #: On the home: whether headers are put on inside of the app too.
    finishes_inside: bool = False

    def settle_in(self, home: FlaskSide | None, callbacks: Callbacks) -> None:
        """Take up its place in an app: as the home of others, or beside it."""
        self.home = home or self
        self.named = {}
        self.plans = {}
        self.callbacks = callbacks
        hook = callbacks
        self.wants_page: Callable[[], bool | None] | None = lambda: (
            hook.wants_page(request) if hook.wants_page else None
        )

    def side_for(self, here: Request) -> FlaskSide:
        """The side that judges a request.

        Raises:
            ConfigurationError: `select` named none that there is.
        """
        if self.select is None:
            return self
        own = here.__dict__
        if _SELECTING in own:
            raise ConfigurationError(
                "select: it reads auth, which is what it is to choose; look at the host or the"
                " path of the request that it is given."
            )
        own[_SELECTING] = True
        try:
            name = self.select(here)
        finally:
            del own[_SELECTING]
        if name is None:
            return self
        if iscoroutine(name):
            name.close()
            raise ConfigurationError("select: write a plain function, not an async one.")
        side = self.named.get(name) if isinstance(name, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if side is None:
            known = ", ".join(map(repr, self.named)) or "none yet"
            raise ConfigurationError(
                f"select: gave {name!r}; give None or the name of a SessionClaims of this app"
                f" ({known})."
            )
        return side


def side_of_app() -> FlaskSide:
    """The side of the app at hand.

    Raises:
        ConfigurationError: it has none.
    """
    side = current_app.extensions.get(EXTENSION)
    if not isinstance(side, FlaskSide):
        raise ConfigurationError(
            "this app has no SessionClaims; write SessionClaims(app), or init_app(app)."
        )
    return side


def issuing_of(side: Reading) -> Issuing:
    """The issuer of a side.

    Raises:
        ConfigurationError: its sessions are another issuer's.
    """
    if side.issuing is None:
        raise ConfigurationError(
            f"the sessions of this app are those of {side.settings.issuer}, so they are made,"
            " changed and ended there; for sessions of"
            f' your own write {side.settings.label("issuer")} = "self".'
        )
    return side.issuing
