"""How Flask's and Quart's contexts are found, several times in every request; and `g.auth`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, cast

#: Given None, what is current, or that None.
Find = Callable[[None], Any]


def finder(globals_: Mapping[str, Any], variable: str, proxy: Any) -> Find:
    """Finds what `proxy` stands for, where it stands for a whole context.

    Args:
        globals_: the names of the framework's module.
        variable: its name there for the context variable: asking that is one call of C, where
            the proxy takes two of Python. Not a public name, so the proxy serves without it.
        proxy: a Werkzeug `LocalProxy`.
    """
    known: Any = globals_.get(variable)
    if isinstance(known, ContextVar):
        return cast("Find", known.get)  # pyright: ignore[reportUnknownMemberType]

    def find(default: None) -> Any:
        try:
            return proxy._get_current_object()
        except RuntimeError:
            return default

    return find


def give_g_auth(app: Any, find_app_context: Find, auth: object, why: Callable[[], str]) -> None:
    """Let the `g` of an app have `auth`.

    Args:
        auth: a descriptor, which raises AttributeError where there is none.
        why: what is said then.
    """
    plain: Any = app.app_ctx_globals_class
    given = auth

    class Globals(plain):  # type: ignore[misc]
        auth = given

        def __getattr__(self, name: str) -> Any:
            if name == "auth":
                raise AttributeError(why())
            return plain.__getattr__(self, name)

        def __contains__(self, name: str) -> bool:
            return hasattr(self, name) if name == "auth" else plain.__contains__(self, name)

        def get(self, name: str, default: Any = None) -> Any:
            if name == "auth":
                return getattr(self, name, default)
            return plain.get(self, name, default)

    app.app_ctx_globals_class = Globals
    pushed = find_app_context(None)
    if pushed is not None and pushed.app is app:
        # Before us, as scripts and tests do. Its own __setattr__ takes all for data.
        object.__setattr__(pushed.g, "__class__", Globals)
