"""`flask session-claims keys …` of an app that is its own issuer."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_session_claims import SessionClaims
from flask_session_claims.sessions import vault
from flask_session_claims.testing import FrozenClock

from .cli import SECRET_KEY, own_app, refused, report, run, words

DAY = 86_400
OTHER_SECRET = "another-secret-that-is-long-enough-0123456789"
KEY_MEMBERS = [
    *("kid", "algorithm", "used", "use", "state", "since", "until", "private", "wrapped_by"),
]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def own(tmp_path: Path, clock: FrozenClock) -> tuple[Flask, SessionClaims]:
    app, claims = own_app(tmp_path, clock=clock)
    claims.sessions.create("user_1")
    return app, claims


def states(found: dict[str, Any]) -> list[str]:
    return [key["state"] for key in found["keys"]]


def published(app: Flask) -> set[str]:
    issuing = app.extensions["session_claims"].issuing
    keys: set[str] = {key.kid for key in issuing.run(issuing.keys.keys()).keys}
    return keys


def test_without_a_command_the_keys_are_listed(own):
    app, _ = own
    assert report(app, "keys") == report(app, "keys", "list") == report(app, "keys", "--fetch")
    assert run(app, "keys").output == run(app, "keys", "list").output
    assert "rotate" in run(app, "keys", "--help").output
    assert "no such command" in refused(app, "keys", "rotat", code=2).lower()
    assert refused(app, "keys", "--json", "rotate", code=2)


def test_an_own_key_is_told_with_what_it_is_for_and_until_when(own, clock, tmp_path):
    app, _ = own
    found = report(app, "keys")
    (key,) = found["keys"]
    assert list(key) == KEY_MEMBERS
    assert key == {
        "kid": key["kid"],
        "algorithm": "ES256",
        "used": True,
        "use": "session",
        "state": "signing",
        "since": clock(),
        "until": clock() + 30 * DAY,
        "private": "opens",
        "wrapped_by": found["wrapping"],
    }
    assert (found["origin"], found["where"]) == ("own", f"sqlite:///{tmp_path / 'shop.db'}")
    output = words(run(app, "keys").output)
    assert f"signing ES256 {key['kid']} since 2027-01-15 08:00:00 UTC (0 s ago); until" in output


def test_looking_makes_no_key_and_no_store(tmp_path):
    app, _ = own_app(tmp_path)
    assert report(app, "keys")["keys"] == []
    assert "none yet" in run(app, "keys").output
    assert run(app, "doctor").exit_code == 0
    assert run(app, "config").exit_code == 0
    assert not (tmp_path / "shop.db").exists()


def test_a_key_is_published_signs_is_retired_and_goes(own, clock):
    app, claims = own
    first = report(app, "keys")["keys"][0]["kid"]
    done = report(app, "keys", "rotate")
    (second,) = done["added"]
    assert (done["removed"], done["rewrapped"], done["discarded"]) == ([], [], [])
    assert [(key["kid"], key["state"]) for key in done["keys"]] == [
        (first, "signing"),
        (second, "published"),
    ]
    signs = done["keys"][1]["until"]
    assert signs == done["keys"][0]["until"] == clock() + 660
    assert published(app) == {first, second}
    again = run(app, "keys", "rotate")
    assert again.output.startswith("no change  the next key is published already")
    clock.advance(660)
    found = report(app, "keys")
    assert states(found) == ["retired", "signing"]
    assert (found["keys"][0]["since"], found["keys"][0]["until"]) == (signs, signs + 90_000)
    clock.advance(90_001)
    claims.sessions.create("user_1")
    assert [key["kid"] for key in report(app, "keys")["keys"]] == [second]


def test_a_rotation_at_once_signs_with_the_new_key_in_a_running_worker(own, clock):
    app, claims = own
    output = words(run(app, "keys", "rotate", "--at-once").output)
    assert "it signs now." in output
    found = report(app, "keys")
    assert states(found) == ["retired", "signing"]
    token = claims.sessions.create("user_1").session_token
    assert report(app, "inspect", token)["header"]["kid"] == found["keys"][1]["kid"]


def test_a_revoked_key_is_gone_with_its_tokens_and_the_sessions_live_on(own):
    app, claims = own
    issued = claims.sessions.create("user_2")
    assert report(app, "inspect", issued.session_token)["accepted"] is True
    kid = report(app, "keys")["keys"][0]["kid"]
    done = report(app, "keys", "revoke", kid)
    assert (done["removed"], len(done["added"]), states(done)) == ([kid], 1, ["signing"])
    assert published(app) == set(done["added"])
    assert report(app, "inspect", issued.session_token, code=1)["code"] == "jwk-kid-mismatch"
    output = words(run(app, "inspect", issued.session_token).output)
    assert "no key of this app's own is named" in output
    renewed = claims.sessions.refresh(issued.refresh_token).session_token
    assert report(app, "inspect", renewed)["accepted"] is True


def test_no_more_keys_are_published_than_others_take(own):
    app, _ = own
    for _ in range(31):
        assert run(app, "keys", "rotate", "--at-once").exit_code == 0
    told = refused(app, "keys", "rotate", "--at-once", code=1)
    assert "32 keys are published already" in told
    assert told.endswith("(keyring-full)")


@pytest.mark.parametrize("kid", ["nobody", "-begins-with-a-dash", "--two", "x" * 500])
def test_a_key_that_is_not_there_is_told_with_those_that_are(own, kid):
    app, _ = own
    there = report(app, "keys")["keys"][0]["kid"]
    told = refused(app, "keys", "revoke", kid, code=1)
    assert told.endswith(f"the keys are: {there}.")
    assert len(told) < 300
    assert [key["kid"] for key in report(app, "keys")["keys"]] == [there]


def test_a_key_whose_name_begins_with_a_dash_can_be_revoked(own, monkeypatch):
    app, _ = own
    issuing = app.extensions["session_claims"].issuing
    made = vault.generate("ES256")
    monkeypatch.setattr(vault, "generate", lambda algorithm: _renamed(made, "-jN0"))
    report(app, "keys", "rotate", "--at-once")
    assert "-jN0" in [key.kid for key in issuing.run(issuing.keyring.ring()).keys]
    assert report(app, "keys", "revoke", "-jN0")["removed"] == ["-jN0"]


def _renamed(made: Any, kid: str) -> Any:
    return type(made)(**{**{n: getattr(made, n) for n in type(made).__slots__}, "kid": kid})


def test_keys_under_the_secret_before_are_told_and_brought_under_the_new_one(own, tmp_path):
    old = report(own[0], "keys")["wrapping"]
    app, _ = own_app(tmp_path, SECRET_KEY=OTHER_SECRET, SECRET_KEY_FALLBACKS=[SECRET_KEY])
    found = report(app, "keys")
    assert found["keys"][0]["wrapped_by"] == old != found["wrapping"]
    assert found["keys"][0]["private"] == "opens"
    assert f"wrapped by {old}" in run(app, "keys").output
    done = report(app, "keys", "rewrap")
    assert done["rewrapped"] == [found["keys"][0]["kid"]]
    assert done["keys"][0]["wrapped_by"] == found["wrapping"]
    assert run(app, "keys", "rewrap").output.startswith("no change")
    alone, _ = own_app(tmp_path, SECRET_KEY=OTHER_SECRET)
    assert report(alone, "doctor")["ok"] is True


def test_where_every_key_opens_none_is_discarded(own):
    app, _ = own
    before = report(app, "keys")["keys"]
    done = report(app, "keys", "discard")
    assert (done["discarded"], done["keys"]) == ([], before)
    assert run(app, "keys", "discard").output.startswith("no change  every private key")


def test_a_key_that_is_given_is_told_and_cannot_be_changed_here(tmp_path):
    app, _ = own_app(
        tmp_path,
        SESSION_CLAIMS_SIGNING_KEY=pem(),
        SESSION_CLAIMS_ISSUER_URL="https://app.example.com",
    )
    found = report(app, "keys")
    assert (found["origin"], found["where"]) == ("given", "SESSION_CLAIMS_SIGNING_KEY")
    assert [key["private"] for key in found["keys"]] == ["given"]
    assert "given, and not rotated" in run(app, "keys").output
    for command in (["rotate"], ["revoke", "kid"], ["rewrap"], ["discard"]):
        told = refused(app, "keys", *command, code=2)
        assert told.startswith("Error: SESSION_CLAIMS_SIGNING_KEY is set: the key that signs is")
    for args in (["keys"], ["keys", "--json"], ["config"], ["config", "--json"], ["doctor"]):
        assert not [line for line in pem().splitlines()[1:-1] if line in run(app, *args).output]


def pem() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return _PEM.setdefault(
        "ES256",
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode(),
    )


_PEM: dict[str, str] = {}


# --- a secret that is lost: a process of its own --------------------------------------------

SITE = """
import os
from flask import Flask
from flask_session_claims import SessionClaims

app = Flask(__name__, instance_path=os.environ["HOME_OF_APP"])
app.config.update(
    SECRET_KEY=os.environ["SECRET"],
    SESSION_CLAIMS_ISSUER="self",
    SESSION_CLAIMS_STORE="sqlite:///shop.db",
)
SessionClaims(app)
"""


def flask(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    (folder / "shop_app.py").write_text(SITE)
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)]),
        "HOME_OF_APP": str(folder),
        "SECRET": OTHER_SECRET,
    }
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "shop_app", *args],
        env=environ,
        cwd=folder,
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )


def test_keys_that_nothing_opens_are_discarded_from_the_command_line(tmp_path):
    _, claims = own_app(tmp_path, clock=time.time)
    issued = claims.sessions.create("user_1")
    # No server starts with the wrong secret, and none of the commands signs with it.
    started = flask(tmp_path, "run", "--port", "1")
    assert started.returncode != 0
    assert "keys discard" in started.stderr
    assert "cannot be opened" in flask(tmp_path, "session-claims", "doctor").stdout
    listed = flask(tmp_path, "session-claims", "keys")
    assert (listed.returncode, "locked" in listed.stdout) == (0, True)
    sid = issued.session.session_id
    for args in (["mint", sid], ["keys", "rewrap"], ["keys", "rotate"]):
        done = flask(tmp_path, "session-claims", *args)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("Error: the signing keys in the store cannot be opened")
    done = flask(tmp_path, "session-claims", "keys", "discard")
    assert (done.returncode, done.stderr) == (0, "")
    assert "sessions survive" in done.stdout
    assert flask(tmp_path, "session-claims", "doctor").returncode == 0
    minted = flask(tmp_path, "session-claims", "mint", sid).stdout.strip()
    for token in (minted, issued.session_token):  # a new one, and one under the key before
        assert flask(tmp_path, "session-claims", "inspect", token).returncode == 0
