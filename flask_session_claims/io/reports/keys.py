"""The keys at hand: which, from where, how fresh. Of this process: no other's can be seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...core.jose import ALGORITHMS, Key
from ...core.keys import FetchedKeys
from ...core.keyset import KeySet
from ..verifiers import Verifier
from .config import keys_from
from .heard import listening


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """One key. A `kid` of None answers for every name."""

    kid: str | None
    algorithm: str
    #: Whether ALGORITHMS takes it.
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysReport:
    """The key set of an app, as this process has it."""

    origin: Literal["given", "fetched"]
    #: Its address, or the setting that holds it.
    where: str
    keys: tuple[KeyReport, ...]
    #: Seconds; None where nothing is fetched.
    refresh_in: float | None
    expires_in: float | None
    #: Why a fetch failed, or entries of the set that are not used.
    problem: str | None
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def fetch_keys(verifier: Verifier) -> tuple[str | None, tuple[str, ...]]:
    """Have the keys fetched if they are not at hand: what went wrong, and what is left out."""
    with listening() as heard:
        problem = verifier.try_keys()
    return (None if problem is None else heard.failure or problem), heard.notes


def keys_report(verifier: Verifier, *, fetch: bool = False) -> KeysReport:
    """The report; with `fetch`, the set is fetched unless it is at hand."""
    settings, source = verifier.settings, verifier.flows.keys
    problem, notes = fetch_keys(verifier) if fetch else (None, ())
    found: tuple[Key, ...]
    refresh_in = expires_in = None
    if isinstance(settings.key_source, KeySet):
        found = settings.key_source.keys
    else:
        state = source.state() if isinstance(source, FetchedKeys) else {}
        kids: list[str | None] = state.get("kids", [])
        # By name, each at most once; those without a name answer together.
        named = (source.known(kid, name) for kid in kids for name in ALGORITHMS)
        found = tuple(dict.fromkeys(key for keys in named for key in keys))
        if found:
            refresh_in, expires_in = state["refresh_in"], state["expires_in"]
    return KeysReport(
        origin="given" if isinstance(settings.key_source, KeySet) else "fetched",
        where=keys_from(settings),
        keys=tuple(
            KeyReport(kid=k.kid, algorithm=k.algorithm, used=k.algorithm in settings.algorithms)
            for k in found
        ),
        refresh_in=refresh_in,
        expires_in=expires_in,
        problem=problem,
        notes=notes,
    )
