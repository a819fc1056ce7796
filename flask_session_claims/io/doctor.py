"""What `doctor` checks, for every adapter's command line.

A check is given the app's reading side and yields findings; later parts append theirs to
`checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from ..core.keyset import KeySet
from .logs import without_secrets
from .reading import Reading
from .reports.config import keys_from
from .reports.keys import fetch_keys


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
        yield Finding("ok", f"azp must be {' or '.join(sorted(settings.parties))}")


def check_keys(reading: Reading) -> Iterable[Finding]:
    """Whether the keys can be had, fetching them if need be."""
    settings = reading.settings
    source = settings.key_source
    if isinstance(source, KeySet):
        yield Finding("ok", f"keys: {keys_from(settings)}")
        return
    address = without_secrets(source.url)
    problem, notes = fetch_keys(reading.verifier)
    if problem is not None:
        named = (settings.jwks_url, settings.clerk_instance, settings.clerk_secret_key)
        hint = f"; if they are elsewhere, set {settings.label('jwks_url')}"
        if any(each is not None for each in named):
            hint = ""
        yield Finding("error", f"no keys from {address}: {problem}{hint}")
        return
    yield Finding("ok", f"keys fetched from {address}")
    for note in notes:
        yield Finding("warning", f"left out of the key set: {note}")


def check_development(reading: Reading) -> Iterable[Finding]:
    """Whether a setting is on that is for development only."""
    settings = reading.settings
    if settings.allow_loopback_http:
        label = settings.label("allow_loopback_http")
        yield Finding("warning", f"{label} is on; it is for development only")


checks: list[Check] = [check_parties, check_keys, check_development]


def examine(reading: Reading) -> list[Finding]:
    """What all checks find, in their order."""
    return [finding for check in checks for finding in check(reading)]
