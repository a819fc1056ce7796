"""What the package gives away by name, and that sync and async twins do not drift apart."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

import flask_session_claims
from flask_session_claims import AsyncSessions, AsyncVerifier, Sessions, Verifier, testing
from flask_session_claims.io.reading import AsyncReading, Reading

CORE = {
    "AsyncLocalDirectory",
    "AsyncRequestAuth",
    "AsyncSessions",
    "AsyncTemplates",
    "AsyncVerifier",
    "Auth",
    "BooleanClaim",
    "Claim",
    "ClaimError",
    "ClaimName",
    "ClaimsRefused",
    "ConfigurationError",
    "Credentials",
    "DirectoryError",
    "Issued",
    "ListClaim",
    "LocalDirectory",
    "Measurement",
    "Membership",
    "Organization",
    "RefreshRefused",
    "RequestAuth",
    "SavedTemplate",
    "Session",
    "SessionClaimsError",
    "SessionError",
    "Sessions",
    "TemplateConflict",
    "TemplateRefused",
    "Templates",
    "TokenError",
    "UnavailableError",
    "User",
    "Validator",
    "Verifier",
    "VerifierSettings",
    "claims_oversize",
    "claims_refreshed",
    "credentials_from",
    "impersonation_started",
    "impersonation_stopped",
    "keys_rotated",
    "organization_switched",
    "refresh_token_reused",
    "session_created",
    "session_refreshed",
    "session_revoked",
    "token_rejected",
    "user_metadata_changed",
    "verify_jws",
}
FLASK = {
    "SessionClaims",
    "claims_required",
    "create_session",
    "current_auth",
    "current_session",
    "current_user",
    "get_auth",
    "impersonate",
    "is_safe_redirect",
    "login_required",
    "mark_verified",
    "merge_session_claims",
    "opentelemetry_listener",
    "public",
    "redirect_target",
    "revoke_session",
    "stop_impersonating",
    "switch_organization",
}
KIT = {
    "FrozenClock",
    "KeyServer",
    "LocalIssuer",
    "auth_as",
    "minted_secrets",
    "record_secrets",
    "shared_key",
    "signed_in",
}


def test_all_is_complete() -> None:
    assert set(flask_session_claims.__all__) == CORE | FLASK
    assert set(testing.__all__) == KIT
    for module in (flask_session_claims, testing):
        assert list(module.__all__) == sorted(set(module.__all__))


@pytest.mark.parametrize("name", sorted(CORE))
def test_core_names(name: str) -> None:
    assert getattr(flask_session_claims, name) is not None


@pytest.mark.parametrize("name", sorted(FLASK))
def test_flask_names(name: str) -> None:
    pytest.importorskip("flask")
    assert getattr(flask_session_claims, name) is not None


@pytest.mark.parametrize("name", sorted(KIT))
def test_kit_names(name: str) -> None:
    assert callable(getattr(testing, name))


def test_star_import() -> None:
    pytest.importorskip("flask")
    names: dict[str, Any] = {}
    exec("from flask_session_claims import *", names)  # noqa: S102
    assert names.keys() >= CORE | FLASK


def test_a_name_is_what_its_home_calls_so() -> None:
    errors = importlib.import_module("flask_session_claims.core.errors")
    assert flask_session_claims.TokenError is errors.TokenError


@pytest.mark.parametrize("module", [flask_session_claims, testing], ids=["package", "testing"])
def test_unknown_attribute(module: Any) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name
    assert not hasattr(module, "__wrapped__")
    with pytest.raises(ImportError):
        exec(f"from {module.__name__} import no_such_name")  # noqa: S102


@pytest.mark.parametrize("module", [flask_session_claims, testing], ids=["package", "testing"])
def test_dir(module: Any) -> None:
    listed = dir(module)
    assert set(module.__all__) <= set(listed)
    assert "__name__" in listed
    assert listed == sorted(set(listed))


# --- twins --------------------------------------------------------------------------------


def public_names(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def check_twins(sync: Any, twin: Any) -> None:
    assert inspect.signature(sync) == inspect.signature(twin)
    assert not inspect.iscoroutinefunction(sync)
    assert inspect.iscoroutinefunction(twin)


def test_verifiers_are_made_alike() -> None:
    assert inspect.signature(Verifier) == inspect.signature(AsyncVerifier)


@pytest.mark.parametrize("name", sorted(public_names(Verifier) | public_names(AsyncVerifier)))
def test_verifiers_are_twins(name: str) -> None:
    sync = vars(Verifier).get(name)
    twin = vars(AsyncVerifier).get(name)
    assert sync is not None, f"Verifier has no {name}"
    assert twin is not None, f"AsyncVerifier has no {name}"
    if isinstance(sync, property):  # both give what is there, without waiting
        assert isinstance(twin, property)
        assert inspect.signature(sync.fget) == inspect.signature(twin.fget)
    else:
        check_twins(sync, twin)


@pytest.mark.parametrize("name", sorted(public_names(Sessions) | public_names(AsyncSessions)))
def test_sessions_are_twins(name: str) -> None:
    check_twins(vars(Sessions)[name], vars(AsyncSessions)[name])


def test_readings_are_made_alike() -> None:
    sync, twin = inspect.signature(Reading), inspect.signature(AsyncReading)
    assert [*sync.parameters] == [*twin.parameters]
    for name, parameter in sync.parameters.items():
        other = twin.parameters[name]
        assert (parameter.kind, parameter.default) == (other.kind, other.default)
        if name != "rejected":  # what is told must be awaitable there
            assert parameter.annotation == other.annotation


def test_readings_are_twins() -> None:
    check_twins(Reading.now, AsyncReading.authenticate)
    check_twins(Reading.open, AsyncReading.open)
    check_twins(Reading.confirm, AsyncReading.aconfirm)
    check_twins(Reading.mint, AsyncReading.amint)
    check_twins(Reading.refetch, AsyncReading.arefetch)
    check_twins(Reading.is_current, AsyncReading.is_current)
    # What both call `now` is used by the same code, so it must be called alike.
    assert inspect.signature(Reading.now) == inspect.signature(AsyncReading.now)
    assert not inspect.iscoroutinefunction(AsyncReading.now)
    assert inspect.signature(Reading.confirm) == inspect.signature(AsyncReading.confirm)
    assert not inspect.iscoroutinefunction(AsyncReading.confirm)
    shared = {"confirm", "is_current", "now", "open", "refetch"}
    assert public_names(Reading) == shared
    assert public_names(AsyncReading) == {*shared, "aconfirm", "arefetch", "authenticate", "settle"}
