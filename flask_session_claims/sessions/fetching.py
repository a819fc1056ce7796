"""The claims that functions of the app give, fetched for a session.

What cannot be fetched stays as it is: nobody is let in, or locked out, by a failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.flow import Flow
from ..core.validators import Claim
from .claims import NO_CLAIMS, accept
from .consult import Consult, Tell
from .session import Session


def refetch(
    claims: Sequence[Claim], user_id: str, session: Session | None, now: float
) -> Flow[dict[str, Any]]:
    """What the claims' functions give, as a patch of the provided claims.

    A claim whose function raises, or gives what no token can carry, is told of and left out.
    """
    known: Mapping[str, Any] = NO_CLAIMS if session is None else session.claims
    patch: dict[str, Any] = {}
    for claim in claims:
        try:
            value = yield from Consult(claim.fetch, (user_id, session))
            entry = accept(claim.build(value, now), f"the claim {claim.key!r}")
        except Exception as error:
            yield from not_fetched(session, error, claim.key)
            continue
        if value is not None or claim.key in known:
            patch.update(entry)
    return patch


def fetched_for(
    claims: Sequence[Claim], user_id: str, session: Session | None, now: float
) -> Flow[dict[str, Any]]:
    """The same for those that are missing in a session or too old: at sign-in and refresh.

    Args:
        session: None while it is being made.
    """
    known: Mapping[str, Any] = NO_CLAIMS if session is None else session.claims
    missing = [claim for claim in claims if claim.is_due(known, now)]
    return (yield from refetch(missing, user_id, session, now))


def not_fetched(session: Session | None, error: Exception, *keys: str) -> Flow[None]:
    """Tell that claims of a session could not be fetched."""
    data = {"session": session, "claims": keys, "reason": type(error).__name__, "error": error}
    yield from Tell("claim_fetch_failed", data)
