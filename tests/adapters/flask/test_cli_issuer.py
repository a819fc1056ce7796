"""`config`, `doctor` and `inspect` for an app that is its own issuer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g

from flask_session_claims import SessionClaims
from flask_session_claims.core.schema import setting_fields
from flask_session_claims.core.settings import GateSettings, VerifierSettings
from flask_session_claims.sessions.settings import IssuingSettings
from flask_session_claims.stores.faults import StoreUnavailable
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import FrozenClock, LocalIssuer

from .cli import SECRET_KEY, own_app, refused, report, run, words

DAY = 86_400
KEY = "Zm9yIHRlc3RzIG9ubHk6IDMyIG9yIG1vcmUgYnl0ZXMgb2YgYmFzZTY0dXJs"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def own(tmp_path: Path, clock: FrozenClock) -> tuple[Flask, SessionClaims]:
    return own_app(tmp_path, clock=clock)


def by_name(app: Flask) -> dict[str, dict[str, Any]]:
    found = report(app, "config")["settings"]
    return {each["name"].removeprefix("SESSION_CLAIMS_"): each for each in found}


def findings(app: Flask, code: int = 0) -> dict[str, list[str]]:
    """What the doctor says, by its level."""
    told: dict[str, list[str]] = {"ok": [], "warning": [], "error": []}
    for each in report(app, "doctor", code=code)["findings"]:
        told[each["level"]].append(each["text"])
    return told


# --- config ---------------------------------------------------------------------------------


def test_the_issuers_settings_are_listed_with_where_they_came_from(tmp_path):
    app, _ = own_app(tmp_path, SESSION_CLAIMS_IDLE_LIFETIME=3_600, SESSION_CLAIMS_KEY=KEY)
    found = by_name(app)
    groups = (VerifierSettings, IssuingSettings, GateSettings)
    assert list(found) == [e.name.upper() for group in groups for e in setting_fields(group)]
    assert (found["ISSUER"]["value"], found["ISSUER"]["source"]) == ("self", "config")
    assert (found["IDLE_LIFETIME"]["value"], found["IDLE_LIFETIME"]["source"]) == (3_600, "config")
    assert (found["REFRESH_GRACE"]["value"], found["REFRESH_GRACE"]["source"]) == (30, "default")
    assert (found["STORE"]["value"], found["STORE"]["redacted"]) == ("sqlite:///shop.db", False)
    assert (found["KEY"]["value"], found["KEY"]["redacted"]) == (None, True)
    output = run(app, "config").output
    assert "SESSION_CLAIMS_KEY app.config (set, not shown)" in words(output)
    assert KEY not in output + json.dumps(found)
    assert SECRET_KEY not in output


def test_the_given_settings_stay_what_they_were_once_there_is_a_store(own):
    app, claims = own
    before = by_name(app)
    app.add_url_rule("/", "home", lambda: {"user": g.auth.user_id})
    token = claims.sessions.create("user_1").session_token
    headers = {"Authorization": f"Bearer {token}"}
    assert app.test_client().get("/", headers=headers).json == {"user": "user_1"}
    assert by_name(app) == before


def test_what_holds_is_told_before_and_after_the_first_sign_in(own, tmp_path):
    app, claims = own
    assert report(app, "config")["in_effect"] == {
        "issuer": None,
        "keys": "made and rotated in the store",
        "parties": None,
        "cookies": [],
        "vary": "Authorization, Cookie",
        "store": f"sqlite:///{tmp_path / 'shop.db'}",
    }
    assert "not known before the first sign-in" in words(run(app, "config").output)
    token = claims.sessions.create("user_1").session_token
    effect = report(app, "config")["in_effect"]
    assert effect["issuer"] == report(app, "inspect", token)["claims"]["iss"]
    assert [name.partition("_")[0] for name in effect["cookies"]] == ["", ""]
    assert {name.rpartition("_")[0] for name in effect["cookies"]} == {
        "__Host-session",
        "__Host-refresh",
    }


def test_a_store_object_is_told_by_its_kind_and_an_address_without_its_password(tmp_path):
    app, _ = own_app(tmp_path, store=MemoryStore())
    assert by_name(app)["STORE"]["value"] == "a MemoryStore"
    assert report(app, "config")["in_effect"]["store"] == "a MemoryStore"


# --- inspect --------------------------------------------------------------------------------


def test_an_own_token_is_judged_as_the_app_does(own, clock):
    app, claims = own
    issued = claims.sessions.create("user_1", claims={"plan": "pro"})
    seen = report(app, "inspect", issued.session_token)
    assert (seen["accepted"], seen["signature"]) == (True, "good")
    assert seen["custom_claims"] == {"plan": 13}
    claims.sessions.revoke(issued.session.session_id)
    seen = report(app, "inspect", issued.session_token, code=1)
    assert (seen["code"], seen["signature"]) == ("session-revoked", "good")
    assert "see the command explain" in seen["why"]
    clock.advance(400)
    seen = report(app, "inspect", issued.session_token, code=1)
    assert (seen["code"], seen["times"]["expires_in"]) == ("token-expired", -100)


def test_a_foreign_token_is_told_from_an_own_one(own):
    app, claims = own
    foreign = LocalIssuer("https://issuer.example").mint("alice")
    for _ in range(2):  # before there is a store, and after
        seen = report(app, "inspect", foreign, code=1)
        assert seen["code"] in ("token-invalid-issuer", "jwk-kid-mismatch")
        assert "this app's own" in seen["why"]
        claims.sessions.create("user_1")


# --- doctor ---------------------------------------------------------------------------------


def test_a_sound_issuer_has_nothing_but_good_findings(own, tmp_path):
    app, claims = own
    path = tmp_path / "shop.db"
    assert findings(app) == {
        "ok": [
            f"the store sqlite:///{path} is not there yet; the first sign-in makes it",
            "there are no keys yet; the first sign-in makes one",
            "SECRET_KEY is long enough",
        ],
        "warning": [],
        "error": [],
    }
    claims.sessions.create("user_1")
    told = findings(app)
    assert told["ok"][0] == f"the store sqlite:///{path} can be read and written to"
    assert told["ok"][1] == "the key that signs can be opened; 1 published"
    assert (told["warning"], told["error"]) == ([], [])


def test_looking_at_the_store_changes_nothing(own):
    app, claims = own
    claims.sessions.create("user_1")
    store = app.extensions["session_claims"].issuing.store
    before = store.log_since(0)
    findings(app)
    assert store.log_since(0) == before


@pytest.mark.parametrize("secret", ["dev", "x" * 64, "0123456789abcdef0123456789abcde"])
def test_a_secret_that_can_be_guessed_is_warned_of_and_not_shown(tmp_path, secret):
    app, _ = own_app(tmp_path, SECRET_KEY=secret)
    (text,) = findings(app)["warning"]
    assert text.startswith("SECRET_KEY is easily guessed")
    assert secret not in text.removeprefix("SECRET_KEY is easily guessed")
    beside, _ = own_app(tmp_path, SECRET_KEY=secret, SESSION_CLAIMS_KEY=KEY)
    assert findings(beside)["warning"] == []


def test_development_settings_are_warned_of(tmp_path):
    app, _ = own_app(tmp_path, SESSION_CLAIMS_DEV_COOKIES=True)
    (text,) = findings(app)["warning"]
    assert "SESSION_CLAIMS_DEV_COOKIES is on" in text
    memory, _ = own_app(tmp_path, store="memory:")
    assert "no other process sees them" in findings(memory)["warning"][0]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_store_that_others_can_read_is_warned_of(own, tmp_path):
    app, claims = own
    claims.sessions.create("user_1")
    os.chmod(tmp_path / "shop.db", 0o644)
    (text,) = findings(app)["warning"]
    assert "644" in text
    assert "chmod 600" in text


def test_a_damaged_store_is_an_error(own, tmp_path):
    app, _ = own
    (tmp_path / "shop.db").write_bytes(b"no database at all" * 100)
    told = findings(app, code=1)["error"]
    assert "(store-corrupt)" in told[0]
    assert len(told) == 2  # and the keys in it


class ReadOnly(MemoryStore):
    """A store that can be read, and once `full` not written to."""

    full = False

    def commit(self, *args: Any, **options: Any) -> bool:
        if self.full:
            raise StoreUnavailable("store-read-only", "memory:")
        return super().commit(*args, **options)


def test_a_store_that_cannot_be_written_is_an_error(tmp_path):
    store = ReadOnly()
    app, claims = own_app(tmp_path, store=store)
    claims.sessions.create("user_1")
    assert findings(app)["error"] == []
    store.full = True
    assert findings(app, code=1)["error"] == [
        "the store a ReadOnly: The session store cannot be written to. (store-read-only)"
    ]


def test_the_refresh_endpoint_is_looked_for_where_scripts_need_it(tmp_path):
    app, claims = own_app(tmp_path, SESSION_CLAIMS_REFRESH_MODE="endpoint")
    (text,) = findings(app, code=1)["error"]
    assert "app.register_blueprint(claims.blueprint()" in text
    app.register_blueprint(claims.blueprint(), url_prefix="/auth")
    assert "the refresh endpoint is /auth/session/refresh" in findings(app)["ok"]


def test_own_tokens_signed_with_an_algorithm_that_is_not_taken_are_a_start_up_error(tmp_path):
    with pytest.raises(Exception, match="signed with ES256"):
        own_app(tmp_path, SESSION_CLAIMS_ALGORITHMS=["RS256"])
    app, claims = own_app(tmp_path)
    claims.sessions.create("user_1")
    # The key in the store is of the algorithm before.
    signing = {"SESSION_CLAIMS_SIGNING_ALGORITHM": "RS256"}
    with pytest.raises(Exception, match="key in the store signs ES256; name it as well"):
        own_app(tmp_path, SESSION_CLAIMS_ALGORITHMS=["RS256"], **signing)
    both, _ = own_app(tmp_path, SESSION_CLAIMS_ALGORITHMS=["RS256", "ES256"], **signing)
    assert report(both, "keys", "rotate", "--at-once")["keys"][1]["algorithm"] == "RS256"
    changed, _ = own_app(tmp_path, SESSION_CLAIMS_ALGORITHMS=["RS256"], **signing)
    assert report(changed, "doctor")["ok"] is True
    assert report(app, "doctor")["ok"] is True


def test_keys_that_do_not_sign_and_cannot_be_opened_are_warned_of(own, tmp_path):
    app, claims = own
    claims.sessions.create("user_1")
    old = report(app, "keys")["keys"][0]["kid"]
    moved, _ = own_app(tmp_path, SECRET_KEY="m" + SECRET_KEY, SECRET_KEY_FALLBACKS=[SECRET_KEY])
    issuing = moved.extensions["session_claims"].issuing
    issuing.run(issuing.keyring.rotate(at_once=True))
    alone, _ = own_app(tmp_path, SECRET_KEY="m" + SECRET_KEY)
    (text,) = findings(alone)["warning"]
    assert old in text
    assert [key["private"] for key in report(alone, "keys")["keys"]] == ["locked", "opens"]
    assert "keys discard" in words(run(alone, "keys").output)
    assert "cannot be opened" in refused(alone, "keys", "rewrap", code=2)
    assert report(alone, "keys", "discard")["discarded"] == [old]
    assert findings(alone)["warning"] == []
