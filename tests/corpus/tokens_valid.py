"""Valid tokens: each algorithm, each shape, and what the test kit mints.

The refusals of the other parts mean nothing unless their good twins pass; so do these. The kit
signs by its own code, with the corpus' keys.
"""

from __future__ import annotations

from typing import Any

from flask_session_claims.testing import FrozenClock, LocalIssuer

from .forge import ISSUER, NEUTRAL_CAT, NOW, PARTY, Book, Key, claims, join, keys, mint

CLERK_KEY = "pk_live_Y2xlcmsuY2xlcmsuZGV2JA"
CLERK_ISSUER = "https://clerk.clerk.dev"


def local_issuer(key: Key) -> LocalIssuer:
    """The kit's issuer with one of the corpus' keys and clock."""
    return LocalIssuer(ISSUER, clock=FrozenClock(float(NOW)), kid=key.kid, key=key.private)


def plain(book: Book) -> None:
    for key in keys().trusted:
        name = key.algorithm.lower()
        book.good("V2", f"{name}", mint(key), claims=claims(), auth={
            "is_authenticated": True, "user_id": "user_1", "reason": None})  # fmt: skip
        book.good("V5", f"{name}-unknown-header-members", mint(
            key, head={"oiat": NOW, "x": {"y": [1]}, "": None, "iss": "x", "exp": 1}))  # fmt: skip
        other = {"user_id": "user_2", "session_id": "sess_2"}
        book.good("V18", f"{name}-another-user", mint(key, sub="user_2", sid="sess_2"), auth=other)
        book.good("V4", f"{name}-neutral-cat", mint(key, head={"cat": NEUTRAL_CAT}))
    book.good("V2", "ed25519-synonym", mint(keys().ed, head={"alg": "Ed25519"}),
              claims={"sub": "user_1"})  # fmt: skip
    for stated, used in (("Ed25519", "EdDSA"), ("Ed25519", "Ed25519"), ("EdDSA", "Ed25519")):
        book.good("V4", f"jwk-{stated}-token-{used}", mint(keys().ed, head={"alg": used}),
                  settings={"jwks": {"keys": [keys().ed.jwk(alg=stated)]}})  # fmt: skip
    book.good("V15", "one-jwk-as-set", mint(), settings={"jwks": keys().rsa.jwk()})
    key = keys().rsa
    minimal: dict[str, Any] = {"iss": ISSUER, "sub": "u", "sid": "s", "azp": PARTY, "exp": NOW + 1}
    book.good("V13", "minimal", join(key, {"alg": "RS256", "kid": "rsa-1"}, minimal),
              claims=minimal, auth={"user_id": "u", "session_id": "s"})  # fmt: skip
    custom = {
        "fullName": "Zoë Müller",
        "primaryEmail": "zoe@example.com",
        "metadata": {"plan": "pro", "seats": 5, "beta": True, "trial": None, "tags": ["a", "b"]},
        "ratio": 0.5,
        "empty": {},
        "list": [],
    }
    book.good("V20", "custom-claims", mint(**custom), claims=custom)
    book.good("V20", "500-custom-claims", mint(**{f"c{n}": n % 7 for n in range(480)}))


def from_the_kit(book: Book) -> None:
    for key in keys().trusted:
        issuer = local_issuer(key)
        name = key.algorithm.lower()
        book.good("V2", f"kit-v1-{name}", issuer.mint(azp=PARTY, fullName="Ada L."),
                  claims={"fullName": "Ada L."}, auth={"session_id": "sess_1"})  # fmt: skip
        org = {"id": "org_1", "slg": "acme", "rol": "member", "per": "read", "fpm": "1"}
        book.good("V22", f"kit-v2-{name}", issuer.mint_v2(azp=PARTY, org=org, fea="o:teams"),
                  auth={"org_id": "org_1", "org_role": "org:member", "session_status": "active",
                        "org_permissions": ("org:teams:read",)})  # fmt: skip
        book.bad("V13", f"kit-expired-{name}", issuer.mint(azp=PARTY, lifetime=-60),
                 "token-expired")  # fmt: skip
        book.bad("V16", f"kit-no-azp-{name}", issuer.mint(), "token-invalid-authorized-parties")
        book.bad("V8", f"kit-template-{name}", issuer.mint_template(azp=PARTY),
                 "token-type-mismatch")  # fmt: skip
        book.bad("V8", f"kit-machine-{name}", issuer.mint_machine(azp=PARTY), "token-type-mismatch")
        stranger = LocalIssuer(ISSUER, clock=FrozenClock(float(NOW)), key=Key.make(
            "x", key.algorithm).private)  # fmt: skip
        book.bad("V4", f"kit-strange-key-{name}", stranger.mint(azp=PARTY), "jwk-kid-mismatch")
    book.good("V15", "kit-pem", local_issuer(keys().rsa).mint(azp=PARTY),
              settings={"jwks": None, "jwt_key": local_issuer(keys().rsa).public_pem()}
              )  # fmt: skip
    rotated = local_issuer(keys().rsa)
    before = rotated.mint(azp=PARTY)
    _ = rotated.rotate(keep=True, kid="rsa-next")
    book.good("V4", "kit-kept-key", before, settings={"jwks": rotated.jwks()})
    book.good("V4", "kit-next-key", rotated.mint(azp=PARTY), settings={"jwks": rotated.jwks()})
    rotated.retire("rsa-1")
    book.bad("V4", "kit-retired-key", before, "jwk-kid-mismatch",
             settings={"jwks": rotated.jwks()})  # fmt: skip
    clerk = {"issuer": None, "clerk_publishable_key": CLERK_KEY}
    book.good("V15", "issuer-from-publishable-key", mint(iss=CLERK_ISSUER), settings=clerk,
              auth={"issuer": CLERK_ISSUER})  # fmt: skip
    for name, iss in {"slash": CLERK_ISSUER + "/", "http": "http://clerk.clerk.dev",
                      "other": ISSUER, "bare": "clerk.clerk.dev"}.items():  # fmt: skip
        book.bad("V15", f"publishable-key-iss-{name}", mint(iss=iss), "token-invalid-issuer",
                 settings=clerk)  # fmt: skip


PARTS = (plain, from_the_kit)
