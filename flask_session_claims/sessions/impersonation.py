"""Acting for a user: a session of its own, for as long as whoever acts is signed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..core.auth import Auth
from ..core.errors import ConfigurationError, SessionError
from ..core.flow import Flow
from ..core.request import Exchange
from .arguments import check_id, is_id
from .consult import Consult, Tell
from .faults import ActorRefused, ImpersonationRefused
from .issuer import Issuer
from .limits import is_number
from .records import MAX_TEXT, storable
from .visits import Visits

MAX_MINUTES: Final = 60
#: (the Auth of who asks, the user's id) -> whether they may act for that user.
MayImpersonate = Callable[[Auth, str], Any]


class Impersonations:
    """Begins and ends acting for users, in a request.

    Args:
        may: gives the app's hook, or None: then nobody may.
    """

    def __init__(
        self,
        issuer: Issuer,
        visits: Visits,
        *,
        clock: Callable[[], float],
        may: Callable[[], MayImpersonate | None],
    ) -> None:
        self._issuer, self._visits, self._clock, self._may = issuer, visits, clock, may

    def begin(self, exchange: Exchange, user_id: str, *, reason: str, minutes: float) -> Flow[Auth]:
        """Act for a user from now on; the session at hand lives on, and this one ends with it.

        Raises:
            ImpersonationRefused: the app's hook has not said True.
            ActorRefused: they act for somebody already.
            OriginRefused: another site may have caused it.
            SessionError: `session-missing`, `session-revoked`, `headers-sent`.
            ConfigurationError: an argument makes no sense.
        """
        why, lasts = _reason(reason), _minutes(minutes)
        auth = self._visits.signed_in(exchange)
        if auth.actor is not None:
            raise ActorRefused
        # From a form, perhaps.
        if isinstance(user_id, str) and not is_id(user_id):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ImpersonationRefused
        wanted = check_id(user_id, "user_id")
        hook = self._may()
        allowed = None if hook is None else (yield from Consult(hook, (auth, wanted)))
        if allowed is not True or wanted == auth.user_id:
            raise ImpersonationRefused
        own = yield from self._issuer.flows.get(auth.session_id or "")
        if own is None:
            raise SessionError("The session has ended.", code="session-revoked")
        session = yield from self._visits.sign_in(
            exchange,
            wanted,
            persistent=False,
            # Whole seconds: of one that ends at once nobody has anything.
            lifetime=max(1.0, min(lasts * 60, own.expires_at - self._clock())),
            actor={"sub": own.user_id, "sid": own.session_id},
            reason=why,
        )
        data = {"actor": own, "session": session, "reason": why}
        yield from Tell("impersonation_started", data)
        return self._visits.signed_in(exchange)

    def end(self, exchange: Exchange) -> Flow[Auth]:
        """Be oneself again; signed out, if one's own session has ended meanwhile.

        Raises:
            OriginRefused: another site may have caused it.
            SessionError: `not-impersonating`, `session-missing`, `headers-sent`;
                `session-revoked`: another request was first.
        """
        auth = self._visits.signed_in(exchange)
        actor = auth.actor
        if actor is None:
            raise SessionError(
                "Nobody acts for the user of this session.", code="not-impersonating"
            )
        by_header = self._visits.refuse_untold(exchange, auth)
        if not (
            yield from self._issuer.revoke(auth.session_id or "", reason="impersonation-over")
        ):  # tokens of one's own are given once: a second request's would replace the first's
            raise SessionError("The session has ended.", code="session-revoked")
        issued = yield from self._issuer.reissue(
            str(actor.get("sid")), azp=auth.session_claims.get("azp")
        )
        data = {"session_id": auth.session_id, "user_id": auth.user_id, "actor": dict(actor)}
        yield from Tell("impersonation_stopped", data)
        if issued is None:
            return self._visits.drop(exchange, by_header=by_header)
        return self._visits.take(exchange, issued, by_header=by_header)


def _reason(reason: object) -> str:
    if not isinstance(reason, str) or not storable(reason.strip()):
        raise ConfigurationError(
            f"reason: say in 1 to {MAX_TEXT} characters why somebody acts for the user; it is"
            " kept in the session's journal."
        )
    return reason.strip()


def _minutes(minutes: object) -> float:
    if not is_number(minutes) or not 1 <= minutes <= MAX_MINUTES:  # type: ignore[operator]
        raise ConfigurationError(f"minutes got {minutes!r}; give a number 1 to {MAX_MINUTES}.")
    return float(minutes)  # type: ignore[arg-type]
