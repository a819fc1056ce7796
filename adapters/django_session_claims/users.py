"""`current_user`: the project's own user object, out of the claims where they will do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.utils.asyncio import async_unsafe

from flask_session_claims.core.errors import UnavailableError
from flask_session_claims.core.gate import unavailable
from flask_session_claims.io.consulting import aconsulting, consulting
from flask_session_claims.io.runtime import AsyncRuntime, Runtime
from flask_session_claims.io.users import Users
from flask_session_claims.sessions.consult import Consult

from . import conf
from .calling import acall, call
from .issuing import issuing_of
from .refusals import refused
from .visit import Visit, aread, read, visit_of

if TYPE_CHECKING:
    from django.http import HttpRequest

    from flask_session_claims.directory.entries import User

#: On a visit: its user, once found, and who was signed in then.
_USER: Final = "_session_claims_user"


@async_unsafe("current_user() may load the user; in async code write `await acurrent_user(…)`.")
def current_user(request: HttpRequest) -> Any:
    """The project's user of a request, as `user_loader` gives it.

    None where nobody is signed in, or the project knows nobody of that id. Each request finds it
    once.

    Raises:
        ConfigurationError: there is no `user_loader`.
        IdentityUnavailable: 503, the store cannot be had.
    """
    visit = visit_of(request)
    _ = read(visit)
    if not _is_known(visit):
        issuing = visit.side.issuing
        try:
            if issuing is not None:
                user = issuing.run(issuing.users.current(visit))
            else:
                run = Runtime({Consult: consulting(call)}).run
                user = run(Users(conf.hooks()).current(visit))
        except UnavailableError as error:
            raise refused(unavailable(error), visit.facts) from error
        _note(visit, user)
    return _known(visit)


async def acurrent_user(request: HttpRequest) -> Any:
    """Async form of `current_user`."""
    visit = visit_of(request)
    _ = await aread(visit)
    if not _is_known(visit):
        issuing = visit.side.issuing
        try:
            if issuing is not None:
                user = await issuing.arun(issuing.users.current(visit))
            else:
                run = AsyncRuntime({Consult: aconsulting(acall)}).run
                user = await run(Users(conf.hooks()).current(visit))
        except UnavailableError as error:
            raise refused(unavailable(error), visit.facts) from error
        _note(visit, user)
    return _known(visit)


def _is_known(visit: Visit) -> bool:
    known = visit.__dict__.get(_USER)
    return known is not None and known[0] is visit.settled


def _known(visit: Visit) -> Any:
    return visit.__dict__[_USER][1]


def _note(visit: Visit, user: Any) -> None:
    visit.__dict__[_USER] = visit.settled, user


@async_unsafe("sync_user() waits for the store; in async code write `await async_user(…)`.")
def sync_user(user_id: str) -> User | None:
    """Bring a user's public metadata in step with what `metadata_for` says; None: nobody.

    The next response to the user says it.

    Raises:
        ConfigurationError: there is no `metadata_for`, or the sessions are another issuer's.
        DirectoryError: what it gave cannot be kept.
        UnavailableError: the store cannot be had.
    """
    issuing = issuing_of(conf.reading())
    return issuing.run(issuing.users.sync(user_id))  # type: ignore[no-any-return]


async def async_user(user_id: str) -> User | None:
    """Async form of `sync_user`."""
    issuing = issuing_of(conf.async_reading())
    return await issuing.arun(issuing.users.sync(user_id))  # type: ignore[no-any-return]
