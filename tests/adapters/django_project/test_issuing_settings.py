"""An issuer's settings in Django: what stops the start, the checks, what overriding does."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.test import RequestFactory, override_settings
from django_session_claims import (
    ConfigurationError,
    SessionClaimsMiddleware,
    conf,
    create_session,
    provide,
    sessions,
)

from flask_session_claims.io.hooks import Hooks
from flask_session_claims.stores.memory import MemoryStore
from flask_session_claims.stores.sqlite import SqliteStore

from .own import ENDPOINTS, SAME, own_site, set_cookies, still, wsgi
from .site import GOOD, site

BOTH = pytest.mark.parametrize("side", [conf.reading, conf.async_reading])


def run_checks() -> list[tuple[str, str]]:
    return [(m.id or "", m.msg) for m in checks.run_checks() if "session_claims" in str(m.id)]


# --- what is wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"STORE": "mysql://x"}, "settings.SESSION_CLAIMS: STORE: 'mysql://x' names no kind"),
        ({"STORE": 5}, "settings.SESSION_CLAIMS: STORE: got a int; write an address"),
        ({"KEY": "short"}, "KEY"),
        ({"SIGNING_KEY": "no pem", "ISSUER_URL": "https://a.example"}, "SIGNING_KEY"),
        ({"REFRESH_MODE": "never"}, "REFRESH_MODE: got 'never'"),
        ({"IDLE_LIFETIME": 0}, "IDLE_LIFETIME: got 0"),
        ({"STORES": "memory:"}, "STORES: there is no such setting"),
        ({**GOOD, "STORE": "memory:"}, "STORE: is set, but the sessions are another issuer's"),
    ],
)
def test_what_is_wrong_with_an_issuer_stops_the_start_and_fails_the_check(
    given: Any, said: str
) -> None:
    claims = {"ISSUER": "self", "STORE": "memory:", **given}
    with override_settings(SESSION_CLAIMS=claims):
        with pytest.raises(ConfigurationError) as caught:
            SessionClaimsMiddleware(still)
        assert said in caught.value.message
        assert run_checks() == [("session_claims.E001", caught.value.message)]


def test_without_a_secret_key_nothing_starts_but_in_development(tmp_path: Path) -> None:
    with own_site(SECRET_KEY="", BASE_DIR=tmp_path):
        with pytest.raises(ConfigurationError, match="add the line SECRET_KEY"):
            SessionClaimsMiddleware(still)
        assert list(tmp_path.iterdir()) == []
        with override_settings(DEBUG=True):
            assert wsgi().post("/in").status_code == 200
            made = tmp_path / "session_claims.key"
            assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_a_key_of_its_own_needs_no_secret_key() -> None:
    key = "a2V5IG9mIGl0cyBvd24sIG9mIDMyIGJ5dGVzISEhISE"
    with own_site(SECRET_KEY="", claims={"KEY": key}):
        assert wsgi().post("/in").status_code == 200


def test_another_secret_key_stops_the_start_and_an_older_one_may_be_named(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'sessions.db'}"
    with own_site(claims={"STORE": store}, SECRET_KEY="the one before " * 3):
        assert wsgi().post("/in").status_code == 200
    with own_site(claims={"STORE": store}, SECRET_KEY="the one of now " * 3):
        with pytest.raises(ConfigurationError) as caught:
            SessionClaimsMiddleware(still)
        assert caught.value.code == "keyring-locked"
        assert [found for found, _ in run_checks()] == ["session_claims.E001"]
        with override_settings(SECRET_KEY_FALLBACKS=["the one before " * 3]):
            assert run_checks() == []
            assert wsgi().post("/in").status_code == 200


# --- what is right ------------------------------------------------------------------------


def test_right_settings_pass_the_checks_and_write_nothing(tmp_path: Path) -> None:
    with own_site(claims={"STORE": None}, BASE_DIR=tmp_path):
        assert run_checks() == []
        SessionClaimsMiddleware(still)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["BASE_DIR", "the current one"])
def test_settings_that_name_no_issuer_make_one_with_its_store_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    more = {"BASE_DIR": str(tmp_path / "project")} if folder == "BASE_DIR" else {}
    with own_site(claims={"ISSUER": None, "STORE": None}, **more):
        assert wsgi().post("/in").status_code == 200
    assert [*tmp_path.rglob("session_claims.db")] == [
        (tmp_path / "project" if more else tmp_path) / "session_claims.db"
    ]


def test_the_endpoint_mode_without_its_address_fails_the_check_and_signs_nobody_in() -> None:
    claims = {"REFRESH_MODE": "endpoint"}
    with own_site(claims=claims, endpoints=False):
        [(found, said)] = run_checks()
        assert found == "session_claims.E002"
        assert 'include("django_session_claims.urls")' in said
        reply = wsgi().post("/in")
        assert (reply.status_code, reply.cookies) == (500, {})
    with own_site(claims=claims):
        assert run_checks() == []


def test_the_path_of_the_refresh_cookie_is_that_which_the_browser_sees() -> None:
    with own_site(claims={"REFRESH_MODE": "endpoint"}, FORCE_SCRIPT_NAME="/shop"):
        fields = set_cookies(RequestFactory().post("/in", headers=SAME))
        paths = {re.findall("Path=[^;]+", field)[0] for field in fields}
        assert paths == {"Path=/", "Path=/shop/auth/session/refresh"}


# --- overriding ---------------------------------------------------------------------------


def test_sync_and_async_requests_are_served_by_one_issuer() -> None:
    with own_site():
        issuing = conf.reading().issuing
        assert issuing is not None
        assert conf.async_reading().issuing is issuing


@pytest.mark.parametrize(
    "change",
    [
        {"SESSION_CLAIMS": {"ISSUER": "self", "STORE": MemoryStore()}},
        {"SECRET_KEY": "another " * 5},
        {"SECRET_KEY_FALLBACKS": ["older " * 8]},
        {"DEBUG": True},
        {"BASE_DIR": "/"},
    ],
)
@BOTH
def test_overriding_what_an_issuer_depends_on_makes_another(change: Any, side: Any) -> None:
    with own_site():
        before = side().issuing
        with override_settings(USE_TZ=False):
            assert side().issuing is before
        with override_settings(**change):
            assert side().issuing is not before
        assert side().issuing is not before


def open_files(path: Path) -> int:
    links = (os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd"))
    return sum(link == str(path) for link in links)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see open files")
def test_the_store_that_was_opened_is_closed_and_one_that_was_given_is_not(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    with own_site(claims={"STORE": f"sqlite:///{path}"}):
        wsgi().post("/in")
        assert open_files(path) == 1
    assert open_files(path) == 0
    given = SqliteStore(path)
    with own_site(claims={"STORE": given}):
        wsgi().post("/in")
    assert open_files(path) == 1
    given.close()


def test_the_acts_from_anywhere_are_those_of_the_settings_of_now() -> None:
    with own_site():
        issued = sessions.create("ada")
        assert sessions.get(issued.session.session_id) == issued.session
        with own_site():
            assert sessions.list_for_user("ada") == ()
    assert "SESSION_CLAIMS" in repr(sessions)
    assert not hasattr(sessions, "__wrapped__")


def test_the_sessions_of_another_issuer_are_not_ours() -> None:
    def view(request: Any) -> Any:
        create_session(request, "ada")

    from django.urls import path

    said = r'the sessions of this app are those of .*write settings.SESSION_CLAIMS\["ISSUER"\] = "s'
    with site(path("in", view), *ENDPOINTS):
        with pytest.raises(ConfigurationError, match=said):
            sessions.list_for_user("ada")
        for address in ("/in", "/auth/session/refresh", "/auth/signout"):
            assert wsgi().post(address).status_code == 500
        assert wsgi().get("/.well-known/jwks.json").status_code == 500


# --- the hook -----------------------------------------------------------------------------


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is registered is forgotten afterwards."""
    monkeypatch.setattr(conf._built, "hooks", Hooks())


@pytest.mark.usefixtures("registered")
def test_the_hook_is_registered_once_before_or_after_the_start() -> None:
    def hook(user_id: str, session: Any) -> Any:
        return {"hook": user_id}

    def other(user_id: str, session: Any) -> Any:
        return {"other": user_id}

    with own_site():
        assert sessions.create("a").session.claims == {}
        assert provide(hook) is hook
        assert provide(hook) is hook
        assert sessions.create("b").session.claims == {"hook": "b"}
        with pytest.raises(ConfigurationError, match="there is one already"):
            provide(other)
    with own_site():
        assert sessions.create("c").session.claims == {"hook": "c"}
    with own_site(provide=other):
        assert sessions.create("d").session.claims == {"other": "d"}
    with own_site():
        assert sessions.create("e").session.claims == {"hook": "e"}


@pytest.mark.usefixtures("registered")
def test_what_cannot_be_called_is_no_hook() -> None:
    with pytest.raises(ConfigurationError, match="provide: got 5; give a function"):
        provide(5)  # type: ignore[type-var] # pyright: ignore
