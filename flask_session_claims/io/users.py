"""The app's own users: kept in step with the directory, read out of claims where they will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ..core.auth import Auth
from ..core.errors import ConfigurationError
from ..core.flow import Flow
from ..core.request import Exchange
from ..directory.entries import User
from ..directory.flows import DirectoryFlows
from ..sessions.arguments import check_id
from ..sessions.consult import Consult
from .hooks import Hooks


class Users:
    """What the app's hooks tell of users.

    Args:
        directory: None: the sessions are another issuer's, and so are the metadata.
    """

    def __init__(self, hooks: Hooks, directory: DirectoryFlows | None = None) -> None:
        self._hooks, self._directory = hooks, directory

    def sync(self, user_id: str) -> Flow[User | None]:
        """Bring a user's public metadata in step with the app's tables; None: they know nobody.

        Raises:
            ConfigurationError: there is no `metadata_for`, or what it gave is no mapping.
            DirectoryError: what it gave cannot be kept.
        """
        hook, wanted = self._hooks.metadata_for, check_id(user_id, "user_id")
        if hook is None or self._directory is None:
            raise ConfigurationError(
                "sync_user: there is no metadata_for; give a function of the user's id with"
                " @claims.metadata_for that returns what the claims need of your tables."
            )
        given: object = yield from Consult(hook, (wanted,))
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise ConfigurationError(
                f"metadata_for gave a {type(given).__name__}; give a mapping, or None."
            )
        metadata = cast("Mapping[str, Any]", given)
        return (yield from self._directory.put_user(wanted, public_metadata=metadata))

    def current(self, exchange: Exchange) -> Flow[Any]:
        """The app's user of the request at hand; None: nobody is signed in, or none is known.

        Out of the claims where they hold what it needs; else by `user_loader`, and then the
        metadata are brought in step, so that the next token says it.

        Raises:
            ConfigurationError: there is no `user_loader`.
        """
        hooks = self._hooks
        if hooks.user_loader is None:
            raise ConfigurationError(
                "current_user: there is no user_loader; give a function of the user's id with"
                " @claims.user_loader."
            )
        auth = exchange.read()
        if type(auth) is not Auth or not auth.is_authenticated or auth.user_id is None:
            return None
        if hooks.user_from_claims is not None:
            user = yield from Consult(hooks.user_from_claims, (auth.session_claims,))
            if user is not None:
                return user
        user = yield from Consult(hooks.user_loader, (auth.user_id,))
        if user is not None and hooks.metadata_for is not None and self._directory is not None:
            _ = yield from self.sync(auth.user_id)
        return user
