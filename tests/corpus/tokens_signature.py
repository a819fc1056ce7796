"""Cases about the signature itself and about parts that do not belong together.

Rows V19 and V21. The payload is always a good one; only `malleated` is to be accepted, since
(r, n - s) is a second valid ECDSA signature of the same text.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from .forge import (
    ED25519_ORDER,
    ISSUER,
    P256_ORDER,
    Book,
    Key,
    b64,
    claims,
    compact,
    header,
    join,
    keys,
    mint,
    unb64,
)

BAD = "token-invalid-signature"
SHAPE = "token-invalid"


def _parts(token: str) -> tuple[str, bytes]:
    text, _, signature = token.rpartition(".")
    return text, unb64(signature)


def _with(text: str, signature: bytes) -> str:
    return f"{text}.{b64(signature)}"


def ecdsa(book: Book) -> None:
    key = keys().ec
    n = P256_ORDER
    text, raw = _parts(mint(key))
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")

    def pair(first: int, second: int) -> bytes:
        return first.to_bytes(32, "big") + second.to_bytes(32, "big")

    book.good("V21", "ecdsa-malleated", _with(text, pair(r, n - s)), claims={"sub": "user_1"})
    der = utils.encode_dss_signature(r, s)
    for name, signature in {
        "der": der,
        "der-malleated": utils.encode_dss_signature(r, n - s),
        "zeros": bytes(64),
        "r-zero": pair(0, s),
        "s-zero": pair(r, 0),
        "r-is-n": pair(n, s),
        "s-is-n": pair(r, n),
        "r-and-s-are-n": pair(n, n),
        "r-one-s-one": pair(1, 1),
        "r-n-minus-1": pair(n - 1, n - 1),
        "ones": b"\xff" * 64,
        "swapped": pair(s, r),
        "negated-r": pair(n - r, s),
        "little-endian": raw[:32][::-1] + raw[32:][::-1],
        "63-bytes": raw[:63],
        "62-bytes": raw[:31] + raw[32:63],
        "65-bytes-zero-before": b"\0" + raw,
        "65-bytes-zero-after": raw + b"\0",
        "66-bytes-both-padded": b"\0" + raw[:32] + b"\0" + raw[32:],
        "65-bytes-recovery-id": raw + b"\x1b",
        "96-bytes": pair(r, s) + bytes(32),
        "128-bytes": raw + raw,
        "32-bytes": raw[:32],
        "one-byte": b"\0",
        "hex": raw.hex().encode(),
        "compressed-point": b"\x02" + raw,
    }.items():
        book.bad("V19", f"ecdsa-{name}", _with(text, signature), BAD)
    for digest in (hashes.SHA384(), hashes.SHA512()):
        made = key.private.sign(text.encode(), ec.ECDSA(digest))
        raw_other = pair(*utils.decode_dss_signature(made))
        book.bad("V19", f"ecdsa-{digest.name}", _with(text, raw_other), BAD)
    # A number that begins with a zero byte must keep it.
    for _ in range(4000):
        token = mint(key)
        text, raw = _parts(token)
        if raw[0] == 0:
            book.good("V19", "ecdsa-r-begins-with-zero", token)
            book.bad("V19", "ecdsa-leading-zero-dropped", _with(text, raw[1:]), BAD)
            break


def rsa(book: Book) -> None:
    key = keys().rsa
    n = key.private.public_key().public_numbers().n
    text, raw = _parts(mint())
    value = int.from_bytes(raw, "big")
    for name, signature in {
        "255-bytes": raw[:-1],
        "255-bytes-front": raw[1:],
        "257-bytes-zero-before": b"\0" + raw,
        "257-bytes-zero-after": raw + b"\0",
        "512-bytes": raw + raw,
        "128-bytes": raw[:128],
        "one-byte": b"\x01",
        "zeros": bytes(256),
        "one": (1).to_bytes(256, "big"),
        "n": n.to_bytes(256, "big"),
        "n-minus-1": (n - 1).to_bytes(256, "big"),
        "n-minus-s": (n - value).to_bytes(256, "big"),
        "s-plus-n": (value + n).to_bytes(257, "big"),
        "ones": b"\xff" * 256,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
    }.items():
        book.bad("V19", f"rsa-{name}", _with(text, signature), BAD)
    sign: Any = key.private.sign
    data = text.encode()
    sha1 = hashes.SHA1()  # noqa: S303 (a digest that must not count)
    for digest in (sha1, hashes.SHA224(), hashes.SHA384(), hashes.SHA512(), hashes.SHA3_256()):
        made = sign(data, padding.PKCS1v15(), digest)
        book.bad("V19", f"rsa-pkcs1-{digest.name}", _with(text, made), BAD)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    book.bad("V19", "rsa-pss-called-rs256", _with(text, sign(data, pss, hashes.SHA256())), BAD)
    twice = sign(hashes_of(data), padding.PKCS1v15(), hashes.SHA256())
    book.bad("V19", "rsa-over-digest", _with(text, twice), BAD)
    d, e = key.private.private_numbers().d, 65537
    for name, block in _blocks(hashes_of(data)).items():
        forged = pow(int.from_bytes(block, "big"), d, n).to_bytes(256, "big")
        assert pow(int.from_bytes(forged, "big"), e, n).to_bytes(256, "big") == block
        book.bad("V19", f"rsa-block-{name}", _with(text, forged), BAD)
    for number in range(4000):
        token = mint(jti=f"jti_{number}")
        text, raw = _parts(token)
        if raw[0] == 0:
            book.good("V19", "rsa-begins-with-zero", token)
            book.bad("V19", "rsa-leading-zero-dropped", _with(text, raw[1:]), BAD)
            break


def hashes_of(data: bytes) -> bytes:
    made = hashes.Hash(hashes.SHA256())
    made.update(data)
    return made.finalize()


def _blocks(digest: bytes) -> dict[str, bytes]:
    """PKCS#1 v1.5 blocks that a lax parser takes (RFC 8017 §9.2 allows none of them)."""
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    no_null = bytes.fromhex("302f300b0609608648016503040201 0420".replace(" ", ""))
    full = info + digest

    def block(tail: bytes, front: bytes = b"\0\1", filler: bytes = b"\xff") -> bytes:
        return front + filler * (256 - len(front) - 1 - len(tail)) + b"\0" + tail

    short = b"\0\1" + b"\xff" * 8 + b"\0" + full
    return {
        "garbage-after": short + b"\x5a" * (256 - len(short)),
        "no-digest-info": block(digest),
        "no-null": block(no_null + digest),
        "type-2": block(full, front=b"\0\2", filler=b"\x55"),
        "type-0": block(full, front=b"\0\0", filler=b"\0"),
        "wrong-filler": block(full, filler=b"\xfe"),
        "filler-hole": block(full)[:100] + b"\xfe" + block(full)[101:],
        "sha512-info": block(bytes.fromhex("3051300d060960864801650304020305000440") + digest * 2),
    }


def ed25519(book: Book) -> None:
    key = keys().ed
    text, raw = _parts(mint(key))
    s = int.from_bytes(raw[32:], "little")
    identity = (1).to_bytes(32, "little")
    for name, signature in {
        "s-plus-order": raw[:32] + (s + ED25519_ORDER).to_bytes(32, "little"),
        "s-plus-2-orders": raw[:32] + (s + 2 * ED25519_ORDER).to_bytes(32, "little"),
        "s-is-order": raw[:32] + ED25519_ORDER.to_bytes(32, "little"),
        "s-zero": raw[:32] + bytes(32),
        "s-negated": raw[:32] + (ED25519_ORDER - s).to_bytes(32, "little"),
        "s-high-bit": raw[:63] + bytes([raw[63] | 0x80]),
        "r-identity-s-zero": identity + bytes(32),
        "r-changed": bytes([raw[0] ^ 1]) + raw[1:],
        "r-sign-flipped": raw[:31] + bytes([raw[31] ^ 0x80]) + raw[32:],
        "r-not-a-point": b"\xff" * 32 + raw[32:],
        "zeros": bytes(64),
        "ones": b"\xff" * 64,
        "swapped": raw[32:] + raw[:32],
        "63-bytes": raw[:63],
        "65-bytes": raw + b"\0",
        "65-bytes-front": b"\0" + raw,
        "128-bytes": raw + raw,
        "32-bytes": raw[:32],
        "114-bytes": raw + bytes(50),
        "prehashed": key.private.sign(hashes_of(text.encode())),
        "over-payload-only": key.private.sign(text.split(".")[1].encode()),
        "over-decoded": key.private.sign(compact(header(key)) + b"." + compact(claims())),
    }.items():
        book.bad("V19", f"ed25519-{name}", _with(text, signature), BAD)


def mixed_parts(book: Book) -> None:
    trusted, evil = keys().trusted, (keys().bad_rsa, keys().bad_ec, keys().bad_ed)
    for key, other in zip(trusted, evil, strict=True):
        name = key.algorithm.lower()
        token, second = mint(key), mint(key, sub="user_2", sid="sess_2")
        h, p, s = token.split(".")
        h2, p2, s2 = mint(key, head={"typ": "jwt"}).split(".")
        _, q, t = second.split(".")
        book.bad("V19", f"{name}-signature-of-another-token", f"{h}.{p}.{t}", BAD)
        book.bad("V19", f"{name}-payload-of-another-token", f"{h}.{q}.{s}", BAD)
        book.bad("V19", f"{name}-header-of-another-token", f"{h2}.{p}.{s}", BAD)
        book.bad("V19", f"{name}-same-payload-other-signature", f"{h}.{p2}.{s2}", BAD)
        book.bad("V19", f"{name}-attacker-key-trusted-kid", join(other, header(key), claims()), BAD)
        book.bad("V19", f"{name}-payload-as-signature", f"{h}.{p}.{p}", BAD)
        book.bad("V19", f"{name}-header-as-signature", f"{h}.{p}.{h}", BAD)
        book.bad("V19", f"{name}-payload-first", f"{p}.{h}.{s}", "token-invalid-algorithm")
        book.bad("V19", f"{name}-signature-in-the-middle", f"{h}.{s}.{p}", BAD)
        book.bad("V19", f"{name}-signature-first", f"{s}.{h}.{p}", SHAPE)
        raw = bytearray(unb64(s))
        for place in (0, len(raw) // 2, len(raw) - 1):
            flipped = bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
            book.bad("V19", f"{name}-bit-flipped-at-{place}", f"{h}.{p}.{b64(flipped)}", BAD)
        longer = compact(claims(exp=9_999_999_999))
        book.bad("V19", f"{name}-exp-edited", f"{h}.{b64(longer)}.{s}", BAD)
        admin = compact(claims(sub="user_admin", role="admin"))
        book.bad("V19", f"{name}-sub-edited", f"{h}.{b64(admin)}.{s}", BAD)
        reordered = compact(dict(reversed(list(claims().items()))))
        book.bad("V19", f"{name}-members-reordered", f"{h}.{b64(reordered)}.{s}", BAD)
        spaced = compact(claims()).replace(b",", b", ")
        book.bad("V19", f"{name}-blanks-added", f"{h}.{b64(spaced)}.{s}", BAD)
        book.bad("V19", f"{name}-payload-emptied", f"{h}.{b64(b'{}')}.{s}", BAD)
        book.bad("V19", f"{name}-payload-not-json-unsigned", f"{h}.{b64(b'x')}.{s}", BAD,
                 note="the payload is not looked at before the signature is good")  # fmt: skip
        book.bad(
            "V19",
            f"{name}-expired-and-forged",
            join(other, header(key), claims(exp=1)),
            BAD,
            note="no claim is judged before the signature",
        )
        book.bad("V19", f"{name}-foreign-and-forged", join(
            other, header(key), claims(iss="https://x.example")), BAD)  # fmt: skip
    other_issuer = Key("ins_1", "RS256", keys().bad_rsa.private)
    token = join(other_issuer, header(other_issuer), claims(iss="https://other.example"))
    book.bad("V15", "another-issuers-token", token, "jwk-kid-mismatch")
    token = join(other_issuer, header(keys().rsa), claims(iss=ISSUER))
    book.bad("V15", "another-issuers-key-our-iss", token, BAD)


PARTS = (ecdsa, rsa, ed25519, mixed_parts)
