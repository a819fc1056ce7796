"""Cases about the protected header: alg, keys named in it, kid, crit and its kin, typ.

Rows V2 to V8. The signatures are good unless the attacker has only his own key.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import zlib
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import NameOID

from .forge import (
    GONE,
    Book,
    Key,
    b64,
    claims,
    compact,
    header,
    join,
    keys,
    mint,
)

ALG = "token-invalid-algorithm"
SIGNATURE = "token-invalid-signature"
SHAPE = "token-invalid"
KID = "jwk-kid-mismatch"
TYPE = "token-type-mismatch"
DIGESTS = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def _signed_by(head: dict[str, Any], sign: Any) -> str:
    text = f"{b64(compact(head))}.{b64(compact(claims()))}"
    return f"{text}.{b64(sign(text.encode()))}"


def _certificate(key: Key) -> str:
    """A self-signed certificate of the attacker, as `x5c` holds it (padded base64)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.example")])
    start = datetime.datetime(2026, 1, 1)  # naive means UTC here
    made = (
        x509.CertificateBuilder(name, name, key.private.public_key(), 1, start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .sign(key.private, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def _without_alg() -> dict[str, Any]:
    return {"jwks": {"keys": [key.jwk(alg=GONE, use=GONE) for key in keys().trusted]}}


def algorithms(book: Book) -> None:
    rsa, ec, ed = keys().trusted
    for name, value in {
        "none": "none", "none-title": "None", "none-upper": "NONE", "none-mixed": "nOnE",
        "none-blank": "none ", "empty": "", "lower": "rs256", "mixed": "Rs256",
        "blank-after": "RS256 ", "blank-before": " RS256", "newline": "RS256\n",
        "nul": "RS256\0", "nul-tail": "RS256\0none", "cyrillic": "RЅ256", "fullwidth": "ＲS256",
        "comma-list": "RS256,none", "es256k": "ES256K", "es384": "ES384", "es512": "ES512",
        "ed448": "Ed448", "eddsa-lower": "eddsa", "rsa-oaep": "RSA-OAEP", "dir": "dir",
        "oid": "1.2.840.113549.1.1.11", "xmldsig": "SHA256withRSA",
        "null": None, "zero": 0, "number": 256, "fraction": 256.0, "true": True,
        "false": False, "list": ["RS256"], "two-in-a-list": ["RS256", "none"],
        "object": {"alg": "RS256"}, "empty-list": [], "nested": [["RS256"]],
        "proto": "__proto__", "dunder": "__class__",
    }.items():  # fmt: skip
        book.bad("V2", f"alg-{name}", mint(head={"alg": value}), ALG)
    book.bad("V2", "alg-absent", mint(head={"alg": GONE}), ALG)
    book.bad("V2", "alg-in-capitals", mint(head={"alg": GONE, "ALG": "RS256"}), ALG)
    book.bad("V2", "alg-in-payload-only", mint(head={"alg": GONE}, alg="RS256"), ALG)
    for bits in ("384", "512"):
        book.bad(
            "V2",
            f"rs{bits}-well-signed",
            _signed_by(
                header(rsa, alg=f"RS{bits}"),
                lambda data, bits=bits: rsa.private.sign(data, padding.PKCS1v15(), DIGESTS[bits]),
            ),
            ALG,
        )
    for bits, digest in DIGESTS.items():
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        book.bad(
            "V2",
            f"ps{bits}-well-signed",
            _signed_by(
                header(rsa, alg=f"PS{bits}"),
                lambda data, pss=pss, digest=digest: rsa.private.sign(data, pss, digest),
            ),
            ALG,
        )
    only = {"algorithms": ["ES256"]}
    book.bad("V1", "rs256-not-configured", mint(), ALG, settings=only)
    book.good("V1", "es256-alone-configured", mint(ec), settings=only)
    book.bad("V1", "eddsa-not-configured", mint(ed), ALG, settings={"algorithms": ["RS256"]})
    book.bad("V1", "ed25519-not-configured", mint(ed, head={"alg": "Ed25519"}), ALG, settings=only)


def hmac_confusion(book: Book) -> None:
    rsa, ec, ed = keys().trusted
    der = rsa.private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secrets = {
        "pem": rsa.pem().encode(),
        "pem-stripped": rsa.pem().strip().encode(),
        "pem-one-line": "".join(rsa.pem().split("\n")[1:-2]).encode(),
        "pem-crlf": rsa.pem().replace("\n", "\r\n").encode(),
        "der": der,
        "jwk": compact(rsa.jwk()),
        "modulus": rsa.jwk()["n"].encode(),
        "empty": b"",
        "kid": b"rsa-1",
        "word": b"secret",
    }
    for name, secret in secrets.items():
        token = _signed_by(
            header(rsa, alg="HS256"),
            lambda data, secret=secret: hmac.digest(secret, data, "sha256"),
        )
        book.bad("V3", f"hs256-keyed-with-{name}", token, ALG)
    for bits in ("384", "512"):
        token = _signed_by(
            header(rsa, alg=f"HS{bits}"),
            lambda data, bits=bits: hmac.digest(rsa.pem().encode(), data, f"sha{bits}"),
        )
        book.bad("V3", f"hs{bits}-keyed-with-pem", token, ALG)
    for key in (rsa, ec, ed):
        token = _signed_by(
            header(key), lambda data, key=key: hmac.digest(key.pem().encode(), data, "sha256")
        )
        book.bad("V3", f"hmac-called-{key.algorithm}", token, SIGNATURE)
    pem = {"jwks": None, "jwt_key": rsa.pem()}
    token = _signed_by(
        header(rsa, alg="HS256"), lambda data: hmac.digest(rsa.pem().encode(), data, "sha256")
    )
    book.bad("V3", "hs256-in-pem-mode", token, ALG, settings=pem)
    oct_jwk = {"kty": "oct", "k": b64(b"k" * 32), "alg": "HS256", "kid": "own"}
    token = _signed_by(
        {"alg": "HS256", "kid": "own", "jwk": oct_jwk},
        lambda data: hmac.digest(b"k" * 32, data, "sha256"),
    )
    book.bad("V3", "hs256-with-its-own-jwk", token, ALG)
    token = _signed_by({"alg": "none", "kid": "rsa-1"}, lambda data: hashlib.sha256(data).digest())
    book.bad("V2", "none-with-a-digest", token, ALG)


def binding(book: Book) -> None:
    trusted = keys().trusted
    for named in trusted:
        for signer in trusted:
            if named is signer:
                continue
            # The header names one key; alg and signature are another's.
            head = header(signer, kid=named.kid)
            name = f"{signer.algorithm}-under-{named.kid}"
            note = "both algorithms are allowed; this key does not sign with that one"
            book.bad("V4", name, join(signer, head, claims()), SIGNATURE, note=note)
            book.bad("V4", f"{name}-no-jwk-alg", join(signer, head, claims()), SIGNATURE,
                     settings=_without_alg(), note=note)  # fmt: skip
            # The named key signed, under the name of another algorithm.
            head = header(named, alg=signer.algorithm)
            name = f"{named.kid}-calls-itself-{signer.algorithm}"
            book.bad("V4", name, join(named, head, claims()), SIGNATURE, note=note)
            book.bad("V4", f"{name}-no-jwk-alg", join(named, head, claims()), SIGNATURE,
                     settings=_without_alg(), note=note)  # fmt: skip
            book.bad("V4", f"{name}-by-pem", join(named, head, claims()), SIGNATURE,
                     settings={"jwks": None, "jwt_key": named.pem()}, note=note)  # fmt: skip
            # alg and kid agree; the signature is of another kind.
            token = join(signer, header(named), claims())
            book.bad("V4", f"{named.kid}-signed-with-{signer.algorithm}", token, SIGNATURE)
    for key in trusted:
        book.good("V4", f"{key.kid}-no-jwk-alg", mint(key), settings=_without_alg())
        pem = {"jwks": None, "jwt_key": key.pem()}
        book.good("V4", f"{key.kid}-by-pem", mint(key), settings=pem)
        book.good("V4", f"{key.kid}-by-pem-no-kid", mint(key, head={"kid": GONE}), settings=pem)
        book.bad("V4", f"{key.kid}-by-other-pem", mint(key), SIGNATURE,
                 settings={"jwks": None, "jwt_key": Key.make("x", key.algorithm).pem()}
                 )  # fmt: skip
    rsa, ec, _ = trusted
    book.bad("V4", "es256-by-rsa-pem", mint(ec), SIGNATURE,
             settings={"jwks": None, "jwt_key": rsa.pem()})  # fmt: skip


def embedded_keys(book: Book) -> None:
    rsa = keys().rsa
    evil = keys().bad_rsa
    url = "https://attacker.example/keys.json"
    offers: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": evil.jwk()},
        "jwk-same-kid": {"jwk": evil.jwk(kid="rsa-1")},
        "jku": {"jku": url},
        "jku-loopback": {"jku": "http://127.0.0.1:9/jwks.json"},
        "jku-metadata": {"jku": "http://169.254.169.254/latest/meta-data"},
        "jku-file": {"jku": "file:///etc/passwd"},
        "jku-issuer-prefix": {"jku": "https://issuer.example@attacker.example/"},
        "x5u": {"x5u": url},
        "x5c": {"x5c": [_certificate(evil)]},
        "x5c-text": {"x5c": _certificate(evil)},
        "x5t": {"x5t": b64(hashlib.sha1(b"evil", usedforsecurity=False).digest())},
        "all": {"jwk": evil.jwk(), "jku": url, "x5u": url, "x5c": [_certificate(evil)]},
    }
    for name, members in offers.items():
        token = join(evil, header(rsa, **members), claims())
        book.bad("V5", f"{name}-under-trusted-kid", token, SIGNATURE)
        token = join(evil, header(evil, **members), claims())
        book.bad("V5", f"{name}-under-own-kid", token, KID)
    for name, members in {
        "x5t-ignored": {"x5t": "AAAA", "x5t#S256": b64(b"x" * 32)},
        "jku-ignored": {"jku": url},
        "jwk-ignored": {"jwk": evil.jwk()},
        "x5u-and-x5c-ignored": {"x5u": url, "x5c": [_certificate(evil)]},
        "odd-types-ignored": {"jku": 5, "jwk": None, "x5c": {"a": 1}, "x5t": []},
    }.items():
        book.good("V5", name, mint(head=members), claims={"sub": "user_1"})
    ec, ed = keys().bad_ec, keys().bad_ed
    book.bad("V5", "es256-jwk", join(ec, header(keys().ec, jwk=ec.jwk()), claims()), SIGNATURE)
    book.bad("V5", "eddsa-jwk", join(ed, header(keys().ed, jwk=ed.jwk()), claims()), SIGNATURE)
    forged = join(evil, header(evil, iss="https://issuer.example"), claims())
    book.bad("V5", "iss-in-header", forged, KID)


def kids(book: Book) -> None:
    for name, value in {
        "number": 1, "fraction": 1.5, "null": None, "true": True, "list": ["rsa-1"],
        "object": {"kid": "rsa-1"}, "257-long": "k" * 257, "7000-long": "k" * 4000,
        "crlf": "rsa-1\r\nX-Evil: 1", "lf-after": "rsa-1\n", "nul": "rsa-1\0", "tab": "rsa\t1",
        "delete": "rsa-1\x7f", "escape": "\x1b[2J", "cyrillic": "rѕa-1", "accent": "clé",
        "fullwidth": "ｒsa-1", "bidi": "\u202e1-asr", "no-break-space": "rsa-1\u00a0",
    }.items():  # fmt: skip
        book.bad("V6", f"kid-{name}", mint(head={"kid": value}), SHAPE)
    book.bad("V6", "kid-empty", mint(head={"kid": ""}), SHAPE, note="an empty name names no key")
    for name, value in {
        "256-unknown": "k" * 256, "path": "../../../../dev/null", "sql": "x' UNION SELECT 'k';--",
        "drop-table": "'; DROP TABLE keys;--", "blank-after": "rsa-1 ", "blank-before": " rsa-1",
        "upper": "RSA-1", "prefix": "rsa-", "longer": "rsa-11", "comma": "rsa-1,ec-1",
        "format": "%s%n{0.__class__}", "file-url": "file:///etc/passwd",
        "url": "http://127.0.0.1:9/key", "proto": "__proto__", "keys": "keys", "star": "*",
        "zero": "0", "thumbprint": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        "shell": "$(touch /tmp/x)|`id`", "ldap": "*)(uid=*", "windows": "..\\..\\nul",
    }.items():  # fmt: skip
        book.bad("V6", f"kid-{name}", mint(head={"kid": value}), KID)
    rsa = keys().rsa
    for name, kid in {
        "256-long": "k" * 256,
        "one-letter": "k",
        "blanks-inside": "a kid with blanks ",
        "all-printable": "".join(map(chr, range(0x20, 0x7F))),
        "clerk": "ins_2abcDEF",
        "path-like": "../../keys/1",
        "number-like": "1",
    }.items():
        key = Key(kid, "RS256", rsa.private)
        book.good("V6", f"kid-known-{name}", mint(key), settings={"jwks": {"keys": [key.jwk()]}})
    book.good("V6", "kid-absent-one-key-fits", mint(head={"kid": GONE}),
              note="optional in RFC 7515; taken when one key of the set has the algorithm"
              )  # fmt: skip
    two = {"jwks": {"keys": [rsa.jwk(), Key.make("rsa-2", "RS256").jwk()]}}
    book.bad("V6", "kid-absent-two-keys-fit", mint(head={"kid": GONE}), KID, settings=two,
             note="no guessing between keys")  # fmt: skip
    book.bad("V6", "kid-in-capitals", mint(head={"kid": GONE, "KID": "rsa-1"}), KID, settings=two)


def extensions(book: Book) -> None:
    for name, value in {
        "exp": ["exp"], "unknown": ["http://example.com/UNDEFINED"], "b64": ["b64"], "empty": [],
        "string": "exp", "null": None, "zero": 0, "kid": ["kid"], "alg": ["alg"], "false": False,
        "object": {}, "twice": ["exp", "exp"], "numbers": [1],
    }.items():  # fmt: skip
        book.bad("V7", f"crit-{name}", mint(head={"crit": value, "exp": 1}), SHAPE)
    for name, value in {"true": True, "false": False}.items():
        book.bad("V7", f"b64-{name}", mint(head={"b64": value}), SHAPE)
        book.bad("V7", f"b64-{name}-crit", mint(head={"b64": value, "crit": ["b64"]}), SHAPE)
    for name, value in {"null": None, "text": "false", "zero": 0}.items():
        book.bad("V7", f"b64-{name}", mint(head={"b64": value}), SHAPE,
                 note="no boolean, but it still wants another reading of the payload")  # fmt: skip
    rsa = keys().rsa
    head = {"alg": "RS256", "kid": "rsa-1", "b64": False, "crit": ["b64"]}
    text = f"{b64(compact(head))}.{compact(claims()).decode()}"
    unencoded = f"{text}.{b64(rsa.sign(text.encode()))}"
    book.bad("V7", "b64-payload-unencoded", unencoded, SHAPE)
    for name, value in {"def": "DEF", "none": "none", "null": None, "gzip": "GZIP"}.items():
        book.bad("V7", f"zip-{name}", mint(head={"zip": value}), SHAPE)
    deflated = zlib.compress(compact(claims()))[2:-4]
    book.bad("V7", "zip-deflated", join(rsa, header(rsa, zip="DEF"), deflated), SHAPE)
    bomb = zlib.compress(b" " * 3_000_000 + compact(claims()), 9)[2:-4]
    book.bad("V7", "zip-bomb", join(rsa, header(rsa, zip="DEF"), bomb), SHAPE)
    for value in ("JWT", "jwt", "application/jwt", "JWE"):
        book.bad("V7", f"cty-{value.replace('/', '-')}", mint(head={"cty": value}), SHAPE)
    nested = mint().encode()
    book.bad("V7", "nested-with-cty", join(rsa, header(rsa, cty="JWT"), nested), SHAPE)
    book.bad("V7", "nested-without-cty", join(rsa, header(rsa), nested), SHAPE)
    book.bad("V7", "nested-as-string", join(rsa, header(rsa), nested.decode()), SHAPE)
    book.bad("V2", "pbes2-count", mint(head={"alg": "PBES2-HS256+A128KW", "p2c": 10**9}), ALG)


def types(book: Book) -> None:
    for name, value in {
        "at-jwt": "at+jwt", "application-at-jwt": "application/at+jwt", "at-jwt-upper": "AT+JWT",
        "blank-after": "JWT ", "blank-before": " JWT", "empty": "", "jose": "JOSE",
        "jose-json": "JOSE+JSON", "jwe": "JWE", "dpop": "dpop+jwt", "secevent": "secevent+jwt",
        "logout": "logout+jwt", "entity": "entity-statement+jwt", "sd": "sd+jwt",
        "with-charset": "application/jwt; charset=utf-8", "text-jwt": "text/jwt",
        "doubled": "application/application/jwt", "id-token": "ID", "refresh": "refresh",
        "m2m": "M2M+JWT", "nul": "JWT\0", "cyrillic": "ЈWT", "slash": "/jwt",
        "dotless-i": "applıcation/jwt",
        "null": None, "number": 1, "true": True, "list": ["JWT"], "empty-list": [], "object": {},
    }.items():  # fmt: skip
        book.bad("V8", f"typ-{name}", mint(head={"typ": value}), TYPE)
    for name, value in {
        "absent": GONE, "upper": "JWT", "lower": "jwt", "mixed": "jWt",
        "media-type": "application/jwt", "media-type-upper": "APPLICATION/JWT",
        "media-type-mixed": "application/JWT",
    }.items():  # fmt: skip
        book.good("V8", f"typ-{name}", mint(head={"typ": value}), claims={"sub": "user_1"})


PARTS = (algorithms, hmac_confusion, binding, embedded_keys, kids, extensions, types)
