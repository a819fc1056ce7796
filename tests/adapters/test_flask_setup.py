"""Setting Flask up: several apps, configuration, signals, commands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask, g

from flask_session_claims import (
    ConfigurationError,
    SessionClaims,
    claims_required,
    token_rejected,
)
from flask_session_claims.testing import FrozenClock, KeyServer, LocalIssuer, shared_key, signed_in

from .flask_site import APP, NAVIGATE, make_app, show, statuses, with_me


@pytest.fixture
def app(config: dict[str, Any]) -> Flask:
    return with_me(config)


def test_one_extension_object_serves_several_apps():
    claims = SessionClaims()
    apps = []
    for number in range(3):
        issuer = LocalIssuer(f"https://{number}.example", key=shared_key("ES256", number))
        app = Flask(f"site{number}")
        app.config.update(
            SESSION_CLAIMS_ISSUER=issuer.issuer,
            SESSION_CLAIMS_JWKS=issuer.jwks(),
            SESSION_CLAIMS_COOKIE_NAME=f"session{number}",
        )
        claims.init_app(app)
        show(app, "/me")
        apps.append((app, {"Cookie": f"session{number}={issuer.mint(f'user_{number}')}"}))
    assert not [value for value in vars(claims).values() if isinstance(value, Flask)]
    for number, (app, _) in enumerate(apps):
        seen = [
            app.test_client(use_cookies=False).get("/me", headers=h).json["user"] for _, h in apps
        ]
        assert seen == [f"user_{number}" if number == n else None for n in range(3)]


def test_an_app_of_another_issuer_mounted_inside_a_request_has_its_own_auth(app, alice):
    other = LocalIssuer("https://other.example", key=shared_key("ES256", 2))
    inner = Flask("inner")
    SessionClaims(inner, issuer=other.issuer, jwks=other.jwks())
    show(inner, "/me")

    @app.get("/outer")
    def outer() -> dict[str, Any]:
        bearer = {"Authorization": f"Bearer {other.mint('olga')}"}
        return {
            "seen": [inner.test_client().get("/me", headers=bearer).json["user"], g.auth.user_id]
        }

    assert app.test_client().get("/outer", headers=alice).json == {"seen": ["olga", "alice"]}


def test_a_second_extension_on_one_app_is_a_mistake(app):
    for again in (lambda: SessionClaims(app), lambda: SessionClaims().init_app(app)):
        with pytest.raises(ConfigurationError, match="already"):
            again()


def test_keywords_win_over_the_apps_configuration(config, issuer):
    app = Flask("site")
    app.config.update(config, SESSION_CLAIMS_COOKIE_NAME="from_config")
    SessionClaims(app, cookie_name="from_code")
    show(app, "/me")
    for name, user in (("from_code", "user_1"), ("from_config", None)):
        client = signed_in(app.test_client(), issuer.mint(azp=APP), cookie_name=name)
        assert client.get("/me").json["user"] == user


def test_the_clock_is_handed_down():
    clock = FrozenClock()
    issuer = LocalIssuer("https://issuer.example", key=shared_key("ES256"), clock=clock)
    app = Flask("site")
    SessionClaims(app, clock=clock, issuer=issuer.issuer, jwks=issuer.jwks(), leeway=5)
    show(app, "/me")
    client = signed_in(app.test_client(), issuer.mint("alice", lifetime=60), source="header")
    assert client.get("/me").json["user"] == "alice"
    clock.advance(64)
    assert client.get("/me").json["user"] == "alice"
    clock.advance(1)
    assert client.get("/me").json == {"user": None, "reason": "token-expired"}


def test_settings_survive_the_environment(monkeypatch, issuer, alice):
    values = {
        "ISSUER": issuer.issuer,
        "JWT_KEY": issuer.public_pem().replace("\n", "\\n"),
        "ORIGINS": json.dumps([APP, "https://www.example"]),
        "AUDIENCE": "12345",
        "LEEWAY": "7",
        "ALLOW_MISSING_AZP": "true",
        "TOKEN_SOURCES": '["header"]',
        "DEFAULT_POLICY": "required",
        "SIGN_IN_URL": "/sign-in",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"FLASK_SESSION_CLAIMS_{name}", value)
    app = Flask("site")
    app.config.from_prefixed_env()
    assert app.config["SESSION_CLAIMS_AUDIENCE"] == 12345
    SessionClaims(app)
    show(app, "/me")
    token = issuer.mint("alice", aud="12345", lifetime=-5)
    assert app.test_client().get("/me", headers={"Authorization": f"Bearer {token}"}).json == {
        "user": "alice",
        "reason": None,
    }
    assert statuses(app, "/me", alice, NAVIGATE) == [401, 302]


def test_a_key_set_survives_the_environment(monkeypatch, issuer, alice):
    monkeypatch.setenv("FLASK_SESSION_CLAIMS_ISSUER", issuer.issuer)
    monkeypatch.setenv("FLASK_SESSION_CLAIMS_JWKS", json.dumps(issuer.jwks()))
    app = Flask("site")
    app.config.from_prefixed_env()
    SessionClaims(app)
    show(app, "/me")
    assert app.test_client().get("/me", headers=alice).json["user"] == "alice"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("COOKIE_NAM", "x", "COOKIE_NAME"),
        ("DEFAULT_POLICY", "require", "required"),
        ("LEEWAY", "soon", "LEEWAY"),
        ("ORIGINS", "https://app.example/path", "ORIGINS"),
        ("ISSUER", None, "ISSUER"),
    ],
)
def test_a_wrong_setting_is_an_error_at_start_that_names_it(config, key, value, says):
    app = Flask("site")
    app.config.update(config)
    app.config[f"SESSION_CLAIMS_{key}"] = value
    with pytest.raises(ConfigurationError, match=f"SESSION_CLAIMS_{key}") as caught:
        SessionClaims(app)
    assert says in str(caught.value)
    # Nothing was installed by halves: a later, right call works.
    app.config.update(config)
    app.config.pop("SESSION_CLAIMS_COOKIE_NAM", None)
    app.config.pop("SESSION_CLAIMS_DEFAULT_POLICY", None)
    app.config.pop("SESSION_CLAIMS_LEEWAY", None)
    SessionClaims(app)


def test_the_start_logs_issuer_and_keys_in_one_line(config, issuer, logged):
    make_app(config)
    lines = [text for text in logged if issuer.issuer in text]
    assert len(lines) == 1


def test_signals_come_from_the_app_to_sync_and_async_receivers(app):
    seen: list[Any] = []

    def sync_receiver(sender: Any, **extra: Any) -> None:
        seen.append((sender is app, extra))

    async def async_receiver(sender: Any, **extra: Any) -> None:
        seen.append((sender is app, extra))

    with token_rejected.connected_to(sync_receiver), token_rejected.connected_to(async_receiver):
        app.test_client().get("/me", headers={"Authorization": "Bearer x"})
    assert seen == [(True, {"reason": "token-invalid", "source": "header"})] * 2


def test_a_receiver_that_fails_undoes_nothing_and_is_logged(app, logged):
    def receiver(sender: Any, **extra: Any) -> None:
        raise RuntimeError("the receiver's own mistake")

    with token_rejected.connected_to(receiver):
        reply = app.test_client().get("/me", headers={"Authorization": "Bearer x"})
    assert reply.json == {"user": None, "reason": "token-invalid"}
    assert [text for text in logged if "the receiver's own mistake" in text]


def test_the_doctor_is_content_with_given_keys_and_origins(app):
    result = app.test_cli_runner().invoke(args=["session-claims", "doctor"])
    assert result.exit_code == 0
    assert "keys: 1 given in SESSION_CLAIMS_JWKS" in result.output
    assert "azp must be https://app.example\n" in result.output
    assert "error" not in result.output
    assert "warning" not in result.output


def test_the_doctor_warns_where_azp_is_not_checked(config):
    app = make_app(config, SESSION_CLAIMS_ORIGINS=None)
    result = app.test_cli_runner().invoke(args=["session-claims", "doctor"])
    assert result.exit_code == 0
    assert "warning" in result.output
    assert "SESSION_CLAIMS_ORIGINS" in result.output


def test_the_doctor_tries_the_key_set_and_fails_where_it_cannot_be_had(issuer):
    with KeyServer(issuer) as server:
        app = Flask("site")
        SessionClaims(app, issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True)
        runner = app.test_cli_runner()
        server.mode = "status"
        result = runner.invoke(args=["session-claims", "doctor"])
        assert result.exit_code == 1
        assert "error" in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
    with KeyServer(issuer) as server:
        app = Flask("site")
        SessionClaims(app, issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True)
        result = app.test_cli_runner().invoke(args=["session-claims", "doctor"])
        assert (result.exit_code, server.requests) == (0, 1)
        assert server.url in result.output


def test_the_commands_of_two_apps_are_their_own(config):
    apps = [Flask("one"), Flask("two")]
    for app in apps:
        app.config.update(config)
        SessionClaims(app)
    for app in apps:
        assert app.test_cli_runner().invoke(args=["session-claims", "--help"]).exit_code == 0


def test_claims_required_is_to_be_called():
    with pytest.raises(ConfigurationError, match="is to be called"):
        claims_required(lambda: "")


def test_what_is_no_app_is_named_by_its_type():
    with pytest.raises(ConfigurationError, match="got a str"):
        SessionClaims("app")
