"""`current_user`: the app's own user object, out of the claims where they will do."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from quart import current_app

from flask_session_claims.core.errors import UnavailableError
from flask_session_claims.core.gate import unavailable
from flask_session_claims.core.request import Exchange
from flask_session_claims.io.consulting import aconsulting
from flask_session_claims.io.runtime import AsyncRuntime
from flask_session_claims.sessions.consult import Consult

from .current import QuartSide, call, exchange_at_hand, settle, state
from .refusals import refused

#: On an exchange: its user, once found, and who was signed in then.
_USER: Final = "_session_claims_user"


async def current_user() -> Any:
    """The app's user of the request or websocket at hand, as `user_loader` gives it.

    None where nobody is signed in, or the app knows nobody of that id. Each request finds it
    once.

    Raises:
        ConfigurationError: there is no `user_loader`.
        IdentityUnavailable: 503, the store cannot be had.
        RuntimeError: there is no request, or this is a background task.
    """
    exchange, side = exchange_at_hand(), state()
    await settle(exchange)
    own = exchange.__dict__
    known = own.get(_USER)
    if known is not None and known[0] is exchange.settled:
        return known[1]
    try:
        user = await _find(side, exchange)
    except UnavailableError as error:
        raise refused(unavailable(error), exchange.facts) from error
    own[_USER] = exchange.settled, user
    return user


async def _find(side: QuartSide, exchange: Exchange) -> Any:
    issuing = side.issuing
    if issuing is not None:
        return await issuing.arun(issuing.users.current(exchange))
    from flask_session_claims.io.users import Users  # importing the package loads none of it

    ask = aconsulting(partial(call, current_app))
    return await AsyncRuntime({Consult: ask}).run(Users(side.hooks).current(exchange))
