"""What `doctor` checks, for every adapter's command line.

A check is given the app's reading side and yields findings; later parts append theirs to
`checks`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal, NamedTuple

from ..core.errors import SessionClaimsError, UnavailableError
from ..core.keyset import KeySet
from ..sessions.keyring import Ring
from ..sessions.wrapping import MIN_KEY_BYTES
from ..stores.memory import MemoryStore
from .issuing import Issuing
from .logs import without_secrets
from .reading import Reading
from .reports.config import keys_from
from .reports.keys import fetch_keys
from .reports.own import file_of, now_of, place_of
from .reports.ring import own_keys_report


class Finding(NamedTuple):
    """What a check found, in words for the developer."""

    level: Literal["ok", "warning", "error"]
    text: str


Check = Callable[[Reading], Iterable[Finding]]

#: What a random secret of 16 bytes has at least, written in hexadecimal.
_CHARACTERS: Final = 32
_DIFFERENT: Final = 8
_MAKE: Final = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"


def check_parties(reading: Reading) -> Iterable[Finding]:
    """Whether azp is checked."""
    settings = reading.settings
    if reading.issuing is not None and settings.parties is None:
        return  # the app makes no tokens for others
    if settings.parties is None:
        names = f"{settings.label('authorized_parties')} or {settings.label('origins')}"
        yield Finding("warning", f"azp is not checked; set {names}")
    else:
        yield Finding("ok", f"azp must be {' or '.join(sorted(settings.parties))}")


def check_keys(reading: Reading) -> Iterable[Finding]:
    """Whether the keys can be had, fetching them if need be."""
    if reading.issuing is not None:
        return
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
    settings, issuing = reading.settings, reading.issuing
    if settings.allow_loopback_http:
        label = settings.label("allow_loopback_http")
        yield Finding("warning", f"{label} is on; it is for development only")
    if issuing is not None and issuing.settings.dev_cookies:
        label = issuing.settings.label("dev_cookies")
        yield Finding(
            "warning",
            f"{label} is on, so cookies travel over plain http too; it is for development only",
        )


# --- an app that is its own issuer --------------------------------------------------------


def check_store(reading: Reading) -> Iterable[Finding]:
    """Whether the store can be opened and written to, and who may read it."""
    issuing = reading.issuing
    if issuing is None:
        return
    address, path = place_of(issuing), file_of(issuing)
    in_memory = isinstance(issuing.store, MemoryStore)
    if in_memory:
        text = "sessions are kept in the memory of each process: no other process sees them"
        yield Finding("ok" if _in_development(issuing) else "warning", text)
    try:
        if issuing.store.identity() is None:
            if not in_memory:
                yield _place(address, path)
            return
        # Nothing is changed by it; but it takes the lock that a writer takes.
        _ = issuing.store.commit((), (), ())
    except SessionClaimsError as error:
        yield Finding("error", f"the store {address}: {error.message} ({error.code})")
        return
    yield Finding("ok", f"the store {address} can be read and written to")
    if path is not None and os.name == "posix":
        yield from _permissions(path)


def _place(address: str, path: Path | None) -> Finding:
    """Whether a store that is not there can be made."""
    if path is not None:
        folder = path.parent if path.parent.is_dir() else path.parent.parent
        if not os.access(folder, os.W_OK | os.X_OK):
            return Finding("error", f"the store {address} cannot be made: no write access there")
    return Finding("ok", f"the store {address} is not there yet; the first sign-in makes it")


def _permissions(path: Path) -> Iterable[Finding]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return
    if mode & 0o077:
        yield Finding(
            "warning",
            f"{path} has the permissions {mode:o}, so others can read who is signed in; chmod 600",
        )


def check_own_keys(reading: Reading) -> Iterable[Finding]:
    """Whether the key that signs can be opened, and its tokens are taken."""
    issuing = reading.issuing
    if issuing is None:
        return
    settings = reading.settings
    signs = issuing.settings.signing_algorithm or "ES256"
    try:
        report = own_keys_report(issuing, settings, now_of(reading))
        if issuing.keyring is not None:
            ring: Ring = issuing.run(issuing.keyring.ring())
            current = ring.signing("session", report.now)
            if current is not None:
                _ = issuing.keyring.signer(current)
                signs = current.algorithm
        elif report.keys:
            signs = report.keys[0].algorithm
    except UnavailableError as error:
        yield Finding("error", f"the signing keys cannot be had: {error.message} ({error.code})")
        return
    except SessionClaimsError as error:
        yield Finding("error", error.message)
        return
    if signs not in settings.algorithms:
        label = settings.label("algorithms")
        yield Finding("error", f"tokens are signed {signs}, and {label} does not name it")
    locked = [key.kid for key in report.keys if key.private == "locked"]
    if locked:
        text = "private keys that no secret opens, though they do not sign now"
        yield Finding("warning", f"{text}: {', '.join(locked)}; see keys discard")
    if issuing.keyring is None:
        yield Finding("ok", f"the key that signs is given in {report.where}")
    elif report.keys:
        yield Finding("ok", f"the key that signs can be opened; {len(report.keys)} published")
    else:
        yield Finding("ok", "there are no keys yet; the first sign-in makes one")


def check_secret(reading: Reading) -> Iterable[Finding]:
    """Whether the secret that the signing keys are encrypted with can be guessed."""
    issuing = reading.issuing
    if issuing is None or issuing.keyring is None or issuing.settings.key is not None:
        return
    secret = issuing.around.secret_key
    if not secret:
        text = "there is no SECRET_KEY: a key file in its place is for development only"
        yield Finding("warning", text)
    elif len(secret) < _CHARACTERS or len(set(secret)) < _DIFFERENT:
        yield Finding(
            "warning",
            "SECRET_KEY is easily guessed, and who does can sign as anybody if they have the"
            f" store; {MIN_KEY_BYTES} random bytes are right: {_MAKE}. To change it see keys"
            " rewrap",
        )
    else:
        yield Finding("ok", "SECRET_KEY is long enough")


def _in_development(issuing: Issuing) -> bool:
    return issuing.around.is_development


checks: list[Check] = [
    check_parties,
    check_keys,
    check_store,
    check_own_keys,
    check_secret,
    check_development,
]


def examine(reading: Reading) -> list[Finding]:
    """What all checks find, in their order."""
    return [finding for check in checks for finding in check(reading)]
