"""Where a browser may be sent on somebody else's word: a path of this site, or a listed origin.

Stricter than browsers, so that no reading of the same text leads elsewhere: not that of one who
decodes it once more, nor that of one who takes its path out and redirects to that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from .schema import origin_of

#: Bytes, as UTF-8.
MAX_LENGTH: Final = 2_048

# Browsers drop tabs and line ends from an address, strip what is not printable from its ends,
# and take a backslash for a slash; lone surrogates cannot be sent at all.
_REFUSED: Final = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_AFTER_PATH: Final = re.compile(r"[?#]")


def is_safe_redirect(
    target: str | None, origins: Sequence[str], *, own_origin: str | None = None
) -> bool:
    """Whether a browser that follows `target` stays on this site or goes to a listed origin.

    True for a path that begins with one slash, and for an absolute address that begins with one
    of the origins exactly as listed. Everything else is False, whatever its type: other schemes
    and spellings, `//host`, backslashes, white space, control characters, dot segments, these
    percent-encoded once, and more than 2,048 bytes.

    Args:
        target: what somebody asks to be sent to, decoded from its query string or form.
        origins: scheme, host and port, as in `SESSION_CLAIMS_ORIGINS`.
        own_origin: one more, where it is known for sure; never what a Host header says.
    """
    # type(): a proxy only says that it is a string.
    if not issubclass(type(target), str) or not target or len(target) > MAX_LENGTH:
        return False
    if _REFUSED.search(target) or len(target.encode()) > MAX_LENGTH:
        return False
    if _CONTROL.search(unquote(target)):
        return False
    if target[0] == "/":
        return _is_plain_path(target)
    listed = origins if own_origin is None else (*origins, own_origin)
    return any(_is_below(target, origin) for origin in listed)


def _is_below(target: str, origin: str) -> bool:
    if not target.startswith(origin) or origin_of(origin) != origin:
        return False
    rest = target[len(origin) :]
    return not rest or rest[0] in "?#" or (rest[0] == "/" and _is_plain_path(rest))


def _is_plain_path(target: str) -> bool:
    path = unquote(_AFTER_PATH.split(target, maxsplit=1)[0])
    if path.startswith("//") or "\\" in path:
        return False
    # "/..//host" is a path, and "//host" when a browser has cleaned it up; to it %2e is a dot.
    return not any(unquote(segment) in (".", "..") for segment in path.split("/"))
