"""The core: code that must type-check. `test_checkers` runs mypy and pyright over it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from typing_extensions import assert_type

from flask_session_claims import (
    AsyncVerifier,
    Auth,
    ClaimError,
    ConfigurationError,
    Credentials,
    SessionClaimsError,
    SessionError,
    TokenError,
    UnavailableError,
    Verifier,
    VerifierSettings,
    credentials_from,
    verify_jws,
)

settings = VerifierSettings(issuer="https://issuer.example", leeway=10)
assert_type(settings, VerifierSettings)
assert_type(VerifierSettings.from_mapping({"SESSION_CLAIMS_ISSUER": "clerk"}), VerifierSettings)

verifier = Verifier(settings, clock=time.time)
assert_type(verifier.verify("token"), Mapping[str, Any])
sent = credentials_from(["Bearer token"], [], settings)
assert_type(sent, Credentials)
auth = verifier.authenticate(sent)
assert_type(auth, Auth)
assert_type(auth.has(role="admin", reverification="strict"), bool)
assert_type(auth.reason, str | None)
assert_type(auth.expires_at, int | None)
assert_type(Auth(is_authenticated=True, user_id="user_1"), Auth)


async def awaited() -> None:
    twin = AsyncVerifier(settings)
    assert_type(await twin.verify("token"), Mapping[str, Any])
    assert_type(await twin.authenticate(sent), Auth)


try:
    assert_type(verify_jws("a.b.c", {"keys": []}, ["RS256"]), bytes)
except ClaimError as error:
    assert_type((error.claim, error.expected, error.found), tuple[str, str, str | None])
except TokenError as error:
    assert_type((error.code, error.client_code), tuple[str, str])
except UnavailableError as error:
    assert_type(error.retry_after, int)
except (ConfigurationError, SessionError) as error:
    family: SessionClaimsError = error
    assert_type((family.message, family.status), tuple[str, int])
