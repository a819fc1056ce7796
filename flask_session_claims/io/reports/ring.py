"""The app's own signing keys: what each is for, since when and until when. No key is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...core.settings import VerifierSettings
from ...sessions.keyring import KeyringFlows, Ring, SigningKey, last_needed
from ..issuing import Issuing
from .own import place_of

State = Literal["published", "signing", "retired"]
#: Whether the private half can be had: yes; no wrapping key opens it; it was thrown away; it is
#: not kept here.
Private = Literal["opens", "locked", "discarded", "given"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKeyReport:
    """One key. Times are UTC seconds."""

    kid: str
    algorithm: str
    #: Whether ALGORITHMS takes it.
    used: bool
    #: "static" keys sign what outlives the rotation of the others.
    use: Literal["session", "static"]
    state: State
    #: When the state began, and when it will end; None: not known, or not foreseen.
    since: float | None
    until: float | None
    private: Private
    #: Name of the wrapping key; None: not wrapped.
    wrapped_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKeysReport:
    """The keys of an app that is its own issuer; the first members as in `KeysReport`."""

    origin: Literal["own", "given"]
    #: The store, or the setting that holds the key.
    where: str
    keys: tuple[OwnKeyReport, ...]
    refresh_in: None
    expires_in: None
    problem: str | None
    notes: tuple[str, ...]
    #: Name of the wrapping key in force.
    wrapping: str | None
    now: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysChange:
    """What a command did to the keys, by kid; and how they stand now."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    #: Encrypted anew, under the wrapping key in force.
    rewrapped: tuple[str, ...]
    #: The private half was thrown away.
    discarded: tuple[str, ...]
    report: OwnKeysReport

    @property
    def is_none(self) -> bool:
        return not (self.added or self.removed or self.rewrapped or self.discarded)

    def as_json(self) -> dict[str, Any]:
        told = asdict(self)
        return {**{name: told[name] for name in told if name != "report"}, **told["report"]}


def own_keys_report(issuing: Issuing, settings: VerifierSettings, now: float) -> OwnKeysReport:
    """The report; nothing is made or changed.

    Raises:
        UnavailableError: the store cannot be had.
    """
    flows = issuing.keyring
    if flows is None:
        return _given(issuing, settings, now)
    ring: Ring = issuing.run(flows.ring())
    return _report(ring, flows, issuing, settings, now)


def keys_change(
    flows: KeyringFlows,
    before: Ring,
    after: Ring,
    issuing: Issuing,
    settings: VerifierSettings,
    now: float,
) -> KeysChange:
    """What became of a ring."""
    old = {key.kid: key for key in before.keys}
    new = {key.kid: key for key in after.keys}
    kept = [(old[kid], key) for kid, key in new.items() if kid in old]
    changed = [key for was, key in kept if key.wrapped != was.wrapped]
    return KeysChange(
        added=tuple(kid for kid in new if kid not in old),
        removed=tuple(kid for kid in old if kid not in new),
        rewrapped=tuple(key.kid for key in changed if key.wrapped),
        discarded=tuple(key.kid for key in changed if not key.wrapped),
        report=_report(after, flows, issuing, settings, now),
    )


def _report(
    ring: Ring, flows: KeyringFlows, issuing: Issuing, settings: VerifierSettings, now: float
) -> OwnKeysReport:
    return OwnKeysReport(
        origin="own",
        where=place_of(issuing),
        keys=tuple(_key(ring, key, flows, settings, now) for key in ring.keys),
        refresh_in=None,
        expires_in=None,
        problem=None,
        notes=(),
        wrapping=flows.wrapping_name,
        now=now,
    )


def _key(
    ring: Ring, key: SigningKey, flows: KeyringFlows, settings: VerifierSettings, now: float
) -> OwnKeyReport:
    state, since, until = _standing(ring, key, flows, now)
    private: Private = "opens" if flows.opens(key) else "locked"
    return OwnKeyReport(
        kid=key.kid,
        algorithm=key.algorithm,
        used=key.algorithm in settings.algorithms,
        use=key.use,
        state=state,
        since=since,
        until=until,
        private=private if key.wrapped else "discarded",
        wrapped_by=key.wrapped_by if key.wrapped else None,
    )


def _standing(
    ring: Ring, key: SigningKey, flows: KeyringFlows, now: float
) -> tuple[State, float | None, float | None]:
    """What a key does, since when and until when."""
    current = ring.signing(key.use, now)
    following = _first(ring, lambda other: other.signs_from > key.signs_from)
    if key is current:
        # The first key of all signs before its time, there being no other.
        since = min(key.signs_from, now)
        if key.use == "static":
            return "signing", since, None
        planned = max(key.signs_from + flows.policy.rotate_every, now)
        return "signing", since, planned if following is None else following.signs_from
    if key.wrapped and key.signs_from > now:
        return "published", key.created_at, key.signs_from
    # Of one that was thrown away nobody has noted when.
    ended = min(following.signs_from, now) if following is not None and key.wrapped else None
    return "retired", ended, last_needed(ring, key, flows.policy)


def _first(ring: Ring, fits: Callable[[SigningKey], bool]) -> SigningKey | None:
    """The first session key that can sign and fits."""
    return next((key for key in ring.of("session") if fits(key)), None)


def _given(issuing: Issuing, settings: VerifierSettings, now: float) -> OwnKeysReport:
    signer = issuing.run(issuing.keys.signer())
    key = OwnKeyReport(
        kid=signer.kid,
        algorithm=signer.algorithm,
        used=signer.algorithm in settings.algorithms,
        use="session",
        state="signing",
        since=None,
        until=None,
        private="given",
        wrapped_by=None,
    )
    return OwnKeysReport(
        origin="given",
        where=issuing.settings.label("signing_key"),
        keys=(key,),
        refresh_in=None,
        expires_in=None,
        problem=None,
        notes=(),
        wrapping=None,
        now=now,
    )
