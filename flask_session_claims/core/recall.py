"""The short way: from plain header fields to the `Auth` of a token that was verified before.

It is the path of nearly every request, so it is one function, made once per verifier, with all
it needs at hand. What it knows is the common case of `credentials_from` and of `attempt`, and
all that a hit must be judged by again; whatever is unusual is left to them.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from .auth import Auth, Source
from .freshness import Freshness, Standing
from .jose import Key
from .settings import VerifierSettings

if TYPE_CHECKING:
    from .tokencache import TokenCache

#: (Authorization field, Cookie field) -> who it is, the token, and where it stood. Nobody: the
#: token must be verified; None: not even the token is plain.
Recall = Callable[["str | None", "str | None"], "tuple[Auth | None, str, Source] | None"]

#: Copied for each token: OpenSSL takes longer to find SHA-256 than to use it.
_EMPTY: Final = sha256()


def digest_of(token: str) -> bytes:
    """What a token is kept under; what is not ASCII becomes a character that no token has."""
    name = _EMPTY.copy()
    name.update(token.encode("ascii", "replace"))
    return name.digest()


def make_recall(
    settings: VerifierSettings,
    cache: TokenCache,
    *,
    trusts: Callable[[Key], bool],
    clock: Callable[[], float],
    freshness: Freshness | None,
) -> Recall:
    """The short way of one verifier; `freshness` None: everything is fresh."""
    takes_header = "header" in settings.token_sources
    # Between Clerk's suffixed and plain cookies more than one field's text decides.
    takes_cookie = settings.clerk_instance is None and "cookie" in settings.token_sources
    name, find, empty = settings.cookie_name, cache.get, _EMPTY
    named, longest = name + "=", settings.max_token_length
    caching = settings.token_cache_size > 0

    def recall(
        authorization: str | None, cookie: str | None
    ) -> tuple[Auth | None, str, Source] | None:
        source: Source
        if authorization is not None:
            if not takes_header or authorization[:7] != "Bearer ":
                return None
            token, source = authorization[7:], "header"
        elif cookie is not None and takes_cookie:
            before, found, rest = cookie.partition(named)
            token, _, after = rest.partition(";")
            # Absent, not plainly a field of its own, or named more than once.
            if not found or (before and before[-2:] != "; ") or name in before or name in after:
                return None
            source = "cookie"
        else:
            return None
        if not caching or len(token) > longest:  # not worth a digest
            return None, token, source
        digest = empty.copy()
        digest.update(token.encode("ascii", "replace"))
        entry = find(digest.digest())
        if entry is None:
            return None, token, source
        auth = entry.auth
        if auth is None or auth.source != source or entry.refusal is not None:
            return None, token, source
        if not entry.begins <= clock() < entry.ends or not trusts(entry.key):
            return None, token, source
        if freshness is not None and freshness.check(entry.claims) is not Standing.FRESH:
            return None, token, source
        return auth, token, source

    return recall
