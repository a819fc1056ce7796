"""What was left to do until the status of a response is known. It loads nothing of the issuer."""

from __future__ import annotations

from collections.abc import Callable

from flask_session_claims.core.errors import UnavailableError
from flask_session_claims.core.flow import Flow
from flask_session_claims.io.logs import logger

from .visit import Visit


def close(visit: Visit, status: int) -> None:
    """Do it; never raises for want of the store."""
    closing, issuing = _taken(visit), visit.side.issuing
    if closing is None or issuing is None:
        return
    try:
        issuing.run(closing(status))
    except UnavailableError as error:
        _say(error)


async def aclose(visit: Visit, status: int) -> None:
    """Async form of `close`."""
    closing, issuing = _taken(visit), visit.side.issuing
    if closing is None or issuing is None:
        return
    try:
        await issuing.arun(closing(status))
    except UnavailableError as error:
        _say(error)


def _taken(visit: Visit) -> Callable[[int], Flow[None]] | None:
    effects = visit.effects
    if effects is None or effects.closing is None:
        return None
    closing, effects.closing = effects.closing, None
    return closing


def _say(error: UnavailableError) -> None:
    # The tokens are withdrawn already, so nobody holds what could not be revoked.
    logger.warning("session claims: %s", error.message)
