"""`claims.sessions` and `claims.asessions`: the acts on sessions, from anywhere.

One logic, two ways to wait; the twins stand one under the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.flow import Flow
from ..core.validating import checked

if TYPE_CHECKING:
    from ..core.validating import Failure
    from ..core.validators import Validator
    from ..sessions.issuer import Issuer
    from ..sessions.model import Act, Issued, Session
    from ..sessions.named import NamedTokens
    from .runtime import AsyncRuntime, Runtime
    from .sources import Sources


class Sessions:
    """Sessions of one issuer. Times are seconds, instants UTC seconds.

    All of it may raise `UnavailableError` (the store cannot be had) and `ConfigurationError`
    (an argument of the wrong kind); nothing is half done then.
    """

    def __init__(
        self, issuer: Issuer, named: NamedTokens, sources: Sources, runtime: Runtime
    ) -> None:
        self._issuer, self._named, self._sources = issuer, named, sources
        self._run = runtime.run

    def create(
        self,
        user_id: str,
        *,
        claims: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        org_id: str | None = None,
        persistent: bool = True,
        lifetime: float | None = None,
        device: str | None = None,
        address: str | None = None,
    ) -> Issued:
        """A new session with its tokens, for a client that is not a request at hand.

        Args:
            claims: the session's own claims; None as a value removes a provided one.
            data: server-only data, in no token.
            persistent: whether its cookies outlive the browser's own session.
            lifetime: seconds until it ends in any case, instead of the usual.
            org_id: the organisation to be active, of which the user must be a member.
            device, address: what the user may know it by.

        Raises:
            ClaimsRefused: claims or data cannot be kept; it says which.
            SessionError: `membership-missing`.
        """
        given = _given(claims, data, org_id, persistent, lifetime, device, address)
        return self._run(self._issuer.create(user_id, **given))

    def refresh(self, refresh_token: str) -> Issued:
        """The next tokens for a refresh token; the same again if it is repeated soon.

        Raises:
            RefreshRefused: it is not, or no longer, good; `revoked` says whether its session
                has ended by this.
        """
        return self._run(self._issuer.refresh(refresh_token))

    def get(self, session_id: str) -> Session | None:
        """A live session; None for any other id."""
        return self._run(self._issuer.flows.get(session_id))

    def list_for_user(self, user_id: str) -> tuple[Session, ...]:
        """The live sessions of a user, the one used last first."""
        return self._run(self._issuer.flows.list_for_user(user_id))

    def merge_claims(self, session_id: str, patch: Mapping[str, Any]) -> Session | None:
        """Merge claims into a session's own, one level deep; None removes a name.

        The session as it is then; None if there is no live one.

        Raises:
            ClaimsRefused: the claims cannot be kept; it says which.
        """
        return self._run(self._issuer.flows.merge_claims(session_id, patch))

    def merge_claims_for_user(self, user_id: str, patch: Mapping[str, Any]) -> int:
        """The same for every live session of a user; how many were changed by it.

        Raises:
            ClaimsRefused: they do not fit one of the sessions; none was changed.
        """
        return self._run(self._issuer.flows.merge_claims_for_user(user_id, patch))

    def set_data(self, session_id: str, data: Mapping[str, Any]) -> Session | None:
        """Replace a session's server-only data; None if there is no live one."""
        return self._run(self._issuer.flows.set_data(session_id, data))

    def mint(
        self, session_id: str, template: str | None = None, lifetime: float | None = None
    ) -> str:
        """A session token of a live session, or a token of a named template for its user.

        Args:
            template: its name; a token of it is no session token, and signs nobody in.
            lifetime: seconds; None: the usual. Of a session token 5 to 3600, and never longer
                than the session; of a template's 30 to 315,360,000.

        Raises:
            SessionError: `session-unknown`, `template-unknown`.
            ClaimsRefused: what the template gives is too large.
        """
        return self._run(_minted(self._issuer, self._named, session_id, template, lifetime))

    def validate_claims(
        self, session_id: str, validators: Sequence[Validator]
    ) -> tuple[Failure, ...] | None:
        """The validators that do not let a session pass, with their reasons; empty: all do.

        Claims that are missing or too old are fetched first. None: there is no live session.

        Raises:
            ConfigurationError: `validator-failed`: one could not tell.
        """
        return self._run(_validated(self._issuer, session_id, validators))

    def revoke(self, session_id: str) -> bool:
        """End a session; whether it was live."""
        return self._run(self._issuer.revoke(session_id))

    def revoke_all(self, user_id: str, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user but `keep`; the ids of those that were live."""
        return self._run(self._issuer.revoke_all(user_id, keep=keep))

    def journal(self, session_id: str) -> tuple[Act, ...] | None:
        """The last acts on a session, oldest first, until a day after its end; else None."""
        return self._run(self._issuer.flows.journal(session_id))

    def prune(self) -> int:
        """Forget what has been over for a day; how many records were deleted."""
        return self._run(_pruned(self._issuer, self._sources))


class AsyncSessions:
    """Async form of `Sessions`; no event loop waits for a store."""

    def __init__(
        self, issuer: Issuer, named: NamedTokens, sources: Sources, runtime: AsyncRuntime
    ) -> None:
        self._issuer, self._named, self._sources = issuer, named, sources
        self._run = runtime.run

    async def create(
        self,
        user_id: str,
        *,
        claims: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        org_id: str | None = None,
        persistent: bool = True,
        lifetime: float | None = None,
        device: str | None = None,
        address: str | None = None,
    ) -> Issued:
        """Async form of `Sessions.create`."""
        given = _given(claims, data, org_id, persistent, lifetime, device, address)
        return await self._run(self._issuer.create(user_id, **given))

    async def refresh(self, refresh_token: str) -> Issued:
        """Async form of `Sessions.refresh`."""
        return await self._run(self._issuer.refresh(refresh_token))

    async def get(self, session_id: str) -> Session | None:
        """Async form of `Sessions.get`."""
        return await self._run(self._issuer.flows.get(session_id))

    async def list_for_user(self, user_id: str) -> tuple[Session, ...]:
        """Async form of `Sessions.list_for_user`."""
        return await self._run(self._issuer.flows.list_for_user(user_id))

    async def merge_claims(self, session_id: str, patch: Mapping[str, Any]) -> Session | None:
        """Async form of `Sessions.merge_claims`."""
        return await self._run(self._issuer.flows.merge_claims(session_id, patch))

    async def merge_claims_for_user(self, user_id: str, patch: Mapping[str, Any]) -> int:
        """Async form of `Sessions.merge_claims_for_user`."""
        return await self._run(self._issuer.flows.merge_claims_for_user(user_id, patch))

    async def set_data(self, session_id: str, data: Mapping[str, Any]) -> Session | None:
        """Async form of `Sessions.set_data`."""
        return await self._run(self._issuer.flows.set_data(session_id, data))

    async def mint(
        self, session_id: str, template: str | None = None, lifetime: float | None = None
    ) -> str:
        """Async form of `Sessions.mint`."""
        return await self._run(_minted(self._issuer, self._named, session_id, template, lifetime))

    async def validate_claims(
        self, session_id: str, validators: Sequence[Validator]
    ) -> tuple[Failure, ...] | None:
        """Async form of `Sessions.validate_claims`."""
        return await self._run(_validated(self._issuer, session_id, validators))

    async def revoke(self, session_id: str) -> bool:
        """Async form of `Sessions.revoke`."""
        return await self._run(self._issuer.revoke(session_id))

    async def revoke_all(self, user_id: str, keep: str | None = None) -> tuple[str, ...]:
        """Async form of `Sessions.revoke_all`."""
        return await self._run(self._issuer.revoke_all(user_id, keep=keep))

    async def journal(self, session_id: str) -> tuple[Act, ...] | None:
        """Async form of `Sessions.journal`."""
        return await self._run(self._issuer.flows.journal(session_id))

    async def prune(self) -> int:
        """Async form of `Sessions.prune`."""
        return await self._run(_pruned(self._issuer, self._sources))


def _given(
    claims: Mapping[str, Any] | None,
    data: Mapping[str, Any] | None,
    org_id: str | None,
    persistent: bool,
    lifetime: float | None,
    device: str | None,
    address: str | None,
) -> dict[str, Any]:
    return {
        "claims": claims,
        "data": data,
        "org_id": org_id,
        "persistent": persistent,
        "lifetime": lifetime,
        "device": device,
        "address": address,
    }


def _minted(
    issuer: Issuer,
    named: NamedTokens,
    session_id: str,
    template: str | None,
    lifetime: float | None,
) -> Flow[str]:
    if template is None:
        return issuer.mint(session_id, lifetime=lifetime)
    return named.mint(session_id, template, lifetime=lifetime)


def _validated(
    issuer: Issuer, session_id: str, validators: Sequence[Validator]
) -> Flow[tuple[Failure, ...] | None]:
    from ..sessions.refetching import validated  # most apps fetch no claims

    return validated(issuer.flows, session_id, checked(validators), issuer.clock())


def _pruned(issuer: Issuer, sources: Sources) -> Flow[int]:
    sessions = yield from issuer.flows.prune()
    return sessions + (yield from sources.prune())
