"""An app that is its own issuer: what can be wrong is wrong at the start, and says so."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_session_claims import (
    ConfigurationError,
    SessionClaims,
    create_session,
    current_session,
    merge_session_claims,
    revoke_session,
)
from flask_session_claims.io.signals import SESSION_SIGNALS
from flask_session_claims.sessions.consult import EVENTS
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.testing import LocalIssuer

PREFIX = "SESSION_CLAIMS_"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
SECRET = "a secret of this test, and long enough"


def make(folder: Path, **config: Any) -> Flask:
    app = Flask("issuing", instance_path=str(folder / "instance"))
    app.config.update(SECRET_KEY=SECRET)
    for name, value in config.items():
        app.config[
            name if name in ("SECRET_KEY", "TESTING", "SECRET_KEY_FALLBACKS") else PREFIX + name
        ] = value
    app.add_url_rule("/in", view_func=lambda: create_session("user_1").user_id, methods=["POST"])
    return app


def sign_in(app: Flask) -> None:
    assert app.test_client().post("/in", headers=SAME_ORIGIN).status_code == 200


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"STORE": "mysql://db"}, "STORE", "names no kind of store"),
    ({"STORE": "sqlite://"}, "STORE", "names no file"),
    ({"STORE": 7}, "STORE", "got a int; write an address"),
    ({"STORE": "sqlite:////no/such/folder/there/x.db"}, "STORE", "needs the folder"),
    ({"SIGNING_ALGORITHM": "HS256"}, "SIGNING_ALGORITHM", '"ES256"'),
    ({"SIGNING_KEY": "no pem"}, "ISSUER_URL", "is unset, and"),
    ({"SIGNING_KEY": "no pem", "ISSUER_URL": "https://a.example"}, "SIGNING_KEY", "Give one"),
    ({"KEY": "short"}, "KEY", "random bytes"),
    ({"KEY": {"a": 1}}, "KEY", "got a secret"),
    ({"ISSUER_URL": "app.example.com"}, "ISSUER_URL", "https://"),
    ({"ISSUER_URL": "https://a.example/" + "x" * 200}, "ISSUER_URL", "longer than"),
    ({"SESSION_TOKEN_LIFETIME": 4}, "SESSION_TOKEN_LIFETIME", "from 5 to 3_600"),
    ({"SESSION_TOKEN_LIFETIME": "soon"}, "SESSION_TOKEN_LIFETIME", "write a number"),
    ({"IDLE_LIFETIME": 0}, "IDLE_LIFETIME", "write a number"),
    ({"ABSOLUTE_LIFETIME": 60, "IDLE_LIFETIME": 61}, "IDLE_LIFETIME", "ABSOLUTE_LIFETIME"),
    ({"REFRESH_GRACE": 61}, "REFRESH_GRACE", "from 0 to 60"),
    ({"REFRESH_MODE": "cookie"}, "REFRESH_MODE", '"inline" or "endpoint"'),
    ({"MAX_SESSIONS_PER_USER": 0}, "MAX_SESSIONS_PER_USER", "whole number"),
    ({"DEV_COOKIES": "perhaps"}, "DEV_COOKIES", "True or False"),
    ({"IDLE_LIFE": 60}, "IDLE_LIFE", "did you mean SESSION_CLAIMS_IDLE_LIFETIME"),
    ({"JWKS_URL": "https://a.example/keys"}, "JWKS_URL", '"self"'),
    ({"AUDIENCE": "api"}, "AUDIENCE", "leave it out"),
    ({"COOKIE_NAME": "session"}, "COOKIE_NAME", "the framework's own session cookie"),
    ({"COOKIE_NAME": "__Host-sid", "DEV_COOKIES": True}, "COOKIE_NAME", "without the prefix"),
    ({"ALGORITHMS": ["RS256"]}, "ALGORITHMS", "signed with ES256"),
]


@pytest.mark.parametrize(("config", "key", "said"), MISTAKES, ids=[m[1] + m[2] for m in MISTAKES])
def test_a_mistake_stops_the_start(
    tmp_path: Path, config: dict[str, Any], key: str, said: str
) -> None:
    app = make(tmp_path, ISSUER="self", **config)
    with pytest.raises(ConfigurationError) as caught:
        SessionClaims(app)
    assert PREFIX + key in caught.value.message
    assert said in caught.value.message
    assert "no pem" not in caught.value.message


def test_settings_of_an_issuer_that_is_not_there_are_a_mistake(tmp_path: Path) -> None:
    key = LocalIssuer().public_jwk()
    app = make(tmp_path, ISSUER="https://issuer.example", JWKS=key, IDLE_LIFETIME=60)
    with pytest.raises(ConfigurationError, match=f"^{PREFIX}IDLE_LIFETIME: is set, but"):
        SessionClaims(app)


def test_another_issuers_app_says_what_to_do(tmp_path: Path) -> None:
    key = LocalIssuer().public_jwk()
    app = make(tmp_path, ISSUER="https://issuer.example", JWKS=key)
    claims = SessionClaims(app)
    acts = (
        lambda: create_session("u"),
        current_session,
        revoke_session,
        lambda: merge_session_claims({}),
    )
    for act in (*acts, lambda: claims.sessions):
        with app.test_request_context(), pytest.raises(ConfigurationError, match='ISSUER = "self"'):
            act()


def test_nothing_is_written_before_the_first_sign_in(tmp_path: Path) -> None:
    app = make(tmp_path)
    SessionClaims(app)
    client = app.test_client()
    client.set_cookie("session_000000", "x")
    assert client.get("/", headers={"Authorization": "Bearer a.b.c"}).status_code == 404
    assert not (tmp_path / "instance").exists()
    sign_in(app)
    assert (tmp_path / "instance" / "session_claims.db").is_file()


def test_the_instance_folder_of_an_installed_app_need_not_exist(tmp_path: Path) -> None:
    """Flask puts it below `var` of the virtual environment, which no environment has at first."""
    app = make(tmp_path / "var", ISSUER="self")
    SessionClaims(app)
    assert not (tmp_path / "var").exists()
    sign_in(app)
    assert (tmp_path / "var" / "instance" / "session_claims.db").is_file()


@pytest.mark.parametrize("fallback", [False, True])
def test_a_wrong_secret_refuses_to_start(tmp_path: Path, fallback: bool) -> None:
    first = make(tmp_path, ISSUER="self")
    SessionClaims(first)
    sign_in(first)
    more = {"SECRET_KEY_FALLBACKS": [SECRET]} if fallback else {}
    second = make(tmp_path, ISSUER="self", SECRET_KEY="another secret, which is long too", **more)
    if fallback:
        SessionClaims(second)
        sign_in(second)
        return
    with pytest.raises(ConfigurationError, match="keys rewrap") as caught:
        SessionClaims(second)
    assert "keys discard" in caught.value.message


def test_without_a_secret_key_it_says_which_line_to_add(tmp_path: Path) -> None:
    app = make(tmp_path, ISSUER="self", SECRET_KEY=None)
    with pytest.raises(ConfigurationError, match="SECRET_KEY = "):
        SessionClaims(app)


def test_in_development_a_key_file_stands_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "instance" / "session_claims.key"
    for _ in range(2):
        app = make(tmp_path, ISSUER="self", SECRET_KEY=None, TESTING=True)
        SessionClaims(app)
        sign_in(app)
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    told = [r for r in caplog.records if str(file) in r.getMessage()]
    assert len(told) == 1
    assert file.read_text() not in caplog.text
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        SessionClaims(make(tmp_path, ISSUER="self", SECRET_KEY=None, TESTING=True))


def test_the_start_logs_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        SessionClaims(make(tmp_path, ISSUER="self", STORE="sqlite:///sessions.db"))
    line = "session claims: issuer self, store sqlite:///sessions.db, keys made and rotated"
    assert [r.getMessage() for r in caplog.records] == [f"{line} in the store"]
    caplog.clear()
    SessionClaims(make(tmp_path))
    assert "STORE is unset" in caplog.text


def test_a_given_pem_signs(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    app = make(
        tmp_path, ISSUER="self", SIGNING_KEY=pem, ISSUER_URL="https://app.example", SECRET_KEY=None
    )
    claims = SessionClaims(app)
    with app.app_context():
        issued = claims.sessions.create("user_1")
    assert issued.claims["iss"] == "https://app.example"
    with app.test_client() as client:
        client.get("/", headers={"Authorization": f"Bearer {issued.session_token}"})
        from flask import g

        assert g.auth.user_id == "user_1"


def test_a_store_object_serves_two_apps(tmp_path: Path) -> None:
    store = MemoryStore()
    apps = [make(tmp_path, ISSUER="self", STORE=store) for _ in range(2)]
    one, other = (SessionClaims(app) for app in apps)
    issued = one.sessions.create("user_1")
    session = other.sessions.get(issued.session.session_id)
    assert session == issued.session
    assert other.sessions.revoke(issued.session.session_id) is True
    assert one.sessions.get(issued.session.session_id) is None


def test_one_extension_serves_several_apps(tmp_path: Path) -> None:
    claims = SessionClaims()
    claims.provide(lambda user_id, session: {"of": user_id})
    apps = [make(tmp_path / name, ISSUER="self", STORE="memory:") for name in "ab"]
    for app in apps:
        claims.init_app(app)
    with apps[0].app_context():
        issued = claims.sessions.create("user_1")
    assert issued.claims["of"] == "user_1"
    with apps[1].app_context():
        assert claims.sessions.get(issued.session.session_id) is None


def test_provide_is_given_once_and_callable(tmp_path: Path) -> None:
    claims = SessionClaims(make(tmp_path, ISSUER="self"))
    with pytest.raises(ConfigurationError, match="provide: got 'x'"):
        claims.provide("x")  # type: ignore[type-var] # pyright: ignore
    claims.provide(lambda user_id, session: None)
    with pytest.raises(ConfigurationError, match="one already"):
        claims.provide(lambda user_id, session: None)


def test_every_event_has_a_signal() -> None:
    assert SESSION_SIGNALS.keys() == EVENTS
