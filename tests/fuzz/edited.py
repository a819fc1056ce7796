"""Target `token`: any text, and edits of good tokens; only the tokens that were minted pass."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from flask_session_claims import TokenError, Verifier, VerifierSettings, credentials_from
from flask_session_claims.testing import FrozenClock
from tests.corpus.forge import NOW, keys, mint, settings_of
from tests.corpus.harness import NoFetch, verifier
from tests.fuzz.inputs import Target, pick, text_of

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0\u00e9"
STEP = 4  # bytes of one edit
MAX_STEPS = 8


@cache
def minted() -> tuple[str, ...]:
    """Good tokens of every algorithm, and two of one key, so that parts can be exchanged."""
    rsa, ec, ed = keys().trusted
    return mint(rsa), mint(ec), mint(ed), mint(ed, sub="user_2", sid="sess_2")


@cache
def uncached() -> Verifier:
    settings = VerifierSettings(**settings_of({"token_cache_size": 0}))
    return Verifier(settings, clock=FrozenClock(float(NOW)), fetch=NoFetch())


def edit(text: str, step: bytes) -> str:
    """`text` after one edit; place and kind come from the four bytes."""
    kind, high, low, extra = step
    at = (high * 256 + low) % (len(text) + 1)
    letter = pick(ALPHABET, extra)
    match kind % 8:
        case 0:
            return text[:at] + letter + text[at + 1 :]
        case 1:
            return text[:at] + letter + text[at:]
        case 2:
            return text[:at] + text[at + 1 + extra % 40 :]
        case 3:
            return text[:at] + text[at : at + extra] + text[at:]
        case 4:
            return text[:at] + text[at : at + 1].swapcase() + text[at + 1 :]
        case 5:
            return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]
        case 6:  # a part of another token in place of our own
            parts, other = text.split("."), pick(minted(), extra).split(".")
            parts[at % len(parts)] = other[low % 3]
            return ".".join(parts)
        case _:
            return text[:at] + chr(extra << 8 | low) + text[at + 1 :]


def token_of(data: bytes) -> str:
    """The token that an input stands for: `t` and a text, or `e`, a number and edits."""
    if data[:1] != b"e":
        return text_of(data[1:])
    text = pick(minted(), data[1] if len(data) > 1 else 0)
    for start in range(2, min(len(data) - STEP + 1, 2 + MAX_STEPS * STEP), STEP):
        text = edit(text, data[start : start + STEP])
    return text


def verdict(judge: Verifier, token: Any) -> str | None:
    try:
        judge.verify(token)
    except TokenError as error:
        refused = error
    else:
        return None
    assert refused.code
    assert len(token) < 24 or token not in f"{refused} {refused!r}"
    return refused.code


def check(data: bytes) -> None:
    token = token_of(data)
    watched = verifier({})
    code = verdict(watched, token)
    assert (code is None) == (token in minted()), "a token passes if and only if it was minted"
    assert verdict(watched, token) == code, "the second verdict is the first"
    assert verdict(uncached(), token) == code, "the cache changes no verdict"
    sent = credentials_from([f"Bearer {token}"], [], watched.settings)
    auth = watched.authenticate(sent)
    # A field loses the blanks around it on its way.
    assert sent.token is None or sent.token == token.rstrip(" \t").lstrip(" ")
    assert auth.is_authenticated == (sent.token in minted())
    assert (auth.user_id is None) == (auth.reason is not None) == (not auth.is_authenticated)


def seeds() -> Iterable[bytes]:
    texts = (
        "", ".", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "ak_0123", "eyJhbGciOiJub25lIn0.e30.AA",
        "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEifQ.e30.AA", "A" * 300 + "." * 300,
        "\u00e9.\u00e9.\u00e9", "mt_.\u00ff",
    )  # fmt: skip
    yield from (b"t" + text.encode() for text in texts)
    for base in range(4):
        yield b"e" + bytes([base])
        for kind in range(8):
            yield b"e" + bytes([base, kind, 1, 40, 2])
    yield b"e\x02" + bytes([6, 0, 1, 3])
    yield b"e\x02" + bytes([1, 0, 0, 66, 2, 1, 9, 0])


TARGET = Target(check, seeds, ("eyJhbGciOi", "ak_", "mt_", "oat_", "..", "=="))
