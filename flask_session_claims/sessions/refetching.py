"""The claims that functions of the app give, brought into a session before they are judged."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.auth import Auth, signed_out
from ..core.errors import SessionError, UnavailableError
from ..core.flow import Flow
from ..core.request import Exchange
from ..core.validating import Failure, failures, keys_of, wants_fetch
from ..core.validators import Validator
from .faults import ClaimsRefused
from .fetching import not_fetched, refetch
from .lifecycle import SessionFlows
from .session import Session
from .visits import Visits


def bring(visits: Visits, exchange: Exchange, validators: Sequence[Validator]) -> Flow[None]:
    """Fetch the claims of these validators for the session at hand; the response brings them.

    The exchange is settled anew: with the claims, with nobody if the session has ended, or with
    an UnavailableError.
    """
    auth, now = exchange.settled, exchange.now()
    session: Session | None = None
    if not isinstance(auth, Auth) or not auth.is_authenticated:
        return
    try:
        session = yield from visits.current(exchange)
        if session is None:
            exchange.settled = signed_out("session-revoked", source=auth.source)
            return
        # Another request may have fetched some since this one's token was made.
        missing = [one for one in validators if wants_fetch(one, session.claims, now)]
        others = keys_of(validators) - keys_of(missing)
        fetched = {key: session.claims[key] for key in others if key in session.claims}
        claims = {one.claim.key: one.claim for one in missing if one.claim is not None}
        patch = yield from refetch(list(claims.values()), session.user_id, session, now)
        if patch or fetched:
            _ = yield from visits.provide(exchange, {**fetched, **patch})
    except UnavailableError as error:
        exchange.settled = error
    except ClaimsRefused as refused:
        yield from not_fetched(session, refused, *refused.names)
    except SessionError:
        exchange.settled = signed_out("session-revoked", source=auth.source)


def validated(
    flows: SessionFlows, session_id: str, validators: Sequence[Validator], now: float
) -> Flow[tuple[Failure, ...] | None]:
    """The validators that do not let a session pass, with their reasons; None: there is none.

    Claims of theirs that are missing or too old are fetched and provided first.
    """
    session = yield from flows.get(session_id)
    if session is None:
        return None
    claims = session.claims
    missing = {
        validator.claim.key: validator.claim
        for validator in validators
        if validator.claim is not None and wants_fetch(validator, claims, now)
    }
    patch = yield from refetch(list(missing.values()), session.user_id, session, now)
    if patch:
        try:
            session = yield from flows.provide(session_id, patch)
        except ClaimsRefused as refused:
            yield from not_fetched(session, refused, *refused.names)
        if session is None:
            return None
        claims = session.claims
    return failures(validators, claims, now)
