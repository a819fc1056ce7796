"""Cases about the text of a token: size, type, alphabet, segments, canonical base64url.

Rows V9, V10, V12, V20 and the shapes of V7. Where a text is not the compact form of anything,
its signature (if it can have one) is good all the same, so that only the rule refuses it.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from typing import Any

from .forge import (
    PARTY,
    Book,
    Key,
    b64,
    claims,
    compact,
    header,
    join,
    keys,
    mint,
    signed_text,
    unb64,
)

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
SHAPE = "token-invalid"


def of_length(length: int, key: Key | None = None) -> str:
    """A good token of exactly `length` characters."""
    signer = key or keys().rsa
    for filler in range(4):
        head = header(signer, x="a" * filler)
        spare = length - len(join(signer, head, claims(pad="")))
        for size in range(max(0, spare * 3 // 4 - 3), spare * 3 // 4 + 3):
            token = join(signer, head, claims(pad="p" * size))
            if len(token) == length:
                return token
    raise AssertionError(f"no token of {length} characters")


def loose_spellings(key: Key, part: int, count: int) -> Iterator[str]:
    """Texts that decode to the same bytes as a good token but are not its canonical spelling.

    The header and payload spellings are signed as they stand.
    """
    for filler in range(3):
        head, payload = header(key, x="h" * filler), claims(x="p" * filler)
        segments = [b64(compact(head)), b64(compact(payload))]
        if part == 2:
            segments.append(b64(key.sign(".".join(segments).encode())))
        text = segments[part]
        if len(text) % 4 in (0, 1):
            continue
        raw = unb64(text)
        others = [text[:-1] + last for last in ALPHABET if last != text[-1]]
        loose = [other for other in others if unb64(other) == raw]
        for other in loose[:count]:
            segments[part] = other
            if part == 2:
                yield ".".join(segments)
            else:
                yield signed_text(key, ".".join(segments))
        return


class Text(str):
    """A subclass of str: its methods could answer anything."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1


class _Shouts:
    def __str__(self) -> str:
        raise RuntimeError("asked for its text")

    __repr__ = __str__


class _Pretends:
    def __init__(self, token: str) -> None:
        self.token = token

    def __str__(self) -> str:
        return self.token


class _Hostile:
    """Every question about it raises."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return type.__getattribute__(_Hostile, "__base__")
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")

    def __hash__(self) -> int:
        raise RuntimeError("hashed")

    def __len__(self) -> int:
        raise RuntimeError("measured")

    def __bool__(self) -> bool:
        raise RuntimeError("tested")


def alphabet(book: Book) -> None:
    good = mint()
    h, p, s = good.split(".")
    mid = len(p) // 2
    for name, mark in {
        "blank": " ",
        "tab": "\t",
        "lf": "\n",
        "crlf": "\r\n",
        "nul": "\0",
        "vertical-tab": "\v",
        "no-break-space": "\u00a0",
        "zero-width-space": "\u200b",
        "bom": "\ufeff",
        "line-separator": "\u2028",
        "lone-surrogate": "\udc80",
        "emoji": "\U0001f600",
        "equals": "=",
        "two-equals": "==",
        "percent-3d": "%3D",
        "comma": ",",
        "semicolon": ";",
        "quote": '"',
        "backslash": "\\",
        "tilde": "~",
        "escape": "\x1b[31m",
    }.items():
        book.bad("V9", f"{name}-before", mark + good, SHAPE)
        book.bad("V9", f"{name}-after", good + mark, SHAPE)
        book.bad("V9", f"{name}-in-payload", f"{h}.{p[:mid]}{mark}{p[mid:]}.{s}", SHAPE)
    for name, text in {
        "padded-header": f"{h}=.{p}.{s}",
        "padded-payload": f"{h}.{p}=.{s}",
        "padded-to-four": f"{h}.{p}.{s}{'=' * (-len(s) % 4)}",
        "blank-around-dots": f"{h} . {p} . {s}",
        "newline-at-76": "\n".join(good[at : at + 76] for at in range(0, len(good), 76)),
        "percent-dot": good.replace(".", "%2E"),
        "percent-letter": f"%{ord(good[0]):02X}{good[1:]}",
        "fullwidth-dots": good.replace(".", "．"),
        "ideographic-dots": good.replace(".", "。"),
        "cyrillic-letter": good.replace("e", "е", 1),
        "fullwidth-letter": chr(ord(good[0]) + 0xFEE0) + good[1:],
        "arabic-digit": f"{h}.{p}.{s}٣",
        "quoted": f'"{good}"',
        "with-scheme": f"Bearer {good}",
        "two-tokens": f"{good} {good}",
        "two-tokens-comma": f"{good},{good}",
        "utf8-as-latin1": good + "Ã©",
        "cookie-tail": f"{good}; Path=/",
        "json-string": json.dumps(good),
    }.items():
        book.bad("V9", name, text, SHAPE)
    for name, plain, url in (("plus", "+", "-"), ("slash", "/", "_")):
        key = keys().ed
        for part in range(3):
            token = next(
                t
                for t in (mint(key, head={"x": "???>>>"}, x=f"???>>>{n}") for n in range(2000))
                if url in t.split(".")[part]
            )
            segments = token.split(".")
            segments[part] = segments[part].replace(url, plain)
            book.bad("V9", f"standard-alphabet-{name}-in-{part}", ".".join(segments), SHAPE)


def segments(book: Book) -> None:
    good = mint()
    h, p, s = good.split(".")
    unsigned = b64(compact({"alg": "none", "typ": "JWT"}))
    for name, text in {
        "empty": "",
        "one-dot": ".",
        "two-dots": "..",
        "three-dots": "...",
        "word": "a",
        "two-words": "a.b",
        "three-words": "a.b.c",
        "header-only": h,
        "no-signature": f"{h}.{p}",
        "empty-signature": f"{h}.{p}.",
        "empty-payload": f"{h}..{s}",
        "empty-header": f".{p}.{s}",
        "dot-before": f".{good}",
        "dot-after": f"{good}.",
        "double-dot": f"{h}..{p}.{s}",
        "four-segments": f"{good}.{s}",
        "five-segments": f"{h}.{p}.{s}.{p}.{s}",
        "six-segments": f"{h}.{p}.{s}.{h}.{p}.{s}",
        "none-unsigned": f"{unsigned}.{p}.",
        "none-two-segments": f"{unsigned}.{p}",
        "dashes": "-.-.-",
        "underscores": "____.____.____",
    }.items():
        book.bad("V9", name, text, SHAPE)
    jwe = b64(compact({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": "rsa-1"}))
    book.bad("V7", "jwe-compact", f"{jwe}.{b64(b'k' * 256)}.{b64(b'i' * 12)}.{p}.{s}", SHAPE)
    book.bad("V7", "jwe-direct", f"{jwe}..{b64(b'i' * 12)}.{p}.{b64(b't' * 16)}", SHAPE)
    book.bad(
        "V7",
        "json-flattened",
        json.dumps({"protected": h, "payload": p, "signature": s}),
        SHAPE,
    )
    book.bad(
        "V7",
        "json-general",
        json.dumps({"payload": p, "signatures": [{"protected": h, "signature": s}]}),
        SHAPE,
    )
    book.bad(
        "V7",
        "json-and-compact-mix",
        f'{{"protected":"{h}","payload":"{p}","signature":"{s}"}}.{p}.{s}',
        SHAPE,
    )
    detached = b64(compact({"alg": "RS256", "kid": "rsa-1"}))
    signature = keys().rsa.sign(f"{detached}.{p}".encode())
    book.bad("V7", "detached-payload", f"{detached}..{b64(signature)}", SHAPE)
    book.bad("V9", "empty-payload-well-signed", signed_text(keys().rsa, f"{detached}."), SHAPE)
    for prefix in ("ak_", "mt_", "oat_"):
        book.bad("V9", f"opaque-{prefix}token", prefix + "x" * 40, "token-type-mismatch")
    book.bad("V9", "secret-key", "sk_test_" + "x" * 40, SHAPE)


def base64url(book: Book) -> None:
    names = ("header", "payload", "signature")
    signers = {"rsa": keys().rsa, "ec": keys().ec, "ed": keys().ed}
    for signer, key in signers.items():
        for part, name in enumerate(names):
            for number, text in enumerate(loose_spellings(key, part, 2 if signer == "rsa" else 1)):
                book.bad("V10", f"loose-{name}-{signer}-{number}", text, SHAPE)
    key = keys().rsa
    h, p = b64(compact(header(key))), b64(compact(claims()))
    for name, text in {
        "header-4n-plus-1": f"{h}{'A' * ((1 - len(h)) % 4)}.{p}",
        "payload-4n-plus-1": f"{h}.{p}{'A' * ((1 - len(p)) % 4)}",
    }.items():
        assert any(len(part) % 4 == 1 for part in text.split("."))
        book.bad("V10", name, signed_text(key, text), SHAPE)
    signature = b64(key.sign(f"{h}.{p}".encode()))
    short = signature[: len(signature) - (len(signature) - 1) % 4]
    book.bad("V10", "signature-4n-plus-1", f"{h}.{p}.{short}", SHAPE)


def sizes(book: Book) -> None:
    book.good("V12", "8192-exactly", of_length(8192), claims={"sub": "user_1"})
    book.good("V12", "8191", of_length(8191))
    book.bad("V12", "8193", of_length(8193), "token-too-large")
    book.bad("V12", "20000", of_length(20_000), "token-too-large")
    book.bad("V12", "1-million-letters", "A" * 1_000_000, "token-too-large")
    book.bad("V12", "1-million-dots", "." * 1_000_000, "token-too-large")
    book.bad("V12", "50-million-letters", "A" * 50_000_000, "token-too-large")
    book.bad("V12", "8193-non-ascii", "é" * 8193, "token-too-large")
    book.bad("V12", "8192-non-ascii", "é" * 8192, SHAPE)
    book.bad("V12", "8192-dots", "." * 8192, SHAPE)
    book.bad("V12", "8192-letters", "A" * 8192, SHAPE)
    book.bad("V12", "8192-letters-in-three", f"{'A' * 8000}.{'A' * 95}.{'A' * 95}", SHAPE)
    low = {"max_token_length": 1000}
    book.good("V12", "own-limit-exactly", of_length(1000), settings=low)
    book.bad("V12", "own-limit-passed", of_length(1001), "token-too-large", settings=low)
    book.good("V12", "raised-limit", of_length(9000), settings={"max_token_length": 10_000})


def python_types(book: Book) -> None:
    good = mint()
    for name, value in {
        "none": None,
        "bytes": good.encode(),
        "bytearray": bytearray(good.encode()),
        "memoryview": memoryview(good.encode()),
        "zero": 0,
        "one": 1,
        "nan": float("nan"),
        "huge-int": 10**5000,
        "true": True,
        "ellipsis": ...,
        "list": [good],
        "segments-list": good.split("."),
        "tuple": (good,),
        "dict": {"token": good},
        "claims-dict": claims(),
        "set": {good},
        "object": object(),
        "type": str,
        "function": mint,
        "generator": (letter for letter in good),
        "str-subclass": Text(good),
        "str-raises": _Shouts(),
        "str-gives-token": _Pretends(good),
        "everything-raises": _Hostile(),
        "exception": ValueError(good),
    }.items():
        book.bad("V20", f"python-{name}", value, SHAPE)
    book.bad("V20", "text-of-none", "None", SHAPE)
    book.bad("V20", "text-null", "null", SHAPE)
    book.bad("V20", "text-undefined", "undefined", SHAPE)
    book.bad("V20", "party-as-token", PARTY, SHAPE)


PARTS = (alphabet, segments, base64url, sizes, python_types)
