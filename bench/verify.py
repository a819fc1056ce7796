"""What verifying one token costs: the floors, this library, and its peers, in the same rounds."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import common
import peers
from common import ISSUER, PARTY, Case, KeyServer, Signer, Spread, claims, each
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

FLOOR = "one RSA-2048 verify"
COLUMNS = ("sig", "exp", "nbf", "iss", "azp", "none", "kid")


@dataclass
class Subject:
    """A verifier: `accept(token)` is timed as it is; it refuses by raising or a false value."""

    name: str
    accept: peers.Accept
    signer: Signer
    extra: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    ours: bool = False

    def refusals(self) -> str:
        """Proves it: the good token passes; a column for each bad one, `-` where it got in."""
        good = self.signer.token(claims(**self.extra), **self.header)
        if not self.accepts(good):
            raise SystemExit(f"{self.name} refuses the good token")
        bad = common.hostile(self.signer, self.extra, **self.header)
        passed = [name for name in COLUMNS if self.accepts(bad[name])]
        if (self.ours and passed) or "sig" in passed or "none" in passed:
            raise SystemExit(f"{self.name} lets in: {' '.join(passed)}")
        return " ".join("-" if name in passed else name for name in COLUMNS)

    def accepts(self, token: str) -> bool:
        try:
            return bool(self.accept(token))
        except Exception:  # Peers refuse with exceptions of every family.
            return False

    def case(self) -> Case:
        token = self.signer.token(claims(**self.extra), **self.header)
        return Case(self.name, each(partial(self.accept, token)))


def floors(signer: Signer, es: Signer, ed: Signer) -> list[Case]:
    """What no verifier can go below, done by hand without any check of what came."""
    token = signer.token(claims())
    signing, signature = token.rsplit(".", 1)
    data, pad, digest = signing.encode(), padding.PKCS1v15(), hashes.SHA256()
    raw = base64.urlsafe_b64decode(signature + "==")
    known = {hashlib.sha256(token.encode()).digest(): int(time.time()) + 36_000}

    def hit() -> object:
        return known[hashlib.sha256(token.encode()).digest()] > time.time()

    es_data, es_raw = b"x" * 700, es.signature(b"x" * 700)
    der = encode_dss_signature(*(int.from_bytes(es_raw[at : at + 32], "big") for at in (0, 32)))
    curve, ed_raw = ec.ECDSA(hashes.SHA256()), ed.signature(es_data)
    return [
        Case(FLOOR, each(lambda: signer.public.verify(raw, data, pad, digest))),
        Case("one P-256 verify", each(lambda: es.public.verify(der, es_data, curve))),
        Case("one Ed25519 verify", each(lambda: ed.public.verify(ed_raw, es_data))),
        Case("floor: split, base64, RSA, json", each(partial(signer.open, token))),
        Case("floor: sha256, look-up, exp", each(hit)),
    ]


def settings(signer: Signer, **changes: Any) -> Any:
    from flask_session_claims import VerifierSettings

    return VerifierSettings(issuer=ISSUER, jwks=signer.jwks, authorized_parties=(PARTY,), **changes)


def ours(signer: Signer, es: Signer, ed: Signer) -> list[Subject]:
    from flask_session_claims import Verifier, credentials_from

    def authenticate(size: int) -> peers.Accept:
        given = settings(signer, token_cache_size=size)
        verifier = Verifier(given)

        def accept(token: str) -> object:
            auth = verifier.authenticate(credentials_from(["Bearer " + token], [], given))
            return auth.is_authenticated and auth

        return accept

    def again(verify: Callable[[str], object]) -> peers.Accept:
        # A new str for each call, as each request brings one: no hash is remembered in it.
        return lambda token: verify(token[:9] + token[9:])

    cached = Verifier(settings(signer))
    prove_expiry(signer)
    rows = [
        Subject("ours: verify, verified again", again(cached.verify), signer),
        Subject("ours: authenticate, verified again", authenticate(10_000), signer),
        Subject("ours: authenticate, no cache", authenticate(0), signer),
    ]
    for key, name in ((signer, "no cache"), (es, "no cache, ES256"), (ed, "no cache, EdDSA")):
        verifier = Verifier(settings(key, token_cache_size=0))
        rows.append(Subject("ours: verify, " + name, verifier.verify, key))
    for row in rows:
        row.ours = True
    return rows


def prove_expiry(signer: Signer) -> None:
    """A token in the cache is refused once it has expired, and a second before it is not."""
    from flask_session_claims import TokenError, Verifier

    now = time.time()
    verifier = Verifier(settings(signer, leeway=5), clock=lambda: now)
    token = signer.token(claims(exp=int(now) + 60))
    verifier.verify(token)
    now += 60
    verifier.verify(token)
    now += 10
    try:
        verifier.verify(token)
    except TokenError as error:
        if error.code == "token-expired":
            return
    raise SystemExit("a cached token outlived its exp")


def others(signer: Signer, server: KeyServer) -> list[Subject]:
    peers.start_supertokens(server.base)
    peers.start_django()
    tokens: Any = {"extra": common.SUPERTOKENS, "header": {"version": "5"}}
    extended = peers.jwt_extended(signer)
    clerk = partial(peers.clerk_options, pem=signer.pem)
    return [
        Subject("authlib.jose, key set", peers.authlib(signer.jwks), signer),
        Subject("joserfc, key set", peers.joserfc(signer.jwks), signer),
        Subject("PyJWT decode, key object", peers.pyjwt(signer.public), signer),
        Subject("PyJWT decode, PEM text", peers.pyjwt(signer.pem), signer),
        Subject("PyJWKClient + decode", peers.pyjwt_client(server.url, lifespan=3600), signer),
        Subject("simplejwt TokenBackend", peers.simplejwt(signer.pem), signer, common.SIMPLEJWT),
        Subject("clerk verify_token, PEM", peers.clerk_verify(signer.pem), signer),
        Subject("clerk authenticate_request, PEM", peers.clerk_request(clerk()), signer),
        Subject(
            "clerk authenticate_request, JWKS cached",
            peers.clerk_request(peers.clerk_options(base=server.base)),
            signer,
        ),
        Subject("supertokens, access token check", peers.supertokens_check(), signer, **tokens),
        Subject("supertokens get_session", peers.supertokens_session(), signer, **tokens),
        Subject("flask-jwt-extended decode_token", extended, signer, common.JWT_EXTENDED),
    ]


def main() -> None:
    given = common.options(__doc__ or "")
    found = common.versions(
        "Flask-Session-Claims",
        "cryptography",
        "PyJWT",
        "joserfc",
        "Authlib",
        "clerk-backend-api",
        "supertokens-python",
        "Flask-JWT-Extended",
        "djangorestframework-simplejwt",
    )
    signer, es, ed = Signer(), Signer("ES256"), Signer("EdDSA")
    with KeyServer(signer.jwks) as server:
        subjects = [*ours(signer, es, ed), *others(signer, server)]
        refused = {subject.name: subject.refusals() for subject in subjects}
        cases = [*floors(signer, es, ed), *(subject.case() for subject in subjects)]
        cases = [case for case in cases if given.only in case.name or case.name == FLOOR]
        taken = common.measure(cases, given.rounds, given.sample)
    size = len(signer.token(claims()))
    common.table(
        f"Verifying one token of {size} characters ({given.rounds} rounds)",
        ["verifier", "µs: median (min..max)", "x RSA verify", "refuses"],
        [
            [
                name,
                Spread.of(values).text(),
                common.ratio(values, taken[FLOOR]).text(),
                refused.get(name, ""),
            ]
            for name, values in taken.items()
        ],
    )
    common.save(given.json, versions=found, rounds=taken, refuses=refused)


if __name__ == "__main__":
    main()
