"""What `doctor` checks, for every adapter's command line.

A check is given the app's reading side and yields findings; later parts append theirs to
`checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from ..core.keyset import KeySet
from .reading import Reading


class Finding(NamedTuple):
    """What a check found, in words for the developer."""

    level: Literal["ok", "warning", "error"]
    text: str


Check = Callable[[Reading], Iterable[Finding]]


def check_parties(reading: Reading) -> Iterable[Finding]:
    """Whether azp is checked."""
    settings = reading.settings
    if settings.parties is None:
        names = f"{settings.label('authorized_parties')} or {settings.label('origins')}"
        yield Finding("warning", f"azp is not checked; set {names}")
    else:
        yield Finding("ok", f"azp must be one of {len(settings.parties)} parties")


def check_keys(reading: Reading) -> Iterable[Finding]:
    """Whether the keys can be had, fetching them if need be."""
    source = reading.settings.key_source
    if isinstance(source, KeySet):
        yield Finding("ok", f"{len(source)} given keys")
        return
    problem = reading.verifier.try_keys()
    yield Finding("error", problem) if problem else Finding("ok", f"keys fetched from {source.url}")


checks: list[Check] = [check_parties, check_keys]
