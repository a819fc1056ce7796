"""`SessionClaims`: one app's settings read, its requests hooked into; its functions, sessions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Quart

from flask_session_claims.core.asks import Fetch
from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import ConfigurationError
from flask_session_claims.core.freshness import Freshness
from flask_session_claims.core.request import AsyncRequestAuth
from flask_session_claims.io.appsettings import AppSettings, announce, settings_from
from flask_session_claims.io.hooks import TakesFunctions
from flask_session_claims.io.metrics import Metrics
from flask_session_claims.io.reading import Refreshed
from flask_session_claims.io.signals import aemit, claims_refreshed, token_rejected
from flask_session_claims.io.transports import Asgi

from .current import EXTENSION, QuartSide, install, state

if TYPE_CHECKING:
    from flask_session_claims.directory.entries import User
    from flask_session_claims.io.directory import AsyncLocalDirectory, LocalDirectory
    from flask_session_claims.io.issuing import Issuing
    from flask_session_claims.io.sessions import AsyncSessions, Sessions
    from flask_session_claims.io.templates import AsyncTemplates, Templates


class SessionClaims(TakesFunctions[QuartSide]):
    """Verifies the session token of each request and handshake, and sets `g.auth`.

    Args:
        app: the app, or None to call `init_app` later. One object serves several apps.
        clock: seconds since 1970 UTC, for the times in tokens.
        fetch: the network for key sets, if requests shall not be it.
        freshness: what knows about revocations and changed claims.
        **overrides: settings in lower case (`issuer=…`) that win over `app.config`.

    Raises:
        ConfigurationError: a setting is wrong; it says which, what it got, what to write.
    """

    def __init__(
        self,
        app: Quart | None = None,
        *,
        clock: Callable[[], float] = time.time,
        fetch: Fetch | None = None,
        freshness: Freshness | None = None,
        **overrides: Any,
    ) -> None:
        self._clock = clock
        self._fetch = fetch
        self._freshness = freshness
        self._overrides = overrides
        super().__init__()
        #: What operators are told: `metrics.add(listener)`.
        self.metrics: Metrics = Metrics()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Read `app.config["SESSION_CLAIMS_*"]` and hook into requests and websockets.

        Raises:
            ConfigurationError: a setting is wrong, or the app has a SessionClaims already.
        """
        if EXTENSION in app.extensions:
            raise ConfigurationError(
                "this app has a SessionClaims already; call init_app once for each app."
            )
        found = settings_from(app.config, self._overrides)
        issuing = self._issuing(app, found) if found.verifier.is_self else None

        async def rejected(reason: str, source: str | None) -> None:
            await aemit(token_rejected, app, wrapper=app.ensure_async, reason=reason, source=source)

        async def refreshed(auth: Auth, changed: frozenset[str]) -> None:
            await aemit(claims_refreshed, app, wrapper=app.ensure_async, auth=auth, changed=changed)

        side = QuartSide(
            found.gates,
            found.verifier,
            Asgi(),
            clock=self._clock,
            fetch=self._fetch,
            freshness=self._freshness,
            rejected=rejected,
            refreshed=Refreshed(lambda: claims_refreshed.has_receivers_for(app), refreshed),
            issuing=issuing,
            metrics=self.metrics,
        )
        side.validators, side.hooks = self._validators, self._hooks
        self._sides.append(side)
        app.extensions[EXTENSION] = side
        install(app, side)
        announce(found.verifier, issuing)

    def _issuing(self, app: Quart, found: AppSettings) -> Issuing:
        from .issuing import issuing_for  # an app that only reads tokens loads none of it

        return issuing_for(app, found, clock=self._clock, metrics=self.metrics, hooks=self._hooks)

    @property
    def asessions(self) -> AsyncSessions:
        """The acts on sessions, from anywhere: of the current app, or of the only one.

        Raises:
            ConfigurationError: the sessions are another issuer's.
        """
        return self._own_issuing().asessions

    @property
    def sessions(self) -> Sessions:
        """Sync form of `asessions`, for threads and scripts: whoever calls it waits.

        Async hooks and receivers then run on an event loop of their own.
        """
        return self._own_issuing().sessions

    @property
    def adirectory(self) -> AsyncLocalDirectory:
        """Users, organisations and memberships, with their metadata; as `asessions`."""
        return self._own_issuing().adirectory

    @property
    def directory(self) -> LocalDirectory:
        """Sync form of `adirectory`; as `sessions`."""
        return self._own_issuing().directory

    @property
    def atemplates(self) -> AsyncTemplates:
        """The templates of the session token and of others; as `asessions`."""
        return self._own_issuing().atemplates

    @property
    def templates(self) -> Templates:
        """Sync form of `atemplates`; as `sessions`."""
        return self._own_issuing().templates

    def _own_issuing(self) -> Issuing:
        from .issuing import issuing_of

        return issuing_of(self._own_side())

    def _own_side(self) -> QuartSide:
        return self._sides[0] if len(self._sides) == 1 else state()

    async def is_current(self, auth: Auth | AsyncRequestAuth) -> bool:
        """Whether an `Auth` still holds, in a loop, a stream or a websocket that goes on for long.

        True while the session lives and its claims are these, also after the token itself has
        ended. Of another issuer's session only the time of its token is known.

        Raises:
            UnavailableError: it cannot be told now.
        """
        plain = auth if isinstance(auth, Auth) else auth.value
        return await self._own_side().is_current(plain)

    async def sync_user(self, user_id: str) -> User | None:
        """Bring a user's public metadata in step with what `metadata_for` says; None: nobody.

        The next response to the user says it.

        Raises:
            ConfigurationError: there is no `metadata_for`, or the sessions are another issuer's.
            DirectoryError: what it gave cannot be kept.
            UnavailableError: the store cannot be had.
        """
        issuing = self._own_issuing()
        return await issuing.arun(issuing.users.sync(user_id))  # type: ignore[no-any-return]

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
