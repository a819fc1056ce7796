"""What an issuer publishes: its key set and its OpenID configuration, with their headers.

Everything here is public and the same for everybody: no cookie, no `Vary`, any origin may read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from ..core.errors import ConfigurationError
from . import keyring
from .keyring import MAX_AGE, Ring


class Document(NamedTuple):
    """A body and the headers that belong to it; for GET and HEAD."""

    body: bytes
    etag: str
    #: Seconds that others may keep it.
    max_age: int

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The response headers; a 304 has them too (RFC 9110 §15.4.5)."""
        return (
            ("Content-Type", "application/json"),
            ("Cache-Control", f"public, max-age={self.max_age}"),
            ("ETag", self.etag),
            ("Access-Control-Allow-Origin", "*"),
        )

    def is_known(self, if_none_match: str | None) -> bool:
        """Whether the request's If-None-Match says that the client has this very body."""
        if not if_none_match:
            return False
        tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
        return self.etag in tags or tags == ["*"]  # RFC 9110 §13.1.2: compared weakly


def key_set(ring: Ring) -> Document:
    """The public keys that sign, will sign, or have signed what may still be valid."""
    return Document(*keyring.key_set(ring))


def openid_configuration(issuer: str, jwks_url: str, algorithms: Iterable[str]) -> Document:
    """Where the key set of an issuer is (OpenID Connect Discovery 1.0 §3).

    There is no sign-in here for others, so no endpoint for it is named and no response type.

    Raises:
        ConfigurationError: `jwks_url` is no absolute address.
    """
    parts = urlsplit(jwks_url)
    if parts.scheme not in ("https", "http") or not parts.netloc:
        raise ConfigurationError(
            f"the address of the key set got {jwks_url!r}; give an absolute https:// address."
        )
    members = {
        "issuer": issuer,
        "jwks_uri": jwks_url,
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted(set(algorithms)),
    }
    body = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Document(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', MAX_AGE)
