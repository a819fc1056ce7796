"""`flask session-claims config`, `keys` and `doctor`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from flask_session_claims import SessionClaims
from flask_session_claims.core.schema import setting_fields
from flask_session_claims.core.settings import GateSettings, VerifierSettings
from flask_session_claims.io.doctor import Finding, checks
from flask_session_claims.testing import KeyServer, LocalIssuer, shared_key

from ..flask_site import APP, make_app
from .cli import report, run, words

#: pk_test_ + base64 of "clerk.example.com$".
PUBLISHABLE = "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"
SECRET = "sk_test_this-is-never-to-be-shown"


def by_name(app: Flask) -> dict[str, dict[str, Any]]:
    found = report(app, "config")["settings"]
    return {each["name"].removeprefix("SESSION_CLAIMS_"): each for each in found}


def source(setting: dict[str, Any]) -> tuple[Any, ...]:
    return setting["value"], setting["source"], setting["found_as"]


def test_every_setting_is_listed_with_where_it_came_from(config, issuer):
    app = Flask("site")
    app.config.update(config, SESSION_CLAIMS_LEEWAY="7", SESSION_CLAIMS_COOKIE_NAME="from_config")
    SessionClaims(app, cookie_name="from_code", default_policy="required", audience=None)
    found = by_name(app)
    groups = (VerifierSettings, GateSettings)
    assert list(found) == [e.name.upper() for group in groups for e in setting_fields(group)]
    assert source(found["COOKIE_NAME"]) == ("from_code", "keyword", "cookie_name")
    assert source(found["DEFAULT_POLICY"]) == ("required", "keyword", "default_policy")
    assert source(found["LEEWAY"]) == (7, "config", "SESSION_CLAIMS_LEEWAY")
    assert source(found["ORIGINS"]) == ([APP], "config", "SESSION_CLAIMS_ORIGINS")
    assert source(found["AUDIENCE"]) == (None, "default", None)
    assert source(found["JWKS_TIMEOUT"]) == (5, "default", None)
    output = words(run(app, "config").output)
    assert 'SESSION_CLAIMS_COOKIE_NAME SessionClaims(cookie_name=…) "from_code"' in output
    assert "SESSION_CLAIMS_LEEWAY app.config 7" in output
    assert "SESSION_CLAIMS_AUDIENCE default unset" in output


def test_fall_back_names_are_told_with_the_place_they_were_found_in(monkeypatch):
    monkeypatch.setenv("CLERK_PUBLISHABLE_KEY", PUBLISHABLE)
    app = Flask("site")
    app.config["CLERK_SECRET_KEY"] = SECRET
    SessionClaims(app, origins=[APP])
    found = by_name(app)
    assert source(found["CLERK_PUBLISHABLE_KEY"]) == (None, "environment", "CLERK_PUBLISHABLE_KEY")
    assert source(found["CLERK_SECRET_KEY"]) == (None, "config", "CLERK_SECRET_KEY")
    assert found["CLERK_SECRET_KEY"]["redacted"] is True
    assert source(found["ISSUER"])[:2] == ("https://clerk.example.com", "default")
    output = words(run(app, "config").output)
    assert "environment CLERK_PUBLISHABLE_KEY (set, not shown)" in output
    assert "app.config CLERK_SECRET_KEY (set, not shown)" in output
    effect = report(app, "config")["in_effect"]
    assert effect["issuer"] == "https://clerk.example.com"
    assert effect["keys"] == "https://clerk.example.com/.well-known/jwks.json"
    assert effect["cookies"][0] == "__session"
    assert effect["cookies"][1].startswith("__session_")


def test_no_secret_and_no_key_is_shown(monkeypatch, issuer):
    monkeypatch.setenv("CLERK_SECRET_KEY", SECRET)
    key = issuer.public_pem()
    apps = [Flask("one"), Flask("two"), Flask("three")]
    SessionClaims(apps[0], clerk_publishable_key=PUBLISHABLE, jwt_key=key)
    SessionClaims(apps[1], issuer="https://i.example", jwks=json.dumps(issuer.jwks()))
    SessionClaims(
        apps[2],
        issuer="https://i.example",
        jwks_url="https://i.example/keys?api_key=hidden-value",
        sign_in_url="https://user:hidden-word@i.example/sign-in",
    )
    hidden = [SECRET, PUBLISHABLE, "hidden-", *key.splitlines()[1:-1], issuer.public_jwk()["x"]]
    for app in apps:
        for args in (["config"], ["config", "--json"], ["keys"], ["keys", "--json"]):
            output = run(app, *args).output
            assert not [text for text in hidden if text in output]
    assert "https://i.example/keys?…" in run(apps[2], "config").output


def test_what_holds_is_told_beside_what_was_set(config):
    assert report(make_app(config), "config")["in_effect"] == {
        "issuer": "https://issuer.example",
        "keys": "1 given in SESSION_CLAIMS_JWKS",
        "parties": [APP],
        "cookies": ["__session"],
        "vary": "Authorization, Cookie",
        "store": None,
    }
    app = make_app(config, SESSION_CLAIMS_ORIGINS=None, SESSION_CLAIMS_TOKEN_SOURCES=["header"])
    effect = report(app, "config")["in_effect"]
    assert (effect["parties"], effect["cookies"]) == (None, [])
    assert "azp is not checked" in run(app, "config").output


# --- keys -----------------------------------------------------------------------------------


def fetching(issuer: LocalIssuer, server: KeyServer, **settings: Any) -> Flask:
    app = Flask("site")
    loopback = {"jwks_url": server.url, "allow_loopback_http": True}
    SessionClaims(app, issuer=issuer.issuer, **loopback, **settings)
    return app


def test_given_keys_are_listed(config, issuer):
    found = report(make_app(config), "keys")
    assert found == {
        "origin": "given",
        "where": "1 given in SESSION_CLAIMS_JWKS",
        "keys": [{"kid": issuer.kid, "algorithm": "ES256", "used": True}],
        "refresh_in": None,
        "expires_in": None,
        "problem": None,
        "notes": [],
    }
    app = Flask("site")
    SessionClaims(app, issuer=issuer.issuer, jwt_key=issuer.public_pem())
    assert report(app, "keys", "--fetch")["keys"][0]["kid"] is None
    assert "no kid: answers for any" in run(app, "keys").output


def test_keys_are_fetched_only_where_asked(issuer):
    issuer.rotate(keep=True, key=shared_key("ES256", 1))
    with KeyServer(issuer) as server:
        app = fetching(issuer, server)
        cold = report(app, "keys")
        assert (cold["keys"], cold["refresh_in"], server.requests) == ([], None, 0)
        assert "--fetch" in run(app, "keys").output
        warm = report(app, "keys", "--fetch")
        assert {key["kid"] for key in warm["keys"]} == {k["kid"] for k in issuer.jwks()["keys"]}
        assert 0 < warm["refresh_in"] < warm["expires_in"] <= 300
        assert report(app, "keys")["keys"] == warm["keys"]
        assert server.requests == 1
        output = words(run(app, "keys").output)
        assert f"from {server.url} fresh next fetch in" in output


def test_a_key_of_an_algorithm_that_is_not_taken_is_marked(issuer):
    with KeyServer(issuer) as server:
        app = fetching(issuer, server, algorithms=["RS256"])
        assert report(app, "keys", "--fetch")["keys"][0]["used"] is False
        assert "not used" in run(app, "keys").output


def test_keys_that_cannot_be_fetched_fail_with_the_reason(issuer):
    with KeyServer(issuer) as server:
        server.mode = "status"
        app = fetching(issuer, server)
        found = report(app, "keys", "--fetch", code=1)
        assert "500" in found["problem"]
        assert found["keys"] == []
        unasked = fetching(issuer, server)
    result = run(unasked, "keys", "--fetch")
    assert result.exit_code == 1
    assert "not fetched the key set endpoint could not be reached" in words(result.output)


# --- doctor ---------------------------------------------------------------------------------


def test_findings_are_told_to_machines_too(config):
    sound = report(make_app(config), "doctor")
    assert sound["ok"] is True
    assert {tuple(each) for each in sound["findings"]} == {("level", "text")}
    assert {each["level"] for each in sound["findings"]} == {"ok"}


def test_the_doctor_names_the_reason_of_a_failed_fetch(issuer):
    with KeyServer(issuer) as server:
        server.mode = "status"
        found = report(fetching(issuer, server), "doctor", code=1)
    levels = [each["level"] for each in found["findings"]]
    assert (found["ok"], levels) == (False, ["warning", "error", "warning"])
    assert "500" in found["findings"][1]["text"]
    assert "ALLOW_LOOPBACK_HTTP" in found["findings"][2]["text"]


def test_the_doctor_says_that_the_keys_may_be_elsewhere():
    app = Flask("site")
    SessionClaims(app, issuer="http://127.0.0.1:9", allow_loopback_http=True)
    result = run(app, "doctor")
    assert result.exit_code == 1
    assert "if they are elsewhere, set SESSION_CLAIMS_JWKS_URL" in words(result.output)


@pytest.mark.parametrize(("level", "code"), [("ok", 0), ("warning", 0), ("error", 1)])
def test_later_parts_add_checks_of_their_own(config, level, code):
    def check(reading: Any) -> Any:
        yield Finding(level, f"the store of {reading.settings.issuer} was looked at")

    checks.append(check)
    try:
        result = run(make_app(config), "doctor")
    finally:
        checks.remove(check)
    assert result.exit_code == code
    assert f"{level} the store of https://issuer.example" in words(result.output)
