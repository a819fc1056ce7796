"""The secrets of the settings, as the wrapping keys that follow from them.

The first of them wraps; the others still open what was wrapped before, and what they open is
wrapped anew. No message quotes a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from ..core.errors import ConfigurationError
from ..core.jsontext import b64url_decode
from .vault import WrappingKey, wrapping_key

MIN_KEY_BYTES: Final = 32
MAX_KEY_BYTES: Final = 512
#: 32 random bytes have fewer different ones than this less than once in 10^17 times.
_DIFFERENT: Final = 16
_SETTING: Final = 'SESSION_CLAIMS_KEY (in Django SESSION_CLAIMS["KEY"])'
_MAKE: Final = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"


def wrapping_keys(
    *,
    secret_key: str | bytes | None,
    fallbacks: Sequence[str | bytes] | None = None,
    key: str | Sequence[str] | None = None,
) -> tuple[WrappingKey, ...]:
    """The wrapping keys of an app, the one in force first.

    Args:
        secret_key: the framework's `SECRET_KEY`.
        fallbacks: its `SECRET_KEY_FALLBACKS`; each still opens.
        key: `SESSION_CLAIMS_KEY`, which then wraps instead: 32 to 512 random bytes as base64url
            text, or a list of such texts of which the first wraps. `SECRET_KEY` and its
            fallbacks still open, so that an app can change over.

    Raises:
        ConfigurationError: there is none, or one cannot be used.
    """
    own = [_random_bytes(text) for text in _texts(key)]
    shared = [] if secret_key in (None, "", b"") else [_secret(secret_key, "SECRET_KEY")]
    shared += [_secret(text, "SECRET_KEY_FALLBACKS") for text in _listed(fallbacks)]
    if not own and secret_key in (None, "", b""):
        raise ConfigurationError(
            "the issuer needs a secret to encrypt its signing keys with, and there is neither"
            f" SECRET_KEY nor {_SETTING}; add the line SECRET_KEY = '...' to the app's"
            f" configuration, with what this prints: {_MAKE}"
        )
    named = {made.name: made for made in map(wrapping_key, (*own, *shared))}
    return tuple(named.values())


def _texts(given: object) -> list[object]:
    if given is None:
        return []
    if isinstance(given, (list, tuple)):
        texts = cast("Sequence[object]", given)
        if not texts:
            raise _bad_key("an empty list")
        return list(texts)
    return [given]


def _random_bytes(given: object) -> bytes:
    if not isinstance(given, str):
        raise _bad_key(f"a value of type {type(given).__name__}")
    try:
        raw = b64url_decode(given.strip().rstrip("=").encode("ascii"))
    except ValueError:
        raise _bad_key("text that is not base64url") from None
    if not MIN_KEY_BYTES <= len(raw) <= MAX_KEY_BYTES:
        raise _bad_key(f"{len(raw)} bytes")
    if len(set(raw)) < _DIFFERENT:
        raise _bad_key("bytes that are not random")
    return raw


def _bad_key(got: str) -> ConfigurationError:
    return ConfigurationError(
        f"{_SETTING} got {got}; give {MIN_KEY_BYTES} to {MAX_KEY_BYTES} random bytes as"
        f" base64url text, such as this prints: {_MAKE}"
    )


def _listed(given: object) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, (list, tuple)):
        return list(cast("Sequence[Any]", given))
    raise ConfigurationError(
        f"SECRET_KEY_FALLBACKS got a value of type {type(given).__name__}; give a list of the"
        " secret keys that were in use before."
    )


def _secret(given: object, setting: str) -> str | bytes:
    if isinstance(given, (str, bytes)) and given:
        return given
    got = "an empty text" if given in ("", b"") else f"a value of type {type(given).__name__}"
    raise ConfigurationError(f"{setting} got {got}; a secret key is text or bytes.")
