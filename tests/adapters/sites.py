"""What the parts of the contract share: the fixtures, the usual settings, the usual tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_session_claims.testing import LocalIssuer, shared_key

from .drivers import Driver, Site

#: The only configured origin, and the `azp` of its tokens.
APP = "https://app.example"
EVIL = "https://evil.example"
ORGANIZATION = {"id": "org_1", "slg": "acme", "rol": "admin", "per": "read,manage", "fpm": "3"}

Mint = Callable[..., str]
OpenSite = Callable[..., Site]


def usual_settings(issuer: LocalIssuer) -> dict[str, Any]:
    return {"ISSUER": issuer.issuer, "JWKS": issuer.jwks(), "ORIGINS": [APP]}


def forged_by(issuer: LocalIssuer) -> LocalIssuer:
    """Somebody with another key who says he is the issuer, down to the kid."""
    return LocalIssuer(issuer.issuer, key=shared_key("ES256", 1), kid=issuer.kid)


def bad_tokens(issuer: LocalIssuer) -> dict[str, tuple[str, str]]:
    """Tokens that must not sign in and look alike from outside, with the reason of each."""
    mint = issuer.mint
    other_key = LocalIssuer(issuer.issuer, key=shared_key("ES256", 1))
    elsewhere = LocalIssuer("https://elsewhere.example", key=shared_key("ES256"))
    head, body, signature = mint(azp=APP).split(".")
    return {
        "bad signature": (forged_by(issuer).mint(azp=APP), "token-invalid-signature"),
        "unknown kid": (other_key.mint(azp=APP), "jwk-kid-mismatch"),
        "wrong issuer": (elsewhere.mint(azp=APP), "token-invalid-issuer"),
        "other party": (mint(azp=EVIL), "token-invalid-authorized-parties"),
        "no party": (mint(), "token-invalid-authorized-parties"),
        "no token": ("nonsense", "token-invalid"),
        "tampered": (f"{head}.{body[:-2]}AA.{signature}", "token-invalid-signature"),
        "too large": (mint(azp=APP, padding="x" * 9000), "token-too-large"),
        "not yet": (mint(azp=APP, nbf=4_000_000_000), "token-not-active-yet"),
        "no exp": (mint(azp=APP, drop=["exp"]), "token-missing-claim"),
        "template": (issuer.mint_template(azp=APP), "token-type-mismatch"),
        "algorithm none": (
            issuer.sign({"alg": "none", "kid": issuer.kid}, {"sub": "user_1"}),
            "token-invalid-algorithm",
        ),
    }


class Contract:
    """What each part of the contract builds on."""

    @pytest.fixture
    def mint(self, issuer: LocalIssuer) -> Mint:
        """A good token of the usual party; keywords as in `LocalIssuer.mint`."""
        return lambda *args, **claims: issuer.mint(*args, **{"azp": APP, **claims})

    @pytest.fixture
    def open_site(self, driver: Driver, issuer: LocalIssuer) -> OpenSite:
        """Makes a site of the usual settings with some changed."""

        def opened(*, handlers: bool = False, **changes: Any) -> Site:
            settings = {**usual_settings(issuer), **changes}
            return Site(driver, settings, handlers=handlers)

        return opened

    @pytest.fixture
    def site(self, open_site: OpenSite) -> Site:
        return open_site()
