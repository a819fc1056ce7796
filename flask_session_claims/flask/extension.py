"""`SessionClaims`: one app's settings read, its requests hooked into; its callbacks, sessions."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flask import Blueprint, Flask

from ..core.asks import Fetch
from ..core.auth import Auth
from ..core.errors import ConfigurationError
from ..core.freshness import Freshness
from ..core.request import RequestAuth
from ..core.schema import PREFIX
from ..io.appsettings import AppSettings, announce, settings_from
from ..io.hooks import TakesFunctions
from ..io.metrics import Metrics
from ..io.reading import Refreshed
from ..io.signals import claims_refreshed, emit, token_rejected
from ..io.transports import Wsgi
from .cli import command_group
from .current import current_auth, install
from .side import (
    EXTENSION,
    Callback,
    Callbacks,
    FlaskSide,
    Occasion,
    Select,
    issuing_of,
    side_of_app,
)

if TYPE_CHECKING:
    from ..directory.entries import User
    from ..io.directory import AsyncLocalDirectory, LocalDirectory
    from ..io.issuing import Issuing
    from ..io.sessions import AsyncSessions, Sessions
    from ..io.templates import AsyncTemplates, Templates

C = TypeVar("C", bound=Callback)


class SessionClaims(TakesFunctions[FlaskSide]):
    """Verifies the session token of each request and puts its `Auth` on `g.auth`.

    Args:
        app: the app, or None to call `init_app` later. One object serves several apps.
        name: for a further issuer of an app that has a SessionClaims already. Its settings are
            `ADMIN_SESSION_CLAIMS_*` for the name `admin`; it judges what `select` sends it.
        select: given the request, the name of the one that judges it; None: this one. It looks
            at the host or the path, and never at what the token says.
        clock: seconds since 1970 UTC, for the times in tokens.
        fetch: the network for key sets, if requests shall not be it.
        freshness: what knows about revocations and changed claims.
        **overrides: settings in lower case (`issuer=…`) that win over `app.config`.

    Raises:
        ConfigurationError: a setting is wrong; it says which, what it got, what to write.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        name: str | None = None,
        select: Select | None = None,
        clock: Callable[[], float] = time.time,
        fetch: Fetch | None = None,
        freshness: Freshness | None = None,
        **overrides: Any,
    ) -> None:
        if name is not None and (not isinstance(name, str) or not name.isidentifier()):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"name: got {name!r}; write a word, such as 'admin'.")
        if name is not None and select is not None:
            raise ConfigurationError("select: give it to the SessionClaims without a name.")
        self._name = name
        self._select = select
        self._clock = clock
        self._fetch = fetch
        self._freshness = freshness
        self._overrides = overrides
        self._callbacks = Callbacks()
        #: What operators are told: `metrics.add(listener)`.
        self.metrics: Metrics = Metrics()
        super().__init__()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read `app.config["SESSION_CLAIMS_*"]` and hook into the app's requests.

        Raises:
            ConfigurationError: a setting is wrong, or the app has a SessionClaims already.
        """
        if not isinstance(app, Flask):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"SessionClaims: got a {type(app).__name__}; give the app.")
        home: FlaskSide | None = app.extensions.get(EXTENSION)
        if self._name is None and home is not None:
            raise ConfigurationError(
                "this app has a SessionClaims already; call init_app once for each app, or give"
                ' a further issuer a name: SessionClaims(app, name="admin", …).'
            )
        if self._name is not None and (home is None or self._name in home.named):
            wrong = "make the one without a name first" if home is None else "this app has that one"
            raise ConfigurationError(f"name={self._name!r}: {wrong}.")
        side = self._side(app)
        self._sides.append(side)
        side.settle_in(home, self._callbacks)
        if home is not None:
            home.named[self._name or ""] = side
        else:
            side.select = self._select
            app.extensions[EXTENSION] = side
            install(app, side)
            app.context_processor(lambda: {"auth": current_auth})
            app.cli.add_command(command_group())
        announce(side.settings, side.issuing)

    def _side(self, app: Flask) -> FlaskSide:
        prefix = PREFIX if self._name is None else f"{self._name.upper()}_{PREFIX}"
        try:
            self._refuse_borrowed_issuer(app, prefix)
            found = settings_from(app.config, self._overrides, prefix=prefix)
            issuing = self._issuing(app, found) if found.verifier.is_self else None
        except ConfigurationError as error:
            from .cli.failure import for_terminal

            raise for_terminal(error) from None

        def rejected(reason: str, source: str | None) -> None:
            emit(token_rejected, app, reason=reason, source=source)

        def refreshed(auth: Auth, changed: frozenset[str]) -> None:
            emit(claims_refreshed, app, auth=auth, changed=changed)

        side = FlaskSide(
            found.gates,
            found.verifier,
            Wsgi(),
            clock=self._clock,
            fetch=self._fetch,
            freshness=self._freshness,
            rejected=rejected,
            refreshed=Refreshed(lambda: claims_refreshed.has_receivers_for(app), refreshed),
            issuing=issuing,
            metrics=self.metrics,
        )
        side.validators, side.hooks = self._validators, self._hooks
        return side

    def _issuing(self, app: Flask, found: AppSettings) -> Issuing:
        from .issuing import issuing_for  # an app that only reads tokens loads none of it

        if self._name is not None and found.issuing.store is None:
            found.issuing.refuse("store", "is unset; an issuer with a name needs one of its own.")
        return issuing_for(app, found, clock=self._clock, metrics=self.metrics, hooks=self._hooks)

    def _refuse_borrowed_issuer(self, app: Flask, prefix: str) -> None:
        # Without one, Clerk's usual variables would make it the app's first issuer once more.
        own = self._overrides
        config: dict[str, Any] = dict(app.config)
        given = (
            own.get(n) or config.get(prefix + n.upper())
            for n in ("issuer", "clerk_publishable_key")
        )
        if self._name is not None and not any(given):
            raise ConfigurationError(
                f"{prefix}ISSUER: is unset; a SessionClaims with a name needs an issuer of its own."
            )

    @property
    def sessions(self) -> Sessions:
        """The acts on sessions, from anywhere: of the current app, or of the only one.

        Raises:
            ConfigurationError: the sessions are another issuer's.
        """
        return self._own_issuing().sessions

    @property
    def asessions(self) -> AsyncSessions:
        """Async form of `sessions`."""
        return self._own_issuing().asessions

    @property
    def directory(self) -> LocalDirectory:
        """Users, organisations and memberships, with their metadata; as `sessions`."""
        return self._own_issuing().directory

    @property
    def adirectory(self) -> AsyncLocalDirectory:
        """Async form of `directory`."""
        return self._own_issuing().adirectory

    @property
    def templates(self) -> Templates:
        """The templates of the session token and of others; as `sessions`."""
        return self._own_issuing().templates

    @property
    def atemplates(self) -> AsyncTemplates:
        """Async form of `templates`."""
        return self._own_issuing().atemplates

    def _own_issuing(self) -> Issuing:
        return issuing_of(self._own_side())

    def _own_side(self) -> FlaskSide:
        if len(self._sides) == 1:
            return self._sides[0]
        home = side_of_app()
        return home if self._name is None else home.named[self._name]

    def is_current(self, auth: Auth | RequestAuth) -> bool:
        """Whether an `Auth` still holds, in a loop or a stream that goes on for long.

        True while the session lives and its claims are these, also after the token itself has
        ended. Of another issuer's session only the time of its token is known.

        Raises:
            UnavailableError: it cannot be told now.
        """
        plain = auth if isinstance(auth, Auth) else auth.value
        return self._own_side().is_current(plain)

    def sync_user(self, user_id: str) -> User | None:
        """Bring a user's public metadata in step with what `metadata_for` says; None: nobody.

        The next response to the user says it.

        Raises:
            ConfigurationError: there is no `metadata_for`, or the sessions are another issuer's.
            DirectoryError: what it gave cannot be kept.
            UnavailableError: the store cannot be had.
        """
        issuing = self._own_issuing()
        return issuing.run(issuing.users.sync(user_id))  # type: ignore[no-any-return]

    # --- endpoints ------------------------------------------------------------------------

    def blueprint(self) -> Blueprint:
        """The issuer's endpoints, to be registered under a prefix of your choice.

        POST `/session/refresh`, POST `/signout` (a form may say by `redirect_url` where to go
        back to, on this site or one of ORIGINS), and GET `/jwt/jwks.json`.
        """
        from .endpoints import session_blueprint

        return session_blueprint()

    def well_known(self) -> Blueprint:
        """What others look for at the root of the host: the key set and the OpenID configuration.

        Register it without a prefix.
        """
        from .endpoints import well_known_blueprint

        return well_known_blueprint()

    @overload
    def unauthenticated(self, callback: C) -> C: ...
    @overload
    def unauthenticated(self, *, blueprint: Blueprint | str) -> Callable[[C], C]: ...
    def unauthenticated(self, callback: Any = None, *, blueprint: Any = None) -> Any:
        """Answer requests that would be refused with 401 or sent to the sign-in page.

        The function, sync or async, is given the `NotSignedIn` (`error_code` says why) and gives
        what a view may return, or None for the usual answer. `blueprint=`: for its views alone.
        """
        return self._on("unauthenticated", callback, place=blueprint)

    @overload
    def forbidden(self, callback: C) -> C: ...
    @overload
    def forbidden(self, *, blueprint: Blueprint | str) -> Callable[[C], C]: ...
    def forbidden(self, callback: Any = None, *, blueprint: Any = None) -> Any:
        """Answer requests that would be refused with 403; given the `NotAllowed`.

        Otherwise like `unauthenticated`.
        """
        return self._on("forbidden", callback, place=blueprint)

    def wants_page(self, function: C) -> C:
        """Say whether a refused request gets a page (a redirect, HTML) or JSON.

        The function, never async, is given the request and gives True, False, or None to let
        the usual negotiation decide.

        Raises:
            ConfigurationError: it is no plain function, or there is one already.
        """
        if not callable(function) or iscoroutinefunction(function):
            raise ConfigurationError(f"wants_page: got {function!r}; give a plain function.")
        if self._callbacks.wants_page is not None:
            raise ConfigurationError("wants_page: this app has one already; keep one.")
        self._callbacks.wants_page = function
        return function

    def _on(self, occasion: Occasion, callback: Any, *, place: Blueprint | str | None) -> Any:
        if callback is None:
            return partial(self._on, occasion, place=place)
        self._callbacks.add(occasion, callback, place)
        return callback
