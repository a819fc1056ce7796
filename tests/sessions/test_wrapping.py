"""Which secrets wrap and which still open, and what is said of those that cannot."""

from __future__ import annotations

import base64
import os
import random
import secrets

import pytest

from flask_session_claims import ConfigurationError
from flask_session_claims.core.flow import run
from flask_session_claims.sessions.keyring import KeyPolicy, KeyringFlows
from flask_session_claims.sessions.records import record_handlers
from flask_session_claims.sessions.wrapping import wrapping_keys
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing.record import record


def new_key(size=32):
    key = base64.urlsafe_b64encode(os.urandom(size)).rstrip(b"=").decode()
    record([key])
    return key


def names(**given):
    return [key.name for key in wrapping_keys(**{"secret_key": None, **given})]


def test_the_secret_key_wraps_and_its_fallbacks_open():
    present, before = names(secret_key="new"), names(secret_key="old")
    assert names(secret_key="new", fallbacks=["old", "new"]) == [*present, *before]
    assert names(secret_key=b"new", fallbacks=("old",)) == [*present, *before]
    assert names(secret_key="new", fallbacks=None) == names(secret_key="new", fallbacks=[])


def test_a_key_of_its_own_wraps_and_the_secret_keys_open():
    key = new_key()
    own = names(key=key)
    assert len(own) == 1
    everything = names(key=key, secret_key="s", fallbacks=["old"])
    assert everything == [*own, *names(secret_key="s", fallbacks=["old"])]
    second = new_key()
    assert names(key=[second, key]) == [*names(key=second), *own]
    assert names(key=key, secret_key="", fallbacks=["old"])[0] == own[0]


@pytest.mark.parametrize("size", [32, 33, 48, 512])
def test_a_key_may_be_spelt_as_usual(size):
    key = new_key(size)
    padded = key + "=" * (-len(key) % 4)
    assert names(key=padded) == names(key=f" {key}\n") == names(key=key)


def test_what_secrets_gives_is_taken():
    for _ in range(2000):
        key = secrets.token_urlsafe(32)
        record([key])
        assert len(names(key=key)) == 1


@pytest.mark.parametrize(
    ("key", "got"),
    [
        ("", "0 bytes"),
        ("c2hvcnQ", "5 bytes"),
        (new_key(31), "31 bytes"),
        (new_key(513), "513 bytes"),
        ("A" * 43, "bytes that are not random"),
        ("correct horse battery staple, and then some more of it", "text that is not base64url"),
        (new_key() + "é", "text that is not base64url"),
        (new_key()[:-1] + "B", "text that is not base64url"),
        ([], "an empty list"),
        ([new_key(), ""], "0 bytes"),
        (os.urandom(32), "a value of type bytes"),
        (7, "a value of type int"),
        ([None], "a value of type NoneType"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_a_key_that_cannot_be_used_is_refused_without_quoting_it(key, got):
    with pytest.raises(ConfigurationError) as caught:
        wrapping_keys(secret_key="fine", key=key)
    said = caught.value.message
    setting = 'SESSION_CLAIMS_KEY (in Django SESSION_CLAIMS["KEY"])'
    assert said.startswith(f"{setting} got {got}; give 32 to 512 random bytes")
    assert "token_urlsafe(32)" in said
    assert "correct horse" not in said


@pytest.mark.parametrize("secret_key", [None, "", b""])
def test_without_any_secret_the_line_to_add_is_shown(secret_key):
    with pytest.raises(ConfigurationError, match=r"neither .* add the line SECRET_KEY = "):
        wrapping_keys(secret_key=secret_key, fallbacks=["old"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"secret_key": 7}, "SECRET_KEY got a value of type int"),
        ({"secret_key": "s", "fallbacks": "old"}, "SECRET_KEY_FALLBACKS got a value of type str"),
        ({"secret_key": "s", "fallbacks": {"old": 1}}, "SECRET_KEY_FALLBACKS got a value of type"),
        ({"secret_key": "s", "fallbacks": ["old", ""]}, "SECRET_KEY_FALLBACKS got an empty text"),
        ({"secret_key": "s", "fallbacks": [None]}, "SECRET_KEY_FALLBACKS got a value of type None"),
    ],
)
def test_secret_keys_of_the_wrong_kind_are_refused(given, said):
    with pytest.raises(ConfigurationError, match=said):
        wrapping_keys(**given)


def test_nothing_of_a_secret_is_in_a_repr():
    key = new_key()
    shown = repr(wrapping_keys(secret_key="the-secret-key", key=key))
    assert key not in shown
    assert "the-secret-key" not in shown
    for made in wrapping_keys(secret_key="the-secret-key", key=key):
        assert repr(made.key) not in shown
        assert made.key.hex() not in shown


class App:
    """An app that is started with other settings over the same store."""

    def __init__(self):
        handlers = record_handlers(MemoryStore())
        self.perform = lambda ask: handlers[type(ask)](ask)

    def start(self, **given):
        """The kid that signs, and under which wrapping key it lies."""
        wrapping = wrapping_keys(**{"secret_key": None, **given})
        policy = KeyPolicy()
        flows = KeyringFlows(policy, wrapping, clock=lambda: 1e9, random=random.randbytes)
        ring = run(flows.ensure(), self.perform)
        (key,) = ring.keys
        _ = flows.signer(key)
        return key.kid, key.wrapped_by == wrapping[0].name


def test_an_app_changes_its_secret_key_in_two_starts():
    app = App()
    kid, _ = app.start(secret_key="one")
    assert app.start(secret_key="two", fallbacks=["one"]) == (kid, True)
    assert app.start(secret_key="two") == (kid, True)
    with pytest.raises(ConfigurationError, match="keys rewrap"):
        app.start(secret_key="one")


def test_an_app_changes_over_to_a_key_of_its_own_and_to_another_one():
    app, key, other = App(), new_key(), new_key()
    kid, _ = app.start(secret_key="one")
    assert app.start(secret_key="one", key=key) == (kid, True)
    assert app.start(secret_key="changed", key=key) == (kid, True)
    assert app.start(secret_key="changed", key=[other, key]) == (kid, True)
    assert app.start(key=other) == (kid, True)
    with pytest.raises(ConfigurationError, match="keys discard"):
        app.start(secret_key="one", key=key)
