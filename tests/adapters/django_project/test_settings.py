"""`settings.SESSION_CLAIMS`, system checks, and what imports bring along."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import django_session_claims
import pytest
from django.core import checks
from django.test import Client, override_settings
from django.urls import path
from django_session_claims import (
    ConfigurationError,
    SessionClaimsMiddleware,
    conf,
)

from flask_session_claims.testing import signed_in

from ..django_setup import MIDDLEWARE
from .site import BOTH, GOOD, ISSUER, PARTY, get, mint, site, who

# --- settings -----------------------------------------------------------------------------


@BOTH
def test_overridden_settings_take_effect_at_once_and_are_gone_afterwards(ask: Any) -> None:
    token = ISSUER.mint(azp="https://other.example")
    with site(path("", who)):
        assert ask("/", token).json()["reason"] == "token-invalid-authorized-parties"
        with override_settings(SESSION_CLAIMS={**GOOD, "ORIGINS": ["https://other.example"]}):
            assert ask("/", token).json() == {"user": "user_1", "reason": None}
        assert ask("/", token).json()["reason"] == "token-invalid-authorized-parties"


def test_a_client_made_earlier_sees_overridden_settings() -> None:
    client = signed_in(Client(), mint(), source="header")
    with site(path("", who)):
        assert client.get("/").json()["user"] == "user_1"
    with site(path("", who), claims={"DEFAULT_POLICY": "public"}):
        assert client.get("/").json() == {"user": None, "reason": "session-token-missing"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ISSUERS": "x"}, "settings.SESSION_CLAIMS: ISSUERS: there is no such setting"),
        ({"SESSION_CLAIMS_ISSUER": "x"}, 'write SESSION_CLAIMS = {"ISSUER": …}'),
        ({"ISSUER": ISSUER.issuer, 1: 2}, "the key 1 is no string"),
        ({**GOOD, "LEEWAY": -1}, "LEEWAY: got -1"),
        ({**GOOD, "ORIGINS": PARTY}, "ORIGINS: got 'https://app.example'"),
        ({**GOOD, "DEFAULT_POLICY": "open"}, "DEFAULT_POLICY: got 'open'"),
        ({"REQUIRE_ISSUER": True}, "ISSUER: is unset"),
        ({"JWKS": ISSUER.jwks()}, "ISSUER: cannot be told"),
        ([("ISSUER", "x")], "got a list; write SESSION_CLAIMS = {"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_fails_the_check(given: Any, said: str) -> None:
    with override_settings(SESSION_CLAIMS=given):
        with pytest.raises(ConfigurationError) as caught:
            SessionClaimsMiddleware(who)
        assert said in caught.value.message
        assert [(m.id, m.msg) for m in run_checks()] == [
            ("session_claims.E001", caught.value.message)
        ]


def test_a_setting_beside_the_dict_is_not_overlooked() -> None:
    said = r'SESSION_CLAIMS = \{"LEEWAY": …\}'
    with site(SESSION_CLAIMS_LEEWAY=3), pytest.raises(ConfigurationError, match=said):
        SessionClaimsMiddleware(who)


def test_the_clock_of_the_reading_side_can_be_given() -> None:
    try:
        with site(path("", who)):
            conf.use(clock=lambda: 4_000_000_000.0)
            assert get("/", mint()).json()["reason"] == "token-expired"
            conf.use()
            assert get("/", mint()).json()["user"] == "user_1"
    finally:
        conf.use()


# --- system checks ------------------------------------------------------------------------


def run_checks() -> list[checks.CheckMessage]:
    found = checks.run_checks(tags=[checks.Tags.security])
    return [message for message in found if str(message.id).startswith("session_claims")]


class OwnMiddleware(SessionClaimsMiddleware):
    pass


def test_right_settings_pass_the_checks() -> None:
    with site():
        assert run_checks() == []
    with site(MIDDLEWARE=[f"{__name__}.OwnMiddleware", "no.such.Middleware"]):
        assert run_checks() == []


def test_the_checks_warn_of_an_unchecked_azp_and_of_missing_middleware() -> None:
    with site(claims={"ORIGINS": None}, MIDDLEWARE=["django.middleware.common.CommonMiddleware"]):
        assert {message.id for message in run_checks()} == {
            "session_claims.W001",
            "session_claims.W002",
        }


# --- imports ------------------------------------------------------------------------------


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_nothing_else() -> None:
    loaded = python(
        "import sys; import django_session_claims as d; assert 'get_auth' in d.__all__;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    ).split()
    assert {"django_session_claims"} <= set(loaded)
    assert not {"django", "flask_session_claims", "jwt", "cryptography"} & set(loaded)


def test_every_name_can_be_imported_before_settings_are_configured_and_without_flask() -> None:
    assert python(
        "import sys; sys.modules.update(dict.fromkeys(['flask', 'werkzeug', 'quart']));"
        "import django_session_claims as d, flask_session_claims.testing;"
        "names = [getattr(d, name).__class__.__name__ for name in d.__all__];"
        "from django.conf import settings; print(len(names) > 10, settings.configured)"
    ).split() == ["True", "False"]


def test_a_site_runs_without_flask() -> None:
    code = f"""
import sys
sys.modules.update(dict.fromkeys(["flask", "werkzeug", "quart", "blinker"]))
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path, re_path
from django_session_claims import login_required
urlpatterns = [path("", login_required(lambda request: HttpResponse(request.auth.user_id)))]
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE={MIDDLEWARE!r},
    INSTALLED_APPS=["django_session_claims"], SESSION_CLAIMS={GOOD!r})
django.setup()
from django.test import Client
print(Client().get("/").status_code)
print(Client().get("/", headers={{"Authorization": "Bearer " + {mint()!r}}}).content)
print("flask_session_claims.io.issuing" in sys.modules)  # who only reads tokens loads no issuer
"""
    assert python(code).splitlines() == ["401", "b'user_1'", "False"]


def test_the_names_are_those_that_the_documentation_lists() -> None:
    assert set(django_session_claims.__all__) == {
        "AsyncLocalDirectory", "AsyncRequestAuth", "AsyncSessions", "AsyncTemplates", "Auth",
        "BooleanClaim", "Claim", "ClaimError", "ClaimName", "ClaimsRefused", "ClaimsRequiredMixin",
        "ConfigurationError", "DirectoryError", "IdentityUnavailable", "Issued", "ListClaim",
        "LocalDirectory", "LoginRequiredMixin", "Membership", "NotAllowed", "NotSignedIn",
        "Organization", "RefreshRefused", "RequestAuth", "SavedTemplate", "Session",
        "SessionClaimsError", "SessionClaimsMiddleware", "SessionError", "Sessions",
        "TemplateConflict", "TemplateRefused", "Templates", "TokenError", "UnavailableError",
        "User", "Validator", "acreate_session", "acurrent_session", "acurrent_user", "add_claims",
        "add_validators", "adirectory", "aimpersonate", "ais_current", "amark_verified",
        "amerge_session_claims", "arevoke_session", "asessions", "astop_impersonating",
        "aswitch_organization", "async_user", "atemplates", "claims_oversize", "claims_refreshed",
        "claims_required", "create_session", "current_session", "current_user", "directory",
        "get_auth", "impersonate", "impersonation_started", "impersonation_stopped", "is_current",
        "keys_rotated", "login_required", "mark_verified", "may_impersonate",
        "merge_session_claims", "metadata_for", "organization_switched", "provide", "public",
        "refresh_token_reused", "revoke_session", "session_created", "session_refreshed",
        "session_revoked", "sessions", "stop_impersonating", "switch_organization", "sync_user",
        "templates", "token_rejected", "user_loader", "user_metadata_changed",
    }  # fmt: skip
    assert set(dir(django_session_claims)) >= set(django_session_claims.__all__)
    with pytest.raises(AttributeError):
        django_session_claims.current_auth  # noqa: B018
