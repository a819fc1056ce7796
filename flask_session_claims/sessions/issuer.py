"""The issuer: acts on sessions together with the tokens, hooks and signals that belong to them.

The log's position is always read before the session is: a token says of itself (`rev`) up to
where it knows the changes, and must never claim to know more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ..core.errors import ConfigurationError, UnavailableError
from ..core.flow import Flow
from ..core.validators import Claim
from . import tokens
from .arguments import check_id
from .athand import OwnKeys
from .claims import NO_CLAIMS, Claims, plain_object
from .consult import Consult, Tell
from .cookies import CookieNames, names_for
from .faults import ClaimsRefused, RefreshRefused, SessionUnknown
from .feed import Feed
from .fetching import fetched_for
from .lifecycle import SessionFlows
from .limits import TOKEN_LIFETIMES, is_number
from .mint import ID_BYTES, Minted, TokenPolicy, issuer_name, mint, named, spoken
from .model import Issued, Session, State
from .published import Document
from .records import LogPage, ReadLog
from .settings import IssuingSettings
from .templates.options import TemplateOptions
from .vault import Signer

#: Beyond every position there is, so that only the newest is told.
_END: Final = 2**62
#: (user id, the session, or None while it is being made) -> claims, or None for no change.
Provide = Callable[[str, "Session | None"], Any]


def _nothing(user_id: str) -> Flow[None]:
    yield from ()


@dataclass(frozen=True, slots=True)
class _Ready:
    """What minting needs: who issues, what signs, and up to where the log was read."""

    policy: TokenPolicy
    signer: Signer
    rev: int


class Issuer:
    """Sessions with their tokens, as flows.

    Args:
        provide: gives the app's hook for provided claims, or None, each time it may be needed.
        fetched: gives the claims that are fetched at sign-in, and at a refresh once too old.
        prepare: what is done before a user is signed in.
    """

    def __init__(
        self,
        settings: IssuingSettings,
        flows: SessionFlows,
        keys: OwnKeys,
        feed: Feed,
        *,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
        provide: Callable[[], Provide | None],
        fetched: Callable[[], Sequence[Claim]] = tuple,
        prepare: Callable[[str], Flow[None]] = _nothing,
        secure: bool,
        cookie_name: str | None = None,
        origins: Sequence[str] | None = None,
    ) -> None:
        self.settings = settings
        self.flows = flows
        self.keys = keys
        self._feed = feed
        #: UTC seconds.
        self.clock: Callable[[], float] = clock
        self._random = random
        self._provide, self._fetched, self._prepare = provide, fetched, prepare
        self._secure, self._cookie_name = secure, cookie_name
        self._origins = origins or ()
        self._kid: str | None = None
        #: The `iss` of the tokens; None until it is known, for it comes with the store.
        self.name: str | None = None
        if settings.issuer_url is not None:
            self._be(settings.issuer_url)

    # --- who issues -----------------------------------------------------------------------

    def opened(self) -> Flow[str | None]:
        """The issuer's name; None while there is no store, and so no session either."""
        if self.name is None:
            page = yield from ReadLog(_END)
            if page.store_id is not None:
                self._be(issuer_name(page.store_id))
        return self.name

    @property
    def cookies(self) -> CookieNames:
        """The names of the cookies; only once `name` is known."""
        return self._cookies

    def _be(self, name: str) -> None:
        inline = self.settings.refresh_mode == "inline"
        self._cookies = names_for(name, self._cookie_name, secure=self._secure, inline=inline)
        self._policy = TokenPolicy(
            issuer=name,
            lifetime=self.settings.session_token_lifetime,
            cookie_name=self._cookies.session,
            compact=self.settings.organization_claims == "compact",
        )
        self.name = name

    def say(self, session: Session, at: float) -> Mapping[str, Any]:
        """What a token of that moment says of a session beside the custom claims."""
        return spoken(session, self._policy, at)

    def _ready(self) -> Flow[_Ready]:
        page = yield from self._feed.newest()
        if self._named(page) != self.name or self.name is None:
            # The first use, or another store stands in the place of the one before.
            self.keys.look_again()
            signer = yield from self.keys.signer()
            page = yield from self._feed.newest()
            name = self._named(page)
            if name is None:
                raise UnavailableError("The session store keeps nothing.", code="store-failed")
            self._be(name)
        else:
            signer = yield from self.keys.signer()
            if self._kid not in (None, signer.kid):
                yield from Tell("keys_rotated", {"kid": signer.kid})
        self._kid = signer.kid
        return _Ready(self._policy, signer, page.newest)

    def _named(self, page: LogPage) -> str | None:
        if self.settings.issuer_url is not None:
            return self.settings.issuer_url
        return None if page.store_id is None else issuer_name(page.store_id)

    def key_set(self) -> Flow[Document]:
        """The published keys, with what other processes have changed."""
        try:
            _ = yield from self._feed.catch_up()
        except UnavailableError:
            pass  # what is at hand serves on, as long as it may
        return (yield from self.keys.document())

    # --- acts that give tokens ------------------------------------------------------------

    def create(self, user_id: str, *, azp: str | None = None, **given: Any) -> Flow[Issued]:
        """A new session and its tokens; see `SessionFlows.create` for what may be given."""
        yield from self._prepare(check_id(user_id, "user_id"))
        provided = yield from self._provided(user_id, None)
        ready = yield from self._ready()
        created = yield from self.flows.create(user_id, provided=provided, azp=azp, **given)
        session = created.session
        try:
            minted = yield from self._mint(session, ready, azp=azp)
        except ClaimsRefused:
            _ = yield from self.flows.revoke(session.session_id, reason="oversize")
            raise
        if created.oversize is not None:
            yield from self._oversize(session, created.oversize)
        for ended in created.ended:
            reason = "replaced" if ended == given.get("replaces") else "cap"
            yield from Tell("session_revoked", {"session_id": ended, "reason": reason})
        yield from Tell("session_created", {"session": session})
        return _issued(session, minted, created.refresh_token)

    def refresh(
        self, refresh_token: str, *, expected_session: str | None = None, azp: str | None = None
    ) -> Flow[Issued]:
        """The next tokens of a session; see `SessionFlows.refresh`.

        Raises:
            RefreshRefused: the token is not, or no longer, good.
        """
        token = tokens.read(refresh_token)
        if token is None or (yield from self.opened()) is None:
            raise RefreshRefused("refresh-token-invalid")
        provided: Mapping[str, Any] | None = None
        if self._provide() is not None or self._fetched():
            due = yield from self.flows.peek(refresh_token)
            provided = None if due is None else (yield from self._provided(due.user_id, due))
        ready = yield from self._ready()
        try:
            refreshed = yield from self.flows.refresh(
                refresh_token, provided=provided, expected_session=expected_session
            )
        except RefreshRefused as refused:
            who = {"session_id": refused.session_id, "user_id": refused.user_id}
            if refused.code == "refresh-token-ahead":
                yield from Tell("refresh_token_ahead", who)
            if refused.revoked:
                yield from Tell("refresh_token_reused", who)
                yield from Tell("session_revoked", {**who, "reason": "reuse"})
            raise
        session = refreshed.session
        minted = yield from self._mint(session, ready, azp=azp)
        if refreshed.oversize is not None:
            yield from self._oversize(session, refreshed.oversize)
        told = "session_refreshed" if refreshed.rotated else "refresh_retried"
        yield from Tell(told, {"session": session})
        return _issued(session, minted, refreshed.refresh_token)

    def change(
        self,
        session_id: str,
        act: Callable[[str], Flow[Session | None]],
        *,
        expires_at: int | None = None,
        azp: str | None = None,
        outdated: bool = False,
    ) -> Flow[Issued | None]:
        """Change a session and mint a token that says so; None if the session has ended.

        Args:
            act: changes it; one of the flows that announce what they do.
            expires_at: when that token ends (UTC seconds), where it stands in for another.
            outdated: let it pass for one from before the change, so that another follows.
        """
        ready = yield from self._ready()
        session = yield from act(session_id)
        if session is not None and not outdated:
            # The change itself is in the log now; whoever was first since is in the record.
            page = yield from self._feed.newest()
            ready = replace(ready, rev=page.newest)
            session = yield from self.flows.get(session_id)
        if session is None:
            return None
        minted = yield from self._mint(session, ready, azp=azp, expires_at=expires_at)
        return _issued(session, minted, None)

    def remint(
        self, session: Session, rev: int, *, expires_at: int, azp: str | None
    ) -> Flow[Issued]:
        """A token for one that is outdated, with the same end; the app's hooks are not called.

        Args:
            session: as it was loaded after the log had been read up to `rev`.
        """
        signer = yield from self.keys.signer()
        ready = _Ready(self._policy, signer, rev)
        minted = yield from self._mint(session, ready, azp=azp, expires_at=expires_at)
        return _issued(session, minted, None)

    def reissue(self, session_id: str, *, azp: str | None = None) -> Flow[Issued | None]:
        """New tokens of a session whose client has given up its own; None if it has ended."""
        ready = yield from self._ready()
        reissued = yield from self.flows.reissue(session_id)
        if reissued is None:
            return None
        session, refresh_token = reissued
        minted = yield from self._mint(session, ready, azp=azp)
        return _issued(session, minted, refresh_token)

    def mint(self, session_id: str, *, lifetime: float | None = None) -> Flow[str]:
        """A session token of a live session, for another service perhaps.

        Args:
            lifetime: seconds, 5 to 3600; None: the usual. It never outlives the session.

        Raises:
            SessionError: `session-unknown`: there is no such session, or it has ended.
            ConfigurationError: no such life-time.
        """
        least, most = TOKEN_LIFETIMES
        if lifetime is not None and not (is_number(lifetime) and least <= lifetime <= most):
            raise ConfigurationError(
                f"lifetime got {lifetime!r}; give seconds, {least} to {most}, or None."
            )
        ends = None if lifetime is None else int(self.clock() + lifetime)
        if (yield from self.opened()) is None:
            raise SessionUnknown
        ready = yield from self._ready()
        session = yield from self.flows.get(session_id)
        if session is None:
            raise SessionUnknown
        return (yield from self._mint(session, ready, expires_at=ends)).token

    def sign(
        self,
        session: Session,
        claims: Claims,
        options: TemplateOptions,
        *,
        lifetime: float | None = None,
    ) -> Flow[str]:
        """A token for another service, with these claims of a named template.

        Args:
            lifetime: seconds, instead of the template's own.
        """
        _ = yield from self._ready()
        lasts = options.lifetime if lifetime is None else lifetime
        return named(
            session,
            (yield from self.keys.signer(lasts)),
            self._policy,
            claims,
            options,
            now=self.clock(),
            token_id=self._random(ID_BYTES),
            azp=session.azp,
            lifetime=lifetime,
        )

    # --- acts that end sessions -----------------------------------------------------------

    def revoke(self, session_id: str, *, reason: str = "revoked") -> Flow[bool]:
        """End a session; whether it was live."""
        ended = yield from self.flows.revoke(session_id, reason=reason)
        if ended:
            yield from Tell("session_revoked", {"session_id": session_id, "reason": reason})
        return ended

    def revoke_all(self, user_id: str, *, keep: str | None = None) -> Flow[tuple[str, ...]]:
        """End all sessions of a user but `keep`; the ids of those that were live."""
        ended = yield from self.flows.revoke_all(user_id, keep=keep)
        for session_id in ended:
            data = {"session_id": session_id, "user_id": user_id, "reason": "revoked"}
            yield from Tell("session_revoked", data)
        return ended

    # --- parts ----------------------------------------------------------------------------

    def _provided(self, user_id: str, state: State | None) -> Flow[Mapping[str, Any] | None]:
        """The provided layer from now on; None: as it is."""
        hook = self._provide()
        # As it is now: what the record says of an organisation may be over.
        composed = None if state is None else (yield from self.flows.compose(state))
        session = None if composed is None else composed.session()
        before = NO_CLAIMS if state is None else state.layers.provided
        given = None if hook is None else (yield from Consult(hook, (user_id, session)))
        claims = self._fetched()
        if not claims:
            return given
        keys = {claim.key for claim in claims}
        fetched = yield from fetched_for(claims, user_id, session, self.clock())
        if given is None:
            return {**before, **fetched} if fetched else None
        kept = {name: value for name, value in before.items() if name in keys}
        return {**plain_object(given, "provided claims"), **kept, **fetched}

    def _mint(
        self,
        session: Session,
        ready: _Ready,
        *,
        azp: str | None = None,
        expires_at: int | None = None,
    ) -> Flow[Minted]:
        """The token; one that would not fit a cookie goes without custom claims, and says so.

        Without permissions too, if it has to be.

        `azp`: the origin that asks for it; a page that is loaded names none, and then it is the
        one that signed in.
        """
        now = self.clock()
        party = azp or (session.azp if session.azp in self._origins else None)

        def make(of: Session) -> Minted:
            return mint(
                of,
                ready.signer,
                ready.policy,
                now=now,
                rev=ready.rev,
                token_id=self._random(ID_BYTES),
                azp=party,
                expires_at=expires_at,
            )

        try:
            return make(session)
        except ClaimsRefused as refused:
            yield from self._oversize(session, refused)
        bare = replace(session, claims=NO_CLAIMS)
        try:
            return make(bare)
        except ClaimsRefused:
            return make(replace(bare, org_permissions=()))

    def _oversize(self, session: Session, refused: ClaimsRefused) -> Flow[None]:
        yield from Tell("claims_oversize", {"session": session, "names": refused.names})


def _issued(session: Session, minted: Minted, refresh_token: str | None) -> Issued:
    return Issued(session, minted.token, refresh_token, minted.claims, minted.expires_at)
