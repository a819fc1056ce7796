"""The refresh token: one text for one token, a tag for each, one successor."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from flask_session_claims.sessions import tokens
from flask_session_claims.sessions.tokens import RefreshToken

SESSION = tokens.session_id(bytes(range(24)))
KEY = b"k" * 32
SECRET = b"s" * 32


def token(generation=1, secret=SECRET, key=KEY, session=SESSION):
    return tokens.make(session, generation, secret, key)


def test_a_token_is_read_as_it_was_made():
    made = token(123)
    assert tokens.read(made.text()) == made
    assert made.is_tagged_with(KEY)
    assert made.text().startswith(SESSION + ".123.")


def test_the_text_fits_a_cookie_and_a_header():
    text = token(10**10 - 1).text()
    assert len(text) < 130
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def test_a_repr_shows_no_secret():
    made = token()
    parts = made.text().split(".")
    assert parts[2] not in repr(made)
    assert parts[3] not in repr(made)
    assert repr(SECRET) not in repr(made)


TEXT = token(12).text()
HEAD, GENERATION, REST, TAG = TEXT.split(".")


@pytest.mark.parametrize(
    "text",
    [
        None, 1, b"bytes", TEXT.encode(), "", ".", "...", TEXT + ".", "." + TEXT, TEXT + "=",
        TEXT + "\n", " " + TEXT, TEXT[:-1], TEXT + "A", TEXT.replace(".", ":"), "x" * 100_000,
        f"{HEAD}.0.{REST}.{TAG}", f"{HEAD}.012.{REST}.{TAG}", f"{HEAD}.-1.{REST}.{TAG}",
        f"{HEAD}.1e3.{REST}.{TAG}", f"{HEAD}.+1.{REST}.{TAG}", f"{HEAD}.١.{REST}.{TAG}",
        f"{HEAD}.12345678901.{REST}.{TAG}", f"{HEAD}..{REST}.{TAG}",
        f"{HEAD[:-1]}.1.{REST}.{TAG}", f"x{HEAD[1:]}.1.{REST}.{TAG}", f"{HEAD}.1.{TAG}.{REST}",
        f"{HEAD}.1.{REST[:-1]}+.{TAG}", f"{HEAD}.1.{REST[:-1]}é.{TAG}",
    ],
)  # fmt: skip
def test_what_is_no_token_is_read_as_none(text):
    assert tokens.read(text) is None


def test_a_second_spelling_of_the_same_bytes_is_no_token():
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for part, bits in ((2, 4), (3, 16)):
        parts = TEXT.split(".")
        last = alphabet.index(parts[part][-1])
        assert last % bits == 0
        for more in range(1, bits):
            parts[part] = parts[part][:-1] + alphabet[last + more]
            assert tokens.read(".".join(parts)) is None


@pytest.mark.parametrize(
    "other",
    [
        token(2),
        token(secret=b"t" * 32),
        token(key=b"l" * 32),
        token(session=tokens.session_id(bytes(24))),
        RefreshToken(SESSION, 1, SECRET, b""),
        RefreshToken(SESSION, 1, SECRET, bytes(16)),
    ],
)
def test_a_tag_holds_for_one_token_of_one_session(other):
    mixed = RefreshToken(SESSION, 1, SECRET, other.tag)
    assert not mixed.is_tagged_with(KEY)


def test_the_successor_follows_from_token_and_salt():
    salt = b"z" * 32
    assert tokens.successor(SECRET, salt) == hmac.new(SECRET, salt, hashlib.sha256).digest()
    assert tokens.successor(SECRET, b"y" * 32) != tokens.successor(SECRET, salt)


def test_only_a_fingerprint_is_kept():
    kept = tokens.fingerprint(SECRET)
    assert kept == hashlib.sha256(SECRET).digest()
    assert tokens.is_of(SECRET, kept)
    assert not tokens.is_of(b"t" * 32, kept)
    assert not tokens.is_of(SECRET, None)


@pytest.mark.parametrize(
    ("text", "fine"),
    [(SESSION, True), ("", False), (None, False), (SESSION + "x", False), (SESSION + "\n", False),
     ("user_1", False), (b"sess_", False)],
)  # fmt: skip
def test_what_can_be_a_session_id(text, fine):
    assert tokens.is_session_id(text) is fine
